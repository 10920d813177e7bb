//! Files of other programs, with what their descriptions say of voxels: units, values, and slices that aren't there.

use crate::io::{Frame, ImageSource, OpenOptions, open};
use crate::{Unit, Volume};
use std::path::Path;

/// Voxels of the files below.
const SHAPE: [usize; 3] = [3, 2, 4];

/// A classic TIFF of 16 bits, one page for all slices as ImageJ writes it or a page each, with a resolution in pixels per
/// `unit` (1 none, 2 inch, 3 cm).
fn tiff(description: &str, resolution: [u32; 2], unit: u16, pages: bool, value: u16) -> Vec<u8> {
    let [depth, height, width] = SHAPE;
    let plane = height * width * 2;
    let mut text = description.as_bytes().to_vec();
    text.push(0);
    let mut out = b"II*\0\0\0\0\0".to_vec();
    out.extend(value.to_le_bytes().repeat(depth * height * width));
    let text_at = out.len() as u32;
    out.extend(&text);
    let rationals = out.len() as u32;
    resolution.into_iter().for_each(|count| out.extend([count.to_le_bytes(), 1u32.to_le_bytes()].concat()));
    let count = if pages { depth } else { 1 };
    let mut link = 4;
    for page in 0..count {
        let at = out.len() as u32;
        out[link..link + 4].copy_from_slice(&at.to_le_bytes());
        let entries: [(u16, u16, u32, u32); 12] = [
            (256, 4, 1, width as u32),
            (257, 4, 1, height as u32),
            (258, 3, 1, 16),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (270, 2, text.len() as u32, text_at),
            (273, 4, 1, (8 + page * plane) as u32),
            (278, 4, 1, height as u32),
            (279, 4, 1, plane as u32),
            (282, 5, 1, rationals),
            (283, 5, 1, rationals + 8),
            (296, 3, 1, u32::from(unit)),
        ];
        out.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            out.extend(tag.to_le_bytes().into_iter().chain(kind.to_le_bytes()));
            out.extend(count.to_le_bytes().into_iter().chain(value.to_le_bytes()));
        }
        link = out.len();
        out.extend([0; 4]);
    }
    out
}

fn opened(folder: &Path, bytes: &[u8]) -> Box<dyn ImageSource> {
    let path = folder.join("a.tif");
    std::fs::write(&path, bytes).unwrap();
    open(&path, &OpenOptions::default()).unwrap()
}

#[test]
fn every_axis_has_the_unit_that_the_description_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let check = |description: &str, tag: u16, wanted: [f64; 3], unit: Unit, note: &str| {
        let image = opened(folder.path(), &tiff(description, [2, 4], tag, true, 0));
        let info = image.info();
        assert_eq!((info.geometry().spacing(), info.geometry().unit), (wanted, unit), "{description}");
        let notes = info.notes.join("\n");
        assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{description}: {notes}");
    };
    let imagej = |lines: &str| format!("ImageJ=1.54f\nimages=3\nslices=3\n{lines}\n");
    for micron in ["micron", "um", "µm", "\\u00B5m", "\\u03BCm", "microns"] {
        let text = imagej(&format!("unit={micron}\nspacing=4.0"));
        check(&text, 2, [4.0, 0.25, 0.5], Unit::Micrometre, "");
    }
    check(&imagej("unit=micron\nzunit=mm\nspacing=0.002"), 2, [2.0, 0.25, 0.5], Unit::Micrometre, "");
    check(&imagej("unit=nm\nyunit=um\nspacing=4"), 1, [4.0, 250.0, 0.5], Unit::Nanometre, "");
    check(&imagej("unit=inch\nspacing=0.1"), 2, [2.54, 6.35, 12.7], Unit::Millimetre, "");
    check(
        &imagej("unit=furlong\nspacing=4"),
        1,
        [8.0, 0.5, 1.0],
        Unit::Voxel,
        "spacing along x, which is 0.5 furlong",
    );
    check(
        &imagej("unit=micron\nzunit=furlong\nspacing=4"),
        1,
        [1.0; 3],
        Unit::Voxel,
        "unit of axis z, \"furlong\"",
    );
    check(
        &imagej("unit=micron\nzunit=pixel\nspacing=1"),
        1,
        [0.5, 0.25, 0.5],
        Unit::Micrometre,
        "axis z is in voxels",
    );
    // Slices that are as far apart as the tags' unit says.
    check(&imagej("spacing=0.2"), 3, [2.0, 2.5, 5.0], Unit::Millimetre, "");
    check(
        "{\"shape\": [3, 2, 4], \"axes\": \"ZYX\", \"spacing\": 2.0, \"unit\": \"um\"}",
        2,
        [2.0, 0.25, 0.5],
        Unit::Micrometre,
        "",
    );
    let ome = |sizes: &str| {
        format!(
            "<?xml version=\"1.0\"?><OME><Image><Pixels DimensionOrder=\"XYZCT\" Type=\"uint16\" SizeX=\"4\" SizeY=\"2\" \
             SizeZ=\"3\" SizeC=\"1\" SizeT=\"1\" {sizes}><TiffData/></Pixels></Image></OME>"
        )
    };
    let sizes = "PhysicalSizeX=\"0.5\" PhysicalSizeY=\"0.25\" PhysicalSizeZ=\"20000\"";
    check(&ome(sizes), 1, [20000.0, 0.25, 0.5], Unit::Micrometre, "");
    check(&ome(&format!("{sizes} PhysicalSizeZUnit=\"pm\"")), 1, [0.02, 0.25, 0.5], Unit::Micrometre, "");
    check(
        &ome(&format!("{sizes} PhysicalSizeXUnit=\"mm\" PhysicalSizeYUnit=\"thou\"")),
        1,
        [20.0, 0.00635, 0.5],
        Unit::Millimetre,
        "",
    );
    check(
        &ome(&format!("{sizes} PhysicalSizeZUnit=\"pixel\"")),
        1,
        [0.5, 0.25, 0.5],
        Unit::Micrometre,
        "axis z is in voxels",
    );
}

#[test]
fn stored_numbers_are_read_as_the_values_that_they_mean() {
    let folder = tempfile::tempdir().unwrap();
    let imagej = |lines: &str| format!("ImageJ=1.54f\nimages=3\nslices=3\n{lines}\n");
    let signed = imagej("cf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value");
    let image = opened(folder.path(), &tiff(&signed, [1, 1], 1, false, 31768));
    let said = image.info().calibration.as_ref().unwrap().to_string();
    assert_eq!(said, "1 × stored − 32768, in Gray Value");
    let wanted = Volume::from(ndarray::Array3::from_elem(SHAPE, -1000i16));
    assert_eq!(image.read_all(Frame::default()).unwrap(), wanted);
    let image = opened(folder.path(), &tiff(&imagej("cf=0\nc0=10\nc1=0.5"), [1, 1], 1, false, 7));
    let wanted = Volume::from(ndarray::Array3::from_elem(SHAPE, 13.5f32));
    assert_eq!(image.read_all(Frame::default()).unwrap(), wanted);
    let image = opened(folder.path(), &tiff(&imagej("cf=4\nc0=10\nc1=0.5"), [1, 1], 1, false, 7));
    assert!(image.info().calibration.is_none() && image.info().notes[0].contains("cf=4"));
}

#[test]
fn what_a_file_lacks_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let json = "{\"shape\": [3, 2, 4], \"axes\": \"ZYX\"}";
    let imagej = "ImageJ=1.54f\nimages=3\nslices=3\n";
    let damage = |bytes: &[u8]| opened(folder.path(), bytes).info().damage.clone();
    for description in [json, imagej] {
        assert!(damage(&tiff(description, [1, 1], 1, true, 1)).is_empty());
        assert!(damage(&tiff(description, [1, 1], 1, false, 1)).is_empty());
    }
    // More slices are promised than there are.
    let said = damage(&tiff("ImageJ=1.54f\nimages=9\nslices=9\n", [1, 1], 1, true, 1));
    assert!(said[0].contains("names 9 images, the file has 3"), "{said:?}");
    let said = damage(&tiff("{\"shape\": [9, 2, 4]}", [1, 1], 1, true, 1));
    assert!(said[0].contains("promises 9 planes, the file has 3"), "{said:?}");
    // The last page's voxels are said to lie at the end of the file, as if it had been cut there.
    let mut bytes = tiff("", [1, 1], 1, true, 5);
    let end = bytes.len() as u32 - 4;
    let entry = bytes.len() - 4 - 12 * 12 + 6 * 12 + 8;
    bytes[entry..entry + 4].copy_from_slice(&end.to_le_bytes());
    let image = opened(folder.path(), &bytes);
    assert_eq!(image.info().damage, ["1 of 3 planes end beyond the end of the file; they are read as zeros"]);
    assert_eq!(image.info().notes, image.info().damage);
    let volume = image.read_all(Frame::default()).unwrap();
    assert_eq!([volume.get([1, 1, 1]), volume.get([2, 1, 1])], [Some(5.0), Some(0.0)]);
    let refused =
        image.info().check_whole(Path::new("a.tif"), &OpenOptions::default()).unwrap_err().to_string();
    assert!(
        refused.starts_with("a.tif: is damaged: 1 of 3 planes") && refused.contains("--accept-damaged"),
        "{refused}"
    );
    let accepted = OpenOptions { accept_damaged: true, ..OpenOptions::default() };
    assert!(image.info().check_whole(Path::new("a.tif"), &accepted).is_ok());
}
