//! What the README's commands run: `cargo xtask demo` and `cargo xtask test`; and the benchmarks.

mod bench;
mod demo;
mod test;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["demo"] => demo::run(),
        ["test"] => test::run(false),
        ["test", "--long"] => test::run(true),
        ["bench", "peers", ref more @ ..] => bench::peers(more),
        ["bench", "tables", ref more @ ..] => bench::tables(more),
        ["bench", "gpu", ref more @ ..] => bench::gpu(more),
        _ => {
            eprintln!(
                "cargo xtask demo    build, make a sample, run the main job on it, open it\n\
                 cargo xtask test    everything that must pass (--long: also what takes an hour)\n\
                 cargo xtask bench peers [--only REGEX] [--threads N]\n\
                                     time operators beside their peers\n\
                 cargo xtask bench tables [--rows N] [--threads N]\n\
                                     time questions about tables beside DuckDB and Polars\n\
                 cargo xtask bench gpu [--size EDGE] [--only WORD] [--device gpu:N]\n\
                                     time kernels on a device beside a copy there and the processor"
            );
            bail!("which one?")
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command in the workspace, shown first.
fn sh(program: &str, arguments: &[&str]) -> Result<()> {
    sh_with(&[], program, arguments)
}

/// The same, with variables of its environment.
fn sh_with(variables: &[(&str, &str)], program: &str, arguments: &[&str]) -> Result<()> {
    println!("$ {program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().copied()).current_dir(root());
    // What cargo says of this program to it makes build scripts of others (ring's) think that something changed, and
    // with them all that stands on them.
    for (name, _) in std::env::vars_os() {
        let is = |start: &str| name.to_str().is_some_and(|name| name.starts_with(start));
        if is("CARGO_PKG_") || is("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let status = command.status().with_context(|| format!("{program} can't be started"))?;
    if !status.success() {
        bail!("{program} {} failed", arguments.join(" "));
    }
    Ok(())
}
