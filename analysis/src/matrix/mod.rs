//! Numeric columns of a table as a matrix, one row an object or sample, and the little linear algebra that questions about
//! many columns need.

mod random;
mod symmetric;

pub use random::Random;
pub use symmetric::{Cholesky, eigen};

use crate::error::suggestion;
use crate::table::numbers;
use crate::{Error, Result};
use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// Columns that say which row it is, rather than what was measured of it.
const IDENTITY: [&str; 9] = ["sample", "label", "labels", "id", "time", "frame", "track", "image", "animal"];

/// Most columns that are taken together: a matrix of all pairs of columns is held.
const COLUMNS: usize = 2000;

/// Values of several columns, row by row.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Number of rows.
    pub rows: usize,
    /// The values, row after row.
    pub values: Vec<f64>,
    /// Sentences about columns that were left out and values that were missing.
    pub notes: Vec<String>,
}

impl Matrix {
    /// Columns of a table: of `wanted` names and globs (`*`, `?`), or all numbers that are no names of rows if there are
    /// none. A constant column, or one of which more than half is missing, says nothing and is left out; other missing
    /// values are replaced by the median of their column. Both are said.
    ///
    /// # Errors
    /// If a name is of no column or of one without numbers, or nothing is left.
    pub fn of(table: &RecordBatch, wanted: &[String]) -> Result<Self> {
        let chosen = choose(table, wanted)?;
        let rows = table.num_rows();
        let (mut kept, mut columns, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut constant, mut sparse, mut filled) = (Vec::new(), Vec::new(), 0_usize);
        for at in chosen {
            let name = table.schema_ref().field(at).name().clone();
            let mut values = numbers(table.column(at).as_ref()).unwrap_or_default();
            values.iter_mut().filter(|v| v.is_infinite()).for_each(|v| *v = f64::NAN);
            let mut there: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
            if there.len() * 2 < rows {
                sparse.push(name);
                continue;
            }
            if there.iter().all(|v| *v == there[0]) {
                constant.push(name);
                continue;
            }
            let median = median(&mut there);
            for value in values.iter_mut().filter(|v| v.is_nan()) {
                *value = median;
                filled += 1;
            }
            kept.push(name);
            columns.push(values);
        }
        for (names, reason) in [(constant, "constant"), (sparse, "mostly missing")] {
            if !names.is_empty() {
                notes.push(format!("left out, {reason}: {}", listed(&names)));
            }
        }
        if filled > 0 {
            notes.push(format!("{filled} missing values are taken as the medians of their columns"));
        }
        if columns.is_empty() || rows < 2 {
            return Err(Error::Data("not estimable: no two rows differ in a column of numbers".into()));
        }
        if columns.len() > COLUMNS {
            return Err(Error::Usage(format!(
                "{} columns are too many to be taken together (at most {COLUMNS}); choose some with --columns",
                columns.len()
            )));
        }
        let width = columns.len();
        let mut values = vec![0.0; rows * width];
        for (j, column) in columns.iter().enumerate() {
            for (i, value) in column.iter().enumerate() {
                values[i * width + j] = *value;
            }
        }
        Ok(Self { columns: kept, rows, values, notes })
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// A row.
    pub fn row(&self, i: usize) -> &[f64] {
        let width = self.width();
        &self.values[i * width..(i + 1) * width]
    }

    /// A column.
    pub fn column(&self, j: usize) -> Vec<f64> {
        self.values.iter().skip(j).step_by(self.width()).copied().collect()
    }

    /// The matrix with each column less its centre and divided by its scale.
    pub fn scaled(&self, centres: &[f64], scales: &[f64]) -> Self {
        let width = self.width();
        let mut values = self.values.clone();
        for (at, value) in values.iter_mut().enumerate() {
            *value = (*value - centres[at % width]) / scales[at % width];
        }
        Self { values, ..self.clone() }
    }

    /// Medians of the columns, and their deviations by the median of absolute deviations, × 1.4826 as for a normal
    /// distribution; where more than half of a column is one value, its standard deviation.
    pub fn robust_scales(&self) -> (Vec<f64>, Vec<f64>) {
        let scale = |j: usize| {
            let mut values = self.column(j);
            let centre = median(&mut values);
            let mut deviations: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
            let mad = 1.482_602_218_505_602 * median(&mut deviations);
            if mad > 0.0 {
                return (centre, mad);
            }
            let (_, sd) = mean_and_sd(&values);
            (centre, sd)
        };
        (0..self.width()).map(scale).unzip()
    }

    /// Means and standard deviations (n − 1) of the columns.
    pub fn scales(&self) -> (Vec<f64>, Vec<f64>) {
        (0..self.width()).map(|j| mean_and_sd(&self.column(j))).unzip()
    }
}

/// Mean and standard deviation (n − 1).
pub fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// Median of values without NaN, which are put in another order.
pub fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *upper;
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper);
    lower + (upper - lower) / 2.0
}

/// Squared Euclidean distance.
#[inline]
pub fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Positions of the columns that names and globs mean.
///
/// # Errors
/// If a name is of no column, or of one that holds no numbers.
pub fn choose(table: &RecordBatch, wanted: &[String]) -> Result<Vec<usize>> {
    let schema = table.schema();
    let is_number = |at: usize| {
        let ty = schema.field(at).data_type();
        ty.is_numeric() || *ty == DataType::Boolean
    };
    if wanted.is_empty() || wanted == ["all"] {
        let is_identity = |at: usize| IDENTITY.contains(&schema.field(at).name().as_str());
        return Ok((0..schema.fields().len()).filter(|at| is_number(*at) && !is_identity(*at)).collect());
    }
    let mut chosen = Vec::new();
    for want in wanted {
        let pattern =
            glob::Pattern::new(want).map_err(|e| Error::Usage(format!("--columns {want}: {}", e.msg)))?;
        let names = schema.fields().iter().map(|f| f.name());
        let found: Vec<usize> =
            names.enumerate().filter(|(_, n)| *n == want || pattern.matches(n)).map(|(i, _)| i).collect();
        if found.is_empty() {
            let hint = suggestion(want, schema.fields().iter().map(|f| f.name().as_str()));
            return Err(Error::Usage(format!("there is no column \"{want}\"{hint}")));
        }
        let exact = found.len() == 1;
        for at in found {
            if is_number(at) && !chosen.contains(&at) {
                chosen.push(at);
            } else if exact && !is_number(at) {
                return Err(Error::Usage(format!("column \"{want}\" holds no numbers")));
            }
        }
    }
    Ok(chosen)
}

/// Columns of a table that say which row is which: names, and `row`, which counts from 1.
pub fn identity(table: &RecordBatch) -> (Vec<Field>, Vec<ArrayRef>) {
    let schema: &Schema = table.schema_ref();
    let mut fields = vec![Field::new("row", DataType::Int64, false)];
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(1..=table.num_rows() as i64))];
    for (field, column) in schema.fields().iter().zip(table.columns()) {
        if IDENTITY.contains(&field.name().as_str()) {
            fields.push(field.as_ref().clone());
            columns.push(column.clone());
        }
    }
    (fields, columns)
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
