//! The figures of an image: everything that is not background, taken as one structure.

pub mod distributions;
pub mod foam;
pub mod intercepts;

use super::columns::UnitRule;
use super::sums::{Objects, UnionSums};
use crate::algorithms::thickness::LocalThickness;
use crate::measure::columns::object::Frame;
use crate::measure::columns::objects::rows_by_label;
use crate::measure::passes::pass::Body;
use crate::measure::shape::extras::Found;
use crate::table::Table;
use crate::table::builder::{Builder, Values};
use std::f64::consts::PI;

/// A further table of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageTable {
    /// Histograms of local thickness; with it the table of the image has thickness, separation and
    /// number.
    Thickness,
    /// Chord lengths.
    Chords,
    /// Two-point correlation.
    Correlation,
    /// Figures of a foam.
    Foam,
}

/// The tables and their names.
pub const TABLES: [(&str, ImageTable); 4] = [
    ("thickness", ImageTable::Thickness),
    ("chords", ImageTable::Chords),
    ("correlation", ImageTable::Correlation),
    ("foam", ImageTable::Foam),
];

/// The tables of these names, in the order of [`TABLES`]; none if no names are given.
///
/// # Errors
/// A sentence that names what is not a table and the nearest one that is.
pub fn choose(names: Option<&[String]>) -> Result<Vec<ImageTable>, String> {
    let names = names.unwrap_or(&[]);
    for name in names {
        if TABLES.iter().all(|t| t.0 != name) {
            let hint = crate::error::suggestion(name, TABLES.iter().map(|t| t.0));
            return Err(format!("there is no table \"{name}\"{hint}"));
        }
    }
    Ok(TABLES.iter().filter(|t| names.iter().any(|n| n == t.0)).map(|t| t.1).collect())
}

/// Columns of one row.
struct RowBuilder {
    builder: Builder,
    unit: crate::Unit,
}

impl RowBuilder {
    fn real(&mut self, name: impl Into<String>, unit: UnitRule, doc: &str, value: f64) {
        self.builder.column(name, &unit.text(self.unit), doc, Values::Real(vec![value]));
    }
}

/// What is known of all objects together.
#[derive(Debug, Clone)]
pub struct Totals {
    /// How many there are.
    pub objects: usize,
    /// Their voxels.
    pub voxels: u64,
    /// Sums over their neighbourhoods, taken as one object.
    pub union: UnionSums,
}

impl Totals {
    /// Of these objects.
    pub fn of(objects: &Objects) -> Self {
        let rows = rows_by_label(objects);
        let voxels = rows.iter().map(|&r| objects.voxels.count(r)).sum();
        Self { objects: rows.len(), voxels, union: objects.union }
    }
}

/// One row with the figures of the whole structure, `with_thickness` if that was measured.
pub fn table(
    frame: &Frame,
    totals: &Totals,
    found: &Found,
    local: &LocalThickness,
    with_thickness: bool,
) -> Table {
    use UnitRule::{Length, One};
    let mut row = RowBuilder { builder: Builder::default(), unit: frame.geometry.unit };
    let count = totals.voxels;
    let voxel = frame.geometry.voxel_volume();
    let total = frame.shape.iter().product::<usize>() as f64 * voxel;
    let volume = count as f64 * voxel;
    row.real("object_count", One, "Labels in the image.", totals.objects as f64);
    row.real("voxel_count", One, "Voxels that are not background.", count as f64);
    row.real("total_volume", Length(3), "Volume of the image (TV).", total);
    row.real("volume", Length(3), "Volume that is not background (BV).", volume);
    row.real("volume_fraction", One, "Volume ÷ volume of the image (BV/TV).", volume / total);
    neighbourhoods(&mut row, frame, &totals.union, [volume, total]);
    row.real(
        "fractal_dimension",
        One,
        "Box counting of the boundary (Fazzalari & Parkinson 1996, doi:10.1002/jbmr.5650110413).",
        found.fractal.fractal_dimension(),
    );
    if with_thickness {
        thickness(&mut row, found, local);
    }
    fabric(&mut row, frame, found);
    intensities(&mut row, frame, found);
    row.builder.finish("image")
}

/// Surface, topology and shape, from the sums over neighbourhoods.
fn neighbourhoods(row: &mut RowBuilder, frame: &Frame, union: &UnionSums, [volume, total]: [f64; 2]) {
    use UnitRule::{Length, One, PerLength};
    let surface = (union.all.surface - union.cut) as f64 * frame.area_unit;
    let breadth = union.inner.breadth as f64 * frame.length_unit;
    // Of the neighbourhoods inside the image alone: each part of an image adds its own, so that
    // what is cut by the faces of the image counts by its share.
    let euler_inner = union.inner.euler_26 as f64 / 8.0;
    let connectivity = 1.0 - euler_inner;
    row.real(
        "surface_area",
        Length(2),
        "Surface between objects and background (BS), Crofton with 13 directions; what the faces of the image cut is left out.",
        surface,
    );
    row.real("specific_surface", PerLength(1), "Surface area ÷ volume (BS/BV).", surface / volume);
    row.real("surface_density", PerLength(1), "Surface area ÷ volume of the image (BS/TV).", surface / total);
    row.real(
        "euler_number",
        One,
        "Euler number of all that is not background, 26-connected; outside the image is background.",
        (union.all.euler_26 / 8) as f64,
    );
    row.real(
        "connectivity",
        One,
        "1 − the Euler number corrected for the faces of the image, so that parts add up (Odgaard & Gundersen 1993, doi:10.1016/8756-3282(93)90245-6).",
        connectivity,
    );
    row.real(
        "connectivity_density",
        PerLength(3),
        "Connectivity ÷ volume of the image (Conn.D).",
        connectivity / total,
    );
    row.real(
        "structure_model_index",
        One,
        "24πVb/S² with the mean breadth b, which is 6VS′/S² (Hildebrand & Rüegsegger 1997, doi:10.1080/01495739708936692; Ohser et al. 2009): 0 for plates, 3 for rods, 4 for balls; less where surfaces are concave; not defined for a single slice.",
        if frame.shape.contains(&1) { f64::NAN } else { 24.0 * PI * volume * breadth / (surface * surface) },
    );
}

const THICKNESS: &str = "Over its voxels, of the diameter of the largest ball in the structure that contains the voxel (Tb.Th; Hildebrand & Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x), as the operator thickness has it. The border of the image bounds no ball.";
const SEPARATION: &str = "The same of the background (Tb.Sp).";

/// Thickness, separation and number.
fn thickness(row: &mut RowBuilder, found: &Found, local: &LocalThickness) {
    use UnitRule::{Length, PerLength};
    let [thickness, separation, mid_axes] =
        [Body::Structure, Body::Background, Body::MidAxes].map(|body| found.thickness(body).moments(local));
    for (name, doc, m) in [("thickness", THICKNESS, thickness), ("separation", SEPARATION, separation)] {
        row.real(format!("{name}_mean"), Length(1), doc, m.mean);
        row.real(format!("{name}_sd"), Length(1), doc, m.sd);
        row.real(format!("{name}_max"), Length(1), doc, m.max);
    }
    row.real(
        "number",
        PerLength(1),
        "1 ÷ mean distance of the structure's mid-axes (Tb.N; Hildebrand et al. 1999, doi:10.1359/jbmr.1999.14.7.1167). The mid-axes are the centres of balls that no neighbour's ball contains and that are at least half as thick as the structure there; their distance is the mean local thickness of all other voxels.",
        1.0 / mid_axes.mean,
    );
}

const CHORD: &str = "along an axis of the image: 2 · share of the image ÷ surfaces met per length (Underwood 1970), two voxels off the faces of the image.";
const INTERCEPT: &str = "Semi-axes of the ellipsoid 1/L² = nᵀHn fitted to the mean lengths L that lines along n run inside the structure, over 49 directions of the lattice (Harrigan & Mann 1984, doi:10.1007/BF00541156).";
const INTERCEPT_AXIS: &str =
    "Unit vector of that axis in world coordinates; its largest component is positive.";

/// What lines through the structure meet.
fn fabric(row: &mut RowBuilder, frame: &Frame, found: &Found) {
    use UnitRule::{Length, One};
    let fabric = intercepts::fabric(&found.intercepts, frame.geometry.world_from_index.matrix3);
    for (phase, chords) in ["chord", "background_chord"].iter().zip(fabric.chords) {
        for (axis, length) in ["x", "y", "z"].iter().zip(chords).rev() {
            let what = if *phase == "chord" {
                "Mean chord of the structure"
            } else {
                "Mean chord of the background"
            };
            row.real(format!("mean_{phase}_{axis}"), Length(1), &format!("{what} {CHORD}"), length);
        }
    }
    for (i, length) in fabric.lengths.into_iter().enumerate() {
        row.real(format!("mean_intercept_length_{}", i + 1), Length(1), INTERCEPT, length);
    }
    for (i, axis) in fabric.axes.into_iter().enumerate() {
        for (name, v) in ["x", "y", "z"].iter().zip(axis.to_array()) {
            row.real(format!("mean_intercept_axis_{}_{name}", i + 1), One, INTERCEPT_AXIS, v);
        }
    }
    row.real(
        "degree_of_anisotropy",
        One,
        "Greatest ÷ least mean intercept length (DA; Odgaard 1997, doi:10.1016/S8756-3282(97)00007-0): 1 if isotropic. BoneJ gives 1 − 1/DA² for it.",
        fabric.lengths[0] / fabric.lengths[2],
    );
}

/// Figures of each channel over the whole image.
fn intensities(row: &mut RowBuilder, frame: &Frame, found: &Found) {
    use UnitRule::{Intensity, One};
    for (c, quality) in found.quality.iter().enumerate() {
        let figures = quality.figures(frame.shape);
        let [outside, inside] = figures.means;
        let name = |rest: &str| match c {
            0 => format!("intensity_{rest}"),
            _ => format!("intensity_{}_{rest}", c + 1),
        };
        row.real(name("mean"), Intensity, "Mean of the finite intensities of the structure.", inside);
        row.real(name("background_mean"), Intensity, "Mean of those of the background.", outside);
        row.real(
            name("entropy"),
            One,
            "Shannon's entropy in bits of the image's intensities in 256 bins of one width from the least to the greatest (Shannon 1948); 8-bit intensities have their own bins.",
            figures.entropy,
        );
        row.real(
            name("noise_sd"),
            Intensity,
            "Standard deviation of white noise, √(π/2) of the mean magnitude of second differences along all axes (Immerkær 1996, doi:10.1006/cviu.1996.0060, in 3D). Blurred noise gives less.",
            figures.noise,
        );
        row.real(
            name("signal_to_noise"),
            One,
            "Mean intensity of the structure ÷ noise.",
            inside / figures.noise,
        );
        row.real(
            name("contrast_to_noise"),
            One,
            "Difference of the mean intensities of structure and background ÷ noise.",
            (inside - outside).abs() / figures.noise,
        );
    }
}
