//! How an image is cut into bricks, and how their voxels become texels.
//!
//! A brick is [`CORE`]³ voxels of one level with one voxel around them, so that the hardware
//! interpolates within a brick and bricks meet without a seam. Beyond the image the outermost voxel
//! goes on.

use glam::{DVec3, Vec3};
use voxelry_core::io::Level;
use voxelry_core::{Region, Volume, Voxel, VoxelType, with_volume};
use wgpu::{Features, TextureFormat};

/// Voxels of a brick along an axis that are its own.
pub const CORE: usize = 32;
/// The same with the voxels around.
pub const EDGE: usize = CORE + 2;

/// A brick of an image: level and indices `[z, y, x]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Level, 0 is the finest.
    pub level: u32,
    /// Which brick of the level, `[z, y, x]`.
    pub at: [u32; 3],
}

/// The levels of an image in bricks.
#[derive(Debug, Clone)]
pub struct Layout {
    levels: Vec<LevelLayout>,
}

/// One level.
#[derive(Debug, Clone)]
pub struct LevelLayout {
    /// Voxels `[z, y, x]`.
    pub shape: [usize; 3],
    /// Bricks `[z, y, x]`.
    pub bricks: [usize; 3],
    /// The entry of the first brick in the page table.
    pub first: usize,
    /// Indices of this level are `scale · indices of level 0 + offset`, as `(x, y, z)`.
    pub scale: Vec3,
    /// See `scale`.
    pub offset: Vec3,
}

impl Layout {
    /// The layout of the levels of an image, finest first.
    pub fn new(levels: &[Level]) -> Self {
        let finest = levels[0].geometry.world_from_index;
        let mut first = 0;
        let levels = levels
            .iter()
            .map(|level| {
                let bricks = level.shape.map(|n| n.div_ceil(CORE));
                let from_finest = level.geometry.world_from_index.inverse() * finest;
                // Levels differ by scales along the axes and shifts.
                let scale = DVec3::from_array(std::array::from_fn(|a| from_finest.matrix3.col(a)[a]));
                let layout = LevelLayout {
                    shape: level.shape,
                    bricks,
                    first,
                    scale: scale.as_vec3(),
                    offset: from_finest.translation.as_vec3(),
                };
                first += bricks.iter().product::<usize>();
                layout
            })
            .collect();
        Self { levels }
    }

    /// The levels, finest first.
    pub fn levels(&self) -> &[LevelLayout] {
        &self.levels
    }

    /// Entries of the page table.
    pub fn len(&self) -> usize {
        let last = self.levels.last().expect("an image has a level");
        last.first + last.bricks.iter().product::<usize>()
    }

    /// Whether there is no voxel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of a brick in the page table.
    pub fn entry(&self, key: Key) -> usize {
        let level = &self.levels[key.level as usize];
        let [z, y, x] = key.at.map(|i| i as usize);
        level.first + (z * level.bricks[1] + y) * level.bricks[2] + x
    }

    /// The voxels that a brick needs: its own and those around them that exist.
    pub fn region(&self, key: Key) -> Region {
        let shape = self.levels[key.level as usize].shape;
        let start = key.at.map(|i| i as usize * CORE);
        let own = Region::new(start, std::array::from_fn(|a| CORE.min(shape[a] - start[a])));
        own.grown([1; 3], shape)
    }

    /// All bricks of a level that a box of its voxels touches, in C order.
    pub fn touched(&self, level: usize, voxels: Region) -> impl Iterator<Item = Key> + use<> {
        let bricks = self.levels[level].bricks;
        let range = move |a: usize| {
            let first = voxels.start[a] / CORE;
            first as u32..(voxels.end()[a].div_ceil(CORE).min(bricks[a])) as u32
        };
        range(0).flat_map(move |z| {
            range(1).flat_map(move |y| range(2).map(move |x| Key { level: level as u32, at: [z, y, x] }))
        })
    }
}

/// How voxels are kept in the atlas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Texels {
    /// Format of the texture.
    pub format: TextureFormat,
    /// An intensity is `texel · scale + offset`.
    pub scale: u16,
    /// See `scale`.
    pub offset: i16,
}

impl Texels {
    /// The narrowest texels that hold a voxel type and that the device can interpolate; labels are
    /// not interpolated.
    pub fn of(voxel: VoxelType, labels: bool, features: Features) -> Self {
        let texels = |format, scale, offset| Self { format, scale, offset };
        if labels {
            return texels(TextureFormat::R32Uint, 1, 0);
        }
        let wide = features.contains(Features::TEXTURE_FORMAT_16BIT_NORM);
        match voxel {
            VoxelType::U8 => texels(TextureFormat::R8Unorm, 255, 0),
            VoxelType::I8 => texels(TextureFormat::R8Unorm, 255, -128),
            VoxelType::U16 if wide => texels(TextureFormat::R16Unorm, 65535, 0),
            VoxelType::I16 if wide => texels(TextureFormat::R16Unorm, 65535, -32768),
            _ if features.contains(Features::FLOAT32_FILTERABLE) => texels(TextureFormat::R32Float, 1, 0),
            _ => texels(TextureFormat::R16Float, 1, 0),
        }
    }

    /// Whether they are labels.
    pub fn labels(&self) -> bool {
        self.format == TextureFormat::R32Uint
    }

    /// Bytes of a texel.
    pub fn size(&self) -> usize {
        self.format.block_copy_size(None).expect("a format of one aspect") as usize
    }
}

/// A brick ready for the atlas.
#[derive(Debug, Clone, PartialEq)]
pub struct Brick {
    /// The texels of `part` in C order; none where all voxels are equal.
    pub texels: Option<Vec<u8>>,
    /// First texel and number of texels `[z, y, x]`; of a whole brick 0 and [`EDGE`].
    pub part: [[usize; 3]; 2],
    /// Least and greatest label, or the bits of the least and greatest finite intensity, which are
    /// ∞ and −∞ if there is none.
    pub range: [u32; 2],
}

/// Makes a brick of the voxels of [`Layout::region`], or of some of its planes across an axis; `start` is the brick's
/// first own voxel.
pub fn pack(
    voxels: &Volume,
    region: Region,
    start: [usize; 3],
    texels: Texels,
    axis: Option<usize>,
) -> Brick {
    let part = |a: usize| {
        if axis != Some(a) {
            return [0, EDGE];
        }
        // The outermost go on by one.
        let first = (region.start[a] + 1 - start[a]).saturating_sub(1);
        [first, (region.end()[a] + 2 - start[a]).min(EDGE) - first]
    };
    let parts: [[usize; 2]; 3] = std::array::from_fn(part);
    let part = [parts.map(|p| p[0]), parts.map(|p| p[1])];
    with_volume!(voxels, |a| {
        let all = a.as_slice().expect("volumes are in C order");
        let unit = |v: f64| (v - f64::from(texels.offset)) / f64::from(texels.scale);
        match texels.format {
            TextureFormat::R32Uint => pack_as(all, region, start, part, |v| v.to_f64() as u32),
            TextureFormat::R8Unorm => {
                pack_grey(all, region, start, part, |v| (unit(v.to_f64()) * 255.0).round() as u8)
            }
            TextureFormat::R16Unorm => {
                pack_grey(all, region, start, part, |v| (unit(v.to_f64()) * 65535.0).round() as u16)
            }
            TextureFormat::R32Float => pack_grey(all, region, start, part, |v| v.to_f64() as f32),
            _ => pack_grey(all, region, start, part, |v| half(v.to_f64() as f32)),
        }
    })
}

/// Labels and their range.
fn pack_as<T: Voxel>(
    all: &[T],
    region: Region,
    start: [usize; 3],
    part: [[usize; 3]; 2],
    to: impl Fn(T) -> u32,
) -> Brick {
    let texels = gather(all, region, start, part, to);
    let range = texels.iter().fold([u32::MAX, 0], |[low, high], v| [low.min(*v), high.max(*v)]);
    let texels = (range[0] < range[1]).then(|| bytemuck::cast_slice(&texels).to_vec());
    Brick { texels, part, range }
}

/// Intensities and the bits of their range.
fn pack_grey<T: Voxel, U: bytemuck::NoUninit>(
    all: &[T],
    region: Region,
    start: [usize; 3],
    part: [[usize; 3]; 2],
    to: impl Fn(T) -> U,
) -> Brick {
    let mut range = [f32::INFINITY, f32::NEG_INFINITY];
    let mut missing = false;
    for v in rows(all, region).flatten() {
        let v = v.to_f64() as f32;
        missing |= !v.is_finite();
        if v.is_finite() {
            range = [range[0].min(v), range[1].max(v)];
        }
    }
    let flat = range[0] >= range[1] && !missing;
    let texels = (!flat).then(|| bytemuck::cast_slice(&gather(all, region, start, part, to)).to_vec());
    Brick { texels, part, range: range.map(f32::to_bits) }
}

fn rows<T>(all: &[T], region: Region) -> impl Iterator<Item = &[T]> {
    all.chunks_exact(region.shape[2].max(1))
}

/// The texels of a brick; beyond the region its outermost voxels go on.
fn gather<T: Copy, U>(
    all: &[T],
    region: Region,
    start: [usize; 3],
    [from, count]: [[usize; 3]; 2],
    to: impl Fn(T) -> U,
) -> Vec<U> {
    // Where texel `i` of an axis lies in the region.
    let place = |a: usize| -> [usize; EDGE] {
        let first = start[a] as isize - 1 - region.start[a] as isize;
        let last = region.shape[a] as isize - 1;
        std::array::from_fn(|i| (first + i as isize).clamp(0, last) as usize)
    };
    let places = [place(0), place(1), place(2)];
    let [zs, ys, xs]: [&[usize]; 3] = std::array::from_fn(|a| &places[a][from[a]..from[a] + count[a]]);
    let mut values = Vec::with_capacity(count.iter().product());
    for &z in zs {
        for &y in ys {
            let row = &all[(z * region.shape[1] + y) * region.shape[2]..][..region.shape[2]];
            values.extend(xs.iter().map(|x| to(row[*x])));
        }
    }
    values
}

/// The bits of the nearest number of half precision; what is too large becomes the greatest.
fn half(v: f32) -> u16 {
    half::f16::from_f32(v.clamp(-65504.0, 65504.0)).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxelry_core::Geometry;

    fn level(shape: [usize; 3]) -> Level {
        Level { shape, geometry: Geometry::default(), chunk: [32; 3] }
    }

    #[test]
    fn bricks_cover_a_level_once_and_reach_one_voxel_around() {
        let layout = Layout::new(&[level([40, 33, 64]), level([20, 17, 32])]);
        assert_eq!(layout.levels()[0].bricks, [2, 2, 2]);
        assert_eq!(layout.len(), 9);
        assert_eq!(layout.entry(Key { level: 1, at: [0; 3] }), 8);
        let key = Key { level: 0, at: [1, 1, 0] };
        assert_eq!(layout.region(key), Region::new([31, 31, 0], [9, 2, 33]));
        assert_eq!(layout.touched(0, Region::new([31, 0, 32], [2, 1, 1])).count(), 2);
    }

    #[test]
    fn texels_hold_the_voxels_and_the_border_goes_on() {
        let shape = [3, 2, 4];
        let volume =
            Volume::from(ndarray::Array3::from_shape_fn(shape, |(z, y, x)| (100 * z + 10 * y + x) as u16));
        let layout = Layout::new(&[level(shape)]);
        let region = layout.region(Key { level: 0, at: [0; 3] });
        let texels = Texels { format: TextureFormat::R32Float, scale: 1, offset: 0 };
        let brick = pack(&volume, region, [0; 3], texels, None);
        assert_eq!(brick.range.map(f32::from_bits), [0.0, 213.0]);
        let texels = brick.texels.unwrap();
        let at = |z: usize, y: usize, x: usize| {
            f32::from_le_bytes(texels[((z * EDGE + y) * EDGE + x) * 4..][..4].try_into().unwrap())
        };
        assert_eq!((at(0, 0, 0), at(1, 1, 1), at(3, 2, 4), at(33, 33, 33)), (0.0, 0.0, 213.0, 213.0));
        let flat = pack(
            &Volume::from(ndarray::Array3::from_elem(shape, 7u8)),
            region,
            [0; 3],
            Texels::of(VoxelType::U8, false, Features::empty()),
            None,
        );
        assert_eq!(flat, Brick { texels: None, part: [[0; 3], [EDGE; 3]], range: [7f32.to_bits(); 2] });
    }

    #[test]
    fn planes_of_a_brick_are_those_of_the_whole_brick() {
        let shape = [70, 40, 33];
        let volume = Volume::from(ndarray::Array3::from_shape_fn(shape, |(z, y, x)| {
            ((100 * z + 10 * y + x * x) % 251) as u8
        }));
        let layout = Layout::new(&[level(shape)]);
        let texels = Texels { format: TextureFormat::R8Unorm, scale: 255, offset: 0 };
        for key in layout.touched(0, Region::whole(shape)) {
            let (region, start) = (layout.region(key), key.at.map(|i| i as usize * CORE));
            let Some(whole) = pack(&volume.crop(region), region, start, texels, None).texels else {
                continue;
            };
            for (axis, at) in (0..3).flat_map(|a| (0..region.shape[a]).map(move |i| (a, i))) {
                let mut thin = region;
                (thin.start[axis], thin.shape[axis]) = (region.start[axis] + at, 1);
                let brick = pack(&volume.crop(thin), thin, start, texels, Some(axis));
                let (Some(planes), [first, count]) = (brick.texels, brick.part) else { continue };
                let own = thin.start[axis] + 1 - start[axis];
                let mut all = (0..count[0])
                    .flat_map(|z| (0..count[1]).flat_map(move |y| (0..count[2]).map(move |x| [z, y, x])));
                assert_eq!(planes.len(), count.iter().product::<usize>());
                assert!(all.all(|p| {
                    let place: [usize; 3] = std::array::from_fn(|a| first[a] + p[a]);
                    let voxel = planes[(p[0] * count[1] + p[1]) * count[2] + p[2]];
                    place[axis] != own || voxel == whole[(place[0] * EDGE + place[1]) * EDGE + place[2]]
                }));
            }
        }
    }
}
