//! Questions to a study, as the command line asks them: each is kept in the study and gives the same answer again.

use super::shown_table;
use crate::cli::tables_in::{self, Tables};
use anyhow::{Context, Result};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use voxelry_analysis::compare::{self, compare};
use voxelry_analysis::outliers::{self, outliers};
use voxelry_analysis::sql::{self, Session};
use voxelry_analysis::table;
use voxelry_core::measure::Table;

/// Rows of an answer that are shown at most.
const ROWS: usize = 1_000_000;

/// A question to a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// Do groups of samples differ?
    Compare(compare::Options),
    /// Which rows of a table are unlike the others?
    Outliers {
        /// Table that is asked about.
        of: String,
        /// Columns and methods.
        #[serde(flatten)]
        options: outliers::Options,
    },
    /// A query in SQL.
    Sql {
        /// Its text.
        query: String,
    },
}

/// Answer to a question.
pub struct Answer {
    /// The question.
    pub question: Question,
    /// Its rows.
    pub table: Table,
    /// Its sentences, in plain words.
    pub sentences: Vec<String>,
}

impl Question {
    /// Short name of the question.
    pub fn title(&self) -> String {
        match self {
            Self::Compare(o) => format!("{} by {}", o.values.join(", "), o.by.join(", ")),
            Self::Outliers { of, .. } => format!("Outliers of {of}"),
            Self::Sql { query } => query.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    /// Name of the kind of question, as that of its command.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Compare(_) => "compare",
            Self::Outliers { .. } => "outliers",
            Self::Sql { .. } => "sql",
        }
    }

    /// The command that asks the same.
    pub fn command(&self, study: &Path) -> String {
        let quoted = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-,".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                text.to_owned()
            } else {
                format!("'{}'", text.replace('\'', r"'\''"))
            }
        };
        let folder = quoted(&study.to_string_lossy());
        match self {
            Self::Compare(o) => {
                let mut line = format!(
                    "voxelry compare {folder} --value {} --by {}",
                    quoted(&o.values.join(",")),
                    quoted(&o.by.join(","))
                );
                let optional = [("unit", o.unit.clone()), ("pair-by", o.pair_by.clone())];
                for (name, value) in optional {
                    line += &value.map_or(String::new(), |v| format!(" --{name} {}", quoted(&v)));
                }
                if !o.covariates.is_empty() {
                    line += &format!(" --covariates {}", quoted(&o.covariates.join(",")));
                }
                line + " -o compared"
            }
            Self::Outliers { of, options } => {
                let columns = if options.columns.is_empty() {
                    String::new()
                } else {
                    format!(" --columns {}", quoted(&options.columns.join(",")))
                };
                format!("voxelry outliers {folder} --of {of}{columns} -o outliers")
            }
            Self::Sql { query } => format!("voxelry sql {folder} {}", quoted(query.trim())),
        }
    }

    /// Answers the question.
    ///
    /// # Errors
    /// A column that isn't there, too few samples, what is wrong with a query and where.
    pub fn answer(&self, folder: &Path) -> Result<Answer> {
        let (name, batch, sentences) = match self {
            Self::Compare(options) => {
                let beside: Vec<String> = options
                    .by
                    .iter()
                    .chain(&options.unit)
                    .chain(&options.pair_by)
                    .chain(&options.covariates)
                    .cloned()
                    .collect();
                let rows = Tables::of(folder)?.rows(&options.values, &beside)?;
                let found = compare(&rows, options)?;
                let batch = found.tests_table()?;
                ("tests", batch, found.sentences().into_iter().map(str::to_owned).collect())
            }
            Self::Outliers { of, options } => {
                let tables = Tables::of(folder)?;
                let rows = tables_in::read(tables.named(of)?, &options.columns)?;
                let found = outliers(&rows, options)?;
                ("outliers", found.table, found.notes)
            }
            Self::Sql { query } => {
                let named = table::tables(folder)?;
                let session = Session::new(&named, &sql::Options::default())?;
                let mut sentences = session.notes().to_vec();
                let (batch, is_whole) = first_rows(&session, query)?;
                if !is_whole {
                    sentences.push(format!("Only the first {} rows are shown.", batch.num_rows()));
                }
                ("answer", batch, sentences)
            }
        };
        Ok(Answer { question: self.clone(), table: shown_table(name, &batch)?, sentences })
    }

    /// Keeps the question in the study: as `questions/KIND-NUMBER.toml`, once.
    ///
    /// # Errors
    /// If the folder can't be written to.
    pub fn keep(&self, study: &Path) -> Result<()> {
        let folder = study.join("questions");
        let known = Self::kept(study);
        if known.iter().any(|(_, q)| q == self) {
            return Ok(());
        }
        std::fs::create_dir_all(&folder)?;
        let text = toml::to_string(self)?;
        let free =
            (1..=99_999).map(|n| folder.join(format!("{}-{n}.toml", self.kind()))).find(|p| !p.exists());
        let path = free.context("all names of questions are taken")?;
        Ok(voxelry_core::io::atomic::write(&path, text.as_bytes())?)
    }

    /// Questions that a study keeps, with their files.
    pub fn kept(study: &Path) -> Vec<(PathBuf, Self)> {
        let Ok(entries) = std::fs::read_dir(study.join("questions")) else { return Vec::new() };
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).ok()?;
            Some((path, toml::from_str(&text).ok()?))
        };
        let mut kept: Vec<_> = entries.flatten().filter_map(|entry| read(entry.path())).collect();
        kept.sort_by(|a, b| a.0.cmp(&b.0));
        kept
    }
}

/// The first rows of an answer, and whether these are all.
fn first_rows(session: &Session, query: &str) -> voxelry_analysis::Result<(RecordBatch, bool)> {
    let (mut schema, mut parts, mut rows) = (None, Vec::new(), 0);
    session.ask(
        query,
        |s| {
            schema = Some(s.clone());
            Ok(())
        },
        |batch| {
            let some = batch.slice(0, batch.num_rows().min(ROWS - rows.min(ROWS)));
            rows += batch.num_rows();
            parts.push(some);
            Ok(())
        },
    )?;
    let wrong = |text: String| voxelry_analysis::Error::Data(text);
    let schema = schema.ok_or_else(|| wrong("the question has no answer".into()))?;
    let batch = arrow::compute::concat_batches(&schema, &parts).map_err(|e| wrong(e.to_string()))?;
    Ok((batch, rows <= ROWS))
}

/// Columns of the study's tables that can be compared, and those that can be groups.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Columns of numbers of objects and of samples.
    pub values: Vec<String>,
    /// Columns of the table of samples that are not figures.
    pub groups: Vec<String>,
    /// Names of all tables with those of their columns.
    pub tables: Vec<(String, Vec<String>)>,
}

impl Columns {
    /// Columns of a study.
    pub fn of(folder: &Path, table: &Table) -> Self {
        let mut tables = Vec::new();
        for named in table::tables(folder).unwrap_or_default() {
            let schema: Option<(SchemaRef, u64)> =
                named.files.first().and_then(|f| table::parquet::schema(f).ok());
            let names: Vec<String> = schema
                .map(|(s, _)| s.fields().iter().map(|f| f.name().clone()).collect())
                .unwrap_or_default();
            tables.push((named.name, names));
        }
        let is_number = |name: &String| table.numbers(name).is_some();
        let samples = table.columns();
        let schema = table.batch.schema();
        let is_figure = |name: &str| {
            let field = schema.field_with_name(name).ok();
            field.is_some_and(|f| f.metadata().contains_key("description"))
        };
        let ours = ["sample", "status", "error", "image", "labels", "mask"];
        let groups =
            samples.iter().filter(|n| !is_figure(n) && !ours.contains(&n.as_str())).cloned().collect();
        let objects = tables.iter().find(|(name, _)| name == "objects").map(|(_, names)| names.clone());
        let skipped = ["sample", "label"];
        let mut values: Vec<String> = objects.unwrap_or_default();
        values.retain(|name| !skipped.contains(&name.as_str()));
        values.extend(samples.iter().filter(|n| is_figure(n) && is_number(n)).cloned());
        Self { values, groups, tables }
    }
}
