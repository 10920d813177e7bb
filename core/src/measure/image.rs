//! The figures of an image: everything that is not background, taken as one structure.

use super::Table;
use super::object::Frame;
use super::objects::rows_by_label;
use super::structure::StructureFigures;
use super::sums::Objects;
use super::table::{Builder, Values};
use std::f64::consts::PI;

/// One row with the figures of the whole structure.
pub fn table(frame: &Frame, objects: &Objects, structure: Option<&StructureFigures>) -> Table {
    let unit = frame.geometry.unit;
    let length = |p: u8| super::columns::UnitRule::Length(p).text(unit);
    let per = |p: u8| super::columns::UnitRule::PerLength(p).text(unit);
    let rows = rows_by_label(objects);
    let count: u64 = rows.iter().map(|&r| objects.voxels[r].count).sum();
    let voxel = frame.geometry.voxel_volume();
    let total = frame.shape.iter().product::<usize>() as f64 * voxel;
    let volume = count as f64 * voxel;
    let union = &objects.union;
    let surface = (union.all.surface - union.cut) as f64 * frame.area_unit;
    let breadth = union.inner.breadth as f64 * frame.length_unit;
    // Of the neighbourhoods inside the image alone: each part of an image adds its own, so that
    // what is cut by the faces of the image counts by its share.
    let euler_inner = union.inner.euler_26 as f64 / 8.0;
    let connectivity = 1.0 - euler_inner;
    let mut b = Builder::default();
    let mut real = |name: &str, unit: &str, doc: &str, v: f64| {
        b.column(name, unit, doc, Values::Real(vec![v]));
    };
    real("object_count", "1", "Labels in the image.", rows.len() as f64);
    real("voxel_count", "1", "Voxels that are not background.", count as f64);
    real("total_volume", &length(3), "Volume of the image (TV).", total);
    real("volume", &length(3), "Volume that is not background (BV).", volume);
    real("volume_fraction", "1", "Volume ÷ volume of the image (BV/TV).", volume / total);
    real(
        "surface_area",
        &length(2),
        "Surface between objects and background (BS), Crofton with 13 directions; what the faces of the image cut is left out.",
        surface,
    );
    real("specific_surface", &per(1), "Surface area ÷ volume (BS/BV).", surface / volume);
    real("surface_density", &per(1), "Surface area ÷ volume of the image (BS/TV).", surface / total);
    real(
        "euler_number",
        "1",
        "Euler number of all that is not background, 26-connected; outside the image is background.",
        (union.all.euler_26 / 8) as f64,
    );
    real(
        "connectivity",
        "1",
        "1 − the Euler number corrected for the faces of the image, so that parts add up (Odgaard & Gundersen 1993, doi:10.1016/8756-3282(93)90245-6).",
        connectivity,
    );
    real(
        "connectivity_density",
        &per(3),
        "Connectivity ÷ volume of the image (Conn.D).",
        connectivity / total,
    );
    real(
        "structure_model_index",
        "1",
        "24πVb/S² with the mean breadth b, which is 6VS′/S² (Hildebrand & Rüegsegger 1997, doi:10.1080/01495739708936692; Ohser et al. 2009): 0 for plates, 3 for rods, 4 for balls; less where surfaces are concave.",
        24.0 * PI * volume * breadth / (surface * surface),
    );
    let f = structure.copied().unwrap_or(StructureFigures { fractal_dimension: f64::NAN });
    real(
        "fractal_dimension",
        "1",
        "Box counting of the boundary (Fazzalari & Parkinson 1996, doi:10.1002/jbmr.5650110413).",
        f.fractal_dimension,
    );
    b.finish("image")
}
