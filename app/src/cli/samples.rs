//! `samples.csv`: which images are samples of a study, and what else is known of each.

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_analysis::table;
use voxelry_analysis::{Error, study, suggestion};
use voxelry_core::io::remote;

/// Columns that say what is run. All others are only handed on.
const KNOWN: [&str; 6] = ["image", "sample", "labels", "mask", "channel", "time"];

/// A sample to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: PathBuf,
    /// Further images by name: `labels`, `mask`.
    pub further: Vec<(String, PathBuf)>,
    /// Channel from 1, if it was given.
    pub channel: Option<usize>,
    /// Time frame from 1, if it was given.
    pub time: Option<usize>,
}

/// The samples of a study and their rows in the user's table.
#[derive(Debug)]
pub struct Sheet {
    /// The samples.
    pub samples: Vec<Sample>,
    /// The user's columns, a row a sample.
    pub given: RecordBatch,
    /// Sentences about missing values and the like.
    pub notes: Vec<String>,
}

impl Sheet {
    /// Reads a table of samples. Paths are relative to its folder; a pattern of names (`*`, `?`, `[ab]`) is a sample for
    /// each file that it matches; `name` makes the name of a sample that has none.
    ///
    /// # Errors
    /// A column `image` that is missing, an empty path, or a name that no folder can have or that two samples have; with
    /// the line.
    pub fn read(path: &Path, name: impl Fn(&Path) -> String) -> Result<Self> {
        let mut found = table::tables(path)?;
        if found.len() != 1 {
            return Err(Error::file(path, "holds several tables; --samples takes one").into());
        }
        let read = table::read(&found.swap_remove(0), None)?;
        let schema = read.batch.schema();
        if schema.index_of("image").is_err() {
            let hint = suggestion("image", schema.fields().iter().map(|f| f.name().as_str()));
            return Err(Error::file(path, format!("has no column \"image\"{hint}")).into());
        }
        let texts: HashMap<&str, Vec<Option<String>>> = KNOWN
            .into_iter()
            .filter_map(|name| Some((name, table::texts(read.batch.column_by_name(name)?.as_ref()))))
            .collect();
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut samples = Vec::new();
        let mut rows = Vec::new();
        let mut lines: HashMap<String, u64> = HashMap::new();
        for row in 0..read.batch.num_rows() {
            let line = row as u64 + 2;
            let wrong = |reason: String| Error::line(path, line, reason);
            let text = |column: &str| texts.get(column).and_then(|t| t[row].clone());
            let number = |column: &str| -> Result<Option<usize>> {
                let Some(text) = text(column) else { return Ok(None) };
                match text.parse::<f64>() {
                    Ok(n) if n >= 1.0 && n.fract() == 0.0 => Ok(Some(n as usize)),
                    _ => Err(wrong(format!("{column} \"{text}\" is no number from 1")).into()),
                }
            };
            let image = text("image").ok_or_else(|| wrong("the column image is empty".into()))?;
            let images = matching(folder, &image).map_err(wrong)?;
            let several = images.len() > 1;
            for image in images {
                let own = match text("sample") {
                    Some(sample) if several => format!("{sample}-{}", name(&image)),
                    Some(sample) => sample,
                    None => name(&image),
                };
                study::check_name(&own).map_err(|reason| Error::line(path, line, reason))?;
                // Some systems don't tell capitals from small letters in names of folders.
                if let Some(before) = lines.insert(own.to_lowercase(), line) {
                    let reason =
                        format!("the sample \"{own}\" is in line {before}, too; give each a name of its own");
                    return Err(Error::line(path, line, reason).into());
                }
                let further = ["labels", "mask"]
                    .into_iter()
                    .filter_map(|column| Some((column.to_owned(), beside(folder, &text(column)?))));
                samples.push(Sample {
                    name: own,
                    image,
                    further: further.collect(),
                    channel: number("channel")?,
                    time: number("time")?,
                });
                rows.push(row as u32);
            }
        }
        if samples.is_empty() {
            return Err(Error::file(path, "has no row: there is no sample").into());
        }
        let given = rows_of(&read.batch, &rows, &samples)?;
        Ok(Self { samples, given, notes: read.notes })
    }

    /// Images without a table, with the names that they are given.
    ///
    /// # Errors
    /// If a table of them can't be made, which is a defect.
    pub fn of_images(images: &[&PathBuf], names: Vec<String>) -> Result<Self> {
        let paths: ArrayRef =
            Arc::new(StringArray::from_iter_values(images.iter().map(|p| p.to_string_lossy())));
        let given = RecordBatch::try_from_iter([("image", paths)])?;
        let sample = |(image, name): (&&PathBuf, String)| Sample {
            name,
            image: (*image).clone(),
            further: Vec::new(),
            channel: None,
            time: None,
        };
        Ok(Self { samples: images.iter().zip(names).map(sample).collect(), given, notes: Vec::new() })
    }
}

/// The rows of the user's table, with the images that patterns stand for in their place. `image` and its like are text,
/// whatever they look like.
fn rows_of(batch: &RecordBatch, rows: &[u32], samples: &[Sample]) -> Result<RecordBatch> {
    let indices = UInt32Array::from(rows.to_vec());
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let (field, column): (Field, ArrayRef) = match field.name().as_str() {
            "sample" => continue,
            "image" => {
                let texts = table::texts(column.as_ref());
                let is_pattern = |row: u32| texts[row as usize].as_deref().is_some_and(has_pattern);
                let shown = samples.iter().zip(rows).map(|(sample, row)| {
                    if is_pattern(*row) {
                        Some(sample.image.to_string_lossy().into_owned())
                    } else {
                        texts[*row as usize].clone()
                    }
                });
                (Field::new("image", DataType::Utf8, true), Arc::new(shown.collect::<StringArray>()))
            }
            "channel" | "time" => {
                let numbers = table::numbers(column.as_ref()).unwrap_or_default();
                let own = rows
                    .iter()
                    .map(|row| numbers.get(*row as usize).filter(|v| !v.is_nan()).map(|v| *v as i64));
                (Field::new(field.name(), DataType::Int64, true), Arc::new(own.collect::<Int64Array>()))
            }
            _ => (field.as_ref().clone(), take(column, &indices, None)?),
        };
        fields.push(field);
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[']) && remote::address(Path::new(text)).is_none()
}

/// A path that is relative to a folder, or an address.
fn beside(folder: &Path, text: &str) -> PathBuf {
    let path = Path::new(text);
    if remote::address(path).is_some() { path.to_owned() } else { folder.join(path) }
}

/// The files of a pattern, or the one of a path, which need not be there.
fn matching(folder: &Path, text: &str) -> Result<Vec<PathBuf>, String> {
    let path = beside(folder, text);
    if !has_pattern(text) || path.exists() {
        return Ok(vec![path]);
    }
    let found = glob::glob(&path.to_string_lossy())
        .map_err(|e| format!("\"{text}\" is no pattern of names: {}", e.msg))?;
    let files: Vec<PathBuf> = found.filter_map(std::result::Result::ok).collect();
    if files.is_empty() { Err(format!("\"{text}\" matches no file")) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::run::stem;

    fn read(folder: &Path, text: &str) -> Result<Sheet, String> {
        std::fs::write(folder.join("samples.csv"), text).unwrap();
        Sheet::read(&folder.join("samples.csv"), stem).map_err(|e| e.to_string())
    }

    #[test]
    fn rows_are_samples_with_paths_beside_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for name in ["b1.tif", "b2.tif"] {
            std::fs::write(at.join(name), "").unwrap();
        }
        let sheet =
            read(at, "image,sample,group,channel\na.nii.gz,m1,ko,2\nb?.tif,m2,wt,\ns3://x/c.zarr,,-,1\n")
                .unwrap();
        let names: Vec<&str> = sheet.samples.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["m1", "m2-b1", "m2-b2", "c"]);
        assert_eq!(
            (sheet.samples[0].image.clone(), sheet.samples[0].channel),
            (at.join("a.nii.gz"), Some(2))
        );
        assert_eq!(sheet.samples[3].image, Path::new("s3://x/c.zarr"));
        let groups = table::texts(sheet.given.column_by_name("group").unwrap().as_ref());
        assert_eq!(groups, [Some("ko".into()), Some("wt".into()), Some("wt".into()), None]);
        assert!(sheet.given.column_by_name("sample").is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("img,sample\na.tif,a\n", "has no column \"image\"; did you mean \"img\"?"),
            ("image,sample\na.tif,a\nb.tif,A\n", "line 3: the sample \"A\" is in line 2, too"),
            ("image,sample\na.tif,objects\n", "line 2: no sample can be called \"objects\""),
            ("image,sample\na.tif,a/b\n", "line 2: the sample name \"a/b\" has a '/'"),
            ("image,sample\n,a\n", "line 2: the column image is empty"),
            ("image,channel\na.tif,0\n", "line 2: channel \"0\" is no number from 1"),
            ("image\nnone*.tif\n", "line 2: \"none*.tif\" matches no file"),
            ("image,sample\n", "has no row"),
        ] {
            let said = read(folder.path(), text).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
