//! Makes the tiles of a phase on the workers: one query of the engine, whose rows say who made what. This is the one
//! place that knows which engine it is.

use crate::kernel::{CANCELLED, FAILED, TROUBLE};
use crate::query::{LogicalCodec, Tiles};
use ballista_core::extension::{SessionConfigExt, SessionStateExt};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use voxelry_core::blocks::Runner;
use voxelry_core::error::PathContext;
use voxelry_core::{Error, Job, Region, Result};

/// Most tasks of a phase: several tiles share one beyond it.
const TASKS: usize = 4096;
/// Fewest tasks that a phase is spread over, if it has as many tiles.
const SPREAD: usize = 64;
/// Voxels of a task at least, where there are many: an empty task takes about 2 ms.
const VOXELS: usize = 1 << 21;
/// How often each of few blocks is asked for at once when it is asked for again.
const COPIES: usize = 4;
/// How often it is looked how far a phase is, and whether it is over.
const LOOK: Duration = Duration::from_millis(200);
const BLINK: Duration = Duration::from_millis(5);
/// How long a phase that made no progress is tried again when the engine gave up on it.
const RETRY_TIMEOUT: Duration = Duration::from_secs(90);

/// The workers, as the coordinator reaches them.
pub struct Spread {
    handle: Handle,
    scheduler: String,
    /// Tiles done and all of the phase that runs.
    pub blocks: Arc<[AtomicU64; 2]>,
}

impl Spread {
    /// Workers of the scheduler at a host and port.
    pub fn new(handle: Handle, host: &str, port: u16) -> Self {
        Self { handle, scheduler: format!("http://{host}:{port}"), blocks: Arc::default() }
    }

    fn session(&self) -> Result<SessionContext, datafusion::error::DataFusionError> {
        let config = SessionConfig::new_with_ballista()
            .set_usize("ballista.scheduler.max_partitions_per_task", 1)
            .with_ballista_adaptive_query_planner(true)
            .with_round_robin_repartition(false)
            .with_ballista_logical_extension_codec(Arc::new(LogicalCodec::default()))
            .with_target_partitions(1);
        let state: SessionState =
            SessionStateBuilder::new().with_default_features().with_config(config).build();
        Ok(SessionContext::new_with_state(state.upgrade_for_ballista(self.scheduler.clone())?))
    }
}

/// Tiles as tasks.
fn tasks(todo: &[(usize, Region)]) -> Vec<Vec<u64>> {
    let voxels = todo.iter().map(|(_, region)| region.len()).max().unwrap_or(1).max(1);
    let per = (VOXELS / voxels).min(todo.len().div_ceil(SPREAD)).max(todo.len().div_ceil(TASKS)).max(1);
    todo.chunks(per).map(|task| task.iter().map(|(tile, _)| *tile as u64).collect()).collect()
}

impl Runner for Spread {
    fn run(&self, folder: &Path, todo: &[(usize, Region)], job: &Job) -> Result<()> {
        let failed = folder.join(FAILED);
        let cancelled = folder.parent().unwrap_or(folder).join(CANCELLED);
        let mut waiting: HashMap<OsString, Region> =
            todo.iter().map(|(tile, region)| (format!("{tile}.tile").into(), *region)).collect();
        self.blocks[0].store(0, Ordering::Relaxed);
        self.blocks[1].store(todo.len() as u64, Ordering::Relaxed);
        let (mut since, mut again) = (Instant::now(), false);
        let count = |waiting: &mut HashMap<OsString, Region>| -> Result<bool> {
            let before = waiting.len();
            for entry in std::fs::read_dir(folder).at(folder)? {
                if let Some(region) = waiting.remove(&entry.at(folder)?.file_name()) {
                    job.advance(region.len() as u64);
                    self.blocks[0].fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(waiting.len() < before)
        };
        while !waiting.is_empty() {
            let _ = std::fs::remove_file(&failed);
            let left: Vec<_> = todo
                .iter()
                .filter(|(tile, _)| waiting.contains_key(&OsString::from(format!("{tile}.tile"))))
                .copied()
                .collect();
            let mut tasks = tasks(&left);
            if again && tasks.len() < SPREAD {
                // Not by one worker alone, which may be the one that can't.
                tasks = vec![tasks; COPIES].concat();
            }
            let tiles = Tiles { folder: folder.to_owned(), tasks };
            let session = self.session();
            let query = self.handle.spawn(async move {
                let table = session?.read_table(Arc::new(tiles))?;
                table.collect().await
            });
            let mut looked = Instant::now();
            while !query.is_finished() {
                std::thread::sleep(BLINK);
                if looked.elapsed() >= LOOK {
                    looked = Instant::now();
                    if count(&mut waiting)? {
                        since = Instant::now();
                    }
                }
                if job.is_cancelled() {
                    // Workers look for it, and stop.
                    std::fs::write(&cancelled, []).at(&cancelled)?;
                    query.abort();
                    return Err(Error::Cancelled);
                }
            }
            let ended = self.handle.block_on(query);
            if count(&mut waiting)? {
                since = Instant::now();
            }
            if waiting.is_empty() {
                break;
            }
            if let Ok(reason) = std::fs::read_to_string(&failed) {
                return Err(Error::Usage(reason));
            }
            let reason = std::fs::read_to_string(folder.join(TROUBLE)).unwrap_or_else(|_| match ended {
                Ok(Ok(_)) => "the workers left tiles out".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            });
            if since.elapsed() > RETRY_TIMEOUT {
                return Err(Error::Usage(format!("no worker makes it any more: {reason}")));
            }
            again = true;
            // Workers that left, or a store that is away for a while: what is left is asked for again.
            job.note(format!("{} blocks are asked for again: {reason}", waiting.len()));
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_hold_every_tile_once_and_are_neither_too_many_nor_too_small() {
        for (count, edge) in [(1, 64), (64, 8), (100, 64), (5000, 128), (100_000, 16)] {
            let todo: Vec<_> = (0..count).map(|i| (3 * i, Region::whole([edge; 3]))).collect();
            let tasks = tasks(&todo);
            let all: Vec<u64> = tasks.iter().flatten().copied().collect();
            assert_eq!(all, todo.iter().map(|t| t.0 as u64).collect::<Vec<_>>());
            assert!(tasks.len() <= TASKS && tasks.len() >= count.min(SPREAD / 2), "{count}: {}", tasks.len());
        }
    }
}
