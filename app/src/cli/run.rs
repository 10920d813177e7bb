//! `voxelry run`: a recipe on one or many images.

use super::common::{self, bytes, open, open_args, open_options};
use super::{montage, recipes};
use crate::progress::Progress;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::blocks::{Accelerator, Field, FileField};
use voxelry_core::error::PathContext;
use voxelry_core::io::atomic::AtomicDir;
use voxelry_core::io::{FORMATS, Frame, OpenOptions};
use voxelry_core::measure::{self, Table};
use voxelry_core::ops::Kind;
use voxelry_core::recipe::{self, How, IMAGE, Plan, Recipe};
use voxelry_core::results::{self, Identity, LabelsAs, Provenance, Record, Study};
use voxelry_core::{Error, Job, error};

pub fn command() -> Command {
    let path = value_parser!(PathBuf);
    Command::new("run")
        .about("Run a recipe on images and leave labels, tables, a montage and a summary")
        .arg(
            Arg::new("recipe")
                .long("recipe")
                .short('r')
                .value_name("FILE")
                .help("The recipe: a TOML file or a name from \"voxelry recipes\""),
        )
        .arg(
            Arg::new("provenance")
                .long("provenance")
                .value_name("FILE")
                .value_parser(path.clone())
                .conflicts_with_all(["recipe", "with", "channel", "time", "labels-as"])
                .conflicts_with_all(["shape", "dtype", "byte-order", "offset", "spacing", "dataset"])
                .help("Make an earlier result again from its provenance.toml; an image is only given if it has moved"),
        )
        .arg(
            Arg::new("input")
                .value_name("IMAGE")
                .num_args(0..)
                .value_parser(path.clone())
                .help("Images; several make one folder each"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("DIR")
                .value_parser(path)
                .help("The folder of results to make"),
        )
        .arg(
            Arg::new("with")
                .long("with")
                .value_name("NAME=FILE")
                .action(ArgAction::Append)
                .help("A further image that the recipe refers to by NAME, such as a flat field"),
        )
        .arg(
            Arg::new("labels-as")
                .long("labels-as")
                .value_name("FORMAT")
                .value_parser(LabelsAs::NAMES)
                .default_value("ome-zarr")
                .help("Format of the label image"),
        )
        .arg(
            Arg::new("overwrite")
                .long("overwrite")
                .action(ArgAction::SetTrue)
                .help("Replace results that are already there"),
        )
        .args(montage::frame_args().into_iter().filter(|a| a.get_id() != "level"))
        .args(common::engine_args())
        .args(open_args())
}

/// Tables over all images of a run that a later run must not silently replace.
const TABLES: [&str; 2] = ["objects.csv", "objects.parquet"];

/// What is to be run on one image.
struct Task {
    sample: String,
    recipe: Recipe,
    inputs: Vec<(String, PathBuf)>,
    /// Hashes that the inputs must have, when an earlier result is made again.
    expected: Vec<Identity>,
    options: OpenOptions,
    frame: Frame,
    labels_as: LabelsAs,
    folder: PathBuf,
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    run_all(matches).map_err(|error| match (error.downcast::<Error>(), matches.get_one::<String>("recipe")) {
        (Ok(error), Some(name)) => error.of_recipe(name).into(),
        (Ok(error), None) => error.into(),
        (Err(other), _) => other,
    })
}

fn run_all(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let out = matches.get_one::<PathBuf>("out").expect("required");
    let tasks = match matches.get_one::<PathBuf>("provenance") {
        Some(path) => vec![again(path, matches, out)?],
        None => tasks(matches, out)?,
    };
    let overwrite = matches.get_flag("overwrite");
    let device = common::device(matches, &job)?;
    common::can_hold(out)?;
    for task in &tasks {
        free(&task.folder, overwrite)?;
    }
    let several = tasks.len() > 1;
    if several {
        // What is wrong with the last image should not be found after hours of work on the others.
        for task in &tasks {
            prepare(task)?;
        }
        if !overwrite && TABLES.iter().any(|name| out.join(name).exists()) {
            let reason = "already holds a table over several images; give another --out, or --overwrite";
            return Err(Error::file(out, reason).into());
        }
        std::fs::create_dir_all(out).at(out)?;
    }
    let mut all: BTreeMap<String, Vec<(String, Table)>> = BTreeMap::new();
    for (number, task) in tasks.iter().enumerate() {
        if several {
            progress.say(&format!("image {} of {}: {}", number + 1, tasks.len(), task.inputs[0].1.display()));
        }
        for (name, table) in run_one(task, matches, device.as_ref(), &progress, &job)? {
            all.entry(name).or_default().push((task.sample.clone(), table));
        }
    }
    if several {
        for (name, tables) in &all {
            let tables: Vec<_> = tables.iter().map(|(sample, table)| (sample.clone(), table)).collect();
            let table = measure::table::concat(&tables)?;
            table.write(&out.join(format!("{name}.parquet")))?;
            table.write(&out.join(format!("{name}.csv")))?;
            table.write_units(&out.join(format!("{name}.units.csv")))?;
        }
        progress.say(&format!("{} samples: {}", tasks.len(), out.display()));
    }
    Ok(())
}

fn tasks(matches: &ArgMatches, out: &Path) -> Result<Vec<Task>> {
    let usage = |text: &str| Error::Usage(text.to_owned());
    let name = matches
        .get_one::<String>("recipe")
        .ok_or_else(|| usage("--recipe FILE (or --provenance FILE) is needed"))?;
    let recipe = recipes::load(name)?;
    let inputs: Vec<&PathBuf> = matches.get_many("input").into_iter().flatten().collect();
    if inputs.is_empty() {
        return Err(usage("which image? voxelry run --recipe FILE IMAGE… --out DIR").into());
    }
    let mut with = Vec::new();
    for text in matches.get_many::<String>("with").into_iter().flatten() {
        let (name, path) = text
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("--with {text}: it should read NAME=FILE")))?;
        with.push((name.to_owned(), PathBuf::from(path)));
    }
    let options = open_options(matches)?;
    let labels_as = matches.get_one::<String>("labels-as").expect("default").parse().map_err(Error::Usage)?;
    let samples = sample_names(&inputs);
    Ok(inputs
        .iter()
        .zip(samples)
        .map(|(path, sample)| Task {
            folder: if inputs.len() > 1 { out.join(&sample) } else { out.to_owned() },
            sample,
            recipe: recipe.clone(),
            inputs: std::iter::once((IMAGE.to_owned(), (*path).clone())).chain(with.clone()).collect(),
            expected: Vec::new(),
            options: options.clone(),
            frame: montage::channel_and_time(matches),
            labels_as,
        })
        .collect())
}

/// Names of the samples: the files' names without endings, numbered where they would be the same.
fn sample_names(paths: &[&PathBuf]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    paths
        .iter()
        .map(|path| {
            let stem = stem(path);
            let numbered = (2..).map(|n| format!("{stem}-{n}"));
            let mut candidates = std::iter::once(stem.clone()).chain(numbered);
            candidates.find(|name| taken.insert(name.clone())).expect("numbers don't end")
        })
        .collect()
}

/// `a/scan.1.nii.gz` → `scan.1`: without the ending of its format, or without any that it has.
fn stem(path: &Path) -> String {
    let name = path.file_name().map_or("image".into(), |n| n.to_string_lossy().into_owned());
    let lower = name.to_ascii_lowercase();
    let endings = FORMATS.iter().flat_map(|f| f.extensions()).map(|e| format!(".{e}"));
    let longest = endings.filter(|e| lower.ends_with(e.as_str())).map(|e| e.len()).max().unwrap_or(0);
    let stem = match (longest, name.rsplit_once('.')) {
        (0, Some((stem, _))) if !path.is_dir() => stem,
        // Lower-casing ASCII keeps the length.
        _ => &name[..name.len() - longest],
    };
    if stem.trim_matches('.').is_empty() { "image".into() } else { stem.to_owned() }
}

fn again(path: &Path, matches: &ArgMatches, out: &Path) -> Result<Task> {
    let text: error::Result<String> = std::fs::read_to_string(path).at(path);
    let Provenance { recipe, record } = Provenance::parse(&text?)?;
    let moved: Vec<&PathBuf> = matches.get_many("input").into_iter().flatten().collect();
    if !moved.is_empty() && moved.len() != record.input.len() {
        let reason = format!("was made from {} images, not {}", record.input.len(), moved.len());
        return Err(Error::file(path, reason).into());
    }
    let wrong = |e: String| Error::file(path, format!("[provenance.open]: {e}"));
    let get = |key: &str| record.open.get(key);
    let options = OpenOptions {
        shape: get("shape").map(|t| common::parse_shape(t)).transpose().map_err(wrong)?,
        voxel: get("dtype").map(|t| t.parse()).transpose().map_err(wrong)?,
        big_endian: get("byte-order").is_some_and(|t| t == "big"),
        offset: get("offset").map_or(Ok(0), |t| t.parse().map_err(|_| wrong(format!("offset = {t}"))))?,
        spacing: get("spacing").map(|t| common::parse_spacing(t)).transpose().map_err(wrong)?,
        dataset: get("dataset").cloned(),
    };
    let at = |i: usize, recorded: &Identity| moved.get(i).map_or(recorded.path.clone(), |p| (*p).clone());
    Ok(Task {
        sample: record.sample,
        recipe,
        inputs: record
            .input
            .iter()
            .enumerate()
            .map(|(i, input)| (input.name.clone(), at(i, input)))
            .collect(),
        options,
        frame: Frame::new(record.channel.saturating_sub(1), record.time.saturating_sub(1)),
        labels_as: record.labels_as.parse().map_err(Error::Usage)?,
        expected: record.input,
        folder: out.to_owned(),
    })
}

/// Refuses to write over what is there.
fn free(folder: &Path, overwrite: bool) -> Result<()> {
    let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !overwrite {
        return Err(Error::file(folder, "is not empty; give another --out, or --overwrite").into());
    }
    if taken && !folder.join("provenance.toml").exists() {
        let reason = "holds something else than an earlier result; it won't be overwritten";
        return Err(Error::file(folder, reason).into());
    }
    Ok(())
}

/// What a task reads, and what is done with it.
struct Ready {
    fields: Vec<Arc<dyn Field>>,
    plan: Plan,
    /// What the user should know of the image.
    warnings: Vec<String>,
}

/// Opens a task's images and plans its recipe.
fn prepare(task: &Task) -> Result<Ready> {
    let (_, image_path) = &task.inputs[0];
    let source = open(image_path, &task.options)?;
    let info = source.info().clone();
    montage::check_frame(task.frame, &info)?;
    let mut warnings = info.notes.clone();
    if info.times > 1 {
        warnings.push(format!("time frame {} of {} is used (--time)", task.frame.time + 1, info.times));
    }
    let kind = if info.labels { Kind::Labels } else { Kind::Grey };
    let mut names = vec![IMAGE.to_owned()];
    let mut fields: Vec<Arc<dyn Field>> = vec![Arc::new(FileField::new(source.clone(), task.frame, kind))];
    for channel in (0..info.channels.len()).filter(|c| *c != task.frame.channel) {
        let frame = Frame { channel, ..task.frame };
        names.push(format!("{IMAGE}:{}", channel + 1));
        fields.push(Arc::new(FileField::new(source.clone(), frame, Kind::Grey)));
    }
    for (name, path) in &task.inputs[1..] {
        let source = open(path, &OpenOptions::default())?;
        let kind = if source.info().labels { Kind::Labels } else { Kind::Grey };
        names.push(name.clone());
        fields.push(Arc::new(FileField::new(source, Frame::default(), kind)));
    }
    let grids: Vec<_> = names.into_iter().zip(fields.iter().map(|f| f.grid())).collect();
    let plan = Plan::new(&task.recipe, &grids)?;
    Ok(Ready { fields, plan, warnings })
}

/// Runs one task and returns its tables by file name.
fn run_one(
    task: &Task,
    matches: &ArgMatches,
    device: Option<&Arc<dyn Accelerator>>,
    progress: &Progress,
    job: &Job,
) -> Result<Vec<(String, Table)>> {
    let ready = prepare(task)?;
    for warning in &ready.warnings {
        job.warn(format!("{}: {warning}", task.sample));
    }
    let dir = AtomicDir::create(&task.folder)?;
    let ran = run_in(&dir, task, &ready, matches, device, progress, job).map_err(|error| {
        match error.downcast::<Error>() {
            Ok(error) => dir.named(error).into(),
            Err(other) => other,
        }
    })?;
    dir.commit()?;
    report(task, &ran, progress);
    Ok(results::named(&ran).into_iter().map(|(name, table)| (name, table.clone())).collect())
}

/// Runs one task and leaves all its files in a folder that doesn't have its name yet.
fn run_in(
    dir: &AtomicDir,
    task: &Task,
    Ready { fields, plan, .. }: &Ready,
    matches: &ArgMatches,
    device: Option<&Arc<dyn Accelerator>>,
    progress: &Progress,
    job: &Job,
) -> Result<recipe::Results> {
    let keep = [plan.last_image()];
    let keep = if keep[0] < plan.sources { &keep[..0] } else { &keep[..] };
    let needed = plan.memory(keep);
    let scratch = dir.path().join(".scratch");
    let how = if let Some(engine) = common::engine(matches, needed, &scratch)? {
        let [z, y, x] = engine.block;
        progress.say(&format!(
            "{}: in memory it would need {}; going block by block ({z} × {y} × {x}) within {}",
            task.sample,
            bytes(needed),
            bytes(common::memory(matches)?)
        ));
        std::fs::create_dir_all(&scratch).at(&scratch)?;
        How::Blocks(engine)
    } else {
        progress.say(&format!("{}: needs about {} of memory", task.sample, bytes(needed)));
        How::Memory
    };

    let identities = task
        .inputs
        .iter()
        .map(|(name, path)| {
            job.stage(format!("hash {}", path.display()), 0);
            Identity::of(name, path, &task.options, job)
        })
        .collect::<error::Result<Vec<_>>>()?;
    for (identity, expected) in identities.iter().zip(&task.expected) {
        if identity.blake3 != expected.blake3 {
            let reason = "is not the image that the earlier result was made from (its hash differs)";
            return Err(Error::file(&identity.path, reason).into());
        }
    }

    let ran = recipe::run_on(plan, fields, keep, &how, device, job)?;
    let heard = progress.finish();
    let record = Record {
        program: format!("voxelry {}", env!("CARGO_PKG_VERSION")),
        sample: task.sample.clone(),
        channel: task.frame.channel + 1,
        time: task.frame.time + 1,
        labels_as: task.labels_as.name().to_owned(),
        open: recorded(&task.options),
        found: heard.facts,
        // A result that is made again from an image that has moved is still the same result.
        input: if task.expected.is_empty() { identities } else { task.expected.clone() },
    };
    let provenance = Provenance { recipe: plan.resolved.clone(), record };
    let study = Study {
        image: &*fields[0],
        results: &ran,
        provenance: &provenance,
        warnings: &heard.warnings,
        labels_as: task.labels_as,
    };
    results::write(dir.path(), &study, job)?;
    job.check()?;
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).at(&scratch)?;
    }
    progress.finish();
    Ok(ran)
}

fn report(task: &Task, ran: &recipe::Results, progress: &Progress) {
    let rows: Vec<String> =
        results::named(ran).iter().map(|(name, t)| format!("{} {name}", t.batch.num_rows())).collect();
    let made = if rows.is_empty() { String::new() } else { format!("{}: ", rows.join(", ")) };
    progress.say(&format!("{}: {made}{}", task.sample, task.folder.display()));
}

fn recorded(options: &OpenOptions) -> BTreeMap<String, String> {
    let mut record = BTreeMap::new();
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            record.insert(key.to_owned(), value);
        }
    };
    add("shape", options.shape.map(|[z, y, x]| format!("{z},{y},{x}")));
    add("dtype", options.voxel.map(|v| v.name().to_owned()));
    add("byte-order", options.big_endian.then(|| "big".to_owned()));
    add("offset", (options.offset > 0).then(|| options.offset.to_string()));
    add(
        "spacing",
        options.spacing.map(|(value, unit)| voxelry_core::ops::Length { value, unit }.to_string()),
    );
    add("dataset", options.dataset.clone());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_named_after_their_files_and_never_twice() {
        let paths = [
            "a/scan.1.nii.gz",
            "b/scan.1.nii.gz",
            "scan.1-2.tif",
            "c.OME.ZARR",
            "V1.75f3.tif",
            "V1.76f3.tif",
            "x.unknown",
            "y",
        ];
        let paths = paths.map(PathBuf::from);
        let names = sample_names(&paths.iter().collect::<Vec<_>>());
        assert_eq!(names, ["scan.1", "scan.1-2", "scan.1-2-2", "c", "V1.75f3", "V1.76f3", "x", "y"]);
    }
}
