//! A folder of slices, one file each, TIFF or PNG, in the natural order of their names (`slice2`
//! before `slice10`). A single PNG is a folder of one.

mod png;
mod series;

use super::tiff::{open_set, open_slices};
use super::{Format, ImageInfo, ImageSource, OpenOptions};
use crate::error::PathContext;
use crate::{Error, Geometry, Result};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// Folders of slices; see the module.
#[derive(Debug)]
pub struct Folder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SliceFormat {
    Tiff,
    Png,
}

impl SliceFormat {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        // Hidden files are not slices: half-written ones and the shadows that macOS leaves.
        if name.starts_with('.') {
            return None;
        }
        match path.extension()?.to_string_lossy().to_ascii_lowercase().as_str() {
            "tif" | "tiff" => Some(Self::Tiff),
            "png" => Some(Self::Png),
            _ => None,
        }
    }
}

/// Names as people order them: runs of digits by their value, the rest without regard to case.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    let digits = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
    loop {
        let (n, m) = (digits(x), digits(y));
        if n > 0 && m > 0 {
            let zeros = |s: &[u8], n: usize| s[..n].iter().take_while(|&&c| c == b'0').count().min(n - 1);
            let (p, q) = (&x[zeros(x, n)..n], &y[zeros(y, m)..m]);
            let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q));
            if order.is_ne() {
                return order;
            }
            (x, y) = (&x[n..], &y[m..]);
            continue;
        }
        match (x.first(), y.first()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(p), Some(q)) => {
                let order = p.to_ascii_lowercase().cmp(&q.to_ascii_lowercase());
                if order.is_ne() {
                    return order;
                }
                (x, y) = (&x[1..], &y[1..]);
            }
        }
    }
}

/// The slices of a folder in order, of the kind of which there are more, and how many of the other.
fn slices(folder: &Path) -> Result<(SliceFormat, Vec<PathBuf>, usize)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if let Some(kind) = SliceFormat::of(&path) {
            found.push((kind, path));
        }
    }
    let tiffs = found.iter().filter(|(kind, _)| *kind == SliceFormat::Tiff).count();
    let kind = if 2 * tiffs >= found.len() { SliceFormat::Tiff } else { SliceFormat::Png };
    let all = found.len();
    let mut paths: Vec<(String, PathBuf)> = found
        .into_iter()
        .filter(|(k, _)| *k == kind)
        .map(|(_, p)| (p.file_name().unwrap_or_default().to_string_lossy().into_owned(), p))
        .collect();
    paths.sort_by(|a, b| natural(&a.0, &b.0));
    let others = all - paths.len();
    if paths.is_empty() {
        return Err(Error::file(folder, "holds no TIFF or PNG slices"));
    }
    Ok((kind, paths.into_iter().map(|(_, p)| p).collect(), others))
}

/// Checks that all slices are alike and names the first that is not as most are. `describe` says
/// what a slice is.
pub(super) fn check_alike<K: PartialEq>(
    slices: &[(PathBuf, K)],
    describe: impl Fn(&K) -> String,
) -> Result<()> {
    let Some((_, first)) = slices.first() else { return Ok(()) };
    let Some((other_path, other)) = slices.iter().find(|(_, kind)| kind != first) else { return Ok(()) };
    let with = |kind: &K| slices.iter().filter(|(_, k)| k == kind).count();
    let (odd_path, odd, usual) =
        if with(first) >= with(other) { (other_path, other, first) } else { (&slices[0].0, first, other) };
    Err(Error::file(
        odd_path,
        format!("the slice has {}, most others of its folder have {}", describe(odd), describe(usual)),
    ))
}

impl Format for Folder {
    fn id(&self) -> &'static str {
        "slices"
    }

    fn name(&self) -> &'static str {
        "folder of TIFF or PNG slices, PNG"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["png"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        if !path.is_dir() {
            return png::is_png(head);
        }
        // A Zarr hierarchy is somebody else's folder.
        let zarr = ["zarr.json", ".zgroup", ".zarray", ".zattrs"].iter().any(|n| path.join(n).exists());
        !zarr && slices(path).is_ok()
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let (kind, paths, others) =
            if path.is_dir() { slices(path)? } else { (SliceFormat::Png, vec![path.to_owned()], 0) };
        // What one OME-TIFF describes is more than slices.
        if kind == SliceFormat::Tiff
            && paths.len() > 1
            && let Some(stack) = open_set(&paths, options.dataset.as_deref())?
        {
            return Ok(Box::new(stack));
        }
        let (paths, notes) = series::choose(paths, options.dataset.as_deref().filter(|_| path.is_dir()))
            .map_err(|reason| Error::file(path, reason))?;
        let adjust = |info: &mut ImageInfo| {
            info.format = self.id();
            info.notes.extend(notes);
            if others > 0 {
                info.notes.push(format!("{others} images of another kind in the folder are left out"));
            }
            if let Some((spacing, unit)) = options.spacing {
                info.levels[0].geometry = Geometry::from_spacing(spacing, unit);
            }
        };
        Ok(match kind {
            SliceFormat::Tiff => Box::new(open_slices(&paths, adjust)?),
            SliceFormat::Png => Box::new(png::Slices::open(paths, adjust)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Frame, ImageSpec, WriteOptions, create, open};
    use crate::{Region, Volume, VoxelType};
    use ndarray::Array3;

    #[test]
    fn names_are_ordered_as_people_do() {
        let mut names = ["s10", "s2", "S1", "s02", "a", "s2b", "s", "s18446744073709551616", "s3"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "s", "S1", "s02", "s2", "s2b", "s3", "s10", "s18446744073709551616"]);
    }

    fn ramp(shape: (usize, usize, usize), start: usize) -> Volume {
        Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| (start + z * 1000 + y * 40 + x) as u16))
    }

    fn write_png(
        path: &Path,
        width: u32,
        height: u32,
        color: ::png::ColorType,
        bits: ::png::BitDepth,
        data: &[u8],
    ) {
        let mut encoder = ::png::Encoder::new(std::fs::File::create(path).unwrap(), width, height);
        encoder.set_color(color);
        encoder.set_depth(bits);
        if color == ::png::ColorType::Indexed {
            encoder.set_palette(vec![0; 48]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
    }

    #[test]
    fn slices_of_tiff_are_stacked_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (i, z) in [9usize, 10, 11, 2].into_iter().zip([1, 2, 3, 0]) {
            let volume = ramp((1, 4, 5), z * 1000);
            let spec = ImageSpec::volume([1, 4, 5], VoxelType::U16, Geometry::default(), false);
            let sink =
                create(folder.path().join(format!("s{i}.tif")), &spec, &WriteOptions::default()).unwrap();
            sink.write(Frame::default(), [0; 3], &volume).unwrap();
            sink.finish(&crate::Job::silent()).unwrap();
        }
        let image = open(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!(image.read_all(Frame::default()).unwrap(), ramp((4, 4, 5), 0));
        let region = Region::new([1, 2, 1], [2, 2, 3]);
        assert_eq!(image.read(Frame::default(), region).unwrap(), ramp((4, 4, 5), 0).crop(region));
        // A slice of another size is named.
        let spec = ImageSpec::volume([1, 4, 6], VoxelType::U16, Geometry::default(), false);
        let sink = create(folder.path().join("s12.tif"), &spec, &WriteOptions::default()).unwrap();
        sink.write(Frame::default(), [0; 3], &ramp((1, 4, 6), 0)).unwrap();
        sink.finish(&crate::Job::silent()).unwrap();
        let error = open(folder.path(), &OpenOptions::default()).err().unwrap().to_string();
        assert!(error.contains("s12.tif") && error.contains("6×4"), "{error}");
    }

    #[test]
    fn png_values_are_as_stored() {
        use ::png::{BitDepth, ColorType};
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, color, bits, data: &[u8], wanted: &[(usize, [f64; 4])]| {
            let path = folder.path().join(name);
            write_png(&path, 2, 2, color, bits, data);
            let image = open(&path, &OpenOptions::default()).unwrap();
            assert_eq!(image.info().shape(), [1, 2, 2]);
            for (channel, values) in wanted {
                let volume = image.read_all(Frame::new(*channel, 0)).unwrap();
                let got: Vec<f64> = (0..4).map(|i| volume.get([0, i / 2, i % 2]).unwrap()).collect();
                assert_eq!(got, values, "{name}");
            }
        };
        check("a.png", ColorType::Grayscale, BitDepth::Eight, &[1, 2, 3, 4], &[(0, [1.0, 2.0, 3.0, 4.0])]);
        check("b.png", ColorType::Grayscale, BitDepth::One, &[0x40, 0x80], &[(0, [0.0, 1.0, 1.0, 0.0])]);
        check("c.png", ColorType::Indexed, BitDepth::Four, &[0x1f, 0x80], &[(0, [1.0, 15.0, 8.0, 0.0])]);
        let sixteen = [0, 1, 1, 0, 255, 255, 2, 3];
        check(
            "d.png",
            ColorType::Grayscale,
            BitDepth::Sixteen,
            &sixteen,
            &[(0, [1.0, 256.0, 65535.0, 515.0])],
        );
        let rgb = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        check(
            "e.png",
            ColorType::Rgb,
            BitDepth::Eight,
            &rgb,
            &[(0, [1.0, 4.0, 7.0, 10.0]), (2, [3.0, 6.0, 9.0, 12.0])],
        );
    }

    #[test]
    fn slices_of_png_are_stacked_and_the_odd_one_is_named() {
        use ::png::{BitDepth, ColorType};
        let folder = tempfile::tempdir().unwrap();
        for i in 0..12u8 {
            let path = folder.path().join(format!("{i}.png"));
            write_png(&path, 3, 2, ColorType::Grayscale, BitDepth::Eight, &[i; 6]);
        }
        let image = open(folder.path(), &OpenOptions::default()).unwrap();
        let volume = image.read(Frame::default(), Region::new([2, 1, 1], [9, 1, 2])).unwrap();
        assert_eq!(volume, Volume::from(Array3::from_shape_fn((9, 1, 2), |(z, ..)| z as u8 + 2)));
        write_png(&folder.path().join("3.png"), 3, 2, ColorType::Grayscale, BitDepth::Sixteen, &[0; 12]);
        let error = open(folder.path(), &OpenOptions::default()).err().unwrap().to_string();
        assert!(error.contains("3.png") && error.contains("16 bits"), "{error}");
        for length in 0..60 {
            let path = folder.path().join("cut.png");
            let bytes = std::fs::read(folder.path().join("1.png")).unwrap();
            std::fs::write(&path, &bytes[..length.min(bytes.len() - 1)]).unwrap();
            if let Ok(image) = Folder.open(&path, &OpenOptions::default()) {
                let _ = image.read_all(Frame::default());
            }
        }
    }
}
