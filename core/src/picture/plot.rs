//! Simple line plots of a table's columns, with axes that carry units.

use super::Canvas;

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Points `(x, y)`; those that aren't finite leave a gap.
    pub points: Vec<[f64; 2]>,
}

/// What a plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// Heading.
    pub title: String,
    /// Name and unit of the horizontal axis.
    pub x: String,
    /// Name and unit of the vertical axis.
    pub y: String,
    /// The lines; with one, the area below it is filled.
    pub lines: Vec<Line>,
    /// Whether the vertical axis is logarithmic (of value + 1).
    pub log: bool,
}

const GROUND: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [40, 44, 52];
const GRID: [u8; 3] = [225, 228, 232];
/// Colours that differ also for colour-blind eyes (Okabe & Ito 2008).
const COLORS: [[u8; 3]; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [90, 90, 90],
];

impl Plot {
    /// Draws the plot.
    pub fn draw(&self, width: usize, height: usize) -> Canvas {
        let mut canvas = Canvas::new(width, height, GROUND);
        let (left, right, top, bottom) = (104, 24, 40, 56);
        let legend = if self.lines.len() > 1 { 22 } else { 0 };
        let (w, h) = (
            width.saturating_sub(left + right).max(10),
            height.saturating_sub(top + bottom + legend).max(10),
        );
        let top = top + legend;
        let scaled = |y: f64| if self.log { (y + 1.0).max(1.0).log10() } else { y };
        let all =
            || self.lines.iter().flat_map(|l| &l.points).filter(|p| p[0].is_finite() && p[1].is_finite());
        let range = |values: &mut dyn Iterator<Item = f64>| {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for v in values {
                (low, high) = (low.min(v), high.max(v));
            }
            match (low.is_finite(), high > low) {
                (false, _) => [0.0, 1.0],
                (true, false) => [low - 0.5, low + 0.5],
                (true, true) => [low, high],
            }
        };
        let xs = range(&mut all().map(|p| p[0]));
        let mut ys = range(&mut all().map(|p| scaled(p[1])));
        if self.lines.len() == 1 || self.log {
            ys[0] = ys[0].min(0.0);
        }
        let pixel = |p: [f64; 2]| {
            let u = (p[0] - xs[0]) / (xs[1] - xs[0]);
            let v = (scaled(p[1]) - ys[0]) / (ys[1] - ys[0]);
            [left as f64 + u * (w - 1) as f64, top as f64 + (1.0 - v) * (h - 1) as f64]
        };

        for tick in ticks(xs) {
            let x = pixel([tick, 0.0])[0].round() as usize;
            canvas.fill(x, top, 1, h, GRID);
            let text = label(tick);
            canvas.plain_text(x.saturating_sub(text.len() * 4), top + h + 8, &text, INK);
        }
        for tick in ticks(ys) {
            let v = (tick - ys[0]) / (ys[1] - ys[0]);
            let y = top + ((1.0 - v) * (h - 1) as f64).round() as usize;
            canvas.fill(left, y, w, 1, GRID);
            let text = if self.log { label(10f64.powf(tick) - 1.0) } else { label(tick) };
            canvas.plain_text(left.saturating_sub(8 + text.len() * 8), y.saturating_sub(4), &text, INK);
        }
        for (number, line) in self.lines.iter().enumerate() {
            let color = COLORS[number % COLORS.len()];
            for pair in line.points.windows(2) {
                if pair.iter().flatten().all(|v| v.is_finite()) {
                    let (a, b) = (pixel(pair[0]), pixel(pair[1]));
                    if self.lines.len() == 1 {
                        shade(&mut canvas, a, b, top + h, color.map(|c| c / 3 + 170));
                    }
                    stroke(&mut canvas, a, b, color);
                }
            }
            if let [only] = line.points[..]
                && only.iter().all(|v| v.is_finite())
            {
                let [x, y] = pixel(only).map(|v| v.round() as usize);
                canvas.fill(x.saturating_sub(2), y.saturating_sub(2), 5, 5, color);
            }
        }
        canvas.fill(left, top, 1, h, INK);
        canvas.fill(left, top + h - 1, w, 1, INK);
        canvas.plain_text(left, 12, &self.title, INK);
        canvas.plain_text(left + w.saturating_sub(self.x.chars().count() * 8), height - 20, &self.x, INK);
        canvas.plain_text(8, top.saturating_sub(16), &self.y, INK);
        if legend > 0 {
            let mut x = left;
            for (number, line) in self.lines.iter().enumerate() {
                canvas.fill(x, 36, 14, 4, COLORS[number % COLORS.len()]);
                canvas.plain_text(x + 20, 34, &line.name, INK);
                x += 36 + line.name.chars().count() * 8;
            }
        }
        canvas
    }
}

fn stroke(canvas: &mut Canvas, a: [f64; 2], b: [f64; 2], color: [u8; 3]) {
    let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().max(1.0) as usize;
    for i in 0..=steps {
        let t = i as f64 / steps as f64;
        let (x, y) = (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]));
        canvas.fill(x.round() as usize, y.round() as usize, 2, 2, color);
    }
}

fn shade(canvas: &mut Canvas, a: [f64; 2], b: [f64; 2], floor: usize, color: [u8; 3]) {
    for x in a[0].round() as usize..=b[0].round() as usize {
        let t = if b[0] > a[0] { ((x as f64 - a[0]) / (b[0] - a[0])).clamp(0.0, 1.0) } else { 0.0 };
        let y = (a[1] + t * (b[1] - a[1])).round() as usize;
        canvas.fill(x, y, 1, floor.saturating_sub(y), color);
    }
}

/// Round numbers within a range: steps of 1, 2 or 5 × 10ⁿ, four to nine of them.
fn ticks([low, high]: [f64; 2]) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|s| *s >= rough).unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|t| *t <= high + step * 1e-9).take(20).collect()
}

fn label(value: f64) -> String {
    let a = value.abs();
    if a < 1e-12 {
        return "0".into();
    }
    if !(1e-3..1e7).contains(&a) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks([0.0, 10.0]), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks([-1.0, 1.0]).len(), 5);
        assert!(ticks([3.0, 3.1]).iter().all(|t| (3.0..=3.1 + 1e-9).contains(t)));
    }

    #[test]
    fn gaps_and_empty_plots_are_drawn() {
        for points in [vec![], vec![[1.0, 1.0]], vec![[0.0, 1.0], [1.0, f64::NAN], [2.0, 3.0]]] {
            for log in [false, true] {
                let lines = vec![Line { name: "a".into(), points: points.clone() }];
                let plot = Plot { title: "t".into(), x: "x".into(), y: "y".into(), lines, log };
                let canvas = plot.draw(640, 400);
                assert_eq!(canvas.pixels.len(), 640 * 400 * 3);
            }
        }
    }
}
