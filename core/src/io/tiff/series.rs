//! Files that no program but `tifffile` describes: series of pages of one shape and type.

use super::describe::pixel_size_of;
use super::layout::Arrangement;
use super::page::{Kind, Page};
use super::stack::{Plane, TiffFile};
use crate::io::{Channel, DatasetInfo};
use crate::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A series of pages.
struct Series {
    pages: Vec<usize>,
    /// The description of its first page, if that is `tifffile`'s.
    text: Option<String>,
    /// Bytes of voxels.
    bytes: u64,
}

impl Series {
    fn listed(&self, number: usize, file: &TiffFile) -> DatasetInfo {
        let page = &file.pages[self.pages[0]];
        let arrangement = self.arrange(file);
        let (first, last) = (self.pages[0] + 1, self.pages[self.pages.len() - 1] + 1);
        DatasetInfo {
            name: format!("series {}", number + 1),
            title: if first == last { format!("page {first}") } else { format!("pages {first} to {last}") },
            shape: [arrangement.z, page.height, page.width],
            channels: arrangement.c * page.samples,
            times: arrangement.t,
            voxel: page.voxel,
            open: false,
        }
    }

    fn arrange(&self, file: &TiffFile) -> Arrangement {
        let described = self.text.as_deref().and_then(|text| shaped(text, file, &self.pages));
        described.unwrap_or_else(|| slices(&self.pages))
    }
}

/// Pages as slices.
fn slices(pages: &[usize]) -> Arrangement {
    Arrangement {
        z: pages.len(),
        c: 1,
        t: 1,
        planes: pages.iter().map(|&page| Some(Plane { file: 0, page, shift: 0 })).collect(),
        ..Arrangement::default()
    }
}

fn is_shaped(text: &str) -> bool {
    text.starts_with("{\"shape\":")
}

/// The series of a file, in the order of their first pages. Reduced copies are in none.
fn list(file: &TiffFile) -> Vec<Series> {
    let full = file.pages.iter().any(|p| !p.reduced);
    let mut all: Vec<Series> = Vec::new();
    let mut position: HashMap<(Kind, usize), usize> = HashMap::new();
    let mut described = 0;
    // Planes that the description before still promises.
    let mut left = 0;
    for (index, page) in file.pages.iter().enumerate() {
        if full && page.reduced {
            continue;
        }
        let entry = page.ifd.get(270);
        let text = entry.and_then(|e| e.text(&file.input, file.dialect).ok()).filter(|t| is_shaped(t));
        if let Some(text) = &text {
            // Some programs repeat it on every page of a series; else it begins one, however like those before.
            let repeats = left > 0 && all.last().is_some_and(|series| series.text.as_ref() == Some(text));
            if !repeats {
                described += 1;
                left = promised(text, page).map_or(usize::MAX, |d| d.count);
            }
        }
        left = left.saturating_sub(1);
        let at = *position.entry((page.kind(), described)).or_insert_with(|| {
            all.push(Series { pages: Vec::new(), text, bytes: 0 });
            all.len() - 1
        });
        all[at].pages.push(index);
        all[at].bytes = all[at].bytes.saturating_add(page.voxel_bytes());
    }
    all
}

/// The largest series; of equals, the first.
fn largest(all: &[Series]) -> usize {
    (0..all.len()).rev().max_by_key(|&i| all[i].bytes).unwrap_or(0)
}

/// The series that is wanted, or the first if `tifffile` describes it, or the largest.
pub(super) fn arrange(file: &TiffFile, wanted: Option<&str>) -> Result<Arrangement> {
    let all = list(file);
    let default = if all.first().is_some_and(|s| s.text.is_some()) { 0 } else { largest(&all) };
    let at = choose(file, wanted, all.len(), default)?;
    let mut arrangement = all[at].arrange(file);
    if all.len() > 1 {
        arrangement.datasets = all.iter().enumerate().map(|(i, s)| s.listed(i, file)).collect();
        arrangement.open = at;
    }
    Ok(arrangement)
}

/// Whether the only series of a file is wanted.
///
/// # Errors
/// If another is.
pub(super) fn only(file: &TiffFile, wanted: Option<&str>) -> Result<()> {
    choose(file, wanted, 1, 0).map(|_| ())
}

fn choose(file: &TiffFile, wanted: Option<&str>, count: usize, default: usize) -> Result<usize> {
    let Some(wanted) = wanted else { return Ok(default) };
    let names: Vec<String> = (1..=count).map(|n| format!("series {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    crate::io::options::choose(wanted, &names)
        .map_err(|hint| Error::file(file.input.path(), format!("holds no image \"{wanted}\"{hint}")))
}

/// The plain case: the pages of the commonest kind are the slices.
pub(super) fn pages_as_slices(file: &TiffFile) -> Arrangement {
    let all = list(file);
    let mut arrangement = slices(&all[largest(&all)].pages);
    let full = file.pages.iter().any(|p| !p.reduced);
    let read = arrangement.z + file.pages.iter().filter(|p| full && p.reduced).count();
    if read < file.pages.len() {
        arrangement.notes.push(format!(
            "{} of {} pages are read: the others differ in shape or type",
            arrangement.z,
            file.pages.len()
        ));
    }
    arrangement
}

/// What the JSON description of the Python library `tifffile` promises: `{"shape": [31, 61, 57], "axes": …}`.
struct Promised {
    json: Value,
    /// The axes besides those of a page, with their names where it gives them.
    shape: Vec<usize>,
    axes: Option<Vec<char>>,
    /// Number of planes.
    count: usize,
}

/// Reads a description; none where it contradicts the page.
fn promised(text: &str, page: &Page) -> Option<Promised> {
    let json = serde_json::from_str::<Value>(text).ok()?;
    let shape = json["shape"].as_array()?;
    let mut shape: Vec<usize> = shape.iter().filter_map(Value::as_u64).map(|v| v as usize).collect();
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
        let at = shape.len().checked_sub(if page.planar { 3 } else { 1 })?;
        if shape[at] != page.samples {
            return None;
        }
        drop(&mut shape, &mut axes, at);
    }
    for extent in [page.width, page.height] {
        let at = shape.len().checked_sub(1)?;
        if shape[at] != extent {
            return None;
        }
        drop(&mut shape, &mut axes, at);
    }
    let count = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s)).filter(|&n| n > 0)?;
    Some(Promised { json, shape, axes, count })
}

/// The planes of a series that `tifffile` describes. None where the description contradicts the pages.
fn shaped(text: &str, file: &TiffFile, pages: &[usize]) -> Option<Arrangement> {
    let page = &file.pages[pages[0]];
    let Promised { json, shape, axes, count } = promised(text, page)?;
    let Some(planes) = planes_in(file, pages, count) else {
        let mut plain = slices(pages);
        if plain.z < count {
            plain.damage.push(format!(
                "the description promises {count} planes, the file has {}; those are read",
                plain.z
            ));
        }
        return Some(plain);
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
                let name = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                names.iter().map(|v| Channel { name: name(v), color: None }).collect()
            })
            .unwrap_or_default(),
        metadata,
        ..Arrangement::default()
    };
    let text = |key: &str| json[key].as_str();
    let unit = |axis: &str| text(&format!("PhysicalSize{axis}Unit")).or(text("unit"));
    // A unit says what the resolution tags count in, whatever they say themselves.
    let [y, x] = if text("unit").is_some() { pixel_size_of(page, file) } else { [None; 2] };
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
    Some(arrangement)
}

/// The first `count` planes of a file in order: a page each, or, where one page stands for all, one after the other from
/// where it begins. None where the file has neither.
pub(super) fn planes_of(file: &TiffFile, count: usize) -> Option<Vec<Plane>> {
    let alike = file.pages.iter().take_while(|p| p.kind() == file.pages[0].kind()).count();
    // Other pages would lie between planes that one page stands for.
    let pages: Vec<usize> =
        if alike >= count { (0..alike).collect() } else { (0..file.pages.len()).collect() };
    planes_in(file, &pages, count)
}

/// The first `count` planes of some pages.
fn planes_in(file: &TiffFile, pages: &[usize], count: usize) -> Option<Vec<Plane>> {
    if pages.len() >= count {
        return Some(pages[..count].iter().map(|&page| Plane { file: 0, page, shift: 0 }).collect());
    }
    let &[at] = pages else { return None };
    let page: &Page = &file.pages[at];
    if !page.is_plain() || page.tiled {
        return None;
    }
    let chunks = page.chunks(&file.input, file.dialect).ok()?;
    let stride = page.voxel_bytes();
    let end = stride.checked_mul(count as u64)?.checked_add(chunks.first()?.0)?;
    let contiguous = chunks.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0);
    (contiguous && end <= file.input.length())
        .then(|| (0..count).map(|i| Plane { file: 0, page: at, shift: stride * i as u64 }).collect())
}
