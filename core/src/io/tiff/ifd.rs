//! Image file directories: the chain of them, their entries and the entries' values.
//!
//! Sources: TIFF 6.0 (Adobe, 1992), sections 2 and 8; the BigTIFF design of 2007 (libtiff).

use super::input::Input;
use crate::{Error, Result};
use std::collections::HashSet;

/// The byte order and offset size of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub big_endian: bool,
    /// BigTIFF: offsets and counts have eight bytes.
    pub wide: bool,
}

impl Dialect {
    pub(super) fn u16(self, b: &[u8]) -> u16 {
        let b = [b[0], b[1]];
        if self.big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) }
    }

    pub(super) fn u32(self, b: &[u8]) -> u32 {
        let b = [b[0], b[1], b[2], b[3]];
        if self.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
    }

    pub(super) fn u64(self, b: &[u8]) -> u64 {
        let b = [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]];
        if self.big_endian { u64::from_be_bytes(b) } else { u64::from_le_bytes(b) }
    }

    fn word(self, b: &[u8]) -> u64 {
        if self.wide { self.u64(b) } else { u64::from(self.u32(b)) }
    }
}

/// One field of a directory. Values longer than `inline` are read when they are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub tag: u16,
    kind: u16,
    pub count: u64,
    inline: [u8; 8],
}

fn kind_size(kind: u16) -> Option<u64> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => return None,
    })
}

impl Entry {
    /// The field's bytes in file order.
    pub(super) fn bytes(&self, input: &Input, dialect: Dialect) -> Result<Vec<u8>> {
        let Some(size) = kind_size(self.kind) else {
            return Err(Error::file(
                input.path(),
                format!("{}: field type {} is unknown", name(self.tag), self.kind),
            ));
        };
        let total = size.checked_mul(self.count).filter(|&n| n <= input.length()).ok_or_else(|| {
            Error::file(
                input.path(),
                format!(
                    "{}: {} values cannot be in a file of {} bytes",
                    name(self.tag),
                    self.count,
                    input.length()
                ),
            )
        })?;
        let limit = if dialect.wide { 8 } else { 4 };
        if total <= limit {
            return Ok(self.inline[..total as usize].to_vec());
        }
        input.bytes(dialect.word(&self.inline), total).map_err(|e| match e {
            Error::File { path, reason } => {
                Error::File { path, reason: format!("{}: {reason}", name(self.tag)) }
            }
            other => other,
        })
    }

    /// The field's values as unsigned integers.
    pub(super) fn integers(&self, input: &Input, dialect: Dialect) -> Result<Vec<u64>> {
        let bytes = self.bytes(input, dialect)?;
        let values = match self.kind {
            1 | 2 | 6 | 7 => bytes.iter().map(|&b| u64::from(b)).collect(),
            3 | 8 => bytes.chunks_exact(2).map(|b| u64::from(dialect.u16(b))).collect(),
            4 | 9 | 13 => bytes.chunks_exact(4).map(|b| u64::from(dialect.u32(b))).collect(),
            16..=18 => bytes.chunks_exact(8).map(|b| dialect.u64(b)).collect(),
            _ => {
                let values = self.numbers(input, dialect)?;
                if values.iter().any(|v| !(*v >= 0.0 && *v <= 9.0e15 && v.fract() == 0.0)) {
                    return Err(Error::file(
                        input.path(),
                        format!("{}: field type {} where a whole number belongs", name(self.tag), self.kind),
                    ));
                }
                values.into_iter().map(|v| v as u64).collect()
            }
        };
        Ok(values)
    }

    /// The field's values as numbers, fractions divided.
    pub(super) fn numbers(&self, input: &Input, dialect: Dialect) -> Result<Vec<f64>> {
        let bytes = self.bytes(input, dialect)?;
        let ratio = |b: &[u8], signed: bool| {
            let (n, d) = (dialect.u32(&b[..4]), dialect.u32(&b[4..]));
            if signed { f64::from(n as i32) / f64::from(d as i32) } else { f64::from(n) / f64::from(d) }
        };
        Ok(match self.kind {
            5 => bytes.chunks_exact(8).map(|b| ratio(b, false)).collect(),
            10 => bytes.chunks_exact(8).map(|b| ratio(b, true)).collect(),
            11 => bytes.chunks_exact(4).map(|b| f64::from(f32::from_bits(dialect.u32(b)))).collect(),
            12 => bytes.chunks_exact(8).map(|b| f64::from_bits(dialect.u64(b))).collect(),
            _ => self.integers(input, dialect)?.into_iter().map(|v| v as f64).collect(),
        })
    }

    /// The field's text, up to its first NUL.
    pub(super) fn text(&self, input: &Input, dialect: Dialect) -> Result<String> {
        let bytes = self.bytes(input, dialect)?;
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Ok(match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => text.to_owned(),
            // Before UTF-8, programs wrote Latin-1 (ImageJ's µ among them).
            Err(_) => bytes[..end].iter().map(|&b| char::from(b)).collect(),
        })
    }
}

/// One image file directory.
#[derive(Debug, Clone)]
pub(super) struct Ifd {
    pub entries: Vec<Entry>,
}

impl Ifd {
    pub(super) fn get(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|e| e.tag == tag)
    }
}

/// Whether a file that begins so is a TIFF.
pub(super) fn is_tiff(head: &[u8]) -> bool {
    matches!(head.get(..4), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" | b"MM*\0" | b"II\0*"))
}

/// Reads the header and the chain of directories. Also whether the chain is damaged after the
/// directories that are returned, as a sentence.
pub(super) fn read_chain(input: &Input) -> Result<(Dialect, Vec<Ifd>, Option<String>)> {
    let bad = |reason: String| Error::file(input.path(), reason);
    let mut head = [0; 16];
    let available = input.length().min(16) as usize;
    if available < 8 {
        return Err(bad(format!("a TIFF header needs 8 bytes, the file has {available}")));
    }
    input.read_at(0, &mut head[..available])?;
    if !is_tiff(&head) {
        return Err(bad(format!("the first bytes {:02x?} are not those of a TIFF", &head[..4])));
    }
    let mut dialect = Dialect { big_endian: head[0] == b'M', wide: false };
    dialect.wide = head[2] == 43 || head[3] == 43;
    let mut next = if dialect.wide {
        if available < 16 || dialect.u16(&head[4..]) != 8 {
            return Err(bad("a BigTIFF header needs 16 bytes and an offset size of 8".into()));
        }
        dialect.u64(&head[8..])
    } else {
        u64::from(dialect.u32(&head[4..]))
    };
    let mut seen = HashSet::new();
    let mut directories = Vec::new();
    // Honest directories do not overlap, so all entries together fit into the file. A file that
    // makes them overlap would cost its length squared.
    let mut budget = input.length();
    let mut damage = None;
    while next != 0 {
        if !seen.insert(next) {
            damage =
                Some(format!("the chain of directories returns to offset {next}; the pages before are read"));
            break;
        }
        match read_directory(input, dialect, next, &mut budget) {
            Ok((directory, following)) => {
                directories.push(directory);
                next = following;
            }
            Err(Error::File { reason, .. }) if !directories.is_empty() => {
                damage = Some(format!(
                    "directory {} of the chain is damaged ({reason}); the pages before are read",
                    directories.len() + 1
                ));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if directories.is_empty() {
        return Err(bad("holds no image: the offset of the first directory is 0".into()));
    }
    Ok((dialect, directories, damage))
}

/// Reads the directory at `offset` and the offset of the one after it.
pub(super) fn read_directory(
    input: &Input,
    dialect: Dialect,
    offset: u64,
    budget: &mut u64,
) -> Result<(Ifd, u64)> {
    let (head, size) = if dialect.wide { (8, 20) } else { (2, 12) };
    let damaged = |reason: String| {
        Error::file(input.path(), format!("the image file directory at offset {offset}: {reason}"))
    };
    let counted = input
        .bytes(offset, head)
        .map_err(|_| damaged(format!("lies beyond the end of the file ({} bytes)", input.length())))?;
    let count = if dialect.wide { dialect.u64(&counted) } else { u64::from(dialect.u16(&counted)) };
    let bytes = count
        .checked_mul(size)
        .filter(|&n| n <= *budget && count <= 65_536)
        .ok_or_else(|| damaged(format!("{count} entries cannot be in a file of {} bytes", input.length())))?;
    *budget -= bytes;
    let start = offset + head;
    let table = input.bytes(start, bytes).map_err(|_| {
        damaged(format!("its {count} entries end beyond the end of the file ({} bytes)", input.length()))
    })?;
    let entries = table
        .chunks_exact(size as usize)
        .map(|e| {
            let mut inline = [0; 8];
            let (count, value) = if dialect.wide {
                (dialect.u64(&e[4..]), &e[12..])
            } else {
                (u64::from(dialect.u32(&e[4..])), &e[8..])
            };
            inline[..value.len()].copy_from_slice(value);
            Entry { tag: dialect.u16(e), kind: dialect.u16(&e[2..]), count, inline }
        })
        .collect();
    let mut link = [0; 8];
    let link = &mut link[..if dialect.wide { 8 } else { 4 }];
    // Some writers leave the last link out altogether.
    let next = input.read_at(start + bytes, link).map_or(0, |()| dialect.word(link));
    Ok((Ifd { entries }, next))
}

/// The name of a tag, for messages.
pub(super) fn name(tag: u16) -> String {
    let known = match tag {
        254 => "NewSubfileType",
        256 => "ImageWidth",
        257 => "ImageLength",
        258 => "BitsPerSample",
        259 => "Compression",
        262 => "PhotometricInterpretation",
        266 => "FillOrder",
        270 => "ImageDescription",
        273 => "StripOffsets",
        274 => "Orientation",
        277 => "SamplesPerPixel",
        278 => "RowsPerStrip",
        279 => "StripByteCounts",
        282 => "XResolution",
        283 => "YResolution",
        284 => "PlanarConfiguration",
        292 => "T4Options",
        296 => "ResolutionUnit",
        317 => "Predictor",
        320 => "ColorMap",
        322 => "TileWidth",
        323 => "TileLength",
        324 => "TileOffsets",
        325 => "TileByteCounts",
        330 => "SubIFDs",
        338 => "ExtraSamples",
        339 => "SampleFormat",
        347 => "JPEGTables",
        513 => "JPEGInterchangeFormat",
        530 => "YCbCrSubSampling",
        32997 => "ImageDepth",
        _ => return format!("tag {tag}"),
    };
    known.to_owned()
}
