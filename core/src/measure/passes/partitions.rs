//! Objects measured share by share, so that what is held in memory at once doesn't grow with their number: first it is
//! found which labels are in which block. The first share is measured block by block together with the image. Each of the
//! others is a part of one phase: whoever makes it runs all passes for its labels on the blocks that they are in, so that
//! on a pool nothing of it is merged by the coordinator. The rows of each share go into temporary files.
//!
//! The figures of an object follow from its voxels, those beside them and what is in its box, so that they are the same
//! whatever else is seen; what depends on all objects (the nearest one) is found at the end.

use crate::algorithms::kdtree::KdTree;
use crate::algorithms::relabel::runs;
use crate::measure::image::Totals;
use crate::measure::passes::pass::Pass;
use crate::measure::passes::run::Measure;
use crate::measure::passes::state::State;
use crate::measure::shape::extras::{self, Found};
use crate::measure::sums::index::Index;
use crate::measure::sums::scan::RegionView;
use crate::program::{Block, FieldSpec, Next, Output, Partials, Phase, Program, TileContext, decode, encode};
use crate::table::Table;
use crate::table::spill::{Packed, Spill};
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects of a share, which ends with a block; few in the tests of this crate, so that there are several everywhere.
pub const OBJECTS: usize = if cfg!(test) { 3 } else { 1 << 19 };
/// Labels that are noted together.
const PAGE: u32 = 64;

/// The labels of a block, each once.
pub fn labels_in(part: &RegionView, out: Region) -> Vec<u32> {
    let mut found = Index::default();
    let [d, h, w] = out.shape;
    let is_mask = part.volume.voxel_type() == VoxelType::U8;
    for z in 0..d {
        for y in 0..h {
            let from = part.offset([out.start[0] + z, out.start[1] + y, out.start[2]]);
            let mut note = |_: usize, label: u32| {
                found.number(u64::from(label));
            };
            if let Some(a) = part.volume.view::<u32>() {
                runs(&a.as_slice().expect("volumes are in C order")[from..from + w], &mut note);
            } else {
                with_volume!(part.volume, |a| {
                    let row = &a.as_slice().expect("volumes are in C order")[from..from + w];
                    let label = |v: f64| if is_mask { u32::from(v != 0.0) } else { u32::from_f64(v) };
                    let row: Vec<u32> = row.iter().map(|v| label(v.to_f64())).collect();
                    runs(&row, &mut note);
                });
            }
        }
    }
    found.keys().iter().map(|label| *label as u32).collect()
}

/// Which labels and which blocks belong to which share. A label belongs to the share of the first block that has it.
#[derive(Debug, Default)]
pub struct LabelIndex {
    /// The share of each label, plus one, in pages; 0 is a label that there is not.
    pages: HashMap<u32, [u16; PAGE as usize]>,
    /// The pages that have labels of each share.
    pages_of: Vec<Vec<u32>>,
    /// The blocks of each share.
    blocks: Vec<Vec<Region>>,
    /// Labels of the last share.
    last: usize,
}

impl LabelIndex {
    /// Adds the labels of a block, in the order of blocks. A share that has `most` labels is not added to.
    pub fn add(&mut self, block: Region, labels: &[u32], most: usize) {
        if self.blocks.is_empty() || self.last >= most && self.blocks.len() < usize::from(u16::MAX) {
            self.blocks.push(Vec::new());
            self.pages_of.push(Vec::new());
            self.last = 0;
        }
        let current = self.blocks.len() as u16;
        let mut partitions = BTreeSet::new();
        for label in labels {
            let page = self.pages.entry(label / PAGE).or_insert([0; PAGE as usize]);
            let at = (label % PAGE) as usize;
            if page[at] == 0 {
                if !page.contains(&current) {
                    self.pages_of[usize::from(current) - 1].push(label / PAGE);
                }
                page[at] = current;
                self.last += 1;
            }
            partitions.insert(page[at]);
        }
        for partition in partitions {
            self.blocks[usize::from(partition) - 1].push(block);
        }
    }

    /// How many shares there are.
    pub fn partitions(&self) -> usize {
        // One that was begun and got no label is none.
        self.blocks.len() - usize::from(self.last == 0 && self.blocks.len() > 1)
    }

    /// A share.
    pub fn partition(&self, number: usize) -> LabelPartition {
        let mut labels: Vec<u64> = Vec::new();
        for page in self.pages_of.get(number).into_iter().flatten() {
            let of =
                self.pages[page].iter().zip(page * PAGE..).filter(|(s, _)| usize::from(**s) == number + 1);
            labels.extend(of.map(|(_, label)| u64::from(label)));
        }
        labels.sort_unstable();
        LabelPartition {
            number,
            labels: Some(labels.into_iter().collect()),
            blocks: self.blocks[number].clone(),
        }
    }
}

/// The objects that are being measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct LabelPartition {
    number: usize,
    /// Their labels; none: all objects are measured at once.
    labels: Option<Index>,
    /// The blocks that they are in.
    blocks: Vec<Region>,
}

impl LabelPartition {
    /// Whether it is the first one, with which the image is measured, too.
    pub fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Its labels; none if it has all there are.
    pub fn labels(&self) -> Option<&Index> {
        self.labels.as_ref()
    }

    /// Whether a label belongs to it.
    pub fn has(&self, label: u64) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.find(label).is_some())
    }

    /// Whether voxels of its objects are in a block, or would be if they had moved so far towards greater indices.
    pub fn is_in(&self, block: Region, moved: usize) -> bool {
        let meets =
            |b: &Region| !Region::new(b.start, b.shape.map(|n| n + moved)).intersection(&block).is_empty();
        self.blocks.iter().any(meets)
    }
}

/// What is known of the shares that were measured.
#[derive(Debug)]
pub struct MeasuredPartitions {
    objects: Spill,
    contacts: Option<Spill>,
    /// World coordinates of the centroids by row, where the nearest ones are asked for.
    points: Vec<[f64; 3]>,
    totals: Totals,
    /// What was found of the image.
    image: Found,
}

/// What was found of one share.
#[derive(Debug, Serialize, Deserialize)]
struct PartitionRows {
    objects: Packed,
    contacts: Option<Packed>,
    points: Vec<[f64; 3]>,
    /// Objects and their voxels.
    totals: (usize, u64),
}

impl MeasuredPartitions {
    fn add(&mut self, rows: PartitionRows) -> Result<()> {
        self.objects.add(&rows.objects)?;
        if let (Some(spill), Some(contacts)) = (&mut self.contacts, &rows.contacts) {
            spill.add(contacts)?;
        }
        self.points.extend(rows.points);
        self.totals.objects += rows.totals.0;
        self.totals.voxels += rows.totals.1;
        Ok(())
    }
}

/// The passes over the objects of one share, as a program of its own.
struct PartitionProgram<'a> {
    what: Measure,
    inputs: &'a [usize],
    /// What is known at first, and at the end.
    state: Mutex<State>,
}

impl PartitionProgram<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program for PartitionProgram<'_> {
    type Phase = Pass;
    type State = State;

    fn fields(&self) -> Vec<FieldSpec> {
        self.what.fields()
    }

    fn phases(&self) -> Vec<Pass> {
        self.what.passes_of_blocks()
    }

    fn declare(&self, pass: Pass) -> Phase {
        self.what.declare(pass, self.inputs, 0)
    }

    fn result(&self) -> Option<usize> {
        None
    }

    fn begin(&self) -> State {
        std::mem::take(&mut self.state())
    }

    fn region(&self, pass: Pass, state: &State, out: Region) -> Region {
        self.what.region(pass, state, out)
    }

    fn visits(&self, pass: Pass, state: &State, out: Region) -> bool {
        self.what.visits(pass, state, out)
    }

    fn run(
        &self,
        pass: Pass,
        state: &State,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        self.what.run_phase(pass, state, block, &inputs, job)
    }

    fn merge(&self, pass: Pass, state: &mut State, partials: Partials) -> Result<Next> {
        self.what.merge_phase(pass, state, partials)
    }

    fn finish(&self, state: State) -> Result<Output> {
        *self.state() = state;
        Ok(Output::Tables(Vec::new()))
    }
}

impl Measure {
    /// Whether a phase of a run block by block is the last for the first share.
    pub fn ends_with(&self, pass: Pass) -> bool {
        let passes = self.passes_of_blocks();
        matches!(passes[..], [.., last] | [.., last, Pass::Partition] if last == pass)
    }

    /// How many parts [`Pass::Partition`] has: the first share is measured together with the image, block by block.
    pub fn further_partitions(&self, pass: Pass, state: &State) -> usize {
        if pass == Pass::Partition { state.partitions.saturating_sub(1) } else { 0 }
    }

    /// What a part of [`Pass::Partition`] is told.
    pub fn payload(&self, state: &State, part: usize) -> Vec<u8> {
        encode(&state.label_index.partition(part + 1))
    }

    /// Measures the objects of a share, a part of [`Pass::Partition`]; `inputs` are those of the channels.
    ///
    /// # Errors
    /// If something can't be read, a full disk, or [`crate::Error::Cancelled`].
    pub fn measure_partition(
        &self,
        state: &State,
        part: usize,
        inputs: &[usize],
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<State> {
        let partition: LabelPartition = decode(&context.payload(part)?)?;
        let mut begin = State::default();
        (begin.partition, begin.ranges) = (partition, state.ranges.clone());
        let what = Self { partition: usize::MAX, ..self.clone() };
        let one = PartitionProgram { what, inputs, state: Mutex::new(begin) };
        let grid = context.inputs()[0].as_ref().expect("labels are required").grid();
        context.run_program(state.block, grid, &one, job)?;
        Ok(one.state.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn rows_of(&self, state: &State) -> (Vec<Table>, PartitionRows) {
        let tables = self.tables_of_objects(state);
        let totals = Totals::of(&state.objects);
        let near = self.wants_nearest();
        let points = near.then(|| extras::centroids(&self.frame(None), &state.objects));
        let rows = PartitionRows {
            objects: Packed::of(&tables[0]),
            contacts: tables.get(1).map(Packed::of),
            points: points.unwrap_or_default(),
            totals: (totals.objects, totals.voxels),
        };
        (tables, rows)
    }

    /// The rows of a share that was measured, as a partial result.
    pub fn packed(&self, state: &State) -> Vec<u8> {
        encode(&self.rows_of(state).1)
    }

    /// Puts the rows of the first of several shares into files in `scratch`.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn put_first(&self, state: &mut State, scratch: &Path) -> Result<()> {
        let (tables, rows) = self.rows_of(state);
        let mut done = MeasuredPartitions {
            objects: Spill::new(&tables[0], scratch)?,
            contacts: tables.get(1).map(|c| Spill::new(c, scratch)).transpose()?,
            points: Vec::new(),
            totals: Totals { objects: 0, voxels: 0, ..Totals::of(&state.objects) },
            image: std::mem::take(&mut state.found),
        };
        done.image.moments.clear();
        done.add(rows)?;
        state.done = Some(done);
        state.forget_objects();
        Ok(())
    }

    /// Adds those of the other shares, which [`Measure::packed`] made.
    ///
    /// # Errors
    /// If the disk is full, or what is said in place of a partial result.
    pub fn put_others(&self, state: &mut State, partials: Partials) -> Result<()> {
        for partial in partials {
            let rows = decode(&partial?.1)?;
            state.done.as_mut().map_or(Ok(()), |done| done.add(rows))?;
        }
        Ok(())
    }

    /// The tables of all shares.
    pub(in crate::measure) fn finish_partitions(
        &self,
        state: &State,
        done: MeasuredPartitions,
    ) -> Result<Vec<Table>> {
        let MeasuredPartitions { mut objects, contacts, points, totals, image } = done;
        let order = objects.order(&["label"])?;
        let mut objects = objects.finish(order.as_deref())?;
        if self.wants_nearest() {
            let points = match &order {
                Some(order) => order.iter().map(|row| points[*row as usize]).collect(),
                None => points,
            };
            objects = with_nearest(objects, &points);
        }
        let mut tables = vec![objects];
        if let Some(mut contacts) = contacts {
            let order = contacts.order(&["label_a", "label_b"])?;
            tables.push(contacts.finish(order.as_deref())?);
        }
        tables.extend(self.tables_of_image(state, &totals, &image));
        Ok(tables)
    }
}

/// A table of objects, in the order of their labels, with its columns about nearest objects found anew from the world
/// coordinates of their centroids: those depend on all objects.
pub fn with_nearest(table: Table, points: &[[f64; 3]]) -> Table {
    let schema = table.batch.schema();
    let labels = table.batch.column_by_name("label");
    let Some(labels) = labels.and_then(|column| column.as_any().downcast_ref::<Int64Array>()) else {
        return table;
    };
    let found = KdTree::new(points).nearest_others();
    let columns = schema.fields().iter().zip(table.batch.columns());
    let columns = columns.map(|(field, column)| -> ArrayRef {
        match field.name().as_str() {
            "nearest_label" => {
                let names = found.iter().map(|f| f.map_or(0, |(row, _)| labels.value(row)));
                Arc::new(Int64Array::from_iter_values(names))
            }
            "nearest_centroid_distance" => {
                Arc::new(Float64Array::from_iter_values(found.iter().map(|f| f.map_or(f64::NAN, |f| f.1))))
            }
            _ => column.clone(),
        }
    });
    match RecordBatch::try_new(schema.clone(), columns.collect()) {
        Ok(batch) => Table { name: table.name, batch },
        Err(_) => table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::components::tests::{Random, blocked, grey, labels, whole};
    use crate::measure::columns::{self, Needs};
    use crate::program::Output;

    fn tables(output: Output) -> Vec<Table> {
        match output {
            Output::Tables(tables) => tables,
            _ => unreachable!("it measures"),
        }
    }

    /// Labels that are balls, shells and scattered voxels, in no order.
    fn objects(random: &mut Random, shape: [usize; 3]) -> Vec<u32> {
        let [_, ny, nx] = shape;
        let mut voxels = vec![0; shape.iter().product()];
        for _ in 0..4 + random.below(25) {
            let label = 1 + random.below(40) as u32 * 977;
            let (radius, hollow) = (random.below(7) as isize, random.below(2) as isize);
            let middle: [isize; 3] = std::array::from_fn(|a| random.below(shape[a]) as isize);
            for (i, v) in voxels.iter_mut().enumerate() {
                let at = [i / (ny * nx), i / nx % ny, i % nx];
                let d: isize = (0..3).map(|a| (at[a] as isize - middle[a]).pow(2)).sum();
                if d <= radius * radius && d >= hollow * (radius - 1).pow(2) {
                    *v = label;
                }
            }
        }
        voxels
    }

    #[test]
    fn shares_of_objects_have_the_rows_of_all_at_once() {
        let mut random = Random(31);
        // Objects whose cells or distances from a reference are asked for are measured all at once.
        let near = |c: &&columns::Column| !matches!(c.needs, Needs::Voronoi | Needs::Reference);
        let near: Vec<&str> = columns::COLUMNS.iter().filter(near).map(|c| c.name).collect();
        let near = near.join(",");
        let choices: [&[(&str, &str)]; 6] = [
            &[],
            &[("columns", &near)],
            &[("columns", "all")],
            &[("tables", "thickness, chords"), ("contacts", "false")],
            &[("columns", "nearest_label, skeleton_length, thickness_mean"), ("image", "false")],
            &[("tables", "foam")],
        ];
        for case in 0..30 {
            let shape = random.shape(22);
            let voxels = objects(&mut random, shape);
            let values: Vec<f32> = voxels.iter().map(|_| random.below(5000) as f32 / 7.0 - 100.0).collect();
            let inputs = [Some(labels(shape, voxels)), Some(grey(shape, values)), None, None, None, None];
            let args = choices[case % choices.len()];
            let expected = tables(whole("measure", args, &inputs, 2));
            for _ in 0..2 {
                let found = tables(blocked("measure", args, &inputs, &mut random));
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found.batch.schema(), expected.batch.schema());
                    let columns = found.batch.columns().iter().zip(expected.batch.columns());
                    for ((found, expected), name) in columns.zip(expected.columns()) {
                        assert_eq!(
                            format!("{found:?}"),
                            format!("{expected:?}"),
                            "{case} {shape:?} {args:?} {name}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_condition_is_held_to_the_objects_of_every_share() {
        let mut random = Random(5);
        for condition in ["voxel_count > 9", "nearest_centroid_distance > 4", "sphericity > 0.8"] {
            let shape = [15, 19, 23];
            let voxels = objects(&mut random, shape);
            let args = [("condition", condition)];
            crate::algorithms::components::tests::hold_blocked(
                "filter-objects",
                &args,
                &[Some(labels(shape, voxels)), None],
                &mut random,
            );
        }
    }

    #[test]
    fn a_label_belongs_to_the_share_of_its_first_block() {
        let block = |z: usize| Region::new([z, 0, 0], [1, 4, 4]);
        let mut label_index = LabelIndex::default();
        label_index.add(block(0), &[7, 1000], 2);
        label_index.add(block(1), &[7, 3], 2);
        label_index.add(block(2), &[], 2);
        label_index.add(block(3), &[3, 5, 4_000_000_000], 2);
        label_index.add(block(4), &[1000], 2);
        assert_eq!(label_index.partitions(), 2);
        let [first, second] = [0, 1].map(|n| label_index.partition(n));
        assert_eq!(first.labels().unwrap().keys(), [7, 1000]);
        assert_eq!(second.labels().unwrap().keys(), [3, 5, 4_000_000_000]);
        assert_eq!(first.blocks, [block(0), block(1), block(4)]);
        assert_eq!(second.blocks, [block(1), block(3)]);
        assert!(second.is_in(block(3), 0) && !second.is_in(block(4), 0));
        assert!(second.is_in(block(4), 1) && !second.is_in(block(5), 1) && !second.is_in(block(0), 1));
        assert!(first.has(1000) && !first.has(3) && LabelPartition::default().has(3));
    }
}
