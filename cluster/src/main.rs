//! `voxelry-pool`: workers that make the blocks of recipes, and a coordinator that they join. One binary, one role each.

mod api;
mod jobs;
mod kernel;
mod query;
mod roles;
mod roots;
mod spread;
mod tls;

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// Coordinator and workers of a pool must be of one version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

fn command() -> Command {
    Command::new("voxelry-pool")
        .version(VERSION)
        .about("A pool of workers for Voxelry: recipes over blocks, on this machine or on many")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("local")
                .about("A coordinator and a worker in one process, for this user on this machine")
                .args(serving(false))
                .args([cores(), device()]),
        )
        .subcommand(
            Command::new("coordinator")
                .about("Takes jobs in and gives their blocks to workers")
                .args(serving(true)),
        )
        .subcommand(
            Command::new("worker")
                .about("Joins a coordinator and makes blocks")
                .arg(
                    Arg::new("join")
                        .long("join")
                        .value_name("URL")
                        .required(true)
                        .help("The coordinator's URL, or local; its token is in VOXELRY_POOL_TOKEN"),
                )
                .arg(host("The address at which others reach this worker; nothing listens beyond it"))
                .args([cores(), device()])
                .arg(
                    Arg::new("temporary")
                        .long("temporary")
                        .value_name("DIR")
                        .value_parser(value_parser!(PathBuf))
                        .help("Folder for temporary files [default: the system's]"),
                ),
        )
}

fn host(help: &'static str) -> Arg {
    Arg::new("host").long("host").value_name("ADDRESS").default_value("127.0.0.1").help(help)
}

fn cores() -> Arg {
    Arg::new("cores")
        .long("cores")
        .value_name("N")
        .value_parser(value_parser!(usize))
        .help("Blocks that are made at once [default: the machine's cores]")
}

fn device() -> Arg {
    Arg::new("device")
        .long("device")
        .value_name("DEVICE")
        .default_value("auto")
        .help("What steps run on: auto (whatever is faster), cpu, gpu, or gpu:1 for the second; the result doesn't depend on it")
}

/// What a coordinator needs; `many` where workers of other machines join.
fn serving(many: bool) -> Vec<Arg> {
    let path = value_parser!(PathBuf);
    let mut args = vec![
        Arg::new("port")
            .long("port")
            .value_name("PORT")
            .default_value("8750")
            .value_parser(value_parser!(u16))
            .help("Port of the job API"),
        Arg::new("shared")
            .long("shared")
            .value_name("DIR")
            .value_parser(path.clone())
            .required(many)
            .help("Folder for the jobs and what lies between their steps; all workers must see it at this path"),
        Arg::new("root")
            .long("root")
            .value_name("DIR|URL")
            .action(ArgAction::Append)
            .help("A folder that jobs may read and write, or the beginning of addresses that they may read; may be repeated [default: this folder]"),
        Arg::new("jobs")
            .long("jobs")
            .value_name("N")
            .default_value("2")
            .value_parser(value_parser!(usize))
            .help("Jobs that run at the same time"),
        Arg::new("tls-certificate")
            .long("tls-certificate")
            .value_name("FILE")
            .value_parser(path.clone())
            .requires("tls-key")
            .help("Certificate (PEM) for https"),
        Arg::new("tls-key")
            .long("tls-key")
            .value_name("FILE")
            .value_parser(path)
            .requires("tls-certificate")
            .help("Its key (PEM)"),
    ];
    if many {
        args.push(host("The address at which users and workers reach it; nothing listens beyond it"));
        args.push(
            Arg::new("task-port")
                .long("task-port")
                .value_name("PORT")
                .default_value("8751")
                .value_parser(value_parser!(u16))
                .help("Port at which workers get their tasks"),
        );
    }
    args
}

fn run(matches: &ArgMatches) -> Result<()> {
    match matches.subcommand() {
        Some(("local", m)) => roles::local(m),
        Some(("coordinator", m)) => roles::coordinator(m),
        Some(("worker", m)) => roles::worker(m),
        _ => unreachable!("a role is required"),
    }
}

fn main() -> std::process::ExitCode {
    let matches = command().get_matches();
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("VOXELRY_LOG", "error")).init();
    voxelry_core::io::remote::install(voxelry_stores::open);
    match run(&matches) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("voxelry-pool: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
