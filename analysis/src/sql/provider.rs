//! Tables as DataFusion reads them. Parquet goes through its own reader, with NaN as missing on top; text through ours,
//! which streams.

use super::place;
use crate::table::{common_schema, conform, csv::Csv, parquet};
use crate::{Error, Result};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{ColumnarValue, Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

/// Parquet files as one table.
///
/// # Errors
/// If one can't be read, or they don't fit together.
pub fn parquet(files: &[PathBuf]) -> Result<Arc<dyn TableProvider>> {
    let schemas = files.iter().map(|f| Ok(parquet::schema(f)?.0)).collect::<Result<Vec<_>>>()?;
    let schema = common_schema(&schemas, files)?;
    let format = Arc::new(ParquetFormat::default().with_enable_pruning(true));
    let options = ListingOptions::new(format).with_file_extension("");
    let address = |file: &PathBuf| {
        let absolute = std::path::absolute(file).map_err(|e| Error::io(file, e))?;
        let url = url::Url::from_file_path(&absolute)
            .map_err(|()| Error::file(file, "can't be named as an address"))?;
        ListingTableUrl::try_new(url, None).map_err(|e| place::sentence(&e, ""))
    };
    let urls = files.iter().map(address).collect::<Result<Vec<_>>>()?;
    let config =
        ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    let inner = ListingTable::try_new(config).map_err(|e| place::sentence(&e, ""))?;
    Ok(Arc::new(Parquet { inner }))
}

/// Parquet files in which NaN is missing.
#[derive(Debug)]
struct Parquet {
    inner: ListingTable,
}

#[async_trait]
impl TableProvider for Parquet {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let plan = self.inner.scan(state, projection, filters, limit).await?;
        let schema = plan.schema();
        if !schema.fields().iter().any(|f| f.data_type().is_floating()) {
            return Ok(plan);
        }
        let expressions = schema.fields().iter().enumerate().map(|(at, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
            let expr =
                if field.data_type().is_floating() { Arc::new(MissingForNan { column }) } else { column };
            ProjectionExpr { expr, alias: field.name().clone() }
        });
        let expressions: Vec<ProjectionExpr> = expressions.collect();
        Ok(Arc::new(ProjectionExec::try_new(expressions, plan)?))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // Groups of rows whose ranges rule them out are not read; each row is still looked at.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// A column of numbers in which NaN is missing. Its field is that of the column, with its unit.
#[derive(Debug, Clone, Eq)]
struct MissingForNan {
    column: Arc<dyn PhysicalExpr>,
}

impl PartialEq for MissingForNan {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column)
    }
}

impl Hash for MissingForNan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
    }
}

impl fmt::Display for MissingForNan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} but NaN", self.column)
    }
}

impl PhysicalExpr for MissingForNan {
    fn data_type(&self, schema: &Schema) -> DataFusionResult<DataType> {
        self.column.data_type(schema)
    }

    fn nullable(&self, _: &Schema) -> DataFusionResult<bool> {
        Ok(true)
    }

    fn return_field(&self, schema: &Schema) -> DataFusionResult<FieldRef> {
        let field = self.column.return_field(schema)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        let array = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(parquet::missing_for_nan(&array)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { column: children.swap_remove(0) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text files as one table.
///
/// # Errors
/// If they don't fit together.
pub fn text(files: Vec<Csv>, paths: &[PathBuf]) -> Result<Arc<dyn TableProvider>> {
    let schemas: Vec<SchemaRef> = files.iter().map(|f| f.projected(None)).collect();
    let schema = common_schema(&schemas, paths)?;
    let part = |(csv, path): (Csv, &PathBuf)| -> Arc<dyn PartitionStream> {
        Arc::new(Text { csv: Arc::new(csv), path: path.clone(), schema: schema.clone() })
    };
    let parts = files.into_iter().zip(paths).map(part).collect();
    let table = StreamingTable::try_new(schema.clone(), parts).map_err(|e| place::sentence(&e, ""))?;
    Ok(Arc::new(table))
}

/// A text file whose rows are streamed.
#[derive(Debug)]
struct Text {
    csv: Arc<Csv>,
    path: PathBuf,
    schema: SchemaRef,
}

impl PartitionStream for Text {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let external = |e: Error| DataFusionError::External(Box::new(e));
        let (path, schema) = (self.path.clone(), self.schema.clone());
        let rows = match self.csv.batches(None) {
            Ok(batches) => {
                let conformed =
                    batches.map(move |b| b.and_then(|b| conform(&b, &schema, &path)).map_err(external));
                Box::new(conformed) as Box<dyn Iterator<Item = _> + Send>
            }
            Err(error) => Box::new(std::iter::once(Err(external(error)))),
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(rows)))
    }
}
