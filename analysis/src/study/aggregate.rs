//! One row out of a table of objects: how many there are, and mean, deviation, median and sum of each column.

use crate::Result;
use crate::matrix::median;
use crate::table::numbers;
use crate::table::parquet::{self, read};
use arrow::datatypes::DataType;
use std::path::Path;

/// Values that are held at once.
const VALUES: u64 = 32 << 20;

/// A figure of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Column of the table of samples.
    pub name: String,
    /// Unit, empty if it has none.
    pub unit: String,
    /// Its meaning in a sentence.
    pub description: String,
    /// Value; NaN where there is none.
    pub value: f64,
}

/// The figures of a table of objects: `objects_count`, then `COLUMN_mean`, `_sd` (of a sample of objects, n − 1),
/// `_median` (linear between order statistics) and `_sum` of each column of numbers, and `COLUMN_share` of each flag, such as
/// that of touching the border. Missing values are left out; labels are names and have no figures. A few columns are read
/// at a time, so that memory is bounded.
///
/// # Errors
/// If the table can't be read.
pub fn aggregates(objects: &Path) -> Result<Vec<Figure>> {
    let (schema, rows) = parquet::schema(objects)?;
    let mut figures = vec![Figure {
        name: "objects_count".into(),
        unit: String::new(),
        description: "Number of objects.".into(),
        value: rows as f64,
    }];
    let wanted: Vec<_> = schema
        .fields()
        .iter()
        .filter(|f| f.data_type().is_numeric() || *f.data_type() == DataType::Boolean)
        .filter(|f| !f.name().starts_with("label"))
        .collect();
    let at_once = (VALUES / rows.max(1)).clamp(1, 64) as usize;
    for some in wanted.chunks(at_once) {
        let names: Vec<String> = some.iter().map(|f| f.name().clone()).collect();
        let batch = read(objects, Some(&names))?;
        for (field, column) in some.iter().zip(batch.columns()) {
            let mut values = numbers(column.as_ref()).unwrap_or_default();
            values.retain(|v| !v.is_nan());
            let of = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
            let mut add = |suffix: &str, word: &str, unit: String, value: f64| {
                let description =
                    format!("{word} of {} over the objects. {}", field.name(), of("description"));
                let name = format!("{}_{suffix}", field.name());
                figures.push(Figure { name, unit, description: description.trim_end().to_owned(), value });
            };
            let unit = of("unit");
            let moments = moments(&values);
            if *field.data_type() == DataType::Boolean {
                add("share", "Share", String::new(), moments.mean);
                continue;
            }
            add("mean", "Mean", unit.clone(), moments.mean);
            add("sd", "Standard deviation", unit.clone(), moments.sd);
            add("median", "Median", unit.clone(), median(&mut values));
            add("sum", "Sum", unit, moments.sum);
        }
    }
    Ok(figures)
}

struct Moments {
    mean: f64,
    sd: f64,
    sum: f64,
}

fn moments(values: &[f64]) -> Moments {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let mean = if values.is_empty() { f64::NAN } else { sum / n };
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let sd = if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { f64::NAN };
    Moments { mean, sd, sum: if values.is_empty() { f64::NAN } else { sum } }
}
