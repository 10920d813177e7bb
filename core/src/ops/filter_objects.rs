//! Keeps or removes objects by a condition on their measurements.

use super::Operator;
use crate::measure::columns;
use crate::measure::passes::partitions::OBJECTS;
use crate::measure::passes::pass::{FIELDS, Pass};
use crate::measure::passes::run::{Measure, passes_whole};
use crate::measure::passes::state::State;
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode,
};
use crate::table::expression::Expression;
use crate::{Error, Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The `filter-objects` operator.
pub struct FilterObjects;

static SPEC: Spec = Spec {
    id: "filter-objects",
    group: Group::Objects,
    summary: "Keeps the objects whose measurements satisfy a condition, such as \"volume > 20 and sphericity < 0.6\".",
    details: "Any column of the object table may be named, with and, or, not, comparisons, arithmetic and \
              parentheses; only what is named is measured. Labels keep their numbers. A comparison with a \
              value that is not defined does not hold. Exact block by block.",
    inputs: &[
        Input { name: "labels", kinds: &[Kind::Labels], optional: false, help: "The objects." },
        Input {
            name: "intensity",
            kinds: &[Kind::Grey],
            optional: true,
            help: "Intensities that the condition names.",
        },
    ],
    output: Produces::Image(Kind::Labels),
    params: &[
        Param {
            name: "condition",
            ty: ParamType::Text,
            default: Default::Required,
            help: "What must hold for an object.",
        },
        Param {
            name: "remove",
            ty: ParamType::Bool,
            default: Default::Value("false"),
            help: "Remove the objects for which it holds instead of keeping them.",
        },
    ],
};

impl Operator for FilterObjects {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        let channel = call.inputs[1];
        if let Some(channel) = channel
            && channel.shape != grid.shape
        {
            return Err(call
                .error(format!("intensity has the shape {:?}, the labels {:?}", channel.shape, grid.shape)));
        }
        let wrong =
            |reason: &dyn std::fmt::Display| Error::Usage(format!("filter-objects, condition: {reason}"));
        let condition = Expression::parse(call.args.text("condition")).map_err(|e| wrong(&e))?;
        let names = condition.columns();
        let columns =
            columns::choose(Some(&names), usize::from(channel.is_some()), false).map_err(|e| wrong(&e))?;
        // The name of a group of columns is none of a column.
        let is_column = |name: &&String| columns.iter().any(|c| c.column.name_for(c.channel) == **name);
        if let Some(group) = names.iter().find(|name| !is_column(name)) {
            return Err(wrong(&format!("there is no column \"{group}\"")));
        }
        let mut what = Measure {
            shape: grid.shape,
            geometry: grid.geometry,
            channels: channel.iter().map(|c| c.voxel).collect(),
            columns,
            contacts: false,
            image: false,
            tables: Vec::new(),
            reference: false,
            partition: OBJECTS,
        };
        if what.wants_nearest() {
            // All objects have to be known for that.
            what.partition = usize::MAX;
        }
        if let Some(names) = what.by_distance() {
            call.at_right_angles(&names)?;
        }
        let scratch = what.scratch();
        let filter = Filter { what, condition, remove: call.args.bool("remove") };
        Ok(Prepared::new(grid.labels(), filter).scratch(scratch))
    }
}

struct Filter {
    what: Measure,
    condition: Expression,
    remove: bool,
}

impl Filter {
    /// Labels that stay.
    fn kept(&self, state: &State) -> Result<Labels> {
        let table = &self.what.finish(state)[0];
        let holds = self
            .condition
            .rows(table)
            .map_err(|e| Error::Usage(format!("filter-objects, condition: {e}")))?;
        let labels = table.numbers("label").expect("always there");
        Ok(labels.into_iter().zip(holds).filter(|(_, h)| *h != self.remove).map(|(l, _)| l as u32).collect())
    }
}

/// Labels, a bit each, 64 to a page: those of many objects lie close together.
#[derive(Debug, std::default::Default, Serialize, Deserialize)]
struct Labels(BTreeMap<u32, u64>);

impl Labels {
    fn has(&self, label: u32) -> bool {
        self.0.get(&(label / 64)).is_some_and(|page| page >> (label % 64) & 1 != 0)
    }

    fn add(&mut self, other: &Self) {
        for (page, bits) in &other.0 {
            *self.0.entry(*page).or_default() |= bits;
        }
    }
}

impl FromIterator<u32> for Labels {
    fn from_iter<I: IntoIterator<Item = u32>>(labels: I) -> Self {
        let mut pages = BTreeMap::new();
        for label in labels {
            *pages.entry(label / 64).or_default() |= 1 << (label % 64);
        }
        Self(pages)
    }
}

/// The labels with all but the kept ones set to 0.
fn apply(labels: &Volume, kept: &Labels, job: &Job) -> Result<Volume> {
    let mut out = Array3::<u32>::zeros(labels.shape());
    with_volume!(labels, |a| {
        let source = a.as_slice().expect("volumes are in C order");
        let target = out.as_slice_mut().expect("just made");
        target.par_chunks_mut(1 << 18).zip(source.par_chunks(1 << 18)).try_for_each(|(target, source)| {
            job.check()?;
            let (mut last, mut stays) = (0, false);
            for (t, s) in target.iter_mut().zip(source) {
                let label = u32::from_f64(s.to_f64());
                if label != last {
                    last = label;
                    stays = kept.has(label);
                }
                *t = if stays { label } else { 0 };
            }
            job.advance(source.len() as u64);
            Result::Ok(())
        })?;
    });
    Ok(Volume::U32(out))
}

impl Kernel for Filter {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let labels = inputs[0].as_ref().expect("the first input is required");
        let channels: Vec<&Volume> = inputs[1..].iter().flatten().map(|v| &**v).collect();
        let state = passes_whole(&self.what, labels, &channels, None, job)?;
        let kept = self.kept(&state)?;
        job.stage("filter objects", labels.len() as u64);
        apply(labels, &kept, job).map(Output::Volume)
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// What is known between phases.
#[derive(std::default::Default, Serialize, Deserialize)]
struct FilterObjectsState {
    /// Until it is known what stays.
    measured: State,
    /// Labels that stay.
    kept: Labels,
}

/// Phases of [`FilterObjects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilterPhase {
    /// The figures that the condition names.
    Measure(Pass),
    /// The result.
    Filter,
}

/// The fields of the passes, and after them the result.
impl Program for Filter {
    type Phase = FilterPhase;
    type State = FilterObjectsState;

    fn fields(&self) -> Vec<FieldSpec> {
        let mut fields = self.what.fields();
        fields.push(FieldSpec { voxel: VoxelType::U32 });
        fields
    }

    fn phases(&self) -> Vec<FilterPhase> {
        let passes = self.what.passes_of_blocks().into_iter().map(FilterPhase::Measure);
        passes.chain([FilterPhase::Filter]).collect()
    }

    fn declare(&self, phase: FilterPhase) -> Phase {
        match phase {
            FilterPhase::Measure(pass) => self.what.declare(pass, &[1][..self.what.channels.len()], 0),
            FilterPhase::Filter => {
                Phase::blocks("filter objects", vec![Source::Input(0, [0; 3])], vec![FIELDS])
            }
        }
    }

    fn result(&self) -> Option<usize> {
        Some(FIELDS)
    }

    fn region(&self, phase: FilterPhase, state: &FilterObjectsState, out: Region) -> Region {
        match phase {
            FilterPhase::Measure(pass) => self.what.region(pass, &state.measured, out),
            FilterPhase::Filter => out,
        }
    }

    fn visits(&self, phase: FilterPhase, state: &FilterObjectsState, out: Region) -> bool {
        match phase {
            FilterPhase::Measure(pass) => self.what.visits(pass, &state.measured, out),
            FilterPhase::Filter => true,
        }
    }

    fn parts(&self, phase: FilterPhase, state: &FilterObjectsState) -> usize {
        match phase {
            FilterPhase::Measure(pass) => self.what.further_partitions(pass, &state.measured),
            FilterPhase::Filter => 0,
        }
    }

    fn payload(&self, _: FilterPhase, state: &FilterObjectsState, part: usize) -> Vec<u8> {
        self.what.payload(&state.measured, part)
    }

    fn run(
        &self,
        phase: FilterPhase,
        state: &FilterObjectsState,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        context: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        match phase {
            FilterPhase::Measure(Pass::Partition) => {
                let (part, channels) = (block.out.start[0], &[1][..self.what.channels.len()]);
                let measured = self.what.measure_partition(&state.measured, part, channels, context, job)?;
                Ok((Vec::new(), encode(&self.kept(&measured)?)))
            }
            FilterPhase::Measure(pass) => self.what.run_phase(pass, &state.measured, block, &inputs, job),
            FilterPhase::Filter => {
                let labels = inputs[0].as_ref().expect("the first input is required");
                Ok((vec![apply(labels, &state.kept, job)?], Vec::new()))
            }
        }
    }

    fn merge(&self, phase: FilterPhase, state: &mut FilterObjectsState, partials: Partials) -> Result<Next> {
        let FilterPhase::Measure(pass) = phase else { return Ok(Next::Continue) };
        if pass == Pass::Partition {
            for partial in partials {
                state.kept.add(&decode(&partial?.1)?);
            }
            state.measured = State::default();
            return Ok(Next::Continue);
        }
        let next = self.what.merge_phase(pass, &mut state.measured, partials)?;
        if next == Next::Continue && self.what.ends_with(pass) {
            state.kept.add(&self.kept(&state.measured)?);
            state.measured.forget_objects();
        }
        Ok(next)
    }
}
