//! Ctrl-C: the job is asked to stop; if it hasn't within a moment, the program ends. Nothing that
//! is half-written has its final name, so both ways leave nothing that looks complete.

use std::time::Duration;
use voxelry_core::Job;

/// How long a job has to tidy up.
const PATIENCE: Duration = Duration::from_millis(80);

/// Cancels `job` on Ctrl-C.
pub fn cancels(job: &Job) {
    let job = job.clone();
    // A second handler can't be set; then the first one's job is this program's only one anyway.
    let _ = ctrlc::set_handler(move || {
        job.cancel();
        std::thread::sleep(PATIENCE);
        eprintln!("\nvoxelry: cancelled");
        std::process::exit(130);
    });
}
