//! `voxelry run --time all`: the frames of a movie, and what they leave put together.

use super::run::{Task, run_one};
use super::{common, montage};
use anyhow::Result;
use clap::{Arg, ArgMatches};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::error::PathContext;
use voxelry_core::io::atomic::AtomicDir;
use voxelry_core::io::{self, Frame, ImageSource, ImageSpec, OpenOptions, WriteOptions};
use voxelry_core::measure::{Table, parquet, table};
use voxelry_core::{Error, Job, Region, error};

/// `--time`, of commands that run on several frames.
pub fn time_arg() -> Arg {
    Arg::new("time").long("time").value_name("N|N-M|all").default_value("1").help(
        "Time frame, from 1; a range or all frames make one image of labels with time, and tables with a column time",
    )
}

/// Frames that are asked for, from 0.
pub enum Times {
    /// From the first to the last, both included.
    Range(usize, usize),
    /// All of them.
    All,
}

impl Times {
    /// The frames of an image that has so many.
    ///
    /// # Errors
    /// If it has no such frame.
    pub fn of(&self, there: usize) -> Result<Range<usize>> {
        match *self {
            Self::All => Ok(0..there),
            Self::Range(first, last) if last < there => Ok(first..last + 1),
            Self::Range(_, last) => {
                Err(Error::Usage(format!("--time {}: the last one is {there}", last + 1)).into())
            }
        }
    }
}

/// Frames that `--time` chooses, if it isn't one.
///
/// # Errors
/// If it can't be read.
pub fn of(matches: &ArgMatches) -> Result<Option<Times>> {
    let text = matches.get_one::<String>("time").expect("default").trim();
    let wrong = || Error::Usage(format!("--time {text}: it is a number from 1, a range such as 3-7, or all"));
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(wrong);
    match text.split_once('-') {
        _ if text == "all" => Ok(Some(Times::All)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong().into());
            }
            Ok(Some(Times::Range(first - 1, last - 1)))
        }
        None => number(text).map(|_| None).map_err(Into::into),
    }
}

/// The frame of `--channel` and `--time`, the first if there are several.
///
/// # Errors
/// If `--time` can't be read.
pub fn first(matches: &ArgMatches) -> Result<Frame> {
    let channel = montage::channel(matches);
    let time = match of(matches)? {
        Some(Times::Range(first, _)) => first,
        Some(Times::All) => 0,
        None => {
            matches.get_one::<String>("time").and_then(|t| t.trim().parse::<usize>().ok()).unwrap_or(1) - 1
        }
    };
    Ok(Frame::new(channel, time))
}

/// Refuses to write over anything but an earlier result.
///
/// # Errors
/// If it would.
fn check_free(out: &Path, overwrite: bool) -> Result<()> {
    let taken = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !overwrite {
        return Err(Error::file(out, "is not empty; give another --out, or --overwrite").into());
    }
    if taken && !out.join(FRAMES).is_dir() {
        let reason = "holds something else than an earlier result of frames; it won't be overwritten";
        return Err(Error::file(out, reason).into());
    }
    Ok(())
}

/// Results of each frame besides its image and the rows that are in the tables of all.
const FRAMES: &str = "frames";

/// The folder of a frame.
fn folder(out: &Path, time: usize) -> PathBuf {
    out.join(FRAMES).join(format!("{time:04}"))
}

/// Runs a recipe on frames of a movie, one after the other, and puts what they leave together.
///
/// # Errors
/// As of one image, and if there is no such frame.
pub fn run(times: &Times, task: &Task, matches: &ArgMatches) -> Result<()> {
    if matches.get_one::<String>("pool").is_some() {
        return Err(Error::Usage("--pool: a pool runs one frame; give --time a number".into()).into());
    }
    let (out, path) = (&task.folder, &task.spec.inputs[0].1);
    let (progress, job) = common::job(matches);
    let device = common::device(matches, &job)?;
    common::can_hold(out)?;
    check_free(out, matches.get_flag("overwrite"))?;
    let info = common::open(path, &task.spec.options)?.info().clone();
    let chosen = times.of(info.times)?;
    let dir = AtomicDir::create(out)?;
    for time in chosen.clone() {
        progress.say(&format!("frame {} of {}", time + 1, info.times));
        let mut spec = task.spec.clone();
        spec.frame.time = time;
        let task = Task { spec, folder: folder(dir.path(), time) };
        let parent = common::near(&task.folder);
        let made: error::Result<()> = std::fs::create_dir_all(&parent).at(&parent);
        made?;
        run_one(&task, matches, device.as_ref(), &progress, &job)?;
    }
    gather(dir.path(), chosen, info.time_step, &job)?;
    dir.commit()?;
    progress.finish();
    progress.say(&format!("{}: {}", task.spec.sample, out.display()));
    Ok(())
}

/// Puts the images and tables of frames together, and removes what is in both.
///
/// # Errors
/// If they don't fit together, or the disk is full.
fn gather(out: &Path, times: Range<usize>, time_step: Option<f64>, job: &Job) -> Result<()> {
    for name in tables_of(&folder(out, times.start))? {
        let read = |time| parquet::read(&folder(out, time).join(format!("{name}.parquet")), &name);
        let frames = times.clone().map(read).collect::<error::Result<Vec<Table>>>()?;
        let frames: Vec<(usize, &Table)> = times.clone().zip(&frames).collect();
        let all = table::concat_frames(&frames, time_step)?;
        for ending in ["parquet", "csv"] {
            all.write(&out.join(format!("{name}.{ending}")))?;
        }
        all.write_units(&out.join(format!("{name}.units.csv")))?;
        for time in times.clone() {
            for ending in ["parquet", "csv", "units.csv"] {
                let path = folder(out, time).join(format!("{name}.{ending}"));
                let removed: error::Result<()> =
                    if path.exists() { std::fs::remove_file(&path).at(&path) } else { Ok(()) };
                removed?;
            }
        }
    }
    let Some(name) = image_of(&folder(out, times.start)) else { return Ok(()) };
    let open = |time: usize| -> Result<Arc<dyn ImageSource>> {
        common::open(&folder(out, time).join(&name), &OpenOptions::default())
    };
    let first = open(times.start)?;
    let spec = ImageSpec { times: times.len(), time_step, ..ImageSpec::from(first.info()) };
    let sink = io::create(out.join(&name), &spec, &WriteOptions::default())?;
    job.stage(format!("write {name}"), times.len() as u64);
    for (at, time) in times.clone().enumerate() {
        job.check()?;
        let source = open(time)?;
        for tile in Region::whole(spec.shape).tiles(sink.block()) {
            let block = source.read(Frame::default(), tile)?.cast(spec.voxel);
            sink.write(Frame::new(0, at), tile.start, &block)?;
        }
        job.advance(1);
    }
    sink.finish(job)?;
    for time in times {
        let path = folder(out, time).join(&name);
        let removed: error::Result<()> =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }
                .at(&path);
        removed?;
    }
    Ok(())
}

/// Names of the tables that a run left in a folder.
fn tables_of(folder: &Path) -> Result<Vec<String>> {
    let entries: error::Result<_> = std::fs::read_dir(folder).at(folder);
    let names = entries?.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.filter_map(|n| Some(n.strip_suffix(".parquet")?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// The name of the image that a run left in a folder.
fn image_of(folder: &Path) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()));
    names
        .filter(|n| ["labels.", "mask.", "image."].iter().any(|stem| n.starts_with(stem)))
        .find(|n| ["ome.zarr", "nii.gz", "tif", "nrrd"].iter().any(|ending| n.ends_with(ending)))
}
