//! Figures of an object that need more than one pass over its voxels.

use serde::{Deserialize, Serialize};

/// Columns of such figures, in the order of the objects' numbers; empty where not asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtraColumns {
    /// Percentiles 5, 25, 50, 75, 95 by channel and object.
    pub percentiles: Vec<Vec<[f64; 5]>>,
}

/// The figures of one object.
#[derive(Debug, Clone, Copy)]
pub struct Extras<'a> {
    columns: &'a ExtraColumns,
    row: usize,
}

impl<'a> Extras<'a> {
    /// Those of row `row`.
    pub fn new(columns: &'a ExtraColumns, row: usize) -> Self {
        Self { columns, row }
    }

    /// A percentile of a channel.
    pub fn percentile(&self, channel: usize, which: usize) -> f64 {
        self.columns.percentiles.get(channel).and_then(|c| c.get(self.row)).map_or(f64::NAN, |p| p[which])
    }
}
