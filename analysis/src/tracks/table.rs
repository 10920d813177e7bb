//! Columns with their units and meanings, put together to a table.

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use std::collections::HashMap;
use std::sync::Arc;

/// Collects columns.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Builder {
    pub(crate) fn int(&mut self, name: &str, doc: &str, values: impl IntoIterator<Item = i64>) -> &mut Self {
        self.add(name, "", doc, Arc::new(Int64Array::from_iter_values(values)))
    }

    pub(crate) fn real(
        &mut self,
        name: &str,
        unit: &str,
        doc: &str,
        values: impl IntoIterator<Item = f64>,
    ) -> &mut Self {
        self.add(name, unit, doc, Arc::new(Float64Array::from_iter_values(values)))
    }

    pub(crate) fn text<T: AsRef<str>>(
        &mut self,
        name: &str,
        doc: &str,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.add(name, "", doc, Arc::new(StringArray::from_iter_values(values)))
    }

    fn add(&mut self, name: &str, unit: &str, doc: &str, array: ArrayRef) -> &mut Self {
        let about = [("unit".to_owned(), unit.to_owned()), ("description".to_owned(), doc.to_owned())];
        let field = Field::new(name, array.data_type().clone(), false).with_metadata(HashMap::from(about));
        self.fields.push(field);
        self.arrays.push(array);
        self
    }

    /// The table.
    pub(crate) fn finish(&mut self) -> RecordBatch {
        let schema = Arc::new(Schema::new(std::mem::take(&mut self.fields)));
        RecordBatch::try_new(schema, std::mem::take(&mut self.arrays)).expect("columns of one length")
    }
}
