//! Seeds of several labels grow until they meet, along the ways on which the intensity changes least.

use crate::{Job, Result};
use ndarray::{Array3, ArrayView3};

/// Steps of intensity that are told apart.
const LEVELS: f32 = 255.0;

/// Every voxel of a window gets the label of the seed from which the way to it is the cheapest; a step costs the
/// difference of intensities (of 255 levels between the window's least and greatest) and one more, so that without
/// any difference the nearest seed wins. This is the shortest-path form of `GrowCut` (Vezhnevets & Konouchine
/// 2005) by Zhu et al., An effective interactive medical image segmentation method using fast grow cut, MICCAI 2014.
/// Where ways cost the same, the lower label wins. Voxels that are not a number are crossed by none.
///
/// # Errors
/// That the job was cancelled.
pub fn grow_cut(image: ArrayView3<f32>, seeds: ArrayView3<u32>, job: &Job) -> Result<Array3<u32>> {
    let shape = [image.dim().0, image.dim().1, image.dim().2];
    let finite = image.iter().filter(|v| v.is_finite());
    let [low, high] = finite.fold([f32::INFINITY, f32::NEG_INFINITY], |[l, h], v| [l.min(*v), h.max(*v)]);
    let scale = if high > low { LEVELS / (high - low) } else { 0.0 };
    // 256 marks what is not a number.
    let level: Vec<u16> =
        image.iter().map(|v| if v.is_finite() { ((v - low) * scale).round() as u16 } else { 256 }).collect();
    let mut labels: Vec<u32> = seeds.iter().copied().collect();
    let mut cost = vec![u32::MAX; labels.len()];
    // Steps cost 1 to 256: a ring of buckets holds all that is under way.
    let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); 257];
    for (i, label) in labels.iter().enumerate() {
        if *label != 0 && level[i] <= 255 {
            cost[i] = 0;
            buckets[0].push(i as u32);
        }
    }
    let strides = [shape[1] * shape[2], shape[2], 1];
    let (mut now, mut left, mut round) = (0u32, buckets[0].len(), 0u32);
    while left > 0 {
        let mut bucket = std::mem::take(&mut buckets[now as usize % 257]);
        left -= bucket.len();
        round += 1;
        if round.is_multiple_of(64) {
            job.check()?;
        }
        for i in bucket.drain(..).map(|i| i as usize) {
            if cost[i] != now {
                continue;
            }
            let at = [i / strides[0], i / strides[1] % shape[1], i % shape[2]];
            for a in 0..3 {
                for up in [false, true] {
                    let to = match (up, at[a]) {
                        (true, p) if p + 1 < shape[a] => i + strides[a],
                        (false, p) if p > 0 => i - strides[a],
                        _ => continue,
                    };
                    if level[to] > 255 {
                        continue;
                    }
                    let reached = now + 1 + u32::from(level[i].abs_diff(level[to]));
                    if reached < cost[to] {
                        cost[to] = reached;
                        labels[to] = labels[i];
                        buckets[reached as usize % 257].push(to as u32);
                        left += 1;
                    } else if reached == cost[to] && labels[i] < labels[to] {
                        // Found again when its turn comes: its cost stays.
                        labels[to] = labels[i];
                    }
                }
            }
        }
        // Its memory serves the costs that come to the same place of the ring.
        if buckets[now as usize % 257].is_empty() {
            buckets[now as usize % 257] = bucket;
        }
        now += 1;
    }
    Ok(Array3::from_shape_vec(shape, labels).expect("the shape is that of the image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_meet_at_the_edge_between_them() {
        // Two halves and a bright object in one of them.
        let value = |z: usize, y: usize, x: usize| {
            let ball = (z as f32 - 8.0).powi(2) + (y as f32 - 8.0).powi(2) + (x as f32 - 24.0).powi(2) < 16.0;
            if ball {
                200.0
            } else if x < 13 {
                10.0
            } else {
                60.0
            }
        };
        let image = Array3::from_shape_fn([16, 16, 32], |(z, y, x)| value(z, y, x));
        let mut seeds = Array3::zeros([16, 16, 32]);
        (seeds[[2, 2, 2]], seeds[[14, 1, 30]], seeds[[8, 8, 24]]) = (1, 2, 7);
        let grown = grow_cut(image.view(), seeds.view(), &Job::silent()).unwrap();
        for ((z, y, x), label) in grown.indexed_iter() {
            let expected = match value(z, y, x) as u32 {
                200 => 7,
                10 => 1,
                _ => 2,
            };
            assert_eq!(*label, expected, "{z} {y} {x}");
        }
    }

    #[test]
    fn without_differences_the_nearest_seed_wins_and_what_is_no_number_stays() {
        let mut image = Array3::zeros([1, 1, 12]);
        image[[0, 0, 9]] = f32::NAN;
        let mut seeds = Array3::zeros([1, 1, 12]);
        (seeds[[0, 0, 1]], seeds[[0, 0, 7]]) = (5, 3);
        let grown = grow_cut(image.view(), seeds.view(), &Job::silent()).unwrap();
        assert_eq!(grown.as_slice().unwrap(), [5, 5, 5, 5, 3, 3, 3, 3, 3, 0, 0, 0]);
    }
}
