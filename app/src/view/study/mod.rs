//! Studies: a folder of results over samples, opened to look through the samples.

pub mod picture;
pub mod question;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use question::{Columns, Question};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_analysis::table::{named, numbers, parquet, texts};
use voxelry_core::measure::Table;
use voxelry_core::results::Provenance;

/// Name of the table with a row a sample.
pub const SAMPLES: &str = "samples";

/// An opened study.
pub struct Study {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name: that of the folder.
    pub name: String,
    /// Table with a row a sample.
    pub table: Table,
    /// Files of each sample, in the order of the rows.
    pub samples: Vec<SampleFiles>,
    /// Columns that questions are about.
    pub columns: Columns,
    /// Questions that were asked before.
    pub questions: Vec<Question>,
}

/// Places of a sample's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFiles {
    /// Name of the sample.
    pub name: String,
    /// The image that was measured, and its labels; none if the sample has no results.
    pub images: Option<SampleImages>,
}

/// Images of a sample that has been run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleImages {
    /// The image that was measured.
    pub image: PathBuf,
    /// Index of its channel.
    pub channel: usize,
    /// Index of its time frame.
    pub time: usize,
    /// The labels that were found in it, if they were kept.
    pub labels: Option<PathBuf>,
}

impl Study {
    /// Returns whether a folder holds a study.
    pub fn is_one(folder: &Path) -> bool {
        folder.join("samples.parquet").is_file()
    }

    /// Opens the study in a folder. A sample without results has a row but no images.
    ///
    /// # Errors
    /// If its table of samples can't be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("samples.parquet");
        let table = shown_table(SAMPLES, &parquet::read(&path, None)?)?;
        let at = table.batch.schema().index_of("sample");
        let at = at.with_context(|| format!("{}: has no column \"sample\"", path.display()))?;
        let text = *table.batch.schema().field(at).data_type() == DataType::Utf8;
        ensure!(text, "{}: the column \"sample\" is not text", path.display());
        let samples = (0..table.rows()).map(|row| SampleFiles::of(folder, table.text(at, row))).collect();
        let folder = std::path::absolute(folder)?;
        let name = named::name(&folder);
        let columns = Columns::of(&folder, &table);
        let questions = Question::kept(&folder).into_iter().map(|(_, question)| question).collect();
        Ok(Self { folder, name, table, samples, columns, questions })
    }

    /// Row of a sample.
    pub fn row(&self, sample: &str) -> Option<u32> {
        self.samples.iter().position(|s| s.name == sample).map(|row| row as u32)
    }
}

impl SampleFiles {
    fn of(study: &Path, name: String) -> Self {
        let folder = study.join(&name);
        let images = SampleImages::in_folder(&folder);
        Self { name, images }
    }
}

impl SampleImages {
    /// The images that a folder of results speaks of.
    fn in_folder(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("provenance.toml")).ok()?;
        let record = Provenance::parse(&text).ok()?.record;
        let image = record.input.first()?.path.clone();
        let labels = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        let labels = labels
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("labels.")))
            .min();
        Some(Self {
            image,
            channel: record.channel.saturating_sub(1),
            time: record.time.saturating_sub(1),
            labels,
        })
    }
}

/// A table as the window shows it: numbers, whole numbers, yes or no, and text. A missing number is NaN, a missing text
/// is empty.
///
/// # Errors
/// If columns have different lengths, which no table has that was read.
pub fn shown_table(name: &str, batch: &RecordBatch) -> Result<Table> {
    let plain =
        |t: &DataType| matches!(t, DataType::Float64 | DataType::Int64 | DataType::Boolean | DataType::Utf8);
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let shown: ArrayRef = if plain(column.data_type()) && column.null_count() == 0 {
            column.clone()
        } else if let Some(numbers) =
            numbers(column.as_ref()).filter(|_| *column.data_type() != DataType::Boolean)
        {
            Arc::new(Float64Array::from(numbers))
        } else {
            let texts = texts(column.as_ref()).into_iter().map(Option::unwrap_or_default);
            Arc::new(StringArray::from_iter_values(texts))
        };
        let metadata = field.metadata().clone();
        fields.push(Field::new(field.name(), shown.data_type().clone(), false).with_metadata(metadata));
        columns.push(shown);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(Table { name: name.to_owned(), batch })
}
