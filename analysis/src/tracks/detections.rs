//! Detections by frame, and the columns of a table that they come from.

use super::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use std::ops::Range;

/// Detections in the order of their frames, and by `id` within a frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detections {
    /// Number of each: unique, or unique within its frame.
    pub ids: Vec<i64>,
    /// True if the numbers are labels, unique within a frame only.
    pub labelled: bool,
    /// Position `[z, y, x]` of each, in one unit.
    pub positions: Vec<[f64; 3]>,
    /// Further columns by name, with a value for each.
    pub features: Vec<(String, Vec<f64>)>,
    /// The number that comes before all frames: frame 0 is `first`.
    pub first: i64,
    /// Index of the first detection of each frame, and the number of all.
    pub starts: Vec<usize>,
}

/// Names of the columns of a table of detections.
#[derive(Debug, Clone, Copy)]
pub struct Columns;

impl Columns {
    /// Columns that may hold the frame, the best name first.
    pub const TIME: [&'static str; 3] = ["time", "frame", "FRAME"];
    /// Columns that may hold the name of a detection.
    pub const ID: [&'static str; 3] = ["id", "ID", "spot_id"];
    /// Columns that may hold the coordinates, z, y, x.
    pub const POSITION: [[&'static str; 3]; 5] = [
        ["z", "y", "x"],
        ["centroid_world_z", "centroid_world_y", "centroid_world_x"],
        ["centroid_z", "centroid_y", "centroid_x"],
        ["position_z", "position_y", "position_x"],
        ["POSITION_Z", "POSITION_Y", "POSITION_X"],
    ];
}

impl Detections {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Number of detections.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The detections of a frame.
    pub fn frame(&self, frame: usize) -> Range<usize> {
        self.starts[frame]..self.starts[frame + 1]
    }

    /// The frame of each detection.
    pub fn frame_of(&self) -> Vec<u32> {
        (0..self.frames()).flat_map(|f| self.frame(f).map(move |_| f as u32)).collect()
    }

    /// The number of a frame as the table has it.
    pub fn time(&self, frame: u32) -> i64 {
        self.first + i64::from(frame)
    }

    /// The name of a detection in tables: its number, or `frame:label`.
    pub fn name(&self, detection: usize) -> String {
        if self.labelled {
            let frame = self.starts.partition_point(|&start| start <= detection) - 1;
            format!("{}:{}", self.time(frame as u32), self.ids[detection])
        } else {
            self.ids[detection].to_string()
        }
    }

    /// Reads a table with `id`, `time`, `z`, `y`, `x`; `z` may be missing, and instead of `id` there may be a `label`,
    /// unique within its frame, or nothing (rows are then numbered from 0). Of `features` a value is kept for each
    /// detection.
    ///
    /// # Errors
    /// A column that is missing or holds no numbers, a position that is not finite, a time that is not a whole number, an
    /// `id` twice.
    pub fn read(table: &RecordBatch, features: &[String]) -> Result<Self> {
        let n = table.num_rows();
        let times = whole(&required(table, &Columns::TIME)?, "time")?;
        let (id, label) = (find(table, &Columns::ID), table.column_by_name("label"));
        let ids = match id.or(label) {
            Some(column) => whole(&numbers(column, "id")?, "id")?,
            None => (0..n as i64).collect(),
        };
        let labelled = id.is_none() && label.is_some();
        let there =
            |names: &&[&str; 3]| find(table, &names[1..2]).is_some() && find(table, &names[2..]).is_some();
        let names = Columns::POSITION.iter().find(there).unwrap_or(&Columns::POSITION[0]);
        let z = find(table, &names[..1]).map_or_else(|| Ok(vec![0.0; n]), |c| numbers(c, "z"))?;
        let (y, x) = (required(table, &names[1..2])?, required(table, &names[2..])?);
        if let Some(row) = (0..n).find(|&i| !(z[i].is_finite() && y[i].is_finite() && x[i].is_finite())) {
            return Err(format!("row {}: its position is not a number", row + 1));
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| (times[i], ids[i]));
        let twice = |w: &[usize]| ids[w[0]] == ids[w[1]] && times[w[0]] == times[w[1]];
        let twice = order.windows(2).find(|w| twice(w)).map(|w| ids[w[0]]);
        if let Some(id) = if labelled { twice } else { repeated(&ids) } {
            return Err(format!("id {id} is there twice; each detection has a name of its own"));
        }
        let first = order.first().map_or(0, |&i| times[i]);
        let last = order.last().map_or(-1, |&i| times[i]);
        let frames = usize::try_from(last - first + 1).unwrap_or(0);
        if frames > n.saturating_mul(1000).max(1_000_000) {
            return Err(format!("times from {first} to {last} are not numbers of frames"));
        }
        let mut starts = vec![0; frames + 1];
        for &time in &times {
            starts[(time - first) as usize + 1] += 1;
        }
        for frame in 0..frames {
            starts[frame + 1] += starts[frame];
        }
        let features = features
            .iter()
            .map(|name| {
                let column = table.column_by_name(name).ok_or_else(|| missing(table, &[name]))?;
                let values = numbers(column, name)?;
                Ok((name.clone(), order.iter().map(|&i| values[i]).collect()))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            labelled,
            ids: order.iter().map(|&i| ids[i]).collect(),
            positions: order.iter().map(|&i| [z[i], y[i], x[i]]).collect(),
            features,
            first,
            starts,
        })
    }

    /// Adds the detections of the next frame: name, position and a value for each feature.
    ///
    /// # Panics
    /// If a detection has not as many values as there are features.
    pub fn push_frame(&mut self, detections: impl IntoIterator<Item = (i64, [f64; 3], Vec<f64>)>) {
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        for (id, position, values) in detections {
            assert_eq!(values.len(), self.features.len(), "a value for each feature");
            self.ids.push(id);
            self.positions.push(position);
            for ((_, column), value) in self.features.iter_mut().zip(values) {
                column.push(value);
            }
        }
        self.starts.push(self.ids.len());
    }
}

fn repeated(ids: &[i64]) -> Option<i64> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|w| w[0] == w[1]).map(|w| w[0])
}

fn find<'a>(table: &'a RecordBatch, names: &[&str]) -> Option<&'a ArrayRef> {
    names.iter().find_map(|name| table.column_by_name(name))
}

fn missing(table: &RecordBatch, names: &[&str]) -> String {
    let there: Vec<String> = table.schema_ref().fields().iter().map(|f| f.name().clone()).collect();
    format!("there is no column \"{}\"; there are {}", names[0], there.join(", "))
}

fn required(table: &RecordBatch, names: &[&str]) -> Result<Vec<f64>> {
    numbers(find(table, names).ok_or_else(|| missing(table, names))?, names[0])
}

/// The values of a numeric column; NaN where there is none.
fn numbers(column: &ArrayRef, name: &str) -> Result<Vec<f64>> {
    let wrong = || format!("column \"{name}\" holds no numbers");
    if !(column.data_type().is_numeric() || *column.data_type() == DataType::Boolean) {
        return Err(wrong());
    }
    let real = cast(column, &DataType::Float64).map_err(|_| wrong())?;
    let real = real.as_primitive::<Float64Type>();
    Ok((0..real.len()).map(|i| if real.is_null(i) { f64::NAN } else { real.value(i) }).collect())
}

fn whole(values: &[f64], name: &str) -> Result<Vec<i64>> {
    let number = |(row, &v): (usize, &f64)| {
        if v.fract() == 0.0 && v.abs() < 9e15 {
            Ok(v as i64)
        } else {
            Err(format!("row {}: {name} {v} is not a whole number", row + 1))
        }
    };
    values.iter().enumerate().map(number).collect()
}
