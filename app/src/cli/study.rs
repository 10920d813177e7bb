//! A recipe on many samples: each in a folder of its own, and tables over all beside them. What is there and has not
//! changed is not run again, and a sample that fails leaves its reason in its row.

use super::pool;
use super::run::{self, Task};
use super::samples::Sheet;
use crate::progress::Progress;
use anyhow::Result;
use arrow::record_batch::RecordBatch;
use clap::ArgMatches;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_analysis::study::{self, Row, Samples, Status};
use voxelry_core::blocks::Accelerator;
use voxelry_core::error::PathContext;
use voxelry_core::results::Provenance;
use voxelry_core::{Error, Job, Unit};

/// Pause between writings of the table of samples while others are still running.
const PAUSE: Duration = Duration::from_secs(30);

/// Samples to be run, and their rows.
pub struct Plan {
    /// Job that runs on each sample.
    pub tasks: Vec<Task>,
    /// Properties of each sample, given by the user.
    pub given: RecordBatch,
    /// True if a sample that can't be read is left as a row, rather than refused before any work.
    pub goes_on: bool,
}

impl Plan {
    /// Tasks for the samples of a sheet, each made from one without a sample of its own.
    pub fn new(sheet: Sheet, like: &Task, out: &Path, goes_on: bool) -> Self {
        let task = |sample: &super::samples::Sample| {
            let mut spec = like.spec.clone();
            spec.sample.clone_from(&sample.name);
            spec.inputs[0].1.clone_from(&sample.image);
            for (name, path) in &sample.further {
                spec.inputs.retain(|(given, _)| given != name);
                spec.inputs.push((name.clone(), path.clone()));
            }
            spec.frame.channel = sample.channel.map_or(spec.frame.channel, |n| n - 1);
            spec.frame.time = sample.time.map_or(spec.frame.time, |n| n - 1);
            Task { spec, folder: out.join(&sample.name) }
        };
        Self { tasks: sheet.samples.iter().map(task).collect(), given: sheet.given, goes_on }
    }
}

/// A study while it is being run.
struct Running<'a> {
    out: &'a Path,
    samples: Samples,
    progress: &'a Progress,
    written: Instant,
}

impl Running<'_> {
    fn failed(&mut self, number: usize, reason: String) -> Result<()> {
        let row = &mut self.samples.rows[number];
        self.progress.say(&format!("{}: failed: {reason}", row.sample));
        // What was made of another image or by another recipe is not what the row speaks of.
        if self.out.is_dir() {
            study::forget(self.out, &row.sample, |_| false)?;
        }
        row.status = Status::Failed(reason);
        row.figures.clear();
        Ok(())
    }

    /// Takes a sample's results into the tables over all; `figures` are those that an earlier run has left of the same.
    fn done(&mut self, number: usize, task: &Task, earlier: Option<Vec<study::Figure>>) -> Result<()> {
        let sample = &task.spec.sample;
        if earlier.is_none() || !study::has(self.out, sample, &task.folder)? {
            study::add(self.out, sample, &task.folder)?;
        }
        self.samples.rows[number] = match earlier {
            Some(figures) => Row { sample: sample.clone(), status: Status::Done, figures },
            None => Row::done(sample, &task.folder)?,
        };
        if self.written.elapsed() > PAUSE {
            self.samples.write(self.out)?;
            self.written = Instant::now();
        }
        Ok(())
    }
}

/// Runs a study, or resumes it.
///
/// # Errors
/// A folder that holds something else, units that can't stand in one table, a full disk; or, after all others have been
/// run, that some samples have failed.
pub fn run(
    plan: Plan,
    matches: &ArgMatches,
    out: &Path,
    device: Option<&Arc<dyn Accelerator>>,
    progress: &Progress,
    job: &Job,
) -> Result<()> {
    let Plan { mut tasks, given, goes_on } = plan;
    let opened = open_all(&mut tasks, goes_on, progress)?;
    for task in &tasks {
        check_free(&task.folder)?;
    }
    std::fs::create_dir_all(out).at(out)?;
    let names: BTreeSet<String> = tasks.iter().map(|t| t.spec.sample.clone()).collect();
    let removed = study::keep_only(out, &names)?;
    if removed > 0 {
        progress.say(&format!(
            "tables of samples that are no longer named were removed ({removed} files); their folders stay"
        ));
    }
    let waiting =
        |t: &Task| Row { sample: t.spec.sample.clone(), status: Status::Waiting, figures: Vec::new() };
    let mut running = Running {
        out,
        samples: Samples { given: Some(given), rows: tasks.iter().map(waiting).collect() },
        progress,
        written: Instant::now(),
    };
    let mut earlier = Samples::earlier(out);
    let ran = each(&tasks, opened, &mut earlier, &mut running, matches, device, progress, job);
    // What is done is told of, whatever has ended the run.
    running.samples.write(out)?;
    let unchanged = ran?;
    study::write_csv(out)?;
    let failed = running.samples.rows.iter().filter(|r| matches!(r.status, Status::Failed(_))).count();
    let again = if unchanged > 0 { format!(", {unchanged} of them as they were") } else { String::new() };
    progress.say(&format!("{} samples{again}: {}", tasks.len() - failed, out.display()));
    if failed > 0 {
        let reason = format!("{failed} of {} samples failed; samples.csv says why", tasks.len());
        return Err(Error::file(out, reason).into());
    }
    Ok(())
}

/// Runs all samples that have changed, and returns how many have not.
fn each(
    tasks: &[Task],
    opened: Vec<Result<(), String>>,
    earlier: &mut HashMap<String, Vec<study::Figure>>,
    running: &mut Running,
    matches: &ArgMatches,
    device: Option<&Arc<dyn Accelerator>>,
    progress: &Progress,
    job: &Job,
) -> Result<usize> {
    let overwrite = matches.get_flag("overwrite");
    let pool = matches.get_one::<String>("pool");
    let mut unchanged = 0;
    let mut submitted = Vec::new();
    for (number, (task, opened)) in tasks.iter().zip(opened).enumerate() {
        // Images may be where only the pool sees them.
        if let (Err(reason), None) = (&opened, pool) {
            running.failed(number, reason.clone())?;
            continue;
        }
        let same = !overwrite && opened.is_ok() && is_same(task, job).or_else(unless_cancelled)?;
        if same {
            unchanged += 1;
            running.done(number, task, earlier.remove(&task.spec.sample))?;
            continue;
        }
        if pool.is_some() {
            submitted.push(number);
            continue;
        }
        progress.say(&format!(
            "image {} of {}: {}",
            number + 1,
            tasks.len(),
            task.spec.inputs[0].1.display()
        ));
        match run::run_one(task, matches, device, progress, job) {
            Ok(()) => running.done(number, task, None)?,
            Err(error) if matches!(error.downcast_ref(), Some(Error::Cancelled)) => return Err(error),
            Err(error) => running.failed(number, error.to_string())?,
        }
    }
    if let Some(name) = pool
        && !submitted.is_empty()
    {
        let block = super::common::block(matches, 0)?;
        let chosen: Vec<&Task> = submitted.iter().map(|n| &tasks[*n]).collect();
        for (number, ended) in submitted.iter().zip(pool::run_all(name, &chosen, block, progress)?) {
            match ended {
                Ok(()) => running.done(*number, &tasks[*number], None)?,
                Err(reason) => running.failed(*number, reason)?,
            }
        }
    }
    Ok(unchanged)
}

/// Reads an error as a change, unless the run was cancelled.
fn unless_cancelled(error: Error) -> Result<bool, Error> {
    if matches!(error, Error::Cancelled) { Err(error) } else { Ok(false) }
}

/// Opens all images once, so that what is wrong is found before hours of work, and brings all to the unit of the first.
fn open_all(tasks: &mut [Task], goes_on: bool, progress: &Progress) -> Result<Vec<Result<(), String>>> {
    let mut opened = Vec::new();
    let mut units: Vec<Option<Unit>> = Vec::new();
    for task in tasks.iter() {
        match task.spec.open() {
            Ok(ready) => {
                units.push(Some(ready.fields[0].grid().geometry.unit));
                opened.push(Ok(()));
            }
            // A recipe that can't be run is wrong for all.
            Err(error) if !goes_on || matches!(error, Error::Recipe { .. }) => return Err(error.into()),
            Err(error) => {
                units.push(None);
                opened.push(Err(error.to_string()));
            }
        }
    }
    for note in run::agree_on_unit(tasks, &units)? {
        progress.say(&note);
    }
    Ok(opened)
}

/// Refuses to write over something that is no earlier result.
fn check_free(folder: &Path) -> Result<()> {
    let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !folder.join("provenance.toml").exists() {
        let reason = "holds something else than an earlier result; it won't be overwritten";
        return Err(Error::file(folder, reason).into());
    }
    Ok(())
}

/// Returns whether a sample's results were made by the same recipe of the same images, opened in the same way.
fn is_same(task: &Task, job: &Job) -> Result<bool, Error> {
    let path = task.folder.join("provenance.toml");
    if !path.is_file() {
        return Ok(false);
    }
    let text = std::fs::read_to_string(&path).at(&path)?;
    let Provenance { recipe, record } = Provenance::parse(&text)?;
    let spec = &task.spec;
    let ready = spec.open()?;
    let is_same_order = recipe.to_toml() == ready.plan.resolved.to_toml()
        && record.sample == spec.sample
        && (record.channel, record.time) == (spec.frame.channel + 1, spec.frame.time + 1)
        && record.labels_as == spec.labels_as.name()
        && record.taken_as.as_deref() == spec.kind.map(|kind| kind.word())
        && record.ignore_geometry == spec.ignore_geometry
        && record.open == spec.options.to_record()
        && record.input.len() == spec.inputs.len();
    if !is_same_order {
        return Ok(false);
    }
    let own = spec.identify(&ready, job)?;
    Ok(own
        .iter()
        .zip(&record.input)
        .all(|(a, b)| (&a.name, a.bytes, &a.blake3) == (&b.name, b.bytes, &b.blake3)))
}
