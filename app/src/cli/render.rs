//! `voxelry render`: a picture of an image as the window would show it, without one.

use super::common::{self, open_args, open_options};
use super::montage::channel_and_time;
use crate::view::colours::Map;
use crate::view::document::Montage;
use crate::view::figure::{figure, survey};
use crate::view::{Content, Pane, Scene, Show, open};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use glam::{DQuat, DVec3};
use std::path::PathBuf;
use voxelry_core::io::OpenOptions;
use voxelry_core::io::browse::Cache;
use voxelry_core::{Error, picture};
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
        .about("Draw an image in 3D, or one of its planes, as PNG; needs a graphics adapter, but no window")
        .arg(path("image").value_name("IMAGE").required(true).help("The image to show"))
        .arg(
            path("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("FILE.png")
                .help("The picture to write"),
        )
        .arg(path("labels").long("labels").value_name("FILE").help("Show these labels too"))
        .arg(
            names("pane", ["3d", "z", "y", "x", "montage"].map(str::to_owned).to_vec())
                .default_value("3d")
                .help("3D, the plane across an axis, or a montage of slices across z"),
        )
        .arg(pixels("width").default_value("1200").help("Width of the picture"))
        .arg(pixels("height").default_value("900").help("Height of the picture"))
        .arg(
            names("show", Show::ALL.iter().map(|s| lower(s.1)).collect())
                .default_value("composite")
                .help("What is shown in 3D"),
        )
        .arg(
            names("colours", Map::NAMED.iter().map(|m| lower(m.1)).collect())
                .default_value("grey")
                .help("Colours of intensities"),
        )
        .arg(
            Arg::new("window")
                .long("window")
                .num_args(2)
                .allow_negative_numbers(true)
                .value_names(["FIRST", "LAST"])
                .value_parser(value_parser!(f64))
                .help("Intensities of the first and last colour [default: 0.5 and 99.5 percentile]"),
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
        .arg(
            Arg::new("labels-only")
                .long("labels-only")
                .action(ArgAction::SetTrue)
                .help("Hide the image itself"),
        )
        .args(super::montage::frame_args().into_iter().filter(|a| a.get_id() != "level"))
        .args(open_args())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let out = matches.get_one::<PathBuf>("out").expect("required");
    picture::check_name(out)?;
    common::can_hold(out)?;
    let path = matches.get_one::<PathBuf>("image").expect("required");
    let cache = Cache::new(common::bytes_of_cache());
    let frame = channel_and_time(matches);
    let mut layers = open::layers(path, &open_options(matches)?, &cache)?;
    super::montage::check_frame(frame, voxelry_core::io::ImageSource::info(&*layers[0].source))?;
    let mut layer = layers.swap_remove(frame.channel);
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let number = |name: &str| matches.get_one::<f64>(name).copied();
    layer.time = frame.time;
    layer.display.map = Map::NAMED.iter().find(|m| m.1.to_lowercase() == text("colours")).expect("checked").0;
    layer.display.style.show =
        Show::ALL.iter().find(|s| s.1.to_lowercase() == text("show")).expect("checked").0;
    layer.display.visible = !matches.get_flag("labels-only");
    if let Some(window) = matches.get_many::<f64>("window") {
        let window: Vec<f64> = window.copied().collect();
        if window[0] == window[1] {
            return Err(Error::Usage("--window: both intensities are the same".into()).into());
        }
        layer.display.window = Some([window[0], window[1]]);
    }
    let mut scene = Scene::new(vec![layer]);
    if let Some(path) = matches.get_one::<PathBuf>("labels") {
        let mut labels = open::layers(path, &OpenOptions::default(), &cache)?.swap_remove(0);
        if voxelry_core::io::ImageSource::info(&*labels.source).voxel.is_float() {
            return Err(Error::file(path, "holds intensities, not labels").into());
        }
        labels.content = Content::Labels;
        scene.layers.push(labels);
    }
    survey(&mut scene)?;
    let display = &mut scene.layers[0].display;
    if let (Some(level), Some([low, high])) = (number("level"), display.window) {
        display.style.level = ((level - low) / (high - low)) as f32;
    }
    let zoom = number("zoom").expect("default").clamp(0.01, 1000.0);
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
    let turn = DQuat::from_axis_angle(DVec3::Z, number("turn").expect("default").to_radians());
    let tilt = DQuat::from_rotation_x(-number("tilt").expect("default").to_radians());
    let view = &mut scene.view;
    view.camera.turn = (turn * view.camera.turn * tilt).normalize();
    view.camera.distance /= zoom;
    view.zoom = zoom;
    view.montage = Montage { zoom, ..view.montage };
    let size = ["width", "height"].map(|name| *matches.get_one::<u32>(name).expect("default"));
    let scale = (size[0].min(size[1]) as usize / 400).max(1);
    figure(Gpu::headless()?, &scene, pane, size, scale, &job)?.save_png(out)?;
    progress.finish();
    Ok(())
}
