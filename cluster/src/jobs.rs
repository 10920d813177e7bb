//! The jobs of a coordinator: a folder each, in which everything about a job is, so that a coordinator that was stopped
//! resumes them when it starts again.

use crate::kernel::CANCELLED;
use crate::roots::Roots;
use crate::spread::Spread;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;
use voxelry_core::blocks::{Checkpoint, Engine, Storage, checkpoint};
use voxelry_core::io::atomic::{self, AtomicDir};
use voxelry_core::recipe::ExecutionMode;
use voxelry_core::results::{JOB_SPEC_FILE, JobSpec};
use voxelry_core::{Error, Event, Job};
use voxelry_stores::pool::{JobInfo, State, Submission, Worker};

/// What is known of a job, in its folder.
const INFO: &str = "job.json";
/// A worker that was not heard of for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// Blocks where nobody says how large they are.
const BLOCK: [usize; 3] = [128; 3];
/// Over which time the speed is a mean.
const MEAN: f64 = 10.0;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct JobRecord {
    info: JobInfo,
    submission: Submission,
}

struct Entry {
    kind: JobRecord,
    job: Job,
    /// How fast it is: when it was looked last, voxels that were done then, and voxels a second.
    speed: (Instant, u64, f64),
    spread: Option<Arc<Spread>>,
}

#[derive(Default)]
struct Inner {
    jobs: BTreeMap<String, Entry>,
    workers: BTreeMap<String, (Worker, Instant)>,
    next: u64,
}

/// All jobs.
pub struct Jobs {
    folder: PathBuf,
    roots: Roots,
    handle: Handle,
    /// Host and port of the scheduler.
    scheduler: (String, u16),
    inner: Mutex<Inner>,
    /// Held while what is known of a job is written, so that the last is what stays; others are answered meanwhile.
    writing: Mutex<()>,
    /// There is something to run.
    more: Condvar,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Jobs {
    /// The jobs in a folder: those that were not over go on. `at_once` run at the same time.
    ///
    /// # Errors
    /// If the folder can't be read or written.
    pub fn open(
        folder: &Path,
        roots: Roots,
        handle: Handle,
        scheduler: (String, u16),
        at_once: usize,
    ) -> voxelry_core::Result<Arc<Self>> {
        use voxelry_core::error::PathContext;
        std::fs::create_dir_all(folder).at(folder)?;
        let mut inner = Inner::default();
        for entry in std::fs::read_dir(folder).at(folder)? {
            let path = entry.at(folder)?.path();
            let text = std::fs::read_to_string(path.join(INFO)).ok();
            let Some(mut kind) = text.and_then(|t| serde_json::from_str::<JobRecord>(&t).ok()) else {
                continue;
            };
            if !kind.info.state.is_over() {
                let off = path.join(CANCELLED).exists();
                kind.info.state = if off { State::Cancelled } else { State::Queued };
            }
            let number = kind.info.id.trim_start_matches("job-").parse().unwrap_or(0);
            inner.next = inner.next.max(number);
            inner.jobs.insert(kind.info.id.clone(), Entry::new(kind));
        }
        let jobs = Arc::new(Self {
            folder: folder.to_owned(),
            roots,
            handle,
            scheduler,
            inner: Mutex::new(inner),
            writing: Mutex::default(),
            more: Condvar::new(),
        });
        for _ in 0..at_once.max(1) {
            let jobs = jobs.clone();
            std::thread::spawn(move || jobs.work());
        }
        Ok(jobs)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    fn keep(&self, kind: &JobRecord) -> voxelry_core::Result<()> {
        let text = serde_json::to_string_pretty(kind).expect("plain data always encodes");
        atomic::write(self.path(&kind.info.id).join(INFO), text.as_bytes())
    }

    /// Takes a job in.
    ///
    /// # Errors
    /// In a sentence, if it can't be done.
    pub fn submit(&self, submission: Submission) -> Result<JobInfo, String> {
        let spec = JobSpec::parse(&submission.order).map_err(|e| e.to_string())?;
        for (_, path) in &spec.inputs {
            self.roots.check(path)?;
        }
        self.roots.check(&submission.out)?;
        free(&submission)?;
        // What is wrong with a recipe or an image is said at once.
        spec.open().map_err(|e| e.to_string())?;
        let kind = {
            let mut inner = self.inner();
            inner.next += 1;
            let info = JobInfo {
                id: format!("job-{:04}", inner.next),
                sample: spec.sample.clone(),
                out: submission.out.clone(),
                folder: self.path(&format!("job-{:04}", inner.next)),
                state: State::Queued,
                submitted: now(),
                finished: None,
                stage: String::new(),
                done: 0,
                total: 0,
                rate: 0.0,
                blocks: [0; 2],
                workers: 0,
                warnings: Vec::new(),
                error: None,
            };
            JobRecord { info, submission }
        };
        let path = self.path(&kind.info.id);
        let written = || -> voxelry_core::Result<()> {
            std::fs::create_dir_all(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
            atomic::write(path.join(JOB_SPEC_FILE), kind.submission.order.as_bytes())?;
            self.keep(&kind)
        };
        written().map_err(|e| e.to_string())?;
        let info = kind.info.clone();
        self.inner().jobs.insert(info.id.clone(), Entry::new(kind));
        self.more.notify_one();
        Ok(info)
    }

    /// All jobs, the newest first.
    pub fn list(&self) -> Vec<JobInfo> {
        let mut inner = self.inner();
        let workers = inner.present().len();
        inner.jobs.values_mut().rev().map(|entry| entry.info(workers)).collect()
    }

    /// A job.
    pub fn get(&self, id: &str) -> Option<JobInfo> {
        let mut inner = self.inner();
        let workers = inner.present().len();
        inner.jobs.get_mut(id).map(|entry| entry.info(workers))
    }

    /// Calls a job off; one that is over is forgotten.
    pub fn cancel(&self, id: &str) -> Option<JobInfo> {
        let mut inner = self.inner();
        let entry = inner.jobs.get_mut(id)?;
        if entry.kind.info.state.is_over() {
            let info = entry.kind.info.clone();
            inner.jobs.remove(id);
            drop(inner);
            let _ = std::fs::remove_dir_all(self.path(id));
            return Some(info);
        }
        entry.job.cancel();
        drop(inner);
        let _ = std::fs::write(self.path(id).join(CANCELLED), []);
        self.note(id, |entry| {
            if entry.kind.info.state == State::Queued {
                entry.end(State::Cancelled, None);
            }
        });
        self.get(id)
    }

    /// A worker is there.
    pub fn beat(&self, worker: Worker) {
        self.inner().workers.insert(worker.id.clone(), (worker, Instant::now()));
    }

    /// The workers that are there.
    pub fn workers(&self) -> Vec<Worker> {
        self.inner().present()
    }

    /// Runs one job after another.
    fn work(self: Arc<Self>) {
        loop {
            let (id, job, submission) = {
                let mut inner = self.inner();
                loop {
                    let waiting = inner.jobs.iter_mut().find(|(_, e)| e.kind.info.state == State::Queued);
                    if let Some((id, entry)) = waiting {
                        entry.kind.info.state = State::Running;
                        break (id.clone(), entry.job.clone(), entry.kind.submission.clone());
                    }
                    inner = self.more.wait(inner).unwrap_or_else(PoisonError::into_inner);
                }
            };
            self.note(&id, |_| ());
            let ran =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run(&id, &submission, &job)));
            let (state, error) = match ran {
                Ok(Ok(())) => (State::Done, None),
                Ok(Err(Error::Cancelled)) => (State::Cancelled, None),
                Ok(Err(error)) => (State::Failed, Some(error.to_string())),
                Err(_) => (State::Failed, Some("a fault of the program; its log says more".to_owned())),
            };
            // First, so that a job whose results are there is not run again by a coordinator that is stopped now.
            self.note(&id, |entry| entry.end(state, error));
            if matches!(state, State::Done | State::Cancelled) {
                self.clear(&id);
            }
        }
    }

    /// Changes what is known of a job, in its folder too.
    fn note(&self, id: &str, change: impl FnOnce(&mut Entry)) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = {
            let mut inner = self.inner();
            let Some(entry) = inner.jobs.get_mut(id) else { return };
            change(entry);
            entry.kind.clone()
        };
        if let Err(error) = self.keep(&kind) {
            eprintln!("voxelry-pool: {error}");
        }
    }

    /// Removes what the rounds of a job that is over left.
    fn clear(&self, id: &str) {
        if let Err(error) = checkpoint::clear(&self.path(id)) {
            eprintln!("voxelry-pool: {error}");
        }
    }

    fn run(self: &Arc<Self>, id: &str, submission: &Submission, job: &Job) -> voxelry_core::Result<()> {
        let run = self.path(id);
        let spec = JobSpec::parse(&submission.order)?;
        let opened = spec.open()?;
        let spread = Arc::new(Spread::new(self.handle.clone(), &self.scheduler.0, self.scheduler.1));
        if let Some(entry) = self.inner().jobs.get_mut(id) {
            entry.spread = Some(spread.clone());
        }
        let (jobs, name) = (self.clone(), id.to_owned());
        // What the job says is what is known of it.
        let job = &job.overheard(move |event| {
            let mut inner = jobs.inner();
            if let Some(entry) = inner.jobs.get_mut(&name) {
                entry.hear(event);
            }
        });
        let block = submission.block.unwrap_or(BLOCK);
        let program = format!("voxelry {}", env!("CARGO_PKG_VERSION"));
        let identities = spec.identify(&opened, job)?;
        let checkpoint = Checkpoint::new(&run, &spec.about(&identities, block, &program), Some(spread))?;
        let execution =
            ExecutionMode::Blocks(Engine { block, storage: Storage::Checkpoint(checkpoint), within: None });
        // A coordinator that is stopped finds it again.
        let dir = AtomicDir::resume(&submission.out, &format!("{} of {}", id, self.folder.display()))?;
        dir.empty("")?;
        if let Err(error) = spec.run(&opened, identities, dir.path(), &execution, None, &program, job) {
            let _ = std::fs::remove_dir_all(dir.path());
            return Err(dir.named(error));
        }
        dir.commit()
    }
}

/// Refuses to write over what is there, unless it is an earlier result that may be replaced.
fn free(submission: &Submission) -> Result<(), String> {
    let out = &submission.out;
    let taken = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    let parent = out.parent().is_some_and(Path::is_dir);
    if !parent {
        return Err(format!("{}: there is no such folder to make it in", out.display()));
    }
    if taken && !submission.overwrite {
        return Err(format!("{} is not empty; give another --out, or --overwrite", out.display()));
    }
    if taken && !out.join("provenance.toml").exists() {
        return Err(format!("{} holds something else than an earlier result", out.display()));
    }
    Ok(())
}

impl Inner {
    fn present(&mut self) -> Vec<Worker> {
        self.workers.retain(|_, (_, heard)| heard.elapsed() < SILENCE);
        self.workers.values().map(|(worker, _)| worker.clone()).collect()
    }
}

impl Entry {
    fn new(kind: JobRecord) -> Self {
        Self { kind, job: Job::silent(), speed: (Instant::now(), 0, 0.0), spread: None }
    }

    fn hear(&mut self, event: &Event) {
        let info = &mut self.kind.info;
        match event {
            Event::Stage { name, total } => {
                (info.stage, info.total, info.done) = (name.clone(), *total, 0);
                self.speed = (Instant::now(), 0, self.speed.2);
            }
            Event::Progress { done, .. } => info.done = *done,
            Event::Warning(text) | Event::Caution(text) if !info.warnings.contains(text) => {
                info.warnings.push(text.clone());
            }
            _ => {}
        }
    }

    fn info(&mut self, workers: usize) -> JobInfo {
        let info = &mut self.kind.info;
        if info.state == State::Running {
            let (since, before, rate) = self.speed;
            let seconds = since.elapsed().as_secs_f64();
            if seconds > 1.0 {
                let latest = info.done.saturating_sub(before) as f64 / seconds;
                let weight = if rate > 0.0 { (seconds / MEAN).min(1.0) } else { 1.0 };
                self.speed = (Instant::now(), info.done, rate + (latest - rate) * weight);
            }
            info.rate = self.speed.2;
            info.workers = workers;
            if let Some(spread) = &self.spread {
                info.blocks = [0, 1].map(|i| spread.blocks[i].load(Ordering::Relaxed));
            }
        }
        info.clone()
    }

    fn end(&mut self, state: State, error: Option<String>) {
        let info = &mut self.kind.info;
        (info.state, info.error, info.finished) = (state, error, Some(now()));
        (info.rate, info.workers) = (0.0, 0);
        self.spread = None;
    }
}
