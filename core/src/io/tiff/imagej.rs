//! ImageJ's description of a stack: lines of `key=value` in the first page.
//!
//! Source: the format as ImageJ writes it (`ij.io.TiffEncoder`, `ij.io.FileInfo`; public domain).

use super::describe::pixel_size;
use super::layout::Arrangement;
use super::series::{pages_as_slices, planes_of};
use super::stack::TiffFile;
use crate::io::Calibration;
use crate::volume::unit::LengthUnit;
use crate::{Unit, VoxelType};
use std::collections::BTreeMap;

/// Whether a description is ImageJ's.
pub(super) fn is_imagej(text: &str) -> bool {
    text.starts_with("ImageJ=") || text.starts_with("SCIFIO=")
}

/// Arranges the pages as the description says.
pub(super) fn arrange(text: &str, file: &TiffFile) -> Arrangement {
    let fields: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
    let count = |key: &str| fields.get(key).and_then(|v| v.parse::<usize>().ok()).filter(|&n| n > 0);
    let number = |key: &str| fields.get(key).and_then(|v| v.parse::<f64>().ok()).filter(|v| v.is_finite());
    let images = count("images").unwrap_or(1).max(file.pages.len());
    let mut arrangement = if let Some(planes) = planes_of(file, images) {
        let c = count("channels").unwrap_or(1);
        let t = count("frames").unwrap_or(1);
        let z = count("slices").unwrap_or(images / c.saturating_mul(t).max(1)).max(1);
        let agrees = c.checked_mul(t).and_then(|n| n.checked_mul(z)) == Some(images);
        let (c, z, t) = if agrees { (c, z, t) } else { (1, images, 1) };
        // Channels vary fastest, then slices, then frames.
        let mut ordered = vec![None; images];
        for (i, plane) in planes.into_iter().enumerate() {
            let (channel, slice, frame) = (i % c, i / c % z, i / (c * z));
            ordered[(frame * c + channel) * z + slice] = Some(plane);
        }
        let mut arrangement = Arrangement { z, c, t, planes: ordered, ..Arrangement::default() };
        if !agrees {
            arrangement.notes.push(format!(
                "ImageJ's channels, slices and frames do not multiply to its {images} images; all are slices"
            ));
        }
        arrangement
    } else {
        let mut plain = pages_as_slices(file);
        if plain.z != images {
            plain.damage.push(format!(
                "ImageJ's description names {images} images, the file has {}; those are read",
                plain.z
            ));
        }
        plain
    };
    calibrate(&mut arrangement, &fields, file.main_page().voxel);
    geometry(&mut arrangement, &fields, number("spacing"), file);
    let step = number("finterval").filter(|&v| v > 0.0);
    arrangement.set_time_step(step, fields.get("tunit").copied().unwrap_or("sec"));
    for (key, value) in fields {
        arrangement.metadata.insert(key.to_owned(), value.to_owned());
    }
    arrangement
}

/// The function from stored numbers to values, which ImageJ has for 8 and 16 bits.
fn calibrate(arrangement: &mut Arrangement, fields: &BTreeMap<&str, &str>, voxel: VoxelType) {
    let number = |key: &str| fields.get(key).and_then(|v| v.parse::<f64>().ok());
    let calibrated = matches!(voxel, VoxelType::U8 | VoxelType::U16);
    let Some(function) = number("cf").filter(|_| calibrated) else { return };
    match (function, number("c0"), number("c1")) {
        // ImageJ's number for none.
        (20.0, ..) => {}
        (0.0, Some(intercept), Some(slope)) => {
            arrangement.calibration = Calibration::new(slope, intercept);
            if let (Some(calibration), Some(unit)) = (&mut arrangement.calibration, fields.get("vunit")) {
                (*unit).clone_into(&mut calibration.unit);
            }
        }
        _ => arrangement.notes.push(format!(
            "ImageJ's calibration of values, cf={function}, is no straight line and is not applied; values are as stored"
        )),
    }
}

/// With a unit in the description, the resolution tags are pixels per that unit. Without units of their own, y and z
/// have that of x.
fn geometry(arrangement: &mut Arrangement, fields: &BTreeMap<&str, &str>, z: Option<f64>, file: &TiffFile) {
    let unit = fields.get("unit").copied().unwrap_or_default();
    let own = |key: &str| Some(fields.get(key).copied().unwrap_or(unit));
    let z = z.map(f64::abs).filter(|v| *v > 0.0);
    let [y, x] = pixel_size(file);
    if LengthUnit::parse(unit).is_some_and(|unit| unit.unit == Unit::Voxel) {
        // Without a unit, a resolution is a spacing in voxels only where it is not dots per inch.
        let page = &file.pages[0];
        let none =
            page.ifd.get(296).and_then(|e| e.integers(&file.input, file.dialect).ok()) == Some(vec![1]);
        arrangement.spacing = if none { [z, y, x] } else { [z, None, None] };
        return;
    }
    arrangement.set_spacing([z, y, x], [own("zunit"), own("yunit"), Some(unit)]);
}
