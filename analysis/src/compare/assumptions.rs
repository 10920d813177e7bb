//! Checks of what a chosen test takes for granted: normal units, equal variances, no single unit that decides.

use super::answer::Check;
use super::value::Value;
use super::words;
use crate::stats::{checks, power};

/// Units beyond which none is left out: one alone decides nothing.
const MOST: usize = 300;

/// Checks of normality by group (of differences where paired) and of equal variance.
pub fn of_groups(v: &Value, present: &[usize]) -> Vec<Check> {
    let mut out = vec![];
    let paired = v.design.pairs.is_some() && present.len() == 2;
    if paired {
        let d: Vec<f64> = v.blocks(present).iter().map(|(_, r)| r[0] - r[1]).collect();
        out.push(normal(v, "differences of pairs", &d));
        return out;
    }
    let groups: Vec<Vec<f64>> = present.iter().map(|&g| v.group(g)).collect();
    out.extend(present.iter().zip(&groups).map(|(&g, values)| normal(v, v.group_name(g), values)));
    let slices: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
    let mut check = blank(v, "equal variance", "all groups", "Brown–Forsythe");
    match checks::brown_forsythe(&slices) {
        Ok(t) => {
            (check.statistic, check.p) = (Some(t.statistic).filter(|s| s.is_finite()), Some(t.p));
            check.passed = t.p >= power::ALPHA;
            if !check.passed {
                check.note =
                    "variances differ; Welch's tests and Games–Howell do not assume that they are equal"
                        .into();
            }
        }
        Err(e) => {
            check.passed = true;
            check.note = e.to_string();
        }
    }
    out.push(check);
    out
}

fn blank(v: &Value, check: &str, about: &str, method: &str) -> Check {
    Check {
        value: v.name.to_owned(),
        check: check.to_owned(),
        about: about.to_owned(),
        method: method.to_owned(),
        ..Check::default()
    }
}

fn normal(v: &Value, about: &str, values: &[f64]) -> Check {
    let mut check = blank(v, "normality", about, "Shapiro–Wilk");
    match checks::normality(values) {
        Ok((method, t)) => {
            method.clone_into(&mut check.method);
            (check.statistic, check.p) = (Some(t.statistic), Some(t.p));
            check.passed = t.p >= power::ALPHA;
            if !check.passed {
                check.note = "not normal; see the rank and permutation tests beside the chosen one".into();
            } else if values.len() < 8 {
                check.note = "so few units could hardly show otherwise".into();
            }
        }
        Err(e) => {
            check.passed = true;
            check.note = e.to_string();
        }
    }
    check
}

/// Leaves each unit out in turn (of pairs, each pair) and reports the one that moves the chosen p most; `p_of` tests what
/// is left.
pub fn influence(v: &Value, p: Option<f64>, p_of: &dyn Fn(&Value) -> Option<f64>) -> Option<Check> {
    let p = p.filter(|p| *p > 0.0)?;
    if v.units.len() > MOST || v.units.len() < 4 {
        return None;
    }
    let paired = v.design.pairs.is_some();
    let mut worst: Option<(f64, f64, usize)> = None;
    for i in 0..v.units.len() {
        let left = v.with(&|j| if paired { v.units[j].pair != v.units[i].pair } else { j != i });
        let Some(q) = p_of(&left).filter(|q| *q > 0.0) else { continue };
        let change = (q.ln() - p.ln()).abs();
        if worst.is_none_or(|w| change > w.0) {
            worst = Some((change, q, i));
        }
    }
    let (_, q, i) = worst?;
    let name = match &v.design.pairs {
        Some(l) => l.names[v.units[i].pair].clone(),
        None if v.design.shared => format!("{} in {}", v.units[i].name, v.group_name(v.units[i].group)),
        None => v.units[i].name.clone(),
    };
    let mut check = blank(v, "influential unit", &name, "leave one out");
    check.p = Some(q);
    check.passed = (q < power::ALPHA) == (p < power::ALPHA);
    check.note = format!("without it {}", words::p_value(q));
    if !check.passed {
        check.note += ": this unit alone decides whether a difference is shown";
    }
    Some(check)
}
