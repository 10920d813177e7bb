//! Report of a comparison in Markdown, and its plots.

use super::answer::{Comparison, TestRow};
use super::design::By;
use super::value::Value;
use super::{models, words};
use crate::columns::NONE;
use crate::plot::axis::title;
use crate::plot::groups::{Column, Dot, boxes, scatter, superplot};
use crate::stats::describe::mean_interval;
use std::fmt::Write;

/// Plots of a value: `SuperPlot` where units have several objects, boxes of units, or a scatter plot over a number.
pub fn plots(v: &Value, present: &[usize]) -> Vec<(String, String)> {
    let stem: String =
        v.name.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let label = title(v.name, v.physical);
    if let By::Number(x) = &v.design.by {
        let points: Vec<[f64; 2]> = models::points(v, x);
        let heading = format!("{} by {}", v.name, v.design.by_name);
        let line = models::line(&points);
        return vec![(
            format!("{stem}.scatter.svg"),
            scatter(&points, line, [&v.design.by_name, &label], &heading),
        )];
    }
    let joined = v.design.pairs.is_some();
    let columns: Vec<Column> = present
        .iter()
        .map(|&g| {
            let mine = v
                .units
                .iter()
                .zip(v.objects.iter().zip(&v.means))
                .enumerate()
                .filter(|(_, (u, _))| u.group == g);
            let dots = mine.enumerate().map(|(k, (_, (u, (o, m))))| Dot {
                objects: &o[..],
                mean: *m,
                colour: if u.pair == NONE { k } else { u.pair },
            });
            let mean = mean_interval(&v.group(g)).ok().map(|i| [i.value, i.low, i.high]);
            Column { name: v.group_name(g), units: dots.collect(), mean }
        })
        .collect();
    let heading = |what: &str| format!("{} by {}: {what}", v.name, v.design.by_name);
    let unit = v.counted(2).replacen("2 ", "", 1);
    let mut out = vec![];
    if v.nested() {
        let what = format!("objects, {unit} and their mean with 95 % interval");
        out.push((format!("{stem}.superplot.svg"), superplot(&columns, &label, &heading(&what), joined)));
    }
    out.push((format!("{stem}.box.svg"), boxes(&columns, &label, &heading(&unit), joined)));
    out
}

// Writing to a string cannot fail.
impl Comparison {
    /// Report in Markdown: the sentences first, then all tests with the reason of the choice, checks and plots.
    pub fn report(&self) -> String {
        let mut text = String::from("# Comparison\n\n");
        let o = &self.options;
        let _ = write!(text, "Values {} by {}", o.values.join(", "), o.by.join(" × "));
        for (what, name) in [("unit", &o.unit), ("paired by", &o.pair_by)] {
            if let Some(name) = name {
                let _ = write!(text, ", {what} {name}");
            }
        }
        if !o.covariates.is_empty() {
            let _ = write!(text, ", adjusted for {}", o.covariates.join(", "));
        }
        text += ".\n\n";
        for sentence in self.sentences() {
            let _ = writeln!(text, "- {sentence}");
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "\n> {remark}");
        }
        text += "\n## Tests\n\nThe test of the sentence is **bold**; the others stand beside it for those who ask.\n\n";
        text += "| value | by | test | units | objects | statistic | df | p | estimate (95 % interval) | effect | note |\n";
        text += "|---|---|---|---|---|---|---|---|---|---|---|\n";
        for t in &self.tests {
            text += &test_line(t);
        }
        self.write_power(&mut text);
        self.write_pairs(&mut text);
        self.write_groups(&mut text);
        self.write_checks(&mut text);
        if !self.plots.is_empty() {
            text += "\n## Plots\n\n";
            for (name, _) in &self.plots {
                let _ = writeln!(text, "![{name}]({})", name.replace(' ', "%20"));
            }
        }
        text
    }

    fn write_power(&self, text: &mut String) {
        let rows: Vec<&TestRow> =
            self.tests.iter().filter(|t| t.chosen && t.smallest_effect.is_some()).collect();
        if rows.is_empty() {
            return;
        }
        *text += "\n## Power\n\nWith a power of 0.8 at α = 0.05. Power of an effect that was just estimated is no evidence \
                  of its own; the smallest effect is what these units could have shown.\n\n";
        *text += "| value | by | effect | units a group to show it | smallest effect that these units show |\n|---|---|---|---|---|\n";
        for t in rows {
            let effect = t.effect.map_or(String::new(), |e| format!("{} {}", t.effect_name, words::short(e)));
            let needed = t.units_needed.map_or("–".to_owned(), |n| format!("{n}"));
            let least = t.smallest_effect.map_or(String::new(), words::short);
            let _ =
                writeln!(text, "| {} | {} | {effect} | {needed} | {least} |", cell(&t.value), cell(&t.by));
        }
    }

    fn write_pairs(&self, text: &mut String) {
        if self.pairs.is_empty() {
            return;
        }
        *text += "\n## Pairs of groups\n\n| value | method | a | b | a − b (95 % interval) | p adjusted | effect |\n|---|---|---|---|---|---|---|\n";
        for r in &self.pairs {
            let p = r.p_adjusted.map_or(r.note.clone(), words::p_value);
            let effect = r.effect.map_or(String::new(), |e| format!("{} {}", r.effect_name, words::short(e)));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {effect} |",
                cell(&r.value),
                bold(&r.test, r.chosen),
                cell(&r.a),
                cell(&r.b),
                range(r.estimate, r.low, r.high),
                cell(&p)
            );
        }
    }

    fn write_groups(&self, text: &mut String) {
        if self.groups.is_empty() {
            return;
        }
        *text += "\n## Groups\n\nOver the means of units.\n\n| value | group | units | objects | missing | mean (95 % interval) | sd | median |\n|---|---|---|---|---|---|---|---|\n";
        for g in &self.groups {
            let number = |v: Option<f64>| v.map_or(String::new(), words::short);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                cell(&g.value),
                cell(&g.group),
                g.n_units,
                g.n_objects,
                g.n_missing,
                range(g.mean, g.low, g.high),
                number(g.sd),
                number(g.median)
            );
        }
    }

    fn write_checks(&self, text: &mut String) {
        if self.checks.is_empty() {
            return;
        }
        *text +=
            "\n## Checks\n\n| value | check | about | method | p | | note |\n|---|---|---|---|---|---|---|\n";
        for c in &self.checks {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                cell(&c.value),
                c.check,
                cell(&c.about),
                c.method,
                c.p.map_or(String::new(), words::p_value),
                if c.passed { "✓" } else { "**!**" },
                cell(&c.note)
            );
        }
    }
}

fn test_line(t: &TestRow) -> String {
    let number = |v: Option<f64>| v.map_or(String::new(), words::short);
    let df = [t.df1, t.df2].into_iter().flatten().map(words::short).collect::<Vec<_>>().join(", ");
    let effect = t.effect.map_or(String::new(), |e| {
        format!("{} {}", t.effect_name, range(Some(e), t.effect_low, t.effect_high))
    });
    format!(
        "| {} | {} | {} | {} | {} | {} | {df} | {} | {} | {effect} | {} |\n",
        cell(&t.value),
        cell(&t.by),
        bold(&t.test, t.chosen),
        t.n_units,
        t.n_objects,
        number(t.statistic),
        t.p.map_or(String::new(), words::p_value),
        range(t.estimate, t.low, t.high),
        cell(&t.note)
    )
}

fn bold(text: &str, yes: bool) -> String {
    if yes { format!("**{text}**") } else { text.to_owned() }
}

/// Text that is one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn range(value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    match (value, low, high) {
        (Some(v), Some(l), Some(h)) => {
            format!("{} ({} … {})", words::short(v), words::short(l), words::short(h))
        }
        (Some(v), ..) => words::short(v),
        _ => String::new(),
    }
}
