//! Rows of a table for other programs.

use super::Column;
use std::fmt::Write;
use voxelry_core::measure::Table;

/// Rows as text for spreadsheets: tabs between fields, units in the header, all digits.
pub fn text(table: &Table, rows: &[u32]) -> String {
    let names = table.columns();
    let titles = names.iter().map(|name| match table.unit(name) {
        "" | "1" => name.clone(),
        unit => format!("{name} [{unit}]"),
    });
    let mut text = titles.collect::<Vec<String>>().join("\t");
    let columns: Vec<Option<Column>> = names.iter().map(|name| Column::of(table, name)).collect();
    for row in rows.iter().map(|row| *row as usize) {
        text.push('\n');
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                text.push('\t');
            }
            // Writing to a string cannot fail.
            let _ = match column {
                Some(Column::Int(a)) => write!(text, "{}", a.value(row)),
                Some(Column::Real(a)) if a.value(row).is_nan() => Ok(()),
                Some(Column::Real(a)) => write!(text, "{}", a.value(row)),
                Some(Column::Flag(a)) => write!(text, "{}", a.value(row)),
                Some(Column::Text(a)) => write!(text, "{}", a.value(row).replace(['\t', '\n'], " ")),
                None => Ok(()),
            };
        }
    }
    text
}

/// A table of some of the rows.
///
/// # Panics
/// If a row is not in the table, which is a defect in the caller.
pub fn part(table: &Table, rows: &[u32]) -> Table {
    let at = arrow::array::UInt32Array::from(rows.to_vec());
    let batch = arrow::compute::take_record_batch(&table.batch, &at).expect("rows of the table");
    Table { name: table.name.clone(), batch }
}
