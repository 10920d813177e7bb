//! Rows of a table as units in groups: what was sampled.

use super::Options;
use crate::Error;
use crate::columns::{self, Labels, NONE};
use crate::stats::linear::Term;
use arrow::array::RecordBatch;
use std::collections::HashMap;

/// Reason for giving no p-value on rows that might be objects of one sample.
pub const UNIT_UNKNOWN: &str = "objects of one sample are not independent, and the table has no column \"sample\": name the \
                                column of the independent units with --unit, or say --assume-independent if every row is one";

/// Numbers beyond which a column is regressed on instead of making groups.
const MOST_NUMBERS: usize = 10;

/// Factor or number that values are compared by.
#[derive(Debug, Clone)]
pub enum By {
    /// One factor.
    Groups(Labels),
    /// Two factors, and their combinations as groups.
    TwoWay(Labels, Labels),
    /// Number of every row.
    Number(Vec<f64>),
}

/// Covariate of every row.
#[derive(Debug, Clone)]
pub enum Covariate {
    /// Number.
    Number(String, Vec<f64>),
    /// Factor.
    Factor(String, Labels),
}

/// Independent unit: a sample, or the part of one that is in one group.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Name, for people.
    pub name: String,
    /// Group, or combination of groups.
    pub group: usize,
    /// Pair, or [`NONE`].
    pub pair: usize,
    /// Numbers of rows.
    pub rows: Vec<u32>,
}

/// Units of a question, the same for all values.
#[derive(Debug)]
pub struct Design {
    /// Name of the factor (`a × b` of two).
    pub by_name: String,
    /// Factor or number.
    pub by: By,
    /// Names of groups; of combinations for two factors.
    pub groups: Vec<String>,
    /// Units.
    pub units: Vec<Unit>,
    /// Names of pairs.
    pub pairs: Option<Labels>,
    /// Name of the unit's column, for people.
    pub unit_name: String,
    /// True when a unit has several rows.
    pub nested: bool,
    /// True when a unit of the column is in several groups.
    pub shared: bool,
    /// Covariates.
    pub covariates: Vec<Covariate>,
    /// Remarks.
    pub remarks: Vec<String>,
}

impl Design {
    /// Design of `options` in `table`.
    pub fn new(table: &RecordBatch, options: &Options) -> Result<Self, Error> {
        let rows = table.num_rows();
        let by = by(table, options)?;
        let (groups, of_row) = match &by {
            By::Groups(l) => (l.names.clone(), l.of_row.clone()),
            By::TwoWay(a, b) => crossed(a, b),
            By::Number(v) => {
                (vec![String::new()], v.iter().map(|v| if v.is_nan() { NONE } else { 0 }).collect())
            }
        };
        let pairs = options.pair_by.as_deref().map(|n| labels(table, n)).transpose()?;
        let unit = unit(table, options)?;
        let covariates =
            options.covariates.iter().map(|n| covariate(table, n)).collect::<Result<Vec<_>, _>>()?;
        let mut remarks = vec![];
        let mut found: HashMap<(usize, usize, usize), usize> = HashMap::new();
        let mut units: Vec<Unit> = vec![];
        let mut left_out = 0;
        for row in 0..rows {
            let (g, p) = (of_row[row], pairs.as_ref().map_or(NONE, |p| p.of_row[row]));
            let (u, name) = match &unit {
                Some(l) => (l.of_row[row], l.names.get(l.of_row[row]).cloned()),
                None if options.assume_independent => (row, Some(format!("row {}", row + 1))),
                None => (p, pairs.as_ref().and_then(|l| l.names.get(p).cloned())),
            };
            let known = covariates.iter().all(|c| match c {
                Covariate::Number(_, v) => !v[row].is_nan(),
                Covariate::Factor(_, l) => l.of_row[row] != NONE,
            });
            if g == NONE || u == NONE || !known || (pairs.is_some() && p == NONE) {
                left_out += 1;
                continue;
            }
            // A unit in several pairs is as many units of these: pairs are the larger.
            let index = *found.entry((u, g, p)).or_insert_with(|| {
                units.push(Unit { name: name.unwrap_or_default(), group: g, pair: p, rows: vec![] });
                units.len() - 1
            });
            units[index].rows.push(row as u32);
        }
        if left_out > 0 {
            remarks.push(format!("{left_out} of {rows} rows left out: no group, unit, pair or covariate."));
        }
        if options.assume_independent {
            remarks.push(
                "Every row was taken as an independent sample because --assume-independent says so; if rows are objects \
                 of the same samples, all p-values here are too small."
                    .to_owned(),
            );
        }
        let nested = units.iter().any(|u| u.rows.len() > 1);
        let shared = unit.is_some() && {
            let mut of: HashMap<&str, usize> = HashMap::new();
            units.iter().any(|u| *of.entry(&u.name).or_insert(u.group) != u.group)
        };
        let unit_name = options.unit.clone().or_else(|| (unit.is_some()).then(|| "sample".to_owned()));
        let unit_name = unit_name.or_else(|| options.pair_by.clone()).unwrap_or_else(|| "row".to_owned());
        Ok(Self {
            by_name: options.by.join(" × "),
            by,
            groups,
            units,
            pairs,
            unit_name,
            nested,
            shared,
            covariates,
            remarks,
        })
    }

    /// Terms of the covariates over `units`: numbers by their mean, factors where they are the same in all rows of a unit.
    pub fn terms(&self, units: &[&Unit]) -> Result<Vec<Term>, Error> {
        self.covariates
            .iter()
            .map(|c| match c {
                Covariate::Number(name, v) => {
                    let mean =
                        |u: &&Unit| u.rows.iter().map(|&r| v[r as usize]).sum::<f64>() / u.rows.len() as f64;
                    Ok(Term::number(name, &units.iter().map(mean).collect::<Vec<_>>()))
                }
                Covariate::Factor(name, l) => {
                    let mut levels = vec![];
                    for u in units {
                        let level = l.of_row[u.rows[0] as usize];
                        if u.rows.iter().any(|&r| l.of_row[r as usize] != level) {
                            return Err(Error::Data(format!(
                                "the covariate \"{name}\" is not the same in all rows of {} \"{}\"",
                                self.unit_name, u.name
                            )));
                        }
                        levels.push(level);
                    }
                    Ok(Term::factor(name, &levels, l.names.len()))
                }
            })
            .collect()
    }
}

fn labels(table: &RecordBatch, name: &str) -> Result<Labels, Error> {
    columns::labels(columns::column(table, name)?)
}

fn by(table: &RecordBatch, options: &Options) -> Result<By, Error> {
    match &options.by[..] {
        [] => Err(Error::Usage("nothing to compare by: name a column with --by".into())),
        [name] => {
            let array = columns::column(table, name)?;
            let labels = columns::labels(array)?;
            if columns::is_number(array) && labels.names.len() > MOST_NUMBERS {
                return Ok(By::Number(columns::numbers(array, name)?));
            }
            enough(name, &labels, table.num_rows())?;
            Ok(By::Groups(labels))
        }
        [a, b] => {
            let (la, lb) = (labels(table, a)?, labels(table, b)?);
            enough(a, &la, table.num_rows())?;
            enough(b, &lb, table.num_rows())?;
            Ok(By::TwoWay(la, lb))
        }
        more => Err(Error::Usage(format!("at most two columns after --by, not {}", more.len()))),
    }
}

fn enough(name: &str, labels: &Labels, rows: usize) -> Result<(), Error> {
    match labels.names.len() {
        0 => Err(Error::Data(format!("the column \"{name}\" is empty"))),
        1 => Err(Error::Data(format!("the column \"{name}\" holds one group only: \"{}\"", labels.names[0]))),
        n if n > 2 && n == rows => Err(Error::Data(format!(
            "the column \"{name}\" has another value in each row, so that it makes no groups"
        ))),
        n if n > 200 => {
            Err(Error::Data(format!("the column \"{name}\" has {n} groups; at most 200 are compared")))
        }
        _ => Ok(()),
    }
}

fn crossed(a: &Labels, b: &Labels) -> (Vec<String>, Vec<usize>) {
    let k = b.names.len();
    let names = a.names.iter().flat_map(|x| b.names.iter().map(move |y| format!("{x} × {y}"))).collect();
    let both = |(&x, &y): (&usize, &usize)| if x == NONE || y == NONE { NONE } else { x * k + y };
    (names, a.of_row.iter().zip(&b.of_row).map(both).collect())
}

/// Column of the units; nothing where pairs say it, or where every row is one.
fn unit(table: &RecordBatch, options: &Options) -> Result<Option<Labels>, Error> {
    if let Some(name) = &options.unit {
        return labels(table, name).map(Some);
    }
    if options.assume_independent {
        return Ok(None);
    }
    if table.column_by_name("sample").is_some() {
        return labels(table, "sample").map(Some);
    }
    if options.pair_by.is_some() { Ok(None) } else { Err(Error::Usage(UNIT_UNKNOWN.into())) }
}

fn covariate(table: &RecordBatch, name: &str) -> Result<Covariate, Error> {
    let array = columns::column(table, name)?;
    if columns::is_number(array) {
        Ok(Covariate::Number(name.to_owned(), columns::numbers(array, name)?))
    } else {
        Ok(Covariate::Factor(name.to_owned(), columns::labels(array)?))
    }
}
