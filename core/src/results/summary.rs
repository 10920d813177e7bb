//! The figures of a table at a glance.

use crate::table::Table;
use arrow::array::{AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde::Serialize;

/// A numeric column at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Name.
    pub column: String,
    /// Unit, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Number of values that are numbers.
    pub count: usize,
    /// Sum.
    pub sum: f64,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; none for fewer than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// Least.
    pub min: f64,
    /// 5th percentile (linear between order statistics).
    pub p05: f64,
    /// 25th percentile.
    pub p25: f64,
    /// Median.
    pub median: f64,
    /// 75th percentile.
    pub p75: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Greatest.
    pub max: f64,
}

/// Summarises every numeric column of a table; columns without a number are left out, and so are
/// labels, which are names.
pub fn summarise(table: &Table) -> Vec<ColumnSummary> {
    let schema = table.batch.schema();
    let mut summaries = Vec::new();
    for (field, column) in schema.fields().iter().zip(table.batch.columns()) {
        if !field.data_type().is_numeric() || field.name().starts_with("label") {
            continue;
        }
        let Ok(column) = cast(column, &DataType::Float64) else { continue };
        let column: &Float64Array = column.as_primitive::<Float64Type>();
        let mut values: Vec<f64> = column.iter().flatten().filter(|v| !v.is_nan()).collect();
        if values.is_empty() {
            continue;
        }
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let sum: f64 = values.iter().sum();
        let mean = sum / count as f64;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let at = |q: f64| {
            let position = q * (count - 1) as f64;
            let low = position.floor() as usize;
            let high = (low + 1).min(count - 1);
            values[low] + (values[high] - values[low]) * (position - low as f64)
        };
        summaries.push(ColumnSummary {
            column: field.name().clone(),
            unit: field.metadata().get("unit").filter(|u| !u.is_empty()).cloned(),
            count,
            sum,
            mean,
            sd: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
            min: values[0],
            p05: at(0.05),
            p25: at(0.25),
            median: at(0.5),
            p75: at(0.75),
            p95: at(0.95),
            max: values[count - 1],
        });
    }
    summaries
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringArray, UInt32Array};
    use arrow::record_batch::RecordBatch;
    use std::sync::Arc;

    #[test]
    fn percentiles_are_those_of_numpy() {
        let values =
            Float64Array::from(vec![Some(4.0), Some(1.0), None, Some(f64::NAN), Some(3.0), Some(2.0)]);
        let batch = RecordBatch::try_from_iter([
            ("label", Arc::new(UInt32Array::from(vec![1, 2, 3, 4, 5, 6])) as _),
            ("volume", Arc::new(values) as _),
            ("name", Arc::new(StringArray::from(vec!["a"; 6])) as _),
        ])
        .unwrap();
        let summary = summarise(&Table { name: "objects".into(), batch });
        assert_eq!(summary.len(), 1);
        let s = &summary[0];
        assert_eq!((s.count, s.sum, s.mean, s.min, s.median, s.max), (4, 10.0, 2.5, 1.0, 2.5, 4.0));
        // numpy.percentile([1, 2, 3, 4], [5, 25, 75, 95]) of NumPy 2.
        assert!((s.p05 - 1.15).abs() < 1e-12 && (s.p25 - 1.75).abs() < 1e-12);
        assert!((s.p75 - 3.25).abs() < 1e-12 && (s.p95 - 3.85).abs() < 1e-12);
    }
}
