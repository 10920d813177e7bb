//! Ellipsoids that touch: nuclei of cells, and granules. Where two would overlap, a voxel belongs to
//! the one that it lies deeper in, so that they meet in a facet.

use crate::io::sample::lattice::{Lattice, Site};
use crate::io::sample::random::Stream;
use crate::io::sample::scene::{BRICK, Patch, Scene};
use crate::io::sample::waves::Waves;

/// The scene.
pub struct Ellipsoids {
    /// Places.
    pub lattice: Lattice,
    /// The share of places that are taken.
    pub taken: f64,
    /// Mean semi-axis of an object, µm: least and greatest.
    pub radius: [f64; 2],
    /// How far a semi-axis differs from the mean at most, as a fraction.
    pub eccentricity: f64,
    /// Brightness of an object: least and greatest.
    pub brightness: [f64; 2],
    /// Texture within objects, and how strong it is.
    pub texture: Option<(Waves, f32)>,
}

struct Ellipsoid {
    centre: [f64; 3],
    semi_axes: [f64; 3],
    /// Takes a displacement in µm to the unit sphere.
    to_sphere: [[f64; 3]; 3],
    brightness: f32,
    label: u32,
}

impl Ellipsoid {
    /// Whether a ball around it reaches a box.
    fn may_reach(&self, low: [f64; 3], high: [f64; 3]) -> bool {
        let reach = self.semi_axes.iter().fold(0.0f64, |a, &b| a.max(b)) * 1.0001;
        (0..3).all(|a| self.centre[a] + reach >= low[a] && self.centre[a] - reach <= high[a])
    }
}

/// An ellipsoid near a brick, relative to the brick's first voxel.
#[derive(Clone, Copy)]
struct Near {
    at: [f32; 3],
    to_sphere: [[f32; 3]; 3],
    brightness: f32,
    label: u32,
}

type Bricked<T> = [T; BRICK * BRICK * BRICK];

impl Ellipsoids {
    fn at(&self, site: Site) -> Option<Ellipsoid> {
        let (centre, mut s): ([f64; 3], Stream) = self.lattice.place(site);
        if s.uniform() >= self.taken {
            return None;
        }
        let mean = s.between(self.radius[0], self.radius[1]);
        let semi_axes: [f64; 3] =
            std::array::from_fn(|_| mean * (1.0 + s.between(-self.eccentricity, self.eccentricity)));
        let rotation = s.rotation();
        let to_sphere = std::array::from_fn(|i| std::array::from_fn(|j| rotation[i][j] / semi_axes[i]));
        let brightness = s.between(self.brightness[0], self.brightness[1]) as f32;
        Some(Ellipsoid {
            centre,
            semi_axes,
            to_sphere,
            brightness,
            label: self.lattice.label(site).unwrap_or(0),
        })
    }

    fn reach(&self) -> f64 {
        self.radius[1] * (1.0 + self.eccentricity)
    }
}

impl Scene for Ellipsoids {
    fn fill(&self, patch: &Patch, grey: &mut [f32], labels: &mut [u32]) {
        let (low, high) = patch.brick_bounds();
        let all: Vec<Ellipsoid> =
            self.lattice.near(low, high, self.reach()).filter_map(|site| self.at(site)).collect();
        let step = patch.spacing.map(|s| s as f32);
        let (mut brick_grey, mut brick_labels): (Bricked<f32>, Bricked<u32>) = ([0.0; 512], [0; 512]);
        let (mut of_part, mut near) = (Vec::new(), Vec::new());
        for part in patch.parts() {
            let (low, high) = part.brick_bounds();
            of_part.clear();
            of_part.extend(all.iter().filter(|e| e.may_reach(low, high)));
            for brick in part.bricks() {
                let (low, high) = brick.bounds();
                near.clear();
                near.extend(of_part.iter().filter(|e| e.may_reach(low, high)).map(|e| Near {
                    at: std::array::from_fn(|a| (e.centre[a] - low[a]) as f32),
                    to_sphere: e.to_sphere.map(|row| row.map(|v| v as f32)),
                    brightness: e.brightness,
                    label: e.label,
                }));
                deepest(&near, step, &mut brick_grey, &mut brick_labels);
                patch.store(&brick, &brick_grey, grey);
                patch.store(&brick, &brick_labels, labels);
            }
        }
        if let Some((waves, strength)) = &self.texture {
            let mut field = vec![0.0; patch.len()];
            waves.fill(patch, &mut field);
            for (g, f) in grey.iter_mut().zip(field) {
                let factor = 1.0 + strength * f;
                *g *= if factor > 0.2 { factor } else { 0.2 };
            }
        }
    }

    fn columns(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("centre_z", "µm"),
            ("centre_y", "µm"),
            ("centre_x", "µm"),
            ("semi_axis_1", "µm"),
            ("semi_axis_2", "µm"),
            ("semi_axis_3", "µm"),
            ("whole_volume", "µm³"),
        ]
    }

    fn object(&self, label: u32) -> Vec<f64> {
        let Some(e) = self.at(self.lattice.site(label)) else { return vec![f64::NAN; 7] };
        let mut axes = e.semi_axes;
        axes.sort_by(|a, b| b.total_cmp(a));
        let volume = 4.0 / 3.0 * std::f64::consts::PI * axes.iter().product::<f64>();
        [e.centre.as_slice(), &axes, &[volume]].concat()
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn deepest(near: &[Near], step: [f32; 3], grey: &mut Bricked<f32>, labels: &mut Bricked<u32>) {
    let lines = grey.as_chunks_mut::<BRICK>().0.iter_mut().zip(labels.as_chunks_mut::<BRICK>().0);
    for (line, (grey, labels)) in lines.enumerate() {
        let (z, y) = ((line / BRICK) as f32 * step[0], (line % BRICK) as f32 * step[1]);
        let mut depth = [1.0f32; BRICK];
        *labels = [0; BRICK];
        *grey = [0.0; BRICK];
        for e in near {
            let (dz, dy) = (z - e.at[0], y - e.at[1]);
            let m = &e.to_sphere;
            let base: [f32; 3] =
                [m[0][0] * dz + m[0][1] * dy, m[1][0] * dz + m[1][1] * dy, m[2][0] * dz + m[2][1] * dy];
            for x in 0..BRICK {
                let dx = x as f32 * step[2] - e.at[2];
                let (p, q, r) = (base[0] + m[0][2] * dx, base[1] + m[1][2] * dx, base[2] + m[2][2] * dx);
                let d = p * p + q * q + r * r;
                let deeper = d < depth[x];
                depth[x] = if deeper { d } else { depth[x] };
                labels[x] = if deeper { e.label } else { labels[x] };
                grey[x] = if deeper { e.brightness } else { grey[x] };
            }
        }
    }
}
