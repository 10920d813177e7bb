//! The text of an NRRD header, line by line, and the data files that it names.

use crate::io::planar::text::{self, shorten, values};
use crate::io::planar::{Codec, FileExtent, Sample, Store, file_len};
use crate::{Error, Result, VoxelType};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) struct Header<'a> {
    pub path: &'a Path,
    /// `field: value`, by lower-case field.
    pub fields: BTreeMap<String, String>,
    /// `key:=value`.
    pub keys: BTreeMap<String, String>,
    /// File names after `data file: LIST`.
    listed: Vec<String>,
    /// Offset of the first byte after the header.
    end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Encoding {
    Raw,
    Text,
    Packed(Codec),
}

impl<'a> Header<'a> {
    pub fn parse(path: &'a Path, bytes: &[u8]) -> Result<Self> {
        if !bytes.starts_with(b"NRRD") {
            return Err(Error::file(path, "does not begin as an NRRD file does"));
        }
        let mut header = Self {
            path,
            fields: BTreeMap::new(),
            keys: BTreeMap::new(),
            listed: Vec::new(),
            end: bytes.len() as u64,
        };
        let mut at = 0;
        let mut listing = false;
        let mut first = true;
        while at < bytes.len() {
            let n = bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at);
            let line = String::from_utf8_lossy(&bytes[at..at + n]);
            let line = line.trim_end_matches('\r');
            at = (at + n + 1).min(bytes.len());
            if std::mem::take(&mut first) || line.starts_with('#') {
                continue;
            }
            if listing {
                if !line.trim().is_empty() {
                    header.listed.push(line.trim().to_owned());
                }
                continue;
            }
            if line.is_empty() {
                header.end = at as u64;
                return Ok(header);
            }
            if let Some((key, value)) = line.split_once(":=") {
                header.keys.insert(key.trim().to_owned(), value.trim().to_owned());
            } else if let Some((field, value)) = line.split_once(':') {
                let field = match field.trim().to_lowercase().as_str() {
                    "datafile" => "data file".to_owned(),
                    "lineskip" => "line skip".to_owned(),
                    "byteskip" => "byte skip".to_owned(),
                    "centerings" => "centers".to_owned(),
                    other => other.to_owned(),
                };
                let value = value.trim().to_owned();
                listing = field == "data file" && value.to_uppercase().starts_with("LIST");
                header.fields.insert(field, value);
            } else {
                let line = shorten(line);
                return Err(Error::file(path, format!("the header line \"{line}\" is not \"field: value\"")));
            }
        }
        // Only a header with its data elsewhere may end with the file.
        if header.fields.contains_key("data file") {
            Ok(header)
        } else {
            Err(Error::file(path, "the header does not end: there is no empty line after it"))
        }
    }

    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    pub fn need(&self, field: &str) -> Result<&str> {
        self.get(field).ok_or_else(|| Error::file(self.path, format!("the header has no \"{field}\"")))
    }

    pub fn wrong(&self, field: &str, why: &str) -> Error {
        let value = shorten(self.get(field).unwrap_or(""));
        Error::file(self.path, format!("{field} is \"{value}\", {why}"))
    }

    pub fn voxel(&self) -> Result<VoxelType> {
        Ok(match self.need("type")?.to_lowercase().as_str() {
            "signed char" | "int8" | "int8_t" => VoxelType::I8,
            "uchar" | "unsigned char" | "uint8" | "uint8_t" => VoxelType::U8,
            "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
                VoxelType::I16
            }
            "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => VoxelType::U16,
            "int" | "signed int" | "int32" | "int32_t" => VoxelType::I32,
            "uint" | "unsigned int" | "uint32" | "uint32_t" => VoxelType::U32,
            "longlong"
            | "long long"
            | "long long int"
            | "signed long long"
            | "signed long long int"
            | "int64"
            | "int64_t" => VoxelType::I64,
            "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
                VoxelType::U64
            }
            "float" => VoxelType::F32,
            "double" => VoxelType::F64,
            "block" => return Err(self.wrong("type", "whose content is not described")),
            _ => return Err(self.wrong("type", "which Voxelry does not read")),
        })
    }

    pub fn encoding(&self) -> Result<Encoding> {
        Ok(match self.need("encoding")?.to_lowercase().as_str() {
            "raw" => Encoding::Raw,
            "txt" | "text" | "ascii" => Encoding::Text,
            "hex" => Encoding::Packed(Codec::Hex),
            "gz" | "gzip" => Encoding::Packed(Codec::Gzip),
            "bz2" | "bzip2" => Encoding::Packed(Codec::Bzip2),
            _ => return Err(self.wrong("encoding", "which Voxelry does not read")),
        })
    }

    pub fn big_endian(&self, voxel: VoxelType, encoding: Encoding) -> Result<bool> {
        if encoding == Encoding::Text || voxel.size() == 1 {
            return Ok(text::BIG_ENDIAN);
        }
        match self.get("endian").map(str::to_lowercase).as_deref() {
            Some("little") => Ok(false),
            Some("big") => Ok(true),
            Some(_) => Err(self.wrong("endian", "which should be little or big")),
            None => Err(Error::file(self.path, "the header has no \"endian\", which this type needs")),
        }
    }

    fn skip(&self, field: &str) -> Result<i64> {
        self.get(field).map_or(Ok(0), |v| Ok(values::<i64>(self.path, field, v, 1)?[0]))
    }

    fn files(&self) -> Result<Option<Vec<PathBuf>>> {
        let Some(name) = self.get("data file") else { return Ok(None) };
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let names = if name.to_uppercase().starts_with("LIST") {
            self.listed.clone()
        } else if name.contains('%') && name.split_whitespace().count() > 2 {
            text::pattern(self.path, "data file", name)?
        } else {
            vec![name.to_owned()]
        };
        if names.is_empty() {
            return Err(self.wrong("data file", "and no file is listed"));
        }
        Ok(Some(names.iter().map(|n| folder.join(n)).collect()))
    }

    /// The store of `len` bytes of voxels.
    pub fn store(&self, encoding: Encoding, sample: Sample, len: u64) -> Result<Store> {
        let files = self.files()?;
        let begin = if files.is_some() { 0 } else { self.end };
        let files = files.unwrap_or_else(|| vec![self.path.to_owned()]);
        let (lines, bytes) = (self.skip("line skip")?, self.skip("byte skip")?);
        if lines < 0 || bytes < -1 || bytes == -1 && encoding != Encoding::Raw {
            return Err(self.wrong(if lines < 0 { "line skip" } else { "byte skip" }, "which cannot be"));
        }
        let each = len.div_ceil(files.len() as u64);
        let mut parts = Vec::new();
        for path in files {
            let mut offset = begin;
            if lines > 0 {
                offset = skip_lines(&path, begin, lines as u64)?;
            }
            if encoding == Encoding::Raw {
                offset = match bytes {
                    -1 => file_len(&path)?.checked_sub(each).ok_or_else(|| {
                        Error::file(
                            &path,
                            format!("is shorter than the {each} bytes that it should end with"),
                        )
                    })?,
                    n => offset.saturating_add(n as u64),
                };
            }
            parts.push(FileExtent { path, offset, len: each });
        }
        match encoding {
            Encoding::Packed(codec) => {
                let sources = parts.into_iter().map(|p| (p.path, p.offset)).collect();
                Store::stream(self.path, sources, codec, bytes as u64, len)
            }
            Encoding::Text => {
                let count = len / sample.size() as u64;
                let first = &parts[0];
                if parts.len() > 1 {
                    return Err(self.wrong("data file", "and text in several files is not read"));
                }
                let bytes =
                    text::samples(&first.path, first.offset.saturating_add(bytes as u64), sample, count)?;
                Ok(Store::memory(self.path, bytes))
            }
            Encoding::Raw => {
                if let [part] = &parts[..] {
                    return Store::file(&part.path, part.offset);
                }
                for part in &parts {
                    if file_len(&part.path)?.saturating_sub(part.offset) < each {
                        let reason = format!("is shorter than the {each} bytes of its slices");
                        return Err(Error::file(&part.path, reason));
                    }
                }
                Ok(Store::parts(self.path, parts))
            }
        }
    }
}

fn skip_lines(path: &Path, begin: u64, lines: u64) -> Result<u64> {
    let start = text::read_start(path)?;
    let rest = start.get(begin as usize..).unwrap_or_default();
    let ends = rest.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i);
    match ends.take(lines as usize).enumerate().last() {
        Some((n, at)) if n as u64 + 1 == lines => Ok(begin + at as u64 + 1),
        _ => Err(Error::file(path, format!("line skip is {lines}, more lines than there are"))),
    }
}
