//! Groups of samples compared by tests that know what was sampled.
//!
//! ```no_run
//! # fn f(table: &arrow::array::RecordBatch) -> Result<(), voxelry_analysis::Error> {
//! use voxelry_analysis::compare::{Options, compare};
//! let options = Options { values: vec!["volume".into()], by: vec!["genotype".into()], ..Options::default() };
//! let answer = compare(table, &options)?;
//! println!("{}", answer.sentences().join("\n"));
//! answer.write("answer".as_ref())?; // tests.csv, pairs.csv, groups.csv, checks.csv, report.md, *.svg
//! # Ok(()) }
//! ```
//!
//! `table` has a row an object, or a row a sample, and holds at least the columns that the options name (others are
//! ignored, so that a caller may read only these). The metadata `unit` of a field is the physical unit of its values.
//! Columns of numbers, booleans and text of any width are understood, dictionaries too; NaN and null are missing.

mod answer;
mod assumptions;
mod classes;
mod design;
mod models;
mod report;
mod several;
#[cfg(test)]
mod tests;
mod two;
mod value;
mod words;

pub use answer::{Check, Comparison, GroupRow, PairRow, TestRow};

use crate::Error;
use crate::columns;
pub use crate::stats::adjust::Adjust;
use arrow::array::RecordBatch;
use design::{By, Design};
use rayon::prelude::*;
use value::Value;

/// Question to [`compare`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Options {
    /// Columns whose values are compared: names, globs (`*`, `?`, `[a-z]`), or `all` for every column of numbers.
    pub values: Vec<String>,
    /// Column of the groups; two for a two-way analysis of variance. A column of many different numbers is regressed on.
    pub by: Vec<String>,
    /// Column of the independent units; `sample` where the table has it and nothing is said.
    pub unit: Option<String>,
    /// Column of what the groups have in common (animal, replicate), to compare within it.
    pub pair_by: Option<String>,
    /// Columns whose influence is taken out: of numbers, or of groups.
    pub covariates: Vec<String>,
    /// Adjustment of p-values for several values, and for several pairs of groups.
    pub adjust: Adjust,
    /// Takes every row as independent, and says so in the result.
    pub assume_independent: bool,
    /// Seed of bootstrap and permutations.
    pub seed: u64,
    /// Number of bootstrap resamples and of random permutations.
    pub resamples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            values: vec![],
            by: vec![],
            unit: None,
            pair_by: None,
            covariates: vec![],
            adjust: Adjust::Holm,
            assume_independent: false,
            seed: 0,
            resamples: 9999,
        }
    }
}

/// Compares the groups of `options.by` in each of `options.values`.
///
/// # Errors
/// When a column is absent or of a wrong kind, when there are fewer than two groups, or when the independent unit is
/// unknown. What cannot be estimated for one value is no error: its row says `not estimable: …`.
pub fn compare(table: &RecordBatch, options: &Options) -> Result<Comparison, Error> {
    let names = values(table, options)?;
    let design = Design::new(table, options)?;
    if design.units.is_empty() {
        return Err(Error::Data("no row has a group and a unit".into()));
    }
    let parts: Vec<Comparison> = names
        .par_iter()
        .map(|name| {
            let array = columns::column(table, name)?;
            if columns::is_number(array.as_ref()) {
                let column = columns::numbers(array, name)?;
                return of_value(name, &columns::unit(table, name), &column, &design, options);
            }
            let classes = columns::labels(array)?;
            of_classes(name, &classes, &design, options)
        })
        .collect::<Result<_, Error>>()?;
    let mut out =
        Comparison { options: options.clone(), remarks: design.remarks.clone(), ..Comparison::default() };
    for part in parts {
        out.tests.extend(part.tests);
        out.pairs.extend(part.pairs);
        out.groups.extend(part.groups);
        out.checks.extend(part.checks);
        out.remarks.extend(part.remarks);
        out.plots.extend(part.plots);
    }
    adjust(&mut out, options.adjust);
    Ok(out)
}

/// Most classes of a column whose shares are compared.
const MOST_CLASSES: usize = 50;

/// Columns of values: by name or glob, or all numbers that have no other part in the question.
fn values(table: &RecordBatch, options: &Options) -> Result<Vec<String>, Error> {
    if options.values.is_empty() {
        return Err(Error::Usage("nothing to compare: name columns with --value".into()));
    }
    let has_part = |name: &String| {
        options.by.contains(name)
            || options.covariates.contains(name)
            || options.unit.as_ref() == Some(name)
            || options.pair_by.as_ref() == Some(name)
    };
    if options.values.iter().any(|v| v == "all") && table.column_by_name("all").is_none() {
        let schema = table.schema();
        let number = |n: &String| table.column_by_name(n).is_some_and(|a| columns::is_number(a.as_ref()));
        let names = schema.fields().iter().map(|f| f.name().clone());
        let identity = |n: &String| matches!(n.as_str(), "sample" | "label" | "id");
        let names: Vec<String> = names.filter(|n| number(n) && !has_part(n) && !identity(n)).collect();
        if names.is_empty() {
            return Err(Error::Data("the table has no column of numbers to compare".into()));
        }
        return Ok(names);
    }
    let names = columns::matching(table, &options.values)?;
    match names.iter().find(|n| has_part(n)) {
        Some(n) => Err(Error::Data(format!("the column \"{n}\" cannot be a value and a factor at once"))),
        None => Ok(names),
    }
}

fn of_classes(
    name: &str,
    classes: &columns::Labels,
    design: &Design,
    options: &Options,
) -> Result<Comparison, Error> {
    if matches!(design.by, By::Number(_) | By::TwoWay(..)) || !options.covariates.is_empty() {
        return Err(Error::Data(format!(
            "the column \"{name}\" holds classes, which are compared by one factor without covariates only"
        )));
    }
    if classes.names.is_empty() || classes.names.len() > MOST_CLASSES {
        let n = classes.names.len();
        return Err(Error::Data(format!(
            "the column \"{name}\" has {n} classes; 1 to {MOST_CLASSES} can be compared"
        )));
    }
    if !design.nested && design.pairs.is_none() {
        let tests = classes::rows(name, classes, design, options);
        return Ok(Comparison { tests, ..Comparison::default() });
    }
    let mut out = Comparison::default();
    for (i, class) in classes.names.iter().enumerate() {
        let share = |c: &usize| match *c {
            columns::NONE => f64::NAN,
            c if c == i => 1.0,
            _ => 0.0,
        };
        let column: Vec<f64> = classes.of_row.iter().map(share).collect();
        let part = of_value(&format!("share of {name} = {class}"), "", &column, design, options)?;
        out.tests.extend(part.tests);
        out.pairs.extend(part.pairs);
        out.groups.extend(part.groups);
        out.checks.extend(part.checks);
        out.plots.extend(part.plots);
    }
    Ok(out)
}

fn of_value(
    name: &str,
    physical: &str,
    column: &[f64],
    design: &Design,
    options: &Options,
) -> Result<Comparison, Error> {
    let v = Value::new(name, physical, column, design, options);
    let mut out = Comparison::default();
    let present = v.present();
    if v.units.is_empty() || (present.len() < 2 && !matches!(design.by, By::Number(_))) {
        let why = match present.first() {
            None => "no unit has a value".to_owned(),
            Some(&g) => format!("only \"{}\" has values", v.group_name(g)),
        };
        let mut row = v.row("none", crate::stats::refuse(why));
        row.chosen = true;
        row.sentence = format!("{name} by {}: {}.", design.by_name, row.note);
        out.tests.push(row);
        out.groups = v.group_rows();
        return Ok(out);
    }
    out.tests = match &design.by {
        By::Number(x) => models::regression(&v, x)?,
        By::TwoWay(..) => models::two_way(&v)?,
        By::Groups(_) if !design.covariates.is_empty() => models::covariance(&v, &present)?,
        By::Groups(_) if present.len() == 2 => two::rows(&v, present[0], present[1]),
        By::Groups(_) => several::rows(&v, &present),
    };
    if !matches!(design.by, By::Number(_)) {
        out.groups = v.group_rows();
        out.checks = assumptions::of_groups(&v, &present);
        if present.len() > 2 && matches!(design.by, By::Groups(_)) {
            out.pairs = several::pairs(&v, &present, options.adjust);
        }
    }
    if matches!(design.by, By::Groups(_)) && design.covariates.is_empty() {
        let p = out.tests.first().and_then(|t| t.p);
        out.checks.extend(assumptions::influence(&v, p, &|left| chosen_p(left, &present)));
    }
    out.plots = report::plots(&v, &present);
    Ok(out)
}

/// p-value of the chosen test of groups without covariates.
fn chosen_p(v: &Value, present: &[usize]) -> Option<f64> {
    use crate::stats::{linear, means};
    if v.design.pairs.is_none() {
        let groups: Vec<Vec<f64>> = present.iter().map(|&g| v.group(g)).collect();
        let g: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
        let test = if g.len() == 2 { means::welch(g[0], g[1]) } else { means::welch_anova(&g) };
        return test.ok().map(|t| t.p);
    }
    let blocks = v.blocks(present);
    let k = present.len();
    if k == 2 {
        let (x, y): (Vec<f64>, Vec<f64>) = blocks.iter().map(|(_, r)| (r[0], r[1])).unzip();
        return means::paired(&x, &y).ok().map(|t| t.p);
    }
    let y: Vec<f64> = blocks.iter().flat_map(|(_, r)| r.clone()).collect();
    let level = |f: &dyn Fn(usize) -> usize| (0..y.len()).map(f).collect::<Vec<_>>();
    let a = linear::Term::factor("", &level(&|i| i % k), k);
    let b = linear::Term::factor("", &level(&|i| i / k), blocks.len().max(1));
    linear::term_test(&y, &a, &[&b], &[]).ok().map(|t| t.p)
}

/// Adjusts the p-values of chosen tests over all of them.
fn adjust(out: &mut Comparison, method: Adjust) {
    let p: Vec<f64> = out.tests.iter().filter(|t| t.chosen).filter_map(|t| t.p).collect();
    let adjusted = method.apply(&p);
    let family = p.len();
    let mut next = adjusted.into_iter();
    for row in out.tests.iter_mut().filter(|t| t.chosen && t.p.is_some()) {
        row.p_adjusted = next.next();
        if let (true, Some(q)) = (family > 1 && method != Adjust::None, row.p_adjusted) {
            row.sentence +=
                &format!(" Adjusted for {family} tests ({}): {}.", method.name(), words::p_value(q));
        }
    }
}
