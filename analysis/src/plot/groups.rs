//! Plots of groups: `SuperPlot` (Lord et al. 2020, doi:10.1083/jcb.202001064), boxes, and a line through numbers.

use super::COLOURS;
use super::axis::Axis;
use super::svg::{Anchor, Svg};
use crate::stats::describe::{quantile, sorted};

/// Most objects of a group that are drawn.
const DOTS: usize = 500;

/// Unit of a group.
#[derive(Debug, Clone)]
pub struct Dot<'a> {
    /// Values of its objects.
    pub objects: &'a [f64],
    /// Its mean.
    pub mean: f64,
    /// Number of its colour: that of its pair, else of itself.
    pub colour: usize,
}

/// Group of a plot.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    /// Name.
    pub name: &'a str,
    /// Units.
    pub units: Vec<Dot<'a>>,
    /// Mean and ends of its interval.
    pub mean: Option<[f64; 3]>,
}

const LEFT: f64 = 96.0;
const TOP: f64 = 48.0;
const WIDE: f64 = 130.0;
const TALL: f64 = 330.0;

struct Frame {
    svg: Svg,
    axis: Axis,
}

fn frame(columns: &[Column], values: impl IntoIterator<Item = f64>, title: &str, heading: &str) -> Frame {
    let plot = WIDE * columns.len() as f64;
    let width = (LEFT + plot + 24.0).max(LEFT + 7.2 * heading.chars().count() as f64);
    let long = columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0) > 16;
    let mut svg = Svg::new(width, TOP + TALL + if long { 130.0 } else { 58.0 });
    let means = columns.iter().filter_map(|c| c.mean).flatten();
    let axis = Axis::around(values.into_iter().chain(means), TOP + TALL, TOP);
    axis.draw_upright(&mut svg, LEFT, LEFT + plot, title);
    svg.text(LEFT, 26.0, heading, 13.0, Anchor::Start, "#333333");
    for (i, c) in columns.iter().enumerate() {
        let (x, y) = (centre(i), TOP + TALL);
        let count = format!("n = {}", c.units.len());
        if long {
            svg.turned(x + 4.0, y + 16.0, &format!("{} ({count})", c.name), 12.0, -35.0, Anchor::End);
        } else {
            svg.text(x, y + 20.0, c.name, 13.0, Anchor::Middle, "#333333");
            svg.text(x, y + 37.0, &count, 12.0, Anchor::Middle, "#666666");
        }
    }
    Frame { svg, axis }
}

fn centre(i: usize) -> f64 {
    LEFT + WIDE * (i as f64 + 0.5)
}

/// Offset in −1…1 that spreads equal values, the same each time.
fn jitter(i: usize) -> f64 {
    // Golden ratio: no two neighbours are near.
    2.0 * ((i as f64 + 0.5) * 0.618_033_988_749_894_8).fract() - 1.0
}

/// Objects as faint dots in the colour of their unit, units on top, with mean and 95 % interval; lines join pairs.
pub fn superplot(columns: &[Column], title: &str, heading: &str, joined: bool) -> String {
    let all = columns.iter().flat_map(|c| c.units.iter().flat_map(|u| u.objects.iter().copied()));
    let mut f = frame(columns, all, title, heading);
    for (i, c) in columns.iter().enumerate() {
        let most = DOTS / c.units.len().max(1);
        for u in &c.units {
            let s = sorted(u.objects);
            let shown = s.len().min(most.max(1));
            for k in 0..shown {
                // Evenly among the order statistics, so that the spread is kept.
                let v = s[(2 * k + 1) * s.len() / (2 * shown)];
                let wide = 46.0 * local_width(&s, v);
                let x = centre(i) + wide * jitter(k * 7 + u.colour);
                f.svg.disc(
                    x,
                    f.axis.at(v),
                    2.2,
                    COLOURS[u.colour % COLOURS.len()],
                    COLOURS[u.colour % COLOURS.len()],
                    0.3,
                );
            }
        }
    }
    if joined {
        join(&mut f, columns);
    }
    for (i, c) in columns.iter().enumerate() {
        mean_bar(&mut f, centre(i), c);
        for (k, u) in c.units.iter().enumerate() {
            let x = centre(i) + unit_offset(c, k, joined);
            f.svg.disc(x, f.axis.at(u.mean), 6.5, COLOURS[u.colour % COLOURS.len()], "#ffffff", 1.0);
        }
    }
    f.svg.finish()
}

/// Width of a cloud at a value: the density there in the quarter of the range around, relative to the most.
fn local_width(s: &[f64], v: f64) -> f64 {
    let range = s[s.len() - 1] - s[0];
    if range <= 0.0 || s.len() < 4 {
        return 0.3;
    }
    let h = 0.1 * range;
    let count = |c: f64| (s.partition_point(|x| *x <= c + h) - s.partition_point(|x| *x < c - h)) as f64;
    let most = (1..20).map(|q| count(quantile(s, f64::from(q) / 20.0))).fold(1.0, f64::max);
    (count(v) / most).clamp(0.1, 1.0)
}

fn unit_offset(c: &Column, k: usize, joined: bool) -> f64 {
    if joined { 0.0 } else { 34.0 * jitter(k) * if c.units.len() > 1 { 1.0 } else { 0.0 } }
}

fn join(f: &mut Frame, columns: &[Column]) {
    for i in 1..columns.len() {
        for b in &columns[i].units {
            for a in columns[i - 1].units.iter().filter(|a| a.colour == b.colour) {
                let ends = [centre(i - 1), f.axis.at(a.mean), centre(i), f.axis.at(b.mean)];
                f.svg.line(ends, "#999999", 1.2);
            }
        }
    }
}

fn mean_bar(f: &mut Frame, x: f64, c: &Column) {
    let Some([mean, low, high]) = c.mean else { return };
    let x = x + 50.0;
    let (m, l, h) = (f.axis.at(mean), f.axis.at(low), f.axis.at(high));
    f.svg.line([x, l, x, h], "#111111", 1.6);
    for y in [l, h] {
        f.svg.line([x - 4.0, y, x + 4.0, y], "#111111", 1.6);
    }
    f.svg.rect([x - 3.5, m - 3.5, 7.0, 7.0], "#111111", "none");
}

/// Boxes of the units' means: quartiles and median, whiskers to the furthest within 1.5 interquartile ranges (Tukey 1977),
/// every unit as a dot.
pub fn boxes(columns: &[Column], title: &str, heading: &str, joined: bool) -> String {
    let all = columns.iter().flat_map(|c| c.units.iter().map(|u| u.mean));
    let mut f = frame(columns, all, title, heading);
    for (i, c) in columns.iter().enumerate() {
        if c.units.is_empty() {
            continue;
        }
        let s = sorted(&c.units.iter().map(|u| u.mean).collect::<Vec<_>>());
        let x = centre(i);
        let [q1, q2, q3] = [0.25, 0.5, 0.75].map(|q| quantile(&s, q));
        let reach = 1.5 * (q3 - q1);
        let low = s.iter().copied().find(|v| *v >= q1 - reach).unwrap_or(q1);
        let high = s.iter().rev().copied().find(|v| *v <= q3 + reach).unwrap_or(q3);
        let at = |v: f64| f.axis.at(v);
        let (y1, y2, y3, yl, yh) = (at(q1), at(q2), at(q3), at(low), at(high));
        f.svg.line([x, yl, x, y1], "#333333", 1.2);
        f.svg.line([x, y3, x, yh], "#333333", 1.2);
        f.svg.rect([x - 32.0, y3, 64.0, y1 - y3], "#dce9f2", "#333333");
        f.svg.line([x - 32.0, y2, x + 32.0, y2], "#111111", 2.2);
    }
    if joined {
        join(&mut f, columns);
    }
    for (i, c) in columns.iter().enumerate() {
        mean_bar(&mut f, centre(i), c);
        let shown = c.units.len().min(DOTS);
        for k in 0..shown {
            let u = &c.units[k * c.units.len() / shown];
            let x = centre(i) + if joined { 0.0 } else { 24.0 * jitter(k) };
            let (size, opacity) = if shown > 60 { (2.2, 0.45) } else { (4.0, 0.9) };
            let colour = if joined { COLOURS[u.colour % COLOURS.len()] } else { COLOURS[0] };
            f.svg.disc(x, f.axis.at(u.mean), size, colour, "#ffffff", opacity);
        }
    }
    f.svg.finish()
}

/// Points of units over a number, with the line of a regression (intercept, slope).
pub fn scatter(points: &[[f64; 2]], line: Option<[f64; 2]>, titles: [&str; 2], heading: &str) -> String {
    let (width, right) = (560.0, 536.0);
    let mut svg = Svg::new(width, TOP + TALL + 58.0);
    let y = Axis::around(points.iter().map(|p| p[1]), TOP + TALL, TOP);
    let x = Axis::around(points.iter().map(|p| p[0]), LEFT, right);
    y.draw_upright(&mut svg, LEFT, right, titles[1]);
    x.draw_level(&mut svg, TOP + TALL, titles[0]);
    svg.text(LEFT, 26.0, heading, 13.0, Anchor::Start, "#333333");
    let step = points.len().div_ceil(4000).max(1);
    for p in points.iter().step_by(step) {
        svg.disc(x.at(p[0]), y.at(p[1]), 3.2, COLOURS[0], COLOURS[0], 0.5);
    }
    if let Some([intercept, slope]) = line {
        let ends = points.iter().map(|p| p[0]);
        let (low, high) =
            (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
        svg.line(
            [x.at(low), y.at(intercept + slope * low), x.at(high), y.at(intercept + slope * high)],
            COLOURS[1],
            2.0,
        );
    }
    svg.finish()
}
