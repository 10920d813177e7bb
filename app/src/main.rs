//! The Voxelry program: its window and its command line.

// `println!` panics when nobody reads on; `print_line!` doesn't.
#![deny(clippy::print_stdout)]

mod cli;
mod interrupt;
mod progress;
mod view;
mod window;

use std::process::ExitCode;

#[global_allocator]
static MEMORY: voxelry_core::memory::HugePages = voxelry_core::memory::HugePages;

fn main() -> ExitCode {
    voxelry_core::io::remote::install(voxelry_stores::open);
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::tell(&format!("voxelry: {error}"));
            let code = error.downcast_ref::<voxelry_core::Error>().map_or(1, voxelry_core::Error::exit_code);
            ExitCode::from(code)
        }
    }
}
