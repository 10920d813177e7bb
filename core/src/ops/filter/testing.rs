//! What the tests of the filters share: calls by name, results of peers, and the property that
//! every filter must have: blocks and threads don't show.

use crate::blocks::run_prepared;
use crate::ops::find;
use crate::program::{Args, Call, Grid, Kind, Prepared, Value};
use crate::{Geometry, Job, Unit, Volume, VoxelType, with_volume, with_voxel};
use ndarray::Array3;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A small pseudo-random sequence (xorshift64*), the same on all machines.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Noise over the whole of an integer type's range, or in 0…1 with a step in the middle.
    pub fn volume(&mut self, voxel: VoxelType, shape: [usize; 3]) -> Volume {
        let [_, _, nx] = shape;
        with_voxel!(voxel, |T| {
            let mut a = Array3::<T>::from_elem(shape, T::default());
            for ((_, _, x), v) in a.indexed_iter_mut() {
                let noise = self.below(1 << 20) as f64 / f64::from(1 << 20);
                use crate::Voxel;
                *v = if T::TYPE.is_float() {
                    T::from_f64(if x > nx / 2 { 1.0 + noise } else { noise })
                } else {
                    T::from_f64(T::LOWEST.to_f64() + noise * (T::HIGHEST.to_f64() - T::LOWEST.to_f64()))
                };
            }
            Volume::from(a)
        })
    }
}

pub fn grid(volume: &Volume, spacing: [f64; 3]) -> Grid {
    let geometry = if spacing == [1.0; 3] {
        Geometry::default()
    } else {
        Geometry::from_spacing(spacing, Unit::Millimetre)
    };
    Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind: Kind::Grey, geometry }
}

/// Prepares an operator as a command line would.
pub fn prepare(op: &str, args: &[(&str, &str)], grids: &[Option<Grid>]) -> crate::Result<Prepared> {
    let operator = find(op).unwrap_or_else(|| panic!("no operator {op}"));
    let spec = operator.spec();
    let given: BTreeMap<_, _> = args
        .iter()
        .map(|(name, text)| {
            let param = spec.param(name).unwrap_or_else(|| panic!("{op} has no {name}"));
            (param.name, Value::parse(&param.ty, text).unwrap_or_else(|e| panic!("{op} {name}: {e}")))
        })
        .collect();
    let args = Args::complete(spec, given).unwrap();
    operator.prepare(&Call { op: spec.id, args: &args, inputs: grids })
}

/// Runs an operator whole.
pub fn run(op: &str, args: &[(&str, &str)], volume: &Volume, spacing: [f64; 3]) -> Volume {
    let prepared = prepare(op, args, &[Some(grid(volume, spacing))]).unwrap_or_else(|e| panic!("{e}"));
    let out = prepared
        .kernel
        .whole(vec![Some(Arc::new(volume.clone()))], &Job::silent())
        .unwrap_or_else(|e| panic!("{op}: {e}"))
        .into_volume();
    assert_eq!((out.voxel_type(), out.shape()), (prepared.output.voxel, prepared.output.shape), "{op}");
    out
}

/// Holds that blocks of odd sizes and any number of threads give the same bits.
pub fn check_blocks(op: &str, args: &[(&str, &str)], seed: u64, rounds: usize) {
    let mut random = Random(seed | 1);
    for round in 0..rounds {
        let shape = match round {
            0 => [1, 1, 1],
            1 => [1, 13, 40],
            2 => [9, 1, 17],
            _ => [0; 3].map(|_| 1 + random.below(20)),
        };
        let voxel = VoxelType::ALL[(round * 7 + random.below(2) * 5) % 10];
        let volume = Arc::new(random.volume(voxel, shape));
        let spacing = if round % 2 == 0 { [1.0; 3] } else { [2.0, 1.0, 0.8] };
        let grid = grid(&volume, spacing);
        let whole = run(op, args, &volume, spacing);
        let block = [0; 3].map(|_| 4 + random.below(9));
        let threads = 1 + round % 3;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let blocked = pool.install(|| {
            let prepared = prepare(op, args, &[Some(grid)]).unwrap();
            run_prepared(prepared, &[Some((volume.clone(), grid))], block, &Job::silent())
                .unwrap()
                .into_volume()
        });
        assert!(
            blocked.as_bytes() == whole.as_bytes(),
            "{op} {args:?} of {shape:?} {voxel} in blocks of {block:?} on {threads} threads differs"
        );
    }
}

/// The values of a volume as `f64`.
pub fn values(volume: &Volume) -> Vec<f64> {
    use crate::Voxel;
    with_volume!(volume, |a| a.iter().map(|v| v.to_f64()).collect())
}

/// Compares all results of peers for one operator.
pub fn check_peers(op: &str) {
    #[derive(serde::Deserialize)]
    struct Stored {
        at: usize,
        r#type: String,
    }
    #[derive(serde::Deserialize)]
    struct Case {
        op: String,
        input: String,
        args: BTreeMap<String, String>,
        spacing: [f64; 3],
        peer: String,
        tolerance: f64,
        #[serde(flatten)]
        result: Stored,
    }
    #[derive(serde::Deserialize)]
    struct File {
        shape: [usize; 3],
        inputs: BTreeMap<String, Stored>,
        cases: Vec<Case>,
    }
    let file: File = serde_json::from_str(include_str!("../../../../tests/golden/filters.json")).unwrap();
    let bytes = include_bytes!("../../../../tests/golden/filters.bin");
    let load = |s: &Stored| {
        let mut v = Volume::zeros(s.r#type.parse().unwrap(), file.shape);
        let n = v.byte_len();
        v.as_bytes_mut().copy_from_slice(&bytes[s.at..s.at + n]);
        if cfg!(target_endian = "big") {
            use crate::Voxel;
            with_volume!(&mut v, |a| a.mapv_inplace(|x| x.swap_bytes()));
        }
        v
    };
    let mut count = 0;
    for case in file.cases.iter().filter(|c| c.op == op) {
        let args: Vec<_> = case.args.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let seen = run(op, &args, &load(&file.inputs[&case.input]), case.spacing);
        let expected = load(&case.result);
        if case.tolerance == 0.0 {
            assert_eq!(seen.voxel_type(), expected.voxel_type());
        }
        let (seen, expected) = (values(&seen), values(&expected));
        let scale = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (i, (s, e)) in seen.iter().zip(&expected).enumerate() {
            assert!(
                (s - e).abs() <= case.tolerance * scale.max(1e-30),
                "{op} {args:?} on {}: voxel {i} is {s}, {}'s is {e}",
                case.input,
                case.peer
            );
        }
        count += 1;
    }
    assert!(count > 0, "no results of a peer for {op}");
}
