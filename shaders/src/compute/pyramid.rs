//! The GPU kernel of `io::pyramid::downsample`: coarser levels of an image.

use super::Computer;
use super::bricks::{self, bytes, described, stride};
use super::device::Failure;
use super::graph::single;
use super::kernels::holds;
use std::sync::PoisonError;
use voxelry_core::io::pyramid::{coarser, finer_region};
use voxelry_core::{Error, Job, Region, Result, Volume, VoxelType};

const LEVEL: &str = include_str!("../../wgsl/compute/pyramid.wgsl");
const FLOAT: &str = include_str!("../../wgsl/compute/pyramid_float.wgsl");

/// The shader that makes a voxel of the coarser level; `None` for types without a GPU kernel.
pub fn shader(voxel: VoxelType, labels: bool) -> Option<String> {
    let (name, double) = match voxel {
        _ if !holds(voxel) => return None,
        // Labels are whole numbers; NaN would be no label at all.
        VoxelType::F32 if labels => return None,
        _ if labels => ("most_frequent", false),
        VoxelType::F32 => ("mean_float", true),
        // Sums of eight must stay whole numbers of 32 bits.
        VoxelType::U32 | VoxelType::I32 => return None,
        _ => ("mean_whole", false),
    };
    let code = format!(
        "{LEVEL}{}\nfn finished(at: vec3<i32>) -> u32 {{\n    return {name}(at);\n}}\n",
        if double { FLOAT } else { "" }
    );
    Some(single(&code, voxel, double))
}

impl Computer {
    /// A volume made coarser by `factor` (1 or 2 along each axis), with the same bits as
    /// [`voxelry_core::io::pyramid::downsample`]. `None` if the type has no GPU kernel or the device failed.
    pub fn downsample(
        &self,
        volume: &Volume,
        factor: [usize; 3],
        labels: bool,
        job: &Job,
    ) -> Option<Result<Volume>> {
        let shader = shader(volume.voxel_type(), labels)?;
        if self.is_lost() || volume.is_empty() {
            return None;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match self.coarser(volume, factor, &shader, job) {
            Ok(volume) => Some(Ok(volume)),
            Err(Failure::Cancelled) => Some(Err(Error::Cancelled)),
            Err(_) => None,
        }
    }

    fn coarser(
        &self,
        volume: &Volume,
        factor: [usize; 3],
        shader: &str,
        job: &Job,
    ) -> Result<Volume, Failure> {
        let (fine, voxel) = (volume.shape(), volume.voxel_type());
        let out = Region::whole(coarser(fine, factor));
        let mut made = Volume::zeros(voxel, out.shape);
        let mut tile = self.limits.brick.unwrap_or(out.shape);
        let size = |tile: [usize; 3]| 8 * bytes(tile, voxel);
        while size(tile) > self.limits.buffer.min(self.limits.total / 2) && tile.iter().any(|n| *n > 1) {
            let longest = (0..3).max_by_key(|&a| tile[a]).unwrap_or(0);
            tile[longest] = tile[longest].div_ceil(2);
        }
        for tile in out.tiles(tile) {
            if job.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            let source = finer_region(tile, factor, fine);
            let coming = self.device.guarded(|| {
                let from = self.device.buffer(bytes(source.shape, voxel));
                self.device.gpu.queue.write_buffer(&from, 0, &bricks::take(volume, source));
                let to = self.device.buffer(bytes(tile.shape, voxel));
                let table = self.device.words(&[factor[2], factor[1], factor[0]].map(|f| f as u32));
                let pipeline = self.device.pipeline("pyramid", shader);
                let uniforms = |groups: u32| {
                    let mut words = [described(tile), described(source), [0; 8], [0; 8]].concat();
                    words.extend([fine[2] as u32, fine[1] as u32, fine[0] as u32, groups, 0, 0, 0, 0]);
                    words
                };
                let mut encoder = self.device.encoder();
                let [nz, ny, nx] = tile.shape;
                let quads = (nz * ny * stride(nx) / 4) as u64;
                self.device.record(&mut encoder, &pipeline, uniforms, &[&to, &table, &from], quads);
                Ok(self.device.fetch(encoder, &to, bytes(tile.shape, voxel)))
            })?;
            coming.wait(&self.device, |bytes| bricks::put(&mut made, out, tile, bytes))?;
            job.advance(tile.len() as u64);
        }
        Ok(made)
    }
}
