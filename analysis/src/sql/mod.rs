//! Questions in SQL about tables, read-only: one statement that selects, over the tables that were named and no file
//! beside them. Answers are streamed, within a budget of memory beyond which DataFusion spills to disk.
//!
//! **Architecture invariant:** an answer is the same bytes for any number of threads. Sums are exact (`exact.rs`), the
//! number of partitions is fixed, and rows whose order the question leaves open are put in one (`order.rs`).

mod budget;
mod exact;
mod exact_sum;
mod order;
mod place;
mod provider;

pub use exact_sum::ExactSum;

use crate::table::write::{permanent, temporary};
use crate::table::{Format, Named, csv::Csv};
use crate::{Error, Result};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Partitions of every query, whatever the number of threads.
const PARTITIONS: usize = 8;

/// Means of a session.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes to work within.
    pub memory: u64,
    /// Threads.
    pub threads: usize,
    /// Folder in which a folder for spilled rows is made; that of the system if none.
    pub spill: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory: 2 << 30,
            threads: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            spill: None,
        }
    }
}

/// Tables to ask questions about.
pub struct Session {
    context: SessionContext,
    runtime: Runtime,
    notes: Vec<String>,
    spill: TempDir,
}

impl Drop for Session {
    fn drop(&mut self) {
        permanent(self.spill.path());
    }
}

impl Session {
    /// Opens tables under their names. Where there is only one, it is also called `t`.
    ///
    /// # Errors
    /// A table that can't be read, or a name that two have.
    pub fn new(tables: &[Named], options: &Options) -> Result<Self> {
        let mut folder = tempfile::Builder::new();
        folder.prefix("voxelry-sql-");
        let spill = match &options.spill {
            Some(parent) => folder.tempdir_in(parent).map_err(|e| Error::io(parent, e))?,
            None => folder.tempdir().map_err(|e| Error::io(std::env::temp_dir(), e))?,
        };
        temporary(spill.path());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .enable_time()
            .thread_stack_size(8 << 20)
            .build()
            .map_err(|e| Error::Data(format!("no threads are to be had: {e}")))?;
        let context = context(options, spill.path()).map_err(|e| place::sentence(&e, ""))?;
        let mut session = Self { context, runtime, notes: Vec::new(), spill };
        for table in tables {
            session.register(table, &table.name)?;
        }
        if let [only] = tables
            && only.name != "t"
        {
            session.register(only, "t")?;
            session.notes.dedup();
        }
        Ok(session)
    }

    /// Sentences about missing values and the like in text tables.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Names of the tables, with the names and types of their columns.
    pub fn tables(&self) -> Vec<(String, SchemaRef)> {
        let Some(schema) = self.context.catalog("datafusion").and_then(|c| c.schema("public")) else {
            return Vec::new();
        };
        let mut names = schema.table_names();
        names.sort();
        let table = |name: String| {
            let provider = self.runtime.block_on(schema.table(&name)).ok().flatten()?;
            Some((name, provider.schema()))
        };
        names.into_iter().filter_map(table).collect()
    }

    fn register(&mut self, table: &Named, name: &str) -> Result<()> {
        let taken = self.context.table_exist(name).unwrap_or(false);
        if taken {
            let reason = format!("two tables are called {name}; name one with --with NAME=FILE");
            return Err(Error::Usage(reason));
        }
        let provider = match table.format {
            Format::Parquet => provider::parquet(&table.files)?,
            Format::Csv | Format::Tsv => {
                let scanned = |file: &PathBuf| Csv::scan(file, table.format.delimiter());
                let files = table.files.iter().map(scanned).collect::<Result<Vec<_>>>()?;
                self.notes.extend(files.iter().flat_map(|f| f.notes(None)));
                provider::text(files, &table.files)?
            }
        };
        let registered = self.context.register_table(format!("\"{name}\""), provider);
        registered.map_err(|e| place::sentence(&e, "")).map(|_| ())
    }

    /// Asks a question, and hands the answer out batch by batch: first its schema, then its rows.
    ///
    /// # Errors
    /// A fault of the question, at its place; a file that can't be read; too little memory; or those of the receivers.
    pub fn ask(
        &self,
        question: &str,
        begin: impl FnOnce(&SchemaRef) -> Result<()>,
        mut rows: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let wrong = |e: DataFusionError| place::sentence(&e, question);
        self.runtime.block_on(async {
            let allowed =
                SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
            let frame = self.context.sql_with_options(question, allowed).await.map_err(wrong)?;
            let (state, plan) = frame.into_parts();
            let (plan, limit) = order::settled(plan).map_err(wrong)?;
            let physical = state.create_physical_plan(&plan).await.map_err(wrong)?;
            begin(&physical.schema())?;
            let streams =
                datafusion::physical_plan::execute_stream_partitioned(physical, self.context.task_ctx());
            let mut stream = in_order(streams.map_err(wrong)?, limit);
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(wrong)?;
                if batch.num_rows() > 0 {
                    rows(&batch)?;
                }
            }
            Ok(())
        })
    }

    /// The whole answer to a question, for ones that are small.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub fn answer(&self, question: &str) -> Result<RecordBatch> {
        let mut schema = None;
        let mut parts = Vec::new();
        self.ask(
            question,
            |s| {
                schema = Some(s.clone());
                Ok(())
            },
            |batch| {
                parts.push(batch.clone());
                Ok(())
            },
        )?;
        let schema = schema.ok_or_else(|| Error::Data("the question has no answer".into()))?;
        arrow::compute::concat_batches(&schema, &parts).map_err(|e| Error::Data(e.to_string()))
    }
}

fn context(options: &Options, spill: &Path) -> datafusion::common::Result<SessionContext> {
    // What isn't counted (batches on their way, pages that are being read) has its room, too.
    let counted = (options.memory as usize / 4 * 3).max(16 << 20);
    let mut config = SessionConfig::new()
        // A merge holds a batch of each of its runs.
        .with_batch_size((counted / PARTITIONS / 4096).clamp(512, 8192))
        .with_target_partitions(PARTITIONS)
        .with_round_robin_repartition(false)
        .with_information_schema(true);
    let settings = config.options_mut();
    settings.sql_parser.collect_spans = true;
    settings.sql_parser.enable_ident_normalization = false;
    settings.execution.parquet.pushdown_filters = false;
    // A partition that has nothing left to read would take rows of another, and which ones depends on the moment.
    settings.execution.enable_file_stream_work_stealing = false;
    settings.execution.sort_spill_reservation_bytes = (counted / PARTITIONS / 8).min(10 << 20);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(budget::Budget::new(counted)))
        .with_disk_manager_builder(
            DiskManagerBuilder::default()
                .with_mode(DiskManagerMode::Directories(vec![spill.to_owned()]))
                .with_max_temp_directory_size(u64::MAX / 2),
        )
        .build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    for function in exact::functions() {
        context.register_udaf(function);
    }
    // Sketches depend on the order in which rows come; what they estimate is calculated exactly instead.
    for name in
        ["approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight", "approx_distinct"]
    {
        context.deregister_udaf(name);
    }
    Ok(context)
}

/// Batches of partition after partition, of which all work at once, up to a few batches ahead; of the rows only the first
/// where there is a limit.
fn in_order(
    streams: Vec<SendableRecordBatchStream>,
    limit: Option<usize>,
) -> impl futures::Stream<Item = datafusion::common::Result<RecordBatch>> + Unpin {
    const AHEAD: usize = 4;
    let partitions: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let (sender, receiver) = tokio::sync::mpsc::channel(AHEAD);
            let task = tokio::spawn(async move {
                while let Some(batch) = stream.next().await {
                    let failed = batch.is_err();
                    if sender.send(batch).await.is_err() || failed {
                        break;
                    }
                }
            });
            (receiver, Aborting(task))
        })
        .collect();
    let left = limit.unwrap_or(usize::MAX);
    Box::pin(futures::stream::unfold(
        (partitions.into_iter(), None, left),
        |(mut rest, mut current, left)| async move {
            if left == 0 {
                return None;
            }
            loop {
                if current.is_none() {
                    current = Some(rest.next()?);
                }
                let (receiver, _): &mut (tokio::sync::mpsc::Receiver<_>, Aborting) = current.as_mut()?;
                match receiver.recv().await {
                    Some(Ok(batch)) => {
                        let batch: RecordBatch = batch;
                        let rows = batch.num_rows().min(left);
                        return Some((Ok(batch.slice(0, rows)), (rest, current, left - rows)));
                    }
                    Some(Err(error)) => return Some((Err(error), (rest, current, left))),
                    None => current = None,
                }
            }
        },
    ))
}

/// A task that ends when nobody waits for it any more.
struct Aborting(tokio::task::JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
