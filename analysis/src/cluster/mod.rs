//! Groups of rows that are alike: principal components, k-means, Gaussian mixtures and Ward's hierarchy. Columns are
//! brought to the same scale first. Seeded, and the same for any number of threads.

mod hierarchy;
mod kmeans;
mod mixture;
mod pca;

pub use hierarchy::{Merge, ward};
pub use kmeans::{KMeans, kmeans};
pub use mixture::{Mixture, mixture};
pub use pca::{Pca, pca};

use crate::matrix::{Matrix, identity};
use crate::table::write::write;
use crate::{Error, Result};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// A way to find groups, or directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// k-means with seeds by k-means++.
    #[default]
    Kmeans,
    /// Gaussian mixture by expectation maximisation.
    Gmm,
    /// Ward's hierarchy, cut into k groups.
    Hierarchical,
    /// Principal components; k are kept.
    Pca,
}

impl Method {
    /// Names, as on the command line.
    pub const NAMES: [&'static str; 4] = ["kmeans", "gmm", "hierarchical", "pca"];

    /// The method of a name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Kmeans, Self::Gmm, Self::Hierarchical, Self::Pca];
        Self::NAMES.iter().position(|n| *n == name).map(|at| all[at])
    }
}

/// A question about groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Columns by name or glob; all numbers if none.
    pub columns: Vec<String>,
    /// Method.
    pub method: Method,
    /// Number of groups, or of components.
    pub k: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { columns: Vec::new(), method: Method::default(), k: 3, seed: 0 }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Clusters {
    /// A row for each of the table: `row` and names, then `cluster` (from 1, the largest first) and, of a mixture,
    /// `probability`; or the components `PC1`, `PC2`, …
    pub table: RecordBatch,
    /// A row a column: its mean and standard deviation, then the centre of each cluster in its own unit, or its loading on
    /// each component.
    pub loadings: RecordBatch,
    /// A further table by name: `components` with variances, or `tree` with the merges of a hierarchy.
    pub further: Option<(&'static str, RecordBatch)>,
    /// Sentences about the answer, and what was left out.
    pub notes: Vec<String>,
}

impl Clusters {
    /// Writes `clusters.csv`, `loadings.csv` and the further table.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        write(&folder.join("clusters.csv"), &self.table)?;
        write(&folder.join("loadings.csv"), &self.loadings)?;
        self.further
            .as_ref()
            .map_or(Ok(()), |(name, table)| write(&folder.join(format!("{name}.csv")), table))
    }
}

/// Finds groups among the rows of a table.
///
/// # Errors
/// If a column isn't there, nothing differs, or there are fewer rows than groups.
pub fn cluster(table: &RecordBatch, options: &Options) -> Result<Clusters> {
    let matrix = Matrix::of(table, &options.columns)?;
    let (centres, scales) = matrix.scales();
    let scaled = matrix.scaled(&centres, &scales);
    if options.k == 0 || (options.k > matrix.rows && options.method != Method::Pca) {
        return Err(Error::Usage(format!("-k {}: there are {} rows", options.k, matrix.rows)));
    }
    let mut answer = Answer { table, matrix: &matrix, centres, scales, notes: matrix.notes.clone() };
    match options.method {
        Method::Pca => answer.components(&pca(&scaled), options.k),
        Method::Kmeans => {
            let found = kmeans(&scaled, options.k, options.seed);
            answer.notes.push(format!(
                "{} clusters; within them is {:.1} % of the variance",
                options.k,
                100.0 * found.inertia / ((matrix.rows - 1) * matrix.width()) as f64
            ));
            answer.groups(&found.labels, None, None)
        }
        Method::Gmm => {
            let found = mixture(&scaled, options.k, options.seed)?;
            answer.notes.push(format!(
                "{} components; log-likelihood {:.6}, BIC {:.6} (less is better)",
                options.k, found.log_likelihood, found.bic
            ));
            answer.groups(&found.labels, Some(&found.probabilities), None)
        }
        Method::Hierarchical => {
            let merges = ward(&scaled)?;
            let labels = hierarchy::cut(&merges, matrix.rows, options.k);
            answer.groups(&labels, None, Some(&merges))
        }
    }
}

struct Answer<'a> {
    table: &'a RecordBatch,
    matrix: &'a Matrix,
    centres: Vec<f64>,
    scales: Vec<f64>,
    notes: Vec<String>,
}

fn real(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn batch(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::Data(e.to_string()))
}

fn field(name: impl Into<String>) -> Field {
    Field::new(name, DataType::Float64, false)
}

impl Answer<'_> {
    /// The first columns of the loadings.
    fn columns(&self) -> (Vec<Field>, Vec<ArrayRef>) {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(&self.matrix.columns));
        let fields = vec![Field::new("column", DataType::Utf8, false), field("mean"), field("sd")];
        (fields, vec![names, real(self.centres.iter().copied()), real(self.scales.iter().copied())])
    }

    fn components(self, found: &Pca, k: usize) -> Result<Clusters> {
        let k = k.min(found.variances.len());
        let (mut fields, mut columns) = identity(self.table);
        let (mut loading_fields, mut loadings) = self.columns();
        for c in 0..k {
            let name = format!("PC{}", c + 1);
            fields.push(field(&name));
            columns.push(real(found.scores.iter().skip(c).step_by(found.variances.len()).copied()));
            loading_fields.push(field(name));
            loadings.push(real(found.vectors[c].iter().copied()));
        }
        let total: f64 = found.variances.iter().sum();
        let shares: Vec<f64> = found.variances.iter().map(|v| v / total).collect();
        let mut sum = 0.0;
        let cumulative: Vec<f64> = shares
            .iter()
            .map(|s| {
                sum += s;
                sum
            })
            .collect();
        let mut notes = self.notes;
        notes.push(format!("{k} components hold {:.1} % of the variance", 100.0 * cumulative[k - 1]));
        let names: ArrayRef =
            Arc::new(StringArray::from_iter_values((1..=shares.len()).map(|c| format!("PC{c}"))));
        let further = batch(
            vec![
                Field::new("component", DataType::Utf8, false),
                field("variance"),
                field("share"),
                field("cumulative"),
            ],
            vec![names, real(found.variances.iter().copied()), real(shares), real(cumulative)],
        )?;
        Ok(Clusters {
            table: batch(fields, columns)?,
            loadings: batch(loading_fields, loadings)?,
            further: Some(("components", further)),
            notes,
        })
    }

    fn groups(
        self,
        labels: &[usize],
        probabilities: Option<&[f64]>,
        merges: Option<&[Merge]>,
    ) -> Result<Clusters> {
        let (labels, counts) = by_size(labels);
        let width = self.matrix.width();
        let mut sums = vec![0.0; counts.len() * width];
        for (row, label) in labels.iter().enumerate() {
            let sum = &mut sums[label * width..(label + 1) * width];
            sum.iter_mut().zip(self.matrix.row(row)).for_each(|(s, x)| *s += x);
        }
        let (mut fields, mut columns) = identity(self.table);
        fields.push(Field::new("cluster", DataType::Int64, false));
        columns.push(Arc::new(Int64Array::from_iter_values(labels.iter().map(|l| *l as i64 + 1))));
        if let Some(probabilities) = probabilities {
            fields.push(field("probability"));
            columns.push(real(probabilities.iter().copied()));
        }
        let (mut loading_fields, mut loadings) = self.columns();
        for (label, count) in counts.iter().enumerate() {
            loading_fields.push(field(format!("cluster_{}", label + 1)));
            loadings.push(real(sums[label * width..(label + 1) * width].iter().map(|s| s / *count as f64)));
        }
        let sizes: Vec<String> = counts.iter().map(usize::to_string).collect();
        let mut notes = self.notes;
        notes.push(format!("rows of the clusters: {}", sizes.join(", ")));
        let further = merges.map(tree).transpose()?.map(|tree| ("tree", tree));
        Ok(Clusters {
            table: batch(fields, columns)?,
            loadings: batch(loading_fields, loadings)?,
            further,
            notes,
        })
    }
}

/// The merges of a hierarchy: rows are 1 .. n, the groups that are made n + 1, n + 2, …
fn tree(merges: &[Merge]) -> Result<RecordBatch> {
    let whole = |of: fn(&Merge) -> usize| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(merges.iter().map(|m| of(m) as i64)))
    };
    let int = |name: &str| Field::new(name, DataType::Int64, false);
    batch(
        vec![int("a"), int("b"), field("height"), int("rows")],
        vec![
            whole(|m| m.a + 1),
            whole(|m| m.b + 1),
            real(merges.iter().map(|m| m.height)),
            whole(|m| m.rows),
        ],
    )
}

/// Labels numbered by the size of their groups, the largest first and equals as they come; with their sizes.
fn by_size(labels: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let groups = labels.iter().max().map_or(0, |m| m + 1);
    let mut counts = vec![0_usize; groups];
    let mut first = vec![usize::MAX; groups];
    for (row, label) in labels.iter().enumerate() {
        counts[*label] += 1;
        first[*label] = first[*label].min(row);
    }
    let mut order: Vec<usize> = (0..groups).filter(|g| counts[*g] > 0).collect();
    order.sort_by(|a, b| counts[*b].cmp(&counts[*a]).then(first[*a].cmp(&first[*b])));
    let mut new = vec![0; groups];
    order.iter().enumerate().for_each(|(number, group)| new[*group] = number);
    (labels.iter().map(|l| new[*l]).collect(), order.iter().map(|g| counts[*g]).collect())
}

#[cfg(test)]
mod tests;
