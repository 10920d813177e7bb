//! Tables as files.

use crate::error::PathContext;
use crate::measure::Table;
use crate::{Error, Result};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fs::File;
use std::path::Path;

impl Table {
    /// Writes the table as the path's ending says, `.csv` or `.parquet`.
    ///
    /// # Errors
    /// If the ending is another or the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => self.write_csv(path),
            Some("parquet") => self.write_parquet(path),
            _ => Err(Error::file(path, "a table is written as .csv or .parquet")),
        }
    }

    /// Writes CSV (RFC 4180).
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let wrong = |e: arrow::error::ArrowError| Error::file(path, e.to_string());
        let options = FormatOptions::default();
        let schema = self.batch.schema();
        let columns = self
            .batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c, &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(wrong)?;
        let mut text = schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(",") + "\n";
        for row in 0..self.batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            text += &cells.join(",");
            text.push('\n');
        }
        crate::io::atomic::write(path, text.as_bytes())
    }

    /// Writes Parquet.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let wrong = |e: parquet::errors::ParquetError| Error::file(path, e.to_string());
        let file = File::create(path).at(path)?;
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(file, self.batch.schema(), None).map_err(wrong)?;
        writer.write(&self.batch).map_err(wrong)?;
        writer.close().map_err(wrong)?;
        Ok(())
    }
}
