//! Headers of lines, and samples written as decimal numbers.

use super::Sample;
use crate::error::PathContext;
use crate::{Error, Result, VoxelType, with_voxel};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

/// No header of text is longer.
pub(crate) const LONGEST_HEADER: u64 = 4 << 20;

/// The first bytes of a file, at most [`LONGEST_HEADER`].
///
/// # Errors
/// If it cannot be read.
pub(crate) fn read_start(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).at(path)?.take(LONGEST_HEADER).read_to_end(&mut bytes).at(path)?;
    Ok(bytes)
}

/// The values of a field, separated by white space.
///
/// # Errors
/// If one is not of the type, or there are not `count`.
pub(crate) fn values<T: FromStr>(path: &Path, field: &str, text: &str, count: usize) -> Result<Vec<T>> {
    let values: Vec<T> = text
        .split_whitespace()
        .map(|word| {
            word.parse().map_err(|_| {
                Error::file(path, format!("{field} is \"{}\": {word} is not a number", shorten(text)))
            })
        })
        .collect::<Result<_>>()?;
    if values.len() == count {
        Ok(values)
    } else {
        let text = shorten(text);
        Err(Error::file(path, format!("{field} is \"{text}\"; it should be {count} numbers")))
    }
}

/// Text for a message: a hostile header can be long.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Samples that stand in a file as decimal numbers, separated by white space or commas, as bytes in
/// this machine's order.
///
/// # Errors
/// If there are fewer than `count`, or one is not a number of the type.
pub(crate) fn samples(path: &Path, offset: u64, sample: Sample, count: u64) -> Result<Vec<u8>> {
    let Sample::Plain(voxel) = sample else {
        return Err(Error::file(path, "complex values as text are not read"));
    };
    let mut file = File::open(path).at(path)?;
    let len = super::file_len(path)?.saturating_sub(offset);
    // A number takes a digit and a separator.
    if count > len.div_ceil(2) {
        return Err(Error::file(
            path,
            format!("the header promises {count} voxels, more than {len} bytes of text can hold"),
        ));
    }
    file.seek(SeekFrom::Start(offset)).at(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).at(path)?;
    let mut out = Vec::with_capacity(count as usize * voxel.size());
    let mut words = text
        .split(|b| b.is_ascii_whitespace() || *b == b',')
        .filter(|word| !word.is_empty())
        .take(count as usize);
    with_voxel!(voxel, |T| {
        for word in &mut words {
            let value = std::str::from_utf8(word).ok().and_then(|w| w.parse::<T>().ok());
            let value = value.ok_or_else(|| {
                let word = shorten(&word.escape_ascii().to_string());
                Error::file(path, format!("the voxel \"{word}\" is not a number of type {voxel}"))
            })?;
            out.extend_from_slice(&value.to_ne_bytes());
        }
    });
    let found = (out.len() / voxel.size()) as u64;
    if found < count {
        return Err(Error::file(path, format!("the voxels end after {found} of {count}")));
    }
    Ok(out)
}

/// The files that a pattern like `slice%03d.raw 1 20 1` names.
///
/// # Errors
/// If it is not such a pattern, or names too many.
pub(crate) fn pattern(path: &Path, field: &str, text: &str) -> Result<Vec<String>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let wrong = || {
        let text = shorten(text);
        Error::file(path, format!("{field} is \"{text}\", which is not a pattern with first, last and step"))
    };
    let [form, rest @ ..] = &words[..] else { return Err(wrong()) };
    let numbers: Vec<i64> = rest.iter().map(|w| w.parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let (first, last, step) = match numbers[..] {
        [first, last] => (first, last, 1),
        [first, last, step] | [first, last, step, _] => (first, last, step),
        _ => return Err(wrong()),
    };
    let at = form.find('%').ok_or_else(wrong)?;
    let end = at + form[at..].find('d').ok_or_else(wrong)?;
    let spec = &form[at + 1..end];
    let zeros = spec.starts_with('0');
    let width: usize = if spec.is_empty() { 0 } else { spec.parse().map_err(|_| wrong())? };
    let reach = last.checked_sub(first).ok_or_else(wrong)?;
    if step == 0 || reach.checked_div(step).is_none_or(|n| !(0..1_000_000).contains(&n)) || width > 20 {
        return Err(wrong());
    }
    let (before, after) = (&form[..at], &form[end + 1..]);
    Ok((0..=reach / step)
        .map(|i| {
            let n = first + i * step;
            if zeros { format!("{before}{n:0width$}{after}") } else { format!("{before}{n:width$}{after}") }
        })
        .collect())
}

/// The native byte order, for a header that is being written.
pub(crate) const BIG_ENDIAN: bool = cfg!(target_endian = "big");

/// Whether a voxel type is stored as bytes of which there is no order.
pub(crate) fn has_byte_order(voxel: VoxelType) -> bool {
    voxel.size() > 1
}

/// Name of the data file beside a header, as the header names it: as text.
///
/// # Errors
/// If it is no text.
pub(crate) fn data_name(header: &Path, data: &Path) -> Result<String> {
    data.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
        Error::file(
            header,
            "the header of such a pair names its data file as text, which this name is not (UTF-8)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files() {
        let p = Path::new("a");
        assert_eq!(pattern(p, "f", "s%03d.raw 8 12 2").unwrap(), ["s008.raw", "s010.raw", "s012.raw"]);
        assert_eq!(pattern(p, "f", "s%d.raw 3 2 -1").unwrap(), ["s3.raw", "s2.raw"]);
        for wrong in ["s%03d.raw", "s%03d.raw 1 x", "s.raw 1 2", "s%d 1 2 0", "s%d 0 99999999", "s%99d 1 2"] {
            assert!(pattern(p, "f", wrong).is_err(), "{wrong}");
        }
    }
}
