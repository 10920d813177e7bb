//! Tables as DataFusion reads them. Parquet goes through its own reader, with NaN as missing on top; text through ours,
//! which streams.

use super::place;
use crate::table::{common_schema, conform, csv::Csv, parquet};
use crate::{Error, Result};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions::core::nullif;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
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
        let options = Arc::new(state.config_options().clone());
        let expressions = schema.fields().iter().enumerate().map(|(at, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
            let expr = missing_for_nan(column, field.data_type(), &schema, &options)?;
            Ok(ProjectionExpr { expr, alias: field.name().clone() })
        });
        let expressions = expressions.collect::<DataFusionResult<Vec<_>>>()?;
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

/// `nullif(column, NaN)`; NaN is equal to NaN there.
fn missing_for_nan(
    column: Arc<dyn PhysicalExpr>,
    ty: &DataType,
    schema: &Schema,
    options: &Arc<ConfigOptions>,
) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
    let nan = match ty {
        DataType::Float64 => ScalarValue::Float64(Some(f64::NAN)),
        DataType::Float32 => ScalarValue::Float32(Some(f32::NAN)),
        _ => return Ok(column),
    };
    let arguments = vec![column, Arc::new(Literal::new(nan)) as Arc<dyn PhysicalExpr>];
    Ok(Arc::new(ScalarFunctionExpr::try_new(nullif(), arguments, schema, options.clone())?))
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
