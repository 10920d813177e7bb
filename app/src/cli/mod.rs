//! The command line. One slice, [`COMMANDS`], lists the commands; operators' own commands follow
//! from their declarations.

mod bench;
mod bench_viewer;
mod columns;
pub mod common;
mod compare;
mod contacts;
mod convert;
mod frames;
mod groups;
mod info;
mod leading;
mod montage;
mod movie;
mod op;
mod ops;
pub mod pool;
pub mod recipes;
mod render;
pub mod run;
mod sample;
mod samples;
mod scan;
mod score;
mod sql;
mod study;
mod tables;
pub mod tables_in;
mod track;

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::path::PathBuf;
use voxelry_core::Error;
use voxelry_core::io::remote;

/// A command: how it reads, and what it does.
struct Entry {
    /// Its arguments.
    command: fn() -> Command,
    /// The operator.
    run: fn(&ArgMatches) -> Result<()>,
}

static COMMANDS: &[Entry] = &[
    Entry { command: run::command, run: run::run },
    Entry { command: op::command, run: op::run },
    Entry { command: ops::command, run: ops::run },
    Entry { command: columns::command, run: columns::run },
    Entry { command: recipes::command, run: recipes::run },
    Entry { command: info::command, run: info::run },
    Entry { command: pool::command, run: pool::run },
    Entry { command: convert::command, run: convert::run },
    Entry { command: montage::command, run: montage::run },
    Entry { command: render::command, run: render::run },
    Entry { command: tables::slice_stats, run: tables::run_slice_stats },
    Entry { command: tables::histogram, run: tables::run_histogram },
    Entry { command: sql::command, run: sql::run },
    Entry { command: compare::command, run: compare::run },
    Entry { command: scan::command, run: scan::run },
    Entry { command: groups::outliers, run: groups::run_outliers },
    Entry { command: groups::cluster, run: groups::run_cluster },
    Entry { command: track::command, run: track::run },
    Entry { command: contacts::command, run: contacts::run },
    Entry { command: score::command, run: score::run },
    Entry { command: sample::command, run: sample::run },
    Entry { command: info::formats, run: info::run_formats },
    Entry { command: bench::command, run: bench::run },
];

/// Position of the global arguments in the help: after the command's own.
const LAST: usize = 1000;

fn program() -> Command {
    Command::new("voxelry")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Look through, segment and measure 3D images of any size.")
        .after_help("Without a command, images are opened in a window.")
        .args_conflicts_with_subcommands(true)
        .subcommand_help_heading("Commands")
        .arg(
            Arg::new("images")
                .value_name("FILE|FOLDER")
                .num_args(0..)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Images, folders of slices or sessions to open in a window"),
        )
        .args(common::open_args())
        .arg(Arg::new("after-device-loss").long("after-device-loss").hide(true).action(ArgAction::SetTrue))
        .arg(
            Arg::new("threads")
                .long("threads")
                .global(true)
                .display_order(LAST)
                .value_name("N")
                .value_parser(clap::value_parser!(u16).range(1..))
                .help("Use N threads (default: all cores); the result doesn't depend on it"),
        )
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .short('q')
                .global(true)
                .display_order(LAST)
                .action(ArgAction::SetTrue)
                .help("No progress"),
        )
        .arg(
            Arg::new("verbose")
                .long("verbose")
                .short('v')
                .global(true)
                .display_order(LAST)
                .action(ArgAction::SetTrue)
                .help("Say more, such as the thresholds found"),
        )
        .subcommands(COMMANDS.iter().map(|c| (c.command)()))
}

/// Runs the program.
///
/// # Errors
/// Error of the command.
pub fn main() -> Result<()> {
    let mut program = program();
    // Global options are known to commands, and their help, once it is built.
    program.build();
    let arguments = leading::behind_command(&program, std::env::args_os().collect());
    let matches = match program.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            // Clap's own text is the message; its first line reads "error: …".
            return Err(
                Error::Usage(error.to_string().trim_start_matches("error: ").trim_end().to_owned()).into()
            );
        }
        Err(help) => {
            return match help.print() {
                Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
                _ => Ok(()),
            };
        }
    };
    if let Some(threads) = matches.get_one::<u16>("threads") {
        voxelry_core::set_threads(usize::from(*threads))?;
    }
    let Some((name, matches)) = matches.subcommand() else { return open_window(&matches) };
    crate::interrupt::ends_without_memory();
    let entry = COMMANDS.iter().find(|c| (c.command)().get_name() == name).expect("listed above");
    (entry.run)(matches)
}

/// Opens the window on the images that were named.
fn open_window(matches: &ArgMatches) -> Result<()> {
    let images: Vec<PathBuf> = matches.get_many("images").map(|i| i.cloned().collect()).unwrap_or_default();
    if let Some(image) = images.iter().find(|i| remote::address(i).is_none() && !i.exists()) {
        let commands = COMMANDS.iter().map(|c| (c.command)());
        let names: Vec<String> = commands.map(|c| c.get_name().to_owned()).collect();
        let word = image.to_string_lossy();
        let hint = voxelry_core::error::suggestion(&word, names.iter().map(String::as_str));
        return Err(Error::Usage(format!("{word} is neither a file nor a command{hint}")).into());
    }
    let after_loss = matches.get_flag("after-device-loss");
    crate::window::run(images, common::open_options(matches)?, after_loss)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::program().debug_assert();
    }
}
