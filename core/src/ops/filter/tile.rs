//! Cuts a block into tiles that fit into a core's cache, gives each tile its surroundings with the
//! border rule already applied, and its rows of the output to write. Kernels on tiles know nothing
//! of borders, blocks or threads.

use super::Border;
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, parallel, with_volume};
use multiversion::multiversion;
use ndarray::Array3;
use std::sync::Mutex;

/// A number that kernels compute with, made from a voxel.
pub trait Sample: Copy + Send + Sync + std::default::Default + 'static {
    /// The voxel as this number.
    fn sample<T: Voxel>(voxel: T) -> Self;
}

impl Sample for f32 {
    #[inline(always)]
    fn sample<T: Voxel>(voxel: T) -> Self {
        voxel.to_f64() as f32
    }
}

impl Sample for f64 {
    #[inline(always)]
    fn sample<T: Voxel>(voxel: T) -> Self {
        voxel.to_f64()
    }
}

/// An input block with the border of its image.
pub struct Frame<'a> {
    /// The voxels of `source`.
    pub input: &'a Volume,
    /// The part of the image that `input` is.
    pub source: Region,
    /// Shape of the image.
    pub image: [usize; 3],
    /// How the image goes on.
    pub border: Border,
}

impl Frame<'_> {
    /// Index into the block along `axis` of the voxel that stands for image index `i`.
    pub fn index(&self, axis: usize, i: isize) -> usize {
        self.border.index(i, self.image[axis]) - self.source.start[axis]
    }

    /// Writes the voxels from image index `start`, which may lie outside, to `target`: rows of
    /// `shape[2]` that begin every `stride`.
    pub fn fill<S: Sample>(&self, start: [isize; 3], shape: [usize; 3], stride: usize, target: &mut [S]) {
        with_volume!(self.input, |a| self.fill_typed(a, start, shape, stride, target, S::sample));
    }

    /// As [`Frame::fill`], with another conversion.
    pub fn fill_typed<T: Voxel, S: Copy>(
        &self,
        input: &Array3<T>,
        start: [isize; 3],
        shape: [usize; 3],
        stride: usize,
        target: &mut [S],
        convert: impl Fn(T) -> S + Copy,
    ) {
        let data = input.as_slice().expect("volumes are in C order");
        let [_, ny, nx] = self.source.shape;
        let width = shape[2];
        // The run of indices that lie inside the image, and what stands for those before and after.
        let inside = |i: usize| (start[2] + i as isize) >= 0;
        let left = (0..width).position(inside).unwrap_or(width);
        let right = (self.image[2] as isize - start[2]).clamp(left as isize, width as isize) as usize;
        let edges: Vec<(usize, usize)> =
            (0..left).chain(right..width).map(|i| (i, self.index(2, start[2] + i as isize))).collect();
        for z in 0..shape[0] {
            let plane = self.index(0, start[0] + z as isize) * ny;
            for y in 0..shape[1] {
                let row = &data[(plane + self.index(1, start[1] + y as isize)) * nx..][..nx];
                let to = &mut target[(z * shape[1] + y) * stride..][..width];
                if left < right {
                    let first = (start[2] + left as isize) as usize - self.source.start[2];
                    convert_row(&mut to[left..right], &row[first..], convert);
                }
                for &(i, from) in &edges {
                    to[i] = convert(row[from]);
                }
            }
        }
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn convert_row<T: Copy, S, F: Fn(T) -> S>(to: &mut [S], row: &[T], convert: F) {
    for (t, v) in to.iter_mut().zip(row) {
        *t = convert(*v);
    }
}

/// A part of the output and its rows.
pub struct Tile<'a, U> {
    /// The part, in indices of the image.
    pub region: Region,
    rows: Vec<&'a mut [U]>,
}

impl<U> Tile<'_, U> {
    /// Row `z, y` of the tile.
    pub fn row(&mut self, z: usize, y: usize) -> &mut [U] {
        self.rows[z * self.region.shape[1] + y]
    }
}

/// A part of the output that takes rows of numbers and keeps them as its own voxel type, so that
/// kernels are compiled once and not for each type of output.
pub trait Sink: Send {
    /// The part, in indices of the image.
    fn region(&self) -> Region;
    /// Writes row `z, y` of the part; what `values` has beyond the row's end is left.
    fn put(&mut self, z: usize, y: usize, values: &[f32]);
    /// As [`Sink::put`].
    fn put_wide(&mut self, z: usize, y: usize, values: &[f64]);
}

impl<U: Voxel> Sink for Tile<'_, U> {
    fn region(&self) -> Region {
        self.region
    }

    fn put(&mut self, z: usize, y: usize, values: &[f32]) {
        round(self.row(z, y), values);
    }

    fn put_wide(&mut self, z: usize, y: usize, values: &[f64]) {
        round(self.row(z, y), values);
    }
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn round<U: Voxel, R: Voxel>(to: &mut [U], values: &[R]) {
    for (o, v) in to.iter_mut().zip(values) {
        *o = U::from_f64(v.to_f64());
    }
}

/// Cuts the voxels of `region` into tiles of at most `size` that can be written independently.
pub fn carve<U>(voxels: &mut [U], region: Region, size: [usize; 3]) -> Vec<Tile<'_, U>> {
    let size = size.map(|s| s.max(1));
    let mut tiles: Vec<Tile<U>> = region
        .tiles(size)
        .into_iter()
        .map(|region| Tile { region, rows: Vec::with_capacity(region.shape[0] * region.shape[1]) })
        .collect();
    let [_, ny, nx] = region.shape;
    let (across, along) = (nx.div_ceil(size[2]), ny.div_ceil(size[1]));
    for (i, row) in voxels.chunks_mut(nx.max(1)).enumerate() {
        let (z, y) = (i / ny, i % ny);
        let first = ((z / size[0]) * along + y / size[1]) * across;
        for (tile, part) in tiles[first..].iter_mut().zip(row.chunks_mut(size[2])) {
            tile.rows.push(part);
        }
    }
    tiles
}

/// Works through tiles in parallel. `work` makes the buffers that a thread keeps from tile to tile.
pub fn each_tile<S: Send, W: Send>(
    tiles: Vec<S>,
    job: &Job,
    work: impl Fn() -> W + Sync,
    make: impl Fn(&mut W, &mut S) -> Result<()> + Sync,
) -> Result<()> {
    let pool: Mutex<Vec<W>> = Mutex::new(Vec::new());
    parallel::items(tiles.into_iter(), job, &|_, mut tile| {
        let kept = pool.lock().expect("no panic while it is held").pop();
        let mut buffers = kept.unwrap_or_else(&work);
        make(&mut buffers, &mut tile)?;
        pool.lock().expect("no panic while it is held").push(buffers);
        Ok(())
    })
}

/// Makes an output block of type `output` tile by tile in parallel.
pub fn by_tiles<W: Send>(
    output: VoxelType,
    out: Region,
    size: [usize; 3],
    job: &Job,
    work: impl Fn() -> W + Sync,
    make: impl Fn(&mut W, &mut dyn Sink) -> Result<()> + Sync,
) -> Result<Volume> {
    let mut volume = Volume::zeros(output, out.shape);
    let tiles: Vec<Box<dyn Sink + '_>> = with_volume!(&mut volume, |a| {
        let tiles = carve(a.as_slice_mut().expect("just made"), out, size);
        tiles.into_iter().map(|t| Box::new(t) as Box<dyn Sink + '_>).collect()
    });
    each_tile(tiles, job, work, |buffers, tile| {
        make(buffers, &mut **tile)?;
        job.advance(tile.region().len() as u64);
        Ok(())
    })?;
    Ok(volume)
}

/// Makes a buffer at least `len` long and returns that much of it. What it held is left.
pub fn sized<S: Copy + std::default::Default>(buffer: &mut Vec<S>, len: usize) -> &mut [S] {
    if buffer.len() < len {
        buffer.resize(len, S::default());
    }
    &mut buffer[..len]
}

/// `start - radius` as signed indices.
pub fn before(start: [usize; 3], radius: [usize; 3]) -> [isize; 3] {
    std::array::from_fn(|a| start[a] as isize - radius[a] as isize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_block_once() {
        let out = Region::new([3, 5, 7], [5, 4, 9]);
        let work = || ();
        let made = by_tiles(VoxelType::U16, out, [2, 3, 4], &Job::silent(), work, |(), tile| {
            let r = tile.region();
            for z in 0..r.shape[0] {
                for y in 0..r.shape[1] {
                    let at = (100 * (r.start[0] + z) + 10 * (r.start[1] + y) + r.start[2]) as f32;
                    let row: Vec<f32> = (0..r.shape[2]).map(|x| at + x as f32 + 0.25).collect();
                    tile.put(z, y, &row);
                }
            }
            Ok(())
        })
        .unwrap();
        for ((z, y, x), v) in made.view::<u16>().unwrap().indexed_iter() {
            assert_eq!(usize::from(*v), 100 * (z + 3) + 10 * (y + 5) + x + 7);
        }
    }

    #[test]
    fn a_tile_at_a_border_gets_the_border() {
        let image = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (z * 100 + y * 10 + x) as u8);
        let volume = Volume::from(image.clone());
        for border in [Border::Nearest, Border::Reflect, Border::Mirror] {
            let frame = Frame { input: &volume, source: Region::whole([2, 3, 4]), image: [2, 3, 4], border };
            let (shape, stride) = ([6, 7, 11], 13);
            let mut seen = vec![0f32; 6 * 7 * stride];
            frame.fill([-2, -3, -3], shape, stride, &mut seen);
            for z in 0..6 {
                for y in 0..7 {
                    for x in 0..11 {
                        let at = |i: usize, before: isize, n| border.index(i as isize - before, n);
                        let expected = image[[at(z, 2, 2), at(y, 3, 3), at(x, 3, 4)]];
                        assert_eq!(seen[(z * 7 + y) * stride + x], f32::from(expected));
                    }
                }
            }
        }
    }
}
