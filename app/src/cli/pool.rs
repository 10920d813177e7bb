//! Jobs of a pool of workers: `voxelry run --pool` and `voxelry jobs`.

use super::common::print_line;
use super::run::Task;
use crate::progress::{Progress, tell};
use anyhow::{Result, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::path::{Path, PathBuf};
use std::time::Duration;
use voxelry_core::Job;
use voxelry_core::io::remote;
use voxelry_core::results::JobSpec;
use voxelry_stores::pool::{Address, JobInfo, Pool, State, Submission};

/// Interval between requests for the state of a job.
const LOOK: Duration = Duration::from_millis(250);
/// Time a pool may be away before its jobs are no longer followed.
const PATIENCE: Duration = Duration::from_mins(1);

/// `--pool`, for commands that can give their work to one.
pub fn arg() -> Arg {
    Arg::new("pool")
        .long("pool")
        .value_name("URL")
        .help("The pool of workers: its URL, with its token in VOXELRY_POOL_TOKEN, or local for the one of \"voxelry-pool local\"")
}

/// `voxelry jobs`.
pub fn command() -> Command {
    Command::new("jobs")
        .about("List, follow and cancel the jobs of a pool of workers")
        .arg(Arg::new("job").value_name("JOB").help("One job, such as job-0001: it is followed to its end"))
        .arg(arg().default_value("local"))
        .arg(
            Arg::new("cancel")
                .long("cancel")
                .requires("job")
                .action(ArgAction::SetTrue)
                .help("Call the job off; one that is over is forgotten"),
        )
        .arg(
            Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print all that is known, as JSON"),
        )
        .arg(
            Arg::new("workers")
                .long("workers")
                .conflicts_with_all(["job", "cancel"])
                .action(ArgAction::SetTrue)
                .help("List the workers instead"),
        )
}

/// The pool with a name.
///
/// # Errors
/// If there is none.
pub fn of(name: &str) -> Result<Pool> {
    Address::of(name).and_then(Pool::new).map_err(|e| anyhow!(e))
}

/// Runs `voxelry jobs`.
///
/// # Errors
/// Message of the pool.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let pool = of(matches.get_one::<String>("pool").expect("default"))?;
    let said = |reason: String| anyhow!(reason);
    let json = matches.get_flag("json");
    if matches.get_flag("workers") {
        let workers = pool.workers().map_err(said)?;
        if json {
            return print_line!("{}", serde_json::to_string_pretty(&workers)?);
        }
        return workers.iter().try_for_each(|w| print_line!("{}  {} blocks at once", w.host, w.cores));
    }
    let Some(id) = matches.get_one::<String>("job") else {
        let jobs = pool.jobs().map_err(said)?;
        if json {
            return print_line!("{}", serde_json::to_string_pretty(&jobs)?);
        }
        return jobs.iter().try_for_each(|job| print_line!("{}", line(job)));
    };
    let info = if matches.get_flag("cancel") { pool.cancel(id) } else { pool.job(id) }.map_err(said)?;
    if json {
        return print_line!("{}", serde_json::to_string_pretty(&info)?);
    }
    print_line!("{}", line(&info))?;
    if matches.get_flag("cancel") || info.state.is_over() {
        return over(&info);
    }
    let progress = Progress::new(matches.get_flag("quiet"), matches.get_flag("verbose"));
    follow(&pool, &info.id, &progress)
}

/// A job in a line.
pub fn line(job: &JobInfo) -> String {
    let mut text = format!("{}  {:<9}  {}  {}", job.id, job.state.name(), job.sample, job.out.display());
    if job.state == State::Running {
        text += &format!("  {}", doing(job));
    }
    if let Some(error) = &job.error {
        text += &format!("  {error}");
    }
    text
}

/// Current stage of a job.
pub fn doing(job: &JobInfo) -> String {
    let [done, all] = job.blocks;
    let mut text = job.stage.clone();
    if all > 0 {
        text += &format!(", block {done} of {all}");
    }
    if job.rate > 0.0 {
        text += &format!(", {:.1} Mvoxel/s", job.rate / 1e6);
    }
    if let Some(left) = job.left().filter(|left| *left >= 1.0) {
        text += &format!(", {} left", seconds(left));
    }
    let plural = if job.workers == 1 { "worker" } else { "workers" };
    text + &format!(", {} {plural}", job.workers)
}

fn seconds(s: f64) -> String {
    match s {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn over(job: &JobInfo) -> Result<()> {
    match (&job.error, job.state) {
        (Some(error), State::Failed) => Err(anyhow!("{}: {error}", job.id)),
        _ => Ok(()),
    }
}

/// Job in the form that the pool's machines read.
///
/// # Errors
/// If a path can't be made absolute.
pub fn submission(
    spec: &JobSpec,
    out: &Path,
    overwrite: bool,
    block: Option<[usize; 3]>,
) -> Result<Submission> {
    let absolute = |path: &PathBuf| match remote::address(path) {
        Some(_) => Ok(path.clone()),
        None => std::path::absolute(path),
    };
    let mut spec = spec.clone();
    for (_, path) in &mut spec.inputs {
        *path = absolute(path)?;
    }
    for identity in &mut spec.expected {
        identity.path = absolute(&identity.path)?;
    }
    Ok(Submission { order: spec.to_toml(), out: std::path::absolute(out)?, overwrite, block })
}

/// Gives a task to a pool and follows it to its end.
///
/// # Errors
/// Message of the pool, or the reason why a job failed.
pub fn run_one(
    name: &str,
    task: &Task,
    overwrite: bool,
    block: Option<[usize; 3]>,
    progress: &Progress,
) -> Result<()> {
    let pool = of(name)?;
    let info = submit(&pool, task, overwrite, block, progress)?;
    goes_on_after_interrupt(name, &info.id);
    follow(&pool, &info.id, progress)
}

/// Gives the samples of a study to a pool, over what earlier runs have left of them, and follows them to their ends. Returns
/// why each has failed, if it has.
///
/// # Errors
/// Summary of the pool's jobs.
pub fn run_all(
    name: &str,
    tasks: &[&Task],
    block: Option<[usize; 3]>,
    progress: &Progress,
) -> Result<Vec<Result<(), String>>> {
    let pool = of(name)?;
    let jobs: Vec<Result<JobInfo>> = tasks
        .iter()
        .map(|task| submit(&pool, task, task.folder.join("provenance.toml").exists(), block, progress))
        .collect();
    let ids: Vec<&str> = jobs.iter().flatten().map(|j| j.id.as_str()).collect();
    goes_on_after_interrupt(name, &ids.join(" "));
    let ends = jobs.into_iter().map(|job| job.and_then(|job| follow(&pool, &job.id, progress)));
    Ok(ends.map(|end| end.map_err(|e| e.to_string())).collect())
}

fn submit(
    pool: &Pool,
    task: &Task,
    overwrite: bool,
    block: Option<[usize; 3]>,
    progress: &Progress,
) -> Result<JobInfo> {
    let submission = submission(&task.spec, &task.folder, overwrite, block)?;
    let info = pool.submit(&submission).map_err(|e| anyhow!(e))?;
    progress.say(&format!("{}: {} at {}", info.sample, info.id, pool.url()));
    Ok(info)
}

fn goes_on_after_interrupt(name: &str, ids: &str) {
    let (ids, at) = (ids.to_owned(), name.to_owned());
    // A second handler can't be set; this command sets no other.
    let _ = ctrlc::set_handler(move || {
        tell(&format!(
            "voxelry: {ids} goes on in the pool; \"voxelry jobs --pool {at}\" lists, follows and cancels"
        ));
        std::process::exit(130);
    });
}

/// Shows how far a job is until it is over.
fn follow(pool: &Pool, id: &str, progress: &Progress) -> Result<()> {
    let shown: Job = progress.job();
    let (mut stage, mut done, mut warnings) = (String::new(), 0, 0);
    let mut heard = std::time::Instant::now();
    loop {
        let info = match pool.job(id) {
            Ok(info) => info,
            // A coordinator that is started again resumes its jobs.
            Err(_) if heard.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK);
                continue;
            }
            Err(reason) => {
                return Err(anyhow!("{reason}; the job goes on where it was when the pool is back"));
            }
        };
        heard = std::time::Instant::now();
        for warning in info.warnings.iter().skip(warnings) {
            shown.warn(warning.clone());
        }
        warnings = info.warnings.len();
        if info.stage != stage || info.done < done {
            (stage, done) = (info.stage.clone(), 0);
            shown.stage(stage.clone(), info.total);
        }
        shown.advance(info.done - done);
        done = info.done;
        if info.state.is_over() {
            progress.finish();
            progress.say(&format!("{}: {}: {}", info.sample, info.state.name(), info.out.display()));
            return over(&info);
        }
        std::thread::sleep(LOOK);
    }
}
