//! `voxelry slice-stats` and `voxelry histogram`: an image's own figures, as CSV and PNG. They are
//! the operators of those names with a picture beside the table.

use super::op;
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::{Path, PathBuf};
use voxelry_core::measure::Table;
use voxelry_core::ops;
use voxelry_core::picture::{Line, Plot};

fn with_plot(id: &'static str) -> Command {
    let op = ops::find(id).expect("an operator of this name");
    op::operator(op).arg(
        Arg::new("plot")
            .long("plot")
            .value_name("FILE.png")
            .value_parser(value_parser!(PathBuf))
            .help("Draw it, too"),
    )
}

pub fn slice_stats() -> Command {
    with_plot("slice-stats")
}

pub fn histogram() -> Command {
    with_plot("histogram")
}

pub fn run_slice_stats(matches: &ArgMatches) -> Result<()> {
    let tables = op::run_operator("slice-stats", matches)?;
    let lines = ["mean", "p05", "median", "p95"];
    draw(
        matches,
        &tables[0],
        &tables[0].batch.schema().field(0).name().clone(),
        &lines,
        "Intensity by slice",
        false,
    )
}

pub fn run_histogram(matches: &ArgMatches) -> Result<()> {
    let tables = op::run_operator("histogram", matches)?;
    draw(matches, &tables[0], "low", &["count"], "Histogram", true)
}

fn draw(matches: &ArgMatches, table: &Table, x: &str, ys: &[&str], title: &str, log: bool) -> Result<()> {
    let Some(path) = matches.get_one::<PathBuf>("plot") else { return Ok(()) };
    let xs = table.numbers(x).unwrap_or_default();
    let lines: Vec<Line> = ys
        .iter()
        .filter_map(|y| {
            let points = xs.iter().zip(table.numbers(y)?).map(|(x, y)| [*x, y]).collect();
            Some(Line { name: (*y).to_owned(), points })
        })
        .collect();
    let image = matches.get_one::<PathBuf>("in").and_then(|p: &PathBuf| p.file_name()).map(Path::new);
    let plot = Plot {
        title: format!("{title}: {}", image.unwrap_or(Path::new("")).display()),
        x: axis(table, x),
        y: if let [y] = ys { axis(table, y) } else { "intensity".into() },
        lines,
        log,
    };
    plot.draw(960, 540).save_png(path)?;
    Ok(())
}

fn axis(table: &Table, column: &str) -> String {
    match table.unit(column) {
        "" => column.to_owned(),
        unit => format!("{column} [{unit}]"),
    }
}
