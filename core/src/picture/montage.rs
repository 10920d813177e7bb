//! A sheet of slices.

use super::{Canvas, label_color};
use crate::program::Field;
use crate::{Error, Geometry, Job, Region, Result, Unit, Volume, with_volume};

/// What a montage shows.
#[derive(Debug, Clone, PartialEq)]
pub struct MontageOptions {
    /// The axis across which it is cut: 0, 1, 2 for z, y, x.
    pub axis: usize,
    /// Number of slices at most, evenly spaced.
    pub slices: usize,
    /// Width of the sheet in pixels, about.
    pub width: usize,
    /// Intensities shown black and white; otherwise the 0.5 and 99.5 percentiles of what is shown.
    pub window: Option<[f64; 2]>,
}

impl Default for MontageOptions {
    fn default() -> Self {
        Self { axis: 0, slices: 20, width: 1600, window: None }
    }
}

const GROUND: [u8; 3] = [18, 20, 24];
const TEXT: [u8; 3] = [235, 238, 242];
const GAP: usize = 6;

/// Draws slices of `image` with the outlines of `labels`, slice numbers, positions and a scale bar. An image with an
/// anatomical orientation stands upright: superior or anterior is up, right or anterior on the right.
/// Only the slices that are shown are read.
///
/// # Errors
/// If the image can't be read or there is nothing to show.
pub fn montage(
    image: &dyn Field,
    labels: Option<&dyn Field>,
    options: &MontageOptions,
    job: &Job,
) -> Result<Canvas> {
    let grid = image.grid();
    if grid.shape.contains(&0) {
        return Err(Error::Usage("an empty image has no slices to show".into()));
    }
    let axis = options.axis.min(2);
    let [rows, columns] = in_plane(axis).map(|a| grid.shape[a]);
    let spacing = grid.geometry.spacing();
    let [row_step, column_step] = in_plane(axis).map(|a| if spacing[a] > 0.0 { spacing[a] } else { 1.0 });

    let aspect = (columns as f64 * column_step) / (rows as f64 * row_step);
    let [across, down] = layout(grid.shape[axis], options.slices.max(1), aspect);
    let count = (across * down).min(grid.shape[axis]);
    // Each tile keeps the physical shape of a slice.
    let tile_width = (options.width / across).saturating_sub(GAP).clamp(32, 1024);
    let tile_height = ((tile_width as f64 / aspect).round() as usize).clamp(16, 2048);
    let scale = if tile_width >= 200 { 2 } else { 1 };

    let indices: Vec<usize> = (0..count).map(|i| (2 * i + 1) * grid.shape[axis] / (2 * count)).collect();
    let mut facing = Facing::of(&grid.geometry, axis);
    let mut face = grid.shape;
    face[axis] = 1;
    if let Some(angle) = grid.geometry.shear(face) {
        // Tiles are rectangles, whatever their sides are in the world.
        facing.caption += &format!("sheared, sides meet at {angle:.0} degrees   ");
    }
    job.stage("montage", count as u64);
    let mut slices = Vec::with_capacity(count);
    for &index in &indices {
        job.check()?;
        let region = slice(grid.shape, axis, index);
        let volume = image.read(region, job)?;
        let mut tile = sample(&volume, [rows, columns], [tile_height, tile_width]);
        facing.turn(&mut tile, tile_width);
        slices.push(tile);
        job.advance(1);
    }
    let [black, white] = options.window.unwrap_or_else(|| percentile_window(&slices));

    let footer = 12 * scale + GAP;
    let mut sheet =
        Canvas::new(across * (tile_width + GAP) + GAP, down * (tile_height + GAP) + GAP + footer, GROUND);
    for (number, (&index, values)) in indices.iter().zip(&slices).enumerate() {
        let left = GAP + number % across * (tile_width + GAP);
        let top = GAP + number / across * (tile_height + GAP);
        for (i, &v) in values.iter().enumerate() {
            let t = ((f64::from(v) - black) / (white - black)).clamp(0.0, 1.0);
            let grey = if t.is_nan() { 0 } else { (t * 255.0).round() as u8 };
            sheet.set(left + i % tile_width, top + i / tile_width, [grey; 3]);
        }
        if let Some(labels) = labels {
            let volume = labels.read(slice(grid.shape, axis, index), job)?;
            let mut tile = nearest(&volume, [rows, columns], [tile_height, tile_width]);
            facing.turn(&mut tile, tile_width);
            outline(
                &mut sheet,
                [left, top],
                &tile,
                tile_width,
                if tile_width >= 4 * columns { 2 } else { 1 },
            );
        }
        let mut write = |y: usize, text: &str| {
            if text.chars().count() * 8 * scale + 8 <= tile_width {
                sheet.text(left + 4, top + y, text, scale, TEXT);
            }
        };
        write(4, &format!("{} {index}", ["z", "y", "x"][axis]));
        if grid.geometry.unit != Unit::Voxel && tile_height >= 26 * scale {
            let at = position(index as f64 * spacing[axis], spacing[axis]);
            write(tile_height - 10 * scale, &format!("{at} {}", grid.geometry.unit));
        }
    }
    let pixels_per_unit = tile_width as f64 / (columns as f64 * column_step);
    let end = scale_bar(&mut sheet, pixels_per_unit, grid.geometry.unit, scale);
    let window = format!("{}black {}, white {}", facing.caption, short(black), short(white));
    let left = sheet.width.saturating_sub(GAP + window.chars().count() * 8 * scale);
    if left > end + 16 * scale {
        sheet.text(left, sheet.height - 12 * scale, &window, scale, TEXT);
    }
    Ok(sheet)
}

/// How slices are turned so that an anatomical orientation stands upright, and what to say of it.
struct Facing {
    rows: bool,
    columns: bool,
    caption: String,
}

impl Facing {
    fn of(geometry: &Geometry, axis: usize) -> Self {
        let Some(letters) = geometry.orientation() else {
            return Self { rows: false, columns: false, caption: String::new() };
        };
        // Rows run downwards and columns to the right.
        let [down, right] = in_plane(axis).map(|a| letters[a]);
        let (rows, columns) = (matches!(down, 'S' | 'A' | 'R'), matches!(right, 'I' | 'P' | 'L'));
        let [up, across] = [(0, !rows), (1, columns)].map(|(side, reversed)| {
            let way = geometry.world_from_index.matrix3.col(2 - in_plane(axis)[side]);
            // The font has no ≈.
            Geometry::letters(if reversed { -way } else { way }).replace('≈', "~")
        });
        let caption = format!("up {up}, right {across}   ");
        Self { rows, columns, caption }
    }

    fn turn<T>(&self, tile: &mut [T], width: usize) {
        if self.rows && self.columns {
            tile.reverse();
        } else if self.columns {
            tile.chunks_exact_mut(width).for_each(<[T]>::reverse);
        } else if self.rows {
            let height = tile.len() / width;
            for y in 0..height / 2 {
                let (above, below) = tile.split_at_mut((height - 1 - y) * width);
                above[y * width..(y + 1) * width].swap_with_slice(&mut below[..width]);
            }
        }
    }
}

/// How many tiles across and down: at most `slices` and `depth`, filling a sheet that is near 4:3.
fn layout(depth: usize, slices: usize, aspect: f64) -> [usize; 2] {
    let most = slices.min(depth);
    let cost = |[across, down]: [usize; 2]| {
        let shape = (across as f64 * aspect / down as f64 / (4.0 / 3.0)).ln().abs();
        let off = (across * down).abs_diff(most) as f64 / most as f64;
        shape + 2.0 * off
    };
    (1..=most)
        // All slices of a thin image are shown; of a deep one as many as fill the rows.
        .map(|across| [across, if depth <= slices { most.div_ceil(across) } else { most / across }])
        .min_by(|a, b| cost(*a).total_cmp(&cost(*b)))
        .unwrap_or([1, 1])
}

fn in_plane(axis: usize) -> [usize; 2] {
    [[1, 2], [0, 2], [0, 1]][axis]
}

fn slice(shape: [usize; 3], axis: usize, index: usize) -> Region {
    let mut region = Region::whole(shape);
    region.start[axis] = index;
    region.shape[axis] = 1;
    region
}

/// Box-averages (or repeats) a slice into a tile.
fn sample(volume: &Volume, [rows, columns]: [usize; 2], [height, width]: [usize; 2]) -> Vec<f32> {
    use crate::Voxel;
    with_volume!(volume, |a| {
        let source = a.as_slice().expect("volumes are in C order");
        let span =
            |i: usize, n: usize, m: usize| (i * n / m, ((i + 1) * n).div_ceil(m).max(i * n / m + 1).min(n));
        let mut tile = Vec::with_capacity(height * width);
        for i in 0..height {
            let (r0, r1) = span(i, rows, height);
            for j in 0..width {
                let (c0, c1) = span(j, columns, width);
                let mut sum = 0.0;
                for r in r0..r1 {
                    sum += source[r * columns + c0..r * columns + c1].iter().map(|v| v.to_f64()).sum::<f64>();
                }
                tile.push((sum / ((r1 - r0) * (c1 - c0)) as f64) as f32);
            }
        }
        tile
    })
}

fn nearest(volume: &Volume, [rows, columns]: [usize; 2], [height, width]: [usize; 2]) -> Vec<u32> {
    use crate::Voxel;
    with_volume!(volume, |a| {
        let source = a.as_slice().expect("volumes are in C order");
        let mut tile = Vec::with_capacity(height * width);
        for i in 0..height {
            let row = (2 * i + 1) * rows / (2 * height);
            for j in 0..width {
                tile.push(source[row * columns + (2 * j + 1) * columns / (2 * width)].to_f64() as u32);
            }
        }
        tile
    })
}

fn outline(sheet: &mut Canvas, [left, top]: [usize; 2], labels: &[u32], width: usize, pen: usize) {
    let height = labels.len() / width;
    for y in 0..height {
        for x in 0..width {
            let label = labels[y * width + x];
            if label == 0 {
                continue;
            }
            let differs = |y: usize, x: usize| labels[y * width + x] != label;
            let edge = (1..=pen).any(|r| {
                x >= r && differs(y, x - r)
                    || x + r < width && differs(y, x + r)
                    || y >= r && differs(y - r, x)
                    || y + r < height && differs(y + r, x)
            });
            if edge {
                sheet.set(left + x, top + y, label_color(label));
            }
        }
    }
}

fn percentile_window(slices: &[Vec<f32>]) -> [f64; 2] {
    let mut values: Vec<f32> = slices.iter().flatten().copied().filter(|v| v.is_finite()).collect();
    if values.is_empty() {
        return [0.0, 1.0];
    }
    let last = values.len() - 1;
    let mut at = |q: f64| {
        let k = (q * last as f64).round() as usize;
        f64::from(*values.select_nth_unstable_by(k, f32::total_cmp).1)
    };
    let (black, white) = (at(0.005), at(0.995));
    if white > black { [black, white] } else { [black - 0.5, black + 0.5] }
}

/// Draws it and returns where its text ends.
fn scale_bar(sheet: &mut Canvas, pixels_per_unit: f64, unit: Unit, scale: usize) -> usize {
    if !pixels_per_unit.is_finite() || pixels_per_unit <= 0.0 {
        return 0;
    }
    // The longest of 1, 2, 5 × 10ⁿ that is at most so many pixels.
    let most = (sheet.width / 3).min(200) as f64 / pixels_per_unit;
    let decade = 10f64.powf(most.log10().floor());
    let length = [5.0, 2.0, 1.0].into_iter().map(|m| m * decade).find(|l| *l <= most).unwrap_or(decade);
    let pixels = (length * pixels_per_unit).round() as usize;
    let top = sheet.height - 12 * scale;
    sheet.fill(GAP, top + 3 * scale, pixels, 3 * scale, TEXT);
    let unit = if unit == Unit::Voxel { "voxels" } else { unit.symbol() };
    let (left, text) = (GAP + pixels + 6 * scale, format!("{} {unit}", short(length)));
    sheet.text(left, top, &text, scale, TEXT);
    left + text.chars().count() * 8 * scale
}

/// A position with as many decimals as tell slices that are a `step` apart.
fn position(value: f64, step: f64) -> String {
    let off = |d: usize| (step - (step * 10f64.powi(d as i32)).round() / 10f64.powi(d as i32)).abs();
    match (0..=4).find(|&d| off(d) <= 0.01 * step) {
        Some(decimals) => format!("{value:.decimals$}"),
        None => short(value),
    }
}

/// A number in at most four digits.
fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let text = format!(
        "{value:.*}",
        if value.abs() >= 100.0 {
            0
        } else if value.abs() >= 10.0 {
            1
        } else {
            3
        }
    );
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Grid, Kind, MemoryField};
    use crate::{Geometry, VoxelType};
    use ndarray::Array3;
    use std::sync::Arc;

    fn field(volume: Volume, kind: Kind) -> MemoryField {
        let geometry = Geometry::from_spacing([2.0, 1.0, 1.0], Unit::Micrometre);
        let grid = Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry };
        MemoryField::new(Arc::new(volume), grid)
    }

    #[test]
    fn slices_labels_and_windows_reach_the_sheet() {
        let image = field(
            Array3::from_shape_fn((4, 40, 60), |(_, y, _)| if y < 20 { 10u8 } else { 200 }).into(),
            Kind::Grey,
        );
        let labels =
            Array3::from_shape_fn((4, 40, 60), |(_, y, x)| u32::from(y > 10 && y < 30 && x > 10 && x < 30));
        let labels = field(labels.into(), Kind::Labels);
        let sheet = montage(&image, Some(&labels), &MontageOptions::default(), &Job::silent()).unwrap();
        assert!(sheet.pixels.chunks(3).any(|p| p == label_color(1)));
        assert!(sheet.pixels.chunks(3).any(|p| p == [0, 0, 0]));
        assert!(sheet.pixels.chunks(3).any(|p| p == [255, 255, 255]));
    }

    #[test]
    fn thin_and_constant_images_are_shown() {
        for shape in [[1, 1, 1], [1, 500, 1], [300, 1, 1], [1, 1, 700]] {
            let image = field(Volume::zeros(VoxelType::F32, shape), Kind::Grey);
            for axis in 0..3 {
                let options = MontageOptions { axis, ..MontageOptions::default() };
                let sheet = montage(&image, None, &options, &Job::silent()).unwrap();
                assert!(sheet.width > 0 && sheet.height > 0);
            }
        }
    }

    #[test]
    fn a_head_stands_upright() {
        let mut geometry = Geometry::from_spacing([1.0; 3], Unit::Millimetre);
        assert_eq!(Facing::of(&geometry, 0).caption, "");
        geometry.oriented = true;
        // RAS: rows of a transverse slice run to the front, and so have to be turned.
        let facing = Facing::of(&geometry, 0);
        assert_eq!((facing.rows, facing.columns, &*facing.caption), (true, false, "up A, right R   "));
        let mut tile = [1, 2, 3, 4, 5, 6];
        facing.turn(&mut tile, 2);
        assert_eq!(tile, [5, 6, 3, 4, 1, 2]);
        assert_eq!(Facing::of(&geometry, 1).caption, "up S, right R   ");
        assert_eq!(Facing::of(&geometry, 2).caption, "up S, right A   ");
        // LPS, as DICOM has it: the transverse slice is turned left to right only.
        geometry.world_from_index.matrix3.x_axis *= -1.0;
        geometry.world_from_index.matrix3.y_axis *= -1.0;
        let facing = Facing::of(&geometry, 0);
        assert_eq!((facing.rows, facing.columns, &*facing.caption), (false, true, "up A, right R   "));
        facing.turn(&mut tile, 2);
        assert_eq!(tile, [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn sheets_are_filled() {
        assert_eq!(layout(500, 20, 1.0), [5, 4]);
        assert_eq!(layout(500, 20, 2.0 / 3.0), [6, 3]);
        assert_eq!(layout(7, 20, 1.0), [4, 2]);
        assert_eq!(layout(1, 20, 1.0), [1, 1]);
        for (depth, slices, aspect) in
            [(5, 1, 1.0), (3, 20, 1e-3), (100, 20, 1e3), (9, 9, 0.3), (21, 20, 1.3)]
        {
            let [across, down] = layout(depth, slices, aspect);
            assert!(across * (down - 1) < slices.min(depth), "{depth} {slices} {aspect}: {across} × {down}");
            assert!(depth <= slices || across * down <= slices);
        }
    }

    #[test]
    fn positions_tell_slices_apart() {
        assert_eq!(position(121.5, 1.5), "121.5");
        assert_eq!(position(540.0, 10.0), "540");
        assert_eq!(position(9.375, 0.390625), "9.38");
        assert_eq!(position(0.0, 1e-7), "0");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0"), (1.5, "1.5"), (12.34, "12.3"), (1234.0, "1234"), (1e-6, "1.00e-6")]
        {
            assert_eq!(short(value), text);
        }
    }
}
