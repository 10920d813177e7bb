//! Ctrl-C: the job is asked to stop; if it hasn't within a moment, what is half-written is removed and the program
//! ends.

use std::time::Duration;
use voxelry_core::Job;
use voxelry_core::io::atomic;

/// How long a job has to tidy up.
const PATIENCE: Duration = Duration::from_millis(40);

/// Cancels `job` on Ctrl-C.
pub fn cancels(job: &Job) {
    let job = job.clone();
    // A second handler can't be set; then the first one's job is this program's only one anyway.
    let _ = ctrlc::set_handler(move || {
        job.cancel();
        std::thread::sleep(PATIENCE);
        atomic::abandon();
        crate::progress::tell("voxelry: cancelled");
        std::process::exit(130);
    });
}
