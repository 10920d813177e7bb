//! One value over the units of a design, and rows of results about it.

use super::answer::{GroupRow, TestRow};
use super::design::{Design, Unit};
use super::{Options, words};
use crate::columns::NONE;
use crate::stats::describe::{mean, mean_interval, quantile, sorted, variance};
use crate::stats::{Estimable, Test};
use std::sync::Arc;

/// Values of the objects of units, and their means: what tests are made on.
pub struct Value<'a> {
    /// Column.
    pub name: &'a str,
    /// Physical unit, or nothing.
    pub physical: &'a str,
    /// Design.
    pub design: &'a Design,
    /// Question.
    pub options: &'a Options,
    /// Units that have a value.
    pub units: Vec<&'a Unit>,
    /// Values of the objects of each unit.
    pub objects: Vec<Arc<Vec<f64>>>,
    /// Mean of each unit.
    pub means: Vec<f64>,
    /// Rows without a value, by group.
    pub missing: Vec<usize>,
}

impl<'a> Value<'a> {
    /// Value of a column of numbers, NaN where missing.
    pub fn new(
        name: &'a str,
        physical: &'a str,
        column: &[f64],
        design: &'a Design,
        options: &'a Options,
    ) -> Self {
        let mut v = Self {
            name,
            physical,
            design,
            options,
            units: vec![],
            objects: vec![],
            means: vec![],
            missing: vec![0; design.groups.len()],
        };
        for unit in &design.units {
            let mut found: Vec<f64> = Vec::with_capacity(unit.rows.len());
            found.extend(unit.rows.iter().map(|&r| column[r as usize]).filter(|v| !v.is_nan()));
            v.missing[unit.group] += unit.rows.len() - found.len();
            if !found.is_empty() {
                v.units.push(unit);
                v.means.push(mean(&found));
                v.objects.push(Arc::new(found));
            }
        }
        v
    }

    /// Value of the same design with some units only.
    pub fn with(&self, keep: &dyn Fn(usize) -> bool) -> Self {
        let of = |i: &usize| keep(*i);
        let index: Vec<usize> = (0..self.units.len()).filter(of).collect();
        Self {
            name: self.name,
            physical: self.physical,
            design: self.design,
            options: self.options,
            units: index.iter().map(|&i| self.units[i]).collect(),
            objects: index.iter().map(|&i| self.objects[i].clone()).collect(),
            means: index.iter().map(|&i| self.means[i]).collect(),
            missing: self.missing.clone(),
        }
    }

    /// Groups that have units.
    pub fn present(&self) -> Vec<usize> {
        (0..self.design.groups.len()).filter(|&g| self.units.iter().any(|u| u.group == g)).collect()
    }

    /// Means of the units of a group.
    pub fn group(&self, g: usize) -> Vec<f64> {
        self.units.iter().zip(&self.means).filter(|(u, _)| u.group == g).map(|(_, m)| *m).collect()
    }

    /// Values of all objects of a group.
    pub fn pooled(&self, g: usize) -> Vec<f64> {
        self.units
            .iter()
            .zip(&self.objects)
            .filter(|(u, _)| u.group == g)
            .flat_map(|(_, o)| o.iter().copied())
            .collect()
    }

    /// Objects of each unit of a group.
    pub fn apart(&self, g: usize) -> Vec<&[f64]> {
        self.units.iter().zip(&self.objects).filter(|(u, _)| u.group == g).map(|(_, o)| &o[..]).collect()
    }

    /// Number of objects.
    pub fn count(&self) -> usize {
        self.objects.iter().map(|o| o.len()).sum()
    }

    /// True when some unit has several objects.
    pub fn nested(&self) -> bool {
        self.objects.iter().any(|o| o.len() > 1)
    }

    /// Pairs that have all of `groups`, as rows of means in the order of groups; a pair's units of one group are averaged.
    pub fn blocks(&self, groups: &[usize]) -> Vec<(usize, Vec<f64>)> {
        let most = self.units.iter().filter(|u| u.pair != NONE).map(|u| u.pair + 1).max().unwrap_or(0);
        let cell = |p: usize, g: usize| -> Vec<f64> {
            let mine = self.units.iter().zip(&self.means).filter(|(u, _)| u.pair == p && u.group == g);
            mine.map(|(_, m)| *m).collect()
        };
        (0..most)
            .filter_map(|p| {
                let row: Vec<Vec<f64>> = groups.iter().map(|&g| cell(p, g)).collect();
                row.iter().all(|c| !c.is_empty()).then(|| (p, row.iter().map(|c| mean(c)).collect()))
            })
            .collect()
    }

    /// Row of a test.
    pub fn row(&self, test: &str, result: Estimable<Test>) -> TestRow {
        let mut row = TestRow {
            value: self.name.to_owned(),
            by: self.design.by_name.clone(),
            test: test.to_owned(),
            n_units: self.units.len(),
            n_objects: self.count(),
            ..TestRow::default()
        };
        match result {
            Ok(t) => {
                row.statistic = finite(t.statistic);
                row.df1 = t.df1;
                row.df2 = t.df2.filter(|d| d.is_finite());
                row.p = finite(t.p);
                if let Some(e) = t.estimate {
                    (row.estimate, row.low, row.high) = (finite(e.value), finite(e.low), finite(e.high));
                }
                row.note = t.note;
            }
            Err(e) => row.note = e.to_string(),
        }
        row
    }

    /// Rows of groups.
    pub fn group_rows(&self) -> Vec<GroupRow> {
        (0..self.design.groups.len())
            .map(|g| {
                let m = self.group(g);
                let mut row = GroupRow {
                    value: self.name.to_owned(),
                    by: self.design.by_name.clone(),
                    group: self.design.groups[g].clone(),
                    n_units: m.len(),
                    n_objects: self
                        .units
                        .iter()
                        .zip(&self.objects)
                        .filter(|(u, _)| u.group == g)
                        .map(|(_, o)| o.len())
                        .sum(),
                    n_missing: self.missing[g],
                    ..GroupRow::default()
                };
                if m.is_empty() {
                    return row;
                }
                let s = sorted(&m);
                row.mean = Some(mean(&m));
                if m.len() > 1 {
                    let sd = variance(&m).sqrt();
                    row.sd = Some(sd);
                    row.sem = Some(sd / (m.len() as f64).sqrt());
                }
                if let Ok(i) = mean_interval(&m) {
                    (row.low, row.high) = (Some(i.low), Some(i.high));
                }
                let q = |f: f64| Some(quantile(&s, f));
                (row.min, row.q1, row.median, row.q3, row.max) = (q(0.0), q(0.25), q(0.5), q(0.75), q(1.0));
                row
            })
            .collect()
    }

    /// Name of a group.
    pub fn group_name(&self, g: usize) -> &str {
        &self.design.groups[g]
    }

    /// Name of a group in a sentence: a bare number is named after its factor.
    pub fn group_text(&self, g: usize) -> String {
        let name = self.group_name(g);
        if name.parse::<f64>().is_ok() { format!("{} {name}", self.design.by_name) } else { name.to_owned() }
    }

    /// Number with the physical unit.
    pub fn with_unit(&self, v: f64) -> String {
        words::with_unit(v, self.physical)
    }

    /// Number of units, in words: "6 samples" or, of rows, "6 rows".
    pub fn counted(&self, n: usize) -> String {
        words::counted(n, &self.design.unit_name)
    }
}

fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}
