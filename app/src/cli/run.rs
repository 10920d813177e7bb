//! `voxelry run`: a recipe on one or many images.

use super::common::{self, bytes, open_args, open_options};
use super::samples::Sheet;
use super::{frames, montage, pool, recipes, study};
use crate::progress::Progress;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::blocks::{Accelerator, Checkpoint, Engine, Storage, checkpoint, overhead};
use voxelry_core::error::PathContext;
use voxelry_core::io::FORMATS;
use voxelry_core::io::atomic::AtomicDir;
use voxelry_core::ops::KIND_WORDS;
use voxelry_core::recipe::{self, ExecutionMode, IMAGE};
use voxelry_core::results::{self, JobSpec, LabelsAs, Provenance};
use voxelry_core::{Error, Job, Unit, error};

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
                .conflicts_with_all(["recipe", "with", "channel", "time", "as", "labels-as", "ignore-geometry"])
                .conflicts_with_all(["shape", "dtype", "byte-order", "offset", "spacing", "unit", "dataset"])
                .help("Make an earlier result again from its provenance.toml; an image is only given if it has moved"),
        )
        .arg(
            Arg::new("input")
                .value_name("IMAGE")
                .num_args(0..)
                .value_parser(path.clone())
                .help("Images; several make a study: one folder each, and tables over all"),
        )
        .arg(
            Arg::new("samples")
                .long("samples")
                .value_name("TABLE")
                .value_parser(path.clone())
                .conflicts_with_all(["provenance", "input"])
                .help(
                    "A table of samples to make a study of: a column image (path relative to the table, pattern of names or \
                     address), perhaps sample, labels, mask, channel and time, and whatever else is known of each",
                ),
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
            Arg::new("as")
                .long("as")
                .value_name("KIND")
                .value_parser(KIND_WORDS)
                .help("What the images' voxels mean, if their files don't say so: labels made elsewhere are measured as they are"),
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
        .arg(common::ignore_geometry_arg())
        .arg(pool::arg().conflicts_with_all(["device", "memory"]))
        .args(montage::frame_args().into_iter().filter(|a| a.get_id() == "channel"))
        .arg(frames::time_arg())
        .args(common::engine_args())
        .args(open_args())
}

/// Endings of tables over all images of a run, which lie beside the folders of the samples.
const TABLE_ENDINGS: [&str; 2] = [".csv", ".parquet"];

/// Job on one image, and the folder of its results.
pub struct Task {
    /// Recipe to be run.
    pub spec: JobSpec,
    /// The folder of its results.
    pub folder: PathBuf,
}

/// Executor of the steps.
pub const PROGRAM: &str = concat!("voxelry ", env!("CARGO_PKG_VERSION"));

pub fn run(matches: &ArgMatches) -> Result<()> {
    run_all(matches).map_err(|error| match (error.downcast::<Error>(), matches.get_one::<String>("recipe")) {
        (Ok(error), Some(name)) => error.of_recipe(name).into(),
        (Ok(error), None) => error.into(),
        (Err(other), _) => other,
    })
}

fn run_all(matches: &ArgMatches) -> Result<()> {
    let out = matches.get_one::<PathBuf>("out").expect("required");
    let plan = study_plan(matches, out)?;
    if let Some(times) = frames::of(matches)? {
        if plan.is_some() {
            return Err(Error::Usage("--time: several frames are run of one image at a time".into()).into());
        }
        return frames::run(&times, &task(matches, out)?, matches);
    }
    if let Some(plan) = plan {
        common::can_hold(out)?;
        if matches.contains_id("pool") {
            let progress = Progress::new(matches.get_flag("quiet"), matches.get_flag("verbose"));
            return study::run(plan, matches, out, None, &progress, &progress.job());
        }
        let (progress, job) = common::job(matches);
        let device = common::device(matches, &job)?;
        return study::run(plan, matches, out, device.as_ref(), &progress, &job);
    }
    let task = match matches.get_one::<PathBuf>("provenance") {
        Some(path) => again(path, matches, out)?,
        None => task(matches, out)?,
    };
    let overwrite = matches.get_flag("overwrite");
    if let Some(name) = matches.get_one::<String>("pool") {
        let block = common::block(matches, 0)?;
        let progress = Progress::new(matches.get_flag("quiet"), matches.get_flag("verbose"));
        return pool::run_one(name, &task, overwrite, block, &progress);
    }
    let (progress, job) = common::job(matches);
    let device = common::device(matches, &job)?;
    common::can_hold(out)?;
    free(&task.folder, overwrite)?;
    run_one(&task, matches, device.as_ref(), &progress, &job)?;
    Ok(())
}

/// The samples of `--samples`, or several images; none if there is only one.
fn study_plan(matches: &ArgMatches, out: &Path) -> Result<Option<study::Plan>> {
    if let Some(table) = matches.get_one::<PathBuf>("samples") {
        let mut sheet = Sheet::read(table, stem)?;
        for note in std::mem::take(&mut sheet.notes) {
            crate::progress::tell(&note);
        }
        return Ok(Some(study::Plan::new(sheet, &like(matches, out)?, out, true)));
    }
    let inputs: Vec<&PathBuf> = matches.get_many("input").into_iter().flatten().collect();
    if inputs.len() < 2 || matches.contains_id("provenance") {
        return Ok(None);
    }
    let sheet = Sheet::of_images(&inputs, sample_names(&inputs))?;
    Ok(Some(study::Plan::new(sheet, &like(matches, out)?, out, false)))
}

/// One table can't hold lengths in several units: all samples are measured in that of the first of which one is known.
///
/// # Errors
/// If some have no unit.
pub fn agree_on_unit(tasks: &mut [Task], units: &[Option<Unit>]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let Some(first) = units.iter().flatten().next().copied() else { return Ok(notes) };
    for (task, own) in tasks.iter_mut().zip(units) {
        let Some(own) = own.filter(|own| *own != first) else { continue };
        let path = &task.spec.inputs[0].1;
        if [own, first].contains(&Unit::Voxel) {
            let reason = format!(
                "has lengths in {own}, the first image in {first}; one table can't hold both: give --spacing, or run them \
                 apart"
            );
            return Err(Error::file(path, reason).into());
        }
        notes.push(format!(
            "{}: is measured in {first}, as the first image is, and not in {own}",
            path.display()
        ));
        task.spec.options.unit = Some(first);
    }
    Ok(notes)
}

/// Job on the one image that is named.
fn task(matches: &ArgMatches, out: &Path) -> Result<Task> {
    let mut task = like(matches, out)?;
    let Some(input) = matches.get_one::<PathBuf>("input") else {
        let text = "which image? voxelry run --recipe FILE IMAGE… --out DIR";
        return Err(Error::Usage(text.to_owned()).into());
    };
    task.spec.sample = sample_names(&[input]).remove(0);
    task.spec.inputs[0].1.clone_from(input);
    Ok(task)
}

/// Job on an image that is still to be named.
fn like(matches: &ArgMatches, out: &Path) -> Result<Task> {
    let usage = |text: &str| Error::Usage(text.to_owned());
    let name = matches
        .get_one::<String>("recipe")
        .ok_or_else(|| usage("--recipe FILE (or --provenance FILE) is needed"))?;
    let mut inputs = vec![(IMAGE.to_owned(), PathBuf::new())];
    for text in matches.get_many::<String>("with").into_iter().flatten() {
        let (name, path) = text
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("--with {text}: it should read NAME=FILE")))?;
        inputs.push((name.to_owned(), PathBuf::from(path)));
    }
    let spec = JobSpec {
        sample: String::new(),
        recipe: recipes::load(name)?,
        inputs,
        expected: Vec::new(),
        options: open_options(matches)?,
        frame: frames::first(matches)?,
        kind: matches.get_one::<String>("as").map(|word| word.parse()).transpose().map_err(Error::Usage)?,
        ignore_geometry: matches.get_flag("ignore-geometry"),
        labels_as: matches.get_one::<String>("labels-as").expect("default").parse().map_err(Error::Usage)?,
    };
    Ok(Task { spec, folder: out.to_owned() })
}

/// Names of the samples: the files' names without endings, numbered where they would be the same.
fn sample_names(paths: &[&PathBuf]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    paths
        .iter()
        .map(|path| {
            let mut stem = stem(path);
            // Beside the samples' folders are tables over all of them.
            if TABLE_ENDINGS.iter().any(|ending| stem.to_lowercase().ends_with(ending))
                || voxelry_analysis::study::check_name(&stem).is_err()
            {
                stem.push_str("-1");
            }
            let numbered = (2..).map(|n| format!("{stem}-{n}"));
            let mut candidates = std::iter::once(stem.clone()).chain(numbered);
            candidates.find(|name| taken.insert(name.clone())).expect("numbers don't end")
        })
        .collect()
}

/// `a/scan.1.nii.gz` → `scan.1`: without the ending of its format, or without any that it has.
pub fn stem(path: &Path) -> String {
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
    let mut spec =
        JobSpec::again(Provenance::parse(&text?)?).map_err(|e| Error::file(path, e.to_string()))?;
    let moved: Vec<&PathBuf> = matches.get_many("input").into_iter().flatten().collect();
    if !moved.is_empty() && moved.len() != spec.inputs.len() {
        let reason = format!("was made from {} images, not {}", spec.inputs.len(), moved.len());
        return Err(Error::file(path, reason).into());
    }
    for ((_, recorded), moved) in spec.inputs.iter_mut().zip(moved) {
        recorded.clone_from(moved);
    }
    let asked = common::completeness(matches);
    spec.options.accept_damaged |= asked.accept_damaged;
    spec.options.require_all_chunks |= asked.require_all_chunks;
    Ok(Task { spec, folder: out.to_owned() })
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

/// Intermediates between the steps of a blockwise run, in the folder of its results.
const BETWEEN: &str = ".between";

/// Runs one task, and leaves its folder.
///
/// # Errors
/// If the image can't be read, an operator can't do what is asked, the disk is full, or the job is cancelled.
pub fn run_one(
    task: &Task,
    matches: &ArgMatches,
    device: Option<&Arc<dyn Accelerator>>,
    progress: &Progress,
    job: &Job,
) -> Result<()> {
    let (spec, ready) = (&task.spec, task.spec.open()?);
    let (sample, needed) = (&spec.sample, ready.memory() + overhead(device.is_some()));
    let block = common::block(matches, needed)?;
    // Blockwise runs take long, and can be resumed.
    let dir = if let Some([z, y, x]) = block {
        progress.say(&format!(
            "{sample}: in memory it would need {}; going block by block ({z} × {y} × {x}) within {}",
            bytes(needed),
            bytes(common::memory(matches)?)
        ));
        AtomicDir::resume(&task.folder, PROGRAM)?
    } else {
        progress.say(&format!("{sample}: needs about {} of memory", bytes(needed)));
        AtomicDir::create(&task.folder)?
    };
    ready.costs().for_each(|cost| progress.say(&format!("{sample}: {cost}")));
    let between = dir.path().join(BETWEEN);
    let run = || -> error::Result<recipe::Results> {
        let identities = spec.identify(&ready, job)?;
        let how = match block {
            None => ExecutionMode::Memory,
            Some(block) => {
                dir.empty(BETWEEN)?;
                let checkpoint = Checkpoint::new(&between, &spec.about(&identities, block, PROGRAM), None)?;
                ExecutionMode::Blocks(Engine {
                    block,
                    storage: Storage::Checkpoint(checkpoint),
                    within: None,
                })
            }
        };
        spec.run(&ready, identities, dir.path(), &how, device, PROGRAM, job)
    };
    let ran = run().map_err(|error| {
        progress.finish();
        if ready.check().is_err() {
            // Blocks may be of what the image was, and of what it is.
            let _ = checkpoint::clear(&between);
        } else if block.is_some() {
            progress
                .say(&format!("{sample}: the blocks that are done are kept; the same command resumes them"));
        }
        dir.named(error)
    })?;
    if block.is_some() {
        checkpoint::clear(&between)?;
        std::fs::remove_dir_all(&between).at(&between)?;
    }
    dir.commit()?;
    if let Some(note) = ready.absent() {
        job.warn(format!("{sample}: {note}"));
    }
    if let Some((_, peak)) = voxelry_core::memory::in_use_and_peak() {
        job.note(format!("{sample}: memory in use at most: {}", bytes(peak)));
    }
    progress.finish();
    report(task, &ran, progress);
    Ok(())
}

fn report(task: &Task, ran: &recipe::Results, progress: &Progress) {
    let rows: Vec<String> =
        results::named(ran).iter().map(|(name, t)| format!("{} {name}", t.batch.num_rows())).collect();
    let made = if rows.is_empty() { String::new() } else { format!("{}: ", rows.join(", ")) };
    progress.say(&format!("{}: {made}{}", task.spec.sample, task.folder.display()));
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
            "objects.csv.tif",
            "y",
        ];
        let paths = paths.map(PathBuf::from);
        let names = sample_names(&paths.iter().collect::<Vec<_>>());
        assert_eq!(
            names,
            ["scan.1", "scan.1-2", "scan.1-2-2", "c", "V1.75f3", "V1.76f3", "x", "objects.csv-1", "y"]
        );
    }
}
