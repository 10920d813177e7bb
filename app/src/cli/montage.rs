//! `voxelry montage`: a sheet of slices as PNG.

use super::common::{self, open, open_args, open_options};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::PathBuf;
use voxelry_core::Error;
use voxelry_core::blocks::{Field, FileField};
use voxelry_core::io::Frame;
use voxelry_core::ops::Kind;
use voxelry_core::picture::{self, MontageOptions, montage};
use voxelry_core::volume::apart;

pub fn command() -> Command {
    Command::new("montage")
        .about("Draw a sheet of slices as PNG, with the outlines of labels")
        .arg(
            Arg::new("image")
                .value_name("IMAGE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The image to show"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("FILE.png")
                .value_parser(value_parser!(PathBuf))
                .help("The picture to write"),
        )
        .arg(
            Arg::new("labels")
                .long("labels")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Outline these labels"),
        )
        .arg(
            Arg::new("axis")
                .long("axis")
                .value_name("AXIS")
                .value_parser(["z", "y", "x"])
                .default_value("z")
                .help("Cut across this axis"),
        )
        .arg(
            Arg::new("slices")
                .long("slices")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=10_000))
                .default_value("20")
                .help("Slices at most, evenly spaced"),
        )
        .arg(
            Arg::new("width")
                .long("width")
                .value_name("PIXELS")
                .value_parser(value_parser!(u32).range(64..=20_000))
                .default_value("1600")
                .help("Width of the picture, about"),
        )
        .arg(
            Arg::new("window")
                .long("window")
                .num_args(2)
                .allow_negative_numbers(true)
                .value_names(["BLACK", "WHITE"])
                .value_parser(value_parser!(f64))
                .help("Intensities shown black and white [default: 0.5 and 99.5 percentile]"),
        )
        .arg(common::overwrite_arg())
        .arg(common::ignore_geometry_arg())
        .args(frame_args())
        .args(open_args())
}

/// `--channel`, `--time` and `--level`.
pub fn frame_args() -> Vec<Arg> {
    let number = |name: &'static str| {
        let range = value_parser!(u32).range(1..);
        Arg::new(name).long(name).value_name("N").value_parser(range).default_value("1")
    };
    vec![
        number("channel").help("Channel, from 1"),
        number("time").help("Time frame, from 1"),
        Arg::new("level")
            .long("level")
            .value_name("N")
            .value_parser(value_parser!(usize))
            .default_value("0")
            .help("Resolution level, 0 the finest"),
    ]
}

/// The frame of an image that the arguments name.
///
/// # Errors
/// If the image has no such frame.
pub fn frame(matches: &ArgMatches, info: &voxelry_core::io::ImageInfo) -> Result<Frame> {
    let level = matches.get_one("level").copied().unwrap_or(0);
    let frame = Frame { level, ..channel_and_time(matches) };
    frame.check(info)?;
    Ok(frame)
}

/// The channel that `--channel` names, from 0.
pub fn channel(matches: &ArgMatches) -> usize {
    matches.get_one::<u32>("channel").map_or(1, |n| *n as usize) - 1
}

/// The frame of level 0 that `--channel` and `--time` name.
pub fn channel_and_time(matches: &ArgMatches) -> Frame {
    let number = |name: &str| matches.get_one::<u32>(name).map_or(1, |n| *n as usize) - 1;
    Frame::new(number("channel"), number("time"))
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let path = matches.get_one::<PathBuf>("image").expect("required");
    let out = matches.get_one::<PathBuf>("out").expect("required");
    picture::check_name(out)?;
    common::can_write(matches, out)?;
    let source = open(path, &open_options(matches)?)?;
    let frame = frame(matches, source.info())?;
    common::tell(path, source.info(), frame, matches, &job);
    let labels = match matches.get_one::<PathBuf>("labels") {
        Some(labels) => {
            let (labels, own) = common::open_further(labels, (path, source.info(), frame), matches, &job)?;
            Some(FileField::new(labels, own, Kind::Labels))
        }
        None => None,
    };
    let image = FileField::new(source, frame, Kind::Grey);
    if let Some(labels) = labels.as_ref().map(Field::grid).filter(|l| l.shape != image.grid().shape) {
        let to = image.grid();
        let reason =
            apart(&path.display().to_string(), (labels.shape, &labels.geometry), (to.shape, &to.geometry));
        return Err(Error::file(matches.get_one::<PathBuf>("labels").expect("given"), reason).into());
    }
    let window: Option<Vec<f64>> = matches.get_many("window").map(|w| w.copied().collect());
    let options = MontageOptions {
        axis: ["z", "y", "x"]
            .iter()
            .position(|a| a == matches.get_one::<String>("axis").expect("default"))
            .unwrap_or(0),
        slices: *matches.get_one::<u32>("slices").expect("default") as usize,
        width: *matches.get_one::<u32>("width").expect("default") as usize,
        window: window.map(|w| [w[0], w[1]]),
    };
    montage(&image, labels.as_ref().map(|l| l as &dyn Field), &options, &job)?.save_png(out)?;
    progress.finish();
    Ok(())
}
