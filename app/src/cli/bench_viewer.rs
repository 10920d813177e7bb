//! `voxelry bench viewer`: plays what a user does and says how long pictures take, without a window.

use super::common::{self, open_args, open_options, print_line};
use crate::view::figure::{load, survey};
use crate::view::frame_budget::FrameBudget;
use crate::view::live::Live;
use crate::view::projection::Quality;
use crate::view::{Painter, Pane, Scene, Show, open, recipe_run};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use glam::DQuat;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::{Job, Region};
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::picture;

pub fn command() -> Command {
    let pixels = |name: &'static str, default: &'static str| {
        let range = value_parser!(u32).range(16..=16_384);
        Arg::new(name).long(name).value_name("PIXELS").value_parser(range).default_value(default)
    };
    Command::new("viewer")
        .about(
            "Time the pictures of an orbit, of scrolling, windowing and panning, and of a recipe's sliders",
        )
        .arg(Arg::new("image").value_name("IMAGE").required(true).value_parser(value_parser!(PathBuf)))
        .arg(pixels("width", "800").help("Width of the picture"))
        .arg(pixels("height", "600").help("Height of the picture"))
        .arg(
            Arg::new("frames")
                .long("frames")
                .value_parser(value_parser!(u32).range(2..))
                .default_value("24")
                .help("Pictures of each kind"),
        )
        .args(open_args())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let path = matches.get_one::<PathBuf>("image").expect("required");
    let frames = *matches.get_one::<u32>("frames").expect("default");
    let size = ["width", "height"].map(|n| *matches.get_one::<u32>(n).expect("default"));
    let gpu = Gpu::headless()?;
    print_line!("{} ({:?}), {} × {} pixels", gpu.info.name, gpu.info.backend, size[0], size[1])?;
    let cache = Cache::new(common::bytes_of_cache());
    let begun = Instant::now();
    let layer = open::layers(path, &open_options(matches)?, &cache)?.swap_remove(0);
    let mut scene = Scene::new(vec![layer]);
    survey(&mut scene)?;
    print_line!("open and survey          {:8.0} ms", begun.elapsed().as_secs_f64() * 1e3)?;
    let mut stage = Stage { painter: Painter::new(gpu.clone(), 1 << 30, Arc::new(|| ())), gpu, size };
    scene.layers[0].display.style.opacity = vec![[0.0, 0.0], [0.4, 0.0], [0.7, 0.15], [1.0, 0.6]];
    scene.layers[0].display.style.occlusion = 0.0;
    // The image's box fills the picture's height, seen from a corner.
    scene.view.camera.distance = 1.18;
    for show in [Show::Composite, Show::Maximum, Show::Surface] {
        scene.layers[0].display.style.show = show;
        for (name, quality) in [("sharp", Quality::SHARP), ("moving", Quality::QUICK)] {
            let turn = DQuat::from_rotation_y(std::f64::consts::TAU / f64::from(frames));
            let mut pace = None;
            let what = format!("{show:?} {name}").to_lowercase();
            stage.play(&what, frames, &mut scene, Pane::Volume, quality, &mut pace, |scene, _| {
                scene.view.camera.turn = (scene.view.camera.turn * turn).normalize();
            })?;
        }
    }
    let mut whole = None;
    stage.play(
        "scroll a plane",
        frames,
        &mut scene,
        Pane::Plane(0),
        Quality::SHARP,
        &mut whole,
        |scene, i| {
            scene.step(0, if i % 2 == 0 { 1 } else { 2 });
        },
    )?;
    stage.play(
        "drag the window",
        frames,
        &mut scene,
        Pane::Plane(0),
        Quality::SHARP,
        &mut whole,
        |scene, _| {
            let window = &mut scene.layers[0].display.window;
            *window = window.map(|[low, high]| [low, low + (high - low) * 1.02]);
        },
    )?;
    scene.view.montage.zoom = 3.0;
    stage.play(
        "pan the montage",
        frames,
        &mut scene,
        Pane::Montage,
        Quality::SHARP,
        &mut whole,
        |scene, i| {
            scene.view.montage.middle = [0.4 + 0.2 * f64::from(i) / f64::from(frames); 2];
        },
    )?;
    for (what, recipe) in SLIDERS {
        stage.slide(what, recipe, frames, &mut scene, &cache)?;
    }
    Ok(())
}

/// Recipes whose parameter is slid while a plane shows the preview.
const SLIDERS: [(&str, Recipe); 6] = [
    ("slide a threshold", |at, [low, high]| step("threshold", "min", low + (high - low) * at)),
    ("slide a gaussian", |at, _| step("gaussian", "sigma", 1.0 + at)),
    ("slide gaussian, threshold", |at, [low, high]| {
        step("gaussian", "sigma", 1.0 + at) + &step("threshold", "min", f64::midpoint(low, high))
    }),
    ("slide a median 3³", |at, _| step("median", "radius", 1.0 + 0.01 * at)),
    ("slide a median 5³", |at, _| step("median", "radius", 2.0 + 0.01 * at)),
    ("slide a bilateral", |at, [low, high]| {
        step("bilateral", "sigma", 1.5) + &format!("range = {}\n", (high - low) * (0.1 + 0.1 * at))
    }),
];

/// A recipe, where its slider is from 0 to 1 and between which intensities.
type Recipe = fn(f64, [f64; 2]) -> String;

fn step(op: &str, param: &str, value: f64) -> String {
    format!("[[step]]\nop = \"{op}\"\n{param} = {value}\n")
}

struct Stage {
    painter: Painter,
    gpu: Gpu,
    size: [u32; 2],
}

impl Stage {
    /// Drags a slider of a recipe and prints how long it took until a plane showed its result.
    fn slide(
        &mut self,
        what: &str,
        recipe: Recipe,
        frames: u32,
        scene: &mut Scene,
        cache: &Arc<Cache>,
    ) -> Result<()> {
        let below = scene.layers[0].clone();
        let window = below.display.window.unwrap_or([0.0, 1.0]);
        let recipe =
            |i: u32| voxelry_core::recipe::Recipe::parse(&recipe(f64::from(i) / f64::from(frames), window));
        let fast = self.gpu.info.device_type != wgpu::DeviceType::Cpu;
        let frame = Frame::new(below.channel, below.time);
        let live =
            Arc::new(Live::new(&recipe(0)?, below.source.clone(), frame, recipe_run::kind(&below), fast)?);
        let mut layer = open::layers_of(live.clone(), "preview", None, cache).swap_remove(0);
        (layer.live, layer.display) = (Some(live.clone()), below.display.clone());
        let id = layer.id;
        scene.layers.push(layer);
        let mut took = Vec::new();
        for i in 0..=frames {
            let begun = Instant::now();
            live.change(&recipe(i)?)?;
            self.painter.changed(id, &[Region::whole(below.source.info().shape())]);
            let shots =
                load(&mut self.painter, scene, Pane::Plane(0), self.size, Quality::SHARP, &Job::silent())?;
            let drawing = self.painter.prepare(&shots, self.size);
            picture::picture(&self.gpu, self.size, wgpu::Color::BLACK, &drawing)?;
            if i > 0 {
                took.push(begun.elapsed());
            }
        }
        scene.layers.pop();
        self.painter.keep(|other| other != id);
        say(what, took, 150)
    }

    /// Plays something and prints how long its pictures took, with everything that they show in memory.
    fn play(
        &mut self,
        what: &str,
        frames: u32,
        scene: &mut Scene,
        pane: Pane,
        quality: Quality,
        pace: &mut Option<FrameBudget>,
        mut step: impl FnMut(&mut Scene, u32),
    ) -> Result<()> {
        let moving = quality == Quality::QUICK;
        let pace = pace.get_or_insert_with(FrameBudget::default);
        let mut took = Vec::new();
        for i in 0..=frames {
            step(scene, i);
            let shots = load(&mut self.painter, scene, pane, self.size, quality, &Job::silent())?;
            let size = if moving { pace.sketch(self.size, 1) } else { self.size };
            let begun = Instant::now();
            let drawing = self.painter.prepare(&shots, size);
            picture::picture(&self.gpu, size, wgpu::Color::BLACK, &drawing)?;
            let this = begun.elapsed();
            pace.learn(this, u64::from(size[0]) * u64::from(size[1]));
            // The first one makes pipelines and, where it adapts, finds its size.
            if i > 0 {
                took.push(this);
            }
        }
        say(what, took, 33)
    }
}

/// Prints how long pictures took, and how many of them took more than `most` milliseconds.
fn say(what: &str, mut took: Vec<Duration>, most: u64) -> Result<()> {
    took.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let part = |p: usize| ms(took[(took.len() - 1) * p / 100]);
    let late = took.iter().filter(|t| **t > Duration::from_millis(most)).count();
    print_line!(
        "{what:26} {:8.1} ms median, {:.1} least, {:.1} in 95 %, {:.1} most; {late} of {} above {most} ms",
        part(50),
        part(0),
        part(95),
        part(100),
        took.len()
    )?;
    Ok(())
}
