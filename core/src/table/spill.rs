//! A table that is put together from parts in temporary files, and read from there.

use crate::error::PathContext;
use crate::table::Table;
use crate::{Error, Result};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, Int64Array, PrimitiveArray,
};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a table without its name and schema.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Packed {
    rows: usize,
    columns: Vec<Vec<u8>>,
}

impl Packed {
    /// The rows of a table whose columns are numbers and flags.
    pub fn of(table: &Table) -> Self {
        Self { rows: table.rows(), columns: table.batch.columns().iter().map(pack).collect() }
    }
}

/// The rows that there are so far, a file for each column. The files have no names, and go with it.
#[derive(Debug)]
pub struct Spill {
    name: String,
    schema: SchemaRef,
    folder: PathBuf,
    files: Vec<BufWriter<File>>,
    rows: usize,
}

impl Spill {
    /// No rows of tables like this one, whose columns are numbers and flags; the files are in a folder.
    ///
    /// # Errors
    /// If they can't be made there.
    pub fn new(like: &Table, folder: &Path) -> Result<Self> {
        let schema = like.batch.schema();
        let file = |_| tempfile::tempfile_in(folder).at(folder).map(BufWriter::new);
        let files = schema.fields().iter().map(file).collect::<Result<_>>()?;
        Ok(Self { name: like.name.clone(), schema, folder: folder.to_owned(), files, rows: 0 })
    }

    /// Adds rows of a table like this one.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn add(&mut self, more: &Packed) -> Result<()> {
        assert_eq!(more.columns.len(), self.files.len(), "parts of one table");
        for (column, file) in more.columns.iter().zip(&mut self.files) {
            file.write_all(column).at(&self.folder)?;
        }
        self.rows += more.rows;
        Ok(())
    }

    /// The order of the rows by whole numbers in these columns, if it is another one than theirs.
    ///
    /// # Errors
    /// If the files can't be read.
    pub fn order(&mut self, by: &[&str]) -> Result<Option<Vec<u32>>> {
        let mut keys: Vec<Int64Array> = Vec::new();
        for name in by {
            let at = self.schema.index_of(name).expect("a column of the table");
            keys.push(numbers(self.mapped(at)?));
        }
        let key = |row: u32| keys.iter().map(move |k: &Int64Array| k.value(row as usize));
        let rows = u32::try_from(self.rows)
            .map_err(|_| Error::Usage(format!("{} rows are more than a table can have", self.rows)))?;
        if (1..rows).all(|row| key(row - 1).le(key(row))) {
            return Ok(None);
        }
        let mut order: Vec<u32> = (0..rows).collect();
        order.sort_unstable_by(|a, b| key(*a).cmp(key(*b)));
        Ok(Some(order))
    }

    /// All rows, in an order.
    ///
    /// # Errors
    /// If the disk is full, or the files can't be read.
    pub fn finish(mut self, order: Option<&[u32]>) -> Result<Table> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        for at in 0..self.files.len() {
            if let Some(order) = order {
                let sorted = self.sorted(at, order)?;
                self.files[at] = sorted;
            }
            let bytes = self.mapped(at)?;
            columns.push(match self.schema.field(at).data_type() {
                DataType::Int64 => Arc::new(numbers::<Int64Type>(bytes)),
                DataType::Boolean => {
                    Arc::new(BooleanArray::from(bytes.iter().map(|b| *b != 0).collect::<Vec<bool>>()))
                }
                _ => Arc::new(numbers::<Float64Type>(bytes)),
            });
        }
        let batch = RecordBatch::try_new(self.schema.clone(), columns).expect("columns of one length");
        Ok(Table { name: self.name, batch })
    }

    /// The rows of a column in another order, in another file.
    fn sorted(&mut self, at: usize, order: &[u32]) -> Result<BufWriter<File>> {
        let size = size(self.schema.field(at).data_type());
        let bytes = self.mapped(at)?;
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.folder).at(&self.folder)?);
        for row in order {
            let from = *row as usize * size;
            file.write_all(&bytes[from..from + size]).at(&self.folder)?;
        }
        Ok(file)
    }

    /// The bytes of a column, which are read from the file as they are needed.
    fn mapped(&mut self, at: usize) -> Result<Bytes> {
        let file = &mut self.files[at];
        file.flush().at(&self.folder)?;
        if self.rows == 0 {
            return Ok(Bytes::new());
        }
        // SAFETY: the file has no name, so that no other program changes it, and this one only adds to its end.
        let map = unsafe { Mmap::map(file.get_ref()) }.at(&self.folder)?;
        Ok(Bytes::from_owner(map))
    }
}

fn numbers<T: ArrowPrimitiveType>(bytes: Bytes) -> PrimitiveArray<T> {
    // No bytes are at no place that numbers could be at.
    let buffer =
        if bytes.is_empty() { Buffer::from_vec(Vec::<T::Native>::new()) } else { Buffer::from(bytes) };
    PrimitiveArray::new(ScalarBuffer::from(buffer), None)
}

fn size(of: &DataType) -> usize {
    if *of == DataType::Boolean { 1 } else { 8 }
}

fn pack(column: &ArrayRef) -> Vec<u8> {
    let any = column.as_any();
    if let Some(a) = any.downcast_ref::<Int64Array>() {
        return bytemuck::cast_slice(a.values()).to_vec();
    }
    if let Some(a) = any.downcast_ref::<BooleanArray>() {
        return a.values().iter().map(u8::from).collect();
    }
    let a = any.downcast_ref::<Float64Array>().expect("columns of objects are numbers and flags");
    bytemuck::cast_slice(a.values()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::builder::{Builder, Values};

    fn table(labels: &[i64]) -> Table {
        let mut b = Builder::default();
        b.column("label", "", "Which.", Values::Int(labels.to_vec()))
            .column("volume", "µm³", "Size.", Values::Real(labels.iter().map(|l| *l as f64 / 3.0).collect()))
            .column("cut", "", "", Values::Flag(labels.iter().map(|l| l % 3 == 0).collect()));
        b.finish("objects")
    }

    #[test]
    fn parts_are_put_together_in_the_order_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let parts: [&[i64]; 4] = [&[3, 9, 12], &[], &[1, 2, 40], &[4]];
        let mut spill = Spill::new(&table(&[]), folder.path()).unwrap();
        parts.iter().for_each(|part| spill.add(&Packed::of(&table(part))).unwrap());
        let order = spill.order(&["label"]).unwrap().unwrap();
        assert_eq!(spill.finish(Some(&order)).unwrap(), table(&[1, 2, 3, 4, 9, 12, 40]));
        let mut spill = Spill::new(&table(&[]), folder.path()).unwrap();
        [[1, 2], [5, 6]].iter().for_each(|part| spill.add(&Packed::of(&table(part))).unwrap());
        assert_eq!(spill.order(&["label"]).unwrap(), None);
        assert_eq!(spill.finish(None).unwrap(), table(&[1, 2, 5, 6]));
        let mut none = Spill::new(&table(&[]), folder.path()).unwrap();
        assert_eq!(none.order(&["label"]).unwrap(), None);
        assert_eq!(none.finish(None).unwrap(), table(&[]));
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        assert!(Spill::new(&table(&[]), Path::new("/nowhere")).is_err());
    }
}
