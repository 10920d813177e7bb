//! NumPy arrays (`.npy`, versions 1 to 3). The last three axes are z, y, x; a fourth before them is
//! channels, a fifth time; more are folded into channels. Fewer count as axes of one voxel.

use super::planar::sink::{FrameOrder, Plan, Wrap};
use super::planar::text::{BIG_ENDIAN, has_byte_order, read_start, shorten};
use super::planar::{Layout, Planar, Sample, Store, byte_count, sink, slab};
use super::{Channel, Format, ImageInfo, ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions};
use crate::{Error, Geometry, Result, VoxelType};
use std::path::Path;

/// The format.
pub(super) struct Npy;

const MAGIC: &[u8] = b"\x93NUMPY";

impl Format for Npy {
    fn id(&self) -> &'static str {
        "npy"
    }

    fn name(&self) -> &'static str {
        "NumPy array"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["npy"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        head.starts_with(MAGIC) || super::format::has_extension(self, path)
    }

    fn open(&self, path: &Path, _options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let start = read_start(path)?;
        let header = Header::parse(path, &start)?;
        let (info, layout) = describe(path, &header)?;
        Ok(Box::new(Planar::new(path, info, layout, Store::file(path, header.end)?)?))
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        let mut losses = Vec::new();
        if spec.geometry != Geometry::default() {
            losses.push("NPY keeps no spacing, unit, position or orientation".into());
        }
        if spec.channels.iter().any(|c| *c != Channel::default()) || spec.time_step.is_some() || spec.labels {
            losses.push("NPY keeps voxels only: no channel names, no time step, no mark of labels".into());
        }
        losses
    }

    fn create(&self, path: &Path, spec: &ImageSpec, _options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let mut shape = spec.shape.to_vec();
        if spec.channels.len() > 1 || spec.times > 1 {
            shape.insert(0, spec.channels.len());
        }
        if spec.times > 1 {
            shape.insert(0, spec.times);
        }
        let sizes: Vec<_> = shape.iter().map(usize::to_string).collect();
        let order = match (has_byte_order(spec.voxel), BIG_ENDIAN) {
            (false, _) => '|',
            (true, true) => '>',
            (true, false) => '<',
        };
        let kind = &spec.voxel.name()[..1];
        let mut text = format!(
            "{{'descr': '{order}{kind}{}', 'fortran_order': False, 'shape': ({}), }}",
            spec.voxel.size(),
            sizes.join(", ")
        );
        // The voxels begin at a multiple of 64, for those who map the file.
        let end = (10 + text.len() + 1).next_multiple_of(64);
        text.push_str(&" ".repeat(end - 11 - text.len()));
        text.push('\n');
        let mut prefix = MAGIC.to_vec();
        prefix.extend_from_slice(&[1, 0]);
        prefix.extend_from_slice(&(text.len() as u16).to_le_bytes());
        prefix.extend_from_slice(text.as_bytes());
        let plan = Plan {
            data: path.to_owned(),
            prefix,
            inner_prefix: Vec::new(),
            header: None,
            wrap: Wrap::Raw,
            order: FrameOrder::TimeChannel,
            size_at: None,
        };
        sink::create(plan, spec)
    }
}

struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
    end: u64,
}

impl Header {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let short = || Error::file(path, "the header ends early");
        if !bytes.starts_with(MAGIC) {
            return Err(Error::file(path, "does not begin as an NPY file does"));
        }
        let &[version, _] = bytes.get(6..8).and_then(|b| b.first_chunk()).ok_or_else(short)?;
        let (start, len) = match version {
            1 => (10, bytes.get(8..10).map(|b| usize::from(b[0]) | usize::from(b[1]) << 8)),
            2 | 3 => {
                (12, bytes.get(8..12).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b) as usize))
            }
            _ => {
                return Err(Error::file(
                    path,
                    format!("NPY version {version} is not one that Voxelry reads"),
                ));
            }
        };
        let end = start + len.ok_or_else(short)?;
        let text = String::from_utf8_lossy(bytes.get(start..end).ok_or_else(short)?);
        let wrong = |field: &str| {
            Error::file(path, format!("the header \"{}\" has no {field} that Voxelry reads", shorten(&text)))
        };
        let value = |key: &str| {
            let at = text.find(&format!("'{key}'")).or_else(|| text.find(&format!("\"{key}\"")))?;
            text[at + key.len() + 2..].trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = value("descr")
            .and_then(|v| v.strip_prefix(['\'', '"']))
            .and_then(|v| v.split(['\'', '"']).next())
            .ok_or_else(|| wrong("descr"))?
            .to_owned();
        let fortran = match value("fortran_order") {
            Some(v) if v.starts_with("True") => true,
            Some(v) if v.starts_with("False") => false,
            _ => return Err(wrong("fortran_order")),
        };
        let shape = value("shape")
            .and_then(|v| v.strip_prefix('('))
            .and_then(|v| v.split(')').next())
            .ok_or_else(|| wrong("shape"))?
            .split(',')
            .map(|n| n.trim().trim_end_matches('L'))
            .filter(|n| !n.is_empty())
            .map(|n| n.parse().map_err(|_| wrong("shape")))
            .collect::<Result<Vec<u64>>>()?;
        if shape.len() > 32 {
            return Err(Error::file(path, format!("shape has {} axes; NumPy allows 32", shape.len())));
        }
        Ok(Self { descr, fortran, shape, end: end as u64 })
    }

    fn sample(&self, path: &Path) -> Result<(Sample, bool)> {
        let big = self.descr.starts_with('>') || self.descr.starts_with('=') && BIG_ENDIAN;
        let sample = match self.descr.trim_start_matches(['<', '>', '|', '=']) {
            "b1" | "?" => Sample::Bool,
            "f2" => Sample::F16,
            "c8" => Sample::Complex32,
            "c16" => Sample::Complex64,
            "u1" => Sample::Plain(VoxelType::U8),
            "i1" => Sample::Plain(VoxelType::I8),
            "u2" => Sample::Plain(VoxelType::U16),
            "i2" => Sample::Plain(VoxelType::I16),
            "u4" => Sample::Plain(VoxelType::U32),
            "i4" => Sample::Plain(VoxelType::I32),
            "u8" => Sample::Plain(VoxelType::U64),
            "i8" => Sample::Plain(VoxelType::I64),
            "f4" => Sample::Plain(VoxelType::F32),
            "f8" => Sample::Plain(VoxelType::F64),
            _ => {
                let descr = shorten(&self.descr);
                return Err(Error::file(path, format!("descr is \"{descr}\", which Voxelry does not read")));
            }
        };
        Ok((sample, big))
    }
}

fn describe(path: &Path, header: &Header) -> Result<(ImageInfo, Layout)> {
    let (sample, big_endian) = header.sample(path)?;
    let mut dims = vec![1; 3usize.saturating_sub(header.shape.len())];
    dims.extend_from_slice(&header.shape);
    byte_count(path, "shape", &dims, sample.size())?;
    if dims.contains(&0) {
        return Err(Error::file(path, format!("shape is {:?}: there are no voxels", header.shape)));
    }
    let mut strides = vec![0; dims.len()];
    let mut stride = sample.size() as u64;
    let axes: Vec<usize> =
        if header.fortran { (0..dims.len()).collect() } else { (0..dims.len()).rev().collect() };
    for axis in axes {
        strides[axis] = stride;
        stride *= dims[axis];
    }
    let lead = dims.len() - 3;
    let shape = std::array::from_fn(|i| dims[lead + i] as usize);
    let mut layout = Layout::c_order(sample, big_endian, shape);
    layout.strides = std::array::from_fn(|i| strides[lead + i]);
    let mut outer: Vec<(usize, u64)> = (0..lead).map(|i| (dims[i] as usize, strides[i])).collect();
    if lead == 2 {
        layout.times = vec![outer.remove(0)];
    }
    layout.channels = outer;
    if layout.channel_count() > 1 << 20 {
        return Err(Error::file(path, format!("shape is {:?}: too many channels", header.shape)));
    }
    // Slices of a Fortran-order array cross all of it; thick slabs along x are contiguous.
    let chunk = if header.fortran {
        let [x, y, z] = slab([shape[2], shape[1], shape[0]], sample.size(), 1 << 20);
        [z, y, x]
    } else {
        slab(shape, sample.size(), 1 << 20)
    };
    let mut info = ImageInfo::simple("npy", shape, chunk, layout.voxel(), Geometry::default());
    if lead > 2 {
        info.notes.push(format!("the first {lead} axes of shape {:?} are read as channels", header.shape));
    }
    info.metadata.insert("descr".into(), header.descr.clone());
    info.metadata.insert("fortran_order".into(), header.fortran.to_string());
    Ok((info, layout))
}
