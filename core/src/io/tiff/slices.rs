//! A folder of TIFF slices as one stack.

use super::super::folder::check_alike;
use super::describe::pixel_size;
use super::layout::{arrange, arrange_slices};
use super::ome::set_of;
use super::stack::{Stack, TiffFile};
use crate::io::ImageInfo;
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::PathBuf;

/// Opens files of one page each, in the order given.
pub(crate) fn open_slices(paths: &[PathBuf], adjust: impl FnOnce(&mut ImageInfo)) -> Result<Stack> {
    let read: Vec<(TiffFile, [Option<f64>; 2])> = paths
        .par_iter()
        .map(|path| {
            let mut file = TiffFile::open(path)?;
            let full = file.pages.iter().filter(|p| !p.reduced).count();
            if full > 1 && paths.len() > 1 {
                return Err(Error::file(path, format!("has {full} pages where a slice has one")));
            }
            let pixel = pixel_size(&file);
            file.input.close();
            Ok((file, pixel))
        })
        .collect::<Result<_>>()?;
    let (files, pixels): (Vec<TiffFile>, Vec<_>) = read.into_iter().unzip();
    if let [path] = paths {
        let mut stack = arrange(TiffFile::open(path)?, None)?;
        adjust(&mut stack.info);
        return Ok(stack);
    }
    let kinds: Vec<_> = paths.iter().cloned().zip(files.iter().map(|f| f.main_page().kind())).collect();
    check_alike(&kinds, |(width, height, samples, bits, format)| {
        format!("{width}×{height} pixels of {samples} × {bits} bits ({format:?})")
    })?;
    let mut stack = arrange_slices(files)?;
    let other = pixels.iter().position(|pixel| *pixel != pixels[0]);
    if let Some(at) = other {
        let several = pixels.iter().filter(|pixel| **pixel != pixels[0]).count();
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().display().to_string();
        stack.info.notes.push(format!(
            "{several} of {} slices, {} first, have pixels of another size than {}, whose size is taken for all",
            paths.len(),
            name(&paths[at]),
            name(&paths[0])
        ));
    }
    adjust(&mut stack.info);
    Ok(stack)
}

/// Opens the OME-TIFF that files are members of, if the first says that it has others.
pub(crate) fn open_set(paths: &[PathBuf], wanted: Option<&str>) -> Result<Option<Stack>> {
    let first = TiffFile::open(&paths[0])?;
    let Some(names) = set_of(&first) else { return Ok(None) };
    let others: Vec<_> = paths.iter().filter(|p| p.file_name().is_none_or(|n| !names.contains(n))).collect();
    let mut stack = arrange(first, wanted)?;
    stack.info.format = "ome-tiff";
    if let Some(other) = others.first() {
        stack.info.notes.push(format!(
            "{} files of the folder are not of this OME-TIFF and are left out, such as {}",
            others.len(),
            other.file_name().unwrap_or_default().display()
        ));
    }
    Ok(Some(stack))
}
