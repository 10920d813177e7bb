//! Data of plots of columns: bars, points, densities and boxes, computed on a thread where rows are many.

use super::{Bits, Column};
use crate::view::colours::Map;
use std::collections::BTreeMap;
use std::sync::Arc;
use voxelry_core::measure::Table;

/// More points are shown as a density.
pub const POINTS: usize = 20_000;
/// Cells of a density along x and y.
pub const CELLS: [usize; 2] = [320, 200];
/// Most groups that have a box.
pub const GROUPS: usize = 24;

/// A kind of plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlotKind {
    /// Histogram of x.
    #[default]
    Histogram,
    /// y over x.
    Scatter,
    /// x by groups: quartiles, and what lies far from them.
    Boxes,
}

/// Request for a plot.
#[derive(Clone)]
pub struct PlotRequest {
    /// The table.
    pub table: Arc<Table>,
    /// The rows that are shown.
    pub rows: Arc<Vec<u32>>,
    /// Those that stand out.
    pub selected: Arc<Bits>,
    /// Kind of plot.
    pub kind: PlotKind,
    /// Columns along x and y.
    pub columns: [String; 2],
    /// The column of groups; none for what is selected and what is not.
    pub group: Option<String>,
    /// True if x and y have logarithmic axes.
    pub log: [bool; 2],
}

impl PlotRequest {
    /// Returns whether nothing has changed.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
            && Arc::ptr_eq(&self.rows, &other.rows)
            && Arc::ptr_eq(&self.selected, &other.selected)
            && (self.kind, &self.columns, &self.group, self.log)
                == (other.kind, &other.columns, &other.group, other.log)
    }

    /// The place of a row along x or y, in the axis's own measure; NaN if it has none.
    pub fn place(&self, column: &Column, axis: usize, row: u32) -> f64 {
        let value = column.number(row);
        let place = if self.log[axis] { value.log10() } else { value };
        if place.is_finite() { place } else { f64::NAN }
    }

    /// Finds what is to be drawn; none if a column is not there.
    pub fn draw(&self) -> Option<PlotData> {
        match self.kind {
            PlotKind::Histogram => self.histogram(),
            PlotKind::Scatter => self.scatter(),
            PlotKind::Boxes => self.boxes(),
        }
    }

    /// The rows for which something holds of their places along x and y.
    pub fn rows_where(&self, holds: impl Fn([f64; 2]) -> bool) -> Bits {
        let mut bits = Bits::none(self.table.rows());
        let columns = [0, 1].map(|axis| Column::of(&self.table, &self.columns[axis]));
        let Some(x) = columns[0] else { return bits };
        let y = columns[1].unwrap_or(x);
        for row in self.rows.iter().copied() {
            let at = [self.place(&x, 0, row), self.place(&y, 1, row)];
            if !at[0].is_nan() && holds(at) {
                bits.set(row as usize, true);
            }
        }
        bits
    }

    fn histogram(&self) -> Option<PlotData> {
        let column = Column::of(&self.table, &self.columns[0])?;
        let places = || self.rows.iter().map(|row| (self.place(&column, 0, *row), *row));
        let range = ends(places().map(|p| p.0))?;
        let count = places().filter(|p| !p.0.is_nan()).count();
        let [low, high] = range;
        let whole = column.is_whole() && !self.log[0] && high - low < 60.0;
        let bins = if whole { (high - low) as usize + 1 } else { bins(count) };
        // Whole numbers are in the middle of their bins.
        let range = if whole { [low - 0.5, high + 0.5] } else { range };
        let scale = bins as f64 / (range[1] - range[0]);
        let mut counts = vec![[0; 2]; bins];
        for (place, row) in places().filter(|p| !p.0.is_nan()) {
            let bin = (((place - range[0]) * scale) as usize).min(bins - 1);
            counts[bin][0] += 1;
            counts[bin][1] += usize::from(self.selected.has(row as usize));
        }
        Some(PlotData {
            range: [range, [0.0, 1.0]],
            left_out: self.rows.len() - count,
            shape: Shape::Bars(counts),
        })
    }

    fn scatter(&self) -> Option<PlotData> {
        let x = Column::of(&self.table, &self.columns[0])?;
        let y = Column::of(&self.table, &self.columns[1])?;
        let places =
            || self.rows.iter().map(|row| ([self.place(&x, 0, *row), self.place(&y, 1, *row)], *row));
        let there = || places().filter(|([x, y], _)| !(x.is_nan() || y.is_nan()));
        let range = [wider(ends(there().map(|p| p.0[0]))?), wider(ends(there().map(|p| p.0[1]))?)];
        let count = there().count();
        let left_out = self.rows.len() - count;
        let part = |at: [f64; 2]| [0, 1].map(|a| (at[a] - range[a][0]) / (range[a][1] - range[a][0]));
        if count <= POINTS {
            let points = there().map(|(at, row)| (part(at).map(|p| p as f32), row)).collect();
            return Some(PlotData { range, left_out, shape: Shape::Points(points) });
        }
        let [wide, high] = CELLS;
        let mut counts = vec![[0u32; 2]; wide * high];
        for (at, row) in there() {
            let [x, y] = part(at);
            let cell = [(x * wide as f64) as usize, ((1.0 - y) * high as f64) as usize];
            let at = cell[1].min(high - 1) * wide + cell[0].min(wide - 1);
            counts[at][0] += 1;
            counts[at][1] += u32::from(self.selected.has(row as usize));
        }
        let most = f64::from(counts.iter().map(|c| c[0]).max().unwrap_or(1)).ln_1p();
        let pixels = counts.iter().map(|[all, selected]| match (all, selected) {
            (0, _) => [0; 4],
            (_, 0) => {
                let [r, g, b] = Map::Viridis.at((f64::from(*all).ln_1p() / most) as f32);
                [r, g, b, 255]
            }
            _ => [255; 4],
        });
        Some(PlotData { range, left_out, shape: Shape::Density { pixels: pixels.collect(), count } })
    }

    fn boxes(&self) -> Option<PlotData> {
        let column = Column::of(&self.table, &self.columns[0])?;
        let group = self.group.as_ref().and_then(|name| Column::of(&self.table, name));
        let mut groups: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        let mut left_out = 0;
        for row in self.rows.iter().copied() {
            let place = self.place(&column, 0, row);
            if place.is_nan() {
                left_out += 1;
                continue;
            }
            let group = group.map_or(i64::from(self.selected.has(row as usize)), |g| g.number(row) as i64);
            groups.entry(group).or_default().push(place);
        }
        let range = wider(ends(groups.values().flatten().copied())?);
        let many = groups.len();
        let boxes = groups.into_iter().take(GROUPS).map(|(group, values)| Boxed::of(group, values));
        Some(PlotData { range: [[0.0, 1.0], range], left_out, shape: Shape::Boxes(boxes.collect(), many) })
    }
}

/// Data of a plot.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotData {
    /// Least and greatest along x and y, in the axes' own measure.
    pub range: [[f64; 2]; 2],
    /// Number of rows that can't be plotted (NaN, or ≤ 0 on a logarithmic axis).
    pub left_out: usize,
    /// The rest.
    pub shape: Shape,
}

/// The shapes of a plot.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Numbers of objects and of selected objects in bins of equal width.
    Bars(Vec<[usize; 2]>),
    /// Parts of the way along x and y, and the row.
    Points(Vec<([f32; 2], u32)>),
    /// Colours of cells from the upper left one on; the density of so many objects.
    Density {
        /// Red, green, blue, opacity.
        pixels: Vec<[u8; 4]>,
        /// Number of values.
        count: usize,
    },
    /// Groups, the first of so many.
    Boxes(Vec<Boxed>, usize),
}

/// A group of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Boxed {
    /// Its number; 1 and 0 for what is selected and what is not.
    pub group: i64,
    /// Number of values.
    pub count: usize,
    /// Quartiles, between neighbours by their distance (Hyndman & Fan 1996, type 7,
    /// doi:10.1080/00031305.1996.10473566).
    pub quartiles: [f64; 3],
    /// The outermost values within one and a half times the box's height of it (Tukey 1977).
    pub whiskers: [f64; 2],
    /// The values beyond, at most some hundreds of them.
    pub far: Vec<f64>,
}

impl Boxed {
    fn of(group: i64, mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let quartiles = [0.25, 0.5, 0.75].map(|part| {
            let at = part * (values.len() - 1) as f64;
            let below = values[at.floor() as usize];
            below + (values[at.ceil() as usize] - below) * at.fract()
        });
        let reach = 1.5 * (quartiles[2] - quartiles[0]);
        let first = values.partition_point(|v| *v < quartiles[0] - reach);
        let last = values.partition_point(|v| *v <= quartiles[2] + reach);
        let whiskers = [values[first], values[last - 1]];
        let far: Vec<f64> = values[..first].iter().chain(&values[last..]).copied().collect();
        let every = far.len().div_ceil(400).max(1);
        let far = far.into_iter().step_by(every).collect();
        Self { group, count: values.len(), quartiles, whiskers, far }
    }
}

/// The least and the greatest; none if there are none.
fn ends(places: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let [low, high] = places
        .filter(|p| !p.is_nan())
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], p| [a.min(p), b.max(p)]);
    if low > high {
        return None;
    }
    Some(if high > low { [low, high] } else { [low - 0.5, low + 0.5] })
}

/// A little more on either side.
fn wider([low, high]: [f64; 2]) -> [f64; 2] {
    let more = (high - low) * 0.03;
    [low - more, high + more]
}

/// Number of bins for a histogram of `count` values (Terrell & Scott 1985, doi:10.1080/01621459.1985.10477163).
fn bins(count: usize) -> usize {
    ((2.0 * count as f64).cbrt().ceil() as usize * 2).clamp(8, 100)
}

/// Returns whether a place is within a line that closes on itself.
pub fn is_within(line: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let mut inside = false;
    for (i, [ax, ay]) in line.iter().enumerate() {
        let [bx, by] = line[(i + 1) % line.len()];
        if (*ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
            inside = !inside;
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxelry_core::measure::table::{Builder, Values};

    fn wanted(kind: PlotKind, x: Vec<f64>, group: Vec<i64>) -> PlotRequest {
        let rows = x.len();
        let mut b = Builder::default();
        b.column("x", "", "", Values::Real(x.clone()));
        b.column("y", "", "", Values::Real(x.iter().map(|x| x * 10.0).collect()));
        b.column("group", "", "", Values::Int(group));
        PlotRequest {
            table: Arc::new(b.finish("t")),
            rows: Arc::new((0..rows as u32).collect()),
            selected: Arc::new(Bits::of(&(0..rows).map(|i| i < 2).collect::<Vec<bool>>())),
            kind,
            columns: ["x".to_owned(), "y".to_owned()],
            group: Some("group".to_owned()),
            log: [false; 2],
        }
    }

    #[test]
    fn bars_count_all_and_what_is_selected() {
        let mut wanted =
            wanted(PlotKind::Histogram, vec![1.0, 2.0, 2.5, 9.0, f64::NAN, -1.0], vec![7, 3, 3, 5, 3, 7]);
        let drawn = wanted.draw().unwrap();
        let Shape::Bars(counts) = &drawn.shape else { panic!() };
        assert_eq!((drawn.left_out, drawn.range[0]), (1, [-1.0, 9.0]));
        assert_eq!(counts.iter().map(|c| c[0]).sum::<usize>(), 5);
        assert_eq!(counts.iter().map(|c| c[1]).sum::<usize>(), 2);
        assert_eq!((counts[0], counts[counts.len() - 1]), ([1, 0], [1, 0]));
        wanted.log[0] = true;
        assert_eq!(wanted.draw().unwrap().left_out, 2);
        wanted.log[0] = false;
        wanted.columns[0] = "group".to_owned();
        let drawn = wanted.draw().unwrap();
        assert_eq!(drawn.range[0], [2.5, 7.5]);
        assert_eq!(drawn.shape, Shape::Bars(vec![[3, 1], [0, 0], [1, 0], [0, 0], [2, 1]]));
        wanted.columns[0] = "none".to_owned();
        assert_eq!(wanted.draw(), None);
    }

    #[test]
    fn many_points_become_a_density_of_all_of_them() {
        let few = wanted(PlotKind::Scatter, (0..100).map(f64::from).collect(), vec![0; 100]).draw().unwrap();
        let Shape::Points(points) = few.shape else { panic!() };
        assert_eq!(points.len(), 100);
        assert!((points[99].0[0] - points[99].0[1]).abs() < 1e-6);
        let many = wanted(PlotKind::Scatter, (0..50_000).map(f64::from).collect(), vec![0; 50_000]);
        let Shape::Density { pixels, count } = many.draw().unwrap().shape else { panic!() };
        assert_eq!((pixels.len(), count), (CELLS[0] * CELLS[1], 50_000));
        // The two that are selected are at the lower left.
        let white: Vec<usize> = (0..pixels.len()).filter(|i| pixels[*i] == [255; 4]).collect();
        assert!(white.iter().all(|i| i % CELLS[0] < 12 && i / CELLS[0] > CELLS[1] - 12), "{white:?}");
        assert!(!white.is_empty());
        let low = many.rows_where(|[x, y]| x < 10.0 && y < 50.0);
        assert_eq!(low.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn boxes_have_the_quartiles_and_whiskers_of_their_groups() {
        let values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 100.0, 7.0];
        let drawn = wanted(PlotKind::Boxes, values, vec![1, 1, 1, 1, 1, 1, 2]).draw().unwrap();
        let Shape::Boxes(boxes, 2) = drawn.shape else { panic!() };
        assert_eq!((boxes[0].count, boxes[1].count), (6, 1));
        assert_eq!(boxes[0].quartiles, [2.25, 3.5, 4.75]);
        assert_eq!((boxes[0].whiskers, &boxes[0].far[..]), ([1.0, 5.0], &[100.0][..]));
        assert_eq!((boxes[1].quartiles, boxes[1].whiskers), ([7.0; 3], [7.0; 2]));
    }

    #[test]
    fn a_lasso_holds_what_is_within_it() {
        // A C, open to the right.
        let line =
            [[0.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0], [1.0, 2.0], [3.0, 2.0], [3.0, 3.0], [0.0, 3.0]];
        assert!(is_within(&line, [0.5, 1.5]) && is_within(&line, [2.0, 0.5]));
        assert!(!is_within(&line, [2.0, 1.5]) && !is_within(&line, [4.0, 0.5]));
    }
}
