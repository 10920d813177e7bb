//! A graph run over an image, brick by brick: what a brick needs goes up, stays while the passes run, and what
//! they make comes down while the next brick is on its way.

use super::device::{Coming, Device, Failure, Held};
use super::graph::{Graph, Node};
use std::collections::VecDeque;
use std::sync::Arc;
use voxelry_core::blocks::RegionVoxels;
use voxelry_core::{Job, Region, Volume, VoxelType};

/// An image that a graph reads.
#[derive(Clone)]
pub enum Image {
    /// In memory.
    Host(RegionVoxels),
    /// On the device, whole.
    Device(Arc<Resident>),
}

/// A whole image that stayed on the device.
pub struct Resident {
    /// Its voxels, rows padded to quads.
    pub buffer: Held,
    /// Its shape, `[z, y, x]`.
    pub shape: [usize; 3],
    /// Its type.
    pub voxel: VoxelType,
}

/// What a run may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one buffer.
    pub buffer: u64,
    /// Bytes of all buffers of a brick.
    pub total: u64,
    /// The largest brick, if it is to be smaller than it could be.
    pub brick: Option<[usize; 3]>,
}

/// Voxels from row to row of a brick.
pub fn stride(nx: usize) -> usize {
    nx.next_multiple_of(4)
}

/// Bytes of a brick.
pub fn bytes(shape: [usize; 3], voxel: VoxelType) -> u64 {
    (shape[0] * shape[1] * stride(shape[2]) * voxel.size()) as u64
}

/// The words of a brick as shaders see it.
pub fn described(region: Region) -> [u32; 8] {
    let ([z, y, x], [nz, ny, nx]) = (region.start, region.shape);
    [x, y, z, stride(nx), nx, ny, nz, 0].map(|v| v as u32)
}

/// The parts of `out` that are made at once: the largest of which everything fits.
fn tiles(graph: &Graph, out: Region, image: [usize; 3], limits: &Limits) -> Vec<Region> {
    let mut shape =
        limits.brick.map_or(out.shape, |b| std::array::from_fn(|a| b[a].min(out.shape[a]).max(1)));
    loop {
        // In the middle, where the halo is whole.
        let start: [usize; 3] = std::array::from_fn(|a| out.start[a] + (out.shape[a] - shape[a]) / 2);
        let regions = graph.regions(Region { start, shape }, image);
        let sizes: Vec<u64> = regions
            .iter()
            .enumerate()
            .filter_map(|(slot, r)| r.map(|r| bytes(r.shape, graph.voxel(slot))))
            .collect();
        let fits = sizes.iter().all(|b| *b <= limits.buffer) && sizes.iter().sum::<u64>() <= limits.total;
        let longest = (0..3).max_by_key(|&a| (shape[a], 3 - a)).unwrap_or(0);
        if fits || shape[longest] <= 8 {
            return out.tiles(shape);
        }
        shape[longest] = shape[longest].div_ceil(2);
    }
}

/// Whether the graph can run on the whole image at once.
pub fn fits_whole(graph: &Graph, image: [usize; 3], limits: &Limits) -> bool {
    tiles(graph, Region::whole(image), image, limits).len() == 1
}

/// Runs a graph to make the region `out` of an image of shape `image`, in memory.
///
/// # Errors
/// What the device did not do.
pub fn run(
    device: &Arc<Device>,
    graph: &Graph,
    images: &[Image],
    image: [usize; 3],
    out: Region,
    limits: &Limits,
    job: &Job,
) -> Result<Volume, Failure> {
    let voxel = graph.voxel(graph.top);
    let mut made = Volume::zeros(voxel, out.shape);
    if made.is_empty() {
        return Ok(made);
    }
    let mut coming: VecDeque<(Region, Coming)> = VecDeque::new();
    let mut land = |(tile, coming): (Region, Coming)| -> Result<(), Failure> {
        coming.wait(device, |bytes| put(&mut made, out, tile, bytes))?;
        job.advance(tile.len() as u64);
        Ok(())
    };
    for tile in tiles(graph, out, image, limits) {
        if job.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let fetched = device.guarded(|| {
            let mut encoder = device.encoder();
            let (result, _held) = brick(device, graph, images, image, tile, &mut encoder);
            Ok((tile, device.fetch(encoder, &result, bytes(tile.shape, voxel))))
        })?;
        coming.push_back(fetched);
        if coming.len() > 1
            && let Some(first) = coming.pop_front()
        {
            land(first)?;
        }
    }
    coming.into_iter().try_for_each(land)?;
    Ok(made)
}

/// Runs a graph on a whole image that fits; what it makes stays on the device.
///
/// # Errors
/// What the device did not do.
pub fn run_resident(
    device: &Arc<Device>,
    graph: &Graph,
    images: &[Image],
    image: [usize; 3],
) -> Result<Resident, Failure> {
    let buffer = device.guarded(|| {
        let mut encoder = device.encoder();
        let (result, _held) = brick(device, graph, images, image, Region::whole(image), &mut encoder);
        device.gpu.queue.submit([encoder.finish()]);
        Ok(result)
    })?;
    Ok(Resident { buffer, shape: image, voxel: graph.voxel(graph.top) })
}

/// Brings an image to the device, whole.
///
/// # Errors
/// What the device did not do.
pub fn upload(device: &Arc<Device>, image: &Image) -> Result<Arc<Resident>, Failure> {
    match image {
        Image::Device(resident) => Ok(resident.clone()),
        Image::Host(part) => {
            let (shape, voxel) = (part.voxels.shape(), part.voxels.voxel_type());
            let buffer = device.guarded(|| {
                let buffer = device.buffer(bytes(shape, voxel));
                device.gpu.queue.write_buffer(&buffer, 0, &take(&part.voxels, Region::whole(shape)));
                Ok(buffer)
            })?;
            Ok(Arc::new(Resident { buffer, shape, voxel }))
        }
    }
}

/// Brings an image down from the device.
///
/// # Errors
/// What the device did not do.
pub fn download(device: &Arc<Device>, image: &Resident) -> Result<Volume, Failure> {
    let region = Region::whole(image.shape);
    let mut made = Volume::zeros(image.voxel, image.shape);
    if !made.is_empty() {
        let size = bytes(image.shape, image.voxel);
        let coming = device.guarded(|| Ok(device.fetch(device.encoder(), &image.buffer, size)))?;
        coming.wait(device, |bytes| put(&mut made, region, region, bytes))?;
    }
    Ok(made)
}

/// Records the passes of one brick and returns the buffer of the last, and those that must be held until the
/// commands are submitted: what is written to a buffer from here is there before all commands, so none may be
/// used again among them.
fn brick(
    device: &Arc<Device>,
    graph: &Graph,
    images: &[Image],
    image: [usize; 3],
    tile: Region,
    encoder: &mut wgpu::CommandEncoder,
) -> (Held, Vec<Held>) {
    let regions = graph.regions(tile, image);
    let mut buffers: Vec<Option<Held>> = Vec::new();
    let mut tables = Vec::new();
    for (slot, node) in graph.nodes.iter().enumerate() {
        let voxel = graph.voxel(slot);
        buffers.push(regions[slot].and_then(|region| match node {
            Node::Pass(_) => Some(device.buffer(bytes(region.shape, voxel))),
            Node::Input(number, _) => match &images[*number] {
                Image::Host(part) => {
                    let buffer = device.buffer(bytes(region.shape, voxel));
                    let rows = take(&part.voxels, region.relative_to(part.region.start));
                    device.gpu.queue.write_buffer(&buffer, 0, &rows);
                    Some(buffer)
                }
                // Bound as it is.
                Image::Device(_) => None,
            },
        }));
    }
    for (slot, node) in graph.nodes.iter().enumerate() {
        let (Node::Pass(pass), Some(region), Some(made)) = (node, regions[slot], &buffers[slot]) else {
            continue;
        };
        let (shader, table) = graph.shader(pass);
        let pipeline = device.pipeline(pass.name, &shader);
        let table = device.words(&table);
        let mut bound: Vec<&wgpu::Buffer> = vec![made, &table];
        let mut bricks = vec![described(region)];
        for &input in &pass.inputs {
            let (buffer, brick): (&wgpu::Buffer, Region) = match (&buffers[input], &graph.nodes[input]) {
                (Some(buffer), _) => (buffer, regions[input].unwrap_or(region)),
                (None, Node::Input(number, _)) => match &images[*number] {
                    Image::Device(resident) => (&resident.buffer, Region::whole(resident.shape)),
                    Image::Host(_) => unreachable!("images in memory have buffers"),
                },
                (None, Node::Pass(_)) => unreachable!("what is read has a region"),
            };
            bound.push(buffer);
            bricks.push(described(brick));
        }
        bricks.resize(4, [0; 8]);
        let uniforms = |groups: u32| {
            let [z, y, x] = image.map(|n| n as u32);
            let mut words: Vec<u32> = bricks.concat();
            words.extend([x, y, z, groups, 0, 0, 0, 0]);
            words
        };
        let [nz, ny, nx] = region.shape;
        device.record(encoder, &pipeline, uniforms, &bound, (nz * ny * stride(nx) / 4) as u64);
        tables.push(table);
    }
    let made = buffers[graph.top].take().expect("the top is a pass");
    (made, buffers.into_iter().flatten().chain(tables).collect())
}

/// The voxels of a region, rows padded to quads.
pub fn take(volume: &Volume, region: Region) -> Vec<u8> {
    let size = volume.voxel_type().size();
    let [_, ny, nx] = volume.shape();
    let source = volume.as_bytes();
    let [nz, rows, width] = region.shape;
    let pitch = stride(width) * size;
    let mut taken = vec![0; nz * rows * pitch];
    for (i, row) in taken.chunks_exact_mut(pitch.max(1)).enumerate() {
        let (z, y) = (region.start[0] + i / rows, region.start[1] + i % rows);
        let from = ((z * ny + y) * nx + region.start[2]) * size;
        row[..width * size].copy_from_slice(&source[from..from + width * size]);
    }
    taken
}

/// Writes the padded rows of `tile` where they belong in the volume of `out`.
pub fn put(volume: &mut Volume, out: Region, tile: Region, bytes: &[u8]) {
    let size = volume.voxel_type().size();
    let at = tile.relative_to(out.start);
    let [_, rows, width] = tile.shape;
    let [_, ny, nx] = out.shape;
    let target = volume.as_bytes_mut();
    for (i, row) in bytes.chunks_exact((stride(width) * size).max(1)).take(tile.shape[0] * rows).enumerate() {
        let (z, y) = (at.start[0] + i / rows, at.start[1] + i % rows);
        let to = ((z * ny + y) * nx + at.start[2]) * size;
        target[to..to + width * size].copy_from_slice(&row[..width * size]);
    }
}
