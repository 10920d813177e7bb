//! What workers do: tiles of a round, from what its folder says and nothing else.

use datafusion::error::DataFusionError;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use voxelry_core::blocks::{Accelerator, physical_memory};
use voxelry_core::results::{JOB_SPEC_FILE, JobSpec, TileExecutor};
use voxelry_core::{Error, Job};
use voxelry_shaders::compute::{Choice, Chosen};

/// Says that a run was cancelled, in its folder.
pub const CANCELLED: &str = "cancelled";
/// Says why a round failed, in its folder.
pub const FAILED: &str = "failed";
/// Says what went wrong that may pass, in the folder of a round.
pub const TROUBLE: &str = "trouble";

/// How often it is looked whether a run was cancelled.
const LOOK: Duration = Duration::from_millis(500);
/// Runs whose images stay open.
const OPEN: usize = 4;

/// A tile that was made.
pub struct FinishedTile {
    /// Its number.
    pub tile: u64,
    /// Its voxels.
    pub voxels: u64,
    /// Milliseconds that it took.
    pub ms: u64,
}

/// Cancels a job when it is dropped.
#[derive(Default)]
pub struct Stop(Job);

impl Stop {
    /// The job.
    pub fn job(&self) -> Job {
        self.0.clone()
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Makes tiles of the round in `folder`. Those that are there already are left as they are.
pub fn make(folder: &Path, tiles: &[u64], job: &Job) -> Result<Vec<FinishedTile>, DataFusionError> {
    let run = folder.parent().unwrap_or(folder);
    let _watch = Watch::new(run.join(CANCELLED), job.clone());
    let made = || -> Result<Vec<FinishedTile>, Error> {
        let executor = executor_of(run)?;
        let manifest = executor.manifest(folder)?;
        tiles
            .iter()
            .map(|&tile| {
                let begun = Instant::now();
                let region = executor.make(&manifest, tile as usize, job)?;
                Ok(FinishedTile { tile, voxels: region.len() as u64, ms: begun.elapsed().as_millis() as u64 })
            })
            .collect()
    };
    made().map_err(|error| {
        forget(run);
        match error {
            // What may pass is tried again, here or elsewhere.
            Error::Io { .. } => {
                // The engine wraps messages in its own; here is the one for people.
                let _ = std::fs::write(folder.join(TROUBLE), error.to_string());
                DataFusionError::IoError(io::Error::other(error))
            }
            Error::Cancelled => DataFusionError::Execution(error.to_string()),
            other => {
                let _ = std::fs::write(folder.join(FAILED), other.to_string());
                DataFusionError::Execution(other.to_string())
            }
        }
    })
}

/// What runs steps in place of the processor, where there is such a thing.
static DEVICE: OnceLock<Arc<dyn Accelerator>> = OnceLock::new();

/// Has steps run on a device from now on: a choice such as `auto`, `cpu` or `gpu`. The result doesn't depend on it.
///
/// # Errors
/// If it is none, or is not there.
pub fn use_device(choice: &str) -> anyhow::Result<()> {
    let choice: Choice = choice.parse().map_err(|e| anyhow::anyhow!("--device: {e}"))?;
    let tell = |text: &str| log::info!("{text}");
    if let Some(device) = Chosen::new(choice, physical_memory() / 4, tell)? {
        // The first call is the only one.
        let _ = DEVICE.set(device);
    }
    Ok(())
}

/// Runs whose images are open, the last used last.
static EXECUTORS: Mutex<VecDeque<(PathBuf, Arc<TileExecutor>)>> = Mutex::new(VecDeque::new());

fn executor_of(run: &Path) -> Result<Arc<TileExecutor>, Error> {
    let mut executors = EXECUTORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = executors.iter().position(|(folder, _)| folder == run) {
        let known = executors.remove(at).expect("it was found");
        executors.push_back(known.clone());
        return Ok(known.1);
    }
    let path = run.join(JOB_SPEC_FILE);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Io { path, source })?;
    let executor = Arc::new(TileExecutor::new(JobSpec::parse(&text)?.open()?, run, DEVICE.get().cloned()));
    executors.push_back((run.to_owned(), executor.clone()));
    if executors.len() > OPEN {
        executors.pop_front();
    }
    Ok(executor)
}

/// Opens a run's images anew the next time.
fn forget(run: &Path) {
    EXECUTORS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(folder, _)| folder != run);
}

/// Cancels a job when a file appears; ends when it is dropped.
struct Watch(Option<std::sync::mpsc::Sender<()>>);

impl Watch {
    fn new(marker: PathBuf, job: Job) -> Self {
        let (send, over) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            loop {
                if marker.exists() {
                    return job.cancel();
                }
                if over.recv_timeout(LOOK) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self(Some(send))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.take();
    }
}
