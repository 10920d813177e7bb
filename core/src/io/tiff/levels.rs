//! Reduced copies of the pages as resolution levels: in SubIFDs, as OME-TIFF has them, or as pages
//! marked as reduced, as slide scanners write them.

use super::ifd::read_directory;
use super::page::Page;
use super::stack::{Plane, TiffFile};
use crate::Geometry;
use crate::io::Level;

/// Planes of one level, as many as of the finest, `[time][channel of pages][z]`.
pub(super) type Planes = Vec<Option<Plane>>;

/// Finds the levels below `planes`, finest first, and adds pages from SubIFDs to `files`.
pub(super) fn find(files: &mut [TiffFile], planes: &Planes, page: &Page) -> Vec<Planes> {
    let mut levels = from_sub_ifds(files, planes);
    levels.extend(from_reduced_pages(files, planes));
    levels.retain(|level| level.iter().flatten().all(|p| is_reduced(&files[p.file].pages[p.page], page)));
    levels.retain(|level| alike(files, level));
    let width =
        |level: &Planes| level.iter().flatten().next().map_or(0, |p| files[p.file].pages[p.page].width);
    levels.sort_by_key(|level| std::cmp::Reverse(width(level)));
    levels.dedup_by_key(|level| width(level));
    levels
}

fn alike(files: &[TiffFile], level: &Planes) -> bool {
    let mut kinds = level.iter().flatten().map(|p| files[p.file].pages[p.page].kind());
    kinds.next().is_some_and(|first| kinds.all(|kind| kind == first))
}

/// Whether a page is another one reduced by a whole factor, the same along rows and columns, and
/// with rounding of odd sizes either way.
fn is_reduced(small: &Page, full: &Page) -> bool {
    let factor = |full: usize, small: usize| (full as f64 / small as f64).round() as usize;
    let near = |full: usize, small: usize, f: usize| (full / f).abs_diff(small) <= 1;
    let f = factor(
        full.width.max(full.height),
        if full.width >= full.height { small.width } else { small.height },
    );
    let (_, _, samples, bits, format) = small.kind();
    (samples, bits, format) == (full.samples, full.bits, full.format)
        && f >= 2
        && near(full.width, small.width, f)
        && near(full.height, small.height, f)
}

fn from_sub_ifds(files: &mut [TiffFile], planes: &Planes) -> Vec<Planes> {
    let mut levels: Vec<Planes> = Vec::new();
    let mut budgets: Vec<u64> = files.iter().map(|f| f.input.length()).collect();
    for (index, plane) in planes.iter().enumerate() {
        let Some(plane) = plane else { continue };
        let file = &mut files[plane.file];
        let Some(entry) = file.pages[plane.page].ifd.get(330).copied() else { continue };
        let Ok(offsets) = entry.integers(&file.input, file.dialect) else { continue };
        for (level, offset) in offsets.into_iter().take(32).enumerate() {
            let directory = read_directory(&file.input, file.dialect, offset, &mut budgets[plane.file]);
            let Ok(mut page) = directory.and_then(|(ifd, _)| Page::parse(&file.input, file.dialect, ifd))
            else {
                continue;
            };
            if levels.len() <= level {
                levels.resize(level + 1, vec![None; planes.len()]);
            }
            page.sub = true;
            levels[level][index] = Some(Plane { file: plane.file, page: file.pages.len(), shift: 0 });
            file.pages.push(page);
        }
    }
    // A level of which planes are missing is none.
    levels
        .retain(|level| level.iter().zip(planes).all(|(reduced, full)| reduced.is_some() == full.is_some()));
    levels
}

fn from_reduced_pages(files: &[TiffFile], planes: &Planes) -> Vec<Planes> {
    let [file] = files else { return Vec::new() };
    let mut kinds = Vec::new();
    let mut levels: Vec<Planes> = Vec::new();
    for (index, page) in file.pages.iter().enumerate().filter(|(_, p)| p.reduced && !p.sub) {
        let at = kinds.iter().position(|k| *k == page.kind()).unwrap_or_else(|| {
            kinds.push(page.kind());
            levels.push(Vec::new());
            kinds.len() - 1
        });
        levels[at].push(Some(Plane { file: 0, page: index, shift: 0 }));
        if kinds.len() > 64 {
            return Vec::new();
        }
    }
    levels.retain(|level| level.len() == planes.len());
    levels
}

/// Describes a level: its shape, and where its voxels lie if each is the mean of the ones it covers.
pub(super) fn describe(page: &Page, full: &Page, depth: usize, geometry: &Geometry) -> Level {
    let factor = |full: usize, small: usize| (full as f64 / small as f64).round();
    let factors = [1.0, factor(full.height, page.height), factor(full.width, page.width)];
    Level {
        shape: [depth, page.height, page.width],
        geometry: geometry.binned(factors),
        chunk: [1, page.chunk[1].min(page.height), page.chunk[0].min(page.width)],
    }
}
