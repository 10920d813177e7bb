//! `voxelry convert`: from one file format to another.

use super::common::{self, bytes, open, open_args, open_options};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use voxelry_core::io::atomic::is_begun;
use voxelry_core::io::convert::{ConvertOptions, convert, identity};
use voxelry_core::io::options::{parse_shape, parse_triple};
use voxelry_core::io::remote::Patient;
use voxelry_core::io::verify::{absent_note, check_complete};
use voxelry_core::io::{ImageSource, WriteOptions};
use voxelry_core::{Error, Region};

pub fn command() -> Command {
    let path = value_parser!(PathBuf);
    Command::new("convert")
        .about("Convert an image to another format, in bounded memory")
        .after_help(
            "What is being written to an OME-Zarr stays in a hidden folder beside it when the program is interrupted \
             or killed, or the disk is full: the same command resumes from there.",
        )
        .arg(Arg::new("in").value_name("IN").required(true).value_parser(path.clone()))
        .arg(Arg::new("out").value_name("OUT").required(true).value_parser(path))
        .arg(
            Arg::new("level")
                .long("level")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .default_value("0")
                .help("Resolution level to read, 0 the finest"),
        )
        .arg(
            Arg::new("start")
                .long("start")
                .value_name("Z,Y,X")
                .requires("size")
                .help("First voxel of the part to keep"),
        )
        .arg(
            Arg::new("size")
                .long("size")
                .value_name("Z,Y,X")
                .requires("start")
                .help("Shape of the part to keep"),
        )
        .arg(Arg::new("type").long("type").value_name("TYPE").help("Voxel type to write: u8 … f64"))
        .arg(
            Arg::new("labels")
                .long("labels")
                .action(ArgAction::SetTrue)
                .help("The voxels are labels: never average them"),
        )
        .arg(Arg::new("uncompressed").long("uncompressed").action(ArgAction::SetTrue).help("Don't compress"))
        .arg(Arg::new("chunk").long("chunk").value_name("Z,Y,X").help("Chunk shape of OME-Zarr"))
        .arg(Arg::new("shard").long("shard").value_name("Z,Y,X").help("Shard shape of OME-Zarr, in voxels"))
        .arg(
            Arg::new("zarr-version")
                .long("zarr-version")
                .value_name("VERSION")
                .value_parser(["0.4", "0.5"])
                .help("Version of OME-Zarr"),
        )
        .arg(common::overwrite_arg())
        .args(open_args())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let input = matches.get_one::<PathBuf>("in").expect("required");
    let out = matches.get_one::<PathBuf>("out").expect("required");
    let triple = |name: &str| -> Result<Option<[usize; 3]>> {
        let text = matches.get_one::<String>(name);
        let parse = if name == "start" { parse_triple } else { parse_shape };
        Ok(text.map(|t| parse(t).map_err(|e| Error::Usage(format!("--{name}: {e}")))).transpose()?)
    };
    let voxel = matches.get_one::<String>("type");
    let voxel = voxel.map(|t| t.parse().map_err(|e| Error::Usage(format!("--type: {e}")))).transpose()?;
    let open_as = open_options(matches)?;
    let mut options = ConvertOptions {
        level: *matches.get_one("level").expect("default"),
        crop: triple("start")?.zip(triple("size")?).map(|(start, shape)| Region::new(start, shape)),
        voxel,
        labels: matches.get_flag("labels").then_some(true),
        write: WriteOptions {
            compress: !matches.get_flag("uncompressed"),
            chunk: triple("chunk")?,
            shard: triple("shard")?,
            version: matches.get_one::<String>("zarr-version").cloned(),
            resume: None,
        },
    };
    // The same command on the same input resumes.
    options.write.resume = identity(input).map(|input| format!("{input} {open_as:?} {options:?}"));
    common::can_write_image(matches, out, &options.write)?;
    let source = open(input, &open_as)?;
    let times = 0..source.info().times;
    let absent = check_complete(&*source, input, &open_as, times)?;
    if let Some(note) = absent {
        job.warn(note);
    }
    let source = Patient::new(source, &job);
    if is_begun(out) {
        crate::progress::tell("Resumes what was begun before, if it was made of the same input.");
    }
    let converted = convert(&source, out, &options, &job).inspect_err(|_| {
        if is_begun(out) {
            crate::progress::tell("What is written is kept: the same command resumes from there.");
        }
    })?;
    // Files were looked through before.
    if source.waits() && source.absent() > 0 {
        job.warn(absent_note(source.absent(), None));
    }
    progress.finish();
    let spec = converted.spec;
    let [z, y, x] = spec.shape;
    let voxels =
        spec.shape.iter().map(|&n| n as u64).product::<u64>() * (spec.channels.len() * spec.times) as u64;
    let size = bytes(voxels * spec.voxel.size() as u64);
    progress.say(&format!(
        "{}: {x} × {y} × {z} voxels of {}, {size} uncompressed",
        out.display(),
        spec.voxel
    ));
    Ok(())
}
