//! Times the measurements on the peers' volumes: `bench_measure [DATA FOLDER] [REPEATS]`, where the
//! folder holds `labels10k_256.npy`, `foam_256_f32.npy` and `foam_256_u16.npy`.

use ndarray::Array3;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::ops::{self, Args, Call, Grid, Kind, Value};
use voxelry_core::{Geometry, Job, Volume};

fn npy(path: &Path) -> Volume {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("an ASCII header");
    let shape = header.split("'shape': (").nth(1).expect("a shape").split(')').next().expect("a shape");
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let shape = [shape[0], shape[1], shape[2]];
    let body = &bytes[10 + length..];
    if header.contains("<i4") {
        let v = body.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap()) as u32).collect();
        Array3::from_shape_vec(shape, v).expect("the shape").into()
    } else if header.contains("<f4") {
        let v: Vec<f32> = body.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        Array3::from_shape_vec(shape, v).expect("the shape").into()
    } else {
        let v: Vec<u16> = body.chunks_exact(2).map(|b| u16::from_le_bytes(b.try_into().unwrap())).collect();
        Array3::from_shape_vec(shape, v).expect("the shape").into()
    }
}

fn time(name: &str, inputs: &[(Arc<Volume>, Kind)], given: &[(&'static str, Value)], repeats: usize) {
    let op = ops::find("measure").expect("listed");
    let given: BTreeMap<&'static str, Value> = given.iter().cloned().collect();
    let args = Args::complete(op.spec(), given).expect("declared arguments");
    let mut grids: Vec<Option<Grid>> = inputs
        .iter()
        .map(|(v, kind)| {
            Some(Grid { shape: v.shape(), voxel: v.voxel_type(), kind: *kind, geometry: Geometry::default() })
        })
        .collect();
    grids.resize(op.spec().inputs.len(), None);
    let prepared = op.prepare(&Call { op: "measure", args: &args, inputs: &grids }).expect("prepared");
    let mut seconds: Vec<f64> = (0..repeats)
        .map(|_| {
            let mut volumes: Vec<_> = inputs.iter().map(|(v, _)| Some(v.clone())).collect();
            volumes.resize(op.spec().inputs.len(), None);
            let start = Instant::now();
            let output = prepared.kernel.whole(volumes, &Job::silent()).expect("measured");
            let elapsed = start.elapsed().as_secs_f64();
            drop(output);
            elapsed
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{name:40} {:8.4} s (least of {repeats}; median {:.4})", seconds[0], seconds[repeats / 2]);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let repeats = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5);
    let folder = Path::new(&folder);
    let labels = (Arc::new(npy(&folder.join("labels10k_256.npy"))), Kind::Labels);
    let f32s = (Arc::new(npy(&folder.join("foam_256_f32.npy"))), Kind::Grey);
    let u16s = (Arc::new(npy(&folder.join("foam_256_u16.npy"))), Kind::Grey);
    let words = |w: &[&str]| Value::Words(w.iter().map(|s| (*s).to_owned()).collect());
    let off = Value::Bool(false);
    let boxes = words(&["voxel_count", "bbox_z_min", "centroid_z"]);
    let none = [("contacts", off.clone()), ("image", off.clone())];
    let with = |columns: &Value, contacts: bool| {
        let mut given = none.to_vec();
        given.push(("columns", columns.clone()));
        given[0].1 = Value::Bool(contacts);
        given
    };
    let additive: Vec<String> = voxelry_core::measure::columns::COLUMNS
        .iter()
        .filter(|c| c.needs.additive())
        .map(|c| c.name.to_owned())
        .collect();
    let shape: Vec<String> =
        additive.iter().filter(|n| !n.contains("intensity") && !n.starts_with("weighted")).cloned().collect();
    time("counts, boxes, centroids", &[labels.clone()], &with(&boxes, false), repeats);
    time("contacts", &[labels.clone()], &with(&boxes, true), repeats);
    time("additive, shape only", &[labels.clone()], &with(&Value::Words(shape), true), repeats);
    time(
        "additive, shape and f32",
        &[labels.clone(), f32s.clone()],
        &with(&Value::Words(additive.clone()), true),
        repeats,
    );
    time(
        "additive, shape and u16",
        &[labels.clone(), u16s.clone()],
        &with(&Value::Words(additive), true),
        repeats,
    );
    time("everything, f32", &[labels.clone(), f32s], &[], repeats.min(3));
    time("everything, u16", &[labels, u16s], &[], repeats.min(3));
}
