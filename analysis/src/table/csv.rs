//! Text tables (RFC 4180, with tabs or semicolons too), read twice: the first pass finds what each column holds and
//! everything that is wrong with the file, the second hands out batches in bounded memory.

use super::fields::{self, ambiguous, comma, date, flag, integer, is_missing, real};
use crate::{Error, Result};
use arrow::array::{ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Values that a batch has at most, over all of its columns.
const VALUES: usize = 1 << 19;

/// Content of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    Integer,
    Real,
    /// Numbers with decimal commas.
    Comma,
    Date,
    Text,
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Flag => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Real | Self::Comma => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Text => DataType::Utf8,
        }
    }
}

/// A column, as the first pass found it.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name in the header.
    pub name: String,
    /// Number of missing values.
    pub missing: u64,
    kind: Kind,
    /// A sentence about values that were taken for something else than they look like.
    note: Option<String>,
}

/// A text table whose columns are known.
#[derive(Debug, Clone)]
pub struct Csv {
    path: PathBuf,
    delimiter: u8,
    columns: Vec<Column>,
    rows: u64,
}

impl Csv {
    /// Looks through a file. Without a `delimiter` the header decides between comma, semicolon and tab.
    ///
    /// # Errors
    /// A file that is no text in UTF-8, a row with more or fewer fields than the header, a name that two columns have,
    /// or numbers whose commas may part decimals or thousands; with the line.
    pub fn scan(path: &Path, delimiter: Option<u8>) -> Result<Self> {
        let delimiter = match delimiter {
            Some(delimiter) => delimiter,
            None => sniff(path)?,
        };
        let mut reader = open(path, delimiter)?;
        let mut record = ByteRecord::new();
        if !next(&mut reader, &mut record, path)? {
            return Err(Error::file(path, "is empty; a table begins with the names of its columns"));
        }
        let names = header(&record, path)?;
        let mut findings: Vec<Finding> = names.iter().map(|_| Finding::default()).collect();
        let mut rows = 0;
        while next(&mut reader, &mut record, path)? {
            rows += 1;
            check_length(&record, names.len(), path)?;
            let line = line(&record);
            for (finding, field) in findings.iter_mut().zip(&record) {
                finding.add(utf8(field).trim(), line);
            }
        }
        let columns = names.into_iter().zip(findings).map(|(name, f)| f.column(name, rows, delimiter, path));
        Ok(Self { path: path.to_owned(), delimiter, columns: columns.collect::<Result<_>>()?, rows })
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows below the header.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The schema of all columns, or of those at `chosen` positions in that order.
    pub fn projected(&self, chosen: Option<&[usize]>) -> SchemaRef {
        let field = |c: &Column| Field::new(&c.name, c.kind.data_type(), true);
        Arc::new(match chosen {
            Some(chosen) => Schema::new(chosen.iter().map(|i| field(&self.columns[*i])).collect::<Vec<_>>()),
            None => Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()),
        })
    }

    /// Sentences about missing values, and about numbers that were taken for text or have decimal commas.
    pub fn notes(&self, chosen: Option<&[usize]>) -> Vec<String> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let columns = chosen.unwrap_or(&all).iter().map(|i| &self.columns[*i]);
        let name = self.path.display().to_string();
        let missing = super::said(&name, columns.clone().map(|c| (c.name.as_str(), c.missing)));
        missing
            .into_iter()
            .chain(columns.filter_map(|c| Some(format!("{name}: {}", c.note.as_ref()?))))
            .collect()
    }

    /// Reads the rows of all columns, or of those at `chosen` positions, batch by batch.
    ///
    /// # Errors
    /// If the file can't be opened again.
    pub fn batches(&self, chosen: Option<&[usize]>) -> Result<Batches> {
        let mut reader = open(&self.path, self.delimiter)?;
        let mut record = ByteRecord::new();
        next(&mut reader, &mut record, &self.path)?;
        let chosen = chosen.map_or_else(|| (0..self.columns.len()).collect(), <[usize]>::to_vec);
        Ok(Batches {
            path: self.path.clone(),
            schema: self.projected(Some(&chosen)),
            kinds: chosen.iter().map(|i| self.columns[*i].kind).collect(),
            rows: (VALUES / chosen.len().max(1)).clamp(64, 8192),
            width: self.columns.len(),
            chosen,
            reader,
            record,
        })
    }
}

/// Rows of a text table, batch by batch.
pub struct Batches {
    path: PathBuf,
    schema: SchemaRef,
    chosen: Vec<usize>,
    kinds: Vec<Kind>,
    rows: usize,
    width: usize,
    reader: Reader<BufReader<File>>,
    record: ByteRecord,
}

impl Batches {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut builders: Vec<Builder> =
            self.kinds.iter().map(|kind| Builder::new(*kind, self.rows)).collect();
        let mut rows = 0;
        while rows < self.rows && next(&mut self.reader, &mut self.record, &self.path)? {
            check_length(&self.record, self.width, &self.path)?;
            for (builder, at) in builders.iter_mut().zip(&self.chosen) {
                if !builder.push(utf8(&self.record[*at])) {
                    let reason = "has changed while it was being read";
                    return Err(Error::line(&self.path, line(&self.record), reason));
                }
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = builders.into_iter().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        Ok(Some(batch.map_err(|e| Error::file(&self.path, e.to_string()))?))
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}

enum Builder {
    Flag(BooleanBuilder),
    Integer(Int64Builder),
    Real(Float64Builder),
    Comma(Float64Builder),
    Date(Date32Builder),
    Text(StringBuilder),
}

impl Builder {
    fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Flag => Self::Flag(BooleanBuilder::with_capacity(rows)),
            Kind::Integer => Self::Integer(Int64Builder::with_capacity(rows)),
            Kind::Real => Self::Real(Float64Builder::with_capacity(rows)),
            Kind::Comma => Self::Comma(Float64Builder::with_capacity(rows)),
            Kind::Date => Self::Date(Date32Builder::with_capacity(rows)),
            Kind::Text => Self::Text(StringBuilder::with_capacity(rows, rows * 8)),
        }
    }

    /// Adds a field; false if it isn't of the column's kind.
    fn push(&mut self, field: &str) -> bool {
        let field = field.trim();
        let value = (!is_missing(field)).then_some(field);
        let parsed = |some: bool| some || value.is_none();
        match self {
            Self::Flag(b) => {
                let v = value.and_then(flag);
                b.append_option(v);
                parsed(v.is_some())
            }
            Self::Integer(b) => {
                let v = value.and_then(integer);
                b.append_option(v);
                parsed(v.is_some())
            }
            Self::Real(b) => {
                let v = value.and_then(real);
                b.append_option(v);
                parsed(v.is_some())
            }
            Self::Comma(b) => {
                let v = value.and_then(|f| comma(f).or_else(|| integer(f).map(|i| i as f64)));
                b.append_option(v);
                parsed(v.is_some())
            }
            Self::Date(b) => {
                let v = value.and_then(date);
                b.append_option(v);
                parsed(v.is_some())
            }
            Self::Text(b) => {
                b.append_option(value);
                true
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Flag(mut b) => Arc::new(b.finish()),
            Self::Integer(mut b) => Arc::new(b.finish()),
            Self::Real(mut b) | Self::Comma(mut b) => Arc::new(b.finish()),
            Self::Date(mut b) => Arc::new(b.finish()),
            Self::Text(mut b) => Arc::new(b.finish()),
        }
    }
}

/// Kinds that a column can still be, and what it has been.
struct Finding {
    flags: bool,
    integers: bool,
    reals: bool,
    commas: bool,
    dates: bool,
    seen: u64,
    missing: u64,
    numbers: u64,
    /// A value whose comma can only be a decimal one was seen.
    decimal_comma: bool,
    /// First value whose comma may as well part thousands.
    ambiguous: Option<(u64, String)>,
    /// First value that is no number.
    odd: Option<(u64, String)>,
}

impl Default for Finding {
    fn default() -> Self {
        Self {
            flags: true,
            integers: true,
            reals: true,
            commas: true,
            dates: true,
            seen: 0,
            missing: 0,
            numbers: 0,
            decimal_comma: false,
            ambiguous: None,
            odd: None,
        }
    }
}

impl Finding {
    fn add(&mut self, field: &str, line: u64) {
        if is_missing(field) {
            self.missing += 1;
            return;
        }
        self.seen += 1;
        // A column that is plainly text needs no closer look.
        let is_text = !self.flags && !self.dates && self.odd.is_some();
        if is_text && self.seen > 1000 && self.numbers * 2 < self.seen {
            (self.flags, self.integers, self.reals, self.commas, self.dates) =
                (false, false, false, false, false);
            return;
        }
        let is_integer = integer(field).is_some();
        let is_real = is_integer || real(field).is_some();
        let is_comma = !is_real && comma(field).is_some();
        self.numbers += u64::from(is_real || is_comma);
        if !is_real && !is_comma && self.odd.is_none() {
            self.odd = Some((line, field.to_owned()));
        }
        if is_comma {
            if !ambiguous(field) {
                self.decimal_comma = true;
            } else if self.ambiguous.is_none() {
                self.ambiguous = Some((line, field.to_owned()));
            }
        }
        self.integers &= is_integer;
        self.reals &= is_real;
        self.commas &= is_integer || is_comma;
        self.flags &= !is_real && flag(field).is_some();
        self.dates &= !is_real && date(field).is_some();
    }

    fn column(self, name: String, rows: u64, delimiter: u8, path: &Path) -> Result<Column> {
        let mut note = None;
        let kind = if self.seen == 0 {
            if rows == 0 { Kind::Text } else { Kind::Real }
        } else if self.flags {
            Kind::Flag
        } else if self.integers {
            Kind::Integer
        } else if self.reals {
            Kind::Real
        } else if self.dates {
            Kind::Date
        } else if self.commas {
            if let (Some((line, value)), false, true) =
                (&self.ambiguous, self.decimal_comma, delimiter != b';')
            {
                let reason = format!(
                    "column {name}: \"{value}\" may be a decimal or thousands; write it with a point"
                );
                return Err(Error::line(path, *line, reason));
            }
            note = Some(format!("{name}: numbers with decimal commas are read as numbers"));
            Kind::Comma
        } else {
            if let Some((line, value)) = self.odd.as_ref().filter(|_| self.numbers * 2 >= self.seen) {
                note = Some(format!("{name} is text, because of \"{value}\" in line {line}"));
            } else if self.odd.is_none() {
                note = Some(format!("{name} is text: it has decimal points and decimal commas"));
            }
            Kind::Text
        };
        Ok(Column { name, missing: self.missing, kind, note })
    }
}

fn open(path: &Path, delimiter: u8) -> Result<Reader<BufReader<File>>> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut start = [0; 3];
    let n = file.read(&mut start).map_err(|e| Error::io(path, e))?;
    let mark = if start[..n] == [0xEF, 0xBB, 0xBF] { 3 } else { 0 };
    file.seek(SeekFrom::Start(mark)).map_err(|e| Error::io(path, e))?;
    Ok(ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(BufReader::with_capacity(1 << 18, file)))
}

/// Reads a record and holds it to be UTF-8; false at the end.
fn next(reader: &mut Reader<BufReader<File>>, record: &mut ByteRecord, path: &Path) -> Result<bool> {
    let more = reader.read_byte_record(record).map_err(|e| match e.into_kind() {
        csv::ErrorKind::Io(e) => Error::io(path, e),
        other => Error::file(path, format!("{other:?}")),
    })?;
    if more && let Err(wrong) = std::str::from_utf8(record.as_slice()) {
        let byte = record.as_slice()[wrong.valid_up_to()];
        let reason = format!("the byte {byte:#04x} is no UTF-8; save the table as UTF-8 (it may be Latin-1)");
        return Err(Error::line(path, line(record), reason));
    }
    Ok(more)
}

/// The text of a field of a record that was checked; a field's bounds lie between characters of ASCII.
fn utf8(field: &[u8]) -> &str {
    std::str::from_utf8(field).unwrap_or_default()
}

fn line(record: &ByteRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn check_length(record: &ByteRecord, expected: usize, path: &Path) -> Result<()> {
    if record.len() == expected {
        return Ok(());
    }
    let plural = |n: usize| if n == 1 { "field" } else { "fields" };
    let hint = if record.iter().any(|field| field.contains(&b'\n')) {
        " (a quote may have been left open)"
    } else if record.len() == expected + 1 {
        " (row names without a column name, or a comma too many)"
    } else {
        ""
    };
    let reason = format!("{} {}, but the header has {expected}{hint}", record.len(), plural(record.len()));
    Err(Error::line(path, line(record), reason))
}

/// Names of the columns; one without a name is called by its position.
fn header(record: &ByteRecord, path: &Path) -> Result<Vec<String>> {
    let mut at = std::collections::HashMap::new();
    let mut names = Vec::with_capacity(record.len());
    for (number, field) in record.iter().enumerate() {
        let name = match utf8(field).trim() {
            "" => format!("column_{}", number + 1),
            name => name.to_owned(),
        };
        if let Some(before) = at.insert(name.clone(), number) {
            let reason = format!("the columns {} and {} are both called \"{name}\"", before + 1, number + 1);
            return Err(Error::line(path, line(record).max(1), reason));
        }
        names.push(name);
    }
    Ok(names)
}

/// The delimiter of a file, from its first line: whichever of comma, tab and semicolon is there most often outside of
/// quotes.
fn sniff(path: &Path) -> Result<u8> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    file.take(1 << 20).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        return Err(Error::file(path, "is UTF-16; save the table as UTF-8"));
    }
    if start.iter().take(4096).any(|b| *b == 0) {
        return Err(Error::file(path, "is no text, as a CSV or TSV is"));
    }
    let (mut counts, mut quoted) = ([0_usize; 3], false);
    let begun = start.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(0);
    for byte in &start[begun..] {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            b',' if !quoted => counts[0] += 1,
            b'\t' if !quoted => counts[1] += 1,
            b';' if !quoted => counts[2] += 1,
            _ => {}
        }
    }
    let most = (0..3).rev().max_by_key(|i| counts[*i]).unwrap_or(0);
    Ok(if counts[most] == 0 { b',' } else { b",\t;"[most] })
}

/// Kinds of a column in words, for messages.
pub fn word(ty: &DataType) -> &'static str {
    fields::word(ty)
}
