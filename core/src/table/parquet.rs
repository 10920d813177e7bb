//! Tables as Parquet files. Units and descriptions are field metadata (keys `unit` and
//! `description`), which Arrow readers hand on. The same table gives the same bytes.

use crate::table::Table;
use crate::{Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Rows that are packed together.
const ROWS: usize = 1 << 17;

/// Writes a table.
///
/// # Errors
/// What the writer says.
pub fn write(table: &Table, to: impl Write + Send) -> std::io::Result<()> {
    let level = ZstdLevel::try_new(3).expect("3 is a level of zstd");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by("voxelry".into())
        // What of a group is packed waits in memory for the rest of it.
        .set_max_row_group_row_count(Some(ROWS))
        .build();
    let mut writer =
        ArrowWriter::try_new(to, table.batch.schema(), Some(properties)).map_err(std::io::Error::other)?;
    writer.write(&table.batch).map_err(std::io::Error::other)?;
    writer.close().map_err(std::io::Error::other)?;
    Ok(())
}

/// Reads a table.
///
/// # Errors
/// If the file can't be read or is no Parquet file.
pub fn read(path: &Path, name: &str) -> Result<Table> {
    let wrong = |e: &dyn std::fmt::Display| Error::file(path, format!("not a Parquet table: {e}"));
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(&e))?;
    let schema = builder.schema().clone();
    let reader = builder.build().map_err(|e| wrong(&e))?;
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(|e| wrong(&e))?;
    let batch = arrow::compute::concat_batches(&schema, &batches).map_err(|e| wrong(&e))?;
    Ok(Table { name: name.to_owned(), batch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::builder::{Builder, Values, concat};

    #[test]
    fn units_survive_and_bytes_are_the_same() {
        let make = |n: i64| {
            let mut b = Builder::default();
            b.column("label", "", "", Values::Int((0..n).collect())).column(
                "volume",
                "µm³",
                "Size.",
                Values::Real((0..n).map(|v| v as f64 / 3.0).collect()),
            );
            b.finish("objects")
        };
        let table = concat(&[("a".into(), &make(3)), ("b".into(), &make(2))]).unwrap();
        assert_eq!(table.rows(), 5);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write(&table, File::create(&path).unwrap()).unwrap();
        let back = read(&path, "objects").unwrap();
        assert_eq!(back.batch.columns(), table.batch.columns());
        assert_eq!(back.unit("volume"), "µm³");
        let mut again = Vec::new();
        write(&table, &mut again).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), again);
        let mut b = Builder::default();
        b.column("volume", "mm³", "", Values::Real(vec![1.0]));
        assert!(concat(&[("a".into(), &make(1)), ("b".into(), &b.finish("objects"))]).is_err());
    }
}
