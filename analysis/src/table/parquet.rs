//! Parquet files as tables: columns are chosen before anything is read, and NaN is a missing value.

use super::indices;
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a batch.
const ROWS: usize = 8192;

/// Rows of a Parquet file, batch by batch.
pub struct Batches {
    path: PathBuf,
    schema: SchemaRef,
    /// Position of each wanted column among those that are read.
    order: Vec<usize>,
    reader: ParquetRecordBatchReader,
}

impl Batches {
    /// Opens a file; of `columns` only these, in their order.
    ///
    /// # Errors
    /// If it is no Parquet file, is cut short, or lacks a column.
    pub fn open(path: &Path, columns: Option<&[String]>) -> Result<Self> {
        let builder = builder(path)?;
        let all = builder.schema().clone();
        let names: Vec<&str> = all.fields().iter().map(|f| f.name().as_str()).collect();
        let chosen = match columns {
            Some(columns) => indices(&names, columns, path)?,
            None => (0..names.len()).collect(),
        };
        let mut sorted = chosen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let order = chosen.iter().map(|c| sorted.binary_search(c).expect("one of them")).collect();
        let schema = plain_schema(&all.project(&chosen).map_err(|e| wrong(path, &e))?);
        let mask = ProjectionMask::roots(builder.parquet_schema(), sorted);
        let reader =
            builder.with_projection(mask).with_batch_size(ROWS).build().map_err(|e| wrong(path, &e))?;
        Ok(Self { path: path.to_owned(), schema, order, reader })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.reader.next()?;
        let plain = || {
            let batch = read.map_err(|e| wrong(&self.path, &e))?;
            let columns = self.order.iter().zip(self.schema.fields()).map(|(at, field)| {
                cast(batch.column(*at), field.data_type())
                    .map(|c| missing_for_nan(&c))
                    .map_err(|e| wrong(&self.path, &e))
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
                .map_err(|e| wrong(&self.path, &e))
        };
        Some(plain())
    }
}

/// Reads a file into memory; of `columns` only these, in their order.
///
/// # Errors
/// As [`Batches::open`], or if a page can't be read.
pub fn read(path: &Path, columns: Option<&[String]>) -> Result<RecordBatch> {
    let batches = Batches::open(path, columns)?;
    let schema = batches.schema().clone();
    let parts = batches.collect::<Result<Vec<_>>>()?;
    concat_batches(&schema, &parts).map_err(|e| wrong(path, &e))
}

/// The schema of a file, and its number of rows, from its footer.
///
/// # Errors
/// If it is no Parquet file or is cut short.
pub fn schema(path: &Path) -> Result<(SchemaRef, u64)> {
    let builder = builder(path)?;
    let rows = builder.metadata().file_metadata().num_rows();
    Ok((plain_schema(builder.schema()), rows as u64))
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(path, &e))
}

fn wrong(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::file(path, format!("is no whole Parquet table; it may be cut short ({reason})"))
}

/// Types that a question is asked about: dictionaries of words are words.
fn plain_schema(schema: &Schema) -> SchemaRef {
    let plain = |field: &Arc<Field>| {
        let ty = match field.data_type() {
            DataType::Dictionary(_, value) => (**value).clone(),
            DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            other => other.clone(),
        };
        field.as_ref().clone().with_data_type(ty).with_nullable(true)
    };
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

/// A column in which NaN is missing.
pub fn missing_for_nan(column: &ArrayRef) -> ArrayRef {
    fn nulls(valid: impl Iterator<Item = bool>, before: Option<&NullBuffer>) -> Option<NullBuffer> {
        NullBuffer::union(Some(&valid.collect::<NullBuffer>()), before)
    }
    match column.data_type() {
        DataType::Float64 => {
            let array = column.as_primitive::<Float64Type>();
            if !array.values().iter().any(|v| v.is_nan()) {
                return column.clone();
            }
            let valid = nulls(array.values().iter().map(|v| !v.is_nan()), array.nulls());
            Arc::new(Float64Array::new(array.values().clone(), valid))
        }
        DataType::Float32 => {
            let array = column.as_primitive::<Float32Type>();
            if !array.values().iter().any(|v| v.is_nan()) {
                return column.clone();
            }
            let valid = nulls(array.values().iter().map(|v| !v.is_nan()), array.nulls());
            Arc::new(Float32Array::new(array.values().clone(), valid))
        }
        _ => column.clone(),
    }
}
