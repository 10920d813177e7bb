//! Building tables: columns with units and descriptions, rows of several samples one below the other.

use crate::table::Table;
use crate::{Error, Result};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::collections::HashMap;
use std::sync::Arc;

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Whole numbers.
    Int(Vec<i64>),
    /// Numbers.
    Real(Vec<f64>),
    /// Yes or no.
    Flag(Vec<bool>),
    /// Words.
    Text(Vec<String>),
}

/// Collects the columns of a table.
#[derive(Debug, Default)]
pub struct Builder {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Builder {
    /// Adds a column.
    pub fn column(
        &mut self,
        name: impl Into<String>,
        unit: &str,
        description: &str,
        values: Values,
    ) -> &mut Self {
        let (ty, array): (DataType, ArrayRef) = match values {
            Values::Int(v) => (DataType::Int64, Arc::new(Int64Array::from(v))),
            Values::Real(v) => (DataType::Float64, Arc::new(Float64Array::from(v))),
            Values::Flag(v) => (DataType::Boolean, Arc::new(BooleanArray::from(v))),
            Values::Text(v) => (DataType::Utf8, Arc::new(StringArray::from(v))),
        };
        let metadata = HashMap::from([
            ("unit".to_owned(), unit.to_owned()),
            ("description".to_owned(), description.to_owned()),
        ]);
        self.fields.push(Field::new(name, ty, false).with_metadata(metadata));
        self.arrays.push(array);
        self
    }

    /// The table.
    ///
    /// # Panics
    /// If the columns differ in length, which is a defect in the caller.
    pub fn finish(self, name: &str) -> Table {
        let schema = Arc::new(Schema::new(self.fields));
        let batch =
            RecordBatch::try_new(schema, self.arrays).expect("columns of one length and their own types");
        Table { name: name.to_owned(), batch }
    }
}

impl Table {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The unit of a column, from its metadata; empty if it has none.
    pub fn unit(&self, column: &str) -> &str {
        let schema = self.batch.schema_ref();
        schema.field_with_name(column).ok().and_then(|f| f.metadata().get("unit")).map_or("", String::as_str)
    }

    /// Names of the columns in order.
    pub fn columns(&self) -> Vec<String> {
        self.batch.schema_ref().fields().iter().map(|f| f.name().clone()).collect()
    }

    /// What a column means, from its metadata; empty if it says nothing.
    pub fn description(&self, column: &str) -> &str {
        let schema = self.batch.schema_ref();
        let field = schema.field_with_name(column).ok();
        field.and_then(|f| f.metadata().get("description")).map_or("", String::as_str)
    }

    /// A cell for people: numbers with six digits that matter.
    pub fn text(&self, column: usize, row: usize) -> String {
        let any = self.batch.column(column).as_any();
        if let Some(a) = any.downcast_ref::<Float64Array>() {
            return number(a.value(row));
        }
        if let Some(a) = any.downcast_ref::<Int64Array>() {
            return a.value(row).to_string();
        }
        if let Some(a) = any.downcast_ref::<BooleanArray>() {
            return if a.value(row) { "yes" } else { "no" }.to_owned();
        }
        any.downcast_ref::<StringArray>().map_or(String::new(), |a| a.value(row).to_owned())
    }

    /// The values of a numeric column as `f64`; flags are 0 and 1. None if there is no such column
    /// or it holds words.
    pub fn numbers(&self, column: &str) -> Option<Vec<f64>> {
        let array = self.batch.column_by_name(column)?;
        let any = array.as_any();
        if let Some(a) = any.downcast_ref::<Float64Array>() {
            return Some(a.values().to_vec());
        }
        if let Some(a) = any.downcast_ref::<Int64Array>() {
            return Some(a.values().iter().map(|v| *v as f64).collect());
        }
        let a = any.downcast_ref::<BooleanArray>()?;
        Some(a.values().iter().map(|v| f64::from(u8::from(v))).collect())
    }
}

/// Six digits that matter, without needless zeros.
fn number(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return if v.is_nan() { String::new() } else { v.to_string() };
    }
    let digits = 5 - v.abs().log10().floor() as i32;
    if !(0..=12).contains(&digits) {
        return if digits < 0 { format!("{v:.0}") } else { format!("{v:.4e}") };
    }
    let text = format!("{v:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// One table over several samples, with the sample's name in a first column `sample`. Columns that
/// not all samples have are left out.
///
/// # Errors
/// If a column's type or unit differs between samples: their numbers can't stand below each other.
pub fn concat(samples: &[(String, &Table)]) -> Result<Table> {
    let names = |(sample, table): &(String, &Table)| -> Vec<ArrayRef> {
        vec![Arc::new(StringArray::from(vec![sample.as_str(); table.rows()]))]
    };
    let sample = Field::new("sample", DataType::Utf8, false)
        .with_metadata(HashMap::from([("description".to_owned(), "The sample's name.".to_owned())]));
    let tables: Vec<(&str, &Table)> = samples.iter().map(|(name, table)| (&name[..], *table)).collect();
    stack(&tables, &[sample], samples.iter().map(names))
}

/// One table over several frames, with the number of the frame in a first column `time`, and its time in seconds in a
/// column `time_s` if the seconds between frames are known.
///
/// # Errors
/// As [`concat`].
pub fn concat_frames(frames: &[(usize, &Table)], time_step: Option<f64>) -> Result<Table> {
    let mut fields = vec![described("time", DataType::Int64, "", "Frame, from 0.")];
    fields.extend(time_step.map(|_| described("time_s", DataType::Float64, "s", "Time of the frame.")));
    let times = |(frame, table): &(usize, &Table)| {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![*frame as i64; table.rows()]))];
        if let Some(step) = time_step {
            columns.push(Arc::new(Float64Array::from(vec![*frame as f64 * step; table.rows()])));
        }
        columns
    };
    let names: Vec<String> = frames.iter().map(|(frame, _)| format!("frame {frame}")).collect();
    let tables: Vec<(&str, &Table)> = names.iter().map(|n| &n[..]).zip(frames.iter().map(|f| f.1)).collect();
    stack(&tables, &fields, frames.iter().map(times))
}

fn described(name: &str, ty: DataType, unit: &str, doc: &str) -> Field {
    let about = [("unit".to_owned(), unit.to_owned()), ("description".to_owned(), doc.to_owned())];
    Field::new(name, ty, false).with_metadata(HashMap::from(about))
}

/// Tables below each other, each with some columns before its own.
fn stack(
    tables: &[(&str, &Table)],
    leading: &[Field],
    before: impl Iterator<Item = Vec<ArrayRef>>,
) -> Result<Table> {
    let Some((name, first)) = tables.first() else {
        return Err(Error::Usage("no tables to put together".into()));
    };
    let common: Vec<Field> = first
        .batch
        .schema_ref()
        .fields()
        .iter()
        .filter(|f| tables.iter().all(|(_, t)| t.batch.schema_ref().field_with_name(f.name()).is_ok()))
        .map(|f| f.as_ref().clone())
        .collect();
    let fields: Vec<Field> = leading.iter().cloned().chain(common.iter().cloned()).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::with_capacity(tables.len());
    for ((of, table), mut arrays) in tables.iter().zip(before) {
        for field in &common {
            let at = table.batch.schema_ref().index_of(field.name()).expect("common to all");
            let other = table.batch.schema_ref().field(at);
            let (unit, expected) = (table.unit(field.name()), first.unit(field.name()));
            if unit != expected || other.data_type() != field.data_type() {
                return Err(Error::Usage(format!(
                    "column \"{}\" of sample \"{of}\" is in \"{unit}\", that of \"{name}\" in \"{expected}\"",
                    field.name(),
                )));
            }
            arrays.push(table.batch.column(at).clone());
        }
        batches.push(RecordBatch::try_new(schema.clone(), arrays).expect("the same types"));
    }
    let batch = concat_batches(&schema, &batches).expect("one schema");
    Ok(Table { name: first.name.clone(), batch })
}
