//! Ends in a hurry, after which nothing half-written is left. On Ctrl-C, the job is asked to stop; if it hasn't within a
//! moment, the program ends. Where memory runs out, it ends at once.

use crate::cli::common::bytes;
use std::time::Duration;
use voxelry_core::io::atomic;
use voxelry_core::{Job, memory};

/// Time a job has to tidy up.
const PATIENCE: Duration = Duration::from_millis(40);

/// Cancels `job` on Ctrl-C.
pub fn cancels(job: &Job) {
    let job = job.clone();
    // A second handler can't be set; then the first one's job is this program's only one anyway.
    let _ = ctrlc::set_handler(move || {
        job.cancel();
        std::thread::sleep(PATIENCE);
        atomic::abandon();
        voxelry_analysis::table::write::abandon();
        crate::progress::tell("voxelry: cancelled");
        std::process::exit(130);
    });
}

/// Ends the program with a sentence where memory runs out. For commands; a window continues.
pub fn ends_without_memory() {
    memory::on_exhaustion(|more| {
        atomic::abandon();
        voxelry_analysis::table::write::abandon();
        let used = memory::in_use_and_peak().map_or(String::new(), |(used, _)| {
            let less = bytes(used / 2);
            format!(" beside the {} in use; try --memory with less, such as {less}", bytes(used))
        });
        crate::progress::tell(&format!(
            "voxelry: not enough memory: the system refuses {}{used}",
            bytes(more as u64)
        ));
        std::process::exit(1);
    });
}
