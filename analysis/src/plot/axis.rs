//! Axis of numbers: round ticks, and points from values.

use super::svg::{Anchor, Svg};

/// Axis from `low` to `high`, drawn from point `from` to point `to`.
#[derive(Debug, Clone)]
pub struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    step: f64,
}

impl Axis {
    /// Axis that holds all of `values`, with round ends, about five ticks.
    pub fn around(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.into_iter().filter(|v| v.is_finite()) {
            (low, high) = (low.min(v), high.max(v));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if low == high {
            let pad = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (low - pad, high + pad);
        }
        // A scale that starts near zero starts at zero.
        if low > 0.0 && low < 0.25 * high {
            low = 0.0;
        }
        let raw = (high - low) / 5.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .map(|m| m * power)
            .into_iter()
            .find(|s| *s >= raw * 0.999)
            .unwrap_or(raw);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, from, to, step }
    }

    /// Point of a value.
    pub fn at(&self, v: f64) -> f64 {
        self.from + (v - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let count = ((self.high - self.low) / self.step).round() as i64;
        // Fewest digits by which steps can be told apart.
        let digits = (0..12)
            .find(|&d| {
                let scaled = self.step * 10f64.powi(d);
                (scaled - scaled.round()).abs() < 1e-6 * scaled
            })
            .unwrap_or(0) as usize;
        let large = self.high.abs().max(self.low.abs()) >= 1e6 || self.step < 1e-4;
        (0..=count)
            .map(|i| {
                let v = self.low + self.step * i as f64;
                let v = if v.abs() < self.step * 1e-9 { 0.0 } else { v };
                (v, if large { format!("{v:.2e}") } else { format!("{v:.digits$}") })
            })
            .collect()
    }

    /// Draws ticks, faint lines across to `right`, and the title, for an axis that goes up at `x`.
    pub fn draw_upright(&self, svg: &mut Svg, x: f64, right: f64, title: &str) {
        let mut widest = 0;
        for (v, text) in self.ticks() {
            let y = self.at(v);
            svg.line([x, y, right, y], "#e6e6e6", 1.0);
            svg.text(x - 7.0, y + 4.0, &text, 12.0, Anchor::End, "#333333");
            widest = widest.max(text.chars().count());
        }
        svg.line([x, self.from, x, self.to], "#333333", 1.0);
        svg.upright(x - 22.0 - 6.8 * widest as f64, 0.5 * (self.from + self.to), title, 13.0);
    }

    /// Draws ticks and the title, for an axis that goes right at `y`.
    pub fn draw_level(&self, svg: &mut Svg, y: f64, title: &str) {
        svg.line([self.from, y, self.to, y], "#333333", 1.0);
        for (v, text) in self.ticks() {
            let x = self.at(v);
            svg.line([x, y, x, y + 4.0], "#333333", 1.0);
            svg.text(x, y + 18.0, &text, 12.0, Anchor::Middle, "#333333");
        }
        svg.text(0.5 * (self.from + self.to), y + 38.0, title, 13.0, Anchor::Middle, "#333333");
    }
}

/// Title of an axis: name and unit.
pub fn title(name: &str, unit: &str) -> String {
    if unit.is_empty() { name.to_owned() } else { format!("{name} ({unit})") }
}
