//! Random numbers that are a pure function of a seed and a position, and elementary functions that
//! are the same bits on every platform.

/// A well-mixed 64-bit value of a seed and four coordinates (the finaliser of `SplitMix64`, Steele et
/// al. 2014, doi:10.1145/2660193.2660195, after each).
pub fn hash(seed: u64, stream: u64, position: [i64; 3]) -> u64 {
    let mut h = mix(seed ^ mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    for p in position {
        h = mix(h ^ (p as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    h
}

fn mix(mut h: u64) -> u64 {
    h = h.wrapping_add(0x9e37_79b9_7f4a_7c15);
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

/// A sequence of numbers that starts from a hash.
pub struct Stream(u64);

impl Stream {
    /// The sequence of one seed, purpose and place.
    pub fn new(seed: u64, stream: u64, position: [i64; 3]) -> Self {
        Self(hash(seed, stream, position))
    }

    /// Uniform in 0…1, 1 excluded.
    pub fn uniform(&mut self) -> f64 {
        self.0 = mix(self.0);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `low…high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A direction, uniform on the sphere.
    pub fn direction(&mut self) -> [f64; 3] {
        let z = self.between(-1.0, 1.0);
        let (turn, rho) = (self.uniform(), (1.0 - z * z).max(0.0).sqrt());
        [z, rho * sine(turn), rho * sine(turn + 0.25)]
    }

    /// A rotation matrix, uniform among rotations (Shoemake 1992).
    pub fn rotation(&mut self) -> [[f64; 3]; 3] {
        let (u, a, b) = (self.uniform(), self.uniform(), self.uniform());
        let (p, q) = ((1.0 - u).sqrt(), u.sqrt());
        let (x, y, z, w) = (p * sine(a), p * sine(a + 0.25), q * sine(b), q * sine(b + 0.25));
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    }
}

/// The sine of an angle in turns; `sine(t + 0.25)` is the cosine. Within 10⁻¹¹, from additions and
/// multiplications alone, so that platforms agree to the last bit.
pub fn sine(turns: f64) -> f64 {
    let mut r = turns - turns.round();
    if r.abs() > 0.25 {
        r = 0.5f64.copysign(r) - r;
    }
    let x = std::f64::consts::TAU * r;
    let (mut term, mut sum) = (x, x);
    for n in 1..9 {
        let n = f64::from(2 * n);
        term *= -x * x / (n * (n + 1.0));
        sum += term;
    }
    sum
}

/// The level that a standard normal variable exceeds with probability `fraction`.
pub fn normal_level(fraction: f64) -> f64 {
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if 0.5 - half_normal(middle) > fraction {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The integral of the standard normal density from 0 to `x`, by its power series.
fn half_normal(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        let n = f64::from(n);
        term *= -x * x / (2.0 * n);
        sum += term / (2.0 * n + 1.0);
    }
    sum / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elementary_functions_are_right() {
        for i in -50..50 {
            let t = f64::from(i) * 0.037;
            assert!((sine(t) - (std::f64::consts::TAU * t).sin()).abs() < 1e-10, "{t}");
        }
        // Abramowitz & Stegun 26.2: quantiles of the normal distribution.
        for (fraction, level) in [(0.5, 0.0), (0.25, 0.674_489_750), (0.05, 1.644_853_627)] {
            assert!((normal_level(fraction) - level).abs() < 1e-6, "{fraction}");
        }
    }

    #[test]
    fn numbers_are_uniform() {
        let mut s = Stream::new(7, 1, [0, -3, 5]);
        let mean = (0..10_000).map(|_| s.uniform()).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let r = s.rotation();
        let dot: f64 = (0..3).map(|i| r[0][i] * r[1][i]).sum();
        assert!(dot.abs() < 1e-9);
    }
}
