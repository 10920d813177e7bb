//! From sums to the tables `objects` and `contacts`.

use crate::measure::columns::object::{Frame, Object};
use crate::measure::columns::{Chosen, Value};
use crate::measure::shape::extras::{ExtraColumns, Extras};
use crate::measure::sums::Objects;
use crate::table::Table;
use crate::table::builder::{Builder, Values};
use rayon::prelude::*;

/// One row per object, by label.
pub fn objects_table(frame: &Frame, objects: &Objects, extras: &ExtraColumns, chosen: &[Chosen]) -> Table {
    let order = rows_by_label(objects);
    let contacts = contact_totals(frame, objects);
    let mut columns: Vec<Values> = chosen
        .iter()
        .map(|c| match c.column.value {
            Value::Int(_) => Values::Int(vec![0; order.len()]),
            Value::Flag(_) => Values::Flag(vec![false; order.len()]),
            Value::Real(_) | Value::Channel(_) => Values::Real(vec![0.0; order.len()]),
        })
        .collect();
    // Blocks of rows, each with all its columns: an object is worked out once.
    let mut blocks: Vec<(&[usize], Vec<Cells>)> =
        order.chunks(BLOCK).map(|rows| (rows, Vec::with_capacity(chosen.len()))).collect();
    for values in &mut columns {
        for ((_, block), cells) in blocks.iter_mut().zip(Cells::chunks(values)) {
            block.push(cells);
        }
    }
    blocks.into_par_iter().for_each(|(rows, mut columns)| {
        for (i, &row) in rows.iter().enumerate() {
            let contacts = contacts.get(row).copied().unwrap_or_default();
            let object = Object::new(frame, objects, row, contacts, Extras::new(extras, row));
            for (choice, cells) in chosen.iter().zip(&mut columns) {
                match (choice.column.value, cells) {
                    (Value::Int(f), Cells::Int(v)) => v[i] = f(&object),
                    (Value::Flag(f), Cells::Flag(v)) => v[i] = f(&object),
                    (Value::Real(f), Cells::Real(v)) => v[i] = f(&object),
                    (Value::Channel(f), Cells::Real(v)) => v[i] = f(&object, choice.channel),
                    _ => unreachable!("made to match above"),
                }
            }
        }
    });
    let mut builder = Builder::default();
    for (choice, values) in chosen.iter().zip(columns) {
        let unit = choice.column.unit.text(frame.geometry.unit);
        builder.column(choice.column.name_for(choice.channel), &unit, choice.column.doc, values);
    }
    builder.finish("objects")
}

/// Rows that are worked out together.
const BLOCK: usize = 1024;

/// The cells of a column in a block of rows, to be filled.
enum Cells<'a> {
    Int(&'a mut [i64]),
    Real(&'a mut [f64]),
    Flag(&'a mut [bool]),
}

impl<'a> Cells<'a> {
    /// The cells of each block of a column of numbers or flags.
    fn chunks(values: &'a mut Values) -> Box<dyn Iterator<Item = Self> + 'a> {
        match values {
            Values::Int(v) => Box::new(v.chunks_mut(BLOCK).map(Self::Int)),
            Values::Real(v) => Box::new(v.chunks_mut(BLOCK).map(Self::Real)),
            Values::Flag(v) => Box::new(v.chunks_mut(BLOCK).map(Self::Flag)),
            Values::Text(_) => Box::new(std::iter::empty()),
        }
    }
}

/// Rows of objects that have voxels, by label.
pub fn rows_by_label(objects: &Objects) -> Vec<usize> {
    let labels = objects.labels.keys();
    let mut order: Vec<usize> = (0..labels.len()).filter(|&row| objects.voxels.count(row) > 0).collect();
    order.sort_unstable_by_key(|&row| labels[row]);
    order
}

/// For each object, how many labels share a face with it, and the area of all its interfaces. The
/// areas are summed as integers. Empty if there are no contacts.
fn contact_totals(frame: &Frame, objects: &Objects) -> Vec<(u64, f64)> {
    if objects.pairs.is_empty() {
        return Vec::new();
    }
    let mut totals = vec![(0u64, 0i64); objects.labels.len()];
    for (&key, sums) in objects.pairs.keys().iter().zip(objects.contacts.iter()) {
        for label in [key >> 32, key & 0xffff_ffff] {
            if let Some(row) = objects.labels.find(label) {
                totals[row].0 += u64::from(sums.faces > 0);
                totals[row].1 += sums.area;
            }
        }
    }
    totals.into_iter().map(|(n, area)| (n, area as f64 / 2.0 * frame.area_unit)).collect()
}

/// One row per pair of labels that touch by a face, an edge or a corner, by labels; of pairs whose lesser label is wanted.
pub fn contacts_table(frame: &Frame, objects: &Objects, wanted: impl Fn(u64) -> bool) -> Table {
    let keys = objects.pairs.keys();
    let mut order: Vec<usize> = (0..keys.len()).filter(|row| wanted(keys[*row] >> 32)).collect();
    order.sort_unstable_by_key(|&row| keys[row]);
    let label = |shift: u32| order.iter().map(|&r| (keys[r] >> shift & 0xffff_ffff) as i64).collect();
    let area = order.iter().map(|&r| objects.contacts[r].area as f64 / 2.0 * frame.area_unit).collect();
    let faces = order.iter().map(|&r| objects.contacts[r].faces / 8).collect();
    let unit = crate::measure::columns::UnitRule::Length(2).text(frame.geometry.unit);
    let mut builder = Builder::default();
    builder
        .column("label_a", "", "The lesser label.", Values::Int(label(32)))
        .column("label_b", "", "The greater label.", Values::Int(label(0)))
        .column(
            "contact_area",
            &unit,
            "Area of the interface, Crofton with 13 directions.",
            Values::Real(area),
        )
        .column(
            "face_count",
            "1",
            "Voxel faces that the two share; 0 if they touch by edges or corners alone.",
            Values::Int(faces),
        );
    builder.finish("contacts")
}
