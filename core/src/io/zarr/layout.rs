//! How an image is laid out as OME-Zarr: version, axes, levels, chunks, codecs and the metadata.

use super::ngff::unit_name;
use crate::io::pyramid;
use crate::io::{ImageSpec, WriteOptions};
use crate::{Geometry, VoxelType};
use glam::DMat3;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Chunks hold about this many voxels unless asked otherwise.
const CHUNK_VOXELS: usize = 64 * 64 * 64;
/// The pyramid ends with a level that is no longer than this along any axis.
const COARSEST: usize = 64;

/// Which version is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// OME-Zarr 0.4 on Zarr v2.
    V04,
    /// OME-Zarr 0.5 on Zarr v3.
    V05,
}

/// One level.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LevelLayout {
    /// Shape `[z, y, x]`.
    pub(super) shape: [usize; 3],
    /// Factor from the next finer level; `[1, 1, 1]` for level 0.
    pub(super) factor: [usize; 3],
    /// What is stored under one key, `[z, y, x]`: a shard, or a chunk where there are no shards.
    pub(super) grid: [usize; 3],
    /// Geometry of the level.
    pub(super) geometry: Geometry,
}

/// All that is decided before the first voxel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) spec: ImageSpec,
    pub(super) version: Version,
    pub(super) chunk: [usize; 3],
    pub(super) sharded: bool,
    pub(super) compress: bool,
    pub(super) levels: Vec<LevelLayout>,
    /// What is delivered at once: it gives whole grid cells of levels 0 and 1.
    pub(super) block: [usize; 3],
}

impl Layout {
    pub(super) fn new(spec: &ImageSpec, options: &WriteOptions) -> Result<Self, String> {
        let version = match options.version.as_deref() {
            None | Some("0.5") => Version::V05,
            Some("0.4") => Version::V04,
            Some(other) => {
                return Err(format!("OME-Zarr version \"{other}\" cannot be written; use 0.5 or 0.4"));
            }
        };
        if spec.shape.contains(&0) || spec.channels.is_empty() || spec.times == 0 {
            return Err("an image without voxels cannot be written".to_owned());
        }
        let total = spec
            .shape
            .iter()
            .chain([&spec.channels.len(), &spec.times])
            .try_fold(8usize, |a, b| a.checked_mul(*b));
        if total.is_none() {
            return Err(format!("an image of shape {:?} is larger than any disk", spec.shape));
        }
        if options.chunk.is_some_and(|c| c.contains(&0)) || options.shard.is_some_and(|s| s.contains(&0)) {
            return Err("chunk and shard shapes must be at least 1 along every axis".to_owned());
        }
        let chunk = options.chunk.unwrap_or_else(|| default_chunk(spec.shape));
        let chunk: [usize; 3] =
            std::array::from_fn(|a| chunk[a].min(spec.shape[a].next_power_of_two().max(1)));
        if options.shard.is_some() && version == Version::V04 {
            return Err("OME-Zarr 0.4 has no shards; use version 0.5 or no shard shape".to_owned());
        }
        // A shard is whole chunks, and no more of them than the image has.
        let grid = options.shard.map_or(chunk, |shard| {
            std::array::from_fn(|a| {
                let chunks = shard[a].div_ceil(chunk[a]).min(spec.shape[a].div_ceil(chunk[a]));
                chunks.max(1) * chunk[a]
            })
        });
        let factors = pyramid::plan(spec.shape, spec.geometry.spacing(), chunk.map(|c| c.max(COARSEST)));
        let mut level = LevelLayout { shape: spec.shape, factor: [1; 3], grid, geometry: spec.geometry };
        let mut levels = vec![level.clone()];
        let mut total = [1.0; 3];
        let mut block = grid;
        for (i, factor) in factors.into_iter().enumerate() {
            level.shape = pyramid::coarser(level.shape, factor);
            level.factor = factor;
            for a in 0..3 {
                total[a] *= factor[a] as f64;
            }
            level.geometry = spec.geometry.binned(total);
            if i == 0 {
                // A block must give whole grid cells of level 1: its shards are half as large
                // where that is still whole chunks, otherwise blocks are twice as large.
                for a in 0..3 {
                    if factor[a] == 2 && (grid[a] / chunk[a]).is_multiple_of(2) {
                        level.grid[a] = grid[a] / 2;
                    } else {
                        block[a] = grid[a] * factor[a];
                    }
                }
            }
            levels.push(level.clone());
        }
        let sharded = options.shard.is_some();
        Ok(Self { spec: spec.clone(), version, chunk, sharded, compress: options.compress, levels, block })
    }

    /// Whether there is a time axis, and a channel axis.
    pub(super) fn leading(&self) -> [bool; 2] {
        [self.spec.times > 1, self.spec.channels.len() > 1]
    }

    /// One number for each axis of the arrays: for t, for c (where there are such) and for z, y, x.
    pub(super) fn along<T: Copy>(&self, t: T, c: T, space: [T; 3]) -> Vec<T> {
        let [has_t, has_c] = self.leading();
        has_t.then_some(t).into_iter().chain(has_c.then_some(c)).chain(space).collect()
    }

    fn axis_names(&self) -> Vec<&'static str> {
        self.along("t", "c", ["z", "y", "x"])
    }

    /// The metadata document of a level's array.
    pub(super) fn array_metadata(&self, level: usize) -> Value {
        let LevelLayout { shape, grid, .. } = self.levels[level];
        let shape = self.along(self.spec.times, self.spec.channels.len(), shape);
        let grid = self.along(1, 1, grid);
        let chunk = self.along(1, 1, self.chunk);
        let voxel = self.spec.voxel;
        let size = voxel.size();
        match self.version {
            Version::V04 => {
                let compressor = self.compress.then(|| {
                    json!({"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": i32::from(size > 1), "blocksize": 0})
                });
                json!({
                    "zarr_format": 2, "shape": shape, "chunks": grid, "dtype": v2_name(voxel), "fill_value": 0,
                    "order": "C", "filters": null, "dimension_separator": "/", "compressor": compressor,
                })
            }
            Version::V05 => {
                let mut codecs = vec![json!({"name": "bytes", "configuration": {"endian": "little"}})];
                if self.compress {
                    let shuffle = if size > 1 { "shuffle" } else { "noshuffle" };
                    codecs.push(json!({"name": "blosc", "configuration": {
                        "cname": "zstd", "clevel": 1, "shuffle": shuffle, "typesize": size, "blocksize": 0}}));
                }
                if self.sharded {
                    codecs = vec![json!({"name": "sharding_indexed", "configuration": {
                        "chunk_shape": chunk, "codecs": codecs, "index_location": "end",
                        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}})];
                }
                json!({
                    "zarr_format": 3, "node_type": "array", "shape": shape, "data_type": v3_name(voxel),
                    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": grid}},
                    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                    "fill_value": 0, "codecs": codecs, "attributes": {}, "dimension_names": self.axis_names(),
                })
            }
        }
    }

    /// Where a level's document lies in the folder.
    pub(super) fn array_document(&self, level: usize) -> PathBuf {
        let name = if self.version == Version::V04 { ".zarray" } else { "zarr.json" };
        Path::new(&level.to_string()).join(name)
    }

    /// All metadata documents: where they lie in the folder, and contents. `range` is as in
    /// [`Layout::group_metadata`].
    pub(super) fn documents(&self, range: &[Option<(f64, f64)>]) -> Vec<(PathBuf, Value)> {
        let levels = (0..self.levels.len()).map(|l| (self.array_document(l), self.array_metadata(l)));
        let group = self.group_metadata(range).into_iter().map(|(name, document)| (name.into(), document));
        group.chain(levels).collect()
    }

    /// The metadata documents of the group: names and contents. `range` gives the smallest and
    /// largest value of each channel.
    pub(super) fn group_metadata(&self, range: &[Option<(f64, f64)>]) -> Vec<(&'static str, Value)> {
        let version = match self.version {
            Version::V04 => "0.4",
            Version::V05 => "0.5",
        };
        let mut image = Map::new();
        if self.version == Version::V04 {
            image.insert("version".into(), version.into());
        }
        image.insert("name".into(), if self.spec.labels { "labels" } else { "image" }.into());
        image.insert("axes".into(), self.axes());
        image.insert("datasets".into(), (0..self.levels.len()).map(|i| self.dataset(i)).collect());
        image.insert("type".into(), if self.spec.labels { "mode" } else { "mean" }.into());
        let mut ome = Map::new();
        if self.version == Version::V05 {
            ome.insert("version".into(), version.into());
        }
        ome.insert("multiscales".into(), json!([image]));
        if self.spec.labels {
            let label = if self.version == Version::V04 { json!({"version": version}) } else { json!({}) };
            ome.insert("image-label".into(), label);
        } else if self.spec.channels.len() > 1 || self.spec.channels[0] != crate::io::Channel::default() {
            ome.insert("omero".into(), self.omero(range));
        }
        let own = extra_geometry(&self.spec.geometry);
        match self.version {
            Version::V04 => {
                ome.extend(own.map(|v| (EXTRA_GEOMETRY.to_owned(), v)));
                vec![(".zgroup", json!({"zarr_format": 2})), (".zattrs", Value::Object(ome))]
            }
            Version::V05 => {
                let mut attributes = Map::from_iter([("ome".to_owned(), Value::Object(ome))]);
                attributes.extend(own.map(|v| (EXTRA_GEOMETRY.to_owned(), v)));
                vec![("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": attributes}))]
            }
        }
    }

    fn axes(&self) -> Value {
        self.axis_names()
            .into_iter()
            .map(|name| match name {
                "t" if self.spec.time_step.is_some() => {
                    json!({"name": name, "type": "time", "unit": "second"})
                }
                "t" => json!({"name": name, "type": "time"}),
                "c" => json!({"name": name, "type": "channel"}),
                _ => match unit_name(self.spec.geometry.unit) {
                    Some(unit) => json!({"name": name, "type": "space", "unit": unit}),
                    None => json!({"name": name, "type": "space"}),
                },
            })
            .collect()
    }

    fn dataset(&self, level: usize) -> Value {
        let geometry = self.levels[level].geometry;
        let [z, y, x] = geometry.spacing().map(usable);
        let scale = self.along(usable(self.spec.time_step.unwrap_or(1.0)), 1.0, [z, y, x]);
        let origin = if upright(&self.spec.geometry) {
            let t = geometry.world_from_index.translation;
            [t.z, t.y, t.x]
        } else {
            // Turned axes have no place in a scale and a translation; levels stay aligned at least.
            let [fz, fy, fx] = self.spec.geometry.spacing().map(usable);
            [(z - fz) / 2.0, (y - fy) / 2.0, (x - fx) / 2.0]
        };
        let translation = self.along(0.0, 0.0, origin.map(|v| if v.is_finite() { v } else { 0.0 }));
        json!({
            "path": level.to_string(),
            "coordinateTransformations": [
                {"type": "scale", "scale": scale},
                {"type": "translation", "translation": translation},
            ],
        })
    }

    fn omero(&self, range: &[Option<(f64, f64)>]) -> Value {
        let palette = ["FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF"];
        let only = self.spec.channels.len() == 1;
        let channels: Value = self
            .spec
            .channels
            .iter()
            .enumerate()
            .map(|(i, channel)| {
                let (low, high) = range.get(i).copied().flatten().unwrap_or((0.0, 1.0));
                let color = channel.color.map_or_else(
                    || palette[if only { 0 } else { 1 + i % 6 }].to_owned(),
                    |[r, g, b]| format!("{r:02X}{g:02X}{b:02X}"),
                );
                json!({"label": channel.name, "color": color, "active": true,
                       "window": {"min": low, "max": high, "start": low, "end": high}})
            })
            .collect();
        json!({"channels": channels})
    }
}

fn usable(scale: f64) -> f64 {
    if scale.is_finite() && scale > 0.0 { scale } else { 1.0 }
}

/// Whether a scale and a translation say all of the matrix.
fn upright(geometry: &Geometry) -> bool {
    let m = geometry.world_from_index.matrix3;
    let diagonal = [m.x_axis.x, m.y_axis.y, m.z_axis.z];
    diagonal.iter().all(|d| *d > 0.0) && m == DMat3::from_diagonal(diagonal.into())
}

/// The attribute that keeps what a scale and a translation cannot say.
pub(super) const EXTRA_GEOMETRY: &str = "voxelry";

/// The attribute's fields: the affine map, row by row, and whether it is anatomical.
fn extra_geometry(geometry: &Geometry) -> Option<Value> {
    if upright(geometry) && !geometry.oriented {
        return None;
    }
    let m = geometry.world_from_index.matrix3;
    let t = geometry.world_from_index.translation;
    let rows: Vec<[f64; 4]> = (0..3).map(|r| [m.x_axis[r], m.y_axis[r], m.z_axis[r], t[r]]).collect();
    Some(json!({"world_from_index_xyz": rows, "oriented": geometry.oriented}))
}

/// The geometry that [`EXTRA_GEOMETRY`] keeps, without its unit.
pub(super) fn full_geometry(own: &Value) -> Option<Geometry> {
    let rows = own.get("world_from_index_xyz")?.as_array()?;
    let mut geometry = Geometry { oriented: own.get("oriented")?.as_bool()?, ..Geometry::default() };
    let number = |r: usize, c: usize| rows.get(r)?.get(c)?.as_f64().filter(|v| v.is_finite());
    for r in 0..3 {
        for c in 0..3 {
            geometry.world_from_index.matrix3.col_mut(c)[r] = number(r, c)?;
        }
        geometry.world_from_index.translation[r] = number(r, 3)?;
    }
    (geometry.voxel_volume() > 0.0).then_some(geometry)
}

/// What OME-Zarr cannot express of an image.
pub(super) fn losses(spec: &ImageSpec) -> Vec<String> {
    let mut losses = Vec::new();
    if !upright(&spec.geometry) {
        losses.push(
            "OME-Zarr has no turned or mirrored axes: other programs see the voxel size only \
             (the full affine map is kept in an attribute that Voxelry reads)"
                .to_owned(),
        );
    } else if spec.geometry.oriented {
        losses.push(
            "OME-Zarr has no anatomical orientation (it is kept in an attribute that Voxelry reads)"
                .to_owned(),
        );
    }
    if spec.labels && spec.voxel.is_float() {
        losses.push("labels that are not integers are written as an intensity image".to_owned());
    }
    losses
}

fn default_chunk(shape: [usize; 3]) -> [usize; 3] {
    let mut chunk: [usize; 3] = shape.map(|n| n.next_power_of_two().min(64));
    // Thin images get wider chunks, x first.
    loop {
        let Some(axis) = [2, 1, 0]
            .into_iter()
            .filter(|&a| chunk[a] < shape[a] && chunk[a] < 1024)
            .min_by_key(|&a| chunk[a])
        else {
            return chunk;
        };
        if chunk.iter().product::<usize>() * 2 > CHUNK_VOXELS {
            return chunk;
        }
        chunk[axis] *= 2;
    }
}

fn v3_name(voxel: VoxelType) -> &'static str {
    match voxel {
        VoxelType::U8 => "uint8",
        VoxelType::I8 => "int8",
        VoxelType::U16 => "uint16",
        VoxelType::I16 => "int16",
        VoxelType::U32 => "uint32",
        VoxelType::I32 => "int32",
        VoxelType::U64 => "uint64",
        VoxelType::I64 => "int64",
        VoxelType::F32 => "float32",
        VoxelType::F64 => "float64",
    }
}

fn v2_name(voxel: VoxelType) -> &'static str {
    match voxel {
        VoxelType::U8 => "|u1",
        VoxelType::I8 => "|i1",
        VoxelType::U16 => "<u2",
        VoxelType::I16 => "<i2",
        VoxelType::U32 => "<u4",
        VoxelType::I32 => "<i4",
        VoxelType::U64 => "<u8",
        VoxelType::I64 => "<i8",
        VoxelType::F32 => "<f4",
        VoxelType::F64 => "<f8",
    }
}
