//! Tables and meshes as files, by the endings of their names.

use crate::error::PathContext;
use crate::io::atomic::AtomicFile;
use crate::measure::{Table, csv, parquet};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

impl Table {
    /// Whether a table can have this name.
    ///
    /// # Errors
    /// If it ends neither in `.csv` nor in `.parquet`.
    pub fn check_name(path: &Path) -> Result<()> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv" | "parquet") => Ok(()),
            _ => Err(Error::file(path, "a table is written as .csv or .parquet")),
        }
    }

    /// Writes the table as the path's ending says, `.csv` or `.parquet`.
    ///
    /// # Errors
    /// If the ending is another or the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        Self::check_name(path)?;
        saved(path, |to| match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => csv::write(self, to),
            _ => parquet::write(self, to),
        })
    }

    /// Writes what the columns are beside a table: name, unit and description of each, as CSV.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_units(&self, path: &Path) -> Result<()> {
        saved(path, |to| csv::write_units(self, to))
    }
}

fn saved(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> std::io::Result<()>) -> Result<()> {
    let file = AtomicFile::create(path)?;
    let mut buffered = BufWriter::new(file.file());
    write(&mut buffered).at(path)?;
    buffered.flush().at(path)?;
    drop(buffered);
    file.commit()
}
