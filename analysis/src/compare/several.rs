//! Three groups and more: Welch's analysis of variance on the means of units, or blocks of what they share.

use super::answer::{PairRow, TestRow};
use super::two::{add_note, describe, fit, fixed, icc_row};
use super::value::Value;
use super::words;
use crate::stats::adjust::Adjust;
use crate::stats::effect::{cliffs_delta, eta_squared, hedges_g, hedges_g_paired};
use crate::stats::linear::{Term, term_test};
use crate::stats::{Estimable, NotEstimable, Test, means, posthoc, power, ranks};

/// Rows of the groups `present`; the first is chosen.
pub fn rows(v: &Value, present: &[usize]) -> Vec<TestRow> {
    let groups: Vec<Vec<f64>> = present.iter().map(|&g| v.group(g)).collect();
    let g: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
    let named = |r: Estimable<Test>| r.map_err(|e| name_groups(v, present, e));
    let mut out = vec![];
    if v.design.pairs.is_some() {
        out.push(block_row(v, present));
    }
    let mut welch = v.row("welch-anova", named(means::welch_anova(&g)));
    let mut anova = v.row("anova", named(means::anova(&g)));
    effects(&mut welch, present.len());
    effects(&mut anova, present.len());
    if out.is_empty() {
        welch.chosen = true;
        add_note(
            &mut welch,
            if v.nested() {
                "on the means of units, without assuming equal variances"
            } else {
                "without assuming equal variances"
            },
        );
        let method = format!("Welch's analysis of variance on {}", v.counted(v.units.len()));
        welch.sentence = sentence(v, present, &welch, &method);
    } else {
        add_note(&mut welch, "ignores the pairs");
    }
    out.extend([welch, anova, v.row("kruskal-wallis", ranks::kruskal_wallis(&g))]);
    if v.nested() {
        let result = fit(v, &fixed(v, present));
        let note = result.as_ref().map(|m| describe(m, v)).unwrap_or_default();
        let mut row = v.row("mixed", result.map(|m| m.term(1, present.len())));
        add_note(&mut row, &note);
        out.push(row);
        out.push(icc_row(v));
        let pooled: Vec<Vec<f64>> = present.iter().map(|&g| v.pooled(g)).collect();
        let mut row =
            v.row("anova-pooled", means::anova(&pooled.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        add_note(
            &mut row,
            "takes every object as independent, which objects of one unit are not: this p is too small",
        );
        out.push(row);
    }
    out
}

fn name_groups(v: &Value, present: &[usize], error: NotEstimable) -> NotEstimable {
    let mut text = error.0;
    for (i, &g) in present.iter().enumerate().rev() {
        text = text.replace(&format!("group {}", i + 1), &format!("\"{}\"", v.group_name(g)));
    }
    NotEstimable(text)
}

/// Sets η² and what follows from it.
pub fn effects(row: &mut TestRow, k: usize) {
    let (Some(f), Some(df1), Some(df2), Some(p)) = (row.statistic, row.df1, row.df2, row.p) else { return };
    let test = Test::new(f, Some(df1), Some(df2), p);
    let n = row.n_units;
    let Some(e) = eta_squared(&test, n) else { return };
    row.effect_name = "eta_squared".into();
    let finite = |v: f64| v.is_finite().then_some(v);
    (row.effect, row.effect_low, row.effect_high) = (Some(e.value), finite(e.low), finite(e.high));
    if e.value > 0.0 && e.value < 1.0 {
        row.units_needed = power::units_for_groups((e.value / (1.0 - e.value)).sqrt(), k).map(f64::ceil);
    }
    let f2 = power::smallest_noncentrality(df1, df2) / n as f64;
    row.smallest_effect = Some(f2 / (1.0 + f2));
}

/// Sentence about several groups.
pub fn sentence(v: &Value, present: &[usize], row: &TestRow, method: &str) -> String {
    let texts: Vec<String> = present.iter().map(|&g| v.group_text(g)).collect();
    let names: Vec<&str> = texts.iter().map(String::as_str).collect();
    let Some(p) = row.p else {
        return format!("{} of {}: {}.", v.name, words::list(&names), row.note);
    };
    let spread: Vec<(f64, &str)> = present
        .iter()
        .zip(&names)
        .map(|(&g, name)| (crate::stats::describe::mean(&v.group(g)), *name))
        .collect();
    let highest = spread.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    let lowest = spread.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(highest), Some(lowest)) = (highest, lowest) else { return String::new() };
    let range = format!(
        "from {} in {} to {} in {}",
        words::short(lowest.0),
        lowest.1,
        v.with_unit(highest.0),
        highest.1
    );
    let p = (p, words::p_value(p));
    if p.0 < power::ALPHA {
        format!("{} differs among {}, {range} ({}, {method}).", v.name, words::list(&names), p.1)
    } else {
        format!(
            "No difference of {} among {} was shown; means go {range} ({}, {method}).",
            v.name,
            words::list(&names),
            p.1
        )
    }
}

fn block_row(v: &Value, present: &[usize]) -> TestRow {
    let blocks = v.blocks(present);
    let k = present.len();
    let y: Vec<f64> = blocks.iter().flat_map(|(_, r)| r.clone()).collect();
    let of_group: Vec<usize> = (0..y.len()).map(|i| i % k).collect();
    let of_block: Vec<usize> = (0..y.len()).map(|i| i / k).collect();
    let result = if blocks.len() < 2 {
        Err(NotEstimable(format!("{} pairs have all groups", blocks.len())))
    } else {
        let (a, b) = (Term::factor("groups", &of_group, k), Term::factor("pairs", &of_block, blocks.len()));
        term_test(&y, &a, &[&b], &[])
    };
    let mut row = v.row("block-anova", result);
    row.chosen = true;
    row.n_units = y.len();
    effects(&mut row, k);
    let pair = v.options.pair_by.as_deref().unwrap_or("pair");
    add_note(&mut row, &format!("chosen because --pair-by {pair} says what the groups have in common"));
    let all = v.design.pairs.as_ref().map_or(0, |p| p.names.len());
    if blocks.len() < all {
        add_note(&mut row, &format!("{} of {all} lack a group and are left out", all - blocks.len()));
    }
    let method = format!("analysis of variance within {} of {pair}", words::counted(blocks.len(), "pair"));
    row.sentence = sentence(v, present, &row, &method);
    row
}

/// Comparisons of all pairs of groups: Games–Howell (chosen), Tukey and Dunn, or paired t-tests.
pub fn pairs(v: &Value, present: &[usize], adjust: Adjust) -> Vec<PairRow> {
    let groups: Vec<Vec<f64>> = present.iter().map(|&g| v.group(g)).collect();
    let g: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
    let of = |i: usize, j: usize| (i + 1..present.len()).contains(&j).then_some((i, j));
    let all: Vec<(usize, usize)> =
        (0..present.len()).flat_map(|i| (0..present.len()).filter_map(move |j| of(i, j))).collect();
    let paired = v.design.pairs.is_some();
    let mut out = vec![];
    if paired {
        let blocks = v.blocks(present);
        let side = |i: usize| blocks.iter().map(|(_, r)| r[i]).collect::<Vec<f64>>();
        let rows = all.iter().map(|&(i, j)| {
            let (x, y) = (side(i), side(j));
            let mut row = pair_row(v, "paired-t", true, present[i], present[j], means::paired(&x, &y));
            (row.n_a, row.n_b) = (x.len(), y.len());
            if row.p.is_some() {
                let d: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
                (row.effect, row.effect_name) =
                    (Some(hedges_g_paired(&d).value), "hedges_g_paired".to_owned());
            }
            row
        });
        out.extend(adjusted(rows.collect(), adjust));
    }
    type Method = fn(&[&[f64]], usize, usize) -> Estimable<Test>;
    for (name, method) in [("games-howell", posthoc::games_howell as Method), ("tukey", posthoc::tukey)] {
        let rows = all.iter().map(|&(i, j)| {
            let mut row = pair_row(
                v,
                name,
                name == "games-howell" && !paired,
                present[i],
                present[j],
                method(&g, i, j),
            );
            row.p_adjusted = row.p;
            if row.p.is_some() && g[i].len() > 1 && g[j].len() > 1 {
                (row.effect, row.effect_name) = (Some(hedges_g(g[i], g[j]).value), "hedges_g".to_owned());
            }
            row
        });
        out.extend(rows);
    }
    let rows = all.iter().map(|&(i, j)| {
        let mut row = pair_row(v, "dunn", false, present[i], present[j], posthoc::dunn(&g, i, j));
        if row.p.is_some() {
            (row.effect, row.effect_name) = (Some(cliffs_delta(g[i], g[j]).value), "cliffs_delta".to_owned());
        }
        row
    });
    out.extend(adjusted(rows.collect(), adjust));
    out
}

fn adjusted(mut rows: Vec<PairRow>, adjust: Adjust) -> Vec<PairRow> {
    let p: Vec<f64> = rows.iter().filter_map(|r| r.p).collect();
    let mut fixed = adjust.apply(&p).into_iter();
    rows.iter_mut().filter(|r| r.p.is_some()).for_each(|r| r.p_adjusted = fixed.next());
    rows
}

fn pair_row(v: &Value, test: &str, chosen: bool, a: usize, b: usize, result: Estimable<Test>) -> PairRow {
    let mut row = PairRow {
        value: v.name.to_owned(),
        by: v.design.by_name.clone(),
        test: test.to_owned(),
        chosen,
        a: v.group_name(a).to_owned(),
        b: v.group_name(b).to_owned(),
        n_a: v.units.iter().filter(|u| u.group == a).count(),
        n_b: v.units.iter().filter(|u| u.group == b).count(),
        ..PairRow::default()
    };
    match result {
        Ok(t) => {
            (row.statistic, row.df, row.p) = (Some(t.statistic), t.df1, Some(t.p));
            if let Some(e) = t.estimate {
                (row.estimate, row.low, row.high) = (Some(e.value), Some(e.low), Some(e.high));
            }
        }
        Err(e) => row.note = e.to_string(),
    }
    row
}
