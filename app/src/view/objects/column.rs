//! A column of a table, read cell by cell without a copy.

use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use voxelry_core::measure::Table;

/// A column.
#[derive(Clone, Copy)]
pub enum Column<'a> {
    /// Whole numbers.
    Int(&'a Int64Array),
    /// Numbers.
    Real(&'a Float64Array),
    /// Yes or no.
    Flag(&'a BooleanArray),
    /// Words.
    Text(&'a StringArray),
}

impl<'a> Column<'a> {
    /// The column of a name.
    pub fn of(table: &'a Table, name: &str) -> Option<Self> {
        let any = table.batch.column_by_name(name)?.as_any();
        None.or_else(|| any.downcast_ref().map(Self::Real))
            .or_else(|| any.downcast_ref().map(Self::Int))
            .or_else(|| any.downcast_ref().map(Self::Flag))
            .or_else(|| any.downcast_ref().map(Self::Text))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(a) => a.len(),
            Self::Real(a) => a.len(),
            Self::Flag(a) => a.len(),
            Self::Text(a) => a.len(),
        }
    }

    /// The number in a row; none is NaN.
    pub fn number(&self, row: u32) -> f64 {
        let row = row as usize;
        match self {
            Self::Int(a) => a.value(row) as f64,
            Self::Real(a) => a.value(row),
            Self::Flag(a) => f64::from(u8::from(a.value(row))),
            Self::Text(_) => f64::NAN,
        }
    }

    /// The words of all rows, if it has words.
    pub fn words(&self) -> Option<Vec<&'a str>> {
        let Self::Text(a) = self else { return None };
        Some((0..a.len()).map(|row| a.value(row)).collect())
    }

    /// Returns whether it has numbers.
    pub fn has_numbers(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    /// Returns whether its numbers are whole, as those of groups are.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Flag(_))
    }

    /// Range of its numbers without outliers; never empty.
    pub fn range(&self) -> [f64; 2] {
        let mut values: Vec<f64> =
            (0..self.len() as u32).map(|row| self.number(row)).filter(|v| v.is_finite()).collect();
        if values.is_empty() {
            return [0.0, 1.0];
        }
        // A hundredth of many objects is cut off on either side.
        let cut = if values.len() < 200 { 0 } else { values.len() / 100 };
        let last = values.len() - 1;
        let low = *values.select_nth_unstable_by(cut, f64::total_cmp).1;
        let high = *values.select_nth_unstable_by(last - cut, f64::total_cmp).1;
        if high > low { [low, high] } else { [low - 0.5, low + 0.5] }
    }
}
