//! NRRD (`.nrrd`, and `.nhdr` with its data in other files), the format of teem and 3D Slicer.
//!
//! The first three axes that lie in space are x, y, z; an axis of kind "time" is time; all others
//! (vectors, colours, lists) are channels, wherever they stand.

mod header;

use super::planar::sink::{FrameOrder, Plan, Wrap};
use super::planar::text::{self, BIG_ENDIAN, has_byte_order, read_start, shorten, values};
use super::planar::{Layout, Planar, Sample, byte_count, sink, slab};
use super::{Channel, Format, ImageInfo, ImageSink, ImageSource, ImageSpec, OpenOptions, WriteOptions};
use crate::volume::unit::AxisUnits;
use crate::{Geometry, Result, Unit, VoxelType};
use glam::{DAffine3, DMat3, DVec3};
use header::{Encoding, Header};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The format.
pub(super) struct Nrrd;

impl Format for Nrrd {
    fn id(&self) -> &'static str {
        "nrrd"
    }

    fn name(&self) -> &'static str {
        "NRRD"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["nrrd", "nhdr"]
    }

    fn recognises(&self, path: &Path, head: &[u8]) -> bool {
        head.starts_with(b"NRRD000") || super::format::has_extension(self, path)
    }

    fn open(&self, path: &Path, _options: &OpenOptions) -> Result<Box<dyn ImageSource>> {
        let start = read_start(path)?;
        let header = Header::parse(path, &start)?;
        let encoding = header.encoding()?;
        let (info, layout, len) = describe(&header, encoding)?;
        let stored = if encoding == Encoding::Text { Sample::Plain(header.voxel()?) } else { layout.sample };
        let store = header.store(encoding, stored, len)?;
        Ok(Box::new(Planar::new(path, info, layout, store)?))
    }

    fn writes(&self) -> bool {
        true
    }

    fn losses(&self, spec: &ImageSpec) -> Vec<String> {
        let named = spec.channels.iter().any(|c| *c != Channel::default());
        if named { vec!["NRRD keeps no names or colours of channels".into()] } else { Vec::new() }
    }

    fn files(&self, path: &Path, options: &WriteOptions) -> Result<Vec<PathBuf>> {
        let Some(data) = data_file(path, options) else { return Ok(vec![path.to_owned()]) };
        text::data_name(path, &data)?;
        Ok(vec![path.to_owned(), data])
    }

    fn create(&self, path: &Path, spec: &ImageSpec, options: &WriteOptions) -> Result<Box<dyn ImageSink>> {
        let mut header = header_for(spec, options.compress);
        let wrap = if options.compress { Wrap::Gzip } else { Wrap::Raw };
        let order = FrameOrder::TimeChannel;
        let plan = if let Some(data) = data_file(path, options) {
            let name = text::data_name(path, &data)?;
            let _ = writeln!(header, "data file: {name}");
            let header = Some((path.to_owned(), header.into_bytes()));
            Plan { data, prefix: Vec::new(), inner_prefix: Vec::new(), header, wrap, order, size_at: None }
        } else {
            header.push('\n');
            let prefix = header.into_bytes();
            Plan {
                data: path.to_owned(),
                prefix,
                inner_prefix: Vec::new(),
                header: None,
                wrap,
                order,
                size_at: None,
            }
        };
        sink::create(plan, spec)
    }
}

/// The file of voxels beside a header of its own.
fn data_file(path: &Path, options: &WriteOptions) -> Option<PathBuf> {
    let detached = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("nhdr"));
    detached.then(|| path.with_extension(if options.compress { "raw.gz" } else { "raw" }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Space,
    Time,
    Channel,
    Complex,
}

/// Key by which we say that the voxels are labels.
const LABELS_KEY: &str = "voxelry labels";

/// What each axis is: by its direction in space where directions are given, else by its kind, else
/// the first three are x, y, z.
fn roles(header: &Header, rank: usize, directions: Option<&[Option<Vec<f64>>]>) -> Result<Vec<Role>> {
    let kinds: Vec<String> = match header.get("kinds") {
        Some(text) => text.split_whitespace().map(|k| k.trim_matches('"').to_lowercase()).collect(),
        None => vec!["???".into(); rank],
    };
    if kinds.len() != rank {
        return Err(header.wrong("kinds", &format!("which should name {rank} kinds")));
    }
    let mut left = 3;
    Ok((0..rank)
        .map(|axis| {
            let kind = kinds[axis].as_str();
            let in_space = match directions {
                Some(d) => d[axis].is_some() && kind != "time",
                None => matches!(kind, "space" | "domain" | "???" | "none"),
            };
            match kind {
                _ if in_space && left > 0 => {
                    left -= 1;
                    Role::Space
                }
                "time" => Role::Time,
                "complex" => Role::Complex,
                _ => Role::Channel,
            }
        })
        .collect())
}

fn describe(header: &Header, encoding: Encoding) -> Result<(ImageInfo, Layout, u64)> {
    let path = header.path;
    let rank = values::<usize>(path, "dimension", header.need("dimension")?, 1)?[0];
    if !(1..=16).contains(&rank) {
        return Err(header.wrong("dimension", "which should be 1 to 16"));
    }
    let sizes = values::<u64>(path, "sizes", header.need("sizes")?, rank)?;
    if sizes.contains(&0) {
        return Err(header.wrong("sizes", "of which each should be at least 1"));
    }
    let voxel = header.voxel()?;
    let len = byte_count(path, "sizes", &sizes, voxel.size())?;
    let directions = directions(header, rank)?;
    let roles = roles(header, rank, directions.as_deref())?;

    let mut sample = Sample::Plain(voxel);
    let mut shape = [1usize; 3];
    let mut layout = Layout::c_order(sample, header.big_endian(voxel, encoding)?, shape);
    layout.strides = [len; 3];
    let mut stride = voxel.size() as u64;
    let mut spatial = Vec::new();
    for (axis, &role) in roles.iter().enumerate() {
        let size = sizes[axis] as usize;
        match role {
            Role::Space => {
                let at = 2 - spatial.len();
                shape[at] = size;
                layout.strides[at] = stride;
                spatial.push(axis);
            }
            Role::Time => layout.times.insert(0, (size, stride)),
            Role::Complex if axis == 0 && size == 2 && voxel.is_float() && encoding != Encoding::Text => {
                sample = if voxel == VoxelType::F32 { Sample::Complex32 } else { Sample::Complex64 };
            }
            Role::Complex | Role::Channel => layout.channels.insert(0, (size, stride)),
        }
        stride *= sizes[axis];
    }
    // An axis of one voxel is never stepped along.
    for (stride, n) in layout.strides.iter_mut().zip(shape) {
        if n == 1 {
            *stride = sample.size() as u64;
        }
    }
    layout.sample = sample;
    if spatial.is_empty() {
        return Err(header.wrong("kinds", "of which none lies in space"));
    }
    let channels: u64 = layout.channels.iter().map(|c| c.0 as u64).product();
    if channels.saturating_mul(layout.times.iter().map(|c| c.0 as u64).product()) > 1 << 20 {
        return Err(header.wrong("sizes", "with too many channels or times"));
    }

    let mut notes = Vec::new();
    let geometry = geometry(header, rank, &spatial, directions.as_deref(), &mut notes)?;
    let span = layout.strides[2].max(1) as usize;
    let mut info = ImageInfo::simple("nrrd", shape, slab(shape, span, 1 << 20), layout.voxel(), geometry);
    let unnamed = rank > 3 && header.get("kinds").is_none() && directions.is_none();
    if unnamed {
        notes.push("axes after the third have no kind and are read as channels".into());
    }
    info.time_step = time_step(header, rank, &roles).filter(|_| layout.time_count() > 1);
    if let (Some(min), Some(max)) = (header.get("old min"), header.get("old max")) {
        notes.push(format!(
            "the values were quantized from the range {} to {} (old min, old max); they are read as they are stored",
            shorten(min),
            shorten(max)
        ));
    }
    info.labels =
        header.keys.contains_key("Segment0_ID") || header.keys.get(LABELS_KEY).is_some_and(|v| v == "1");
    info.notes = notes;
    for (key, value) in header.fields.iter().chain(&header.keys) {
        info.metadata.insert(key.clone(), shorten(value));
    }
    Ok((info, layout, len))
}

fn vector(text: &str) -> Option<Vec<f64>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    inner.split(',').map(|n| n.trim().parse().ok()).collect()
}

/// Splits `(1,0,0) none (0,1,0)` at blanks outside of parentheses.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0i32;
    for c in text.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c.is_whitespace() && depth <= 0 {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

fn directions(header: &Header, rank: usize) -> Result<Option<Vec<Option<Vec<f64>>>>> {
    let field = "space directions";
    let Some(text) = header.get(field) else { return Ok(None) };
    let words = words(text);
    if words.len() != rank {
        return Err(header.wrong(field, &format!("which should be {rank} vectors")));
    }
    let vectors = words.iter().map(|word| {
        if word.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        let v = vector(word).ok_or_else(|| header.wrong(field, "which should be vectors like (1,0,0)"))?;
        Ok(v.iter().all(|c| c.is_finite()).then_some(v))
    });
    Ok(Some(vectors.collect::<Result<_>>()?))
}

fn geometry(
    header: &Header,
    rank: usize,
    spatial: &[usize],
    directions: Option<&[Option<Vec<f64>>]>,
    notes: &mut Vec<String>,
) -> Result<Geometry> {
    // Signs that turn the file's world into right, anterior, superior.
    let space = header.get("space").map(str::to_lowercase).unwrap_or_default();
    let (signs, oriented) = match space.trim_end_matches("-time").trim_end_matches('t') {
        "right-anterior-superior" | "ras" => (DVec3::ONE, true),
        "left-anterior-superior" | "las" => (DVec3::new(-1.0, 1.0, 1.0), true),
        "left-posterior-superior" | "lps" => (DVec3::new(-1.0, -1.0, 1.0), true),
        _ => (DVec3::ONE, false),
    };
    if !oriented && !space.is_empty() {
        notes.push(format!("the space \"{space}\" has no anatomical directions: axes are the file's own"));
    }
    let three = |v: &[f64]| DVec3::from_array(std::array::from_fn(|i| v.get(i).copied().unwrap_or(0.0)));
    let units = units(header, rank, spatial, directions.is_some());
    // Lengths along the axes of the world, in the common unit.
    let in_unit = |v: DVec3| DVec3::new(units.convert(2, v.x), units.convert(1, v.y), units.convert(0, v.z));
    let mut matrix = DMat3::IDENTITY;
    if let Some(directions) = directions {
        for (i, &axis) in spatial.iter().enumerate() {
            if let Some(v) = &directions[axis] {
                *matrix.col_mut(i) = in_unit(three(v));
            }
        }
        if spatial.len() == 2 {
            let normal = matrix.x_axis.cross(matrix.y_axis);
            matrix.z_axis = normal.try_normalize().unwrap_or(DVec3::Z);
        }
    } else if let Some(text) = header.get("spacings") {
        let spacings = values::<f64>(header.path, "spacings", text, rank)?;
        for (i, &axis) in spatial.iter().enumerate() {
            if spacings[axis].is_finite() && spacings[axis] != 0.0 {
                matrix.col_mut(i)[i] = units.convert(2 - i, spacings[axis]);
            } else {
                notes.push(format!("the spacing of axis {} is {}; 1 is taken", axis + 1, spacings[axis]));
            }
        }
    }
    if !matrix.is_finite() || matrix.determinant() == 0.0 {
        notes.push("the space directions cannot be inverted and are not used".into());
        matrix = DMat3::IDENTITY;
    }
    let mut origin = DVec3::ZERO;
    if let Some(text) = header.get("space origin") {
        let v = vector(text).ok_or_else(|| header.wrong("space origin", "which should be like (0,0,0)"))?;
        origin = in_unit(three(&v));
        if !origin.is_finite() {
            notes.push("the space origin is not finite and is not used".into());
            origin = DVec3::ZERO;
        }
    }
    let affine = DAffine3 { matrix3: matrix, translation: origin };
    let world_from_index = DAffine3::from_scale(signs) * affine;
    let mut geometry = Geometry { world_from_index, unit: Unit::Voxel, oriented };
    if units.is_named() {
        let finest = geometry.spacing();
        units.complete(&mut geometry, finest, notes);
        return Ok(geometry);
    }
    let spaced = directions.is_some() || header.get("spacings").is_some();
    let said = header.keys.contains_key(UNIT_KEY);
    if oriented || spaced && matrix != DMat3::IDENTITY && !said {
        notes.push("the header gives no unit of length; millimetres are assumed".into());
        geometry.unit = Unit::Millimetre;
    }
    Ok(geometry)
}

/// Units `[z, y, x]`: of the axes of the world where the axes of the image have directions, else of those themselves.
fn units(header: &Header, rank: usize, spatial: &[usize], directed: bool) -> AxisUnits {
    let of_space = header.get("space units").map(quoted);
    let of_axes = header.get("units").map(quoted).filter(|names| names.len() == rank);
    let name = |i: usize| {
        let names = of_space.as_ref().filter(|_| directed || of_axes.is_none());
        let name = match (names, &of_axes) {
            (Some(names), _) => names.get(i),
            (None, Some(names)) => names.get(*spatial.get(i)?),
            (None, None) => None,
        };
        name.map(String::as_str).filter(|name| !matches!(*name, "" | "none" | "???"))
    };
    AxisUnits::new([name(2), name(1), name(0)])
}

/// The words of a list such as `"um" "um" "" none`.
fn quoted(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(inside) => inside.split_once('"').unwrap_or((inside, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// Key that says that lengths are in voxels, where no unit would be taken for millimetres.
const UNIT_KEY: &str = "voxelry unit";

fn time_step(header: &Header, rank: usize, roles: &[Role]) -> Option<f64> {
    let axis = roles.iter().position(|r| *r == Role::Time)?;
    let spacings = values::<f64>(header.path, "spacings", header.get("spacings")?, rank).ok()?;
    (spacings[axis].is_finite() && spacings[axis] > 0.0).then_some(spacings[axis])
}

fn header_for(spec: &ImageSpec, compress: bool) -> String {
    let (channels, times) = (spec.channels.len(), spec.times);
    let [z, y, x] = spec.shape;
    let mut sizes = vec![x, y, z];
    let mut kinds = vec!["domain"; 3];
    if channels > 1 {
        sizes.push(channels);
        kinds.push("list");
    }
    if times > 1 {
        sizes.push(times);
        kinds.push("time");
    }
    let rank = sizes.len();
    let voxel = match spec.voxel {
        VoxelType::F32 => "float".to_owned(),
        VoxelType::F64 => "double".to_owned(),
        other => other.name().replace('u', "uint").replace('i', "int").replace("uintnt", "uint"),
    };
    let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
    let geometry = &spec.geometry;
    let affine = geometry.world_from_index;
    let show = |v: DVec3| format!("({},{},{})", v.x, v.y, v.z);
    let m = affine.matrix3;
    let mut directions: Vec<_> = [m.x_axis, m.y_axis, m.z_axis].map(show).to_vec();
    directions.resize(rank, "none".into());
    let mut out = String::from("NRRD0005\n");
    let _ = writeln!(out, "type: {voxel}\ndimension: {rank}");
    if geometry.oriented {
        out.push_str("space: right-anterior-superior\n");
    } else {
        out.push_str("space dimension: 3\n");
    }
    let _ = writeln!(out, "sizes: {}", sizes.join(" "));
    let _ = writeln!(out, "space directions: {}", directions.join(" "));
    if let (true, Some(step)) = (times > 1, spec.time_step) {
        let mut spacings = vec!["NaN".to_owned(); rank - 1];
        spacings.push(step.to_string());
        let _ = writeln!(out, "spacings: {}", spacings.join(" "));
    }
    let _ = writeln!(out, "kinds: {}", kinds.join(" "));
    if has_byte_order(spec.voxel) {
        let _ = writeln!(out, "endian: {}", if BIG_ENDIAN { "big" } else { "little" });
    }
    let _ = writeln!(out, "encoding: {}", if compress { "gzip" } else { "raw" });
    match geometry.unit {
        Unit::Voxel => {
            let _ = writeln!(out, "{UNIT_KEY}:=voxel");
        }
        unit => {
            let name = if unit == Unit::Micrometre { "um" } else { unit.symbol() };
            let _ = writeln!(out, "space units: \"{name}\" \"{name}\" \"{name}\"");
        }
    }
    let _ = writeln!(out, "space origin: {}", show(affine.translation));
    if spec.labels {
        let _ = writeln!(out, "{LABELS_KEY}:=1");
    }
    out
}
