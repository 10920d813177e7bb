//! `voxelry info`: what an image is; `voxelry formats`: what can be read and written.

use super::common::{self, bytes, open, open_args, open_options, print_line};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::io::remote::Patient;
use voxelry_core::io::verify::verify;
use voxelry_core::io::{DatasetInfo, FORMATS, ImageInfo, ImageSource};
use voxelry_core::results::path_bytes;
use voxelry_core::{Error, Geometry};

pub fn command() -> Command {
    Command::new("info")
        .about("Say what an image is; --verify reads all of it")
        .arg(Arg::new("file").required(true).num_args(1..).value_parser(value_parser!(PathBuf)))
        .arg(
            Arg::new("verify")
                .long("verify")
                .action(ArgAction::SetTrue)
                .conflicts_with("json")
                .help("Read every chunk of every level, and name those that are damaged"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
        .args(open_args())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let options = open_options(matches)?;
    for (number, path) in matches.get_many::<PathBuf>("file").into_iter().flatten().enumerate() {
        let source = open(path, &options)?;
        if matches.get_flag("json") {
            print_line!("{}", serde_json::to_string_pretty(&as_json(path, source.info()))?)?;
        } else {
            if number > 0 {
                print_line!("")?;
            }
            print(path, source.info())?;
        }
        if matches.get_flag("verify") {
            check(path, source, matches)?;
        }
    }
    Ok(())
}

/// Reads all of an image.
fn check(path: &std::path::Path, source: Arc<dyn ImageSource>, matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let found = verify(&Patient::new(source, &job), &job)?;
    progress.finish();
    for reason in &found.reasons {
        print_line!("  damaged      {reason}")?;
    }
    if found.damaged > 0 {
        let reason = format!("{} of {} pieces cannot be read", found.damaged, found.pieces);
        return Err(Error::file(path, reason).into());
    }
    print_line!("  verified     all {} pieces can be read", found.pieces)?;
    match found.absent {
        0 => Ok(()),
        n => print_line!("  absent       {n} of them are not stored, and are all of the fill value"),
    }
}

fn as_json(path: &std::path::Path, info: &ImageInfo) -> serde_json::Value {
    let mut about = json!({
        "path": path.to_string_lossy(),
        "format": info.format,
        "voxel_type": info.voxel.name(),
        "channels": info.channels,
        "times": info.times,
        "time_step_s": info.time_step,
        "labels": info.labels,
        "calibration": info.calibration,
        "levels": info.levels.iter().map(|l| json!({
            "shape_zyx": l.shape,
            "spacing_zyx": l.geometry.spacing(),
            "unit": l.geometry.unit.symbol(),
            "orientation_zyx": l.geometry.orientation().map(|o| o.iter().collect::<String>()),
            "axes_meet_at_degrees": l.geometry.shear(l.shape).unwrap_or(90.0),
            "world_from_index_xyz": l.geometry.world_from_index.to_cols_array_2d(),
            "chunk_zyx": l.chunk,
        })).collect::<Vec<_>>(),
        "datasets": info.datasets,
        "notes": info.notes,
        "metadata": info.metadata,
    });
    if let Some(bytes) = path_bytes(path) {
        about["path_bytes"] = bytes.into();
    }
    about
}

fn print(path: &std::path::Path, info: &ImageInfo) -> Result<()> {
    let line = |name: &str, value: String| print_line!("  {name:<12} {value}");
    let [z, y, x] = info.shape();
    let format = FORMATS.iter().find(|f| f.id() == info.format).map_or(info.format, |f| f.name());
    print_line!("{}", path.display())?;
    line("format", format.to_owned())?;
    line("size", format!("{x} × {y} × {z} voxels (x × y × z)"))?;
    line("voxels", format!("{}{}", info.voxel, if info.labels { ", labels" } else { "" }))?;
    if let Some(calibration) = &info.calibration {
        line("values", calibration.to_string())?;
    }
    line("in memory", bytes(info.voxel_count() * info.voxel.size() as u64))?;
    let g = info.geometry();
    let [dz, dy, dx] = g.spacing().map(number);
    line("spacing", format!("{dx} × {dy} × {dz} {}", g.unit))?;
    if g.oriented {
        let [x, y, z] = [0, 1, 2].map(|axis| Geometry::letters(g.world_from_index.matrix3.col(axis)));
        line("orientation", format!("x → {x}, y → {y}, z → {z}"))?;
    }
    if let Some(angle) = g.shear(info.shape()) {
        line(
            "sheared",
            format!("axes meet at {angle:.2}°; op resample --straighten true makes a straight grid"),
        )?;
    }
    if info.channels.len() > 1 {
        let names: Vec<_> = info.channels.iter().map(|c| c.name.as_str()).filter(|n| !n.is_empty()).collect();
        line("channels", format!("{} {}", info.channels.len(), names.join(", ")).trim_end().to_owned())?;
    }
    if info.times > 1 {
        let step = info.time_step.map_or(String::new(), |s| format!(", {} s apart", number(s)));
        line("times", format!("{}{step}", info.times))?;
    }
    for (number, level) in info.levels.iter().enumerate().skip(1) {
        let [z, y, x] = level.shape;
        line(&format!("level {number}"), format!("{x} × {y} × {z}"))?;
    }
    for note in &info.notes {
        line("note", note.clone())?;
    }
    for (number, dataset) in info.datasets.iter().enumerate() {
        if number == MOST_LISTED {
            return line("", format!("and {} more images", info.datasets.len() - number));
        }
        line(&format!("image {}", number + 1), listed(dataset))?;
    }
    Ok(())
}

/// Images of a file that are listed.
const MOST_LISTED: usize = 200;

/// One of several images of a file.
fn listed(dataset: &DatasetInfo) -> String {
    let [z, y, x] = dataset.shape;
    let mut text = format!("\"{}\" {x} × {y} × {z} {}", dataset.name, dataset.voxel);
    for (count, what) in [(dataset.channels, "channels"), (dataset.times, "times")] {
        if count > 1 {
            text += &format!(", {count} {what}");
        }
    }
    if !dataset.title.is_empty() {
        text += &format!(", {}", dataset.title);
    }
    if dataset.open { text + " (open)" } else { text }
}

/// At most six significant digits, without trailing zeros.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub fn formats() -> Command {
    Command::new("formats").about("List the file formats that can be read and written")
}

pub fn run_formats(_: &ArgMatches) -> Result<()> {
    for format in FORMATS {
        let endings: Vec<_> = format.extensions().iter().map(|e| format!(".{e}")).collect();
        let how = if format.writes() { "read, write" } else { "read" };
        print_line!("{:<24} {how:<12} {}", format.name(), endings.join(" "))?;
    }
    Ok(())
}
