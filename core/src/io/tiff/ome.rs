//! OME-XML in the first page's description.
//!
//! Source: the OME data model and OME-TIFF specification, 2016-06 (Open Microscopy Environment).

use super::layout::{Arrangement, pages_as_slices};
use super::stack::{Plane, TiffFile};
use crate::io::Channel;
use crate::{Error, Result};
use roxmltree::{Document, Node};
use std::path::Path;

/// Whether a description is OME-XML.
pub(super) fn is_ome(text: &str) -> bool {
    let start: String = text.trim_start_matches('\u{feff}').trim_start().chars().take(1024).collect();
    start.starts_with('<') && start.contains("<OME") || text.trim_end().ends_with("</OME>")
}

/// Arranges the pages as the XML says; opens other files of the set where it names some.
pub(super) fn arrange(text: &str, files: &mut Vec<TiffFile>) -> Result<Arrangement> {
    let path = files[0].input.path().to_owned();
    let plain = |files: &[TiffFile], note: String| {
        let mut plain = pages_as_slices(&files[0]);
        plain.notes.push(note);
        Ok(plain)
    };
    let document = match Document::parse(text.trim_start_matches('\u{feff}')) {
        Ok(document) => document,
        Err(e) => return plain(files, format!("the OME-XML is damaged ({e}); pages are read as slices")),
    };
    let mut images = document.descendants().filter(|n| n.has_tag_name_ignoring_namespace("Pixels"));
    let Some(pixels) = images.next() else {
        return plain(
            files,
            "the OME-XML describes no pixels (they may be in a companion file); pages are read as slices"
                .into(),
        );
    };
    let size = |name: &str| match pixels.attribute(name).and_then(|v| v.trim().parse::<usize>().ok()) {
        Some(n @ 1..=0x7fff_ffff) => Ok(n),
        _ => Err(Error::file(
            &path,
            format!("OME-XML {name} is {:?}", pixels.attribute(name).unwrap_or("missing")),
        )),
    };
    let (z, t, all_channels) = (size("SizeZ")?, size("SizeT")?, size("SizeC")?);
    let (width, height) = (size("SizeX")?, size("SizeY")?);
    let first = files[0].pages.iter().position(|p| (p.width, p.height) == (width, height)).unwrap_or(0);
    let page = &files[0].pages[first];
    if (page.width, page.height) != (width, height) {
        return plain(
            files,
            format!(
                "OME-XML SizeX and SizeY are {width}×{height}, but the page has {}×{}; pages are read as slices",
                page.width, page.height
            ),
        );
    }
    let samples = page.samples;
    let c = if all_channels.is_multiple_of(samples) { all_channels / samples } else { all_channels };
    let count = z.checked_mul(t).and_then(|n| n.checked_mul(c)).filter(|&n| n as u64 <= 1 << 32);
    let Some(count) = count else {
        return Err(Error::file(&path, format!("OME-XML promises {z}×{c}×{t} planes")));
    };
    let given: usize = pixels.children().filter(|n| n.has_tag_name_ignoring_namespace("TiffData")).count();
    // A set of many files is described by as many blocks; otherwise missing planes are few.
    if count > (files[0].pages.len() + given) * 64 + 65_536 {
        return Err(Error::file(
            &path,
            format!("OME-XML promises {count} planes, the file has {} pages", files[0].pages.len()),
        ));
    }
    let mut arrangement = Arrangement { z, c, t, planes: vec![None; count], ..Arrangement::default() };
    let order = Order::new(pixels.attribute("DimensionOrder").unwrap_or("XYZCT"), [z, c, t], samples);
    place(pixels, &order, files, &mut arrangement);
    describe(pixels, &mut arrangement);
    if images.next().is_some() {
        arrangement.notes.push("the OME-XML describes several images; the first is read".into());
    }
    let missing = arrangement.planes.iter().filter(|p| p.is_none()).count();
    if missing > 0 {
        arrangement
            .damage
            .push(format!("{missing} of {count} planes are not in the file; they are read as zeros"));
    }
    Ok(arrangement)
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
struct Order {
    axes: [char; 3],
    sizes: [usize; 3],
    samples: usize,
}

impl Order {
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

fn place(pixels: Node, order: &Order, files: &mut Vec<TiffFile>, arrangement: &mut Arrangement) {
    let total = arrangement.planes.len();
    let blocks: Vec<Node> =
        pixels.children().filter(|n| n.has_tag_name_ignoring_namespace("TiffData")).collect();
    if blocks.is_empty() {
        for rank in 0..total.min(files[0].pages.len()) {
            arrangement.planes[order.index(rank)] = Some(Plane { file: 0, page: rank, shift: 0 });
        }
        return;
    }
    for block in blocks {
        let number = |name: &str| block.attribute(name).and_then(|v| v.trim().parse::<usize>().ok());
        let file = match file_of(block, files) {
            Ok(file) => file,
            Err(note) => {
                if arrangement.notes.len() < 16 {
                    arrangement.notes.push(note);
                }
                continue;
            }
        };
        let start = number("IFD").unwrap_or(0);
        let named = number("IFD").is_some();
        let pages = files[file].pages.len();
        let planes = number("PlaneCount").unwrap_or(if named { 1 } else { pages }).min(pages);
        let at = |name| number(name).unwrap_or(0);
        let c = at("FirstC") / order.samples;
        let inside =
            at("FirstZ") < order.extent('Z') && c < order.extent('C') && at("FirstT") < order.extent('T');
        if !inside {
            continue;
        }
        let rank = order.rank([at("FirstZ"), c, at("FirstT")]);
        for i in 0..planes {
            let (rank, page) = (rank.saturating_add(i), start.saturating_add(i));
            if rank < total && page < pages {
                arrangement.planes[order.index(rank)] = Some(Plane { file, page, shift: 0 });
            }
        }
    }
}

/// The file that a block of planes lies in: this one, or another of the set, opened when first
/// named. A note where it is not there.
fn file_of(block: Node, files: &mut Vec<TiffFile>) -> std::result::Result<usize, String> {
    let uuid = block.children().find(|n| n.has_tag_name_ignoring_namespace("UUID"));
    let Some(name) = uuid.and_then(|n| n.attribute("FileName")) else { return Ok(0) };
    // A name, never a path: a file must not reach outside its folder.
    let Some(name) = Path::new(name).file_name() else { return Ok(0) };
    if let Some(i) = files.iter().position(|f| f.input.path().file_name() == Some(name)) {
        return Ok(i);
    }
    let path = files[0].input.path().with_file_name(name);
    if !path.is_file() {
        // A file that was renamed still names itself by its old name.
        let root_uuid = block.document().root_element().attribute("UUID");
        if root_uuid.is_some() && uuid.and_then(|n| n.text()).map(str::trim) == root_uuid {
            return Ok(0);
        }
        if files.len() == 1 && root_uuid.is_none() {
            return Ok(0);
        }
        return Err(format!("the file {} of the set is not there", name.display()));
    }
    match TiffFile::open(&path) {
        Ok(mut file) => {
            file.input.close();
            files.push(file);
            Ok(files.len() - 1)
        }
        Err(e) => Err(format!("a file of the set cannot be read: {e}")),
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
