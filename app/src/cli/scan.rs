//! `voxelry scan`: every value against every marker.

use super::common::{self, print_line};
use super::groups::seed_arg;
use super::tables_in::{self, Tables, list, list_arg};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use voxelry_analysis::scan::{Coding, Options, scan};

pub fn command() -> Command {
    Command::new("scan")
        .about("Test every value against every marker, with the number of tests stated")
        .arg(tables_in::table_arg())
        .arg(list_arg("values", "GLOB,…", "Columns of values, by name or pattern").required(true))
        .arg(
            list_arg("by", "GLOB,…", "Columns of markers, by name or pattern, such as 'D*Mit*'")
                .required(true),
        )
        .arg(
            list_arg("exclude", "CODE,…", "Codes of markers that count as missing, such as - or C")
                .allow_hyphen_values(true),
        )
        .arg(
            Arg::new("coding")
                .long("coding")
                .value_name("CODING")
                .value_parser(["categorical", "additive"])
                .default_value("categorical")
                .help("A mean for each code of a marker, or a straight line over the number of alleles"),
        )
        .arg(list_arg("covariates", "COLUMN,…", "Columns whose influence is taken out"))
        .arg(
            Arg::new("permutations")
                .long("permutations")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .default_value("0")
                .help("Permutations for thresholds over all tests"),
        )
        .arg(seed_arg())
        .arg(tables_in::with_arg())
        .arg(tables_in::on_arg())
        .arg(tables_in::out_arg())
        .arg(common::overwrite_arg())
}

/// Runs `voxelry scan`.
///
/// # Errors
/// A table that can't be read, or a column that isn't there.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let out = tables_in::answer_folder(matches, "scan.csv")?;
    let options = Options {
        values: list(matches, "values"),
        by: list(matches, "by"),
        exclude: list(matches, "exclude"),
        coding: match matches.get_one::<String>("coding").map(String::as_str) {
            Some("additive") => Coding::Additive,
            _ => Coding::Categorical,
        },
        covariates: list(matches, "covariates"),
        permutations: *matches.get_one("permutations").expect("default"),
        seed: *matches.get_one("seed").expect("default"),
    };
    let tables = Tables::of(matches.get_one::<PathBuf>("table").expect("required"))?;
    let first = if tables.are_several() { tables.named("samples")? } else { tables.only()? };
    let table = tables_in::joined(tables_in::read(first, &[])?, matches)?;
    let found = scan(&table, &options)?;
    found.write(out)?;
    let summary = &found.summary;
    print_line!(
        "{} tests of {} values and {} markers: {} significant after Bonferroni, {} left out",
        summary.tests,
        summary.values,
        summary.markers,
        summary.significant_bonferroni,
        summary.left_out
    )?;
    summary.remarks.iter().try_for_each(|remark| print_line!("{remark}"))
}
