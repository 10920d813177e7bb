//! Thresholds that are found from the histogram: one program, a rule each.

pub mod bins;
mod rules;
#[cfg(test)]
mod tests;

use super::kernel::{decode, encode};
use super::spec::{Default, Group, Input, Kind, Param, ParamType, Produces, Spec};
use super::threshold::InRange;
use super::{
    Block, Call, FieldSpec, Kernel, Local, Mode, Next, Operator, Output, Phase, Prepared, Program, Source,
    Tiling,
};
use crate::{Error, Job, Region, Result, Volume, VoxelType};
use bins::{Bins, Histogram};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Otsu's threshold.
pub struct Otsu;

static OTSU: Spec = Spec {
    id: "otsu",
    group: Group::Threshold,
    summary: "Marks the voxels above the threshold that best separates two classes of intensity.",
    details: "Otsu 1979 (doi:10.1109/TSMC.1979.4310076): the threshold with the greatest variance between the \
        classes. One bin a value for integers; for floats (and integers that span more than 65536 values) \
        `bins` equal bins between the least and the greatest finite value. The threshold is the centre of the \
        lower class's last bin, as in scikit-image, and voxels greater than it are marked. NaN and infinities \
        are not counted; NaN is never marked. A constant image has its value as threshold, so nothing is \
        above it; an image without a finite voxel is an error. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Mask),
    params: &[SIDE, BINS],
};

const IMAGE: Input = Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." };

const SIDE: Param = Param {
    name: "mark",
    ty: ParamType::Choice(&["above", "below"]),
    default: Default::Value("above"),
    help: "Which voxels are marked: those above the threshold, or those up to it.",
};

const BINS: Param = Param {
    name: "bins",
    ty: ParamType::Int { min: 2, max: 65536 },
    default: Default::Value("256"),
    help: "Number of bins for float images; integers have one bin a value.",
};

impl Operator for Otsu {
    fn spec(&self) -> &'static Spec {
        &OTSU
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        Ok(automatic(call, Rule::Otsu))
    }
}

fn automatic(call: &Call, rule: Rule) -> Prepared {
    let grid = call.grid();
    let program = Automatic {
        op: call.op,
        rule,
        bins: call.args.int("bins") as usize,
        below: call.args.text("mark") == "below",
        voxel: grid.voxel,
    };
    Prepared::new(grid.mask(), program)
}

/// How the threshold is found from the histogram.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Otsu,
}

/// Range (where the bins are not known before), histogram, and marking.
struct Automatic {
    op: &'static str,
    rule: Rule,
    bins: usize,
    below: bool,
    voxel: VoxelType,
}

/// What the phases know so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    bins: Option<Bins>,
    threshold: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Range,
    Count,
    Mark,
}

impl Automatic {
    fn passes(&self) -> &'static [Pass] {
        if Bins::of_type(self.voxel).is_some() {
            &[Pass::Count, Pass::Mark]
        } else {
            &[Pass::Range, Pass::Count, Pass::Mark]
        }
    }

    fn state(&self, bytes: &[u8]) -> Result<State> {
        if bytes.is_empty() {
            return Ok(State { bins: Bins::of_type(self.voxel), threshold: 0.0 });
        }
        decode(bytes)
    }

    fn bins_for(&self, range: Option<(f64, f64)>) -> Result<Bins> {
        let (min, max) = range.ok_or_else(|| self.nothing())?;
        Ok(Bins::between(min, max, self.bins, self.voxel))
    }

    fn threshold(&self, bins: &Bins, counts: &[u64]) -> Result<f64> {
        let histogram = Histogram::new(bins, counts).ok_or_else(|| self.nothing())?;
        Ok(match self.rule {
            Rule::Otsu => rules::otsu(&histogram),
        })
    }

    fn nothing(&self) -> Error {
        Error::Operator {
            op: self.op,
            reason: "the image has no finite voxel to find a threshold from".into(),
        }
    }

    fn marker(&self, threshold: f64) -> InRange {
        if self.below {
            InRange { min: f64::NEG_INFINITY, max: threshold }
        } else {
            InRange { min: threshold.next_up(), max: f64::INFINITY }
        }
    }
}

impl Kernel for Automatic {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let image = inputs[0].as_ref().expect("the first input is required");
        job.stage("find the threshold", image.len() as u64);
        let bins = match Bins::of_type(self.voxel) {
            Some(bins) => bins,
            None => self.bins_for(bins::range(image, job)?)?,
        };
        let threshold = self.threshold(&bins, &bins::count(image, &bins, job)?)?;
        job.fact("threshold", threshold);
        job.stage("mark", image.len() as u64);
        let block = Block::whole(image.shape(), &inputs);
        self.marker(threshold).block(&block, inputs, job).map(Output::Volume)
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl Program for Automatic {
    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U8 }]
    }

    fn phases(&self) -> Vec<Phase> {
        let phase = |pass: &Pass| Phase {
            name: match pass {
                Pass::Range => "range",
                Pass::Count => "histogram",
                Pass::Mark => "mark",
            },
            tiling: Tiling::Blocks,
            reads: vec![Source::Input(0, [0; 3])],
            writes: if *pass == Pass::Mark { vec![0] } else { vec![] },
        };
        self.passes().iter().map(phase).collect()
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        phase: usize,
        state: &[u8],
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let image = inputs[0].as_ref().expect("the first input is required");
        let state = self.state(state)?;
        match self.passes()[phase] {
            Pass::Range => Ok((vec![], encode(&bins::range(image, job)?))),
            Pass::Count => {
                let bins = state.bins.as_ref().expect("bins are known before they are counted");
                Ok((vec![], encode(&bins::count(image, bins, job)?)))
            }
            Pass::Mark => Ok((vec![self.marker(state.threshold).block(block, inputs, job)?], vec![])),
        }
    }

    fn merge(&self, phase: usize, state: &mut Vec<u8>, partials: Vec<(Region, Vec<u8>)>) -> Result<Next> {
        let mut known = self.state(state)?;
        match self.passes()[phase] {
            Pass::Range => {
                let mut range = None;
                for (_, bytes) in &partials {
                    range = bins::merge_ranges(range, decode(bytes)?);
                }
                known.bins = Some(self.bins_for(range)?);
            }
            Pass::Count => {
                let bins = known.bins.as_ref().expect("bins are known before they are counted");
                let mut counts = vec![0u64; bins.len()];
                for (_, bytes) in &partials {
                    counts = bins::add(counts, &decode::<Vec<u64>>(bytes)?);
                }
                known.threshold = self.threshold(bins, &counts)?;
            }
            Pass::Mark => {}
        }
        *state = encode(&known);
        Ok(Next::Continue)
    }

    fn facts(&self, state: &[u8]) -> Vec<(String, f64)> {
        self.state(state).map_or(vec![], |s| vec![("threshold".into(), s.threshold)])
    }
}
