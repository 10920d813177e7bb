//! Studies: a folder of results over samples. Each sample has a folder of its own, as one image has, and beside these
//! are tables over all: `samples` with a row a sample, and a folder for each other table with a Parquet file a sample
//! (`objects/mouse7.parquet`), in which the first column names the sample and missing values are null. No table over all
//! is ever held in memory.

mod aggregate;
mod samples;

pub use aggregate::{Figure, aggregates};
pub use samples::{Row, Samples, Status};

use crate::table::parquet::{self, Batches};
use crate::table::write::Writer;
use crate::table::{common_schema, conform};
use crate::{Error, Result};
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows from which on a table over all samples is no longer written as CSV.
pub const CSV_ROWS: u64 = 1_000_000;

/// Names beside the samples' folders, which no sample can have.
pub const RESERVED: [&str; 12] = [
    "objects",
    "contacts",
    "image",
    "samples",
    "questions",
    "tracks",
    "links",
    "thickness",
    "chords",
    "correlation",
    "foam",
    "frames",
];

/// Checks that a sample can have this name: it is that of a folder, on any system.
///
/// # Errors
/// A sentence that says why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_reserved = RESERVED.iter().any(|r| {
        let rest = name.to_lowercase();
        rest.strip_prefix(r).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    if name.is_empty() || name.chars().all(|c| c == '.') {
        Err("a sample needs a name".into())
    } else if let Some(c) = name.chars().find(|c| c.is_control() || "/\\:*?\"<>|".contains(*c)) {
        Err(format!("the sample name \"{name}\" has a {c:?}, which the name of a folder can't have"))
    } else if name.ends_with([' ', '.']) || name.starts_with(['.', ' ']) {
        Err(format!("the sample name \"{name}\" begins or ends as the name of a folder can't"))
    } else if is_reserved {
        Err(format!("no sample can be called \"{name}\": the study has a table of that name"))
    } else {
        Ok(())
    }
}

/// The Parquet tables in the folder of a sample's results, by name.
///
/// # Errors
/// If the folder can't be listed.
pub fn tables_of(results: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut tables = BTreeMap::new();
    for entry in std::fs::read_dir(results).map_err(|e| Error::io(results, e))? {
        let path = entry.map_err(|e| Error::io(results, e))?.path();
        if path.extension().is_some_and(|e| e == "parquet") && path.is_file() {
            tables.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path);
        }
    }
    Ok(tables)
}

/// Takes a sample's results into the study: each of its tables as `STUDY/TABLE/SAMPLE.parquet`. Batches are streamed.
///
/// # Errors
/// If a table can't be read, or the disk is full.
pub fn add(study: &Path, sample: &str, results: &Path) -> Result<()> {
    let tables = tables_of(results)?;
    forget(study, sample, |table| tables.contains_key(table))?;
    for (table, from) in tables {
        let folder = study.join(&table);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let batches = Batches::open(&from, None)?;
        let schema = named_schema(batches.schema());
        let mut writer = Writer::new(&folder.join(format!("{sample}.parquet")), &schema)?;
        for batch in batches {
            writer.write(&name_rows(&batch?, sample, &schema)?)?;
        }
        writer.finish()?;
    }
    Ok(())
}

/// Returns whether the study has the tables of a sample's results.
///
/// # Errors
/// If the folder of the results can't be listed.
pub fn has(study: &Path, sample: &str, results: &Path) -> Result<bool> {
    Ok(tables_of(results)?.keys().all(|table| study.join(table).join(format!("{sample}.parquet")).is_file()))
}

/// Removes a sample from the tables over all, but from those to `keep`. Its own folder is left as it is.
///
/// # Errors
/// If a file can't be removed.
pub fn forget(study: &Path, sample: &str, keep: impl Fn(&str) -> bool) -> Result<()> {
    for (table, folder) in table_folders(study)? {
        let file = folder.join(format!("{sample}.parquet"));
        if !keep(&table) && file.is_file() {
            std::fs::remove_file(&file).map_err(|e| Error::io(&file, e))?;
        }
    }
    Ok(())
}

/// Removes all samples but these from the tables over all, and returns how many files that were.
///
/// # Errors
/// If a file can't be removed.
pub fn keep_only(study: &Path, samples: &BTreeSet<String>) -> Result<usize> {
    let mut removed = 0;
    for (_, folder) in table_folders(study)? {
        for file in parquet_files(&folder)? {
            let sample = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !samples.contains(&sample) {
                std::fs::remove_file(&file).map_err(|e| Error::io(&file, e))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Writes each table of fewer than [`CSV_ROWS`] rows over all samples as `STUDY/TABLE.csv`, with its units beside it; one
/// that has grown beyond that is removed. Batches are streamed.
///
/// # Errors
/// If the samples' tables don't fit together, or the disk is full.
pub fn write_csv(study: &Path) -> Result<()> {
    for (table, folder) in table_folders(study)? {
        let files = parquet_files(&folder)?;
        let footers = files.iter().map(|f| parquet::schema(f)).collect::<Result<Vec<_>>>()?;
        let rows: u64 = footers.iter().map(|(_, rows)| rows).sum();
        let csv = study.join(format!("{table}.csv"));
        if rows >= CSV_ROWS {
            if csv.is_file() {
                std::fs::remove_file(&csv).map_err(|e| Error::io(&csv, e))?;
            }
            continue;
        }
        let schemas: Vec<SchemaRef> = footers.into_iter().map(|(schema, _)| schema).collect();
        let schema = common_schema(&schemas, &files)?;
        let mut writer = Writer::new(&csv, &schema)?;
        for file in &files {
            for batch in Batches::open(file, None)? {
                writer.write(&conform(&batch?, &schema, file)?)?;
            }
        }
        writer.finish()?;
        write_units(&study.join(format!("{table}.units.csv")), &schema)?;
    }
    Ok(())
}

/// Writes name, unit and meaning of each column as CSV.
fn write_units(path: &Path, schema: &SchemaRef) -> Result<()> {
    let of = |key: &str| -> ArrayRef {
        let values = schema.fields().iter().map(|f| f.metadata().get(key).map_or("", String::as_str));
        Arc::new(StringArray::from_iter_values(values))
    };
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(schema.fields().iter().map(|f| f.name())));
    let batch = RecordBatch::try_from_iter([
        ("column", names),
        ("unit", of("unit")),
        ("description", of("description")),
    ]);
    crate::table::write::write(path, &batch.map_err(|e| Error::file(path, e.to_string()))?)
}

/// Folders of tables over all samples: those with Parquet files that are no sample's results.
fn table_folders(study: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(study).map_err(|e| Error::io(study, e))? {
        let path = entry.map_err(|e| Error::io(study, e))?.path();
        if path.is_dir() && !path.join("provenance.toml").exists() && !parquet_files(&path)?.is_empty() {
            folders.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path));
        }
    }
    folders.sort();
    Ok(folders)
}

fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(tables_of(folder)?.into_values().collect())
}

fn named_schema(schema: &SchemaRef) -> SchemaRef {
    let about = [("description".to_owned(), "The sample's name.".to_owned())].into();
    let mut fields = vec![Field::new("sample", DataType::Utf8, true).with_metadata(about)];
    fields.extend(schema.fields().iter().filter(|f| f.name() != "sample").map(|f| f.as_ref().clone()));
    Arc::new(Schema::new(fields))
}

fn name_rows(batch: &RecordBatch, sample: &str, schema: &SchemaRef) -> Result<RecordBatch> {
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(sample, batch.num_rows())));
    let own = schema.fields().iter().skip(1).filter_map(|f| batch.column_by_name(f.name()).cloned());
    let columns = std::iter::once(names).chain(own).collect();
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| Error::Data(e.to_string()))
}

#[cfg(test)]
mod tests;
