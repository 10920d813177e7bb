//! Tables and texts as files that are complete or absent: written beside their place, then renamed.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use crate::stats::Error;

/// Writes `text` to `dir/name`, whole or not at all.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_text(dir: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = dir.join(name);
    let failed = |source| Error::Write { path: path.clone(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(&path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Table as CSV: a header, `\n` after each row, numbers as the shortest text that reads back to the same bits, nothing
/// for what is missing.
pub fn csv(batch: &RecordBatch) -> String {
    let mut text = String::new();
    let schema = batch.schema();
    let names: Vec<String> = schema.fields().iter().map(|f| quoted(f.name())).collect();
    let _ = writeln!(text, "{}", names.join(","));
    for row in 0..batch.num_rows() {
        for (i, column) in batch.columns().iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            if !column.is_null(row) {
                text += &cell(column.as_ref(), row);
            }
        }
        text.push('\n');
    }
    text
}

fn cell(column: &dyn Array, row: usize) -> String {
    match column.data_type() {
        DataType::Float64 => number(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Utf8 => quoted(column.as_string::<i32>().value(row)),
        other => unreachable!("tables of results hold no {other}"),
    }
}

/// Number as the shortest text that reads back to the same bits; with an exponent where that is shorter.
pub fn number(v: f64) -> String {
    if v.is_finite() && v != 0.0 && !(1e-5..1e16).contains(&v.abs()) {
        format!("{v:e}")
    } else {
        format!("{v}")
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
