//! From pages to an image: which page is which slice, channel and time, and how large a voxel is.

use super::describe::{describe_page, pixel_size, resolution, sample_channels};
use super::ome;
use super::page::{Kind, Page};
use super::stack::{Plane, Stack, TiffFile};
use super::{imagej, levels};
use crate::io::{Calibration, Channel, ImageInfo, Level};
use crate::volume::unit::{AxisUnits, seconds};
use crate::{Error, Geometry, Result, Unit};
use std::collections::BTreeMap;

/// The axes of a stack of pages, as one of the descriptions gives them.
#[derive(Debug, Default)]
pub(super) struct Arrangement {
    pub z: usize,
    /// Channels as separate pages, not counting samples.
    pub c: usize,
    pub t: usize,
    /// Plane by `[t][c][z]`.
    pub planes: Vec<Option<Plane>>,
    /// Spacing `[z, y, x]`, each if known.
    pub spacing: [Option<f64>; 3],
    pub unit: Unit,
    pub time_step: Option<f64>,
    pub channels: Vec<Channel>,
    /// What stored numbers mean.
    pub calibration: Option<Calibration>,
    /// What is missing because the file is damaged or cut short.
    pub damage: Vec<String>,
    pub notes: Vec<String>,
    pub metadata: BTreeMap<String, String>,
}

impl Arrangement {
    /// Takes the spacing `[z, y, x]` that a description gives, each axis in its own unit.
    pub(super) fn set_spacing(&mut self, given: [Option<f64>; 3], units: [Option<&str>; 3]) {
        (self.spacing, self.unit) = AxisUnits::new(units).spacing(given, &mut self.notes);
        self.note_missing_z();
    }

    fn note_missing_z(&mut self) {
        if self.unit != Unit::Voxel && self.z > 1 && self.spacing[0].is_none() {
            self.notes.push("the distance between slices is not given; that between columns is taken".into());
        }
    }

    /// Takes the time between frames that a description gives.
    pub(super) fn set_time_step(&mut self, step: Option<f64>, unit: &str) {
        let Some(step) = step else { return };
        self.time_step = seconds(step, unit);
        if self.time_step.is_none() {
            let note =
                format!("the unit of time \"{unit}\" is unknown; the time between frames is not taken");
            self.notes.push(note);
        }
    }
}

/// Opens a file as an image.
pub(super) fn arrange(file: TiffFile) -> Result<Stack> {
    let mut files = vec![file];
    let description = description(&files[0])?;
    let arrangement = match description.as_deref() {
        Some(text) if ome::is_ome(text) => ome::arrange(text, &mut files)?,
        Some(text) if imagej::is_imagej(text) => imagej::arrange(text, &files[0]),
        Some(text) if text.starts_with("{\"shape\":") => shaped(text, &files[0]),
        _ => pages_as_slices(&files[0]),
    };
    finish(files, arrangement, description)
}

/// Files of one slice each as an image.
pub(super) fn arrange_slices(files: Vec<TiffFile>) -> Result<Stack> {
    let planes = files
        .iter()
        .enumerate()
        .map(|(file, f)| {
            let page = f.pages.iter().position(|p| !p.reduced).unwrap_or(0);
            Some(Plane { file, page, shift: 0 })
        })
        .collect();
    let mut arrangement = Arrangement { z: files.len(), c: 1, t: 1, planes, ..Arrangement::default() };
    let description = description(&files[0])?;
    // A slice that ImageJ wrote says how large its voxels are.
    if let Some(text) = description.as_deref().filter(|t| imagej::is_imagej(t)) {
        let one = imagej::arrange(text, &files[0]);
        (arrangement.spacing, arrangement.unit) = (one.spacing, one.unit);
        (arrangement.calibration, arrangement.metadata) = (one.calibration, one.metadata);
    }
    finish(files, arrangement, description)
}

fn finish(
    mut files: Vec<TiffFile>,
    mut arrangement: Arrangement,
    description: Option<String>,
) -> Result<Stack> {
    let Some(first) = arrangement.planes.iter().flatten().next().copied() else {
        return Err(Error::file(files[0].input.path(), "none of the planes it describes is in it"));
    };
    let page = files[first.file].pages[first.page].clone();
    check_planes(&files, &arrangement.planes, &page)?;
    let levels = levels::find(&mut files, &arrangement.planes, &page);
    describe_page(&page, &mut arrangement);
    if let Some(text) = description.filter(|t| !t.is_empty()) {
        arrangement.metadata.insert("ImageDescription".into(), text.chars().take(65_536).collect());
    }
    for file in &files {
        arrangement.damage.extend(file.damage.iter().take(16).cloned());
    }
    leave_out_cut_planes(&files, &mut arrangement);
    let mut info = info(&page, &files, first, &mut arrangement)?;
    let mut planes = vec![arrangement.planes];
    for level in levels {
        if let Some(Some(first)) = level.iter().find(|p| p.is_some()) {
            let reduced = &files[first.file].pages[first.page];
            info.levels.push(levels::describe(reduced, &page, arrangement.z, &info.geometry()));
            planes.push(level);
        }
    }
    Ok(Stack { info, files, planes, samples: page.samples, stored: page.voxel })
}

fn description(file: &TiffFile) -> Result<Option<String>> {
    let entry = file.pages[0].ifd.get(270);
    entry.map(|e| e.text(&file.input, file.dialect)).transpose()
}

/// Chunks of a page that are looked at when a file is opened.
const LOOKED_AT: usize = 1 << 16;

/// Planes that end beyond the end of their file are read as zeros, which is said.
fn leave_out_cut_planes(files: &[TiffFile], arrangement: &mut Arrangement) {
    let is_cut = |plane: &Plane| {
        let file = &files[plane.file];
        let page = &file.pages[plane.page];
        let [across, down] = page.grid();
        if across.saturating_mul(down) > LOOKED_AT {
            return false;
        }
        let ends = |chunks: Vec<(u64, u64)>| {
            chunks.iter().map(|(at, len)| at.saturating_add(*len).saturating_add(plane.shift)).max()
        };
        let end = page.chunks(&file.input, file.dialect).ok().and_then(ends);
        end.is_some_and(|end| end > file.input.length())
    };
    let count = arrangement.planes.len();
    let cut: Vec<usize> =
        (0..count).filter(|at| arrangement.planes[*at].as_ref().is_some_and(is_cut)).collect();
    if cut.is_empty() {
        return;
    }
    let mut damage = format!("{} of {count} planes end beyond the end of the file", cut.len());
    // An image of nothing but zeros would hide that there is none.
    if cut.len() < arrangement.planes.iter().flatten().count() {
        cut.iter().for_each(|at| arrangement.planes[*at] = None);
        damage.push_str("; they are read as zeros");
    }
    arrangement.damage.push(damage);
}

/// All planes must be alike, and together not larger than the files can hold.
fn check_planes(files: &[TiffFile], planes: &[Option<Plane>], page: &Page) -> Result<()> {
    let mut total = 0u64;
    for plane in planes.iter().flatten() {
        let other = &files[plane.file].pages[plane.page];
        if other.kind() != page.kind() {
            return Err(Error::file(
                files[plane.file].input.path(),
                format!(
                    "page {} has {}×{} pixels of {} × {} where the first has {}×{} of {} × {}",
                    plane.page + 1,
                    other.width,
                    other.height,
                    other.samples,
                    other.voxel,
                    page.width,
                    page.height,
                    page.samples,
                    page.voxel
                ),
            ));
        }
        total = total.saturating_add(other.voxel_bytes());
    }
    let length: u64 = files.iter().map(|f| f.input.length()).sum();
    // Unpacking bits takes at most 8 times, widening halves 2 times the decoded bytes.
    if total > length.saturating_mul(1 << 19) {
        return Err(Error::file(
            files[0].input.path(),
            format!("its pages promise {total} bytes of voxels, which a file of {length} bytes cannot hold"),
        ));
    }
    Ok(())
}

/// The plain case: the pages of the commonest kind are the slices.
pub(super) fn pages_as_slices(file: &TiffFile) -> Arrangement {
    let mut kinds: Vec<(Kind, Vec<usize>, u64)> = Vec::new();
    let full = file.pages.iter().any(|p| !p.reduced);
    let mut position = std::collections::HashMap::new();
    for (index, page) in file.pages.iter().enumerate() {
        if full && page.reduced {
            continue;
        }
        let at = *position.entry(page.kind()).or_insert_with(|| {
            kinds.push((page.kind(), Vec::new(), 0));
            kinds.len() - 1
        });
        kinds[at].1.push(index);
        kinds[at].2 = kinds[at].2.saturating_add(page.voxel_bytes());
    }
    // The largest series; of equals, the first.
    let best = (0..kinds.len()).rev().max_by_key(|&i| kinds[i].2).unwrap_or(0);
    let pages = std::mem::take(&mut kinds[best].1);
    let mut arrangement = Arrangement {
        z: pages.len(),
        c: 1,
        t: 1,
        planes: pages.iter().map(|&page| Some(Plane { file: 0, page, shift: 0 })).collect(),
        ..Arrangement::default()
    };
    let read = pages.len() + file.pages.iter().filter(|p| full && p.reduced).count();
    if read < file.pages.len() {
        arrangement.notes.push(format!(
            "{} of {} pages are read: the others differ in shape or type",
            pages.len(),
            file.pages.len()
        ));
    }
    arrangement
}

/// The JSON description of the Python library `tifffile`: `{"shape": [31, 61, 57], "axes": …}`.
fn shaped(text: &str, file: &TiffFile) -> Arrangement {
    let plain = pages_as_slices(file);
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else { return plain };
    let Some(shape) = json["shape"].as_array() else { return plain };
    let mut shape: Vec<usize> =
        shape.iter().filter_map(serde_json::Value::as_u64).map(|v| v as usize).collect();
    let page = &file.pages[0];
    let mut axes: Option<Vec<char>> =
        json["axes"].as_str().map(|a| a.chars().collect()).filter(|a: &Vec<char>| a.len() == shape.len());
    // Strip what one page holds: samples, columns, rows.
    let drop = |shape: &mut Vec<usize>, axes: &mut Option<Vec<char>>, at: usize| {
        shape.remove(at);
        if let Some(axes) = axes {
            axes.remove(at);
        }
    };
    if page.samples > 1 {
        let at = if page.planar { shape.len().checked_sub(3) } else { shape.len().checked_sub(1) };
        match at {
            Some(at) if shape[at] == page.samples => drop(&mut shape, &mut axes, at),
            _ => return plain,
        }
    }
    for extent in [page.width, page.height] {
        match shape.last() {
            Some(&n) if n == extent => {
                let at = shape.len() - 1;
                drop(&mut shape, &mut axes, at);
            }
            _ => return plain,
        }
    }
    let Some(count) = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|&n| n > 0) else {
        return plain;
    };
    let Some(planes) = planes_of(file, count) else {
        let mut plain = plain;
        if plain.z < count {
            plain.damage.push(format!(
                "the description promises {count} planes, the file has {}; those are read",
                plain.z
            ));
        }
        return plain;
    };
    // Axes that are neither time nor channel are slices.
    let role = |i: usize| axes.as_ref().map_or('Z', |a| a[i]);
    let extent =
        |name: char| (0..shape.len()).filter(|&i| role(i) == name).map(|i| shape[i]).product::<usize>();
    let (t, c) = (extent('T'), extent('C'));
    let z = count / (t * c);
    let mut ordered = vec![None; count];
    for (flat, plane) in planes.into_iter().enumerate() {
        let (mut rest, mut index) = (flat, vec![0; shape.len()]);
        for i in (0..shape.len()).rev() {
            index[i] = rest % shape[i];
            rest /= shape[i];
        }
        let (mut at_t, mut at_c, mut at_z) = (0, 0, 0);
        for i in 0..shape.len() {
            match role(i) {
                'T' => at_t = at_t * shape[i] + index[i],
                'C' => at_c = at_c * shape[i] + index[i],
                _ => at_z = at_z * shape[i] + index[i],
            }
        }
        ordered[(at_t * c + at_c) * z + at_z] = Some(plane);
    }
    let mut metadata = BTreeMap::new();
    let number = |key: &str| json[key].as_f64().filter(|v| v.is_finite() && *v > 0.0);
    if let Some(fields) = json.as_object() {
        for (key, value) in fields {
            metadata.insert(key.clone(), value.to_string());
        }
    }
    let mut arrangement = Arrangement {
        z,
        c,
        t,
        planes: ordered,
        channels: json["channels"]
            .as_array()
            .map(|names| {
                let name = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
                names.iter().map(|v| Channel { name: name(v), color: None }).collect()
            })
            .unwrap_or_default(),
        notes: plain.notes,
        metadata,
        ..Arrangement::default()
    };
    let text = |key: &str| json[key].as_str();
    let unit = |axis: &str| text(&format!("PhysicalSize{axis}Unit")).or(text("unit"));
    // A unit says what the resolution tags count in, whatever they say themselves.
    let [y, x] = if text("unit").is_some() { pixel_size(file) } else { [None; 2] };
    arrangement.set_spacing(
        [
            number("PhysicalSizeZ").or(number("spacing")),
            number("PhysicalSizeY").or(y),
            number("PhysicalSizeX").or(x),
        ],
        ["Z", "Y", "X"].map(unit),
    );
    let step = number("TimeIncrement").or(number("finterval"));
    arrangement.set_time_step(step, text("TimeIncrementUnit").unwrap_or("s"));
    arrangement
}

/// The first `count` planes of a file in order: a page each, or, where one page stands for all, one
/// after the other from where it begins. None where the file has neither.
pub(super) fn planes_of(file: &TiffFile, count: usize) -> Option<Vec<Plane>> {
    let page = &file.pages[0];
    let alike = file.pages.iter().take_while(|p| p.kind() == page.kind()).count();
    if alike >= count {
        return Some((0..count).map(|page| Plane { file: 0, page, shift: 0 }).collect());
    }
    if file.pages.len() > 1 || !page.is_plain() || page.tiled {
        return None;
    }
    let chunks = page.chunks(&file.input, file.dialect).ok()?;
    let stride = page.voxel_bytes();
    let end = stride.checked_mul(count as u64)?.checked_add(chunks.first()?.0)?;
    let contiguous = chunks.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0);
    (contiguous && end <= file.input.length())
        .then(|| (0..count).map(|i| Plane { file: 0, page: 0, shift: stride * i as u64 }).collect())
}

fn info(page: &Page, files: &[TiffFile], first: Plane, arrangement: &mut Arrangement) -> Result<ImageInfo> {
    let (t, c, z) = (arrangement.t, arrangement.c, arrangement.z);
    let file = &files[first.file];
    if arrangement.unit == Unit::Voxel
        && arrangement.spacing[1].is_none()
        && let Some((spacing, unit)) = resolution(page, file, arrangement.spacing[0], &mut arrangement.notes)
    {
        (arrangement.spacing, arrangement.unit) = (spacing, unit);
        arrangement.note_missing_z();
    }
    let x = arrangement.spacing[2].unwrap_or(1.0);
    let y = arrangement.spacing[1].unwrap_or(x);
    let z_spacing = arrangement.spacing[0].unwrap_or(x);
    let geometry = Geometry::from_spacing([z_spacing, y, x], arrangement.unit);
    let samples = sample_channels(page);
    let mut channels = std::mem::take(&mut arrangement.channels);
    if channels.len() != c * page.samples {
        let given = channels;
        channels = (0..c)
            .flat_map(|i| {
                let given = given.get(i).cloned().unwrap_or_default();
                samples.iter().map(move |sample| match (sample.name.is_empty(), given.name.is_empty()) {
                    (true, _) => given.clone(),
                    (false, true) => sample.clone(),
                    (false, false) => {
                        Channel { name: format!("{} {}", given.name, sample.name), color: sample.color }
                    }
                })
            })
            .collect();
    }
    let shape = [z, page.height, page.width];
    shape
        .iter()
        .chain([&t, &channels.len()])
        .try_fold(page.voxel.size(), |n, &s| n.checked_mul(s))
        .ok_or_else(|| Error::file(file.input.path(), "has more voxels than can be counted"))?;
    Ok(ImageInfo {
        format: "tiff",
        levels: vec![Level { shape, geometry, chunk: levels::cheapest(page) }],
        voxel: arrangement.calibration.as_ref().map_or(page.voxel, |c| c.voxel(page.voxel)),
        channels,
        times: t,
        time_step: arrangement.time_step,
        labels: false,
        calibration: arrangement.calibration.take(),
        notes: arrangement.damage.iter().cloned().chain(std::mem::take(&mut arrangement.notes)).collect(),
        damage: std::mem::take(&mut arrangement.damage),
        datasets: Vec::new(),
        metadata: std::mem::take(&mut arrangement.metadata),
    })
}
