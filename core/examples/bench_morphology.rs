//! Times the operators of mathematical morphology on the volumes that `peers/gen_data.py` makes:
//! `PEERS_HOME=… cargo run --release --example bench_morphology [words of case names]`. Prints the
//! median of five runs in seconds, the mean seconds of all processors together (steadier where a machine is
//! busy) and the peak of resident memory, input included, in MB.

use ndarray::Array3;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use voxelry_core::ops::{Args, Call, Grid, Kind, Value, find};
use voxelry_core::{Geometry, Job, Volume};

/// Reads a version 1 NPY file of bool, u8 or u16 in C order.
fn npy(path: &Path) -> Volume {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("an NPY header is text");
    let after = |key: &str| &header[header.find(key).expect("an NPY header has this key") + key.len()..];
    let shape: Vec<usize> = after("'shape': (")
        .split(')')
        .next()
        .unwrap_or_default()
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let shape = [shape[0], shape[1], shape[2]];
    let data = &bytes[10 + length..];
    let descr = after("'descr': '");
    if descr.starts_with("<u2") {
        let values = data.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        Array3::from_shape_vec(shape, values).expect("as many voxels as the shape says").into()
    } else {
        Array3::from_shape_vec(shape, data.to_vec()).expect("as many voxels as the shape says").into()
    }
}

/// A figure of this process in MB, such as `VmHWM`.
fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// Processor seconds of all threads so far, where the system tells.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() {
    let home = std::env::var("PEERS_HOME").unwrap_or_else(|_| ".".into());
    let only: Vec<String> = std::env::args().skip(1).collect();
    let cases: &[(&str, &str, &str, &[(&str, &str)])] = &[
        ("binary open ball 3 512", "open", "blobs_512_salt", &[("radius", "3")]),
        ("binary open ball 10 512", "open", "blobs_512_salt", &[("radius", "10")]),
        ("binary open ball 30 512", "open", "blobs_512_salt", &[("radius", "30")]),
        ("binary dilate box 1 512", "dilate", "blobs_512_salt", &[("shape", "box"), ("radius", "1")]),
        ("binary dilate box 20 512", "dilate", "blobs_512_salt", &[("shape", "box"), ("radius", "20")]),
        ("grey open ball 3 256", "open", "foam_256_u16", &[("radius", "3")]),
        ("grey open ball 10 256", "open", "foam_256_u16", &[("radius", "10")]),
        ("grey open box 3 256", "open", "foam_256_u16", &[("shape", "box"), ("radius", "3")]),
        ("grey open box 20 256", "open", "foam_256_u16", &[("shape", "box"), ("radius", "20")]),
        ("grey white-tophat ball 3 256", "white-tophat", "foam_256_u16", &[("radius", "3")]),
        ("h-maxima 2000 256", "h-maxima", "foam_256_u16", &[("height", "2000")]),
        ("fill-holes 512", "fill-holes", "blobs_512_salt", &[]),
        ("remove-small 512", "remove-small", "blobs_512_salt", &[("min_size", "64")]),
        ("keep-largest 512", "keep-largest", "blobs_512_salt", &[]),
        ("clear-border 512", "clear-border", "blobs_512_salt", &[]),
    ];
    for (name, op, file, args) in cases {
        if !only.iter().all(|word| name.contains(word.as_str())) {
            continue;
        }
        let volume = Arc::new(npy(&Path::new(&home).join("data").join(format!("{file}.npy"))));
        let kind = if file.starts_with("blobs") { Kind::Mask } else { Kind::Grey };
        let grid =
            Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry: Geometry::default() };
        let op = find(op).expect("an operator of this program");
        let given = args.iter().map(|(name, text)| {
            let param = op.spec().param(name).expect("a declared parameter");
            (param.name, Value::parse(&param.ty, text).expect("a right value"))
        });
        let args = Args::complete(op.spec(), given.collect()).expect("all parameters");
        let mut seconds = Vec::new();
        let mut peak = 0.0;
        let mut worked = 0.0;
        for run in 0..6 {
            let prepared = op
                .prepare(&Call { op: op.spec().id, args: &args, inputs: &[Some(grid)] })
                .expect("a call that suits the image");
            // Resets the peak, where the system can.
            let _ = std::fs::write("/proc/self/clear_refs", "5");
            let before = processor();
            let start = Instant::now();
            let out = prepared.kernel.whole(vec![Some(volume.clone())], &Job::silent()).expect("a result");
            // The first run warms up.
            if run > 0 {
                seconds.push(start.elapsed().as_secs_f64());
                worked += (processor() - before) / 5.0;
            }
            peak = memory("VmHWM").max(peak);
            drop(out);
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!("{name:32} {median:8.4} s, {worked:8.4} s of processors, {peak:7.0} MB");
    }
}
