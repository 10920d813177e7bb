//! Linear models on the means of units: covariates, two factors, regression on a number.

use super::answer::TestRow;
use super::design::By;
use super::several::effects;
use super::two::{add_note, describe, fit, fixed, icc_row};
use super::value::Value;
use super::words;
use crate::Error;
use crate::columns::Labels;
use crate::stats::linear::{Term, coefficient, term_test};
use crate::stats::{Interval, correlation, means, power};

/// Rows of an analysis of covariance; the first is chosen. Pairs enter as a factor of their own.
///
/// # Errors
/// When a covariate differs within a unit.
pub fn covariance(v: &Value, present: &[usize]) -> Result<Vec<TestRow>, Error> {
    let mut terms = v.design.terms(&v.units)?;
    let names: Vec<String> = terms.iter().map(|t| t.name.clone()).collect();
    if let Some(pair) = pair_term(v) {
        terms.push(pair);
    }
    let beside: Vec<&Term> = terms.iter().collect();
    let k = present.len();
    let level: Vec<usize> =
        v.units.iter().map(|u| present.iter().position(|g| *g == u.group).unwrap_or(0)).collect();
    let factor = Term::factor(&v.design.by_name, &level, k);
    let mut row = if k == 2 {
        // a − b, as without covariates.
        let first: Vec<f64> = factor.columns[0].iter().map(|x| 1.0 - x).collect();
        v.row("ancova", coefficient(&v.means, &first, &beside))
    } else {
        v.row("ancova", term_test(&v.means, &factor, &beside, &[]))
    };
    let with = words::list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    if k == 2 {
        partial_eta(&mut row);
    } else {
        effects(&mut row, k);
    }
    row.chosen = true;
    add_note(&mut row, &format!("of the means of units, adjusted for {with}"));
    row.sentence = adjusted_sentence(v, present, &row, &with);
    let mut out = vec![row];
    for (i, term) in terms.iter().enumerate().take(names.len()) {
        let mut others: Vec<&Term> =
            terms.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, t)| t).collect();
        others.push(&factor);
        let mut row = v.row("ancova-covariate", term_test(&v.means, term, &others, &[]));
        row.by.clone_from(&term.name);
        out.push(row);
    }
    if v.nested() {
        let mut x = fixed(v, present);
        terms.iter().take(names.len()).for_each(|t| x.extend(t.columns.clone()));
        let result = fit(v, &x);
        let note = result.as_ref().map(|m| describe(m, v)).unwrap_or_default();
        let mut row = v.row("mixed", result.map(|m| m.term(1, k)));
        add_note(&mut row, &note);
        out.push(row);
        out.push(icc_row(v));
    }
    let (a, b) = (v.group(present[0]), v.group(present[1]));
    if k == 2 {
        let mut row = v.row("welch", means::welch(&a, &b));
        add_note(&mut row, "ignores the covariates");
        out.push(row);
    }
    Ok(out)
}

fn pair_term(v: &Value) -> Option<Term> {
    let outer = super::two::outer(v)?;
    let k = outer.iter().max()? + 1;
    Some(Term::factor("pairs", &outer, k))
}

/// Partial η² of a t-test.
fn partial_eta(row: &mut TestRow) {
    let (Some(t), Some(df), Some(p)) = (row.statistic, row.df1, row.p) else { return };
    let mut squared = TestRow {
        statistic: Some(t * t),
        df1: Some(1.0),
        df2: Some(df),
        p: Some(p),
        n_units: row.n_units,
        ..TestRow::default()
    };
    effects(&mut squared, 2);
    row.effect_name = "eta_squared".into();
    (row.effect, row.effect_low, row.effect_high) = (squared.effect, squared.effect_low, squared.effect_high);
    (row.units_needed, row.smallest_effect) = (squared.units_needed, squared.smallest_effect);
}

fn adjusted_sentence(v: &Value, present: &[usize], row: &TestRow, with: &str) -> String {
    let method = format!("analysis of covariance on {}", v.counted(v.units.len()));
    if let (Some(p), Some(d), Some(low), Some(high)) = (row.p, row.estimate, row.low, row.high) {
        let (a, b) = (v.group_text(present[0]), v.group_text(present[1]));
        let (up, down) = if d > 0.0 { (a, b) } else { (b, a) };
        let (from, to) = if d > 0.0 { (low, high) } else { (-high, -low) };
        let numbers = format!(
            "{} (95 % interval {} to {}; {}, {method})",
            v.with_unit(d.abs()),
            words::short(from),
            v.with_unit(to),
            words::p_value(p)
        );
        return if p < power::ALPHA {
            format!("Adjusted for {with}, {} is higher in {up} than in {down} by {numbers}.", v.name)
        } else {
            format!(
                "Adjusted for {with}, no difference of {} was shown: {up} is higher than {down} by {numbers}.",
                v.name
            )
        };
    }
    format!("Adjusted for {with}: {}", super::several::sentence(v, present, row, &method))
}

/// Rows of a two-way analysis of variance of type II, one a term; all are chosen.
///
/// # Errors
/// When a covariate differs within a unit.
pub fn two_way(v: &Value) -> Result<Vec<TestRow>, Error> {
    let By::TwoWay(a, b) = &v.design.by else { return Ok(vec![]) };
    let names = &v.options.by;
    let k = b.names.len();
    let of = |f: &dyn Fn(usize) -> usize, name: &str, l: &Labels| {
        Term::factor(name, &v.units.iter().map(|u| f(u.group)).collect::<Vec<_>>(), l.names.len())
    };
    let first = of(&|g| g / k, &names[0], a);
    let second = of(&|g| g % k, &names[1], b);
    let both = first.interaction(&second);
    let mut extra = v.design.terms(&v.units)?;
    extra.extend(pair_term(v));
    let covariates: Vec<&Term> = extra.iter().collect();
    let with = |t: &[&'_ Term]| -> Vec<Term> { covariates.iter().chain(t).map(|t| (*t).clone()).collect() };
    let mut out = vec![];
    for (term, beside, further) in [
        (&first, with(&[&second]), vec![&both]),
        (&second, with(&[&first]), vec![&both]),
        (&both, with(&[&first, &second]), vec![]),
    ] {
        let beside: Vec<&Term> = beside.iter().collect();
        let mut row = v.row("two-way-anova", term_test(&v.means, term, &beside, &further));
        effects(&mut row, term.columns.len() + 1);
        // Units a group make sense for one factor only.
        row.units_needed = None;
        row.by.clone_from(&term.name);
        row.chosen = true;
        add_note(&mut row, "type II, on the means of units");
        row.sentence = term_sentence(v, &row, names);
        out.push(row);
    }
    if v.nested() {
        let mut x = vec![vec![1.0; v.units.len()]];
        covariates.iter().filter(|t| t.name != "pairs").for_each(|t| x.extend(t.columns.clone()));
        for (term, others) in
            [(&first, vec![&second]), (&second, vec![&first]), (&both, vec![&first, &second])]
        {
            let mut columns = x.clone();
            others.iter().for_each(|t| columns.extend(t.columns.clone()));
            let from = columns.len();
            columns.extend(term.columns.clone());
            let result = fit(v, &columns);
            let note = result.as_ref().map(|m| describe(m, v)).unwrap_or_default();
            let mut row = v.row("mixed", result.map(|m| m.term(from, columns.len())));
            row.by.clone_from(&term.name);
            add_note(&mut row, &note);
            out.push(row);
        }
        out.push(icc_row(v));
    }
    Ok(out)
}

fn term_sentence(v: &Value, row: &TestRow, names: &[String]) -> String {
    let method = format!("two-way analysis of variance on {}", v.counted(v.units.len()));
    let Some(p) = row.p else { return format!("{} by {}: {}.", v.name, row.by, row.note) };
    let p_text = words::p_value(p);
    match (row.by.contains(':'), p < power::ALPHA) {
        (true, true) => {
            format!("The effect of {} on {} depends on {} ({p_text}, {method}).", names[0], v.name, names[1])
        }
        (true, false) => {
            format!(
                "That the effect of {} on {} depends on {} was not shown ({p_text}, {method}).",
                names[0], v.name, names[1]
            )
        }
        (false, true) => format!("{} differs by {} ({p_text}, {method}).", v.name, row.by),
        (false, false) => {
            format!("No difference of {} by {} was shown ({p_text}, {method}).", v.name, row.by)
        }
    }
}

/// Rows of a regression on a number, with correlations beside it; the first is chosen.
///
/// # Errors
/// When a covariate differs within a unit.
pub fn regression(v: &Value, x: &[f64]) -> Result<Vec<TestRow>, Error> {
    let of_unit: Vec<f64> = v
        .units
        .iter()
        .map(|u| u.rows.iter().map(|&r| x[r as usize]).sum::<f64>() / u.rows.len() as f64)
        .collect();
    let mut terms = v.design.terms(&v.units)?;
    terms.extend(pair_term(v));
    let mut row = v.row("regression", centred(&v.means, &of_unit, &terms));
    partial_eta(&mut row);
    row.units_needed = None;
    row.chosen = true;
    let by = &v.design.by_name;
    add_note(
        &mut row,
        &format!("slope of the means of units over {by}, which has too many numbers for groups"),
    );
    let method = format!("linear regression on {}", v.counted(v.units.len()));
    row.sentence = match (row.p, row.estimate, row.low, row.high) {
        (Some(p), Some(s), Some(low), Some(high)) => {
            let numbers = format!(
                "{} per unit of {by} (95 % interval {} to {}; {}, {method})",
                v.with_unit(s),
                words::short(low),
                words::short(high),
                words::p_value(p)
            );
            if p < power::ALPHA {
                format!("{} {} with {by}: {numbers}.", v.name, if s > 0.0 { "rises" } else { "falls" })
            } else {
                format!("That {} changes with {by} was not shown: {numbers}.", v.name)
            }
        }
        _ => format!("{} over {by}: {}.", v.name, row.note),
    };
    let mut out = vec![row];
    for (name, result) in [
        ("pearson", correlation::pearson(&of_unit, &v.means)),
        ("spearman", correlation::spearman(&of_unit, &v.means)),
        ("kendall", correlation::kendall(&of_unit, &v.means)),
    ] {
        let mut row = v.row(name, result);
        if let (Some(r), Some(_)) = (row.estimate, row.p) {
            row.effect_name = ["r", "rho", "tau_b"]
                [["pearson", "spearman", "kendall"].iter().position(|n| *n == name).unwrap_or(0)]
            .into();
            let effect =
                Interval { value: r, low: row.low.unwrap_or(f64::NAN), high: row.high.unwrap_or(f64::NAN) };
            row.effect = Some(effect.value);
            (row.effect_low, row.effect_high) = (row.low, row.high);
        }
        if !terms.is_empty() {
            add_note(&mut row, "ignores the covariates and pairs");
        }
        out.push(row);
    }
    if v.nested() {
        let mut columns = vec![vec![1.0; v.units.len()], Term::number(by, &of_unit).columns.remove(0)];
        terms.iter().filter(|t| t.name != "pairs").for_each(|t| columns.extend(t.columns.clone()));
        let result = fit(v, &columns);
        let note = result.as_ref().map(|m| describe(m, v)).unwrap_or_default();
        let mut row = v.row("mixed", result.map(|m| m.coefficient(1)));
        add_note(&mut row, &note);
        out.push(row);
    }
    Ok(out)
}

fn centred(y: &[f64], x: &[f64], terms: &[Term]) -> crate::stats::Estimable<crate::stats::Test> {
    if y.len() < 3 {
        return crate::stats::refuse("a regression needs three units");
    }
    coefficient(y, &Term::number("", x).columns[0], &terms.iter().collect::<Vec<_>>())
}

/// Points of units over a number.
pub fn points(v: &Value, x: &[f64]) -> Vec<[f64; 2]> {
    let of =
        |u: &&super::design::Unit| u.rows.iter().map(|&r| x[r as usize]).sum::<f64>() / u.rows.len() as f64;
    v.units.iter().map(of).zip(&v.means).map(|(x, y)| [x, *y]).collect()
}

/// Intercept and slope of the least squares line.
pub fn line(points: &[[f64; 2]]) -> Option<[f64; 2]> {
    use crate::stats::describe::mean;
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|p| (p[0], p[1])).unzip();
    let t = centred(&y, &x, &[]).ok()?;
    let slope = t.estimate?.value;
    Some([mean(&y) - slope * mean(&x), slope])
}
