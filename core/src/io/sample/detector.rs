//! What a detector makes of a scene: blur, beam hardening, rings and noise.

use crate::io::sample::random::hash;
use crate::io::sample::scene::Patch;

/// How strong each effect is. All are 0 for a perfect detector.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    /// Brightness of the background, in grey levels.
    pub dark: f32,
    /// Grey levels between background and objects.
    pub contrast: f32,
    /// Standard deviation of the noise, as a fraction of the contrast.
    pub noise: f32,
    /// Whether noise grows with the signal, as that of counted photons does.
    pub photons: bool,
    /// Greatest ring, as a fraction of the contrast.
    pub rings: f32,
    /// How much darker the middle is than the edge, as a fraction.
    pub beam_hardening: f32,
    /// Seed of noise and rings.
    pub seed: u64,
    /// Axis of rotation, `[y, x]` in voxels, and the distance from it to the nearest edge.
    pub axis: [f32; 2],
    /// Distance from the axis to the nearest edge of the image, in voxels.
    pub radius: f32,
}

/// Weights of a Gaussian from the middle to 4 σ; they sum to 1 with both sides.
pub fn gaussian(sigma: f64) -> Vec<f32> {
    let reach = (4.0 * sigma + 0.5) as usize;
    if reach == 0 {
        return vec![1.0];
    }
    let half: Vec<f64> = (0..=reach).map(|i| decay((i * i) as f64 / (2.0 * sigma * sigma))).collect();
    let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter().map(|w| (w / sum) as f32).collect()
}

/// e⁻ʸ by additions and multiplications alone.
fn decay(y: f64) -> f64 {
    let x = -y / 1024.0;
    let mut value = 1.0 + x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0)));
    for _ in 0..10 {
        value *= value;
    }
    value
}

/// Blurs a block of `shape`, which is made smaller by the reach of the weights on every side.
pub fn blur(mut voxels: Vec<f32>, mut shape: [usize; 3], weights: &[f32]) -> Vec<f32> {
    let reach = weights.len() - 1;
    if reach == 0 {
        return voxels;
    }
    for axis in [2, 1, 0] {
        let [nz, ny, nx] = shape;
        shape[axis] -= 2 * reach;
        let mut out = vec![0.0; shape.iter().product()];
        // Along z and y whole planes or lines are added; along x, shifted copies of the line.
        let (count, from, to, step) = match axis {
            0 => (1, nz * ny * nx, shape[0] * ny * nx, ny * nx),
            1 => (nz, ny * nx, shape[1] * nx, nx),
            _ => (nz * ny, nx, shape[2], 1),
        };
        for i in 0..count {
            let source = &voxels[i * from..][..from];
            let target = &mut out[i * to..][..to];
            // In strips that stay in the cache while all weights pass over them.
            for start in (0..to).step_by(4096) {
                let n = (to - start).min(4096);
                let middle = start + reach * step;
                let strip = &mut target[start..start + n];
                scale(strip, &source[middle..middle + n], weights[0]);
                for (d, &w) in weights.iter().enumerate().skip(1) {
                    let (a, b) = (middle - d * step, middle + d * step);
                    add_pair(strip, &source[a..a + n], &source[b..b + n], w);
                }
            }
        }
        voxels = out;
    }
    voxels
}

#[multiversion::multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn scale(target: &mut [f32], source: &[f32], weight: f32) {
    for (t, s) in target.iter_mut().zip(source) {
        *t = weight * s;
    }
}

#[multiversion::multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn add_pair(target: &mut [f32], a: &[f32], b: &[f32], weight: f32) {
    for ((t, a), b) in target.iter_mut().zip(a).zip(b) {
        *t += weight * (a + b);
    }
}

impl Detector {
    /// Grey levels of a blurred scene.
    pub fn expose(&self, patch: &Patch, scene: &[f32], out: &mut [u16]) {
        let [_, ny, nx] = patch.shape;
        let mut line = vec![0.0f32; nx];
        for (i, (source, target)) in scene.chunks_exact(nx).zip(out.chunks_exact_mut(nx)).enumerate() {
            let (z, y) = (patch.origin[0] + (i / ny) as i64, patch.origin[1] + (i % ny) as i64);
            for (v, s) in line.iter_mut().zip(source) {
                *v = self.dark + self.contrast * s;
            }
            if self.rings > 0.0 || self.beam_hardening > 0.0 {
                self.rotate(z, y, patch.origin[2], &mut line);
            }
            let key = hash(self.seed, 11, [z, y, 0]);
            let contrast = self.contrast;
            let (base, slope) = if self.photons { (0.1, 1.0 / contrast) } else { (1.0, 0.0) };
            let dark = self.dark;
            noisy(&line, patch.origin[2], key, self.noise * contrast, dark, base, slope, target);
        }
    }

    /// Effects that depend on the distance from the axis of rotation.
    fn rotate(&self, z: i64, y: i64, x: i64, line: &mut [f32]) {
        let dy = y as f32 - self.axis[0];
        for (i, v) in line.iter_mut().enumerate() {
            let dx = (x + i as i64) as f32 - self.axis[1];
            let r2 = dx * dx + dy * dy;
            let depth = (1.0 - r2 / (self.radius * self.radius)).max(0.0);
            *v *= 1.0 - self.beam_hardening * depth;
            if self.rings > 0.0 {
                let r = r2.sqrt();
                let (inner, t) = (r.floor(), r - r.floor());
                let (a, b) = (self.ring(z, inner as i64), self.ring(z, inner as i64 + 1));
                *v += self.rings * self.contrast * (a + (b - a) * t);
            }
        }
    }

    /// One detector pixel in eight is faulty, for eight rows on end.
    fn ring(&self, z: i64, r: i64) -> f32 {
        let h = hash(self.seed, 12, [z.div_euclid(8), r, 0]);
        if h & 7 == 0 { ((h >> 32) as f64 / f64::from(1u32 << 31) - 1.0) as f32 } else { 0.0 }
    }
}

#[inline(always)]
fn mix32(mut h: u32) -> u32 {
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// Adds noise that is nearly normal (the sum of four uniform numbers) and rounds.
#[multiversion::multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
    "aarch64+neon"
))]
fn noisy(line: &[f32], first: i64, key: u64, sd: f32, dark: f32, base: f32, slope: f32, out: &mut [u16]) {
    let (low, high) = (key as u32, (key >> 32) as u32);
    // The sum of four uniform 16-bit numbers has this mean and standard deviation.
    let (mean, scale) = (131_070.0f32, sd / 37_837.226);
    let first = first as u32;
    for (i, (v, o)) in line.iter().zip(out).enumerate() {
        let x = first.wrapping_add(i as u32);
        let (a, b) = (mix32(x ^ low), mix32(x.wrapping_mul(0x9e37_79b9) ^ high));
        let sum = ((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16)) as f32;
        let signal = (v - dark) * slope;
        let strength = (base + if signal > 0.0 { signal } else { 0.0 }).sqrt();
        let value = v + (sum - mean) * scale * strength;
        let value = if value > 0.0 { value } else { 0.0 };
        let value = if value < 65535.0 { value } else { 65535.0 };
        *o = (value + 0.5) as i32 as u16;
    }
}
