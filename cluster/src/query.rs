//! A phase as a query: a table of tiles whose rows come of a kernel that makes them. The kernel stands above a source with
//! a partition for each task, which is what the engine can cut into tasks.

use crate::kernel::{self, FinishedTile};
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

/// What goes in front of our own nodes in plans.
const MAGIC: &[u8] = b"VXTILES1";

/// Tiles of a round that are to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tiles {
    /// The folder of the round.
    pub folder: PathBuf,
    /// Numbers of the tiles, in tasks.
    pub tasks: Vec<Vec<u64>>,
}

fn one_column(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::UInt64, false)]))
}

/// Rows of the table: a tile, its voxels, milliseconds that it took, and the process that made it.
fn schema() -> SchemaRef {
    let names = ["tile", "voxels", "ms", "process"];
    Arc::new(Schema::new(
        names.into_iter().map(|n| Field::new(n, DataType::UInt64, false)).collect::<Vec<_>>(),
    ))
}

fn numbers(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

#[async_trait::async_trait]
impl TableProvider for Tiles {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batch = |task: &Vec<u64>| {
            RecordBatch::try_new(one_column("tile"), vec![numbers(task.iter().copied())]).map(|b| vec![b])
        };
        let partitions = self.tasks.iter().map(batch).collect::<Result<Vec<_>, _>>()?;
        let source = MemorySourceConfig::try_new_exec(&partitions, one_column("tile"), None)?;
        let made: Arc<dyn ExecutionPlan> = Arc::new(MakeTiles::new(source, self.folder.clone()));
        let Some(columns) = projection else { return Ok(made) };
        let schema = schema();
        let expressions = columns.iter().map(|&i| {
            let name = schema.field(i).name().clone();
            (Arc::new(Column::new(&name, i)) as Arc<dyn PhysicalExpr>, name)
        });
        Ok(Arc::new(ProjectionExec::try_new(expressions.collect::<Vec<_>>(), made)?))
    }
}

/// Makes the tiles of its input's rows.
#[derive(Debug, Clone)]
struct MakeTiles {
    input: Arc<dyn ExecutionPlan>,
    folder: PathBuf,
    properties: Arc<PlanProperties>,
}

impl MakeTiles {
    fn new(input: Arc<dyn ExecutionPlan>, folder: PathBuf) -> Self {
        let partitions = input.properties().output_partitioning().partition_count();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { input, folder, properties }
    }
}

impl DisplayAs for MakeTiles {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "MakeTiles {}", self.folder.display())
    }
}

impl ExecutionPlan for MakeTiles {
    fn name(&self) -> &'static str {
        "MakeTiles"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.remove(0), self.folder.clone())))
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let folder = self.folder.clone();
        // Dropped with the stream, which stops kernels of a task that nobody waits for any more.
        let stop = kernel::Stop::default();
        let made = rows.then(move |batch| {
            let (folder, job) = (folder.clone(), stop.job());
            async move {
                let tiles: Vec<u64> = batch?.column(0).as_primitive::<UInt64Type>().values().to_vec();
                let made = tokio::task::spawn_blocking(move || kernel::make(&folder, &tiles, &job));
                let made = made.await.map_err(|e| DataFusionError::External(Box::new(e)))??;
                let column = |of: fn(&FinishedTile) -> u64| numbers(made.iter().map(of));
                let process = u64::from(std::process::id());
                let columns = vec![
                    column(|m| m.tile),
                    column(|m| m.voxels),
                    column(|m| m.ms),
                    numbers(made.iter().map(|_| process)),
                ];
                Ok(RecordBatch::try_new(schema(), columns)?)
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), made)))
    }
}

fn encoded<T: Serialize>(value: &T, to: &mut Vec<u8>) -> Result<()> {
    to.extend_from_slice(MAGIC);
    let bytes = postcard::to_allocvec(value).map_err(|e| DataFusionError::External(Box::new(e)))?;
    to.extend_from_slice(&bytes);
    Ok(())
}

/// The value, if the bytes are ours.
fn decoded<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<Option<T>> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Ok(None) };
    postcard::from_bytes(rest).map(Some).map_err(|e| DataFusionError::External(Box::new(e)))
}

/// Carries our nodes in physical plans.
#[derive(Debug, Default)]
pub struct PhysicalCodec(BallistaPhysicalExtensionCodec);

impl PhysicalExtensionCodec for PhysicalCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (decoded::<PathBuf>(bytes)?, inputs) {
            (Some(folder), [input]) => Ok(Arc::new(MakeTiles::new(input.clone(), folder))),
            (Some(_), _) => Err(DataFusionError::Internal("tiles have one input".into())),
            (None, _) => self.0.try_decode(bytes, inputs, context, converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        match node.downcast_ref::<MakeTiles>() {
            Some(tiles) => encoded(&tiles.folder, bytes),
            None => self.0.try_encode(node, bytes, converter),
        }
    }
}

/// Carries our tables in logical plans.
#[derive(Debug, Default)]
pub struct LogicalCodec(BallistaLogicalExtensionCodec);

impl LogicalExtensionCodec for LogicalCodec {
    fn try_decode(&self, bytes: &[u8], inputs: &[LogicalPlan], context: &TaskContext) -> Result<Extension> {
        self.0.try_decode(bytes, inputs, context)
    }

    fn try_encode(&self, node: &Extension, bytes: &mut Vec<u8>) -> Result<()> {
        self.0.try_encode(node, bytes)
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        table: &TableReference,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        match decoded::<Tiles>(bytes)? {
            Some(tiles) => Ok(Arc::new(tiles)),
            None => self.0.try_decode_table_provider(bytes, table, schema, context),
        }
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        node: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        match (node.as_ref() as &dyn Any).downcast_ref::<Tiles>() {
            Some(tiles) => encoded(tiles, bytes),
            None => self.0.try_encode_table_provider(table, node, bytes),
        }
    }
}
