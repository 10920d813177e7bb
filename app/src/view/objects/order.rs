//! Filtering and sorting of the rows of a table.

use super::Column;
use super::bits::Bits;
use rayon::prelude::*;
use std::sync::Arc;
use voxelry_core::measure::Table;
use voxelry_core::measure::expression::Expression;

/// Requested order and filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OrderRequest {
    /// The column that sorts, and whether from the greatest.
    pub sort: Option<(String, bool)>,
    /// A condition; empty if there is none.
    pub filter: String,
}

/// Result of a request.
#[derive(Debug, Clone, Default)]
pub struct RowOrder {
    /// The request.
    pub wanted: OrderRequest,
    /// The rows in order that meet the condition.
    pub rows: Arc<Vec<u32>>,
    /// All rows in order.
    sorted: Arc<Vec<u32>>,
    /// The rows that meet the condition, if there is one.
    pub passing: Option<Arc<Bits>>,
    /// Error of the condition; the one before then holds.
    pub error: Option<String>,
}

impl RowOrder {
    /// All rows of a table as they stand in it.
    pub fn plain(rows: usize) -> Self {
        let all = Arc::new((0..rows as u32).collect::<Vec<u32>>());
        Self { rows: all.clone(), sorted: all, ..Self::default() }
    }

    /// Sorts and filters a table again, reusing what hasn't changed.
    pub fn again(&self, table: &Table, wanted: &OrderRequest, fresh: bool) -> Self {
        let sorted = if !fresh && wanted.sort == self.wanted.sort {
            self.sorted.clone()
        } else {
            Arc::new(sorted(table, wanted.sort.as_ref()))
        };
        let same = !fresh && wanted.filter.trim() == self.wanted.filter.trim();
        let (passing, error) = if same {
            (self.passing.clone(), self.error.clone())
        } else if wanted.filter.trim().is_empty() {
            (None, None)
        } else {
            match Expression::parse(&wanted.filter).and_then(|condition| condition.rows(table)) {
                Ok(flags) => (Some(Arc::new(Bits::of(&flags))), None),
                Err(error) => (self.passing.clone(), Some(error.to_string())),
            }
        };
        let rows = match &passing {
            None => sorted.clone(),
            Some(bits) => Arc::new(sorted.iter().copied().filter(|row| bits.has(*row as usize)).collect()),
        };
        Self { wanted: wanted.clone(), rows, sorted, passing, error }
    }
}

/// Rows by a column; equal ones stay in their order, and what has no value is last either way.
fn sorted(table: &Table, sort: Option<&(String, bool)>) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..table.rows() as u32).collect();
    let Some((column, falling)) = sort else { return rows };
    let Some(column) = Column::of(table, column) else { return rows };
    if let Some(words) = column.words() {
        rows.par_sort_by(|a, b| words[*a as usize].cmp(words[*b as usize]));
        if *falling {
            rows.reverse();
        }
        return rows;
    }
    // Whole keys in order of the numbers sort faster than numbers that are looked up.
    let mut keys: Vec<(u64, u32)> =
        rows.iter().map(|row| (key(column.number(*row), *falling), *row)).collect();
    keys.par_sort_unstable();
    rows.clear();
    rows.extend(keys.into_iter().map(|(_, row)| row));
    rows
}

/// A whole number that is in the order of numbers, or against it; none is the greatest.
fn key(value: f64, falling: bool) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    // −0 is 0.
    let bits = (value + 0.0).to_bits();
    let rising = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    if falling { !rising } else { rising }
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxelry_core::measure::table::{Builder, Values};

    fn table() -> Table {
        let mut b = Builder::default();
        b.column("label", "", "", Values::Int(vec![3, 1, 9, 4, 7]))
            .column("volume", "µm³", "", Values::Real(vec![2.0, -0.0, f64::NAN, 0.0, -5.0]))
            .column("name", "", "", Values::Text(["b", "a", "c", "a", "d"].map(str::to_owned).to_vec()));
        b.finish("objects")
    }

    #[test]
    fn rows_are_sorted_both_ways_with_what_is_missing_last() {
        let table = table();
        let by = |column: &str, falling: bool| {
            let wanted = OrderRequest { sort: Some((column.to_owned(), falling)), filter: String::new() };
            RowOrder::plain(5).again(&table, &wanted, false).rows.to_vec()
        };
        assert_eq!(by("volume", false), [4, 1, 3, 0, 2]);
        assert_eq!(by("volume", true), [0, 1, 3, 4, 2]);
        assert_eq!(by("label", true), [2, 4, 3, 0, 1]);
        assert_eq!(by("name", false), [1, 3, 0, 2, 4]);
        assert_eq!(by("nothing", false), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_condition_keeps_the_order_and_a_wrong_one_what_was_shown() {
        let table = table();
        let wanted = |filter: &str| OrderRequest {
            sort: Some(("label".to_owned(), false)),
            filter: filter.to_owned(),
        };
        let some = RowOrder::plain(5).again(&table, &wanted("volume <= 0"), false);
        assert_eq!(*some.rows, [1, 3, 4]);
        let wrong = some.again(&table, &wanted("volum > 1"), false);
        assert_eq!(*wrong.rows, [1, 3, 4]);
        assert!(wrong.error.as_deref().is_some_and(|e| e.contains("volume")), "{:?}", wrong.error);
        let all = wrong.again(&table, &wanted(" "), false);
        assert_eq!((all.rows.len(), all.error), (5, None));
    }
}
