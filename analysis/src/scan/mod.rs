//! Every value against every marker: which locus goes with which phenotype, with the family of tests stated.
//!
//! ```no_run
//! # fn f(table: &arrow::array::RecordBatch) -> Result<(), voxelry_analysis::Error> {
//! use voxelry_analysis::scan::{Options, scan};
//! let options = Options { values: vec!["T264".into()], by: vec!["D*M*".into()], ..Options::default() };
//! let found = scan(table, &options)?;
//! found.write("found".as_ref())?; // scan.csv, summary.json, manhattan.svg, heatmap.svg, hit_*.svg
//! # Ok(()) }
//! ```
//!
//! `table` has a row an individual; a table of genotypes in another file is joined by the caller before.

mod coding;
mod engine;
#[cfg(test)]
mod tests;

use crate::Error;
use crate::columns::{self, NONE};
use crate::plot::axis;
use crate::plot::genome::{Point, heat_map, manhattan};
use crate::plot::groups::{Column, Dot, boxes};
use crate::stats::adjust::Adjust;
use crate::stats::describe::{quantile, sorted};
use crate::table::write;
use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use engine::{Block, Hit};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Coding of genotypes in a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// Every genotype has a mean of its own (k − 1 degrees of freedom).
    #[default]
    Categorical,
    /// The mean is linear in the number of alleles (one degree of freedom).
    Additive,
}

/// Question to [`scan`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Columns of phenotypes: names or globs (`*`, `?`, `[0-9]`).
    pub values: Vec<String>,
    /// Columns of markers: names or globs.
    pub by: Vec<String>,
    /// Codes of genotypes that count as missing (`-`, `C`).
    pub exclude: Vec<String>,
    /// Coding of genotypes.
    pub coding: Coding,
    /// Columns whose influence is taken out of both.
    pub covariates: Vec<String>,
    /// Number of permutations for family-wise p-values; 0 for none.
    pub permutations: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

/// Answer of [`scan`].
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// One row a value and marker.
    pub rows: Vec<ScanRow>,
    /// Figures over all.
    pub summary: Summary,
    /// Plots: names of files and SVG.
    pub plots: Vec<(String, String)>,
}

/// Result of one value at one marker.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ScanRow {
    /// Column of the phenotype.
    pub value: String,
    /// Column of the marker.
    pub by: String,
    /// Number of individuals with both (and all covariates).
    pub n: usize,
    /// Number of genotypes.
    pub groups: usize,
    /// F of the marker given the covariates.
    pub statistic: Option<f64>,
    /// Degrees of freedom of the marker.
    pub df1: Option<f64>,
    /// Degrees of freedom of the residual.
    pub df2: Option<f64>,
    /// p-value.
    pub p: Option<f64>,
    /// LOD score: n/2 log₁₀(RSS₀/RSS₁).
    pub lod: Option<f64>,
    /// p-value after Bonferroni over all tests.
    pub p_bonferroni: Option<f64>,
    /// p-value after Holm over all tests.
    pub p_holm: Option<f64>,
    /// p-value after Benjamini and Hochberg over all tests.
    pub p_bh: Option<f64>,
    /// Family-wise p-value over all tests by permutation.
    pub p_permutation: Option<f64>,
}

/// Figures over all tests of a scan, as in `summary.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Number of tests that were made: the denominator of Bonferroni.
    pub tests: usize,
    /// Number of tests below 0.05 after Bonferroni.
    pub significant_bonferroni: usize,
    /// Number of tests below 0.05 after Holm.
    pub significant_holm: usize,
    /// Number of tests below 0.05 after Benjamini and Hochberg.
    pub significant_bh: usize,
    /// Number of tests below 0.05 by permutation.
    pub significant_permutation: Option<usize>,
    /// Number of pairs of value and marker that were left out.
    pub left_out: usize,
    /// Reasons for leaving out, with the number of pairs of each.
    pub left_out_because: std::collections::BTreeMap<String, usize>,
    /// Number of values.
    pub values: usize,
    /// Number of markers.
    pub markers: usize,
    /// Nominal p-value below which a test is significant at a family-wise 0.05 by permutation.
    pub threshold_p: Option<f64>,
    /// LOD above which a marker of each value is significant at 0.05 among the markers of that value.
    pub threshold_lod: std::collections::BTreeMap<String, f64>,
    /// Remarks: rows left out, codes excluded.
    pub remarks: Vec<String>,
    /// Question that was asked.
    pub options: Options,
}

impl Scan {
    /// Table of the scan, as in `scan.csv`.
    ///
    /// # Errors
    /// When Arrow refuses the table.
    pub fn table(&self) -> Result<RecordBatch, Error> {
        let r = &self.rows;
        let text = |of: fn(&ScanRow) -> &str| -> arrow::array::ArrayRef {
            Arc::new(StringArray::from_iter_values(r.iter().map(of)))
        };
        let count = |of: fn(&ScanRow) -> usize| -> arrow::array::ArrayRef {
            Arc::new(Int64Array::from_iter_values(r.iter().map(|r| of(r) as i64)))
        };
        let real = |of: fn(&ScanRow) -> Option<f64>| -> arrow::array::ArrayRef {
            Arc::new(r.iter().map(of).collect::<Float64Array>())
        };
        RecordBatch::try_from_iter([
            ("value", text(|r| &r.value)),
            ("by", text(|r| &r.by)),
            ("n", count(|r| r.n)),
            ("groups", count(|r| r.groups)),
            ("statistic", real(|r| r.statistic)),
            ("df1", real(|r| r.df1)),
            ("df2", real(|r| r.df2)),
            ("p", real(|r| r.p)),
            ("lod", real(|r| r.lod)),
            ("p_bonferroni", real(|r| r.p_bonferroni)),
            ("p_holm", real(|r| r.p_holm)),
            ("p_bh", real(|r| r.p_bh)),
            ("p_permutation", real(|r| r.p_permutation)),
        ])
        .map_err(crate::columns::arrow)
    }

    /// Writes `scan.csv`, `summary.json` and the plots into `dir`, each whole or not at all.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        for (name, svg) in &self.plots {
            write::text(&dir.join(name), svg)?;
        }
        let summary = serde_json::to_string_pretty(&self.summary).map_err(|e| Error::Data(e.to_string()))?;
        write::text(&dir.join("summary.json"), &(summary + "\n"))?;
        write::write(&dir.join("scan.csv"), &self.table()?)
    }
}

/// Tests every value of `options.values` against every marker of `options.by`.
///
/// # Errors
/// When a column is absent or of a wrong kind, or when nothing can be tested.
pub fn scan(table: &RecordBatch, options: &Options) -> Result<Scan, Error> {
    let (values, markers) = names(table, options)?;
    let numbers = |n: &String| columns::numbers(columns::column(table, n)?, n);
    let phenotypes: Vec<Vec<f64>> = values.iter().map(numbers).collect::<Result<_, _>>()?;
    let coded = |n: &String| coding::marker(columns::column(table, n)?, n, &options.exclude, options.coding);
    let genotypes: Vec<engine::Marker> = markers.iter().map(coded).collect::<Result<_, _>>()?;
    let (covariates, known) = covariates(table, options)?;
    let mut out = Scan::default();
    let rows = table.num_rows();
    let lost = known.iter().filter(|k| !**k).count();
    if lost > 0 {
        out.summary.remarks.push(format!("{lost} of {rows} rows left out: a covariate is missing."));
    }
    if !options.exclude.is_empty() {
        out.summary.remarks.push(format!("Genotypes {} count as missing.", options.exclude.join(", ")));
    }
    let mut left_out = vec![];
    let blocks = blocks(&phenotypes, &covariates, &known, &genotypes, &mut left_out);
    let mut hits: Vec<Hit> = blocks.iter().flat_map(Block::observed).collect();
    hits.sort_by_key(|h| (h.value, h.marker));
    let flat = hits.iter().filter(|h| h.f.is_nan()).count();
    if flat > 0 {
        left_out.push(("the value doesn't vary, or genotypes explain all of it", flat));
    }
    hits.retain(|h| !h.f.is_nan());
    if hits.is_empty() {
        return Err(Error::Data(
            "no value can be tested at any marker: too few individuals or genotypes".into(),
        ));
    }
    for (why, n) in left_out {
        *out.summary.left_out_because.entry(why.to_owned()).or_default() += n;
        out.summary.left_out += n;
    }
    out.rows = table_rows(&hits, &values, &markers);
    if options.permutations > 0 {
        permute(&mut out, &blocks, &hits, &values, rows, options);
    }
    summarise(&mut out, &values, &markers, options);
    out.plots = plots(&hits, &out.summary, &values, &markers);
    out.plots.extend(boxes_of_hits(table, &out.rows, options)?);
    Ok(out)
}

/// Columns of values and of markers; a marker is no value.
fn names(table: &RecordBatch, options: &Options) -> Result<(Vec<String>, Vec<String>), Error> {
    for (list, flag) in [(&options.values, "--values"), (&options.by, "--by")] {
        if list.is_empty() {
            return Err(Error::Usage(format!("nothing to scan: name columns with {flag}")));
        }
    }
    let mut markers = columns::matching(table, &options.by)?;
    let mut values = columns::matching(table, &options.values)?;
    // A glob that takes all columns of numbers means those that have no other part.
    let named = |n: &String, list: &[String]| list.contains(n);
    let number = |n: &String| table.column_by_name(n).is_some_and(|a| columns::is_number(a.as_ref()));
    values.retain(|n| named(n, &options.values) || (number(n) && !markers.contains(n)));
    markers.retain(|n| named(n, &options.by) || !values.contains(n));
    let free = |n: &String| !options.covariates.contains(n);
    values.retain(free);
    markers.retain(free);
    if values.is_empty() || markers.is_empty() {
        return Err(Error::Data("no values, or no markers, are left to scan".into()));
    }
    Ok((values, markers))
}

/// Columns of the covariates, and for every row if all of them are known.
fn covariates(table: &RecordBatch, options: &Options) -> Result<(Vec<Vec<f64>>, Vec<bool>), Error> {
    let mut known = vec![true; table.num_rows()];
    let mut out = vec![];
    for name in &options.covariates {
        let array = columns::column(table, name)?;
        if columns::is_number(array.as_ref()) {
            let column = columns::numbers(array, name)?;
            known.iter_mut().zip(&column).for_each(|(k, v)| *k &= !v.is_nan());
            let there: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
            let centre = if there.is_empty() { 0.0 } else { crate::stats::describe::mean(&there) };
            out.push(column.iter().map(|v| v - centre).collect());
        } else {
            let labels = columns::labels(array)?;
            known.iter_mut().zip(&labels.of_row).for_each(|(k, g)| *k &= *g != NONE);
            let column = |k: usize| labels.of_row.iter().map(|&g| if g == k { 1.0 } else { 0.0 }).collect();
            out.extend((1..labels.names.len()).map(column));
        }
    }
    Ok((out, known))
}

/// Values together by the rows that they have.
fn blocks(
    phenotypes: &[Vec<f64>],
    covariates: &[Vec<f64>],
    known: &[bool],
    genotypes: &[engine::Marker],
    left_out: &mut Vec<(&'static str, usize)>,
) -> Vec<Block> {
    let mut by_rows: std::collections::BTreeMap<Vec<usize>, Vec<usize>> = std::collections::BTreeMap::new();
    for (v, column) in phenotypes.iter().enumerate() {
        let rows: Vec<usize> = (0..known.len()).filter(|&r| known[r] && !column[r].is_nan()).collect();
        by_rows.entry(rows).or_default().push(v);
    }
    by_rows
        .into_iter()
        .map(|(rows, values)| Block::new(values, rows, phenotypes, covariates, genotypes, left_out))
        .collect()
}

fn table_rows(hits: &[Hit], values: &[String], markers: &[String]) -> Vec<ScanRow> {
    let p: Vec<f64> = hits.iter().map(|h| h.ln_p.exp()).collect();
    let [bonferroni, holm, bh] = [Adjust::Bonferroni, Adjust::Holm, Adjust::Bh].map(|a| a.apply(&p));
    hits.iter()
        .enumerate()
        .map(|(i, h)| ScanRow {
            value: values[h.value].clone(),
            by: markers[h.marker].clone(),
            n: h.n,
            groups: h.groups,
            statistic: Some(h.f),
            df1: Some(h.df[0]),
            df2: Some(h.df[1]),
            p: Some(p[i]),
            lod: Some(h.lod),
            p_bonferroni: Some(bonferroni[i]),
            p_holm: Some(holm[i]),
            p_bh: Some(bh[i]),
            p_permutation: None,
        })
        .collect()
}

fn permute(
    out: &mut Scan,
    blocks: &[Block],
    hits: &[Hit],
    values: &[String],
    rows: usize,
    options: &Options,
) {
    let count = options.permutations;
    let (lowest, lods) = engine::permutations(blocks, rows, values.len(), count, options.seed);
    let lowest = sorted(&lowest);
    for (row, hit) in out.rows.iter_mut().zip(hits) {
        // Equal orders differ by rounding.
        let as_low = lowest.partition_point(|l| *l <= hit.ln_p + 1e-9 * hit.ln_p.abs());
        row.p_permutation = Some((as_low + 1) as f64 / (count + 1) as f64);
    }
    out.summary.threshold_p = Some(quantile(&lowest, 0.05).exp());
    out.summary.significant_permutation =
        Some(out.rows.iter().filter(|r| r.p_permutation < Some(0.05)).count());
    for (v, name) in values.iter().enumerate() {
        let of: Vec<f64> = sorted(&lods.iter().map(|l| l[v]).collect::<Vec<_>>());
        out.summary.threshold_lod.insert(name.clone(), quantile(&of, 0.95));
    }
}

fn summarise(out: &mut Scan, values: &[String], markers: &[String], options: &Options) {
    let below =
        |of: fn(&ScanRow) -> Option<f64>| out.rows.iter().filter(|r| of(r).is_some_and(|p| p < 0.05)).count();
    let (bonferroni, holm, bh) = (below(|r| r.p_bonferroni), below(|r| r.p_holm), below(|r| r.p_bh));
    let s = &mut out.summary;
    (s.significant_bonferroni, s.significant_holm, s.significant_bh) = (bonferroni, holm, bh);
    s.tests = out.rows.len();
    (s.values, s.markers) = (values.len(), markers.len());
    s.options = options.clone();
}

fn plots(hits: &[Hit], summary: &Summary, values: &[String], markers: &[String]) -> Vec<(String, String)> {
    let height = |ln_p: f64| -ln_p / std::f64::consts::LN_10;
    let points: Vec<Point> =
        hits.iter().map(|h| Point { marker: h.marker, value: h.value, height: height(h.ln_p) }).collect();
    let mut lines = vec![((summary.tests as f64 / 0.05).log10(), "Bonferroni 0.05")];
    if let Some(p) = summary.threshold_p {
        lines.push((-p.log10(), "permutation 0.05"));
    }
    let mut out = vec![("manhattan.svg".to_owned(), manhattan(&points, markers, values, &lines))];
    if values.len() > 1 && markers.len() > 1 {
        out.push(("heatmap.svg".to_owned(), heat_map(&points, markers, values)));
    }
    out
}

/// Boxes of the value by genotype for the best hits of the scan, at most one a value.
fn boxes_of_hits(
    table: &RecordBatch,
    rows: &[ScanRow],
    options: &Options,
) -> Result<Vec<(String, String)>, Error> {
    const MOST: usize = 6;
    let mut best: Vec<&ScanRow> = rows.iter().filter(|r| r.p_bonferroni.is_some_and(|p| p < 0.05)).collect();
    best.sort_by(|a, b| a.p.unwrap_or(1.0).total_cmp(&b.p.unwrap_or(1.0)));
    let mut seen = std::collections::HashSet::new();
    best.retain(|r| seen.insert(r.value.clone()));
    best.truncate(MOST);
    let mut out = vec![];
    for hit in best {
        let y = columns::numbers(columns::column(table, &hit.value)?, &hit.value)?;
        let labels = columns::labels(columns::column(table, &hit.by)?)?;
        let groups: Vec<(usize, Vec<f64>)> = (0..labels.names.len())
            .filter(|&g| !options.exclude.contains(&labels.names[g]))
            .map(|g| {
                (g, (0..y.len()).filter(|&i| labels.of_row[i] == g && !y[i].is_nan()).map(|i| y[i]).collect())
            })
            .filter(|(_, v): &(usize, Vec<f64>)| !v.is_empty())
            .collect();
        let drawn: Vec<Column> = groups
            .iter()
            .map(|(g, v)| Column {
                name: &labels.names[*g],
                units: v
                    .iter()
                    .map(|m| Dot { objects: std::slice::from_ref(m), mean: *m, colour: 0 })
                    .collect(),
                mean: crate::stats::describe::mean_interval(v).ok().map(|i| [i.value, i.low, i.high]),
            })
            .collect();
        let title = axis::title(&hit.value, &columns::unit(table, &hit.value));
        let stem: String = format!("{}_{}", hit.value, hit.by)
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        let heading = format!("{} by genotype at {}", hit.value, hit.by);
        out.push((format!("hit_{stem}.svg"), boxes(&drawn, &title, &heading, false)));
    }
    Ok(out)
}
