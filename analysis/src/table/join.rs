//! Rows of one table beside those of another that have the same name in a column.

use super::texts;
use crate::error::suggestion;
use crate::{Error, Result};
use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// Every row of `left` with the columns of the row of `right` that has the same value in the column `on`; missing where
/// there is none. Columns that both have are those of `left`. Returns how many rows have found nothing, too.
///
/// # Errors
/// If one of them has no such column, or two rows of `right` have the same value.
pub fn join(left: &RecordBatch, right: &RecordBatch, on: &str) -> Result<(RecordBatch, usize)> {
    let key = |table: &RecordBatch, side: &str| {
        table.column_by_name(on).map(|c| texts(c.as_ref())).ok_or_else(|| {
            let schema = table.schema();
            let hint = suggestion(on, schema.fields().iter().map(|f| f.name().as_str()));
            Error::Usage(format!("the {side} table has no column \"{on}\" to join on{hint}"))
        })
    };
    let (left_keys, right_keys) = (key(left, "first")?, key(right, "second")?);
    let mut rows: HashMap<&str, u64> = HashMap::with_capacity(right_keys.len());
    for (row, name) in right_keys.iter().enumerate() {
        let Some(name) = name else { continue };
        if let Some(before) = rows.insert(name, row as u64) {
            let (a, b) = (before + 1, row + 1);
            return Err(Error::Data(format!(
                "rows {a} and {b} of the second table both have {on} = \"{name}\""
            )));
        }
    }
    let found: UInt64Array = left_keys.iter().map(|name| rows.get(name.as_deref()?).copied()).collect();
    let lost = arrow::array::Array::null_count(&found);
    let mut fields: Vec<Arc<Field>> = left.schema().fields().iter().cloned().collect();
    let mut columns: Vec<ArrayRef> = left.columns().to_vec();
    for (field, column) in right.schema().fields().iter().zip(right.columns()) {
        if left.column_by_name(field.name()).is_none() {
            fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
            columns.push(take(column, &found, None).map_err(|e| Error::Data(e.to_string()))?);
        }
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|e| Error::Data(e.to_string()))?;
    Ok((batch, lost))
}
