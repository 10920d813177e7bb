//! Liquid foam: bubbles are the Voronoi cells of a jittered body-centred cubic lattice, whose
//! neighbours, 14 on average, are about as many as those of a real bubble (Matzke 1946). Liquid
//! fills the Plateau borders, where three cells meet; films are too thin to be seen.

use crate::io::sample::lattice::Lattice;
use crate::io::sample::scene::{BRICK, Patch, Scene};

/// The scene.
pub struct Foam {
    /// Places of the bubbles.
    pub lattice: Lattice,
    /// Liquid is where the third-nearest seed is at most this much farther than the nearest, µm.
    pub border: f64,
}

/// Where a seed lies, µm, and its label.
type Bubble = ([f64; 3], u32);

/// A seed near a brick: position relative to the brick's first voxel, and label.
#[derive(Clone, Copy)]
struct Seed {
    at: [f32; 3],
    label: u32,
}

type Bricked<T> = [T; BRICK * BRICK * BRICK];

impl Scene for Foam {
    fn fill(&self, patch: &Patch, grey: &mut [f32], labels: &mut [u32]) {
        // No place is farther than 0.56 pitch + jitter from its nearest seed.
        let reach = (0.56 + 1.74 * self.lattice.jitter) * self.lattice.pitch + self.border;
        let (low, high) = patch.brick_bounds();
        let seeds: Vec<Bubble> = self
            .lattice
            .near(low, high, reach)
            .map(|site| (self.lattice.place(site).0, self.lattice.label(site).unwrap_or(0)))
            .collect();
        let (mut of_part, mut of_brick, mut near) = (Vec::new(), Vec::new(), Vec::new());
        let (mut brick_grey, mut brick_labels): (Bricked<f32>, Bricked<u32>) = ([0.0; 512], [0; 512]);
        let step = patch.spacing.map(|s| s as f32);
        for part in patch.parts() {
            among_nearest(&seeds, part.brick_bounds(), &mut of_part);
            for brick in part.bricks() {
                let (low, high) = brick.bounds();
                among_nearest(&of_part, (low, high), &mut of_brick);
                near.clear();
                near.extend(
                    of_brick.iter().map(|&(c, label)| Seed {
                        at: std::array::from_fn(|a| (c[a] - low[a]) as f32),
                        label,
                    }),
                );
                cells(&near, step, self.border as f32, &mut brick_grey, &mut brick_labels);
                patch.store(&brick, &brick_grey, grey);
                patch.store(&brick, &brick_labels, labels);
            }
        }
    }

    fn columns(&self) -> &'static [(&'static str, &'static str)] {
        &[("seed_z", "µm"), ("seed_y", "µm"), ("seed_x", "µm")]
    }

    fn object(&self, label: u32) -> Vec<f64> {
        self.lattice.place(self.lattice.site(label)).0.to_vec()
    }
}

/// Of `seeds`, those that may be among the three nearest of a point in the box, in the same order.
fn among_nearest(seeds: &[Bubble], (low, high): ([f64; 3], [f64; 3]), near: &mut Vec<Bubble>) {
    // Three seeds lie within `bound` of every point of the box; farther ones don't matter.
    let mut least = [f64::INFINITY; 3];
    for (c, _) in seeds {
        let d = distance_squared(*c, low, high, true);
        least = [least[0].min(d), least[1].min(d.max(least[0])), least[2].min(d.max(least[1]))];
    }
    let bound = least[2] * 1.0002;
    near.clear();
    near.extend(seeds.iter().filter(|(c, _)| distance_squared(*c, low, high, false) <= bound));
}

/// The square of the least or greatest distance from a point to a box.
fn distance_squared(c: [f64; 3], low: [f64; 3], high: [f64; 3], greatest: bool) -> f64 {
    (0..3)
        .map(|a| {
            let (below, above) = (low[a] - c[a], c[a] - high[a]);
            let d = if greatest { below.abs().max(above.abs()) } else { below.max(above).max(0.0) };
            d * d
        })
        .sum()
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn cells(seeds: &[Seed], step: [f32; 3], border: f32, grey: &mut Bricked<f32>, labels: &mut Bricked<u32>) {
    let lines = grey.as_chunks_mut::<BRICK>().0.iter_mut().zip(labels.as_chunks_mut::<BRICK>().0);
    for (line, (grey, labels)) in lines.enumerate() {
        let (z, y) = ((line / BRICK) as f32 * step[0], (line % BRICK) as f32 * step[1]);
        let (mut first, mut second, mut third) = ([f32::MAX; BRICK], [f32::MAX; BRICK], [f32::MAX; BRICK]);
        *labels = [0; BRICK];
        for seed in seeds {
            let (dz, dy) = (z - seed.at[0], y - seed.at[1]);
            let across = dz * dz + dy * dy;
            for x in 0..BRICK {
                let dx = x as f32 * step[2] - seed.at[2];
                let d = across + dx * dx;
                let (a, b) = (first[x], second[x]);
                let above_first = if d > a { d } else { a };
                let above_second = if d > b { d } else { b };
                third[x] = if above_second < third[x] { above_second } else { third[x] };
                second[x] = if above_first < b { above_first } else { b };
                first[x] = if d < a { d } else { a };
                labels[x] = if d < a { seed.label } else { labels[x] };
            }
        }
        for x in 0..BRICK {
            let liquid = third[x].sqrt() - first[x].sqrt() < border;
            grey[x] = if liquid { 1.0 } else { 0.0 };
            labels[x] = if liquid { 0 } else { labels[x] };
        }
    }
}
