//! From sums to the tables `objects` and `contacts`.

use super::Table;
use super::columns::{Chosen, Value};
use super::extras::{ExtraColumns, Extras};
use super::object::{Frame, Object};
use super::sums::Objects;
use super::table::{Builder, Values};
use rayon::prelude::*;

/// One row per object, by label.
pub fn objects_table(frame: &Frame, objects: &Objects, extras: &ExtraColumns, chosen: &[Chosen]) -> Table {
    let order = rows_by_label(objects);
    let contacts = contact_totals(frame, objects);
    // Blocks of rows, each with all its columns: an object is worked out once.
    let blocks: Vec<Vec<Values>> = order
        .par_chunks(1024)
        .map(|rows| {
            let mut columns: Vec<Values> = chosen
                .iter()
                .map(|c| match c.column.value {
                    Value::Int(_) => Values::Int(Vec::with_capacity(rows.len())),
                    Value::Flag(_) => Values::Flag(Vec::with_capacity(rows.len())),
                    Value::Real(_) | Value::Channel(_) => Values::Real(Vec::with_capacity(rows.len())),
                })
                .collect();
            for &row in rows {
                let object = Object::new(frame, objects, row, contacts[row], Extras::new(extras, row));
                for (choice, values) in chosen.iter().zip(&mut columns) {
                    match (choice.column.value, values) {
                        (Value::Int(f), Values::Int(v)) => v.push(f(&object)),
                        (Value::Flag(f), Values::Flag(v)) => v.push(f(&object)),
                        (Value::Real(f), Values::Real(v)) => v.push(f(&object)),
                        (Value::Channel(f), Values::Real(v)) => v.push(f(&object, choice.channel)),
                        _ => unreachable!("made to match above"),
                    }
                }
            }
            columns
        })
        .collect();
    let mut builder = Builder::default();
    for (i, choice) in chosen.iter().enumerate() {
        let values = match choice.column.value {
            Value::Int(_) => {
                Values::Int(gathered(&blocks, i, |v| if let Values::Int(v) = v { v } else { &[] }))
            }
            Value::Flag(_) => {
                Values::Flag(gathered(&blocks, i, |v| if let Values::Flag(v) = v { v } else { &[] }))
            }
            _ => Values::Real(gathered(&blocks, i, |v| if let Values::Real(v) = v { v } else { &[] })),
        };
        let unit = choice.column.unit.text(frame.geometry.unit);
        builder.column(choice.column.name_for(choice.channel), &unit, choice.column.doc, values);
    }
    builder.finish("objects")
}

fn gathered<T: Copy>(blocks: &[Vec<Values>], column: usize, of: impl Fn(&Values) -> &[T]) -> Vec<T> {
    blocks.iter().flat_map(|b| of(&b[column]).iter().copied()).collect()
}

/// Rows of objects that have voxels, by label.
pub fn rows_by_label(objects: &Objects) -> Vec<usize> {
    let labels = objects.labels.keys();
    let mut order: Vec<usize> = (0..labels.len()).filter(|&row| objects.voxels[row].count > 0).collect();
    order.sort_unstable_by_key(|&row| labels[row]);
    order
}

/// For each object, how many labels share a face with it, and the area of all its interfaces. The
/// areas are summed as integers.
fn contact_totals(frame: &Frame, objects: &Objects) -> Vec<(u64, f64)> {
    let mut totals = vec![(0u64, 0i64); objects.labels.len()];
    for (&key, sums) in objects.pairs.keys().iter().zip(&objects.contacts) {
        for label in [key >> 32, key & 0xffff_ffff] {
            if let Some(row) = objects.labels.find(label) {
                totals[row].0 += u64::from(sums.faces > 0);
                totals[row].1 += sums.area;
            }
        }
    }
    totals.into_iter().map(|(n, area)| (n, area as f64 / 2.0 * frame.area_unit)).collect()
}

/// One row per pair of labels that touch by a face, an edge or a corner, by labels.
pub fn contacts_table(frame: &Frame, objects: &Objects) -> Table {
    let keys = objects.pairs.keys();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|&row| keys[row]);
    let label = |shift: u32| order.iter().map(|&r| (keys[r] >> shift & 0xffff_ffff) as i64).collect();
    let area = order.iter().map(|&r| objects.contacts[r].area as f64 / 2.0 * frame.area_unit).collect();
    let faces = order.iter().map(|&r| objects.contacts[r].faces / 8).collect();
    let unit = super::columns::UnitRule::Length(2).text(frame.geometry.unit);
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
