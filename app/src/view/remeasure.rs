//! Remeasurement of the objects that edits have touched; the other rows stay as they are.

use super::Layer;
use super::objects::part;
use super::recipe_run::{self, Input};
use arrow::array::Int64Array;
use arrow::compute::concat_batches;
use std::collections::BTreeSet;
use std::sync::Arc;
use tempfile::TempDir;
use voxelry_core::blocks::{Engine, Field, FileField};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::{Labels, Version};
use voxelry_core::measure::Table;
use voxelry_core::measure::passes::partitions::with_nearest;
use voxelry_core::ops::Kind;
use voxelry_core::recipe::{self, ExecutionMode, IMAGE, Plan};
use voxelry_core::{Error, Geometry, Job, Region, Result};

/// Voxels of a block along each axis.
const BLOCK: [usize; 3] = [64; 3];

/// Labels as they were measured and as they are now.
pub struct EditedLabels {
    /// The labels.
    pub labels: Arc<Labels>,
    /// As they were measured.
    pub before: Arc<Version>,
    /// As they are.
    pub now: Arc<Version>,
    /// The intensities that are measured in them.
    pub image: Option<Layer>,
}

impl EditedLabels {
    /// Objects of which a voxel, or one beside it, has changed.
    ///
    /// # Errors
    /// If the labels can't be read, or the job was cancelled.
    pub fn touched(&self, job: &Job) -> Result<BTreeSet<u32>> {
        let mut touched = BTreeSet::new();
        for chunk in self.now.changed_since(&self.before) {
            job.check()?;
            let region = chunk.grown([1; 3], self.labels.shape());
            let [old, new] = [&self.before, &self.now].map(|v| v.read(Frame::default(), region));
            let (old, new) = (old?, new?);
            let (old, new) = (old.view::<u32>(), new.view::<u32>());
            let (Some(old), Some(new)) = (old, new) else { continue };
            // The box of what differs, and one voxel more.
            let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
            for ((z, y, x), label) in new.indexed_iter() {
                if *label != old[[z, y, x]] {
                    for (a, at) in [z, y, x].into_iter().enumerate() {
                        (low[a], high[a]) = (low[a].min(at), high[a].max(at));
                    }
                }
            }
            if low[0] > high[0] {
                continue;
            }
            let differing = Region::new(low, std::array::from_fn(|a| high[a] + 1 - low[a]));
            let [z, y, x] = differing.grown([1; 3], region.shape).ranges();
            let part = ndarray::s![z, y, x];
            touched.extend(old.slice(part).iter().chain(new.slice(part)).filter(|label| **label != 0));
        }
        Ok(touched)
    }

    /// Measures these objects, as they are now.
    fn measure(&self, objects: &BTreeSet<u32>, job: &Job) -> Result<Vec<Table>> {
        let shape = self.labels.shape();
        let boxes = objects.iter().filter_map(|label| self.labels.within(*label));
        let boxes: Vec<Region> = boxes.map(|region| region.grown([2; 3], shape)).collect();
        let labels = FileField::new(self.now.clone(), Frame::default(), Kind::Labels);
        let mut fields: Vec<(String, Arc<dyn Field>)> = vec![(IMAGE.to_owned(), Arc::new(labels))];
        if let Some(image) = &self.image {
            let info = self.now.info();
            fields.push((
                "grey".to_owned(),
                Input::on_grid_of("grey", image, ("the labels", info))?.field(None)?,
            ));
        }
        let grids: Vec<_> = fields.iter().map(|(name, field)| (name.clone(), field.grid())).collect();
        let plan = Plan::new(&recipe_run::measuring(self.image.is_some())?, &grids)?;
        let fields: Vec<Arc<dyn Field>> = fields.into_iter().map(|f| f.1).collect();
        let folder = TempDir::with_prefix("voxelry").map_err(|e| Error::io(std::env::temp_dir(), e))?;
        let engine = Engine { within: Some(boxes), ..Engine::in_scratch(BLOCK, folder.path()) };
        let made = recipe::run(&plan, &fields, &[], &ExecutionMode::Blocks(engine), job)?;
        Ok(made.tables.into_iter().map(|t| t.1).collect())
    }

    /// Tables with the rows of touched objects as they are now, in the order of the tables: none for a table that is of
    /// the whole image, or of other columns than are measured here.
    ///
    /// # Errors
    /// If something can't be read, or the job was cancelled.
    pub fn again(&self, tables: &[Table], job: &Job) -> Result<Vec<Option<Table>>> {
        let touched = self.touched(job)?;
        if touched.is_empty() {
            return Ok(tables.iter().cloned().map(Some).collect());
        }
        let fresh = self.measure(&touched, job)?;
        let geometry = self.labels.geometry();
        let patched = tables.iter().map(|table| {
            let fresh = fresh.iter().find(|f| f.name == table.name)?;
            patched(table, fresh, &touched, &geometry)
        });
        Ok(patched.collect())
    }
}

/// A table with the rows about some objects taken from another one. None if the tables have not the same columns, or
/// rows are about nothing.
fn patched(old: &Table, fresh: &Table, touched: &BTreeSet<u32>, geometry: &Geometry) -> Option<Table> {
    let has = |name: &&str| old.batch.column_by_name(name).is_some();
    let names = [["label"].as_slice(), &["label_a", "label_b"]].into_iter().find(|n| n.iter().all(has))?;
    if old.batch.schema() != fresh.batch.schema() {
        return None;
    }
    let of = |table: &Table| names.iter().map(|n| labels_of(table, n)).collect::<Option<Vec<_>>>();
    let rows = |table: &Table, about: bool| {
        let keys = of(table)?;
        let is_about = |row: &u32| keys.iter().any(|k| touched.contains(&k[*row as usize])) == about;
        let rows: Vec<u32> = (0..table.rows() as u32).filter(is_about).collect();
        Some(part(table, &rows).batch)
    };
    let batches = [rows(old, false)?, rows(fresh, true)?];
    let batch = concat_batches(&old.batch.schema(), &batches).ok()?;
    let all = Table { name: old.name.clone(), batch };
    let keys = of(&all)?;
    let mut order: Vec<u32> = (0..all.rows() as u32).collect();
    order.sort_by_key(|row| keys.iter().map(|k| k[*row as usize]).collect::<Vec<u32>>());
    Some(near(part(&all, &order), geometry))
}

fn labels_of(table: &Table, name: &str) -> Option<Vec<u32>> {
    let column = table.batch.column_by_name(name)?.as_any().downcast_ref::<Int64Array>()?;
    column.values().iter().map(|label| u32::try_from(*label).ok()).collect()
}

/// Recomputes the columns about nearest objects, which depend on all objects.
fn near(table: Table, geometry: &Geometry) -> Table {
    let schema = table.batch.schema();
    if ["nearest_label", "nearest_centroid_distance"].iter().all(|name| schema.index_of(name).is_err()) {
        return table;
    }
    let places = ["centroid_z", "centroid_y", "centroid_x"].map(|name| table.numbers(name));
    let [Some(z), Some(y), Some(x)] = places else { return table };
    let place = |i: usize| geometry.world([z[i], y[i], x[i]]).to_array();
    let points: Vec<[f64; 3]> = (0..table.rows()).map(place).collect();
    with_nearest(table, &points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::open::layers_of;
    use arrow::array::{ArrayRef, Float64Array};
    use ndarray::Array3;
    use voxelry_core::Volume;
    use voxelry_core::io::browse::Cache;
    use voxelry_core::io::{OpenOptions, WriteOptions};

    const SHAPE: [usize; 3] = [70, 90, 130];

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as usize) % n
        }
    }

    fn measured(version: Arc<Version>, image: Option<&Layer>) -> Vec<Table> {
        let labels: Arc<dyn Field> = Arc::new(FileField::new(version, Frame::default(), Kind::Labels));
        let mut fields = vec![(IMAGE.to_owned(), labels)];
        if let Some(image) = image {
            fields.push(("grey".into(), Input::of("grey", image, None).field(None).unwrap()));
        }
        let grids: Vec<_> = fields.iter().map(|(name, field)| (name.clone(), field.grid())).collect();
        let plan = Plan::new(&recipe_run::measuring(image.is_some()).unwrap(), &grids).unwrap();
        let fields: Vec<Arc<dyn Field>> = fields.into_iter().map(|f| f.1).collect();
        let made = recipe::run(&plan, &fields, &[], &ExecutionMode::Memory, &Job::silent()).unwrap();
        made.tables.into_iter().map(|t| t.1).collect()
    }

    /// Whatever is edited, tables that are kept up with the edits are those of the whole image.
    #[test]
    fn rows_that_are_measured_anew_are_those_of_a_whole_run() {
        let folder = tempfile::tempdir().unwrap();
        let geometry = Geometry::from_spacing([0.4, 0.25, 0.25], voxelry_core::Unit::Micrometre);
        let labels = Labels::create(&folder.path().join("log"), SHAPE, geometry, None, 64 << 20).unwrap();
        let mut random = Random(11);
        let grey = Array3::from_shape_simple_fn(SHAPE, || random.below(251) as u8);
        let path = folder.path().join("grey.nrrd");
        voxelry_core::io::write_volume(&path, &Volume::U8(grey), geometry, false, &WriteOptions::default())
            .unwrap();
        let source = Arc::from(voxelry_core::io::open(&path, &OpenOptions::default()).unwrap());
        let image = layers_of(source, "grey", Some(path), &Cache::new(64 << 20)).swap_remove(0);
        let ball = |label: u32, random: &mut Random| {
            let radius = 2 + random.below(7);
            let middle: [usize; 3] = std::array::from_fn(|a| random.below(SHAPE[a]));
            let region = Region::new(middle, [1; 3]).grown([radius; 3], SHAPE);
            let mut voxels = labels.get(region).unwrap();
            for ((z, y, x), v) in voxels.indexed_iter_mut() {
                let at = [z, y, x];
                let d: usize = (0..3).map(|a| (at[a] + region.start[a]).abs_diff(middle[a]).pow(2)).sum();
                if d <= radius * radius {
                    *v = label;
                }
            }
            let mut edit = labels.edit().unwrap();
            edit.put(region.start, voxels.view()).unwrap();
            edit.commit("ball").unwrap();
        };
        (1..60).for_each(|label| ball(label, &mut random));
        for image in [None, Some(&image)] {
            let mut before = Arc::new(labels.version());
            let mut tables = measured(before.clone(), image);
            for round in 0..6 {
                match round {
                    // Nothing, a new one, one that others lose to, one that goes, an edit taken back.
                    0 => {}
                    1 => ball(100, &mut random),
                    2 => (0..4).for_each(|i| ball(101 + i, &mut random)),
                    3 => ball(0, &mut random),
                    4 => {
                        let mut edit = labels.edit().unwrap();
                        let within = labels.within(100).unwrap_or(Region::new([0; 3], [20; 3]));
                        let gone = labels.get(within).unwrap().mapv(|v| if v == 100 { 0 } else { v });
                        edit.put(within.start, gone.view()).unwrap();
                        edit.commit("gone").unwrap();
                    }
                    _ => drop(labels.undo().unwrap()),
                }
                let now = Arc::new(labels.version());
                let edited = EditedLabels {
                    labels: labels.clone(),
                    before: before.clone(),
                    now: now.clone(),
                    image: image.cloned(),
                };
                let again = edited.again(&tables, &Job::silent()).unwrap();
                let whole = measured(now.clone(), image);
                assert_eq!(
                    whole.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
                    ["objects", "contacts", "image"]
                );
                for (again, whole) in again.iter().zip(&whole).take(2) {
                    assert_tables_equal(again.as_ref().unwrap(), whole, round);
                }
                assert!(again[2].as_ref().is_none_or(|image| *image == whole[2]));
                tables = again.into_iter().zip(whole).map(|(again, whole)| again.unwrap_or(whole)).collect();
                before = now;
            }
        }
    }

    fn assert_tables_equal(a: &Table, b: &Table, round: usize) {
        assert_eq!(a.columns(), b.columns());
        assert_eq!(a.rows(), b.rows(), "{} after {round}", a.name);
        for (at, name) in a.columns().iter().enumerate() {
            for row in 0..a.rows() {
                let cells = [a, b].map(|t| t.text(at, row));
                assert_eq!(cells[0], cells[1], "{name} of row {row} after {round}");
            }
        }
        assert!(a.batch.columns().iter().zip(b.batch.columns()).all(|(a, b)| {
            let bits = |c: &ArrayRef| {
                c.as_any()
                    .downcast_ref::<Float64Array>()
                    .map(|f| f.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>())
            };
            bits(a) == bits(b)
        }));
    }

    #[test]
    fn tables_of_other_columns_are_not_patched() {
        let touched = BTreeSet::from([1]);
        let mut builder = voxelry_core::measure::table::Builder::default();
        builder.column("label", "", "", voxelry_core::measure::table::Values::Int(vec![1]));
        let one = builder.finish("objects");
        let mut builder = voxelry_core::measure::table::Builder::default();
        builder.column("label", "", "", voxelry_core::measure::table::Values::Int(vec![1]));
        builder.column("volume", "", "", voxelry_core::measure::table::Values::Real(vec![1.0]));
        let other = builder.finish("objects");
        assert!(patched(&one, &other, &touched, &Geometry::default()).is_none());
        assert_eq!(patched(&one, &one, &touched, &Geometry::default()).unwrap(), one);
    }
}
