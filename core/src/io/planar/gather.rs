//! Reads a box of voxels out of a run of samples with any strides.

use super::store::{Bytes, StreamReader};
use super::{Layout, Sample};
use crate::{Result, Volume};
use rayon::prelude::*;

/// Bytes that one task reads at once.
const BATCH: usize = 4 << 20;

/// Reads a whole C-order image while it inflates.
pub(super) fn read_stream(
    stream: &mut StreamReader,
    layout: &Layout,
    shape: [usize; 3],
    volume: &mut Volume,
) -> Result<()> {
    let voxels = shape.iter().product::<usize>();
    let (stored, size) = (layout.sample.size(), layout.voxel().size());
    let step = BATCH / stored;
    let mut scratch = vec![0; if layout.is_plain() { 0 } else { step.min(voxels) * stored }];
    for out in volume.as_bytes_mut().chunks_mut(step * size) {
        if layout.is_plain() {
            stream.read_exact(out)?;
            layout.to_native(out);
        } else {
            let raw = &mut scratch[..out.len() / size * stored];
            stream.read_exact(raw)?;
            layout.to_native(raw);
            layout.convert(raw, out);
        }
    }
    Ok(())
}

/// Reads the box of `shape` whose first sample is at `offset`.
pub(super) fn read_region(
    bytes: &Bytes,
    layout: &Layout,
    offset: u64,
    shape: [usize; 3],
    volume: &mut Volume,
) -> Result<()> {
    let size = layout.voxel().size();
    let out = volume.as_bytes_mut();
    let slowest = (0..3).max_by_key(|&a| (layout.strides[a] * u64::from(shape[a] > 1), 2 - a)).unwrap_or(0);
    if slowest != 0 && shape[0] > 1 {
        return read_transposed(bytes, layout, offset, shape, slowest, out);
    }
    let [nz, ny, nx] = shape;
    // One task: a few slices, or some rows of a single slice.
    let (axis, len, unit) = if nz > 1 { (0, nz, ny * nx) } else { (1, ny, nx) };
    let unit_bytes = unit * size;
    let per_task = (BATCH / unit_bytes.max(1)).clamp(1, len.div_ceil(rayon::current_num_threads()).max(1));
    let buffers = || (Vec::new(), Vec::new());
    out.par_chunks_mut(per_task * unit_bytes).enumerate().try_for_each_init(
        buffers,
        |(raw, rows), (i, out)| {
            let mut part = shape;
            part[axis] = out.len() / unit_bytes;
            let start = offset + (i * per_task) as u64 * layout.strides[axis];
            if layout.is_plain() {
                gather(bytes, layout, start, part, rows, out)?;
                layout.to_native(out);
            } else {
                raw.resize(part.iter().product::<usize>() * layout.sample.size(), 0);
                gather(bytes, layout, start, part, rows, raw)?;
                layout.to_native(raw);
                layout.convert(raw, out);
            }
            Ok(())
        },
    )
}

/// Samples of a box to C order, still in the file's byte order. `scratch` holds rows of the file, and is kept from call to
/// call.
fn gather(
    bytes: &Bytes,
    layout: &Layout,
    offset: u64,
    shape: [usize; 3],
    scratch: &mut Vec<u8>,
    out: &mut [u8],
) -> Result<()> {
    let [nz, ny, nx] = shape;
    let [sz, sy, sx] = layout.strides;
    let size = layout.sample.size();
    let row = nx * size;
    if sx == size as u64 || nx == 1 {
        let dense_rows = sy == row as u64 || ny == 1;
        if dense_rows && (sz == (ny * row) as u64 || nz == 1) {
            return bytes.read_at(offset, out);
        }
        for (z, plane) in out.chunks_mut(ny * row).enumerate() {
            let start = offset + z as u64 * sz;
            if dense_rows {
                bytes.read_at(start, plane)?;
            } else if let Some(all) = bytes.as_slice() {
                for (y, out) in plane.chunks_mut(row).enumerate() {
                    let at = (start + y as u64 * sy) as usize;
                    out.copy_from_slice(&all[at..at + row]);
                }
            } else {
                for_each_row(bytes, start, sy, row as u64, ny, scratch, |y, stored| {
                    plane[y * row..(y + 1) * row].copy_from_slice(stored);
                })?;
            }
        }
        return Ok(());
    }
    // Samples apart, as with interleaved channels: whole rows are read and picked from.
    let span = (nx as u64 - 1) * sx + size as u64;
    for (z, plane) in out.chunks_mut(ny * row).enumerate() {
        for_each_row(bytes, offset + z as u64 * sz, sy, span, ny, scratch, |y, stored| {
            pick(stored, sx as usize, layout.sample, &mut plane[y * row..(y + 1) * row]);
        })?;
    }
    Ok(())
}

/// How many rows are read in one go: several where they lie close together, else one at a time.
fn row_batch(span: u64, stride: u64, ny: usize) -> usize {
    if stride <= span.saturating_mul(8).max(4096) {
        ((BATCH as u64 / stride.max(1)).max(1) as usize).min(ny)
    } else {
        1
    }
}

fn for_each_row(
    bytes: &Bytes,
    start: u64,
    stride: u64,
    span: u64,
    ny: usize,
    scratch: &mut Vec<u8>,
    mut each: impl FnMut(usize, &[u8]),
) -> Result<()> {
    let batch = row_batch(span, stride, ny);
    for first in (0..ny).step_by(batch) {
        let n = batch.min(ny - first);
        let at = start + first as u64 * stride;
        let len = ((n as u64 - 1) * stride + span) as usize;
        let stored = if let Some(all) = bytes.as_slice() {
            &all[at as usize..at as usize + len]
        } else {
            scratch.resize(len, 0);
            bytes.read_at(at, scratch)?;
            &*scratch
        };
        for i in 0..n {
            let from = i * stride as usize;
            each(first + i, &stored[from..from + span as usize]);
        }
    }
    Ok(())
}

fn pick(stored: &[u8], stride: usize, sample: Sample, out: &mut [u8]) {
    match sample.size() {
        1 => pick_words::<1>(stored, stride, out),
        2 => pick_words::<2>(stored, stride, out),
        4 => pick_words::<4>(stored, stride, out),
        8 => pick_words::<8>(stored, stride, out),
        _ => pick_words::<16>(stored, stride, out),
    }
}

fn pick_words<const N: usize>(stored: &[u8], stride: usize, out: &mut [u8]) {
    for (i, word) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        word.copy_from_slice(&stored[i * stride..i * stride + N]);
    }
}

/// A box whose slowest axis in the file is not z (a Fortran-order array): read by batches along
/// that axis, so that the file is read in its order, and turned in memory.
fn read_transposed(
    bytes: &Bytes,
    layout: &Layout,
    offset: u64,
    shape: [usize; 3],
    slowest: usize,
    out: &mut [u8],
) -> Result<()> {
    let size = layout.sample.size();
    let mut order = [0, 1, 2];
    order.sort_by_key(|&a| std::cmp::Reverse((a == slowest, layout.strides[a])));
    let [n0, n1, n2] = order.map(|a| shape[a]);
    let [s0, s1, s2] = order.map(|a| layout.strides[a]);
    let span = (n2 as u64 - 1) * s2 + size as u64;
    let whole_planes = s1 <= span.saturating_mul(8);
    let row_step = if whole_planes { s1 } else { span };
    let plane = (n1 as u64 - 1) * row_step + span;
    let batch = ((BATCH as u64 * 4 / plane).max(1) as usize).min(n0);
    let mut scratch = vec![0; batch * plane as usize];
    let mut raw = vec![0; if layout.is_plain() { 0 } else { shape.iter().product::<usize>() * size }];
    let target = if layout.is_plain() { &mut *out } else { &mut raw[..] };
    for first in (0..n0).step_by(batch) {
        let n = batch.min(n0 - first);
        for i in 0..n {
            let at = offset + (first + i) as u64 * s0;
            let stored = &mut scratch[i * plane as usize..(i + 1) * plane as usize];
            if whole_planes {
                bytes.read_at(at, stored)?;
            } else {
                for (j, row) in stored.chunks_mut(span as usize).enumerate() {
                    bytes.read_at(at + j as u64 * s1, row)?;
                }
            }
        }
        // Where a step along each axis of the array leads in the scratch.
        let mut step = [0usize; 3];
        for (axis, stride) in order.into_iter().zip([plane, row_step, s2]) {
            step[axis] = stride as usize;
        }
        let (mut from, mut to) = ([0; 3], shape);
        (from[slowest], to[slowest]) = (first, first + n);
        target.par_chunks_mut(shape[1] * shape[2] * size).enumerate().for_each(|(z, slice)| {
            for y in from[1]..to[1] {
                let row = &mut slice[(y * shape[2] + from[2]) * size..(y * shape[2] + to[2]) * size];
                let start = z * step[0] + (y - from[1]) * step[1];
                pick(&scratch[start..], step[2], layout.sample, row);
            }
        });
    }
    layout.to_native(target);
    if !layout.is_plain() {
        layout.convert(&raw, out);
    }
    Ok(())
}
