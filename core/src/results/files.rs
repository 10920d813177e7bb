//! Tables and meshes as files, by the endings of their names.

use crate::error::PathContext;
use crate::io::atomic::AtomicFile;
use crate::table::{Table, csv, parquet};
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

    /// Whether a table of this name can have a row of units.
    ///
    /// # Errors
    /// If it doesn't end in `.csv`.
    pub fn check_units_row(path: &Path) -> Result<()> {
        if path.extension().is_some_and(|e| e == "csv") {
            return Ok(());
        }
        let reason = "only a .csv has a row of units; a .parquet has them with its columns";
        Err(Error::Usage(format!("{}: {reason}", path.display())))
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

    /// Writes the table as [`Table::write`] does, and beside a `.csv` the units: `NAME.units.csv`. With a
    /// `units_row`, the second line of the `.csv` has them, too.
    ///
    /// # Errors
    /// If the ending is another, a file can't be written, or a units row is asked for in a `.parquet`,
    /// whose columns have their units anyway.
    pub fn write_with_units(&self, path: &Path, units_row: bool) -> Result<()> {
        Self::check_name(path)?;
        if units_row {
            Self::check_units_row(path)?;
        }
        if path.extension().is_none_or(|e| e != "csv") {
            return self.write(path);
        }
        saved(path, |to| if units_row { csv::write_with_units_row(self, to) } else { csv::write(self, to) })?;
        self.write_units(&path.with_extension("units.csv"))
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
