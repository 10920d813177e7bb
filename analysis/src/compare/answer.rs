//! Answer of a comparison, as rows and as tables.

use super::Options;
use crate::Error;
use crate::table::write;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;

/// Answer of [`compare`](super::compare).
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Question that was asked.
    pub options: Options,
    /// One row a value and test.
    pub tests: Vec<TestRow>,
    /// One row a value, post hoc method and pair of groups.
    pub pairs: Vec<PairRow>,
    /// One row a value and group.
    pub groups: Vec<GroupRow>,
    /// One row a value and check of assumptions.
    pub checks: Vec<Check>,
    /// Remarks on the whole question: rows left out, independence that was assumed.
    pub remarks: Vec<String>,
    /// Plots: names of files and SVG.
    pub plots: Vec<(String, String)>,
}

/// Result of a test of a value.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct TestRow {
    /// Column that was compared.
    pub value: String,
    /// Factor, or term of a two-way analysis (`a:b` is the interaction).
    pub by: String,
    /// Name of the test.
    pub test: String,
    /// True for the one that the sentence is about.
    pub chosen: bool,
    /// Number of independent units.
    pub n_units: usize,
    /// Number of rows (objects) behind them.
    pub n_objects: usize,
    /// Test statistic.
    pub statistic: Option<f64>,
    /// Degrees of freedom (of the numerator).
    pub df1: Option<f64>,
    /// Degrees of freedom of the denominator.
    pub df2: Option<f64>,
    /// p-value, two-sided.
    pub p: Option<f64>,
    /// p-value of a chosen test, adjusted over all values of the question.
    pub p_adjusted: Option<f64>,
    /// Estimate, in the value's unit for differences.
    pub estimate: Option<f64>,
    /// Lower end of the estimate's 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the estimate's 95 % interval.
    pub high: Option<f64>,
    /// Effect size.
    pub effect: Option<f64>,
    /// Name of the effect size.
    pub effect_name: String,
    /// Lower end of the effect size's 95 % interval.
    pub effect_low: Option<f64>,
    /// Upper end of the effect size's 95 % interval.
    pub effect_high: Option<f64>,
    /// Units a group that would show this effect with a power of 0.8 at α = 0.05.
    pub units_needed: Option<f64>,
    /// Smallest effect size (of the same name) that these units would show with a power of 0.8 at α = 0.05.
    pub smallest_effect: Option<f64>,
    /// Reason of the choice, method of p, or `not estimable: …`.
    pub note: String,
    /// Plain sentence; only where the row is chosen.
    pub sentence: String,
}

/// Result of a post hoc comparison of two groups.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct PairRow {
    /// Column that was compared.
    pub value: String,
    /// Factor.
    pub by: String,
    /// Name of the method.
    pub test: String,
    /// True for the method that goes with the chosen test.
    pub chosen: bool,
    /// First group.
    pub a: String,
    /// Second group.
    pub b: String,
    /// Units of the first group.
    pub n_a: usize,
    /// Units of the second group.
    pub n_b: usize,
    /// Estimate of a − b.
    pub estimate: Option<f64>,
    /// Lower end of its simultaneous 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its simultaneous 95 % interval.
    pub high: Option<f64>,
    /// Test statistic (q of the studentised range, t, or z).
    pub statistic: Option<f64>,
    /// Degrees of freedom.
    pub df: Option<f64>,
    /// p-value; of Tukey and Games–Howell already for all pairs.
    pub p: Option<f64>,
    /// p-value adjusted for all pairs.
    pub p_adjusted: Option<f64>,
    /// Effect size.
    pub effect: Option<f64>,
    /// Name of the effect size.
    pub effect_name: String,
    /// Method of p, or `not estimable: …`.
    pub note: String,
}

/// Description of one group in one value, over its units.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct GroupRow {
    /// Column that was compared.
    pub value: String,
    /// Factor.
    pub by: String,
    /// Name of the group.
    pub group: String,
    /// Number of independent units.
    pub n_units: usize,
    /// Number of rows (objects) behind them.
    pub n_objects: usize,
    /// Rows without a value.
    pub n_missing: usize,
    /// Mean of the units.
    pub mean: Option<f64>,
    /// Standard deviation of the units.
    pub sd: Option<f64>,
    /// Standard error of the mean.
    pub sem: Option<f64>,
    /// Lower end of the mean's 95 % interval (Student's t).
    pub low: Option<f64>,
    /// Upper end of the mean's 95 % interval.
    pub high: Option<f64>,
    /// Smallest unit.
    pub min: Option<f64>,
    /// Lower quartile of the units.
    pub q1: Option<f64>,
    /// Median of the units.
    pub median: Option<f64>,
    /// Upper quartile of the units.
    pub q3: Option<f64>,
    /// Largest unit.
    pub max: Option<f64>,
}

/// Check of an assumption behind a chosen test.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Check {
    /// Column that was compared.
    pub value: String,
    /// Name of the check: `normality`, `equal variance`, `influential unit`.
    pub check: String,
    /// Group or unit that it is about.
    pub about: String,
    /// Name of the method.
    pub method: String,
    /// Its statistic.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p: Option<f64>,
    /// True when the assumption is not contradicted.
    pub passed: bool,
    /// Plain remark.
    pub note: String,
}

type Column = (&'static str, ArrayRef);

fn text<T>(name: &'static str, rows: &[T], of: impl Fn(&T) -> &str) -> Column {
    (name, Arc::new(StringArray::from_iter_values(rows.iter().map(of))))
}

fn real<T>(name: &'static str, rows: &[T], of: impl Fn(&T) -> Option<f64>) -> Column {
    (name, Arc::new(rows.iter().map(of).collect::<Float64Array>()))
}

fn count<T>(name: &'static str, rows: &[T], of: impl Fn(&T) -> usize) -> Column {
    (name, Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| of(r) as i64))))
}

fn flag<T>(name: &'static str, rows: &[T], of: impl Fn(&T) -> bool) -> Column {
    (name, Arc::new(rows.iter().map(|r| Some(of(r))).collect::<BooleanArray>()))
}

impl Comparison {
    /// Sentences of the chosen tests, one a value and term.
    pub fn sentences(&self) -> Vec<&str> {
        self.tests.iter().filter(|t| t.chosen).map(|t| t.sentence.as_str()).collect()
    }

    /// Table of tests, as in `tests.csv`.
    ///
    /// # Errors
    /// When Arrow refuses the table.
    pub fn tests_table(&self) -> Result<RecordBatch, Error> {
        let t = &self.tests;
        RecordBatch::try_from_iter([
            text("value", t, |r| &r.value),
            text("by", t, |r| &r.by),
            text("test", t, |r| &r.test),
            flag("chosen", t, |r| r.chosen),
            count("n_units", t, |r| r.n_units),
            count("n_objects", t, |r| r.n_objects),
            real("statistic", t, |r| r.statistic),
            real("df1", t, |r| r.df1),
            real("df2", t, |r| r.df2),
            real("p", t, |r| r.p),
            real("p_adjusted", t, |r| r.p_adjusted),
            real("estimate", t, |r| r.estimate),
            real("low", t, |r| r.low),
            real("high", t, |r| r.high),
            real("effect", t, |r| r.effect),
            text("effect_name", t, |r| &r.effect_name),
            real("effect_low", t, |r| r.effect_low),
            real("effect_high", t, |r| r.effect_high),
            text("note", t, |r| &r.note),
            real("units_needed", t, |r| r.units_needed),
            real("smallest_effect", t, |r| r.smallest_effect),
            text("sentence", t, |r| &r.sentence),
        ])
        .map_err(crate::columns::arrow)
    }

    /// Table of pairs of groups, as in `pairs.csv`.
    ///
    /// # Errors
    /// When Arrow refuses the table.
    pub fn pairs_table(&self) -> Result<RecordBatch, Error> {
        let t = &self.pairs;
        RecordBatch::try_from_iter([
            text("value", t, |r| &r.value),
            text("by", t, |r| &r.by),
            text("test", t, |r| &r.test),
            flag("chosen", t, |r| r.chosen),
            text("a", t, |r| &r.a),
            text("b", t, |r| &r.b),
            count("n_a", t, |r| r.n_a),
            count("n_b", t, |r| r.n_b),
            real("estimate", t, |r| r.estimate),
            real("low", t, |r| r.low),
            real("high", t, |r| r.high),
            real("statistic", t, |r| r.statistic),
            real("df", t, |r| r.df),
            real("p", t, |r| r.p),
            real("p_adjusted", t, |r| r.p_adjusted),
            real("effect", t, |r| r.effect),
            text("effect_name", t, |r| &r.effect_name),
            text("note", t, |r| &r.note),
        ])
        .map_err(crate::columns::arrow)
    }

    /// Table of groups, as in `groups.csv`.
    ///
    /// # Errors
    /// When Arrow refuses the table.
    pub fn groups_table(&self) -> Result<RecordBatch, Error> {
        let t = &self.groups;
        RecordBatch::try_from_iter([
            text("value", t, |r| &r.value),
            text("by", t, |r| &r.by),
            text("group", t, |r| &r.group),
            count("n_units", t, |r| r.n_units),
            count("n_objects", t, |r| r.n_objects),
            count("n_missing", t, |r| r.n_missing),
            real("mean", t, |r| r.mean),
            real("sd", t, |r| r.sd),
            real("sem", t, |r| r.sem),
            real("low", t, |r| r.low),
            real("high", t, |r| r.high),
            real("min", t, |r| r.min),
            real("q1", t, |r| r.q1),
            real("median", t, |r| r.median),
            real("q3", t, |r| r.q3),
            real("max", t, |r| r.max),
        ])
        .map_err(crate::columns::arrow)
    }

    /// Table of checks, as in `checks.csv`.
    ///
    /// # Errors
    /// When Arrow refuses the table.
    pub fn checks_table(&self) -> Result<RecordBatch, Error> {
        let t = &self.checks;
        RecordBatch::try_from_iter([
            text("value", t, |r| &r.value),
            text("check", t, |r| &r.check),
            text("about", t, |r| &r.about),
            text("method", t, |r| &r.method),
            real("statistic", t, |r| r.statistic),
            real("p", t, |r| r.p),
            flag("passed", t, |r| r.passed),
            text("note", t, |r| &r.note),
        ])
        .map_err(crate::columns::arrow)
    }

    /// Writes `tests.csv`, `pairs.csv`, `groups.csv`, `checks.csv`, `report.md` and the plots into `dir`, each whole or
    /// not at all.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        for (name, svg) in &self.plots {
            write::text(&dir.join(name), svg)?;
        }
        write::write(&dir.join("pairs.csv"), &self.pairs_table()?)?;
        write::write(&dir.join("groups.csv"), &self.groups_table()?)?;
        write::write(&dir.join("checks.csv"), &self.checks_table()?)?;
        write::text(&dir.join("report.md"), &self.report())?;
        write::write(&dir.join("tests.csv"), &self.tests_table()?)
    }
}
