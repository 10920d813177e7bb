//! Arguments that several commands share.

use crate::interrupt;
use crate::progress::Progress;
use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::blocks::Accelerator;
use voxelry_core::io::options::{parse_shape, parse_spacing, parse_unit};
use voxelry_core::io::{self, Frame, ImageInfo, ImageSource, OpenOptions, WriteOptions, target};
use voxelry_core::volume::apart;
use voxelry_core::{Error, Job, VoxelType};
use voxelry_shaders::compute::{Choice, Chosen};

/// Prints text on standard output. A reader that has seen enough, such as `head`, is no error.
///
/// # Errors
/// If it can't be written, to a full disk, say.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("standard output", e).into()),
        _ => Ok(()),
    }
}

/// Prints a formatted line on standard output, with [`print`].
macro_rules! print_line {
    ($($text:tt)*) => { $crate::cli::common::print(&(format!($($text)*) + "\n")) };
}
pub(super) use print_line;

/// Returns whether a file can be made at a path: its folder is there.
///
/// # Errors
/// If it is not.
pub fn can_hold(path: &Path) -> Result<()> {
    let folder = near(path);
    if folder.is_dir() { Ok(()) } else { Err(Error::file(folder, "is not a folder to write into").into()) }
}

/// `--overwrite`, for commands that write files.
pub fn overwrite_arg() -> Arg {
    Arg::new("overwrite")
        .long("overwrite")
        .action(ArgAction::SetTrue)
        .help("Write over files that are already there")
}

/// Checks that a file can be written, and that `--overwrite` is given if one is there.
///
/// # Errors
/// If not.
pub fn can_write(matches: &ArgMatches, path: &Path) -> Result<()> {
    Ok(target::check_file(path, matches.get_flag("overwrite"))?)
}

/// As [`can_write`], for an image in the format of the path's ending.
///
/// # Errors
/// As [`can_write`].
pub fn can_write_image(matches: &ArgMatches, path: &Path, options: &WriteOptions) -> Result<()> {
    Ok(target::check_image(path, options, matches.get_flag("overwrite"))?)
}

/// Progress and a job that Ctrl-C cancels, as the global arguments say.
pub fn job(matches: &ArgMatches) -> (Progress, Job) {
    let progress = Progress::new(matches.get_flag("quiet"), matches.get_flag("verbose"));
    let job = progress.job();
    interrupt::cancels(&job);
    (progress, job)
}

/// `--shape`, `--dtype` … for files that don't say everything about themselves.
pub fn open_args() -> Vec<Arg> {
    vec![
        Arg::new("shape").long("shape").value_name("Z,Y,X").help("Shape of a raw file in voxels"),
        Arg::new("dtype").long("dtype").value_name("TYPE").help("Voxel type of a raw file: u8 … f64"),
        Arg::new("byte-order")
            .long("byte-order")
            .value_name("ORDER")
            .value_parser(["little", "big"])
            .help("Byte order of a raw file [default: little]"),
        Arg::new("offset")
            .long("offset")
            .value_name("BYTES")
            .value_parser(value_parser!(u64))
            .help("Bytes before a raw file's voxels"),
        Arg::new("spacing").long("spacing").value_name("LENGTH").help(
            "Voxel size, such as \"6um\" or \"2,0.5,0.5 um\" (z,y,x), if the file doesn't say or is wrong",
        ),
        Arg::new("unit")
            .long("unit")
            .value_name("UNIT")
            .help("Unit to express lengths in, instead of the file's: nm, um, mm, cm or m"),
        Arg::new("dataset")
            .long("dataset")
            .value_name("NAME")
            .help(
                "Which image of a file with several (\"info\" lists them), by name or number: a dataset of HDF5, an image or \
                 series of TIFF; or a series of slices in a folder, such as img#.tif",
            ),
        Arg::new("accept-damaged")
            .long("accept-damaged")
            .action(ArgAction::SetTrue)
            .help("Work on what is there of an image that is damaged or cut short"),
        Arg::new("require-all-chunks").long("require-all-chunks").action(ArgAction::SetTrue).help(
            "Refuse an OME-Zarr of which chunks aren't stored, rather than take the fill value for them",
        ),
    ]
}

/// The values of [`open_args`].
///
/// # Errors
/// If one can't be read.
pub fn open_options(matches: &ArgMatches) -> Result<OpenOptions> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let wrong = |name: &str, reason: String| Error::Usage(format!("--{name}: {reason}"));
    let shape = text("shape").map(parse_shape).transpose().map_err(|e| wrong("shape", e))?;
    let voxel: Option<VoxelType> =
        text("dtype").map(str::parse).transpose().map_err(|e| wrong("dtype", e))?;
    let spacing = text("spacing").map(parse_spacing).transpose().map_err(|e| wrong("spacing", e))?;
    Ok(OpenOptions {
        shape,
        voxel,
        big_endian: text("byte-order") == Some("big"),
        offset: matches.get_one("offset").copied().unwrap_or(0),
        spacing,
        unit: text("unit").map(parse_unit).transpose().map_err(|e| wrong("unit", e))?,
        dataset: text("dataset").map(str::to_owned),
        ..completeness(matches)
    })
}

/// Options about an image's completeness, and nothing else.
pub fn completeness(matches: &ArgMatches) -> OpenOptions {
    OpenOptions {
        accept_damaged: matches.get_flag("accept-damaged"),
        require_all_chunks: matches.get_flag("require-all-chunks"),
        ..OpenOptions::default()
    }
}

/// Opens an image.
///
/// # Errors
/// If it can't be read.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Arc<dyn ImageSource>> {
    Ok(Arc::from(io::open(path, options)?))
}

/// Notes on an image that was opened: what reading changed, and which channel and time frame of
/// several are used, if that was not chosen.
pub fn tell(path: &Path, info: &ImageInfo, frame: Frame, matches: &ArgMatches, job: &Job) {
    let chosen = |name: &str| {
        let source = matches.try_contains_id(name).is_ok().then(|| matches.value_source(name)).flatten();
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    };
    let choices = frame.choices(info).into_iter().filter(|(name, _)| !chosen(name)).map(|(_, text)| text);
    for text in info.notes.iter().cloned().chain(choices) {
        job.warn(format!("{}: {text}", path.display()));
    }
}

/// `--ignore-geometry`, for commands that take several images.
pub fn ignore_geometry_arg() -> Arg {
    Arg::new("ignore-geometry").long("ignore-geometry").action(ArgAction::SetTrue).help(
        "Lay further images on the first by their indices, wherever their files say that they lie; only the shapes \
         must be the same",
    )
}

/// Opens a further image of a command and lays it on the grid of the first image, of which `first` are the path, what is
/// known and the frame. Flips and permutations of axes are undone, and said. Where it has one voxel along an axis and the
/// first more, that is left to the command.
///
/// # Errors
/// If it can't be read, has no such frame, or lies on another grid.
pub fn open_further(
    path: &Path,
    first: (&Path, &ImageInfo, Frame),
    matches: &ArgMatches,
    job: &Job,
) -> Result<(Arc<dyn ImageSource>, Frame)> {
    let (first_path, to, frame) = first;
    let source = open(path, &completeness(matches))?;
    let own = further_frame(path, source.info(), frame)?;
    tell(path, source.info(), own, matches, job);
    let by_index = matches.get_flag("ignore-geometry");
    let Some(on) = io::on_grid(&source, own, (to, frame.level), by_index) else {
        let (a, b) = (&source.info().levels[own.level], &to.levels[frame.level]);
        let to = first_path.display().to_string();
        let reason = apart(&to, (a.shape, &a.geometry), (b.shape, &b.geometry));
        return Err(Error::file(path, reason).into());
    };
    if let Some(turn) = on.turn {
        job.warn(format!("{}: {}", path.display(), turn.said()));
    }
    Ok((on.source, on.frame))
}

/// The frame of a further image that goes with that of the first.
///
/// # Errors
/// If it has several, but not that one.
pub fn further_frame(path: &Path, info: &ImageInfo, frame: Frame) -> Result<Frame> {
    let own = frame.of_further(info);
    own.check(info).map_err(|e| Error::Usage(format!("{}: {e}", path.display())))?;
    Ok(own)
}

/// `--memory`, `--block` and `--device`, for commands that run operators.
pub fn engine_args() -> Vec<Arg> {
    vec![
        Arg::new("memory").long("memory").value_name("SIZE").help(
            "Memory to work within, such as 2G; larger images go block by block [default: half of RAM]",
        ),
        Arg::new("block")
            .long("block")
            .value_name("Z,Y,X")
            .help("Work block by block, with blocks of this many voxels; the result doesn't depend on it"),
        Arg::new("device")
            .long("device")
            .value_name("DEVICE")
            .default_value("auto")
            .help("What operators run on: auto (whatever is faster), cpu, gpu, or gpu:1 for the second; the result doesn't depend on it"),
    ]
}

/// Device that `--device` asks for; `None` for the processor alone. `-v` says where each step runs.
///
/// # Errors
/// If the argument can't be read, or a device is asked for that is not there.
pub fn device(matches: &ArgMatches, job: &Job) -> Result<Option<Arc<dyn Accelerator>>> {
    let text = matches.try_get_one::<String>("device").ok().flatten().map_or("auto", String::as_str);
    let choice: Choice = text.parse().map_err(|e| Error::Usage(format!("--device: {e}")))?;
    let job = job.clone();
    let chosen = Chosen::new(choice, memory(matches)? / 4, move |text| job.note(text))?;
    Ok(chosen.map(|chosen| chosen as Arc<dyn Accelerator>))
}

/// A size in bytes such as `512M` or `2G`.
fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (number, factor) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1u64 << 10),
        Some('m' | 'M') => (&text[..text.len() - 1], 1 << 20),
        Some('g' | 'G') => (&text[..text.len() - 1], 1 << 30),
        Some('t' | 'T') => (&text[..text.len() - 1], 1 << 40),
        _ => (text, 1),
    };
    match number.trim().parse::<f64>() {
        Ok(n) if n > 0.0 => Ok((n * factor as f64) as u64),
        _ => Err(format!("\"{text}\" is not a size like 512M or 2G")),
    }
}

/// The memory to work within, in bytes.
///
/// # Errors
/// If `--memory` can't be read.
pub fn memory(matches: &ArgMatches) -> Result<u64> {
    match matches.get_one::<String>("memory") {
        Some(text) => Ok(parse_size(text).map_err(|e| Error::Usage(format!("--memory: {e}")))?),
        None => Ok(voxelry_core::blocks::physical_memory() / 2),
    }
}

/// Bytes of images that are kept in memory to be looked at.
pub fn bytes_of_cache() -> u64 {
    (voxelry_core::blocks::physical_memory() / 4).max(256 << 20)
}

/// Least memory of a run: the program itself, blocks of 32³ on its threads, and a picture and an image that are
/// being written.
const FLOOR: u64 = 72 << 20;

/// Shape of the blocks, if `--block` was given or `needed` bytes don't fit.
///
/// # Errors
/// If an argument can't be read.
pub fn block(matches: &ArgMatches, needed: u64) -> Result<Option<[usize; 3]>> {
    let budget = memory(matches)?;
    voxelry_core::memory::work_within(budget);
    let block = matches
        .get_one::<String>("block")
        .map(|t| parse_shape(t).map_err(|e| Error::Usage(format!("--block: {e}"))))
        .transpose()?;
    if block.is_none() && needed <= budget {
        return Ok(None);
    }
    if budget < FLOOR {
        crate::progress::tell(&format!(
            "voxelry: --memory {}: the program, its smallest blocks and the results being written take about {}; it goes \
             on with that",
            bytes(budget),
            bytes(FLOOR)
        ));
    }
    Ok(Some(block.unwrap_or_else(|| voxelry_core::blocks::block_for(budget))))
}

/// Bytes for people.
pub fn bytes(n: u64) -> String {
    match n as f64 {
        n if n >= 1e12 => format!("{:.2} TB", n / 1e12),
        n if n >= 1e9 => format!("{:.2} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.1} kB", n / 1e3),
        n => format!("{n} bytes"),
    }
}

/// A folder for temporary files near `target`, where there is room for results.
pub fn near(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_written() {
        assert_eq!(parse_size("2G"), Ok(2 << 30));
        assert_eq!(parse_size("1.5 MiB"), Ok(3 << 19));
        assert!(parse_size("lots").is_err());
        assert!(parse_size("-1G").is_err());
    }
}
