//! Times the object operators on the volumes that the peers are timed on.
//!
//! `PEERS_HOME=… cargo run --release --example bench_objects [OPERATION]` prints for each operation
//! the median seconds of five runs and the peak memory of the process above its inputs.

use ndarray::Array3;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::ops::{Args, Call, Grid, Kind, Value, find};
use voxelry_core::{Geometry, Job, Volume, VoxelType};

type Image = (Arc<Volume>, Grid);

/// Reads the arrays that NumPy writes, as far as the peers' volumes need it.
fn npy(name: &str, kind: Kind) -> Image {
    let home = std::env::var("PEERS_HOME").expect("PEERS_HOME names the folder of the peers' data");
    let path = format!("{home}/data/{name}.npy");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..header]).into_owned();
    let between = |a: &str, b: char| text.split(a).nth(1).unwrap().split(b).next().unwrap().to_owned();
    let shape: Vec<usize> =
        between("'shape': (", ')').split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let shape: [usize; 3] = shape.try_into().expect("three axes");
    let words = || bytes[header..].chunks_exact(4).map(|c| <[u8; 4]>::try_from(c).unwrap());
    let volume = match between("'descr': '", '\'').as_str() {
        "|b1" | "|u1" => Volume::U8(Array3::from_shape_vec(shape, bytes[header..].to_vec()).unwrap()),
        "<i4" => {
            Volume::U32(Array3::from_shape_vec(shape, words().map(u32::from_le_bytes).collect()).unwrap())
        }
        "<f4" => {
            Volume::F32(Array3::from_shape_vec(shape, words().map(f32::from_le_bytes).collect()).unwrap())
        }
        other => panic!("{path}: type {other}"),
    };
    let grid = Grid { shape, voxel: volume.voxel_type(), kind, geometry: Geometry::default() };
    (Arc::new(volume), grid)
}

fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap_or("0 0 kB");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn time(name: &str, op: &str, args: &[(&str, &str)], inputs: impl Fn() -> Vec<Option<Image>>) {
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let inputs = inputs();
    let operator = find(op).expect("an operator");
    let given: BTreeMap<_, _> = args
        .iter()
        .map(|(n, text)| {
            let param = operator.spec().param(n).expect("a parameter");
            (param.name, Value::parse(&param.ty, text).expect("a value"))
        })
        .collect();
    let args = Args::complete(operator.spec(), given).expect("complete");
    let grids: Vec<_> = inputs.iter().map(|i| i.as_ref().map(|(_, g)| *g)).collect();
    let prepared =
        operator.prepare(&Call { op: operator.spec().id, args: &args, inputs: &grids }).expect("prepared");
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = memory("VmRSS");
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let volumes = inputs.iter().map(|i| i.as_ref().map(|(v, _)| v.clone())).collect();
            let start = Instant::now();
            let out = prepared.kernel.whole(volumes, &Job::silent()).expect("a result");
            let seconds = start.elapsed().as_secs_f64();
            drop(out);
            seconds
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!(
        "{name:32} {:8.3} s (best {:.3})  peak {:7.0} MB, {:7.0} MB above the inputs",
        seconds[2],
        seconds[0],
        memory("VmHWM"),
        memory("VmHWM") - before
    );
}

fn main() {
    for image in ["blobs_512", "blobs_512_salt"] {
        for connectivity in ["26", "6"] {
            time(&format!("label{connectivity} {image}"), "label", &[("connectivity", connectivity)], || {
                vec![Some(npy(image, Kind::Mask))]
            });
        }
        time(&format!("distance {image}"), "distance", &[], || vec![Some(npy(image, Kind::Mask))]);
    }
    time("label multi labels10k_256", "label", &[], || vec![Some(npy("labels10k_256", Kind::Labels))]);
    let negative = || {
        let (volume, grid) = npy("dist_256", Kind::Grey);
        let Volume::F32(d) = &*volume else { unreachable!("dist_256 is f32") };
        (Arc::new(Volume::F32(d.mapv(|v| -v))), grid)
    };
    time("watershed 256", "watershed", &[("connectivity", "26")], || {
        let (markers, grid) = npy("markers_256", Kind::Labels);
        let markers = (markers, Grid { voxel: VoxelType::U32, ..grid });
        vec![Some(negative()), Some(markers), Some(npy("gas_256", Kind::Mask))]
    });
    time("thickness blobs_256", "thickness", &[], || vec![Some(npy("blobs_256", Kind::Mask))]);
}
