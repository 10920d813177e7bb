//! From pages to an image: which page is which slice, channel and time, and how large a voxel is.

use super::describe::{describe_page, resolution, sample_channels};
use super::ome;
use super::page::Page;
use super::stack::{Plane, Stack, TiffFile};
use super::{imagej, levels, series};
use crate::io::{Calibration, Channel, DatasetInfo, ImageInfo, Level};
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
    /// All images of the file or set, if there are several, and which of them this is.
    pub datasets: Vec<DatasetInfo>,
    pub open: usize,
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

/// Opens a file as an image: the one of several that is wanted, or the one that it is about.
pub(super) fn arrange(file: TiffFile, wanted: Option<&str>) -> Result<Stack> {
    let description = description(&file)?;
    arrange_as(file, description, wanted)
}

/// Opens a file that a text describes.
pub(super) fn arrange_as(file: TiffFile, description: Option<String>, wanted: Option<&str>) -> Result<Stack> {
    let mut files = vec![file];
    let arrangement = match description.as_deref() {
        Some(text) if ome::is_ome(text) => ome::arrange(text, &mut files, wanted)?,
        Some(text) if imagej::is_imagej(text) => {
            series::only(&files[0], wanted)?;
            imagej::arrange(text, &files[0])
        }
        _ => series::arrange(&files[0], wanted)?,
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
    if !arrangement.datasets.is_empty() {
        info.datasets = std::mem::take(&mut arrangement.datasets);
        info.choose(arrangement.open);
    }
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

pub(super) fn description(file: &TiffFile) -> Result<Option<String>> {
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
