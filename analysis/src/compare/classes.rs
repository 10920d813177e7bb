//! Values that are classes: χ² and Fisher's test where rows are units, else the shares of units.

use super::answer::TestRow;
use super::design::Design;
use super::{Options, words};
use crate::columns::{Labels, NONE};
use crate::stats::{counts, power};

/// Rows of the counts of classes by group; the first is chosen: Fisher's test where an expected count is below 5.
pub fn rows(name: &str, classes: &Labels, design: &Design, options: &Options) -> Vec<TestRow> {
    let mut table = vec![vec![0u64; classes.names.len()]; design.groups.len()];
    let mut n = 0;
    for unit in &design.units {
        for &row in &unit.rows {
            let class = classes.of_row[row as usize];
            if class != NONE {
                table[unit.group][class] += 1;
                n += 1;
            }
        }
    }
    table.retain(|r| r.iter().any(|c| *c > 0));
    let used: Vec<usize> = (0..classes.names.len()).filter(|&j| table.iter().any(|r| r[j] > 0)).collect();
    let table: Vec<Vec<u64>> = table.iter().map(|r| used.iter().map(|&j| r[j]).collect()).collect();
    let blank = |test: &str| TestRow {
        value: name.to_owned(),
        by: design.by_name.clone(),
        test: test.to_owned(),
        n_units: n,
        n_objects: n,
        ..TestRow::default()
    };
    let (mut square, mut fisher) = (blank("chi-square"), blank("fisher"));
    match (counts::chi_square(&table), counts::fisher(&table, options.resamples, options.seed)) {
        (Ok(x), Ok(f)) => {
            (square.statistic, square.df1, square.p) = (Some(x.statistic), x.df1, Some(x.p));
            (square.effect, square.effect_name) =
                (Some(counts::cramers_v(&table, x.statistic)), "cramers_v".into());
            fisher.p = Some(f.p);
            fisher.note = f.note;
            if let Some(e) = f.estimate {
                let finite = |v: f64| v.is_finite().then_some(v);
                (fisher.effect, fisher.effect_name) = (finite(e.value), "odds_ratio".into());
                (fisher.effect_low, fisher.effect_high) = (finite(e.low), finite(e.high));
            }
            let least = counts::smallest_expected(&table);
            square.note = format!("smallest expected count {}", words::short(least));
            let small = least < 5.0;
            let chosen = if small { &mut fisher } else { &mut square };
            chosen.chosen = true;
            let p = chosen.p.unwrap_or(1.0);
            let method = if small { "Fisher's exact test" } else { "χ² test" };
            let tail = format!("({}, {method} of {n} counts)", words::p_value(p));
            chosen.sentence = if p < power::ALPHA {
                format!("The shares of {name} differ by {} {tail}.", design.by_name)
            } else {
                format!("No difference of the shares of {name} by {} was shown {tail}.", design.by_name)
            };
        }
        (Err(e), _) | (_, Err(e)) => {
            square.note = e.to_string();
            fisher.note = e.to_string();
            square.chosen = true;
            square.sentence = format!("{name} by {}: {e}.", design.by_name);
        }
    }
    if fisher.chosen { vec![fisher, square] } else { vec![square, fisher] }
}
