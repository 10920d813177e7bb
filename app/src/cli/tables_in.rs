//! Tables that commands read: by path, with further ones by name, and the objects of a study beside what is known of their
//! samples.

use crate::progress::tell;
use anyhow::Result;
use arrow::record_batch::RecordBatch;
use clap::{Arg, ArgAction, ArgMatches};
use std::path::{Path, PathBuf};
use voxelry_analysis::table::{self, Format, Named, parquet};
use voxelry_analysis::{Error, suggestion};

/// `TABLE`, for commands that read one.
pub fn table_arg() -> Arg {
    Arg::new("table")
        .value_name("TABLE|STUDY")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("A table (.csv, .tsv, .parquet), a folder or a pattern of such files, or a study")
}

/// `--with`, for commands that read further tables.
pub fn with_arg() -> Arg {
    Arg::new("with")
        .long("with")
        .value_name("NAME=FILE")
        .action(ArgAction::Append)
        .help("A further table, by name")
}

/// `--on`, for commands that join further tables to the first.
pub fn on_arg() -> Arg {
    Arg::new("on")
        .long("on")
        .value_name("COLUMN")
        .default_value("sample")
        .help("The column by which rows of further tables are found")
}

/// `--out`, for commands that leave a folder with an answer.
pub fn out_arg() -> Arg {
    Arg::new("out")
        .long("out")
        .short('o')
        .required(true)
        .value_name("DIR")
        .value_parser(clap::value_parser!(PathBuf))
        .help("The folder of the answer to make")
}

/// A list of names parted by commas, or of repeated arguments.
pub fn list_arg(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_delimiter(',').action(ArgAction::Append).help(help)
}

/// The values of [`list_arg`].
pub fn list(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().map(|s| s.trim().to_owned()).collect()
}

/// The folder of an answer, which must not have one yet unless `--overwrite` is given.
///
/// # Errors
/// If it has.
pub fn answer_folder<'a>(matches: &'a ArgMatches, first: &str) -> Result<&'a Path> {
    let out = matches.get_one::<PathBuf>("out").expect("required");
    super::common::can_hold(out)?;
    if out.join(first).exists() && !matches.get_flag("overwrite") {
        let reason = format!("already holds an answer ({first}); give another --out, or --overwrite");
        return Err(Error::file(out, reason).into());
    }
    Ok(out)
}

/// Tables of a path, of which some are chosen by what is in them.
pub struct Tables {
    path: PathBuf,
    found: Vec<Named>,
}

/// Columns that are always read, as they say which row is which.
const IDENTITY: [&str; 8] = ["sample", "label", "id", "time", "frame", "track", "image", "animal"];

impl Tables {
    /// Finds the tables of a path.
    ///
    /// # Errors
    /// If there are none.
    pub fn of(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), found: table::tables(path)? })
    }

    /// Returns whether it is a study or the results of an image, with several tables.
    pub fn are_several(&self) -> bool {
        self.found.len() > 1
    }

    /// The table of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(&self, name: &str) -> Result<&Named> {
        self.found.iter().find(|t| t.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.found.iter().map(|t| t.name.as_str()).collect();
            let reason = format!("has no table \"{name}\", only {}", names.join(", "));
            Error::file(&self.path, reason).into()
        })
    }

    /// The only table.
    ///
    /// # Errors
    /// If there are several.
    pub fn only(&self) -> Result<&Named> {
        match &self.found[..] {
            [only] => Ok(only),
            several => {
                let names: Vec<&str> = several.iter().map(|t| t.name.as_str()).collect();
                let reason = format!("holds several tables ({}); name the file of one", names.join(", "));
                Err(Error::file(&self.path, reason).into())
            }
        }
    }

    /// Rows in which all `values` are measured, with the columns that are `beside` them: of a study its objects with what is
    /// known of their samples, or the samples where the values are theirs.
    ///
    /// # Errors
    /// If a table can't be read, or no table has all the values.
    pub fn rows(&self, values: &[String], beside: &[String]) -> Result<RecordBatch> {
        if !self.are_several() {
            let named = self.only()?;
            return read(named, &[values, beside].concat());
        }
        let samples = self.found.iter().find(|t| t.name == "samples");
        let objects = self.found.iter().find(|t| t.name == "objects");
        let has_all = |named: &Named| -> Result<bool> {
            let names = names(named)?;
            Ok(values.iter().all(|v| v == "all" || names.iter().any(|n| matches_name(v, n))))
        };
        if let Some(objects) = objects
            && has_all(objects)?
        {
            let own = read(objects, &[values, beside].concat())?;
            let Some(samples) = samples else { return Ok(own) };
            let known = read(samples, beside)?;
            let (joined, lost) = table::join(&own, &only(&known, beside)?, "sample")?;
            if lost > 0 {
                tell(&format!("{lost} objects are of samples that the table of samples doesn't have"));
            }
            return Ok(joined);
        }
        if let Some(samples) = samples
            && has_all(samples)?
        {
            return read(samples, &[values, beside].concat());
        }
        let mut all = Vec::new();
        for named in samples.into_iter().chain(objects) {
            all.extend(names(named)?);
        }
        let missing = values.iter().find(|v| !all.iter().any(|n| matches_name(v, n)));
        let reason = match missing {
            Some(value) => {
                let hint = suggestion(value, all.iter().map(String::as_str));
                format!("there is no column \"{value}\"{hint}")
            }
            None => "some values are of objects and others of samples; ask about them apart".into(),
        };
        Err(Error::file(&self.path, reason).into())
    }
}

/// Columns of the table of samples that are asked for, and the name of the sample.
fn only(samples: &RecordBatch, beside: &[String]) -> Result<RecordBatch> {
    let schema = samples.schema();
    let wanted = |name: &str| name == "sample" || beside.iter().any(|b| matches_name(b, name));
    let chosen: Vec<usize> = (0..schema.fields().len()).filter(|i| wanted(schema.field(*i).name())).collect();
    Ok(samples.project(&chosen)?)
}

fn matches_name(pattern: &str, name: &str) -> bool {
    pattern == name || glob::Pattern::new(pattern).is_ok_and(|p| p.matches(name))
}

/// Names of a table's columns.
fn names(named: &Named) -> Result<Vec<String>> {
    let names = match named.format {
        Format::Parquet => {
            let schema = parquet::schema(&named.files[0])?.0;
            schema.fields().iter().map(|f| f.name().clone()).collect()
        }
        Format::Csv | Format::Tsv => {
            let csv = table::csv::Csv::scan(&named.files[0], named.format.delimiter())?;
            csv.columns().iter().map(|c| c.name.clone()).collect()
        }
    };
    Ok(names)
}

/// Reads a table, and says what is missing in it. Of Parquet only the columns that are wanted (all if none are, or `all`),
/// and those that say which row is which.
///
/// # Errors
/// If it can't be read.
pub fn read(named: &Named, wanted: &[String]) -> Result<RecordBatch> {
    let everything =
        wanted.is_empty() || wanted.iter().any(|w| w == "all") || named.format != Format::Parquet;
    let chosen: Option<Vec<String>> = if everything {
        None
    } else {
        let is = |n: &String| IDENTITY.contains(&n.as_str()) || wanted.iter().any(|w| matches_name(w, n));
        Some(names(named)?.into_iter().filter(is).collect())
    };
    let read = table::read(named, chosen.as_deref())?;
    for note in &read.notes {
        tell(note);
    }
    Ok(read.batch)
}

/// A table with the further ones of `--with` beside it, joined by `--on`.
///
/// # Errors
/// If one can't be read, or has no such column.
pub fn joined(first: RecordBatch, matches: &ArgMatches) -> Result<RecordBatch> {
    let on = matches.get_one::<String>("on").expect("default");
    let mut joined = first;
    for text in matches.get_many::<String>("with").into_iter().flatten() {
        let named = table::with(text)?;
        let (batch, lost) = table::join(&joined, &read(&named, &[])?, on)?;
        if lost > 0 {
            tell(&format!("{lost} rows have no {on} in {}", named.name));
        }
        joined = batch;
    }
    Ok(joined)
}
