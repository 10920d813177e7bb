//! The table of samples: what the user knows of each, how its run went, and its figures, one row a sample.

use super::aggregate::{Figure, aggregates};
use super::tables_of;
use crate::table::parquet::read;
use crate::table::{numbers, texts, write};
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::record_batch::RecordBatch;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// State of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Its results are there.
    Done,
    /// Not yet run.
    Waiting,
    /// Its run failed, for this reason.
    Failed(String),
}

impl Status {
    fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Failed(_) => "failed",
        }
    }
}

/// A sample.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub sample: String,
    /// State of its run.
    pub status: Status,
    /// Figures of its image and its objects.
    pub figures: Vec<Figure>,
}

impl Row {
    /// The figures of a sample's results: the table of its image, aggregates of its objects, and their density.
    ///
    /// # Errors
    /// If a table can't be read.
    pub fn done(sample: &str, results: &Path) -> Result<Self> {
        let tables = tables_of(results)?;
        let mut figures = Vec::new();
        if let Some(image) = tables.get("image") {
            figures.extend(first_row(&read(image, None)?));
        }
        if let Some(objects) = tables.get("objects") {
            let volume = figures.iter().find(|f| f.name == "total_volume").cloned();
            let own = aggregates(objects)?;
            let count = own[0].value;
            figures.extend(own);
            if let Some(volume) = volume.filter(|v| v.value > 0.0) {
                figures.push(Figure {
                    name: "objects_density".into(),
                    unit: if volume.unit.is_empty() { String::new() } else { format!("1/{}", volume.unit) },
                    description: "Number of objects ÷ volume of the image.".into(),
                    value: count / volume.value,
                });
            }
        }
        Ok(Self { sample: sample.to_owned(), status: Status::Done, figures })
    }
}

fn first_row(batch: &RecordBatch) -> Vec<Figure> {
    let schema = batch.schema();
    let figure = |(field, column): (&Arc<Field>, &ArrayRef)| {
        let of = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        let value = numbers(column.as_ref())?.first().copied()?;
        Some(Figure { name: field.name().clone(), unit: of("unit"), description: of("description"), value })
    };
    schema.fields().iter().zip(batch.columns()).filter_map(figure).collect()
}

/// The table of samples.
#[derive(Debug)]
pub struct Samples {
    /// Further columns of the user's table, a row a sample.
    pub given: Option<RecordBatch>,
    /// The samples.
    pub rows: Vec<Row>,
}

/// Key of a column's metadata: the name of its figure.
const FIGURE: &str = "figure";

/// Columns that say how a run went.
const STATE: [&str; 3] = ["sample", "status", "error"];

impl Samples {
    /// The table: `sample`, the user's columns, `status`, `error`, figures of the image, figures of the objects. A figure
    /// whose name the user has taken is called `image_NAME`, or `objects_NAME` where it is one of the objects.
    ///
    /// # Errors
    /// If a figure has another unit in one sample than in others, or the user's table has another number of rows.
    pub fn table(&self) -> Result<RecordBatch> {
        let text = |values: Vec<Option<String>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        let error = |row: &Row| match &row.status {
            Status::Failed(reason) => Some(reason.clone()),
            _ => None,
        };
        let mut fields = vec![Field::new("sample", DataType::Utf8, true)];
        let mut columns = vec![text(self.rows.iter().map(|r| Some(r.sample.clone())).collect())];
        if let Some(given) = &self.given {
            for (field, column) in given.schema().fields().iter().zip(given.columns()) {
                if !STATE.contains(&field.name().as_str()) {
                    fields.push(field.as_ref().clone());
                    columns.push(column.clone());
                }
            }
        }
        fields.push(Field::new("status", DataType::Utf8, true));
        columns.push(text(self.rows.iter().map(|r| Some(r.status.word().to_owned())).collect()));
        fields.push(Field::new("error", DataType::Utf8, true));
        columns.push(text(self.rows.iter().map(error).collect()));
        let mut taken: HashSet<String> = fields.iter().map(|f| f.name().clone()).collect();
        for (first, values) in self.figures()? {
            let of_objects =
                first.description.contains("over the objects") || first.name.starts_with("objects_");
            let mut name = first.name.clone();
            while !taken.insert(name.clone()) {
                name = format!("{}_{name}", if of_objects { "objects" } else { "image" });
            }
            let metadata = HashMap::from([
                ("unit".to_owned(), first.unit.clone()),
                ("description".to_owned(), first.description.clone()),
                (FIGURE.to_owned(), first.name.clone()),
            ]);
            fields.push(Field::new(name, DataType::Float64, true).with_metadata(metadata));
            columns.push(Arc::new(
                values.into_iter().map(|v| v.filter(|v| !v.is_nan())).collect::<Float64Array>(),
            ));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::Data(e.to_string()))
    }

    /// Every figure of any sample in the order in which they come, with the values of all.
    fn figures(&self) -> Result<Vec<(&Figure, Vec<Option<f64>>)>> {
        let mut at = HashMap::new();
        let mut all: Vec<(&Figure, Vec<Option<f64>>)> = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            for figure in &row.figures {
                let place = *at.entry(figure.name.as_str()).or_insert_with(|| {
                    all.push((figure, vec![None; self.rows.len()]));
                    all.len() - 1
                });
                let (first, values) = &mut all[place];
                if first.unit != figure.unit {
                    let (name, unit, own) = (&figure.name, &first.unit, &figure.unit);
                    let reason = format!(
                        "{name} of sample \"{}\" is in \"{own}\", that of others in \"{unit}\"",
                        row.sample
                    );
                    return Err(Error::Data(reason));
                }
                values[number] = Some(figure.value);
            }
        }
        Ok(all)
    }

    /// Writes `samples.parquet`, `samples.csv` and `samples.units.csv` into the folder of a study.
    ///
    /// # Errors
    /// As [`Samples::table`], or if the disk is full.
    pub fn write(&self, study: &Path) -> Result<()> {
        let table = self.table()?;
        write::write(&study.join("samples.parquet"), &table)?;
        write::write(&study.join("samples.csv"), &table)?;
        super::write_units(&study.join("samples.units.csv"), &table.schema())
    }

    /// The figures of the samples that an earlier run left as done, by name, from `samples.parquet`; none if there is none
    /// that can be read.
    pub fn earlier(study: &Path) -> HashMap<String, Vec<Figure>> {
        let Ok(batch) = read(&study.join("samples.parquet"), None) else { return HashMap::new() };
        let column = |name: &str| batch.column_by_name(name).map(|c| texts(c.as_ref()));
        let (Some(names), Some(states)) = (column("sample"), column("status")) else { return HashMap::new() };
        let schema = batch.schema();
        let figures: Vec<(&Arc<Field>, &Float64Array)> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .filter(|(f, c)| f.metadata().contains_key(FIGURE) && *c.data_type() == DataType::Float64)
            .map(|(f, c)| (f, c.as_primitive::<Float64Type>()))
            .collect();
        let mut found = HashMap::new();
        for (row, (name, state)) in names.into_iter().zip(states).enumerate() {
            let (Some(name), Some("done")) = (name, state.as_deref()) else { continue };
            // With those that it lacks, so that columns stay in their order.
            let own = figures.iter().map(|(field, values)| Figure {
                name: field.metadata()[FIGURE].clone(),
                unit: field.metadata().get("unit").cloned().unwrap_or_default(),
                description: field.metadata().get("description").cloned().unwrap_or_default(),
                value: if values.is_null(row) { f64::NAN } else { values.value(row) },
            });
            found.insert(name, own.collect());
        }
        found
    }
}
