//! `voxelry render`: pictures and movies of images as the window would show them, without one.

use super::common::{self, open_args, open_options};
use crate::view::colours::{CHANNELS, Map};
use crate::view::document::Montage;
use crate::view::figure::{BUDGET, fits, survey};
use crate::view::movie::{Movie, MovieKind, RATE};
use crate::view::movie_writer::{Format, still};
use crate::view::{Content, Layer, Pane, Scene, Show, open};
use crate::window::figure::{Annotations, FigureLayout, Figures, film};
use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use glam::{DQuat, DVec3};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{Frame, ImageSource, OpenOptions};
use voxelry_core::{Error, Job, picture};
use voxelry_shaders::gpu::Gpu;

pub fn command() -> Command {
    let path = |name: &'static str| Arg::new(name).value_parser(value_parser!(PathBuf));
    let number =
        |name: &'static str| Arg::new(name).long(name).value_name("N").value_parser(value_parser!(f64));
    let pixels = |name: &'static str| {
        let range = value_parser!(u32).range(16..=16_384);
        Arg::new(name).long(name).value_name("PIXELS").value_parser(range)
    };
    let names = |name: &'static str, names: Vec<String>| {
        Arg::new(name).long(name).value_name("NAME").value_parser(PossibleValuesParser::new(names))
    };
    let lower = |name: &str| name.to_lowercase();
    Command::new("render")
        .about(
            "Draw images in 3D, or one of their planes, as a picture or a movie; needs a graphics adapter, but no \
             window",
        )
        .arg(
            path("image")
                .value_name("IMAGE")
                .required(true)
                .num_args(1..)
                .action(ArgAction::Append)
                .help("The image to show; several lie over each other where they are in the world"),
        )
        .arg(
            path("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("FILE")
                .help("The picture to write: .png; for a movie .apng, .gif, or a folder for numbered pictures"),
        )
        .arg(path("labels").long("labels").value_name("FILE").help("Show these labels too"))
        .arg(
            names("pane", ["3d", "z", "y", "x", "montage"].map(str::to_owned).to_vec())
                .default_value("3d")
                .help("3D, the plane across an axis, or a montage of slices across z"),
        )
        .arg(pixels("width").default_value("1200").help("Width of the picture"))
        .arg(pixels("height").default_value("900").help("Height of the picture"))
        .arg(number("scale").default_value("1").help("How many times more pixels along a side, text too"))
        .arg(
            names("show", Show::ALL.iter().map(|s| lower(s.1)).collect())
                .default_value("composite")
                .help("What is shown in 3D"),
        )
        .arg(
            names("colours", Map::NAMED.iter().map(|m| lower(m.1)).collect())
                .action(ArgAction::Append)
                .help("Colours of intensities; once for each image [default: grey, tints where there are several]"),
        )
        .arg(
            Arg::new("window")
                .long("window")
                .num_args(2)
                .allow_negative_numbers(true)
                .value_names(["FIRST", "LAST"])
                .action(ArgAction::Append)
                .value_parser(value_parser!(f64))
                .help(
                    "Intensities of the first and last colour; once, or once for each image [default: 0.5 and 99.5 \
                     percentile]",
                ),
        )
        .arg(
            number("level")
                .allow_negative_numbers(true)
                .help("Intensity of the surface [default: amid the window]"),
        )
        .arg(number("slice").help("Slice of a plane, from 0 [default: the middle]"))
        .arg(
            number("turn")
                .allow_negative_numbers(true)
                .default_value("0")
                .help("Degrees to turn about the upright axis"),
        )
        .arg(number("tilt").allow_negative_numbers(true).default_value("0").help("Degrees to tilt forward"))
        .arg(number("zoom").default_value("1").help("How much larger than when all of it fits"))
        .arg(flag("labels-only", "Hide the image itself"))
        .arg(flag("no-legend", "Leave out what the colours mean"))
        .arg(flag("crosshair", "Show where the other planes are"))
        .arg(
            names("movie", ["turntable", "slices", "time"].map(str::to_owned).to_vec())
                .help("Make a movie: once around, through all slices of a plane, or through time"),
        )
        .arg(
            Arg::new("frames")
                .long("frames")
                .value_name("N")
                .requires("movie")
                .value_parser(value_parser!(u32).range(1..=10_000))
                .help("Frames of the movie [default: 90 of a turntable, else all slices or times]"),
        )
        .arg(number("rate").requires("movie").help(format!("Frames of the movie in a second [default: {RATE}]")))
        .arg(
            Arg::new("channel")
                .long("channel")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .help("Channel, from 1 [default: all, over each other]"),
        )
        .arg(common::overwrite_arg())
        .args(super::montage::frame_args().into_iter().filter(|a| a.get_id() == "time"))
        .args(open_args())
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Values given for each of `count` images: none, one for all, or one for each.
fn for_each<T: Clone>(name: &str, given: Vec<T>, images: usize) -> Result<Vec<Option<T>>> {
    match given.len() {
        0 => Ok(vec![None; images]),
        1 => Ok(vec![Some(given[0].clone()); images]),
        n if n == images => Ok(given.into_iter().map(Some).collect()),
        n => Err(Error::Usage(format!("--{name} is given {n} times for {images} images")).into()),
    }
}

/// The layers of the images, over each other.
fn layers(matches: &ArgMatches, cache: &Arc<Cache>, job: &Job) -> Result<Vec<Layer>> {
    let paths: Vec<&PathBuf> = matches.get_many("image").expect("required").collect();
    let colours = matches.get_many::<String>("colours").into_iter().flatten().cloned().collect();
    let colours = for_each("colours", colours, paths.len())?;
    let windows = matches.get_many::<f64>("window").into_iter().flatten().copied().collect::<Vec<f64>>();
    let windows: Vec<[f64; 2]> = windows.chunks_exact(2).map(|w| [w[0], w[1]]).collect();
    if windows.iter().any(|[first, last]| first == last) {
        return Err(Error::Usage("--window: both intensities are the same".into()).into());
    }
    let windows = for_each("window", windows, paths.len())?;
    let number = |name: &str| matches.get_one::<u32>(name).map(|n| *n as usize - 1);
    let (channel, time) = (number("channel"), number("time").unwrap_or(0));
    let show = matches.get_one::<String>("show").expect("default");
    let show = Show::ALL.iter().find(|s| s.1.to_lowercase() == *show).expect("checked").0;
    let options = open_options(matches)?;
    let several = paths.len() > 1;
    let mut all: Vec<Layer> = Vec::new();
    for ((path, colours), window) in paths.into_iter().zip(colours).zip(windows) {
        let mut of_one = open::layers(path, &options, cache)?;
        let info = of_one[0].source.info();
        Frame::new(channel.unwrap_or(0), time.min(info.times - 1)).check(info)?;
        if !several {
            Frame::new(0, time).check(info)?;
        }
        // What is shown anyway need not be chosen.
        let mut shown = info.clone();
        shown.channels.truncate(if channel.is_some() { usize::MAX } else { 1 });
        if matches.get_one::<String>("movie").is_some_and(|m| m == "time") {
            shown.times = 1;
        }
        let frame = Frame::new(channel.unwrap_or(0), time.min(info.times - 1));
        common::tell(path, &shown, frame, matches, job);
        let (times, own) = (info.times, info.channels.iter().any(|c| c.color.is_some()));
        if let Some(channel) = channel {
            of_one = vec![of_one.swap_remove(channel)];
            of_one[0].display.map = Map::Grey;
            of_one[0].display.add = false;
        }
        for layer in &mut of_one {
            layer.time = time.min(times - 1);
            layer.display.style.show = show;
            layer.display.window = window;
            layer.display.visible = !matches.get_flag("labels-only");
            if layer.content == Content::Labels {
                all.push(layer.clone());
                continue;
            }
            let before = all.iter().filter(|l| l.content == Content::Grey).count();
            if let Some(name) = &colours {
                layer.display.map =
                    Map::NAMED.iter().find(|m| m.1.to_lowercase() == *name).expect("checked").0;
            } else if several && !own {
                layer.display.map = Map::Tint(CHANNELS[before % CHANNELS.len()]);
            }
            layer.display.add = before > 0;
            all.push(layer.clone());
        }
    }
    if let Some(path) = matches.get_one::<PathBuf>("labels") {
        let mut labels = open::layers(path, &OpenOptions::default(), cache)?.swap_remove(0);
        if labels.source.info().voxel.is_float() {
            return Err(Error::file(path, "holds intensities, not labels").into());
        }
        if labels.content != Content::Labels {
            labels = open::meant(&labels, Content::Labels, cache);
        }
        all.push(labels);
    }
    let first = all[0].source.clone();
    let over = all.split_off(1).into_iter().map(|layer| open::over(layer, first.info(), cache));
    all.extend(over.collect::<Vec<_>>());
    Ok(all)
}

/// The movie that was asked for, and how it is kept.
fn movie(matches: &ArgMatches, pane: Pane, scene: &Scene, out: &Path) -> Result<Option<(Movie, Format)>> {
    let Some(name) = matches.get_one::<String>("movie") else {
        return Ok(None);
    };
    let kind = match (name.as_str(), pane) {
        ("turntable", _) => MovieKind::Turntable,
        ("time", _) => MovieKind::Time,
        (_, Pane::Plane(axis)) => MovieKind::Slices(axis),
        _ => MovieKind::Slices(0),
    };
    let chosen = matches.value_source("pane") == Some(ValueSource::CommandLine);
    if chosen && kind.pane(pane) != pane {
        let pane = matches.get_one::<String>("pane").expect("default");
        return Err(Error::Usage(format!("--movie {name} doesn't go with --pane {pane}")).into());
    }
    let frames = matches.get_one::<u32>("frames").map_or_else(|| kind.frames(scene), |n| *n as usize);
    let movie = Movie { kind, frames, rate: matches.get_one("rate").copied().unwrap_or(RATE) };
    movie.check(scene)?;
    Ok(Some((movie, Format::of(out)?)))
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let out = matches.get_one::<PathBuf>("out").expect("required");
    let ends = |ending: &str| out.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    let folder = matches.contains_id("movie") && Format::of(out)? == Format::Sequence;
    if matches.contains_id("movie") {
        // What kind it is was seen above.
    } else if ends("gif") || ends("apng") {
        return Err(Error::Usage("--movie: turntable, slices or time?".into()).into());
    } else {
        picture::check_name(out)?;
    }
    if folder {
        common::can_hold(out)?;
    } else {
        common::can_write(matches, out)?;
    }
    let cache = Cache::new(common::bytes_of_cache());
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let number = |name: &str| matches.get_one::<f64>(name).copied();
    let mut scene = Scene::new(layers(matches, &cache, &job)?);
    let pane = match text("pane") {
        "3d" => Pane::Volume,
        "montage" => Pane::Montage,
        axis => Pane::Plane(["z", "y", "x"].iter().position(|a| *a == axis).expect("checked")),
    };
    if let (Pane::Plane(axis), Some(slice)) = (pane, number("slice")) {
        let count = scene.shape()[axis];
        if !(0.0..count as f64).contains(&slice) {
            return Err(Error::Usage(format!("--slice {slice}: the last one is {}", count - 1)).into());
        }
        let mut index = scene.index(scene.view.at);
        index[2 - axis] = slice;
        scene.view.at = scene.part(index);
    }
    let movie = movie(matches, pane, &scene, out)?;
    let pane = movie.map_or(pane, |(movie, _)| movie.kind.pane(pane));
    let scale = number("scale").expect("default");
    if !(0.1..=64.0).contains(&scale) {
        return Err(Error::Usage(format!("--scale {scale}: it can be 0.1 to 64")).into());
    }
    survey(&mut scene)?;
    for layer in &mut scene.layers {
        if let (Some(level), Some([low, high])) = (number("level"), layer.display.window) {
            layer.display.style.level = ((level - low) / (high - low)) as f32;
        }
    }
    let turn = DQuat::from_axis_angle(DVec3::Z, number("turn").expect("default").to_radians());
    let tilt = DQuat::from_rotation_x(-number("tilt").expect("default").to_radians());
    let zoom = number("zoom").expect("default").clamp(0.01, 1000.0);
    let view = &mut scene.view;
    view.camera.turn = (turn * view.camera.turn * tilt).normalize();
    view.camera.distance /= zoom;
    view.zoom = zoom;
    view.montage = Montage { zoom, ..view.montage };
    let size = ["width", "height"].map(|name| *matches.get_one::<u32>(name).expect("default"));
    let annotations = Annotations {
        crosshair: matches.get_flag("crosshair"),
        scale_bar: true,
        legend: !matches.get_flag("no-legend"),
        objects: false,
        name: false,
        time: true,
        rulers: true,
    };
    let sheet = FigureLayout::one(scene, pane, size, 1.0, annotations).scaled(scale);
    let gpu = Gpu::headless()?;
    fits(sheet.largest(), scale, gpu.device.limits().max_texture_dimension_2d)?;
    let mut figures = Figures::new(gpu, BUDGET);
    if let Some((movie, format)) = movie {
        film(&mut figures, &sheet, &movie, format, out, &job)?;
    } else {
        job.stage("drawing", sheet.pixels());
        still(out, &figures.draw(&sheet, &job)?, &job)?;
    }
    progress.finish();
    Ok(())
}
