//! ImageJ's description of a stack: lines of `key=value` in the first page.
//!
//! Source: the format as ImageJ writes it (`ij.io.TiffEncoder`, `ij.io.FileInfo`; public domain).

use super::layout::{Arrangement, pages_as_slices, planes_of};
use super::stack::TiffFile;
use crate::Unit;
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
            plain.notes.push(format!(
                "ImageJ's description names {images} images, the file has {}; those are read",
                plain.z
            ));
        }
        plain
    };
    geometry(&mut arrangement, &fields, number("spacing"), file);
    arrangement.time_step = number("finterval").filter(|&v| v > 0.0).map(|v| {
        match fields.get("tunit").copied().unwrap_or("sec") {
            "msec" | "ms" => v / 1000.0,
            "min" | "minute" | "minutes" => v * 60.0,
            "h" | "hour" | "hours" => v * 3600.0,
            "usec" | "µs" => v / 1e6,
            _ => v,
        }
    });
    for (key, value) in fields {
        arrangement.metadata.insert(key.to_owned(), value.to_owned());
    }
    arrangement
}

/// With a unit in the description, the resolution tags are pixels per that unit.
fn geometry(arrangement: &mut Arrangement, fields: &BTreeMap<&str, &str>, z: Option<f64>, file: &TiffFile) {
    let page = &file.pages[0];
    let pixel = |tag| {
        let values = page.ifd.get(tag)?.numbers(&file.input, file.dialect).ok()?;
        values.first().map(|v| 1.0 / v).filter(|v| v.is_finite() && *v > 0.0)
    };
    let name = fields.get("unit").copied().unwrap_or_default();
    let (unit, factor) = match name {
        "inch" | "inches" | "in" => (Unit::Millimetre, 25.4),
        name => {
            let Ok(unit) = name.parse() else {
                arrangement.notes.push(format!("the unit \"{name}\" is unknown; lengths are in voxels"));
                return;
            };
            (unit, 1.0)
        }
    };
    let z = z.map(f64::abs).filter(|v| *v > 0.0);
    if unit == Unit::Voxel {
        // Without a unit, a resolution is a spacing in voxels only where it is not dots per inch.
        let none =
            page.ifd.get(296).and_then(|e| e.integers(&file.input, file.dialect).ok()) == Some(vec![1]);
        arrangement.spacing = if none { [z, pixel(283), pixel(282)] } else { [z, None, None] };
        return;
    }
    arrangement.unit = unit;
    arrangement.spacing = [z, pixel(283), pixel(282)].map(|s| s.map(|v| v * factor));
    if arrangement.z > 1 && z.is_none() {
        arrangement
            .notes
            .push("the distance between slices is not given; that between columns is taken".into());
    }
}
