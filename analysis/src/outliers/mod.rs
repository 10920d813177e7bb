//! Rows that are unlike the others: robust Mahalanobis distances, local outlier factors and isolation forests, each with
//! the columns that drive it. Seeded, and the same for any number of threads.

mod forest;
mod gamma;
mod kdtree;
mod lof;
mod mcd;
mod reduce;

pub use forest::forest;
pub use kdtree::KdTree;
pub use lof::local_outlier_factors;
pub use mcd::{Mcd, mcd};

use crate::matrix::{Matrix, identity, mean_and_sd, median};
use crate::{Error, Result};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A way to tell how unlike the others a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Distance from the centre of the bulk in units of its covariance (minimum covariance determinant).
    Mcd,
    /// Sparseness compared with that around the nearest neighbours.
    Lof,
    /// Ease of isolating by random cuts.
    Forest,
}

impl Method {
    /// All methods, in the order of their columns.
    pub const ALL: [Self; 3] = [Self::Mcd, Self::Lof, Self::Forest];

    /// Name, as on the command line.
    pub fn name(self) -> &'static str {
        ["mcd", "lof", "forest"][self as usize]
    }
}

/// A question about outliers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Columns by name or glob; all numbers if none.
    pub columns: Vec<String>,
    /// Methods; the rank is over all of them.
    pub methods: Vec<Method>,
    /// Neighbours of the local outlier factor.
    pub neighbours: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { columns: Vec::new(), methods: Method::ALL.to_vec(), neighbours: 20, seed: 0 }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Outliers {
    /// A row for each of the table, the least like the others first: `row` and names, `score_METHOD`, `rank`, `why`.
    pub table: RecordBatch,
    /// Sentences about what was left out.
    pub notes: Vec<String>,
}

/// Ranks the rows of a table by how unlike the others they are.
///
/// # Errors
/// If a column isn't there, or nothing differs.
pub fn outliers(table: &RecordBatch, options: &Options) -> Result<Outliers> {
    let matrix = Matrix::of(table, &options.columns)?;
    if matrix.rows < 5 {
        return Err(Error::Data(format!(
            "not estimable: {} rows are too few to tell which is unlike the others",
            matrix.rows
        )));
    }
    let mut notes = matrix.notes.clone();
    let (centres, scales) = matrix.robust_scales();
    let scaled = matrix.scaled(&centres, &scales);
    let reduced = reduce::reduced(&scaled);
    if let Some(reduced) = &reduced {
        notes.push(format!(
            "{} columns of {} rows: distances are taken along their {} main directions",
            matrix.width(),
            matrix.rows,
            reduced.width()
        ));
    }
    let space = reduced.as_ref().unwrap_or(&scaled);
    let mut scores = Vec::new();
    for method in &options.methods {
        scores.push(match method {
            Method::Mcd => mcd(space, options.seed)?.distances,
            Method::Lof => local_outlier_factors(space, options.neighbours),
            Method::Forest => forest(&scaled, options.seed),
        });
    }
    let order = ranked(&scores, matrix.rows);
    let bulk = reduced.is_none().then(|| mcd(&scaled, options.seed)).transpose()?;
    let why: Vec<String> = order.iter().map(|row| reason(&scaled, *row, bulk.as_ref())).collect();

    let (mut fields, columns) = identity(table);
    let indices = Int64Array::from_iter_values(order.iter().map(|i| *i as i64));
    let mut columns = columns
        .iter()
        .map(|c| arrow::compute::take(c, &indices, None))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Error::Data(e.to_string()))?;
    for (method, values) in options.methods.iter().zip(&scores) {
        fields.push(Field::new(format!("score_{}", method.name()), DataType::Float64, false));
        columns.push(Arc::new(Float64Array::from_iter_values(order.iter().map(|i| values[*i]))));
    }
    fields.push(Field::new("rank", DataType::Int64, false));
    columns.push(Arc::new(Int64Array::from_iter_values(1..=matrix.rows as i64)));
    fields.push(Field::new("why", DataType::Utf8, false));
    columns.push(Arc::new(StringArray::from(why)) as ArrayRef);
    let table = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Error::Data(e.to_string()))?;
    Ok(Outliers { table, notes })
}

/// Rows by the mean of their scores, each less its median and divided by its deviation, the greatest first (Aggarwal & Sathe
/// 2015, doi:10.1145/2830544.2830549); equals as they come.
fn ranked(scores: &[Vec<f64>], rows: usize) -> Vec<usize> {
    let mut sums = vec![0.0; rows];
    for score in scores {
        let centre = median(&mut score.clone());
        let scale = median(&mut score.iter().map(|s| (s - centre).abs()).collect::<Vec<_>>());
        let scale = if scale > 0.0 { scale } else { mean_and_sd(score).1.max(f64::MIN_POSITIVE) };
        sums.iter_mut().zip(score).for_each(|(sum, s)| *sum += (s - centre) / scale);
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
    order
}

/// Deviations from which on a column is named, in units of the bulk.
const NAMED: f64 = 3.0;

/// The columns in which a row is far from the bulk; where there is none, those that don't go with the others.
fn reason(scaled: &Matrix, row: usize, bulk: Option<&Mcd>) -> String {
    let mut far: Vec<(usize, f64)> = scaled.row(row).iter().copied().enumerate().collect();
    far.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    let text = |(column, z): &(usize, f64)| format!("{} {z:+.1}", scaled.columns[*column]);
    if far[0].1.abs() >= NAMED {
        let named: Vec<String> = far.iter().take(3).filter(|(_, z)| z.abs() >= NAMED).map(text).collect();
        return named.join(", ");
    }
    let conditional = bulk.map(|bulk| bulk.given_the_others(scaled.row(row))).unwrap_or_default();
    let most = conditional.iter().copied().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    if let Some((column, z)) = most.filter(|(_, z)| z.abs() >= NAMED) {
        return format!("{} {z:+.1} for what the other columns are", scaled.columns[column]);
    }
    text(&far[0])
}

#[cfg(test)]
mod tests;
