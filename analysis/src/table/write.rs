//! Tables as files. A file appears under its name when it is whole.

use crate::{Error, Result};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::NamedTempFile;

/// Rows of a group in Parquet.
const GROUP: usize = 1 << 17;

/// Files and folders that are only for the time of the work, and must go with it.
static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Notes a file or folder that [`abandon`] removes.
pub fn temporary(path: &Path) {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// Forgets a file or folder that [`temporary`] noted.
pub fn permanent(path: &Path) {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).retain(|p| p != path);
}

/// Removes what is half-written, where a program ends in the middle of its work.
pub fn abandon() {
    for path in TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // What can't be removed now is no worse than what a cut of power leaves.
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

/// A file that is being written beside its place.
pub struct Pending {
    path: PathBuf,
    file: NamedTempFile,
}

impl Pending {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// If nothing can be written in that folder.
    pub fn new(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".part");
        // As files are made that nobody means to hide.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|e| Error::io(path, e))?;
        temporary(file.path());
        Ok(Self { path: path.to_owned(), file })
    }

    /// The file, to be written.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Puts the file in its place, over what may be there.
    ///
    /// # Errors
    /// If it can't be moved.
    pub fn commit(self) -> Result<()> {
        permanent(self.file.path());
        self.file.persist(&self.path).map_err(|e| Error::io(&self.path, e.error))?;
        Ok(())
    }
}

/// Properties of all Parquet files: the same rows give the same bytes.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level of zstd")))
        .set_created_by("voxelry".into())
        .set_max_row_group_row_count(Some(GROUP))
        .build()
}

/// Rows that come batch by batch, as a file in the form that its name says: `.csv`, `.parquet` or `.json` (an array of
/// objects).
pub struct Writer {
    pending: Pending,
    form: Form,
}

enum Form {
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
    Csv(BufWriter<File>),
    Json(BufWriter<File>, u64),
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// If its name ends otherwise, or it can't be written.
    pub fn new(path: &Path, schema: &SchemaRef) -> Result<Self> {
        check_name(path)?;
        let pending = Pending::new(path)?;
        let io = |e| Error::io(path, e);
        let mut to = BufWriter::with_capacity(1 << 18, pending.file().try_clone().map_err(io)?);
        let form = match ending(path).as_deref() {
            Some("parquet") => {
                let writer = ArrowWriter::try_new(to, schema.clone(), Some(properties()));
                Form::Parquet(Box::new(writer.map_err(|e| Error::file(path, e.to_string()))?))
            }
            Some("json") => {
                to.write_all(b"[").map_err(io)?;
                Form::Json(to, 0)
            }
            _ => {
                csv_header(schema, &mut to).map_err(io)?;
                Form::Csv(to)
            }
        };
        Ok(Self { pending, form })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let path = &self.pending.path;
        match &mut self.form {
            Form::Parquet(writer) => {
                writer.write(batch).map_err(|e| Error::io(path, std::io::Error::other(e)))
            }
            Form::Csv(to) => csv_rows(batch, to).map_err(|e| Error::io(path, e)),
            Form::Json(to, rows) => {
                let n = json_rows(batch, to, *rows).map_err(|e| Error::io(path, e))?;
                *rows += n;
                Ok(())
            }
        }
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn finish(self) -> Result<()> {
        let path = self.pending.path.clone();
        let io = |e| Error::io(&path, e);
        match self.form {
            Form::Parquet(writer) => {
                let mut to = writer.into_inner().map_err(|e| io(std::io::Error::other(e)))?;
                to.flush().map_err(io)?;
            }
            Form::Csv(mut to) => to.flush().map_err(io)?,
            Form::Json(mut to, rows) => {
                to.write_all(if rows > 0 { b"\n]\n" } else { b"]\n" }).map_err(io)?;
                to.flush().map_err(io)?;
            }
        }
        self.pending.commit()
    }
}

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Holds a file's name to the forms that there are.
///
/// # Errors
/// If it ends otherwise.
pub fn check_name(path: &Path) -> Result<()> {
    match ending(path).as_deref() {
        Some("csv" | "parquet" | "json") => Ok(()),
        _ => Err(Error::Usage(format!("{}: a table is written as .csv, .parquet or .json", path.display()))),
    }
}

/// Writes a table as its name says.
///
/// # Errors
/// As [`Writer`].
pub fn write(path: &Path, batch: &RecordBatch) -> Result<()> {
    let mut writer = Writer::new(path, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()
}

/// Writes a text, whole or not at all.
///
/// # Errors
/// If the file can't be written.
pub fn text(path: &Path, text: &str) -> Result<()> {
    let pending = Pending::new(path)?;
    pending.file().write_all(text.as_bytes()).map_err(|e| Error::io(path, e))?;
    pending.commit()
}

/// The names of the columns as a line of CSV.
///
/// # Errors
/// Those of the writer.
pub fn csv_header(schema: &SchemaRef, to: &mut impl Write) -> std::io::Result<()> {
    let names: Vec<String> = schema.fields().iter().map(|f| quoted(f.name())).collect();
    write!(to, "{}\r\n", names.join(","))
}

/// Rows as lines of CSV: numbers with the fewest digits that read back the same, missing values as empty fields.
///
/// # Errors
/// Those of the writer.
pub fn csv_rows(batch: &RecordBatch, to: &mut impl Write) -> std::io::Result<()> {
    let columns =
        batch.columns().iter().map(|c| Cells::new(c.as_ref())).collect::<std::io::Result<Vec<_>>>()?;
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        for (number, column) in columns.iter().enumerate() {
            if number > 0 {
                line.push(',');
            }
            column.push_csv(row, &mut line);
        }
        line.push_str("\r\n");
        to.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Rows as JSON objects, below `before` others; returns how many they are.
///
/// # Errors
/// Those of the writer.
pub fn json_rows(batch: &RecordBatch, to: &mut impl Write, before: u64) -> std::io::Result<u64> {
    let schema = batch.schema();
    let names: Vec<String> = schema.fields().iter().map(|f| json_text(f.name())).collect();
    let columns =
        batch.columns().iter().map(|c| Cells::new(c.as_ref())).collect::<std::io::Result<Vec<_>>>()?;
    let mut line = String::new();
    for row in 0..batch.num_rows() {
        line.clear();
        line.push_str(if before == 0 && row == 0 { "\n{" } else { ",\n{" });
        for (number, (name, column)) in names.iter().zip(&columns).enumerate() {
            if number > 0 {
                line.push(',');
            }
            line.push_str(name);
            line.push(':');
            column.push_json(row, &mut line);
        }
        line.push('}');
        to.write_all(line.as_bytes())?;
    }
    Ok(batch.num_rows() as u64)
}

/// A column whose values are written as text.
pub struct Cells {
    valid: Option<arrow::buffer::NullBuffer>,
    values: CellValues,
}

enum CellValues {
    Real(arrow::array::Float64Array),
    Bare(arrow::array::StringArray),
    Text(arrow::array::StringArray),
}

impl Cells {
    /// Prepares a column of any type that can be written as text.
    ///
    /// # Errors
    /// If its type can't, such as a struct.
    pub fn new(column: &dyn Array) -> std::io::Result<Self> {
        let to = |ty: &DataType| cast(column, ty).map_err(std::io::Error::other);
        let ty = column.data_type();
        let values = match ty {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                // The shortest text of an f32 is that of its own, not of the f64 that it equals.
                if *ty == DataType::Float64 {
                    CellValues::Real(to(&DataType::Float64)?.as_primitive::<Float64Type>().clone())
                } else {
                    CellValues::Bare(to(&DataType::Utf8)?.as_string::<i32>().clone())
                }
            }
            ty if ty.is_numeric() || *ty == DataType::Boolean => {
                CellValues::Bare(to(&DataType::Utf8)?.as_string::<i32>().clone())
            }
            ty if ty.is_nested() => {
                let options = arrow::util::display::FormatOptions::default();
                let show = arrow::util::display::ArrayFormatter::try_new(column, &options);
                let show = show.map_err(std::io::Error::other)?;
                CellValues::Text((0..column.len()).map(|row| Some(show.value(row).to_string())).collect())
            }
            _ => CellValues::Text(to(&DataType::Utf8)?.as_string::<i32>().clone()),
        };
        Ok(Self { valid: column.logical_nulls(), values })
    }

    fn is_missing(&self, row: usize) -> bool {
        self.valid.as_ref().is_some_and(|v| v.is_null(row))
    }

    fn push_csv(&self, row: usize, line: &mut String) {
        use std::fmt::Write as _;
        if self.is_missing(row) {
            return;
        }
        match &self.values {
            CellValues::Real(a) if a.value(row).is_nan() => {}
            // Writing to a string cannot fail.
            CellValues::Real(a) => drop(write!(line, "{:?}", a.value(row))),
            CellValues::Bare(a) => line.push_str(a.value(row)),
            CellValues::Text(a) => line.push_str(&quoted(a.value(row))),
        }
    }

    fn push_json(&self, row: usize, line: &mut String) {
        use std::fmt::Write as _;
        if self.is_missing(row) {
            line.push_str("null");
            return;
        }
        match &self.values {
            CellValues::Real(a) if !a.value(row).is_finite() => line.push_str("null"),
            CellValues::Real(a) => drop(write!(line, "{:?}", a.value(row))),
            CellValues::Bare(a) if a.value(row).contains(['N', 'i']) => line.push_str("null"),
            CellValues::Bare(a) => line.push_str(a.value(row)),
            CellValues::Text(a) => line.push_str(&json_text(a.value(row))),
        }
    }

    /// A value for people: six digits that matter.
    pub fn shown(&self, row: usize) -> String {
        if self.is_missing(row) {
            return String::new();
        }
        match &self.values {
            CellValues::Real(a) => shown(a.value(row)),
            CellValues::Bare(a) | CellValues::Text(a) => a.value(row).to_owned(),
        }
    }

    /// Returns whether the values stand at the right of their columns.
    pub fn is_number(&self) -> bool {
        !matches!(self.values, CellValues::Text(_))
    }
}

/// A number for people, with six digits that matter.
pub fn shown(v: f64) -> String {
    if v.is_nan() {
        return String::new();
    }
    if v == 0.0 || v.is_infinite() {
        return v.to_string();
    }
    let digits = 5 - v.abs().log10().floor() as i32;
    if !(0..=10).contains(&digits) {
        return if (-10..0).contains(&digits) { format!("{v:.0}") } else { format!("{v:.5e}") };
    }
    let text = format!("{v:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
