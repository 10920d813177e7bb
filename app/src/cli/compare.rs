//! `voxelry compare`: whether groups of samples differ.

use super::common::{self, print_line};
use super::groups::seed_arg;
use super::tables_in::{self, Tables, list, list_arg};
use crate::progress::tell;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::path::PathBuf;
use voxelry_analysis::compare::{Adjust, Options, compare};

pub fn command() -> Command {
    Command::new("compare")
        .about("Compare groups of samples, by tests that know what was sampled")
        .arg(tables_in::table_arg())
        .arg(
            list_arg("value", "COLUMN,…", "What is compared: columns by name or pattern, or all")
                .required(true),
        )
        .arg(
            list_arg("by", "COLUMN", "The column of the groups; two for a two-way analysis of variance")
                .required(true),
        )
        .arg(
            Arg::new("unit")
                .long("unit")
                .value_name("COLUMN")
                .help("The column of what was sampled independently [default: sample, where there is one]"),
        )
        .arg(
            Arg::new("pair-by")
                .long("pair-by")
                .value_name("COLUMN")
                .help("The column of what the groups have in common, such as the animal or the day"),
        )
        .arg(list_arg("covariates", "COLUMN,…", "Columns whose influence is taken out"))
        .arg(
            Arg::new("adjust")
                .long("adjust")
                .value_name("METHOD")
                .value_parser(["holm", "bh", "bonferroni", "none"])
                .default_value("holm")
                .help("Adjustment of p-values for several values and pairs of groups"),
        )
        .arg(
            Arg::new("assume-independent")
                .long("assume-independent")
                .action(ArgAction::SetTrue)
                .help("Take every row as independent; the answer says so"),
        )
        .arg(seed_arg())
        .arg(tables_in::with_arg())
        .arg(tables_in::on_arg())
        .arg(tables_in::out_arg())
        .arg(common::overwrite_arg())
}

/// Runs `voxelry compare`.
///
/// # Errors
/// A table that can't be read, a column that isn't there, or an unknown unit.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let out = tables_in::answer_folder(matches, "tests.csv")?;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let options = Options {
        values: list(matches, "value"),
        by: list(matches, "by"),
        unit: text("unit"),
        pair_by: text("pair-by"),
        covariates: list(matches, "covariates"),
        adjust: match text("adjust").as_deref() {
            Some("bh") => Adjust::Bh,
            Some("bonferroni") => Adjust::Bonferroni,
            Some("none") => Adjust::None,
            _ => Adjust::Holm,
        },
        assume_independent: matches.get_flag("assume-independent"),
        seed: *matches.get_one("seed").expect("default"),
        ..Options::default()
    };
    let beside: Vec<String> = options
        .by
        .iter()
        .chain(&options.unit)
        .chain(&options.pair_by)
        .chain(&options.covariates)
        .cloned()
        .collect();
    let tables = Tables::of(matches.get_one::<PathBuf>("table").expect("required"))?;
    let table = tables_in::joined(tables.rows(&options.values, &beside)?, matches)?;
    let answer = compare(&table, &options)?;
    answer.write(out)?;
    answer.remarks.iter().for_each(|remark| tell(remark));
    answer.sentences().iter().try_for_each(|sentence| print_line!("{sentence}"))
}
