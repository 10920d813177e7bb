//! MetaImage (`.mha`, `.mhd` with `.raw` or `.zraw`), the format of ITK.
//!
//! World axes are left, posterior, superior there and right, anterior, superior here, so that the
//! first two change sign; not so where `AnatomicalOrientation` is unknown (`???`), as the axes are
//! then the image's own. Each row of `TransformMatrix` is the direction of one axis. A fourth
//! dimension is time; several channels lie side by side.

use super::planar::sink::{FrameOrder, Plan, Wrap};
use super::planar::text::{self, shorten, values};
use super::planar::{Codec, FileExtent, Layout, Planar, Sample, Store, byte_count, file_len, sink, slab};
use super::{
    Calibration, Channel, Format, ImageInfo, ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions,
};
use crate::volume::unit::AxisUnits;
use crate::{Error, Geometry, Result, Unit, VoxelType};
use glam::{DAffine3, DMat3, DVec3};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The format.
pub(super) struct MetaImage;

impl Format for MetaImage {
    fn id(&self) -> &'static str {
        "metaimage"
    }

    fn name(&self) -> &'static str {
        "MetaImage"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mha", "mhd"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        let start = &head[..head.len().min(512)];
        let says = |word: &[u8]| start.windows(word.len()).any(|w| w == word);
        says(b"ObjectType = Image") || super::format::has_extension(self, path)
    }

    fn open(&self, path: &Path, _options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let start = text::read_start(path)?;
        let header = Header::parse(path, &start)?;
        let (info, layout, len) = describe(&header)?;
        let store = header.store(&layout, len)?;
        Ok(Box::new(Planar::new(path, info, layout, store)?))
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        let mut losses = Vec::new();
        if spec.channels.iter().any(|c| *c != Channel::default()) {
            losses.push("MetaImage keeps no names or colours of channels".into());
        }
        match spec.geometry.unit {
            Unit::Nanometre => losses.push("MetaImage has no nanometres: positions are written in µm".into()),
            Unit::Metre => losses.push("MetaImage has no metres: positions are written in mm".into()),
            _ => {}
        }
        if spec.labels {
            losses.push("MetaImage cannot say that voxels are labels".into());
        }
        losses
    }

    fn files(&self, path: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
        let Some(data) = data_file(path, options) else { return Ok(vec![path.to_owned()]) };
        text::data_name(path, &data)?;
        Ok(vec![path.to_owned(), data])
    }

    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let wrap = if options.compress { Wrap::Zlib } else { Wrap::Raw };
        let order = FrameOrder::Interleaved;
        let data = data_file(path, options);
        let mut header = header_for(spec, options.compress, data.is_none());
        let plan = if let Some(data) = data {
            let name = text::data_name(path, &data)?;
            let _ = writeln!(header, "ElementDataFile = {name}");
            let header = Some((path.to_owned(), header.into_bytes()));
            Plan { data, prefix: Vec::new(), inner_prefix: Vec::new(), header, wrap, order, size_at: None }
        } else {
            header.push_str("ElementDataFile = LOCAL\n");
            let size_at = options.compress.then(|| header.find(SIZE_FIELD).unwrap_or(0) + SIZE_FIELD.len());
            let prefix = header.into_bytes();
            Plan {
                data: path.to_owned(),
                prefix,
                inner_prefix: Vec::new(),
                header: None,
                wrap,
                order,
                size_at,
            }
        };
        sink::create(plan, spec)
    }
}

/// The file of voxels beside a header of its own.
fn data_file(path: &Path, options: &WriteOptions) -> Option<PathBuf> {
    let detached = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("mhd"));
    detached.then(|| path.with_extension(if options.compress { "zraw" } else { "raw" }))
}

struct Header<'a> {
    path: &'a Path,
    fields: BTreeMap<String, String>,
    /// Offset of the first byte after the header.
    end: u64,
    /// The lines after the header, where files are listed.
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let mut fields = BTreeMap::new();
        let mut at = 0;
        while let Some(n) =
            bytes[at..].iter().position(|&b| b == b'\n').or((at < bytes.len()).then_some(bytes.len() - at))
        {
            let line = String::from_utf8_lossy(&bytes[at..at + n]).into_owned();
            at = (at + n + 1).min(bytes.len());
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let Some((key, value)) = line.split_once(['=', ':']) else {
                let line = shorten(&line);
                return Err(Error::file(path, format!("the header line \"{line}\" is not \"key = value\"")));
            };
            let key = key.trim().to_owned();
            let last = key == "ElementDataFile";
            fields.insert(key, value.trim().to_owned());
            if last {
                return Ok(Self { path, fields, end: at as u64, rest: &bytes[at..] });
            }
        }
        Err(Error::file(path, "the header has no ElementDataFile"))
    }

    fn get(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|k| self.fields.get(*k)).map(String::as_str)
    }

    fn need(&self, key: &str) -> Result<&str> {
        self.get(&[key]).ok_or_else(|| Error::file(self.path, format!("the header has no {key}")))
    }

    fn flag(&self, keys: &[&str]) -> bool {
        self.get(keys).is_some_and(|v| v.starts_with(['T', 't', '1']))
    }

    fn number(&self, key: &str) -> Result<Option<i64>> {
        self.get(&[key]).map(|v| Ok(values::<i64>(self.path, key, v, 1)?[0])).transpose()
    }

    /// The files with voxels, as paths; none if they follow the header.
    fn files(&self) -> Result<Option<Vec<PathBuf>>> {
        let name = self.need("ElementDataFile")?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let upper = name.to_uppercase();
        if upper == "LOCAL" {
            return Ok(None);
        }
        let names: Vec<String> = if upper.split_whitespace().next() == Some("LIST") {
            let listed = String::from_utf8_lossy(self.rest);
            listed.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
        } else if name.contains('%') && name.split_whitespace().count() > 1 {
            text::pattern(self.path, "ElementDataFile", name)?
        } else {
            vec![name.to_owned()]
        };
        if names.is_empty() {
            return Err(Error::file(self.path, "ElementDataFile is LIST, and no file is listed"));
        }
        Ok(Some(names.iter().map(|n| folder.join(n)).collect()))
    }

    fn store(&self, layout: &Layout, len: u64) -> Result<Store> {
        let files = self.files()?;
        let local = files.is_none();
        let files = files.unwrap_or_else(|| vec![self.path.to_owned()]);
        let skip = self.number("HeaderSize")?.unwrap_or(0);
        let each = len.div_ceil(files.len() as u64);
        let offset = |file: &Path| -> Result<u64> {
            match skip {
                _ if local => Ok(self.end),
                -1 => file_len(file)?.checked_sub(each).ok_or_else(|| {
                    Error::file(
                        file,
                        format!("is shorter than the {each} bytes of voxels that it should end with"),
                    )
                }),
                n => u64::try_from(n).map_err(|_| {
                    Error::file(self.path, format!("HeaderSize is {n}; it should be −1 or more"))
                }),
            }
        };
        if self.flag(&["CompressedData"]) {
            let sources = files.into_iter().map(|f| Ok((f.clone(), offset(&f)?))).collect::<Result<_>>()?;
            return Store::stream(self.path, sources, Codec::Zlib, 0, len);
        }
        if self.get(&["BinaryData"]).is_some_and(|v| v.starts_with(['F', 'f', '0'])) {
            let count = len / layout.sample.size() as u64;
            let bytes = text::samples(&files[0], offset(&files[0])?, layout.sample, count)?;
            return Ok(Store::memory(self.path, bytes));
        }
        if let [file] = &files[..] {
            return Store::file(file, offset(file)?);
        }
        let mut parts = Vec::new();
        for file in files {
            let offset = offset(&file)?;
            if file_len(&file)?.saturating_sub(offset) < each {
                return Err(Error::file(&file, format!("is shorter than the {each} bytes of its slices")));
            }
            parts.push(FileExtent { path: file, offset, len: each });
        }
        Ok(Store::parts(self.path, parts))
    }
}

fn voxel_type(path: &Path, name: &str) -> Result<VoxelType> {
    Ok(match name.trim_end_matches("_ARRAY") {
        "MET_CHAR" | "MET_ASCII_CHAR" => VoxelType::I8,
        "MET_UCHAR" => VoxelType::U8,
        "MET_SHORT" => VoxelType::I16,
        "MET_USHORT" => VoxelType::U16,
        // A long has four bytes here whatever the machine.
        "MET_INT" | "MET_LONG" => VoxelType::I32,
        "MET_UINT" | "MET_ULONG" => VoxelType::U32,
        "MET_LONG_LONG" => VoxelType::I64,
        "MET_ULONG_LONG" => VoxelType::U64,
        "MET_FLOAT" => VoxelType::F32,
        "MET_DOUBLE" => VoxelType::F64,
        other => {
            let other = shorten(other);
            return Err(Error::file(
                path,
                format!("ElementType is \"{other}\", which Voxelry does not read"),
            ));
        }
    })
}

fn describe(header: &Header) -> Result<(ImageInfo, Layout, u64)> {
    let path = header.path;
    let rank = header.number("NDims")?.ok_or_else(|| Error::file(path, "the header has no NDims"))?;
    if !(1..=4).contains(&rank) {
        return Err(Error::file(path, format!("NDims is {rank}; Voxelry reads 1 to 4")));
    }
    let rank = rank as usize;
    let mut dim = [1u64; 5];
    dim[..rank].copy_from_slice(&values::<u64>(path, "DimSize", header.need("DimSize")?, rank)?);
    let channels = header.number("ElementNumberOfChannels")?.unwrap_or(1);
    if !(1..=4096).contains(&channels) {
        return Err(Error::file(
            path,
            format!("ElementNumberOfChannels is {channels}; it should be 1 to 4096"),
        ));
    }
    dim[4] = channels as u64;
    if dim.contains(&0) {
        return Err(Error::file(path, format!("DimSize is {:?}; each should be at least 1", &dim[..rank])));
    }
    let voxel = voxel_type(path, header.need("ElementType")?)?;
    let sample = Sample::Plain(voxel);
    let len = byte_count(path, "DimSize", &dim, voxel.size())?;
    let shape = [dim[2] as usize, dim[1] as usize, dim[0] as usize];
    let text_samples = header.get(&["BinaryData"]).is_some_and(|v| v.starts_with(['F', 'f', '0']));
    let big = if text_samples && !header.flag(&["CompressedData"]) {
        text::BIG_ENDIAN
    } else {
        header.flag(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
    };
    let mut layout = Layout::c_order(sample, big, shape);
    layout.strides = layout.strides.map(|s| s * dim[4]);
    layout.channels = vec![(dim[4] as usize, voxel.size() as u64)];
    layout.times = vec![(dim[3] as usize, layout.strides[0] * dim[2])];

    layout.calibration = calibration(header)?;

    let mut notes = Vec::new();
    let (geometry, time_step) = geometry(header, rank, &mut notes)?;
    let chunk = slab(shape, voxel.size() * dim[4] as usize, 1 << 20);
    let mut info = ImageInfo::simple("metaimage", shape, chunk, voxel, geometry);
    info.time_step = time_step.filter(|t| dim[3] > 1 && *t > 0.0);
    info.notes = notes;
    info.metadata = header.fields.iter().map(|(k, v)| (k.clone(), shorten(v))).collect();
    Ok((info, layout, len))
}

/// The function from stored numbers to intensities.
fn calibration(header: &Header) -> Result<Option<Calibration>> {
    let number = |key: &str, default: f64| -> Result<f64> {
        header.get(&[key]).map_or(Ok(default), |text| Ok(values::<f64>(header.path, key, text, 1)?[0]))
    };
    let slope = number("ElementToIntensityFunctionSlope", 1.0)?;
    let intercept = number("ElementToIntensityFunctionOffset", 0.0)?;
    if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
        let reason = format!(
            "ElementToIntensityFunction is {slope} × element + {intercept}, which gives no intensities"
        );
        return Err(Error::file(header.path, reason));
    }
    Ok(Calibration::new(slope, intercept))
}

fn geometry(header: &Header, rank: usize, notes: &mut Vec<String>) -> Result<(Geometry, Option<f64>)> {
    let path = header.path;
    let space = rank.min(3);
    let mut spacing = DVec3::ONE;
    let mut time_step = None;
    for key in ["ElementSpacing", "ElementSize"] {
        if let Some(text) = header.get(&[key]) {
            let v: Vec<f64> = values(path, key, text, rank)?;
            if v.iter().any(|s| !s.is_finite() || *s == 0.0) {
                return Err(Error::file(path, format!("{key} is \"{}\"; it should not be 0", shorten(text))));
            }
            (0..space).for_each(|i| spacing[i] = v[i]);
            time_step = v.get(3).copied();
            break;
        }
    }
    let mut direction = DMat3::IDENTITY;
    let matrix = header.get(&["TransformMatrix", "Rotation", "Orientation"]);
    if let Some(text) = matrix {
        let v: Vec<f64> = values(path, "TransformMatrix", text, rank * rank)?;
        for axis in 0..space {
            for world in 0..space {
                direction.col_mut(axis)[world] = v[axis * rank + world];
            }
        }
        if !direction.is_finite() || direction.determinant() == 0.0 {
            notes.push("TransformMatrix cannot be inverted and is not used".into());
            direction = DMat3::IDENTITY;
        }
    }
    let mut origin = DVec3::ZERO;
    if let Some(text) = header.get(&["Offset", "Position", "Origin"]) {
        let v: Vec<f64> = values(path, "Offset", text, rank)?;
        (0..space).filter(|&i| v[i].is_finite()).for_each(|i| origin[i] = v[i]);
    }
    let mut affine = DAffine3 { matrix3: direction * DMat3::from_diagonal(spacing), translation: origin };
    let oriented = match header.get(&["AnatomicalOrientation"]) {
        Some(letters) => !letters.contains('?'),
        None => matrix.is_some(),
    };
    if oriented {
        affine = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0)) * affine;
    }
    let mut geometry = Geometry { world_from_index: affine, unit: Unit::Voxel, oriented };
    match header.get(&["DistanceUnits"]) {
        Some(name) => {
            let units = AxisUnits::new([Some(name); 3]);
            let factor = units.convert(2, 1.0);
            if factor != 1.0 {
                let affine = &mut geometry.world_from_index;
                *affine = DAffine3::from_scale(DVec3::splat(factor)) * *affine;
            }
            let finest = geometry.spacing();
            units.complete(&mut geometry, finest, notes);
        }
        None if !oriented && spacing == DVec3::ONE => {}
        None => {
            notes.push("the header gives no unit of length; millimetres are assumed".into());
            geometry.unit = Unit::Millimetre;
        }
    }
    if let (Some(said), Some(_), true) = (header.get(&["AnatomicalOrientation"]), matrix, oriented)
        && said.len() == 3
        && space == 3
        && !said.eq_ignore_ascii_case(&letters(&geometry))
    {
        let own = letters(&geometry);
        notes.push(format!("AnatomicalOrientation is {said}, but TransformMatrix says {own}, which is used"));
    }
    Ok((geometry, time_step))
}

const SIZE_FIELD: &str = "CompressedDataSize = ";

fn header_for(spec: &ImageSpec, compress: bool, local: bool) -> String {
    let mut affine = spec.geometry.world_from_index;
    let (unit, factor) = match spec.geometry.unit {
        Unit::Voxel => ("?", 1.0),
        Unit::Nanometre => ("um", 1e-3),
        Unit::Micrometre => ("um", 1.0),
        Unit::Millimetre => ("mm", 1.0),
        Unit::Centimetre => ("cm", 1.0),
        Unit::Metre => ("mm", 1e3),
    };
    if factor != 1.0 {
        affine.matrix3 *= factor;
        affine.translation *= factor;
    }
    if spec.geometry.oriented {
        affine = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0)) * affine;
    }
    let rank = if spec.times > 1 { 4 } else { 3 };
    let [sz, sy, sx] = spec.geometry.spacing().map(|s| s * factor);
    let m = affine.matrix3;
    let mut matrix = String::new();
    for (axis, length) in [(m.x_axis, sx), (m.y_axis, sy), (m.z_axis, sz)] {
        let unit = axis / length;
        let _ = write!(matrix, " {} {} {}{}", unit.x, unit.y, unit.z, if rank == 4 { " 0" } else { "" });
    }
    matrix.push_str(if rank == 4 { " 0 0 0 1" } else { "" });
    let last = |v: String| if rank == 4 { format!(" {v}") } else { String::new() };
    let [z, y, x] = spec.shape;
    let element = match spec.voxel {
        VoxelType::U8 => "MET_UCHAR",
        VoxelType::I8 => "MET_CHAR",
        VoxelType::U16 => "MET_USHORT",
        VoxelType::I16 => "MET_SHORT",
        VoxelType::U32 => "MET_UINT",
        VoxelType::I32 => "MET_INT",
        VoxelType::U64 => "MET_ULONG_LONG",
        VoxelType::I64 => "MET_LONG_LONG",
        VoxelType::F32 => "MET_FLOAT",
        VoxelType::F64 => "MET_DOUBLE",
    };
    let origin = affine.translation;
    let mut out = String::from("ObjectType = Image\n");
    let _ = writeln!(out, "NDims = {rank}\nBinaryData = True");
    let _ = writeln!(out, "BinaryDataByteOrderMSB = {}", if text::BIG_ENDIAN { "True" } else { "False" });
    let _ = writeln!(out, "CompressedData = {}", if compress { "True" } else { "False" });
    if compress && local {
        // ITK reads no compressed voxels in the same file without it.
        let _ = writeln!(out, "{SIZE_FIELD}{:0width$}", 0, width = sink::SIZE_DIGITS);
    }
    let _ = writeln!(out, "TransformMatrix ={matrix}");
    let _ = writeln!(out, "Offset = {} {} {}{}", origin.x, origin.y, origin.z, last("0".into()));
    let _ = writeln!(out, "AnatomicalOrientation = {}", letters(&spec.geometry));
    let step = spec.time_step.unwrap_or(1.0).to_string();
    let _ = writeln!(out, "ElementSpacing = {sx} {sy} {sz}{}", last(step));
    let _ = writeln!(out, "DistanceUnits = {unit}");
    let _ = writeln!(out, "DimSize = {x} {y} {z}{}", last(spec.times.to_string()));
    if spec.channels.len() > 1 {
        let _ = writeln!(out, "ElementNumberOfChannels = {}", spec.channels.len());
    }
    let _ = writeln!(out, "ElementType = {element}");
    out
}

/// ITK's letters name where each axis comes from, so they are the opposite of ours.
fn letters(geometry: &Geometry) -> String {
    let opposite = |c: char| match c {
        'R' => 'L',
        'L' => 'R',
        'A' => 'P',
        'P' => 'A',
        'S' => 'I',
        _ => 'S',
    };
    geometry.orientation().map_or("???".into(), |[z, y, x]| [x, y, z].map(opposite).iter().collect())
}
