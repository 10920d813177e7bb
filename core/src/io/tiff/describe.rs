//! What the tags of a page say to a person: notes, names of channels, spacing.

use super::layout::Arrangement;
use super::page::Page;
use super::stack::TiffFile;
use crate::Unit;
use crate::io::Channel;

/// Notes and fields that follow from the page alone.
pub(super) fn describe_page(page: &Page, arrangement: &mut Arrangement) {
    use super::page::SampleFormat::{ComplexFloat, ComplexInt};
    let mut note = |text: &str| arrangement.notes.push(text.to_owned());
    match page.photometric {
        0 => note("PhotometricInterpretation is 0 (white is zero); the values are left as they are stored"),
        3 => note("the values are indices into the file's colour palette; the palette is not applied"),
        6 if page.compression == super::page::Compression::None => {
            note("the channels are Y, Cb, Cr as stored");
        }
        8..=10 => note("the channels are L, a, b as stored"),
        _ => {}
    }
    if page.orientation != 1 {
        note(&format!("Orientation is {}; rows and columns are left as they are stored", page.orientation));
    }
    if matches!(page.format, ComplexFloat | ComplexInt) {
        note("complex values are read as their magnitude");
    }
    let metadata = &mut arrangement.metadata;
    metadata.insert("Compression".into(), format!("{:?}", page.compression));
    metadata.insert("BitsPerSample".into(), page.bits.to_string());
    metadata.insert("PhotometricInterpretation".into(), page.photometric.to_string());
}

/// Names of the samples of a pixel.
pub(super) fn sample_channels(page: &Page) -> Vec<Channel> {
    let named = |names: &[(&str, Option<[u8; 3]>)]| {
        (0..page.samples)
            .map(|i| match names.get(i) {
                Some((name, color)) => Channel { name: (*name).to_owned(), color: *color },
                None if i == names.len() && matches!(page.photometric, 0..=2) => {
                    Channel { name: "alpha".into(), color: None }
                }
                None => Channel::default(),
            })
            .collect()
    };
    let (r, g, b) = (Some([255, 0, 0]), Some([0, 255, 0]), Some([0, 0, 255]));
    match (page.photometric, page.samples) {
        (_, 1) => vec![Channel::default()],
        (2 | 6, 3..) => named(&[("red", r), ("green", g), ("blue", b)]),
        (5, 4..) => named(&[("cyan", None), ("magenta", None), ("yellow", None), ("black", None)]),
        (8..=10, 3..) => named(&[("L", None), ("a", None), ("b", None)]),
        (0 | 1, 2) => named(&[("grey", None)]),
        _ => named(&[]),
    }
}

fn first_number(page: &Page, file: &TiffFile, tag: u16) -> Option<f64> {
    let values = page.ifd.get(tag)?.numbers(&file.input, file.dialect).ok()?;
    values.first().copied().filter(|v| v.is_finite() && *v > 0.0)
}

/// Size `[y, x]` of a pixel from the resolution tags of the first page, in whatever they count.
pub(super) fn pixel_size(file: &TiffFile) -> [Option<f64>; 2] {
    pixel_size_of(&file.pages[0], file)
}

/// Size `[y, x]` of a pixel from the resolution tags of a page.
pub(super) fn pixel_size_of(page: &Page, file: &TiffFile) -> [Option<f64>; 2] {
    [283, 282].map(|tag| Some(1.0 / first_number(page, file, tag)?).filter(|v| v.is_finite()))
}

/// Spacing `[z, y, x]` from the resolution tags, in millimetres or, below 10 µm, micrometres; `z` is a distance between
/// slices that has no unit of its own, and so has that of the tags.
pub(super) fn resolution(
    page: &Page,
    file: &TiffFile,
    z: Option<f64>,
    notes: &mut Vec<String>,
) -> Option<([Option<f64>; 3], Unit)> {
    let number = |tag| first_number(page, file, tag);
    let (x, y) = (number(282)?, number(283)?);
    let millimetres = match number(296).unwrap_or(2.0) as i64 {
        2 => 25.4,
        3 => 10.0,
        _ => return None,
    };
    let dpi = x * 25.4 / millimetres;
    if [72.0, 96.0, 100.0, 150.0, 200.0, 204.0, 300.0, 400.0, 600.0, 1200.0]
        .iter()
        .any(|d| (dpi - d).abs() < 0.1)
    {
        notes.push(format!(
            "XResolution of {dpi:.0} dots per inch is a printer's or screen's, not taken for the voxel size"
        ));
        return None;
    }
    let spacing = [z.map(|z| z * millimetres), Some(millimetres / y), Some(millimetres / x)];
    Some(if millimetres / x < 0.01 {
        (spacing.map(|s| s.map(|s| s * 1000.0)), Unit::Micrometre)
    } else {
        (spacing, Unit::Millimetre)
    })
}
