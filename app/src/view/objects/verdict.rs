//! Verdicts on objects, kept as a column of their table.

use super::Column;
use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::collections::HashMap;
use std::sync::Arc;
use voxelry_core::measure::Table;

/// The column of verdicts.
pub const VERDICT: &str = "verdict";

/// Verdict on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    None,
    /// It is one.
    Accepted,
    /// It is none.
    Rejected,
}

impl Verdict {
    fn number(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Accepted => 1,
            Self::Rejected => -1,
        }
    }

    /// Verdicts that a table has.
    pub(super) fn of(table: &Table) -> Vec<Self> {
        let Some(column) = Column::of(table, VERDICT).filter(Column::is_whole) else { return Vec::new() };
        let verdict = |row| match column.number(row) {
            v if v > 0.0 => Self::Accepted,
            v if v < 0.0 => Self::Rejected,
            _ => Self::None,
        };
        (0..table.rows() as u32).map(verdict).collect()
    }

    /// A table with verdicts as its last column, in place of those that it had.
    pub(super) fn put(table: &Table, verdicts: &[Self]) -> Table {
        let schema = table.batch.schema();
        let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
        for (field, array) in schema.fields().iter().zip(table.batch.columns()) {
            if field.name() != VERDICT {
                fields.push(field.as_ref().clone());
                arrays.push(array.clone());
            }
        }
        let about = [("unit", ""), ("description", "1: accepted, −1: rejected, 0: not decided.")];
        let about: HashMap<String, String> =
            about.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        fields.push(Field::new(VERDICT, DataType::Int64, false).with_metadata(about));
        arrays.push(Arc::new(Int64Array::from_iter_values(verdicts.iter().map(|v| v.number()))));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        Table { name: table.name.clone(), batch: batch.expect("columns of one length and their own types") }
    }
}
