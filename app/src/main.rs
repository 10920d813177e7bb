//! The Voxelry program: its window and its command line.

// `println!` panics when nobody reads on; `print_line!` doesn't.
#![deny(clippy::print_stdout)]

mod cli;
mod interrupt;
mod progress;
mod view;
mod window;

use std::path::Path;
use std::process::ExitCode;

#[global_allocator]
static MEMORY: voxelry_core::memory::HugePages = voxelry_core::memory::HugePages;

/// Keeps Mesa's layer for the choice of a device from connecting to a Wayland display where there can be
/// none: it complains on the terminal that `XDG_RUNTIME_DIR` is invalid.
fn without_display() {
    let reachable = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| Path::new(&dir).is_absolute());
    if cfg!(target_os = "linux") && !reachable {
        // SAFETY: the program does this first, while it has one thread.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

fn main() -> ExitCode {
    voxelry_core::memory::spare_address_space();
    without_display();
    voxelry_core::io::remote::install(voxelry_stores::open);
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::tell(&format!("voxelry: {error}"));
            let code = error.downcast_ref::<voxelry_core::Error>().map(voxelry_core::Error::exit_code);
            let analysis =
                || error.downcast_ref::<voxelry_analysis::Error>().map(voxelry_analysis::Error::exit_code);
            let code = code.or_else(analysis).unwrap_or(1);
            ExitCode::from(code)
        }
    }
}
