//! Times the filters on the standard volumes, for comparison with peers:
//! `PEERS_HOME=… cargo run --release -p voxelry-core --example bench_filters [PATTERN]`.
//! Each line: case, median seconds of five runs, and the growth of peak memory in MB.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::ops::{Args, Call, Grid, Kind, Value, find};
use voxelry_core::{Geometry, Job, Volume, VoxelType};

/// Operator, volume and parameters; the cases that `bench_peers.py` has under the same parameters.
const CASES: &[(&str, &str, &[(&str, &str)])] = &[
    ("gaussian", "foam_256_f32", &[("sigma", "2")]),
    ("gaussian", "foam_256_u16", &[("sigma", "2"), ("output", "same")]),
    ("median", "foam_256_u16", &[("radius", "1")]),
    ("median", "foam_256_u16", &[("radius", "2")]),
    ("median", "foam_256_u16", &[("radius", "3"), ("shape", "ball")]),
    ("median", "foam_256_f32", &[("radius", "1")]),
    ("bilateral", "foam_256_f32", &[("sigma", "1.5"), ("range", "0.05")]),
    ("non-local-means", "foam_256_f32", &[("h", "0.04"), ("noise", "0.045")]),
    ("total-variation", "foam_256_f32", &[("weight", "0.1"), ("iterations", "50")]),
    ("anisotropic-diffusion", "foam_256_f32", &[("edge", "0.05"), ("iterations", "5")]),
    ("mean", "foam_256_f32", &[("radius", "2")]),
    ("gradient-magnitude", "foam_256_f32", &[("sigma", "2")]),
    ("laplacian-of-gaussian", "foam_256_f32", &[("sigma", "2")]),
    ("background-subtraction", "foam_256_f32", &[("sigma", "20")]),
];

fn main() {
    let home = std::env::var("PEERS_HOME").unwrap_or_else(|_| ".".into());
    let pattern = std::env::args().nth(1).unwrap_or_default();
    for (op, file, args) in CASES {
        let name = format!("{op} {file} {args:?}");
        if !name.contains(&pattern) {
            continue;
        }
        let volume = Arc::new(load(&format!("{home}/data/{file}.npy")));
        let grid = Grid {
            shape: volume.shape(),
            voxel: volume.voxel_type(),
            kind: Kind::Grey,
            geometry: Geometry::default(),
        };
        let operator = find(op).expect("the cases name operators");
        let spec = operator.spec();
        let given: BTreeMap<_, _> = args
            .iter()
            .map(|(name, text)| {
                let param = spec.param(name).expect("the cases name parameters");
                (param.name, Value::parse(&param.ty, text).expect("the cases are right"))
            })
            .collect();
        let args = Args::complete(spec, given).expect("the cases are complete");
        let prepared = operator
            .prepare(&Call { op: spec.id, args: &args, inputs: &[Some(grid)] })
            .unwrap_or_else(|e| panic!("{e}"));
        let runs: usize = std::env::var("RUNS").ok().and_then(|r| r.parse().ok()).unwrap_or(5);
        let before = memory("VmRSS:");
        let mut seconds = Vec::new();
        for _ in 0..runs {
            let start = Instant::now();
            let out = prepared.kernel.whole(vec![Some(volume.clone())], &Job::silent()).expect("it runs");
            seconds.push(start.elapsed().as_secs_f64());
            drop(out);
        }
        seconds.sort_by(f64::total_cmp);
        println!(
            "{name}: {:.3} s (best {:.3}), +{:.0} MB",
            seconds[seconds.len() / 2],
            seconds[0],
            (memory("VmHWM:") - before) / 1024.0
        );
    }
}

/// Reads a little-endian `.npy` of version 1 in C order.
fn load(path: &str) -> Volume {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]);
    let after = |key: &str| &header[header.find(key).expect("a NumPy header") + key.len()..];
    let voxel = match after("'descr': '").split('\'').next() {
        Some("|u1" | "|b1") => VoxelType::U8,
        Some("<u2") => VoxelType::U16,
        Some("<f4") => VoxelType::F32,
        other => panic!("{path}: {other:?}"),
    };
    let shape: Vec<usize> = after("'shape': (")
        .split(')')
        .next()
        .expect("a shape")
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let mut volume = Volume::zeros(voxel, shape.try_into().expect("three axes"));
    volume.as_bytes_mut().copy_from_slice(&bytes[start..]);
    volume
}

/// A figure of this process in kB, where the system tells it.
fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}
