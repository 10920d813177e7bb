//! Voxel by voxel in `f64`: a chunk of any type is loaded, worked on and stored as any other.

use crate::{Job, Result, Volume, Voxel, VoxelType, with_volume, with_voxel};
use rayon::prelude::*;

/// Voxels that are converted at once: what two buffers of `f64` can keep in the first cache.
const CHUNK: usize = 2048;

/// Voxels of the given volumes, each as `f64`, turned into one volume of type `to`. `f` is given
/// the first one's voxels to change, and the others'. Volumes have the same shape.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn map(
    volumes: &[&Volume],
    to: VoxelType,
    job: &Job,
    f: &(dyn Fn(&mut [f64], &[[f64; CHUNK]]) + Sync),
) -> Result<Volume> {
    let mut out = Volume::zeros(to, volumes[0].shape());
    let (size, n) = (to.size(), volumes[0].len());
    out.as_bytes_mut().par_chunks_mut(64 * CHUNK * size).enumerate().try_for_each(|(i, part)| {
        job.check()?;
        let (mut first, mut others) = ([0.0; CHUNK], [[0.0; CHUNK]; 1]);
        for (j, target) in part.chunks_mut(CHUNK * size).enumerate() {
            let start = (i * 64 + j) * CHUNK;
            let end = (start + CHUNK).min(n);
            load(volumes[0], start, &mut first[..end - start]);
            if let Some(other) = volumes.get(1) {
                load(other, start, &mut others[0][..end - start]);
            }
            f(&mut first[..end - start], &others[..volumes.len() - 1]);
            store(to, &first[..end - start], target);
        }
        job.advance((part.len() / size) as u64);
        Ok(())
    })?;
    Ok(out)
}

fn load(volume: &Volume, start: usize, into: &mut [f64]) {
    with_volume!(volume, |a| {
        let source = a.as_slice().expect("volumes are in C order");
        load_typed(&source[start..start + into.len()], into);
    });
}

#[inline(always)]
fn load_typed<T: Voxel>(from: &[T], into: &mut [f64]) {
    for (t, s) in into.iter_mut().zip(from) {
        *t = s.to_f64();
    }
}

fn store(to: VoxelType, from: &[f64], into: &mut [u8]) {
    with_voxel!(to, |T| store_typed::<T>(from, bytemuck::cast_slice_mut(into)));
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn store_typed<T: Voxel>(from: &[f64], into: &mut [T]) {
    for (t, s) in into.iter_mut().zip(from) {
        *t = T::from_f64(*s);
    }
}
