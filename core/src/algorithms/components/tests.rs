use crate::algorithms::components::*;
use crate::blocks::run_prepared;
use crate::ops::find;
use crate::program::{Args, Call, Grid, Kind, Output, Prepared, Value};
use crate::{Geometry, Unit, Volume, VoxelType};
use std::sync::Arc;

/// An input of an operator.
pub(crate) type Image = (Arc<Volume>, Grid);

/// A grey image with a spacing of 1.
pub(crate) fn grey<T: crate::Voxel>(shape: [usize; 3], voxels: Vec<T>) -> Image {
    let volume = Volume::from(Array3::from_shape_vec(shape, voxels).unwrap());
    let grid = Grid { shape, voxel: T::TYPE, kind: Kind::Grey, geometry: Geometry::default() };
    (Arc::new(volume), grid)
}

/// A mask with a spacing of 1.
pub(crate) fn mask(shape: [usize; 3], voxels: Vec<u8>) -> Image {
    let (volume, grid) = grey(shape, voxels);
    (volume, grid.with(VoxelType::U8, Kind::Mask))
}

/// Labels with a spacing of 1.
pub(crate) fn labels(shape: [usize; 3], voxels: Vec<u32>) -> Image {
    let (volume, grid) = grey(shape, voxels);
    (volume, grid.with(VoxelType::U32, Kind::Labels))
}

/// The image with another spacing, in micrometres.
pub(crate) fn spaced((volume, grid): Image, spacing: [f64; 3]) -> Image {
    (volume, Grid { geometry: Geometry::from_spacing(spacing, Unit::Micrometre), ..grid })
}

/// An operator prepared for inputs.
pub(crate) fn prepare(op: &str, args: &[(&str, &str)], inputs: &[Option<Image>]) -> Prepared {
    let op = find(op).unwrap_or_else(|| panic!("no operator {op}"));
    let spec = op.spec();
    let given = args.iter().map(|(name, text)| {
        let param = spec.param(name).unwrap_or_else(|| panic!("{} has no {name}", spec.id));
        (param.name, Value::parse(&param.ty, text).unwrap())
    });
    let args = Args::complete(spec, given.collect()).unwrap();
    let grids: Vec<_> = inputs.iter().map(|i| i.as_ref().map(|(_, grid)| *grid)).collect();
    op.prepare(&Call { op: spec.id, args: &args, inputs: &grids }).unwrap()
}

/// Runs an operator on whole volumes, with the number of threads given.
pub(crate) fn whole(op: &str, args: &[(&str, &str)], inputs: &[Option<Image>], threads: usize) -> Output {
    let prepared = prepare(op, args, inputs);
    let volumes = inputs.iter().map(|i| i.as_ref().map(|(volume, _)| volume.clone())).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| prepared.kernel.whole(volumes, &Job::silent())).unwrap()
}

/// Runs an operator block by block, with random blocks.
pub(crate) fn blocked(
    op: &str,
    args: &[(&str, &str)],
    inputs: &[Option<Image>],
    random: &mut Random,
) -> Output {
    let shape = inputs[0].as_ref().unwrap().1.shape;
    let block = shape.map(|n| 1 + random.below(n + 2));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + random.below(3)).build().unwrap();
    pool.install(|| run_prepared(prepare(op, args, inputs), inputs, block, &Job::silent())).unwrap()
}

/// Runs an operator on whole volumes with one thread and with several, and block by block, and holds
/// them equal, bit for bit.
pub(crate) fn hold_blocked(
    op: &str,
    args: &[(&str, &str)],
    inputs: &[Option<Image>],
    random: &mut Random,
) -> Volume {
    let expected = whole(op, args, inputs, 1).into_volume();
    let shape = expected.shape();
    let threads = 2 + random.below(3);
    assert!(
        whole(op, args, inputs, threads).into_volume().as_bytes() == expected.as_bytes(),
        "{op} {args:?} {shape:?}: threads"
    );
    for _ in 0..2 {
        let other = blocked(op, args, inputs, random).into_volume();
        assert_eq!(other.voxel_type(), expected.voxel_type());
        assert!(
            other.as_bytes() == expected.as_bytes(),
            "{op} {args:?} {shape:?}: blocks\n{expected:?}\n{other:?}"
        );
    }
    expected
}

/// A generator for tests: xorshift64*.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn shape(&mut self, most: usize) -> [usize; 3] {
        let mut shape = [0; 3];
        for n in &mut shape {
            *n = if self.below(4) == 0 { 1 } else { 1 + self.below(most) };
        }
        shape
    }
}

/// Components by flooding, one voxel after the other.
pub(crate) fn flood(labels: &[u32], shape: [usize; 3], connectivity: Connectivity) -> Vec<u32> {
    let mut out = vec![0; labels.len()];
    let mut count = 0;
    for start in 0..labels.len() {
        if labels[start] == 0 || out[start] != 0 {
            continue;
        }
        count += 1;
        out[start] = count;
        let mut stack = vec![start];
        while let Some(at) = stack.pop() {
            let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
            for step in connectivity.neighbours() {
                let q: [isize; 3] = std::array::from_fn(|a| p[a] as isize + step[a]);
                if (0..3).any(|a| q[a] < 0 || q[a] >= shape[a] as isize) {
                    continue;
                }
                let to = (q[0] as usize * shape[1] + q[1] as usize) * shape[2] + q[2] as usize;
                if labels[to] == labels[at] && out[to] == 0 {
                    out[to] = count;
                    stack.push(to);
                }
            }
        }
    }
    out
}

const ALL: [Connectivity; 3] = [Connectivity::Six, Connectivity::Eighteen, Connectivity::TwentySix];

#[test]
fn masks_agree_with_flooding() {
    let mut random = Random(1);
    let job = Job::silent();
    for case in 0..150 {
        let mut shape = random.shape(13);
        if case % 5 == 0 {
            shape[2] = 60 + random.below(80);
        }
        let density = 1 + random.below(9);
        let mask: Vec<u8> =
            (0..shape.iter().product()).map(|_| u8::from(random.below(10) < density)).collect();
        for connectivity in ALL {
            for part in [MaskSide::Inside, MaskSide::Outside] {
                let c = Components::of_mask(&mask, shape, connectivity, part, &job).unwrap();
                let seen: Vec<u32> =
                    mask.iter().map(|v| u32::from((*v != 0) == (part == MaskSide::Inside))).collect();
                let expected = flood(&seen, shape, connectivity);
                let labels = c.labels(&job).unwrap();
                assert_eq!(labels.as_slice().unwrap(), expected, "{shape:?} {connectivity:?} {part:?}");
                let mut sizes = vec![0; c.count() as usize];
                let mut firsts = vec![u64::MAX; c.count() as usize];
                for (i, l) in expected.iter().enumerate().filter(|(_, l)| **l > 0) {
                    sizes[*l as usize - 1] += 1;
                    firsts[*l as usize - 1] = firsts[*l as usize - 1].min(i as u64);
                }
                assert_eq!(c.sizes(), sizes);
                assert_eq!(c.first_voxels(), firsts);
            }
        }
    }
}

#[test]
fn equal_labels_agree_with_flooding() {
    let mut random = Random(2);
    for _ in 0..150 {
        let shape = random.shape(11);
        let kinds = 2 + random.below(3);
        let labels: Vec<u32> = (0..shape.iter().product()).map(|_| random.below(kinds) as u32 * 7).collect();
        for connectivity in ALL {
            let job = Job::silent();
            let c = Components::of_labels(&labels, shape, connectivity, &job).unwrap();
            assert_eq!(c.labels(&job).unwrap().as_slice().unwrap(), flood(&labels, shape, connectivity));
        }
    }
}

#[test]
fn border_components_are_known() {
    let shape = [3, 3, 5];
    let mut mask = vec![0u8; 45];
    mask[15 + 5 + 2] = 1;
    mask[4] = 1;
    let c = Components::of_mask(&mask, shape, Connectivity::Six, MaskSide::Inside, &Job::silent()).unwrap();
    assert_eq!(c.touching_border(), [true, false]);
}

#[test]
fn empty_images_have_no_components() {
    for shape in [[0, 3, 3], [3, 0, 3], [3, 3, 0]] {
        let c = Components::of_mask(&[], shape, Connectivity::Six, MaskSide::Inside, &Job::silent()).unwrap();
        assert_eq!(c.count(), 0);
        assert_eq!(c.labels(&Job::silent()).unwrap().dim(), (shape[0], shape[1], shape[2]));
    }
}
