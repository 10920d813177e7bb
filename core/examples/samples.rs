//! Writes each kind of sample as raw voxels and says how long it took: `samples SIZE FOLDER`.

use std::time::Instant;
use voxelry_core::Job;
use voxelry_core::sample::{KINDS, Options, generate};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let size: usize = args[1].parse().expect("a size");
    for kind in KINDS {
        let start = Instant::now();
        let options = Options { size: [size; 3], ..Options::default() };
        let sample = generate(kind, &options, &Job::silent()).expect("good options");
        println!(
            "{} {size}³: {:.2} s, {} objects",
            kind.name,
            start.elapsed().as_secs_f64(),
            sample.table.batch.num_rows()
        );
        if let Some(folder) = args.get(2) {
            std::fs::write(format!("{folder}/{}.u16", kind.name), sample.image.as_bytes()).expect("written");
            std::fs::write(format!("{folder}/{}.u32", kind.name), sample.truth.as_bytes()).expect("written");
        }
    }
}
