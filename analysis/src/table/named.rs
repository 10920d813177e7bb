//! Which tables are meant by what a user named: a file, a folder, a glob, results of an image, or a study.

use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The form of a table's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text whose header says what parts its fields.
    Csv,
    /// Text with tabs.
    Tsv,
    /// Parquet.
    Parquet,
}

impl Format {
    /// The form of a file, by the ending of its name.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" | "txt" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The byte that parts fields, if the ending says so.
    pub fn delimiter(self) -> Option<u8> {
        (self == Self::Tsv).then_some(b'\t')
    }
}

/// A table by name: one file, or several whose rows are below each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Name in questions: lower-case letters, digits and `_`.
    pub name: String,
    /// Form of all files.
    pub format: Format,
    /// The files, sorted.
    pub files: Vec<PathBuf>,
}

/// The tables of a study folder that lie in files beside the samples' own folders.
const SAMPLES: [&str; 3] = ["samples.parquet", "samples.csv", "samples.tsv"];

/// The mark of a folder of one image's results.
const RESULTS: &str = "provenance.toml";

/// The tables that a path means. A file is one table; so are a glob and a folder of files. A study (a folder with
/// `samples.parquet` or `.csv`) has a table for that and one for each folder of Parquet files; the results of an image
/// have one for each Parquet file.
///
/// # Errors
/// If there is nothing, or nothing that is a table.
pub fn tables(path: &Path) -> Result<Vec<Named>> {
    if path.is_dir() {
        return folder(path);
    }
    if path.is_file() {
        let format = Format::of(path).ok_or_else(|| {
            Error::file(path, "is no table; tables are .csv, .tsv and .parquet, folders of them, and studies")
        })?;
        return Ok(vec![Named { name: name(path), format, files: vec![path.to_owned()] }]);
    }
    let text = path.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        return Err(Error::file(path, "there is no such file or folder"));
    }
    let found =
        glob::glob(&text).map_err(|e| Error::file(path, format!("is no pattern of names: {}", e.msg)))?;
    let files: Vec<PathBuf> =
        found.filter_map(|f| f.ok().filter(|f| f.is_file() && Format::of(f).is_some())).collect();
    let named =
        path.parent().filter(|p| !p.as_os_str().is_empty() && !p.to_string_lossy().contains(['*', '?', '[']));
    Ok(vec![one(named.unwrap_or(Path::new("t")), path, files)?])
}

/// A table with a name of its own: `NAME=FILE`.
///
/// # Errors
/// If it doesn't read so, or as [`tables`].
pub fn with(text: &str) -> Result<Named> {
    let (name, path) = text
        .split_once('=')
        .filter(|(name, path)| !name.is_empty() && !path.is_empty())
        .ok_or_else(|| Error::Usage(format!("--with {text}: it should read NAME=FILE")))?;
    let mut found = tables(Path::new(path))?;
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|t| t.name.as_str()).collect();
        let reason = format!("holds several tables ({}); name the file of one", names.join(", "));
        return Err(Error::file(path, reason));
    }
    let mut table = found.swap_remove(0);
    name.clone_into(&mut table.name);
    Ok(table)
}

/// The tables of a folder, if it is a study.
///
/// # Errors
/// If it can't be listed.
pub fn study_tables(path: &Path) -> Result<Option<Vec<Named>>> {
    let Some(samples) = SAMPLES.iter().map(|name| path.join(name)).find(|p| p.is_file()) else {
        return Ok(None);
    };
    let format = Format::of(&samples).expect("one of the names above");
    let mut tables = vec![Named { name: "samples".into(), format, files: vec![samples] }];
    for inner in entries(path)?.into_iter().filter(|p| p.is_dir() && !p.join(RESULTS).exists()) {
        let files: Vec<PathBuf> =
            entries(&inner)?.into_iter().filter(|f| Format::of(f) == Some(Format::Parquet)).collect();
        if !files.is_empty() {
            tables.push(Named { name: name(&inner), format: Format::Parquet, files });
        }
    }
    Ok(Some(tables))
}

fn folder(path: &Path) -> Result<Vec<Named>> {
    if let Some(tables) = study_tables(path)? {
        return Ok(tables);
    }
    let files: Vec<PathBuf> =
        entries(path)?.into_iter().filter(|f| f.is_file() && Format::of(f).is_some()).collect();
    if path.join(RESULTS).exists() {
        let parquet = files.into_iter().filter(|f| Format::of(f) == Some(Format::Parquet));
        let tables: Vec<Named> =
            parquet.map(|f| Named { name: name(&f), format: Format::Parquet, files: vec![f] }).collect();
        if tables.is_empty() {
            return Err(Error::file(path, "its recipe measured nothing: there is no table"));
        }
        return Ok(tables);
    }
    Ok(vec![one(path, path, files)?])
}

/// Several files as one table. Where a folder holds the same tables as Parquet and as CSV, the Parquet is taken.
fn one(named: &Path, path: &Path, mut files: Vec<PathBuf>) -> Result<Named> {
    files.retain(|f| !f.to_string_lossy().ends_with(".units.csv"));
    if files.iter().any(|f| Format::of(f) == Some(Format::Parquet)) {
        let twins: Vec<PathBuf> =
            files.iter().filter(|f| Format::of(f) == Some(Format::Parquet)).cloned().collect();
        files.retain(|f| {
            Format::of(f) == Some(Format::Parquet) || !twins.contains(&f.with_extension("parquet"))
        });
    }
    files.sort();
    let Some(format) = files.first().and_then(|f| Format::of(f)) else {
        return Err(Error::file(path, "there is no table: no .csv, .tsv or .parquet"));
    };
    if let Some(other) = files.iter().find(|f| Format::of(f) != Some(format)) {
        let reason = "is of another form than the other tables here; name one kind, as in 'folder/*.csv'";
        return Err(Error::file(other, reason));
    }
    Ok(Named { name: name(named), format, files })
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(path).map_err(|e| Error::io(path, e))?;
    let mut paths =
        listed.map(|e| Ok(e.map_err(|e| Error::io(path, e))?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A name for questions, from that of a file: `My Data-2.csv` is `my_data_2`.
pub fn name(path: &Path) -> String {
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let stem = stem.map_or("t".into(), |s| s.to_string_lossy());
    let word: String =
        stem.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    match word.chars().next() {
        None => "t".into(),
        Some(first) if first.is_ascii_digit() => format!("t_{word}"),
        Some(_) => word,
    }
}
