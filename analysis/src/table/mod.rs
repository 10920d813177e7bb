//! Tables of any origin: CSV, TSV and Parquet, one file, a folder, a glob, or all tables of a study. Files are found
//! in `named.rs`, text is read in `csv.rs`, Parquet in `parquet.rs`; this file holds what they share.
//!
//! A missing value is null, whatever stood for it: an empty field, `-`, `NA`, or NaN.

pub mod csv;
mod fields;
mod join;
pub mod named;
pub mod parquet;
pub mod write;

pub use join::join;
pub use named::{Format, Named, study_tables, tables, with};

use crate::error::suggestion;
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use std::path::Path;
use std::sync::Arc;

/// A table in memory, and what its reader should know of it.
#[derive(Debug, Clone)]
pub struct Read {
    /// The rows.
    pub batch: RecordBatch,
    /// Sentences about what was missing or taken for something else.
    pub notes: Vec<String>,
}

/// Reads a table into memory; of `columns` only these, in their order.
///
/// # Errors
/// A file that cannot be read, files that don't fit together, or a column that isn't there.
pub fn read(table: &Named, columns: Option<&[String]>) -> Result<Read> {
    let mut parts = Vec::with_capacity(table.files.len());
    let mut notes = Vec::new();
    for file in &table.files {
        let part = match table.format {
            Format::Parquet => parquet::read(file, columns)?,
            Format::Csv | Format::Tsv => {
                let scanned = csv::Csv::scan(file, table.format.delimiter())?;
                let names: Vec<&str> = scanned.columns().iter().map(|c| c.name.as_str()).collect();
                let chosen = columns.map(|c| indices(&names, c, file)).transpose()?;
                notes.extend(scanned.notes(chosen.as_deref()));
                let batches = scanned.batches(chosen.as_deref())?.collect::<Result<Vec<_>>>()?;
                concat_batches(&scanned.projected(chosen.as_deref()), &batches)
                    .map_err(|e| Error::file(file, e.to_string()))?
            }
        };
        parts.push(part);
    }
    let batch = union(&parts, &table.files)?;
    if table.format == Format::Parquet {
        notes.extend(missing_note(&table.name, &batch));
    }
    Ok(Read { batch, notes })
}

/// Positions of columns by name.
///
/// # Errors
/// If one isn't there; the nearest that is there is named.
pub fn indices(names: &[&str], wanted: &[String], path: &Path) -> Result<Vec<usize>> {
    let find = |want: &String| {
        names.iter().position(|name| name == want).ok_or_else(|| {
            let hint = suggestion(want, names.iter().copied());
            Error::Usage(format!("{}: there is no column \"{want}\"{hint}", path.display()))
        })
    };
    wanted.iter().map(find).collect()
}

/// A sentence that counts the missing values of a table by column, if there are any.
pub fn missing_note(name: &str, batch: &RecordBatch) -> Option<String> {
    let schema = batch.schema();
    let counts = schema.fields().iter().zip(batch.columns());
    said(name, counts.map(|(field, column)| (field.name().as_str(), column.null_count() as u64)))
}

/// "NAME: missing values: 3 in a, 1 in b".
fn said<'a>(name: &str, counts: impl Iterator<Item = (&'a str, u64)>) -> Option<String> {
    const SHOWN: usize = 8;
    let some: Vec<_> = counts.filter(|(_, n)| *n > 0).collect();
    if some.is_empty() {
        return None;
    }
    let shown: Vec<String> = some.iter().take(SHOWN).map(|(column, n)| format!("{n} in {column}")).collect();
    let rest = some.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more columns") } else { String::new() };
    Some(format!("{name}: missing values: {}{more}", shown.join(", ")))
}

/// The type that holds the values of both, if any: whole numbers become numbers, all else becomes text only where both are.
pub fn common_type(a: &DataType, b: &DataType) -> Option<DataType> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        (a, b) if a.is_numeric() && b.is_numeric() => Some(DataType::Float64),
        _ => None,
    }
}

/// One schema over several, by the columns' names in the order in which they come.
///
/// # Errors
/// If a column has types that don't fit together, or units that differ.
pub fn common_schema<P: AsRef<Path>>(schemas: &[SchemaRef], files: &[P]) -> Result<SchemaRef> {
    let mut fields: Vec<(Field, usize)> = Vec::new();
    let mut known = std::collections::HashMap::<String, usize>::new();
    for (number, schema) in schemas.iter().enumerate() {
        for field in schema.fields() {
            let Some(at) = known.get(field.name()) else {
                known.insert(field.name().clone(), fields.len());
                fields.push((field.as_ref().clone().with_nullable(true), number));
                continue;
            };
            let (before, first) = &mut fields[*at];
            if let (Some(unit), Some(own)) = (before.metadata().get("unit"), field.metadata().get("unit"))
                && unit != own
            {
                let other = files[*first].as_ref().display();
                let reason =
                    format!("column {} is in \"{own}\", that of {other} in \"{unit}\"", field.name());
                return Err(Error::file(&files[number], reason));
            }
            let Some(common) = common_type(before.data_type(), field.data_type()) else {
                let other = files[*first].as_ref().display();
                let (a, b) = (fields::word(field.data_type()), fields::word(before.data_type()));
                let reason = format!("column {} holds {a}, that of {other} {b}", field.name());
                return Err(Error::file(&files[number], reason));
            };
            *before = before.clone().with_data_type(common);
        }
    }
    Ok(Arc::new(Schema::new(fields.into_iter().map(|(field, _)| field).collect::<Vec<_>>())))
}

/// Rows below each other; a column that a part doesn't have is missing there.
fn union<P: AsRef<Path>>(parts: &[RecordBatch], files: &[P]) -> Result<RecordBatch> {
    if let [only] = parts {
        return Ok(only.clone());
    }
    let schemas: Vec<SchemaRef> = parts.iter().map(RecordBatch::schema).collect();
    let schema = common_schema(&schemas, files)?;
    let conformed = parts
        .iter()
        .zip(files)
        .map(|(part, file)| conform(part, &schema, file.as_ref()))
        .collect::<Result<Vec<_>>>()?;
    concat_batches(&schema, &conformed).map_err(|e| Error::Data(e.to_string()))
}

/// The columns of a schema out of a batch: cast where types differ, missing where there are none.
///
/// # Errors
/// If a value can't be cast.
pub fn conform(part: &RecordBatch, schema: &SchemaRef, file: &Path) -> Result<RecordBatch> {
    let column = |field: &Arc<Field>| -> Result<ArrayRef> {
        match part.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()).map_err(|e| Error::file(file, e.to_string())),
            None => Ok(arrow::array::new_null_array(field.data_type(), part.num_rows())),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(part.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|e| Error::file(file, e.to_string()))
}

/// A numeric column as `f64`, in which missing values are NaN; flags are 0 and 1. None if it holds something else.
pub fn numbers(column: &dyn Array) -> Option<Vec<f64>> {
    let ty = column.data_type();
    if !(ty.is_numeric() || *ty == DataType::Boolean) {
        return None;
    }
    let cast = cast(column, &DataType::Float64).ok()?;
    let array: &Float64Array = cast.as_primitive::<Float64Type>();
    Some(array.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
}

/// A column as text, in which missing values are none.
pub fn texts(column: &dyn Array) -> Vec<Option<String>> {
    let Ok(cast) = cast(column, &DataType::Utf8) else { return vec![None; column.len()] };
    cast.as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
