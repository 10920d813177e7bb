//! OME-XML in the first page's description, or in a companion file: one image or several, in one file or in a set.
//!
//! Source: the OME data model and OME-TIFF specification, 2016-06 (Open Microscopy Environment).

mod images;
mod set;

pub(super) use set::{companion, is_companion, set_of};

use super::layout::Arrangement;
use super::series::pages_as_slices;
use super::stack::{Plane, TiffFile};
use crate::io::Channel;
use crate::{Error, Result};
use roxmltree::{Document, Node};
use set::Set;
use std::path::Path;

/// Whether a description is OME-XML.
pub(super) fn is_ome(text: &str) -> bool {
    let start: String = text.trim_start_matches('\u{feff}').trim_start().chars().take(1024).collect();
    start.starts_with('<') && start.contains("<OME") || text.trim_end().ends_with("</OME>")
}

/// Arranges the pages of one image as the XML says; opens other files of the set where it names some. The image is the
/// one that is wanted, or the first that the opened file has planes of.
pub(super) fn arrange(text: &str, files: &mut Vec<TiffFile>, wanted: Option<&str>) -> Result<Arrangement> {
    let path = files[0].input.path().to_owned();
    let plain = |files: &[TiffFile], note: String| {
        let mut plain = pages_as_slices(&files[0]);
        plain.notes.push(note);
        Ok(plain)
    };
    let described;
    let text = match set::described_elsewhere(text, &path) {
        None => text,
        Some(Ok(text)) => {
            described = text;
            &described
        }
        Some(Err(reason)) => return plain(files, format!("{reason}; pages are read as slices")),
    };
    let document = match Document::parse(text.trim_start_matches('\u{feff}')) {
        Ok(document) => document,
        Err(e) => return plain(files, format!("the OME-XML is damaged ({e}); pages are read as slices")),
    };
    let images = images::list(&document);
    if images.is_empty() {
        return plain(files, "the OME-XML describes no pixels; pages are read as slices".into());
    }
    let names: Vec<&str> = images.iter().map(|i| i.info.name.as_str()).collect();
    let at = match wanted {
        Some(wanted) => crate::io::options::choose(wanted, &names)
            .map_err(|hint| Error::file(&path, format!("holds no image \"{wanted}\"{hint}")))?,
        None => images.iter().position(|i| set::is_member(i.pixels, &path)).unwrap_or(0),
    };
    let mut arrangement = match one(images[at].pixels, files, &path)? {
        Ok(arrangement) => arrangement,
        // Pages that are not as the XML says can be slices, but not of a particular image.
        Err(reason) if images.len() == 1 => {
            return plain(files, format!("{reason}; pages are read as slices"));
        }
        Err(reason) => return Err(Error::file(&path, format!("image \"{}\": {reason}", names[at]))),
    };
    if images.len() > 1 {
        arrangement.datasets = images.into_iter().map(|i| i.info).collect();
        arrangement.open = at;
    }
    Ok(arrangement)
}

/// Arranges the planes of one image. The inner error says how the pages contradict the XML.
fn one(
    pixels: Node,
    files: &mut Vec<TiffFile>,
    path: &Path,
) -> Result<std::result::Result<Arrangement, String>> {
    let size = |name: &str| match pixels.attribute(name).and_then(|v| v.trim().parse::<usize>().ok()) {
        Some(n @ 1..=0x7fff_ffff) => Ok(n),
        _ => Err(Error::file(
            path,
            format!("OME-XML {name} is {:?}", pixels.attribute(name).unwrap_or("missing")),
        )),
    };
    let (z, t, all_channels) = (size("SizeZ")?, size("SizeT")?, size("SizeC")?);
    let (width, height) = (size("SizeX")?, size("SizeY")?);
    let mut set = Set::new(files);
    let page = match set.first_page(pixels, [width, height]) {
        Ok(page) => page,
        Err(reason) => return Ok(Err(reason)),
    };
    let samples = page.samples;
    if (page.width, page.height) != (width, height) {
        return Ok(Err(format!(
            "OME-XML SizeX and SizeY are {width}×{height}, but the page has {}×{}",
            page.width, page.height
        )));
    }
    let c = if all_channels.is_multiple_of(samples) { all_channels / samples } else { all_channels };
    let count = z.checked_mul(t).and_then(|n| n.checked_mul(c)).filter(|&n| n as u64 <= 1 << 32);
    let Some(count) = count else {
        return Err(Error::file(path, format!("OME-XML promises {z}×{c}×{t} planes")));
    };
    let given: usize = pixels.children().filter(|n| n.has_tag_name_ignoring_namespace("TiffData")).count();
    let pages = set.files[0].pages.len();
    // A set of many files is described by as many blocks; otherwise missing planes are few.
    if count > (pages + given) * 64 + 65_536 {
        return Err(Error::file(
            path,
            format!("OME-XML promises {count} planes, the file has {pages} pages"),
        ));
    }
    let mut arrangement = Arrangement { z, c, t, planes: vec![None; count], ..Arrangement::default() };
    let order = PlaneOrder::new(pixels.attribute("DimensionOrder").unwrap_or("XYZCT"), [z, c, t], samples);
    place(pixels, &order, &mut set, &mut arrangement);
    describe(pixels, &mut arrangement);
    let missing = arrangement.planes.iter().filter(|p| p.is_none()).count();
    if missing > 0 {
        arrangement.damage.push(format!("{missing} of {count} planes are not there; they are read as zeros"));
    }
    Ok(Ok(arrangement))
}

trait IgnoreNamespace {
    fn has_tag_name_ignoring_namespace(&self, name: &str) -> bool;
}

impl IgnoreNamespace for Node<'_, '_> {
    fn has_tag_name_ignoring_namespace(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// How the planes of one image follow each other.
struct PlaneOrder {
    axes: [char; 3],
    sizes: [usize; 3],
    samples: usize,
}

impl PlaneOrder {
    fn new(order: &str, [z, c, t]: [usize; 3], samples: usize) -> Self {
        let mut axes = ['Z', 'C', 'T'];
        let tail: Vec<char> = order.chars().skip(2).collect();
        if let Ok(given) = <[char; 3]>::try_from(tail)
            && axes.iter().all(|a| given.contains(a))
        {
            axes = given;
        }
        let sizes = axes.map(|a| match a {
            'Z' => z,
            'C' => c,
            _ => t,
        });
        Self { axes, sizes, samples }
    }

    fn extent(&self, axis: char) -> usize {
        (0..3).find(|&i| self.axes[i] == axis).map_or(1, |i| self.sizes[i])
    }

    /// Position in the sequence of planes of a slice, channel and time.
    fn rank(&self, [z, c, t]: [usize; 3]) -> usize {
        let at = self.axes.map(|a| match a {
            'Z' => z,
            'C' => c,
            _ => t,
        });
        at[0] + self.sizes[0] * (at[1] + self.sizes[1] * at[2])
    }

    /// Index into `[t][c][z]` of the plane at a position in the sequence.
    fn index(&self, rank: usize) -> usize {
        let at = [
            rank % self.sizes[0],
            rank / self.sizes[0] % self.sizes[1],
            rank / self.sizes[0] / self.sizes[1] % self.sizes[2],
        ];
        let of = |axis: char| (0..3).find(|&i| self.axes[i] == axis).map_or(0, |i| at[i]);
        (of('T') * self.extent('C') + of('C')) * self.extent('Z') + of('Z')
    }
}

fn place(pixels: Node, order: &PlaneOrder, set: &mut Set, arrangement: &mut Arrangement) {
    let total = arrangement.planes.len();
    let blocks: Vec<Node> =
        pixels.children().filter(|n| n.has_tag_name_ignoring_namespace("TiffData")).collect();
    if blocks.is_empty() {
        for rank in 0..total.min(set.files[0].pages.len()) {
            arrangement.planes[order.index(rank)] = Some(Plane { file: 0, page: rank, shift: 0 });
        }
        return;
    }
    for block in blocks {
        let number = |name: &str| block.attribute(name).and_then(|v| v.trim().parse::<usize>().ok());
        let at = |name| number(name).unwrap_or(0);
        let c = at("FirstC") / order.samples;
        let inside =
            at("FirstZ") < order.extent('Z') && c < order.extent('C') && at("FirstT") < order.extent('T');
        if !inside {
            continue;
        }
        let rank = order.rank([at("FirstZ"), c, at("FirstT")]);
        let start = number("IFD").unwrap_or(0);
        let count = number("PlaneCount").or(number("IFD").map(|_| 1));
        let file = match set.file_of(block) {
            Ok(file) => file,
            Err(note) => {
                if arrangement.damage.len() < 16 && !arrangement.damage.contains(&note) {
                    arrangement.damage.push(note);
                }
                continue;
            }
        };
        let pages = set.files[file].pages.len();
        let planes = count.unwrap_or(pages).min(pages);
        for i in 0..planes {
            let (rank, page) = (rank.saturating_add(i), start.saturating_add(i));
            if rank < total && page < pages {
                arrangement.planes[order.index(rank)] = Some(Plane { file, page, shift: 0 });
            }
        }
    }
}

fn describe(pixels: Node, arrangement: &mut Arrangement) {
    let number = |name: &str| {
        pixels
            .attribute(name)
            .and_then(|v| v.trim().parse::<f64>().ok())
            .filter(|v| v.is_finite() && *v > 0.0)
    };
    // µm where the file doesn't say.
    let unit = |axis: &str| {
        number(&format!("PhysicalSize{axis}"))?;
        Some(pixels.attribute(format!("PhysicalSize{axis}Unit").as_str()).unwrap_or("µm"))
    };
    let sizes = ["Z", "Y", "X"].map(|axis| number(&format!("PhysicalSize{axis}")));
    arrangement.set_spacing(sizes, ["Z", "Y", "X"].map(unit));
    let step = pixels.attribute("TimeIncrementUnit").unwrap_or("s");
    arrangement.set_time_step(number("TimeIncrement"), step);
    arrangement.channels = pixels
        .children()
        .filter(|n| n.has_tag_name_ignoring_namespace("Channel"))
        .map(|n| Channel {
            name: n.attribute("Name").unwrap_or_default().to_owned(),
            // A signed 32-bit number that holds red, green, blue, alpha from the high byte.
            color: n.attribute("Color").and_then(|v| v.parse::<i32>().ok()).map(|v| {
                let [r, g, b, _] = v.to_be_bytes();
                [r, g, b]
            }),
        })
        .collect();
    for attribute in pixels.attributes() {
        arrangement.metadata.insert(format!("OME {}", attribute.name()), attribute.value().to_owned());
    }
    if let Some(name) = pixels.parent().and_then(|n| n.attribute("Name")) {
        arrangement.metadata.insert("OME Name".into(), name.to_owned());
    }
}
