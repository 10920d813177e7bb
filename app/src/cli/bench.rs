//! `voxelry bench op NAME …`: times an operator on a file, in memory, for comparisons with peers.
//! Scenes of the window that `bench_viewer.rs` times.

use super::common::print_line;
use super::op::{self, Setup};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::Job;
use voxelry_core::ops::OPERATORS;

pub fn command() -> Command {
    let operators = OPERATORS.iter().map(|o| {
        let command = op::operator(*o).mut_arg("out", |a| a.required(false).hide(true));
        command.arg(
            Arg::new("repeat")
                .long("repeat")
                .value_parser(value_parser!(u32).range(1..))
                .default_value("3")
                .help("Runs that are timed, after one that is not"),
        )
    });
    Command::new("bench")
        .about("Time what Voxelry does")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("op")
                .about("Time an operator on a file in memory; prints seconds and peak memory as JSON")
                .subcommand_required(true)
                .subcommands(operators),
        )
        .subcommand(super::bench_viewer::command())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (what, matches) = matches.subcommand().expect("required");
    if what == "viewer" {
        return super::bench_viewer::run(matches);
    }
    let (id, matches) = matches.subcommand().expect("required");
    let Setup { plan, fields, .. } = op::set_up(id, matches, &Job::silent())?;
    let job = Job::silent();
    let step = &plan.steps[0];
    let volumes = fields.iter().map(|f| f.read_all(&job)).collect::<Result<Vec<_>, _>>()?;
    let repeat = *matches.get_one::<u32>("repeat").expect("default");
    let mut seconds = Vec::new();
    let mut peak: f64 = 0.0;
    for run in 0..=repeat {
        let inputs: Vec<_> = step.inputs.iter().map(|i| i.map(|i| Arc::clone(&volumes[i]))).collect();
        // The first run, which isn't timed, is the one that finds no memory left over from another.
        if run == 0 {
            voxelry_core::memory::give_back_kept();
        }
        let before = memory::resident();
        memory::reset_peak();
        let start = Instant::now();
        let output = step.prepared.kernel.whole(inputs, &job)?;
        let took = start.elapsed().as_secs_f64();
        if let (Some(before), Some(after)) = (before, memory::peak()) {
            peak = peak.max(after - before);
        }
        drop(output);
        if run > 0 {
            seconds.push(took);
        }
    }
    let input_mb = volumes.iter().map(|v| v.byte_len()).sum::<usize>() as f64 / 1e6;
    print_line!("{}", json!({ "op": id, "seconds": seconds, "extra_mb": peak, "input_mb": input_mb }))?;
    Ok(())
}

/// Memory of this process as the operating system reports it, in MB; Linux only.
mod memory {
    fn field(name: &str) -> Option<f64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
    }

    pub fn resident() -> Option<f64> {
        field("VmRSS:")
    }

    pub fn peak() -> Option<f64> {
        field("VmHWM:")
    }

    pub fn reset_peak() {
        // Where this isn't allowed, the peak is that of the whole process: an upper bound.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }
}
