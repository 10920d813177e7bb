//! What a sample shows, before a detector has seen it.

/// Edge of the cubes of voxels, aligned to the origin, that objects are looked up for at once.
pub const BRICK: usize = 8;

/// Edge of the cubes of bricks that share a list of objects, in voxels.
const PART: usize = 4 * BRICK;

/// A part of the voxel grid, which may reach beyond the image.
#[derive(Debug, Clone, Copy)]
pub struct Patch {
    /// First voxel `[z, y, x]`.
    pub origin: [i64; 3],
    /// Number of voxels.
    pub shape: [usize; 3],
    /// Where voxel 0 of the grid lies, in µm.
    pub zero: [f64; 3],
    /// Spacing `[z, y, x]` in µm.
    pub spacing: [f64; 3],
}

impl Patch {
    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The positions of the first and the last voxel's centre, in µm.
    pub fn bounds(&self) -> ([f64; 3], [f64; 3]) {
        (
            std::array::from_fn(|a| self.place(a, 0)),
            std::array::from_fn(|a| self.place(a, self.shape[a] as i64 - 1)),
        )
    }

    /// Where the voxels of its slice `i` lie along an axis, in µm.
    pub fn place(&self, axis: usize, i: i64) -> f64 {
        self.zero[axis] + (self.origin[axis] + i) as f64 * self.spacing[axis]
    }

    /// As [`Self::bounds`], but of the bricks that it touches, whole.
    pub fn brick_bounds(&self) -> ([f64; 3], [f64; 3]) {
        let edge = BRICK as i64;
        let end = |a: usize| self.origin[a] + self.shape[a] as i64;
        let origin = self.origin.map(|o| o.div_euclid(edge) * edge);
        let shape =
            std::array::from_fn(|a| ((end(a) + edge - 1).div_euclid(edge) * edge - origin[a]) as usize);
        Self { origin, shape, ..*self }.bounds()
    }

    /// The parts of it that share one cube of bricks. Which objects are near is asked for these
    /// first, so that a brick looks only at those of its part.
    pub fn parts(&self) -> Vec<Self> {
        let mut parts = self.cubes(PART);
        for part in &mut parts {
            for a in 0..3 {
                let first = part.origin[a].max(self.origin[a]);
                let end = (part.origin[a] + PART as i64).min(self.origin[a] + self.shape[a] as i64);
                (part.origin[a], part.shape[a]) = (first, (end - first) as usize);
            }
        }
        parts
    }

    /// The bricks that it touches, whole, although they may reach beyond it.
    pub fn bricks(&self) -> Vec<Self> {
        self.cubes(BRICK)
    }

    fn cubes(&self, edge: usize) -> Vec<Self> {
        let starts = |a: usize| {
            let first = self.origin[a].div_euclid(edge as i64);
            let last = (self.origin[a] + self.shape[a] as i64 - 1).div_euclid(edge as i64);
            (first..=last).map(move |i| i * edge as i64)
        };
        let mut cubes = Vec::new();
        for z in starts(0) {
            for y in starts(1) {
                for x in starts(2) {
                    cubes.push(Self { origin: [z, y, x], shape: [edge; 3], ..*self });
                }
            }
        }
        cubes
    }

    /// Copies what a whole brick holds of this patch.
    pub fn store<T: Copy>(&self, brick: &Self, values: &[T], into: &mut [T]) {
        let range = |a: usize| {
            let first = brick.origin[a].max(self.origin[a]);
            let end = (brick.origin[a] + BRICK as i64).min(self.origin[a] + self.shape[a] as i64);
            (first, (end - first) as usize)
        };
        let ((z, nz), (y, ny), (x, nx)) = (range(0), range(1), range(2));
        let index = |p: &Self, z: i64, y: i64| {
            ((z - p.origin[0]) as usize * p.shape[1] + (y - p.origin[1]) as usize) * p.shape[2]
                + (x - p.origin[2]) as usize
        };
        for dz in 0..nz as i64 {
            for dy in 0..ny as i64 {
                let (from, to) = (index(brick, z + dz, y + dy), index(self, z + dz, y + dy));
                into[to..to + nx].copy_from_slice(&values[from..from + nx]);
            }
        }
    }
}

/// What there is at each place: a pure function of position.
pub trait Scene: Send + Sync {
    /// Sets the brightness (0 for the background, about 1 for what shows) and the true label of
    /// each voxel of the patch.
    fn fill(&self, patch: &Patch, grey: &mut [f32], labels: &mut [u32]);

    /// Columns of the truth table that belong to this scene: name and unit.
    fn columns(&self) -> &'static [(&'static str, &'static str)];

    /// The values of those columns for one object.
    fn object(&self, label: u32) -> Vec<f64>;
}
