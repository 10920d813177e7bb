//! NIfTI-1 and NIfTI-2: `.nii`, `.nii.gz`, and pairs of `.hdr` and `.img`, each with or without
//! `.gz`. Voxels are stored x fastest, which is our `[z, y, x]` order as it stands; the fourth
//! dimension is time, the fifth channels.

mod affine;
mod header;

use super::planar::sink::{FrameOrder, Plan, Wrap};
use super::planar::{Codec, Layout, Planar, Sample, Store, byte_count, sink, slab};
use super::{
    Calibration, Channel, Format, ImageInfo, ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions,
};
use crate::error::PathContext;
use crate::{Error, Geometry, Result, Unit, VoxelType};
use affine::Method;
use header::Header;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// The format.
pub(super) struct Nifti;

/// In `descrip` of what we write where the image has no anatomical orientation: only then is an
/// affine kept without a code, and a missing unit means voxels.
const MARK: &str = "Voxelry: axes not anatomical";

const INTENT_VECTOR: i32 = 1007;
const INTENT_LABEL: i32 = 1002;

impl Format for Nifti {
    fn id(&self) -> &'static str {
        "nifti"
    }

    fn name(&self) -> &'static str {
        "NIfTI-1/2"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["nii.gz", "hdr.gz", "img.gz", "nii", "hdr", "img"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        let mut inflated = Vec::new();
        let head = if head.starts_with(&[0x1f, 0x8b]) {
            // An incomplete stream ends in an error after the bytes that we want.
            let _ = flate2::bufread::GzDecoder::new(head).take(4096).read_to_end(&mut inflated);
            &inflated
        } else {
            head
        };
        header::version(head).is_some() || super::format::has_extension(self, path)
    }

    fn open(&self, path: &Path, _options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let (header_path, data_path) = pair(path)?;
        let (head, gzip) = read_head(&header_path)?;
        let header = Header::parse(&header_path, &head)?;
        let data = match (header.single, data_path) {
            (true, _) => header_path.clone(),
            (false, Some(data)) => data,
            (false, None) => {
                return Err(Error::file(
                    path,
                    "is the header of a pair, and the .img file beside it is missing",
                ));
            }
        };
        let offset = data_offset(&header_path, &header)?;
        let data_gzip = if header.single { gzip } else { is_gzip(&data)? };
        let (info, layout, len) = describe(&header_path, &header)?;
        let store = if data_gzip {
            Store::stream(path, vec![(data, 0)], Codec::Gzip, offset, len)?
        } else {
            Store::file(&data, offset)?
        };
        Ok(Box::new(Planar::new(path, info, layout, store)?))
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        let mut losses = Vec::new();
        if spec.channels.iter().any(|c| *c != Channel::default()) {
            losses.push("NIfTI keeps no names or colours of channels".into());
        }
        match spec.geometry.unit {
            Unit::Nanometre => losses.push("NIfTI has no nanometres: positions are written in µm".into()),
            Unit::Centimetre => losses.push("NIfTI has no centimetres: positions are written in mm".into()),
            _ => {}
        }
        losses
    }

    fn files(&self, path: &Path, _options: &WriteOptions) -> Result<Vec<PathBuf>> {
        let gzip = ends_in_gz(path);
        Ok(if is_single(path) {
            vec![path.to_owned()]
        } else {
            ["hdr", "img"].map(|ending| with_ending(path, ending, gzip)).to_vec()
        })
    }

    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let gzip = ends_in_gz(path);
        let single = is_single(path);
        let header = header_for(path, spec, options, single)?.to_bytes();
        let wrap = if gzip { Wrap::Gzip } else { Wrap::Raw };
        let order = FrameOrder::ChannelTime;
        let plan = if single {
            let mut inner = header;
            inner.resize(inner.len().next_multiple_of(16), 0);
            Plan {
                data: path.to_owned(),
                prefix: Vec::new(),
                inner_prefix: inner,
                header: None,
                wrap,
                order,
                size_at: None,
            }
        } else {
            let bytes = if gzip { gzip_bytes(&header) } else { header };
            Plan {
                data: with_ending(path, "img", gzip),
                prefix: Vec::new(),
                inner_prefix: Vec::new(),
                header: Some((with_ending(path, "hdr", gzip), bytes)),
                wrap,
                order,
                size_at: None,
            }
        };
        sink::create(plan, spec)
    }
}

/// Whether the name ends in `.gz`.
pub(super) fn ends_in_gz(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

fn gzip_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::default());
    encoder.read_to_end(&mut out).expect("memory can be read");
    out
}

fn is_gzip(path: &Path) -> Result<bool> {
    let mut magic = Vec::new();
    File::open(path).at(path)?.take(2).read_to_end(&mut magic).at(path)?;
    Ok(magic == [0x1f, 0x8b])
}

/// The first bytes of a header file, inflated, and whether they had to be.
fn read_head(path: &Path) -> Result<(Vec<u8>, bool)> {
    let gzip = is_gzip(path)?;
    let mut file = File::open(path).at(path)?;
    let mut head = Vec::new();
    if gzip {
        file.rewind().at(path)?;
        let mut decoder = flate2::read::MultiGzDecoder::new(file).take(header::LEN_2 as u64);
        // What there is before the damage may suffice; if not, the header's length is the error.
        if let Err(e) = decoder.read_to_end(&mut head)
            && head.len() < header::LEN_1
        {
            return Err(Error::file(path, format!("the compressed header is damaged: {e}")));
        }
    } else {
        file.take(header::LEN_2 as u64).read_to_end(&mut head).at(path)?;
    }
    Ok((head, gzip))
}

/// The header and the data file of a path that may name either, or both in one.
fn pair(path: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let gzip = ends_in_gz(path);
    let plain = if gzip { path.with_extension("") } else { path.to_owned() };
    let ending = plain.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    let upper = ending.chars().any(char::is_uppercase);
    let other = |ending: &str| {
        let ending = if upper { ending.to_uppercase() } else { ending.to_owned() };
        [gzip, !gzip].map(|gzip| with_ending(path, &ending, gzip)).into_iter().find(|p| p.is_file())
    };
    match ending.to_lowercase().as_str() {
        "hdr" => Ok((path.to_owned(), other("img"))),
        "img" => {
            let header = other("hdr")
                .ok_or_else(|| Error::file(path, "holds voxels, and the .hdr file beside it is missing"))?;
            Ok((header, Some(path.to_owned())))
        }
        _ => Ok((path.to_owned(), None)),
    }
}

/// Whether header and voxels are in one file of this name.
fn is_single(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

/// A file of a pair: the path with another ending before `.gz`, if any.
fn with_ending(path: &Path, ending: &str, gzip: bool) -> PathBuf {
    let plain = if ends_in_gz(path) { path.with_extension("") } else { path.to_owned() };
    let mut name = plain.with_extension(ending).into_os_string();
    if gzip {
        name.push(".gz");
    }
    name.into()
}

fn data_offset(path: &Path, header: &Header) -> Result<u64> {
    let wrong = || {
        Error::file(path, format!("vox_offset is {}, which is not a place in the file", header.vox_offset))
    };
    let least = match (header.single, header.version) {
        (false, _) => 0.0,
        (true, 1) => 352.0,
        (true, _) => 544.0,
    };
    if header.vox_offset == 0.0 {
        return Ok(least as u64);
    }
    if !header.vox_offset.is_finite() || header.vox_offset < least || header.vox_offset > 1e18 {
        return Err(wrong());
    }
    Ok(header.vox_offset as u64)
}

fn sample(path: &Path, header: &Header) -> Result<(Sample, usize)> {
    use VoxelType::{F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    Ok(match header.datatype {
        2 => (Sample::Plain(U8), 1),
        4 => (Sample::Plain(I16), 1),
        8 => (Sample::Plain(I32), 1),
        16 => (Sample::Plain(F32), 1),
        32 => (Sample::Complex32, 1),
        64 => (Sample::Plain(F64), 1),
        128 => (Sample::Plain(U8), 3),
        256 => (Sample::Plain(I8), 1),
        512 => (Sample::Plain(U16), 1),
        768 => (Sample::Plain(U32), 1),
        1024 => (Sample::Plain(I64), 1),
        1280 => (Sample::Plain(U64), 1),
        1792 => (Sample::Complex64, 1),
        2304 => (Sample::Plain(U8), 4),
        code => {
            let name = match code {
                1 => " (bits)",
                1536 => " (128-bit floats, which differ between machines)",
                2048 => " (256-bit complex values)",
                _ => "",
            };
            return Err(Error::file(path, format!("datatype {code}{name} is not one that Voxelry reads")));
        }
    })
}

fn describe(path: &Path, header: &Header) -> Result<(ImageInfo, Layout, u64)> {
    let rank = header.dim[0];
    if !(1..=7).contains(&rank) {
        return Err(Error::file(path, format!("dim[0] is {rank}; it should be 1 to 7")));
    }
    let mut dim = [1u64; 8];
    for i in 1..=rank as usize {
        dim[i] = u64::try_from(header.dim[i]).ok().filter(|&d| d > 0).ok_or_else(|| {
            Error::file(path, format!("dim[{i}] is {}; it should be at least 1", header.dim[i]))
        })?;
    }
    let (sample, components) = sample(path, header)?;
    let word = sample.size() * components;
    let len = byte_count(path, "dim", &dim[1..], word)?;
    let shape = [dim[3] as usize, dim[2] as usize, dim[1] as usize];

    let mut layout = Layout::c_order(sample, header.big_endian, shape);
    layout.strides = layout.strides.map(|s| s * components as u64);
    let mut stride = layout.strides[0] * dim[3];
    layout.times = vec![(dim[4] as usize, stride)];
    stride *= dim[4];
    for i in 5..8 {
        layout.channels.insert(0, (dim[i] as usize, stride));
        stride *= dim[i];
    }
    layout.channels.push((components, 1));
    if layout.channels.iter().map(|c| c.0 as u64).product::<u64>() > 1 << 20 {
        return Err(Error::file(path, format!("dim is {:?}: too many channels", &header.dim)));
    }

    let mut notes = Vec::new();
    if dim[6] * dim[7] > 1 {
        notes.push(format!("dimensions 5 to 7 ({} × {} × {}) are read as channels", dim[5], dim[6], dim[7]));
    }
    if header.scl_slope != 0.0 && header.scl_slope.is_finite() && components == 1 {
        if !header.scl_inter.is_finite() {
            return Err(Error::file(path, format!("scl_inter is {}; it should be finite", header.scl_inter)));
        }
        layout.calibration = Calibration::new(header.scl_slope, header.scl_inter);
    }
    let geometry = geometry(header, &mut notes);
    let chunk = slab(shape, word, 1 << 20);
    let mut info = ImageInfo::simple("nifti", shape, chunk, layout.voxel(), geometry);
    info.labels = header.intent_code == INTENT_LABEL;
    info.channels = channels(layout.channel_count(), components);
    let seconds = match header.xyzt_units & 0x38 {
        8 => Some(1.0),
        16 => Some(1e-3),
        24 => Some(1e-6),
        _ => None,
    };
    info.time_step =
        seconds.map(|s| s * header.pixdim[4]).filter(|t| dim[4] > 1 && *t > 0.0 && t.is_finite());
    info.notes = notes;
    metadata(header, &mut info);
    Ok((info, layout, len))
}

fn channels(count: usize, components: usize) -> Vec<Channel> {
    let colours = [
        ("red", Some([255, 0, 0])),
        ("green", Some([0, 255, 0])),
        ("blue", Some([0, 0, 255])),
        ("alpha", None),
    ];
    (0..count)
        .map(|i| match colours.get(i) {
            Some(&(name, color)) if components == count && count > 1 => Channel { name: name.into(), color },
            _ => Channel::default(),
        })
        .collect()
}

fn geometry(header: &Header, notes: &mut Vec<String>) -> Geometry {
    let (mut world_from_index, method) = affine::choose(header, notes);
    let marked = text(&header.descrip).starts_with(MARK);
    if marked && method == Method::Base && affine::sform(header).is_finite() {
        world_from_index = affine::sform(header);
    }
    let unit = match header.xyzt_units & 7 {
        1 => Unit::Metre,
        2 => Unit::Millimetre,
        3 => Unit::Micrometre,
        _ if marked => Unit::Voxel,
        _ => {
            notes.push("the header gives no unit of length; millimetres are assumed".into());
            Unit::Millimetre
        }
    };
    Geometry { world_from_index, unit, oriented: method != Method::Base }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

fn metadata(header: &Header, info: &mut ImageInfo) {
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            info.metadata.insert(key.into(), value);
        }
    };
    put("version", header.version.to_string());
    put("byte order", if header.big_endian { "big" } else { "little" }.into());
    put("dim", format!("{:?}", header.dim));
    put("datatype", header.datatype.to_string());
    put("scl_slope", header.scl_slope.to_string());
    put("scl_inter", header.scl_inter.to_string());
    put("qform_code", header.qform_code.to_string());
    put("sform_code", header.sform_code.to_string());
    put("intent_code", header.intent_code.to_string());
    put("intent_name", text(&header.intent_name));
    put("descrip", text(&header.descrip));
}

/// Whether NIfTI-1, whose numbers have 32 bits, would move an image by more than a hundredth of a voxel.
fn is_far(geometry: &Geometry) -> bool {
    let voxel = geometry.spacing().into_iter().fold(f64::INFINITY, f64::min);
    let place = geometry.world_from_index.translation;
    // What is written may be in another unit, which rounds as much.
    place.abs().max_element() * f64::from(f32::EPSILON) / 2.0 > voxel / 100.0
}

fn header_for(path: &Path, spec: &ImageSpec, options: &WriteOptions, single: bool) -> Result<Header> {
    let (channels, times) = (spec.channels.len(), spec.times);
    let largest = spec.shape.into_iter().chain([channels, times]).max().unwrap_or(1);
    let version = match options.version.as_deref() {
        Some("1") if largest > 32767 => {
            return Err(Error::file(path, format!("{largest} voxels along an axis need NIfTI-2")));
        }
        Some("1") => 1,
        Some("2") => 2,
        Some(other) => return Err(Error::Usage(format!("NIfTI has versions 1 and 2, not \"{other}\""))),
        None => 1 + u8::from(largest > 32767 || is_far(&spec.geometry)),
    };
    let rank = if channels > 1 {
        5
    } else if times > 1 {
        4
    } else {
        3
    };
    let [z, y, x] = spec.shape.map(|n| n as i64);
    let datatype = match spec.voxel {
        VoxelType::U8 => 2,
        VoxelType::I16 => 4,
        VoxelType::I32 => 8,
        VoxelType::F32 => 16,
        VoxelType::F64 => 64,
        VoxelType::I8 => 256,
        VoxelType::U16 => 512,
        VoxelType::U32 => 768,
        VoxelType::I64 => 1024,
        VoxelType::U64 => 1280,
    };
    let (unit, factor) = match spec.geometry.unit {
        Unit::Voxel => (0, 1.0),
        Unit::Nanometre => (3, 1e-3),
        Unit::Micrometre => (3, 1.0),
        Unit::Millimetre => (2, 1.0),
        Unit::Centimetre => (2, 10.0),
        Unit::Metre => (1, 1.0),
    };
    let mut world = spec.geometry.world_from_index;
    if factor != 1.0 {
        world.matrix3 *= factor;
        world.translation *= factor;
    }
    let mut descrip = [0; 80];
    let mark = if spec.geometry.oriented { "Voxelry" } else { MARK };
    descrip[..mark.len()].copy_from_slice(mark.as_bytes());
    let mut header = Header {
        version,
        big_endian: cfg!(target_endian = "big"),
        single,
        dim: [rank, x, y, z, times as i64, channels as i64, 1, 1],
        datatype,
        bitpix: 8 * spec.voxel.size() as i16,
        pixdim: [1.0; 8],
        vox_offset: match (single, version) {
            (false, _) => 0.0,
            (true, 1) => 352.0,
            (true, _) => 544.0,
        },
        scl_slope: 1.0,
        scl_inter: 0.0,
        xyzt_units: unit | if spec.time_step.is_some() { 8 } else { 0 },
        intent_code: match (spec.labels, channels) {
            (true, _) => INTENT_LABEL,
            (false, 2..) => INTENT_VECTOR,
            _ => 0,
        },
        intent_name: [0; 16],
        descrip,
        qform_code: 0,
        sform_code: 0,
        quatern: [0.0; 3],
        qoffset: [0.0; 3],
        srow: [[0.0; 4]; 3],
    };
    affine::store(&mut header, &world, 1);
    if !spec.geometry.oriented {
        (header.sform_code, header.qform_code) = (0, 0);
    }
    header.pixdim[4] = spec.time_step.unwrap_or(1.0);
    Ok(header)
}
