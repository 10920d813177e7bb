//! Dilation of an array of lanes by a structuring element.
//!
//! Balls and crosses are unions of rows along x (Urbach & Wilkinson 2008, *Efficient 2-D grayscale
//! morphological transformations with arbitrary flat structuring elements*,
//! doi:10.1109/TIP.2007.912582): rows of one half-width share one dilation along x, made from that
//! of the half-width before, and are then joined as whole runs of lanes. Boxes are taken axis by
//! axis, each in `log₂ r` joins (doubling windows). Both work on tiles that stay in cache.

use super::element::{Element, Shape};
use super::lane::{Codec, Lane, join_1, join_2, join_8, shift_join};
use crate::{Job, Result, parallel};
use multiversion::multiversion;
use rayon::prelude::*;
use std::ops::Range;

/// Lanes of memory that a tile should fit into, in bytes: the second-level cache of one core.
const CACHE: usize = 384 << 10;

/// Dilates `src`, of `dims` items along `z, y, x`, into `dst`. Outside the array is neutral.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn dilate<C: Codec>(
    codec: C,
    src: &[C::Item],
    dst: &mut [C::Item],
    dims: [usize; 3],
    element: &Element,
    job: &Job,
) -> Result<()> {
    if src.is_empty() {
        return Ok(());
    }
    if element.shape != Shape::Box {
        return dilate_rows(codec, src, dst, dims, element, job);
    }
    if element.half[0] == 0 {
        return box_planes(codec, src, dst, dims, element.half, job);
    }
    let mut planes = vec![C::Item::default(); src.len()];
    box_planes(codec, src, &mut planes, dims, element.half, job)?;
    box_depth(codec, &planes, dst, dims, element.half[0], job)
}

/// A part of `dst` that one task makes: planes `z`, rows `y` (all of them if several planes).
struct Chunk {
    z: Range<usize>,
    y: Range<usize>,
}

/// Cuts an array into contiguous parts of about `planes` planes; a plane alone is cut into `rows`.
fn parts<I: Send>(
    dst: &mut [I],
    dims: [usize; 3],
    planes: usize,
    rows: usize,
) -> impl IndexedParallelIterator<Item = (Chunk, &mut [I])> {
    let [nz, ny, nx] = dims;
    let by_planes = nz > 2 * rayon::current_num_threads() || ny < 2 * rows;
    let (step, rows) = if by_planes { (planes.min(nz), ny) } else { (1, rows) };
    let bands = ny.div_ceil(rows);
    let mut cut = Vec::new();
    let mut rest = dst;
    for z in (0..nz).step_by(step) {
        let z = z..(z + step).min(nz);
        for band in 0..bands {
            let y = band * rows..((band + 1) * rows).min(ny);
            let (part, after) = rest.split_at_mut(z.len() * y.len() * nx);
            rest = after;
            cut.push((Chunk { z: z.clone(), y }, part));
        }
    }
    cut.into_par_iter()
}

fn dilate_rows<C: Codec>(
    codec: C,
    src: &[C::Item],
    dst: &mut [C::Item],
    dims: [usize; 3],
    element: &Element,
    job: &Job,
) -> Result<()> {
    let [hz, hy, hx] = element.half;
    let halo = hx.div_ceil(C::Lane::VOXELS);
    // A tile along x only where rows are so long that few of them fit into cache.
    let width = dims[2].min((4096 / size_of::<C::Lane>()).max(4 * halo));
    let row = (width + 2 * halo).min(dims[2]) * size_of::<C::Lane>();
    let fits = |t: usize| (t + 2 * hz) * (t + 2 * hy) * row <= CACHE;
    let mut edge = 4;
    while edge < 64 && fits(2 * edge) {
        edge *= 2;
    }
    edge = edge.max(hz.max(hy) / 2);
    let (planes, rows) = (edge.min(dims[0]), edge.min(dims[1]));
    parts(dst, dims, planes, rows).try_for_each_init(Vec::new, |buffers, (part, dst)| {
        for y in part.y.clone().step_by(rows) {
            job.check()?;
            let tile = [part.z.clone(), y..(y + rows).min(part.y.end), 0..0];
            for x in (0..dims[2]).step_by(width) {
                let mut tile = tile.clone();
                tile[2] = x..(x + width).min(dims[2]);
                let target = Target { start: [part.z.start, part.y.start], rows: part.y.len() };
                rows_tile(codec, src, dims, element, &tile, &target, dst, buffers);
            }
        }
        Ok(())
    })
}

/// Where a part's slice lies in the array.
struct Target {
    start: [usize; 2],
    rows: usize,
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn rows_tile<C: Codec>(
    codec: C,
    src: &[C::Item],
    dims: [usize; 3],
    element: &Element,
    tile: &[Range<usize>; 3],
    target: &Target,
    dst: &mut [C::Item],
    buffers: &mut Vec<C::Lane>,
) {
    let [hz, hy, hx] = element.half;
    let halo = hx.div_ceil(C::Lane::VOXELS);
    let x = tile[2].start.saturating_sub(halo)..(tile[2].end + halo).min(dims[2]);
    let width = x.len();
    let (bz, by) = (tile[0].len() + 2 * hz, tile[1].len() + 2 * hy);
    let (plane, out_plane) = (by * width, tile[1].len() * width);
    let size = bz * plane;
    buffers.clear();
    buffers.resize(size + plane + tile[0].len() * out_plane, C::Lane::BOTTOM);
    let (buffer, rest) = buffers.split_at_mut(size);
    let (copy, out) = rest.split_at_mut(plane);

    // The tile with its halo; rows outside the image stay neutral.
    let inside = |b: usize, start: usize, h: usize, n: usize| (start + b).checked_sub(h).filter(|&i| i < n);
    for b in 0..bz {
        let Some(z) = inside(b, tile[0].start, hz, dims[0]) else { continue };
        for c in 0..by {
            let Some(y) = inside(c, tile[1].start, hy, dims[1]) else { continue };
            let from = &src[(z * dims[1] + y) * dims[2]..][x.clone()];
            for (lane, item) in buffer[b * plane + c * width..][..width].iter_mut().zip(from) {
                *lane = codec.encode(*item);
            }
        }
    }

    let mut half = 0;
    for group in &element.groups {
        while half < group.half_width {
            let k = (half + 1).min(group.half_width - half);
            for b in 0..bz {
                if inside(b, tile[0].start, hz, dims[0]).is_some() {
                    let rows = &mut buffer[b * plane..][..plane];
                    copy.copy_from_slice(rows);
                    C::Lane::spread(copy, rows, width, k);
                }
            }
            half += k;
        }
        // Runs of lanes short enough to stay in the first-level cache while rows are joined to them.
        let run = (4096 / size_of::<C::Lane>()).min(out_plane);
        for z in 0..tile[0].len() {
            let out = &mut out[z * out_plane..][..out_plane];
            for start in (0..out_plane).step_by(run) {
                let len = run.min(out_plane - start);
                let out = &mut out[start..][..len];
                let from = |row: &super::element::Row| {
                    let b = (z + hz).wrapping_add_signed(row.dz);
                    let c = hy.wrapping_add_signed(row.dy);
                    &buffer[b * plane + c * width + start..][..len]
                };
                let mut rows = group.rows.chunks_exact(8);
                for r in rows.by_ref() {
                    let r: &[_; 8] = r.try_into().expect("chunks of eight");
                    join_8(
                        out,
                        [
                            from(&r[0]),
                            from(&r[1]),
                            from(&r[2]),
                            from(&r[3]),
                            from(&r[4]),
                            from(&r[5]),
                            from(&r[6]),
                            from(&r[7]),
                        ],
                    );
                }
                let mut pairs = rows.remainder().chunks_exact(2);
                for r in pairs.by_ref() {
                    join_2(out, [from(&r[0]), from(&r[1])]);
                }
                for r in pairs.remainder() {
                    join_1(out, from(r));
                }
            }
        }
    }

    let skip = tile[2].start - x.start;
    for z in 0..tile[0].len() {
        for y in 0..tile[1].len() {
            let row =
                (tile[0].start + z - target.start[0]) * target.rows + tile[1].start + y - target.start[1];
            let to = &mut dst[row * dims[2]..][tile[2].clone()];
            let from = &out[z * out_plane + y * width + skip..];
            for (item, lane) in to.iter_mut().zip(from) {
                *item = codec.decode(*lane);
            }
        }
    }
}

/// Dilation by a box along x and y.
fn box_planes<C: Codec>(
    codec: C,
    src: &[C::Item],
    dst: &mut [C::Item],
    dims: [usize; 3],
    half: [usize; 3],
    job: &Job,
) -> Result<()> {
    let rows = (CACHE / 4 / (dims[2] * size_of::<C::Lane>()).max(1)).max(2 * half[1]).max(16);
    parts(dst, dims, 1, rows).try_for_each_init(Vec::new, |buffers, (part, dst)| {
        let band = rows.min(part.y.len());
        for (i, dst) in dst.chunks_mut(band * dims[2]).enumerate() {
            job.check()?;
            let y = part.y.start + i * band;
            let y = y..y + dst.len() / dims[2];
            let plane = &src[part.z.start * dims[1] * dims[2]..][..dims[1] * dims[2]];
            planes_band(codec, plane, dst, [dims[1], dims[2]], y, [half[1], half[2]], buffers);
        }
        Ok(())
    })
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn planes_band<C: Codec>(
    codec: C,
    plane: &[C::Item],
    dst: &mut [C::Item],
    dims: [usize; 2],
    y: Range<usize>,
    half: [usize; 2],
    buffers: &mut Vec<C::Lane>,
) {
    let width = dims[1];
    let rows = y.start.saturating_sub(half[0])..(y.end + half[0]).min(dims[0]);
    let n = rows.len() * width;
    buffers.clear();
    buffers.resize(2 * n, C::Lane::BOTTOM);
    let (new, old) = buffers.split_at_mut(n);
    for (lane, item) in new.iter_mut().zip(&plane[rows.start * width..][..n]) {
        *lane = codec.encode(*item);
    }
    let mut done = 0;
    while done < half[1] {
        let k = (done + 1).min(half[1] - done);
        old.copy_from_slice(new);
        C::Lane::spread(old, new, width, k);
        done += k;
    }
    done = 0;
    while done < half[0] {
        let k = (done + 1).min(half[0] - done);
        old.copy_from_slice(new);
        shift_join(old, new, k * width);
        done += k;
    }
    for (item, lane) in dst.iter_mut().zip(&new[(y.start - rows.start) * width..]) {
        *item = codec.decode(*lane);
    }
}

/// Dilation by a line along z.
fn box_depth<C: Codec>(
    codec: C,
    src: &[C::Item],
    dst: &mut [C::Item],
    dims: [usize; 3],
    half: usize,
    job: &Job,
) -> Result<()> {
    let plane = dims[1] * dims[2];
    let depth = (2 * half).max(16).min(dims[0]);
    parallel::chunks(dst, depth * plane, job, &|i, dst| {
        let mut buffers = Vec::new();
        let z = i * depth..i * depth + dst.len() / plane;
        let planes = z.start.saturating_sub(half)..(z.end + half).min(dims[0]);
        // Columns are taken together in runs, as many as fit into cache with their halo.
        let run = (CACHE / 2 / (planes.len() * size_of::<C::Lane>())).clamp(16, plane.max(16));
        for start in (0..plane).step_by(run) {
            job.check()?;
            let columns = start..(start + run).min(plane);
            depth_run(codec, src, dst, plane, &z, &planes, columns, half, &mut buffers);
        }
        Ok(())
    })
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn depth_run<C: Codec>(
    codec: C,
    src: &[C::Item],
    dst: &mut [C::Item],
    plane: usize,
    z: &Range<usize>,
    planes: &Range<usize>,
    columns: Range<usize>,
    half: usize,
    buffers: &mut Vec<C::Lane>,
) {
    let width = columns.len();
    let n = planes.len() * width;
    buffers.clear();
    buffers.resize(2 * n, C::Lane::BOTTOM);
    let (new, old) = buffers.split_at_mut(n);
    for (p, lanes) in planes.clone().zip(new.chunks_exact_mut(width)) {
        for (lane, item) in lanes.iter_mut().zip(&src[p * plane..][columns.clone()]) {
            *lane = codec.encode(*item);
        }
    }
    let mut done = 0;
    while done < half {
        let k = (done + 1).min(half - done);
        old.copy_from_slice(new);
        shift_join(old, new, k * width);
        done += k;
    }
    for (p, items) in z.clone().zip(dst.chunks_exact_mut(plane)) {
        let from = &new[(p - planes.start) * width..][..width];
        for (item, lane) in items[columns.clone()].iter_mut().zip(from) {
            *item = codec.decode(*lane);
        }
    }
}
