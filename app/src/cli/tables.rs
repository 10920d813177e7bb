//! `voxelry slice-stats` and `voxelry histogram`: the picture's own figures, as table and plot.

use super::{common, op};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use voxelry_core::measure::Table;
use voxelry_core::ops;
use voxelry_core::picture::{self, Line, Plot};

fn with_plot(id: &'static str, about: &'static str) -> Command {
    let op = ops::find(id).expect("an operator of this name");
    op::operator(op).about(about).arg(
        Arg::new("plot")
            .long("plot")
            .value_name("FILE.png")
            .value_parser(value_parser!(PathBuf))
            .help("Draw it, too"),
    )
}

pub fn slice_stats() -> Command {
    with_plot("slice-stats", "Mean, deviation and percentiles of each slice, as a table and a plot")
}

pub fn histogram() -> Command {
    with_plot("histogram", "Count voxels by intensity, as a table and a plot")
}

pub fn run_slice_stats(matches: &ArgMatches) -> Result<()> {
    let table = table("slice-stats", matches)?;
    let x = table.batch.schema().field(0).name().clone();
    let xs = table.numbers(&x).unwrap_or_default();
    let line = |(column, name): (&str, &str)| {
        let points = xs.iter().zip(table.numbers(column)?).map(|(x, y)| [*x, y]).collect();
        Some(Line { name: name.to_owned(), points })
    };
    let columns =
        [("mean", "mean"), ("p05", "5th percentile"), ("median", "median"), ("p95", "95th percentile")];
    let lines = columns.into_iter().filter_map(line).collect();
    draw(matches, "Intensity by slice", &x, "intensity", lines, false)
}

pub fn run_histogram(matches: &ArgMatches) -> Result<()> {
    let table = table("histogram", matches)?;
    let numbers = |column: &str| table.numbers(column).unwrap_or_default();
    let bins = numbers("low").into_iter().zip(numbers("high")).zip(numbers("count"));
    // A bin is a bar from its lower to its upper edge.
    let points = bins.flat_map(|((low, high), count)| [[low, count], [high, count]]).collect();
    let lines = vec![Line { name: "count".into(), points }];
    draw(matches, "Histogram", "intensity", "voxels", lines, true)
}

fn table(id: &str, matches: &ArgMatches) -> Result<Table> {
    if let Some(path) = matches.get_one::<PathBuf>("plot") {
        picture::check_name(path)?;
        common::can_write(matches, path)?;
    }
    Ok(op::run_operator(id, matches)?.swap_remove(0))
}

fn draw(matches: &ArgMatches, title: &str, x: &str, y: &str, lines: Vec<Line>, log: bool) -> Result<()> {
    let Some(path) = matches.get_one::<PathBuf>("plot") else { return Ok(()) };
    let image = matches.get_one::<PathBuf>("in").and_then(|p| p.file_name()).unwrap_or_default();
    let title = format!("{title}: {}", image.display());
    Plot { title, x: x.to_owned(), y: y.to_owned(), lines, log }.draw(1600, 900).save_png(path)?;
    Ok(())
}
