//! Measures objects: one row per label, the contacts between labels, and the figures of the image.

use super::Operator;
use crate::measure::passes::partitions::OBJECTS;
use crate::measure::passes::pass::Pass;
use crate::measure::passes::run::{Measure, passes_whole};
use crate::measure::passes::state::State;
use crate::measure::{columns, image};
use crate::program::{
    Accelerator, Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param,
    ParamType, Partials, Phase, Prepared, Produces, Program, Spec, TileContext,
};
use crate::{Job, Region, Result, Volume};
use std::sync::Arc;

/// The `measure` operator.
pub struct MeasureObjects;

/// Inputs that are intensity channels, in the order of the declaration.
const CHANNELS: std::ops::Range<usize> = 1..5;
/// The input that is the reference mask.
const REFERENCE: usize = 5;

const fn channel(name: &'static str, help: &'static str) -> Input {
    Input { name, kinds: &[Kind::Grey], optional: true, help }
}

static SPEC: Spec = Spec {
    id: "measure",
    group: Group::Measure,
    summary: "Measures each object: size, position, shape, surface, topology, contacts and intensities.",
    details: "All sums are of integers, so the tables are the same for any block size and number of \
              threads. Every column's unit and method is in its metadata and in the list of columns. \
              Lengths, areas and angles are those of the world, on sheared grids too, where columns that follow \
              from distances between voxels (inscribed balls, thickness, Voronoi cells, the reference) are \
              refused. Outside the image is background. A mask is one object. NaN and infinite intensities are \
              left out and counted in intensity_missing. Intensities are summed exactly, each object's by \
              themselves; deviations of types wider than 16 bits are taken from the object's mean, to 2^-56 of \
              the object's own range. A sum beyond the range of f64 is infinite. Along an axis of one voxel the \
              image has no border. \
              Exact block by block. So many objects that they don't fit into memory are measured some at a \
              time, except where Voronoi cells, distances from a reference or the table foam are asked for; \
              nearest objects take about 60 bytes an object, the table correlation a bit for each voxel. \
              Thickness needs a block together with what lies context it as far as the largest radius, \
              skeletons and geodesic diameters an object's whole box (at most about 24 bytes a voxel): a \
              warning says so where that is more than the memory to work within.",
    inputs: &[
        Input {
            name: "labels",
            kinds: &[Kind::Labels, Kind::Mask],
            optional: false,
            help: "The objects: labels, or a mask as one object.",
        },
        channel("intensity", "Intensities to measure in each object."),
        channel("intensity_2", "A second channel."),
        channel("intensity_3", "A third channel."),
        channel("intensity_4", "A fourth channel."),
        Input {
            name: "reference",
            kinds: &[Kind::Mask],
            optional: true,
            help: "A mask from which the objects' distances are measured.",
        },
    ],
    output: Produces::Tables,
    params: &[
        Param {
            name: "columns",
            ty: ParamType::Words,
            default: Default::Absent,
            help: "Columns of the object table, or groups of them: size, moments, intensities, surface, contacts, nearest, radius, hull, distribution, boundary (these are the default), inscribed, topology, thickness, oriented, skeleton, geodesic, voronoi (which take longer), reference, or all for every one.",
        },
        Param {
            name: "contacts",
            ty: ParamType::Bool,
            default: Default::Value("true"),
            help: "Also make the table of touching objects.",
        },
        Param {
            name: "image",
            ty: ParamType::Bool,
            default: Default::Value("true"),
            help: "Also make the table of the image's own figures.",
        },
        Param {
            name: "tables",
            ty: ParamType::Words,
            default: Default::Absent,
            help: "Further tables of the image: thickness (which also gives the image table thickness, separation and number), chords, correlation, foam.",
        },
    ],
};

impl Operator for MeasureObjects {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let mut inputs = Vec::new();
        let mut types = Vec::new();
        for i in 1..SPEC.inputs.len() {
            if let Some(channel) = &call.inputs[i] {
                if channel.shape != grid.shape {
                    return Err(call.error(format!(
                        "{} has the shape {:?}, the labels {:?}",
                        SPEC.inputs[i].name, channel.shape, grid.shape
                    )));
                }
                if CHANNELS.contains(&i) {
                    inputs.push(i);
                    types.push(channel.voxel);
                }
            }
        }
        let reference = call.inputs[REFERENCE].is_some();
        let columns = columns::choose(call.args.words("columns"), types.len(), reference)
            .map_err(crate::Error::Usage)?;
        let tables = image::choose(call.args.words("tables")).map_err(crate::Error::Usage)?;
        let image = call.args.bool("image");
        if !image {
            // Channels that no column is of are not read.
            let of_channels = columns.iter().filter(|c| c.column.per_channel());
            let shown = of_channels.map(|c| c.channel + 1).max().unwrap_or(0);
            inputs.truncate(shown);
            types.truncate(shown);
        }
        let what = Measure {
            shape: grid.shape,
            geometry: grid.geometry,
            channels: types,
            columns,
            contacts: call.args.bool("contacts"),
            image,
            tables,
            reference,
            partition: OBJECTS,
        };
        if let Some(names) = what.by_distance() {
            call.at_right_angles(&names)?;
        }
        let scratch = what.scratch();
        let costs = what.costs();
        Ok(Prepared::new(grid, Measuring { what, inputs }).scratch(scratch).costs(costs))
    }
}

/// The operator set up: which inputs are channels, and what to measure.
struct Measuring {
    what: Measure,
    inputs: Vec<usize>,
}

impl Kernel for Measuring {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        self.whole_on(inputs, None, job)
    }

    fn whole_on(
        &self,
        inputs: Vec<Option<Arc<Volume>>>,
        accelerator: Option<&dyn Accelerator>,
        job: &Job,
    ) -> Result<Output> {
        let labels = inputs[0].as_ref().expect("the first input is required");
        let reference = self.what.reference.then_some(&REFERENCE);
        let channels: Vec<&Volume> = self
            .inputs
            .iter()
            .chain(reference)
            .map(|&i| &**inputs[i].as_ref().expect("given when prepared"))
            .collect();
        let state = passes_whole(&self.what, labels, &channels, accelerator, job)?;
        Ok(Output::Tables(self.what.finish(&state)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl Program for Measuring {
    type Phase = Pass;
    type State = State;

    fn fields(&self) -> Vec<FieldSpec> {
        self.what.fields()
    }

    fn phases(&self) -> Vec<Pass> {
        self.what.passes_of_blocks()
    }

    fn declare(&self, pass: Pass) -> Phase {
        self.what.declare(pass, &self.inputs, REFERENCE)
    }

    fn result(&self) -> Option<usize> {
        None
    }

    fn region(&self, pass: Pass, state: &State, out: Region) -> Region {
        self.what.region(pass, state, out)
    }

    fn visits(&self, pass: Pass, state: &State, out: Region) -> bool {
        self.what.visits(pass, state, out)
    }

    fn parts(&self, pass: Pass, state: &State) -> usize {
        self.what.further_partitions(pass, state)
    }

    fn payload(&self, _: Pass, state: &State, part: usize) -> Vec<u8> {
        self.what.payload(state, part)
    }

    fn run(
        &self,
        pass: Pass,
        state: &State,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        if pass == Pass::Partition {
            let part = block.out.start[0];
            let measured = self.what.measure_partition(state, part, &self.inputs, context, job)?;
            return Ok((Vec::new(), self.what.packed(&measured)));
        }
        self.what.run_phase(pass, state, block, &inputs, job)
    }

    fn merge(&self, pass: Pass, state: &mut State, partials: Partials) -> Result<Next> {
        if pass == Pass::Partition {
            self.what.put_others(state, partials)?;
            return Ok(Next::Continue);
        }
        let scratch = partials.scratch();
        let next = self.what.merge_phase(pass, state, partials)?;
        if next == Next::Continue && self.what.ends_with(pass) && state.partitions > 1 {
            self.what.put_first(state, scratch)?;
        }
        Ok(next)
    }

    fn finish(&self, state: State) -> Result<Output> {
        self.what.finish_blocks(state).map(Output::Tables)
    }
}
