//! A smooth random field: a sum of plane waves of one wavelength in random directions. Cut at a
//! level, it is a network like trabecular bone, of known volume fraction (Cahn 1965,
//! doi:10.1063/1.1695731; Soyarslan et al. 2018, doi:10.1016/j.actamat.2018.01.005).

use crate::io::sample::random::{Stream, normal_level, sine};
use crate::io::sample::scene::{Patch, Scene};

/// A field of about normal distribution, mean 0 and variance 1.
pub struct Waves {
    /// Waves as turns per µm along `z, y, x`, and phase in turns.
    waves: Vec<([f64; 3], f64)>,
}

impl Waves {
    /// `count` waves of this length in µm, longer by `stretch` along `z, y, x`.
    pub fn new(seed: u64, stream: u64, count: usize, length: f64, stretch: [f64; 3]) -> Self {
        let wave = |i: usize| {
            let mut s = Stream::new(seed, stream, [i as i64, 0, 0]);
            // Directions come in turn from stratified heights, so that few waves are even in space.
            let u = s.direction();
            (std::array::from_fn(|a| u[a] / (length * stretch[a])), s.uniform())
        };
        Self { waves: (0..count).map(wave).collect() }
    }

    /// The field at each voxel of a patch.
    pub fn fill(&self, patch: &Patch, out: &mut [f32]) {
        let [nz, ny, nx] = patch.shape;
        // cos and sin of each wave's phase along one axis, voxel by voxel.
        let table = |a: usize, amplitude: f64, phased: bool| -> Vec<Vec<[f32; 2]>> {
            (0..patch.shape[a])
                .map(|i| {
                    let at = patch.place(a, i as i64);
                    let of = |(q, phase): &([f64; 3], f64)| {
                        let turns = q[a] * at + if phased { *phase } else { 0.0 };
                        [(amplitude * sine(turns + 0.25)) as f32, (amplitude * sine(turns)) as f32]
                    };
                    self.waves.iter().map(of).collect()
                })
                .collect()
        };
        let along_z = table(0, (2.0 / self.waves.len() as f64).sqrt(), true);
        let along_y = table(1, 1.0, false);
        let along_x = table(2, 1.0, false);
        // For x, wave by wave, so that the inner loop runs along the line.
        let of_x = |part: usize| -> Vec<f32> {
            (0..self.waves.len()).flat_map(|w| along_x.iter().map(move |t| t[w][part])).collect()
        };
        let (cosines, sines) = (of_x(0), of_x(1));
        for z in 0..nz {
            for y in 0..ny {
                let line = &mut out[(z * ny + y) * nx..][..nx];
                line.fill(0.0);
                for (w, (a, b)) in along_z[z].iter().zip(&along_y[y]).enumerate() {
                    let (c, s) = (a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]);
                    add_wave(line, c, &cosines[w * nx..][..nx], s, &sines[w * nx..][..nx]);
                }
            }
        }
    }
}

#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn add_wave(line: &mut [f32], c: f32, cosines: &[f32], s: f32, sines: &[f32]) {
    for ((v, cx), sx) in line.iter_mut().zip(cosines).zip(sines) {
        *v += c * cx - s * sx;
    }
}

/// Trabecular bone.
pub struct Bone {
    field: Waves,
    level: f32,
}

impl Bone {
    /// Bone of this volume fraction, its struts `length` µm from one to the next.
    pub fn new(seed: u64, fraction: f64, length: f64) -> Self {
        // Struts run along z by preference, as under load.
        let field = Waves::new(seed, 5, 64, length, [1.35, 1.0, 1.0]);
        Self { field, level: normal_level(fraction) as f32 }
    }
}

impl Scene for Bone {
    fn fill(&self, patch: &Patch, grey: &mut [f32], labels: &mut [u32]) {
        self.field.fill(patch, grey);
        for (g, l) in grey.iter_mut().zip(labels) {
            let bone = *g > self.level;
            *l = u32::from(bone);
            // The core of a strut is older and more mineralised than its surface.
            *g = if bone { 0.9 + 0.05 * (*g - self.level) } else { 0.0 };
        }
    }

    fn columns(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn object(&self, _: u32) -> Vec<f64> {
        Vec::new()
    }
}
