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

/// Pixels of a glyph.
const GLYPH: usize = 8 * TEXT;
const TEXT: usize = 2;
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

/// An axis: the range that is shown, in its own scale, and its ticks.
struct Axis {
    range: [f64; 2],
    ticks: Vec<(f64, String)>,
}

impl Axis {
    fn linear(range: [f64; 2]) -> Self {
        Self { range, ticks: ticks(range).into_iter().map(|t| (t, label(t))).collect() }
    }

    /// Of log10(value + 1), from 0 to `end`, with a tick at 0 and at powers of ten.
    fn logarithmic(end: f64) -> Self {
        let powers = (0..).map(|k| (10f64.powi(k), k)).map(|(v, k)| ((v + 1.0).log10(), v, k));
        let powers = powers.take_while(|(at, ..)| *at <= end);
        let named = powers.map(|(at, v, k)| (at, if k < 7 { label(v) } else { format!("1e{k}") }));
        Self { range: [0.0, end], ticks: std::iter::once((0.0, "0".to_owned())).chain(named).collect() }
    }

    fn fraction(&self, value: f64) -> f64 {
        (value - self.range[0]) / (self.range[1] - self.range[0])
    }
}

impl Plot {
    /// Draws the plot.
    pub fn draw(&self, width: usize, height: usize) -> Canvas {
        let mut canvas = Canvas::new(width, height, GROUND);
        let (xs, ys) = self.axes();
        let legend = if self.lines.len() > 1 { 2 * GLYPH } else { 0 };
        let longest = ys.ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        let left = GLYPH * (longest + 2);
        let (right, top, bottom) = (3 * GLYPH, 5 * GLYPH + legend, 5 * GLYPH);
        let w = width.saturating_sub(left + right).max(10);
        let h = height.saturating_sub(top + bottom).max(10);
        let pixel = |p: [f64; 2]| {
            let v = ys.fraction(self.scaled(p[1]));
            [left as f64 + xs.fraction(p[0]) * (w - 1) as f64, top as f64 + (1.0 - v) * (h - 1) as f64]
        };

        for (tick, text) in &xs.ticks {
            let x = left + (xs.fraction(*tick) * (w - 1) as f64).round() as usize;
            canvas.fill(x, top, 2, h, GRID);
            let start = x.saturating_sub(text.chars().count() * GLYPH / 2);
            canvas.plain_text(start, top + h + GLYPH / 2, text, TEXT, INK);
        }
        for (tick, text) in &ys.ticks {
            let y = top + ((1.0 - ys.fraction(*tick)) * (h - 1) as f64).round() as usize;
            canvas.fill(left, y, w, 2, GRID);
            let start = left.saturating_sub(GLYPH / 2 + text.chars().count() * GLYPH);
            canvas.plain_text(start, y.saturating_sub(GLYPH / 2), text, TEXT, INK);
        }
        canvas.fill(left, top, 2, h, INK);
        canvas.fill(left, top + h - 2, w, 2, INK);
        for (number, line) in self.lines.iter().enumerate() {
            let color = COLORS[number % COLORS.len()];
            let pairs = line.points.windows(2).filter(|pair| pair.iter().flatten().all(|v| v.is_finite()));
            if self.lines.len() == 1 {
                for pair in pairs.clone() {
                    shade(&mut canvas, pixel(pair[0]), pixel(pair[1]), top + h, color.map(|c| c / 3 + 170));
                }
            }
            for pair in pairs {
                stroke(&mut canvas, pixel(pair[0]), pixel(pair[1]), color);
            }
            if let [only] = line.points[..]
                && only.iter().all(|v| v.is_finite())
            {
                let [x, y] = pixel(only).map(|v| v.round() as usize);
                canvas.fill(x.saturating_sub(4), y.saturating_sub(4), 9, 9, color);
            }
        }
        let room = (width / GLYPH).saturating_sub(2);
        canvas.plain_text(GLYPH, GLYPH, &shortened(&self.title, room), TEXT, INK);
        canvas.plain_text(GLYPH, top - 2 * GLYPH, &self.y, TEXT, INK);
        let x = left + w.saturating_sub(self.x.chars().count() * GLYPH) / 2;
        canvas.plain_text(x, height.saturating_sub(2 * GLYPH), &self.x, TEXT, INK);
        if legend > 0 {
            let mut x = left;
            for (number, line) in self.lines.iter().enumerate() {
                canvas.fill(x, 3 * GLYPH + GLYPH / 2 - 3, 2 * GLYPH, 6, COLORS[number % COLORS.len()]);
                canvas.plain_text(x + 3 * GLYPH, 3 * GLYPH, &line.name, TEXT, INK);
                x += (5 + line.name.chars().count()) * GLYPH;
            }
        }
        canvas
    }

    fn scaled(&self, y: f64) -> f64 {
        if self.log { (y + 1.0).max(1.0).log10() } else { y }
    }

    fn axes(&self) -> (Axis, Axis) {
        let all =
            || self.lines.iter().flat_map(|l| &l.points).filter(|p| p[0].is_finite() && p[1].is_finite());
        let xs = Axis::linear(range(all().map(|p| p[0])));
        let [mut low, mut high] = range(all().map(|p| self.scaled(p[1])));
        let room = 0.04 * (high - low);
        high += room;
        if self.log {
            return (xs, Axis::logarithmic(high));
        }
        // An area stands on 0; lines keep off the frame.
        low = if self.lines.len() == 1 { low.min(0.0) } else { low - room };
        (xs, Axis::linear([low, high]))
    }
}

fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)]);
    match (low.is_finite(), high > low) {
        (false, _) => [0.0, 1.0],
        (true, false) => [low - 0.5, low + 0.5],
        (true, true) => [low, high],
    }
}

/// A text of at most `room` glyphs; a longer one loses its middle.
fn shortened(text: &str, room: usize) -> String {
    let glyphs: Vec<char> = text.chars().collect();
    if glyphs.len() <= room {
        return text.to_owned();
    }
    let (head, tail) = (room.saturating_sub(3) / 2, room.saturating_sub(3).div_ceil(2));
    glyphs[..head].iter().chain(&['.'; 3]).chain(&glyphs[glyphs.len() - tail..]).collect()
}

fn stroke(canvas: &mut Canvas, a: [f64; 2], b: [f64; 2], color: [u8; 3]) {
    let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().max(1.0) as usize;
    for i in 0..=steps {
        let t = i as f64 / steps as f64;
        let (x, y) = (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]));
        canvas.fill(x.round() as usize, (y.round() as usize).saturating_sub(1), 3, 3, color);
    }
}

fn shade(canvas: &mut Canvas, a: [f64; 2], b: [f64; 2], floor: usize, color: [u8; 3]) {
    for x in a[0].round() as usize..=b[0].round() as usize {
        let t = if b[0] > a[0] { ((x as f64 - a[0]) / (b[0] - a[0])).clamp(0.0, 1.0) } else { 0.0 };
        let y = (a[1] + t * (b[1] - a[1])).round() as usize;
        canvas.fill(x, y, 1, floor.saturating_sub(y), color);
    }
}

/// Round numbers within a range: steps of 1, 2 or 5 × 10ⁿ, three to nine of them.
fn ticks([low, high]: [f64; 2]) -> Vec<f64> {
    let rough = (high - low) / 8.0;
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
    fn logarithmic_ticks_are_powers_of_ten() {
        let axis = Axis::logarithmic(1501f64.log10());
        let names: Vec<&str> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(names, ["0", "1", "10", "100", "1000"]);
    }

    #[test]
    fn long_titles_lose_their_middle() {
        assert_eq!(shortened("Histogram: a.tif", 20), "Histogram: a.tif");
        assert_eq!(shortened("abcdefghijkl", 9), "abc...jkl");
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
