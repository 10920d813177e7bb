//! Two groups: Welch on the means of units, or paired within what they share, with everything else beside it.

use super::answer::TestRow;
use super::value::Value;
use super::words;
use crate::columns::NONE;
use crate::stats::describe::{mean, sum_of_squares, varies};
use crate::stats::distances::{Exchange, energy, kolmogorov_smirnov};
use crate::stats::effect::{cliffs_delta, hedges_g, hedges_g_paired};
use crate::stats::{Estimable, Interval, NotEstimable, Test};
use crate::stats::{bootstrap, icc, means, mixed, permutation, power, ranks};

/// Reason why objects are not pooled.
const POOLED: &str =
    "takes every object as independent, which objects of one unit are not: this p is too small";

/// Rows of two groups `a` and `b`; the first is chosen.
pub fn rows(v: &Value, a: usize, b: usize) -> Vec<TestRow> {
    let mut out = if v.design.pairs.is_some() { paired(v, a, b) } else { vec![] };
    out.extend(unpaired(v, a, b, out.is_empty()));
    out.extend(mixed_row(v, a, b));
    if v.nested() {
        out.push(icc_row(v));
        let mut pooled = v.row("welch-pooled", means::welch(&v.pooled(a), &v.pooled(b)));
        add_note(&mut pooled, POOLED);
        out.push(pooled);
    }
    out
}

/// Adds to the note of a row, if it has a result.
pub fn add_note(row: &mut TestRow, note: &str) {
    if row.p.is_some() {
        row.note = if row.note.is_empty() { note.to_owned() } else { format!("{}; {note}", row.note) };
    }
}

fn set_effect(row: &mut TestRow, name: &str, effect: Interval) {
    let finite = |v: f64| v.is_finite().then_some(v);
    name.clone_into(&mut row.effect_name);
    (row.effect, row.effect_low, row.effect_high) =
        (finite(effect.value), finite(effect.low), finite(effect.high));
}

fn unpaired(v: &Value, a: usize, b: usize, chosen: bool) -> Vec<TestRow> {
    let (x, y) = (v.group(a), v.group(b));
    let g = (x.len() > 1 && y.len() > 1 && sum_of_squares(&x) + sum_of_squares(&y) > 0.0)
        .then(|| hedges_g(&x, &y));
    let mut welch = v.row("welch", named(v, a, b, means::welch(&x, &y)));
    let mut student = v.row("student", named(v, a, b, means::student(&x, &y)));
    for row in [&mut welch, &mut student] {
        if let (Some(g), Some(_)) = (g, row.p) {
            set_effect(row, "hedges_g", g);
            row.units_needed = power::units_for_two_groups(g.value).map(f64::ceil);
            let (n, m) = (x.len() as f64, y.len() as f64);
            row.smallest_effect =
                Some((power::smallest_noncentrality(1.0, n + m - 2.0) * (n + m) / (n * m)).sqrt());
        }
    }
    if chosen {
        welch.chosen = true;
        let why = if v.nested() {
            "on the means of units, without assuming equal variances"
        } else {
            "without assuming equal variances"
        };
        add_note(&mut welch, why);
        if v.design.shared {
            let hint = format!(
                "the same {} is in both groups: --pair-by {} compares within it",
                v.design.unit_name, v.design.unit_name
            );
            add_note(&mut welch, &hint);
        }
        welch.sentence =
            sentence(v, a, b, &welch, &format!("Welch's t-test on {} and {}", v.counted(x.len()), y.len()));
    } else {
        add_note(&mut welch, "ignores the pairs");
    }
    let mut mann = v.row("mann-whitney", named(v, a, b, ranks::mann_whitney(&x, &y)));
    if mann.p.is_some() {
        set_effect(&mut mann, "cliffs_delta", cliffs_delta(&x, &y));
    }
    let mut drawn =
        v.row("permutation", named(v, a, b, permutation::means(&x, &y, v.options.resamples, v.options.seed)));
    if let Ok(i) =
        bootstrap::bca(&[&x, &y], |s| mean(&s[0]) - mean(&s[1]), v.options.resamples, v.options.seed)
    {
        (drawn.estimate, drawn.low, drawn.high) = (Some(i.value), Some(i.low), Some(i.high));
        add_note(&mut drawn, "interval by BCa bootstrap");
    }
    let smirnov = v.row("kolmogorov-smirnov", named(v, a, b, kolmogorov_smirnov(&x, &y)));
    let far = energy(&v.apart(a), &v.apart(b), Exchange::Free, v.options.resamples.min(999), v.options.seed);
    vec![welch, student, mann, drawn, smirnov, v.row("energy", far)]
}

fn paired(v: &Value, a: usize, b: usize) -> Vec<TestRow> {
    let blocks = v.blocks(&[a, b]);
    let (x, y): (Vec<f64>, Vec<f64>) = blocks.iter().map(|(_, r)| (r[0], r[1])).unzip();
    let d: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
    let mut t = v.row("paired-t", means::paired(&x, &y));
    t.chosen = true;
    t.n_units = 2 * d.len();
    if t.p.is_some() {
        let g = hedges_g_paired(&d);
        set_effect(&mut t, "hedges_g_paired", g);
        t.units_needed = power::pairs_for(g.value).map(f64::ceil);
        t.smallest_effect =
            Some((power::smallest_noncentrality(1.0, d.len() as f64 - 1.0) / d.len() as f64).sqrt());
    }
    let pair = v.options.pair_by.as_deref().unwrap_or("pair");
    add_note(&mut t, &format!("chosen because --pair-by {pair} says what the groups have in common"));
    let all = v.design.pairs.as_ref().map_or(0, |p| p.names.len());
    if d.len() < all {
        add_note(&mut t, &format!("{} of {all} pairs lack a group and are left out", all - d.len()));
    }
    t.sentence =
        sentence(v, a, b, &t, &format!("paired t-test within {} of {pair}", words::counted(d.len(), "pair")));
    let mut wilcoxon = v.row("wilcoxon", ranks::wilcoxon(&x, &y));
    let mut signs = v.row("permutation-paired", permutation::signs(&d, v.options.resamples, v.options.seed));
    let interval = bootstrap::bca(&[&d], |s| mean(&s[0]), v.options.resamples, v.options.seed);
    if let (true, Ok(i)) = (varies(&d), interval) {
        (signs.estimate, signs.low, signs.high) = (Some(i.value), Some(i.low), Some(i.high));
        add_note(&mut signs, "interval by BCa bootstrap");
    }
    (wilcoxon.n_units, signs.n_units) = (t.n_units, t.n_units);
    vec![t, wilcoxon, signs]
}

/// Names the groups in what cannot be estimated.
fn named(v: &Value, a: usize, b: usize, result: Estimable<Test>) -> Estimable<Test> {
    result.map_err(|NotEstimable(why)| {
        let why = why.replace("group 1", &format!("\"{}\"", v.group_name(a)));
        NotEstimable(why.replace("group 2", &format!("\"{}\"", v.group_name(b))))
    })
}

/// Plain sentence about a difference of two groups.
fn sentence(v: &Value, a: usize, b: usize, row: &TestRow, method: &str) -> String {
    let (name, x, y) = (v.name, v.group_text(a), v.group_text(b));
    let (Some(p), Some(d), Some(low), Some(high)) = (row.p, row.estimate, row.low, row.high) else {
        return format!("{name} of {x} and {y}: {}.", row.note);
    };
    let (high_group, low_group) = if d > 0.0 { (&x, &y) } else { (&y, &x) };
    let (from, to) = if d > 0.0 { (low, high) } else { (-high, -low) };
    let range = format!("{} to {}", words::short(from), v.with_unit(to));
    let p_text = words::p_value(p);
    if p < power::ALPHA {
        format!(
            "{name} is higher in {high_group} than in {low_group} by {} (95 % interval {range}; {p_text}, {method}).",
            v.with_unit(d.abs())
        )
    } else {
        let power = row.smallest_effect.map_or(String::new(), |e| {
            format!(" These would show a difference of {} standard deviations or more.", words::short(e))
        });
        format!(
            "No difference of {name} between {x} and {y} was shown: {high_group} is higher by {} (95 % interval {range}; \
             {p_text}, {method}).{power}",
            v.with_unit(d.abs())
        )
    }
}

/// Columns of group indicators against the first group, with an intercept and covariates.
pub fn fixed(v: &Value, groups: &[usize]) -> Vec<Vec<f64>> {
    let mut x = vec![vec![1.0; v.units.len()]];
    for &g in &groups[1..] {
        x.push(v.units.iter().map(|u| if u.group == g { 1.0 } else { 0.0 }).collect());
    }
    x
}

/// Pairs of units numbered without gaps, if there are pairs.
pub fn outer(v: &Value) -> Option<Vec<usize>> {
    v.design.pairs.as_ref()?;
    let mut seen: Vec<usize> = vec![];
    let mut number = |p: usize| {
        seen.iter().position(|s| *s == p).unwrap_or_else(|| {
            seen.push(p);
            seen.len() - 1
        })
    };
    v.units.iter().all(|u| u.pair != NONE).then(|| v.units.iter().map(|u| number(u.pair)).collect())
}

/// Mixed model of the objects on columns `x` of units.
pub fn fit(v: &Value, x: &[Vec<f64>]) -> Estimable<mixed::Mixed> {
    let sizes: Vec<f64> = v.objects.iter().map(|o| o.len() as f64).collect();
    let within = v.objects.iter().map(|o| sum_of_squares(o)).sum();
    mixed::fit_means(&v.means, &sizes, within, x, outer(v).as_deref())
}

/// Words about a fitted model.
pub fn describe(m: &mixed::Mixed, v: &Value) -> String {
    let nested = if v.design.pairs.is_some() { " nested in those of pairs" } else { "" };
    let mut note = format!("REML, random intercepts of units{nested}, Satterthwaite's degrees of freedom");
    if m.singular() {
        note += "; the variance between units is estimated as 0, so that objects count as independent: rather trust the chosen test";
    }
    note
}

fn mixed_row(v: &Value, a: usize, b: usize) -> Option<TestRow> {
    if !v.nested() {
        return None;
    }
    let result = fit(v, &fixed(v, &[b, a]));
    let note = result.as_ref().map(|m| describe(m, v)).unwrap_or_default();
    let mut row = v.row("mixed", result.map(|m| m.coefficient(1)));
    add_note(&mut row, &note);
    Some(row)
}

/// Row of the intraclass correlation.
pub fn icc_row(v: &Value) -> TestRow {
    let objects: Vec<&[f64]> = v.objects.iter().map(|o| &o[..]).collect();
    let present = v.present();
    let groups: Vec<usize> =
        v.units.iter().map(|u| present.iter().position(|g| *g == u.group).unwrap_or(0)).collect();
    let mut row = v.row("icc", icc::one_way(&objects, &groups));
    add_note(
        &mut row,
        "share of the variance within groups that lies between units; 0 would make objects independent",
    );
    row
}
