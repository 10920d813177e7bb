//! Plots of scans: Manhattan and heat map.

use super::COLOURS;
use super::axis::Axis;
use super::svg::{Anchor, Svg};

/// Point of a Manhattan plot: number of its marker, −log₁₀ p.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Number of the marker.
    pub marker: usize,
    /// Number of the value.
    pub value: usize,
    /// −log₁₀ p.
    pub height: f64,
}

/// Manhattan plot of −log₁₀ p over `markers` in their order, `lines` across with their names; neighbours whose names begin
/// alike (`D5…`) share a colour.
pub fn manhattan(points: &[Point], markers: &[String], values: &[String], lines: &[(f64, &str)]) -> String {
    let (left, top, tall) = (76.0, 48.0, 320.0);
    let plot = (markers.len() as f64 * 7.0).clamp(480.0, 1400.0);
    let (right, floor) = (left + plot, top + tall);
    let mut svg = Svg::new(right + 24.0, floor + 62.0);
    let heights = points.iter().map(|p| p.height).chain(lines.iter().map(|l| l.0)).chain([0.0]);
    let axis = Axis::around(heights, floor, top);
    axis.draw_upright(&mut svg, left, right, "−log₁₀ p");
    let x = |m: usize| left + plot * (m as f64 + 0.5) / markers.len() as f64;
    let groups: Vec<String> = markers.iter().map(|m| chromosome(m)).collect();
    let mut start = 0;
    let mut bands: Vec<(usize, usize)> = vec![];
    for i in 1..=markers.len() {
        if i == markers.len() || groups[i] != groups[start] {
            bands.push((start, i));
            start = i;
        }
    }
    let named = bands.len() > 1 && bands.len() <= 40;
    let mut band_of = vec![0; markers.len()];
    for (b, &(from, to)) in bands.iter().enumerate() {
        band_of[from..to].iter_mut().for_each(|v| *v = b);
        let middle = 0.5 * (x(from) + x(to - 1));
        if named && !groups[from].is_empty() {
            svg.text(middle, floor + 18.0, &groups[from], 11.0, Anchor::Middle, "#333333");
        }
    }
    svg.text(
        0.5 * (left + right),
        floor + 44.0,
        if named { "markers by chromosome" } else { "markers in the order of the table" },
        13.0,
        Anchor::Middle,
        "#333333",
    );
    for p in points {
        let colour = COLOURS[band_of[p.marker] % 2];
        svg.disc(x(p.marker), axis.at(p.height), 3.0, colour, colour, 0.75);
    }
    for (i, (height, name)) in lines.iter().enumerate() {
        let y = axis.at(*height);
        svg.dashed([left, y, right, y], "#111111");
        let (x, anchor) = if i == 0 { (right - 4.0, Anchor::End) } else { (left + 4.0, Anchor::Start) };
        svg.text(x, y - 5.0, name, 11.0, anchor, "#111111");
    }
    if let Some(top_point) = points.iter().max_by(|a, b| a.height.total_cmp(&b.height)) {
        let name = if values.len() > 1 {
            format!("{} · {}", markers[top_point.marker], values[top_point.value])
        } else {
            markers[top_point.marker].clone()
        };
        let at = x(top_point.marker);
        let anchor = if at > 0.5 * (left + right) { Anchor::End } else { Anchor::Start };
        let shift = if anchor == Anchor::End { -7.0 } else { 7.0 };
        svg.text(at + shift, axis.at(top_point.height) + 4.0, &name, 12.0, anchor, "#111111");
    }
    let what = if values.len() == 1 { values[0].clone() } else { format!("{} values", values.len()) };
    svg.text(left, 26.0, &format!("{what} by {} markers", markers.len()), 13.0, Anchor::Start, "#333333");
    svg.finish()
}

/// Letters and digits before the second run of letters: `D5M357` and `D5Mit3` are of chromosome 5, `rs12` of none.
fn chromosome(marker: &str) -> String {
    let Some(rest) = marker.strip_prefix(['D', 'd']) else {
        let stem: String = marker.split(['_', ':', '.']).next().unwrap_or_default().to_owned();
        return if stem == marker { String::new() } else { stem };
    };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    if digits.is_empty() { rest.chars().take(1).filter(|c| "XY".contains(*c)).collect() } else { digits }
}

/// Heat map of −log₁₀ p: values down, markers across; white where there was no test. Lightness alone says the number.
pub fn heat_map(points: &[Point], markers: &[String], values: &[String]) -> String {
    let wide = (1200.0 / markers.len() as f64).clamp(3.0, 18.0);
    let tall = 16.0;
    let left = 24.0 + 7.0 * values.iter().map(|v| v.chars().count()).max().unwrap_or(0) as f64;
    let labels = if wide >= 11.0 { 100.0 } else { 30.0 };
    let (plot_w, plot_h) = (wide * markers.len() as f64, tall * values.len() as f64);
    let top = 60.0;
    let mut svg = Svg::new(left + plot_w.max(260.0) + 24.0, top + plot_h + labels);
    let most = points.iter().map(|p| p.height).fold(1.0, f64::max);
    svg.rect([left, top, plot_w, plot_h], "#ffffff", "#999999");
    for p in points {
        let at = [left + wide * p.marker as f64, top + tall * p.value as f64, wide, tall];
        svg.rect(at, &shade(p.height / most), "none");
    }
    for (i, v) in values.iter().enumerate() {
        svg.text(left - 6.0, top + tall * (i as f64 + 0.75), v, 11.0, Anchor::End, "#333333");
    }
    if wide >= 11.0 {
        for (i, m) in markers.iter().enumerate() {
            svg.turned(left + wide * (i as f64 + 0.7), top + plot_h + 8.0, m, 10.0, -60.0, Anchor::End);
        }
    } else {
        svg.text(
            left + 0.5 * plot_w,
            top + plot_h + 20.0,
            "markers in the order of the table",
            12.0,
            Anchor::Middle,
            "#333333",
        );
    }
    svg.text(left, 20.0, "−log₁₀ p", 12.0, Anchor::Start, "#333333");
    for i in 0..100 {
        svg.rect([left + 1.6 * f64::from(i), 28.0, 1.7, 10.0], &shade(f64::from(i) / 99.0), "none");
    }
    svg.text(left, 51.0, "0", 11.0, Anchor::Start, "#333333");
    svg.text(left + 160.0, 51.0, &format!("{most:.1}"), 11.0, Anchor::End, "#333333");
    svg.finish()
}

/// Colour from white through blue to near black.
fn shade(t: f64) -> String {
    let stops = [[247.0, 251.0, 255.0], [158.0, 202.0, 225.0], [33.0, 113.0, 181.0], [8.0, 29.0, 88.0]];
    let t = t.clamp(0.0, 1.0) * 3.0;
    let i = (t.floor() as usize).min(2);
    let f = t - i as f64;
    let c: Vec<u8> =
        (0..3).map(|k| (stops[i][k] + f * (stops[i + 1][k] - stops[i][k])).round() as u8).collect();
    format!("#{:02x}{:02x}{:02x}", c[0], c[1], c[2])
}
