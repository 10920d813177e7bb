//! What the tests of this folder share: random images, and an operator run whole, block by block
//! and with several numbers of threads, which must agree.

use crate::blocks::run_prepared;
use crate::ops::Operator;
use crate::program::{Args, Call, Grid, Kind, Prepared, Value};
use crate::{Geometry, Job, Volume, Voxel};
use ndarray::Array3;
use std::sync::Arc;

/// A small random number generator (Marsaglia 2003, *Xorshift RNGs*, doi:10.18637/jss.v008.i14).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A mask with a share of `percent` inside, in clumps.
    pub fn mask(&mut self, shape: [usize; 3], percent: usize) -> Array3<u8> {
        Array3::from_shape_simple_fn(shape, || u8::from(self.below(100) < percent))
    }

    /// A grey image of `levels` levels.
    pub fn grey<T: Voxel>(&mut self, shape: [usize; 3], levels: usize) -> Array3<T> {
        let low = if T::LOWEST.to_f64() < 0.0 { levels as f64 / 2.0 } else { 0.0 };
        Array3::from_shape_simple_fn(shape, || T::from_f64(self.below(levels) as f64 - low))
    }
}

/// Shapes that break things: single voxels, single lines, single planes, odd sizes, whole words.
pub const SHAPES: [[usize; 3]; 9] = [
    [1, 1, 1],
    [1, 1, 70],
    [9, 1, 1],
    [1, 13, 1],
    [1, 17, 19],
    [7, 1, 66],
    [5, 6, 7],
    [4, 5, 64],
    [11, 10, 131],
];

/// Prepares an operator.
pub fn prepare(op: &dyn Operator, args: &[(&str, &str)], grids: &[Option<Grid>]) -> crate::Result<Prepared> {
    let spec = op.spec();
    let given = args
        .iter()
        .map(|(name, text)| {
            let param = spec.param(name).unwrap_or_else(|| panic!("{} has no {name}", spec.id));
            (param.name, Value::parse(&param.ty, text).unwrap())
        })
        .collect();
    let args = Args::complete(spec, given).unwrap();
    op.prepare(&Call { op: spec.id, args: &args, inputs: grids })
}

/// Runs an operator whole and in blocks of a few sizes, with one and with several threads, checks
/// that all results are the same bits and returns one.
pub fn run(
    op: &dyn Operator,
    args: &[(&str, &str)],
    inputs: &[Option<(Volume, Kind)>],
    geometry: Geometry,
    random: &mut Random,
) -> Volume {
    let inputs: Vec<_> = inputs
        .iter()
        .map(|input| {
            input.as_ref().map(|(volume, kind)| {
                let grid = Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind: *kind, geometry };
                (Arc::new(volume.clone()), grid)
            })
        })
        .collect();
    let grids: Vec<_> = inputs.iter().map(|i| i.as_ref().map(|i| i.1)).collect();
    let whole = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let prepared = prepare(op, args, &grids).unwrap();
            let volumes = inputs.iter().map(|i| i.as_ref().map(|i| i.0.clone())).collect();
            let result = prepared.kernel.whole(volumes, &Job::silent()).unwrap().into_volume();
            assert_eq!((result.shape(), result.voxel_type()), (prepared.output.shape, prepared.output.voxel));
            result
        })
    };
    let result = whole(1);
    let what = format!("{} {args:?} on {:?}", op.spec().id, result.shape());
    // Equal as bytes, so that NaN equals itself.
    assert!(whole(3).as_bytes() == result.as_bytes(), "threads: {what}");
    for _ in 0..3 {
        let block = result.shape().map(|n| 1 + random.below(n + 2));
        let prepared = prepare(op, args, &grids).unwrap();
        let blocked = run_prepared(prepared, &inputs, block, &Job::silent()).unwrap().into_volume();
        assert!(blocked.as_bytes() == result.as_bytes(), "blocks of {block:?}: {what}");
    }
    result
}
