//! `voxelry outliers` and `voxelry cluster`: rows that are unlike all others, and groups of rows that are alike.

use super::common;
use super::sql::print_table;
use super::tables_in::{self, Tables, list, list_arg};
use crate::progress::tell;
use anyhow::Result;
use arrow::record_batch::RecordBatch;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use voxelry_analysis::table::write::write;
use voxelry_analysis::{Error, cluster, outliers};

/// Rows of an answer that are shown.
const SHOWN: usize = 10;

/// `--seed`, for commands that draw at random.
pub fn seed_arg() -> Arg {
    Arg::new("seed")
        .long("seed")
        .value_name("N")
        .value_parser(value_parser!(u64))
        .default_value("0")
        .help("Seed of what is drawn at random; the same seed gives the same answer")
}

fn of_arg() -> Arg {
    Arg::new("of").long("of").value_name("WHAT").value_parser(["rows", "objects", "samples"]).help(
        "Rows of a table, or the objects or samples of a study [default: samples of a study, else rows]",
    )
}

fn columns_arg() -> Arg {
    list_arg("columns", "COLUMN,…", "Columns of numbers, by name or pattern [default: all]")
}

pub fn outliers() -> Command {
    Command::new("outliers")
        .about("Find what is unlike all others, with the columns that say why")
        .arg(tables_in::table_arg())
        .arg(of_arg())
        .arg(columns_arg())
        .arg(
            Arg::new("method")
                .long("method")
                .value_name("METHOD")
                .value_parser(["mcd", "lof", "forest", "all"])
                .default_value("all")
                .help("Robust distance, local outlier factor, isolation forest, or all, ranked together"),
        )
        .arg(
            Arg::new("neighbours")
                .long("neighbours")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .default_value("20")
                .help("Neighbours that the local outlier factor looks at"),
        )
        .arg(seed_arg())
        .arg(tables_in::out_arg())
        .arg(common::overwrite_arg())
}

pub fn cluster() -> Command {
    Command::new("cluster")
        .about("Find groups of rows that are alike, or the main directions in which they differ")
        .arg(tables_in::table_arg())
        .arg(of_arg())
        .arg(columns_arg())
        .arg(
            Arg::new("method")
                .long("method")
                .value_name("METHOD")
                .value_parser(cluster::Method::NAMES)
                .default_value("kmeans")
                .help("k-means, Gaussian mixture, Ward's hierarchy, or principal components"),
        )
        .arg(
            Arg::new("k")
                .long("k")
                .short('k')
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .default_value("3")
                .help("Number of groups, or of components"),
        )
        .arg(seed_arg())
        .arg(tables_in::out_arg())
        .arg(common::overwrite_arg())
}

/// The rows that are asked about.
fn rows(matches: &ArgMatches) -> Result<RecordBatch> {
    let path = matches.get_one::<PathBuf>("table").expect("required");
    let tables = Tables::of(path)?;
    let of = matches.get_one::<String>("of").map(String::as_str);
    let named = match of {
        Some("rows") => tables.only()?,
        None | Some("samples" | "objects") if !tables.are_several() => tables.only()?,
        Some(name) => tables.named(name)?,
        None => tables.named("samples").or_else(|_| tables.named("objects"))?,
    };
    let table = tables_in::read(named, &list(matches, "columns"))?;
    if table.num_rows() == 0 {
        return Err(Error::file(path, format!("the table {} has no row", named.name)).into());
    }
    Ok(table)
}

/// Runs `voxelry outliers`.
///
/// # Errors
/// A table that can't be read, or columns that tell nothing apart.
pub fn run_outliers(matches: &ArgMatches) -> Result<()> {
    let out = tables_in::answer_folder(matches, "outliers.csv")?;
    let method = matches.get_one::<String>("method").expect("default");
    let options = outliers::Options {
        columns: list(matches, "columns"),
        methods: outliers::Method::ALL
            .into_iter()
            .filter(|m| method == "all" || m.name() == method)
            .collect(),
        neighbours: *matches.get_one::<u32>("neighbours").expect("default") as usize,
        seed: *matches.get_one("seed").expect("default"),
    };
    let found = outliers::outliers(&rows(matches)?, &options)?;
    found.notes.iter().for_each(|note| tell(note));
    std::fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    write(&out.join("outliers.csv"), &found.table)?;
    print_table(&found.table.slice(0, SHOWN.min(found.table.num_rows())))
}

/// Runs `voxelry cluster`.
///
/// # Errors
/// A table that can't be read, or columns that tell nothing apart.
pub fn run_cluster(matches: &ArgMatches) -> Result<()> {
    let out = tables_in::answer_folder(matches, "clusters.csv")?;
    let name = matches.get_one::<String>("method").expect("default");
    let options = cluster::Options {
        columns: list(matches, "columns"),
        method: cluster::Method::named(name).unwrap_or_default(),
        k: *matches.get_one::<u32>("k").expect("default") as usize,
        seed: *matches.get_one("seed").expect("default"),
    };
    let found = cluster::cluster(&rows(matches)?, &options)?;
    found.notes.iter().for_each(|note| tell(note));
    found.write(out)?;
    print_table(&found.loadings)
}
