//! Linear maps of intensity whose ends come from statistics of the whole image.

use super::exact::{self, DigitCounts, Ranks};
use super::pointwise::Pointwise;
use super::{ANY, IMAGE, TYPES, type_range, voxel_type};
use crate::algorithms::exact_sum::ExactSum;
use crate::ops::Operator;
use crate::ops::histogram::bins;
use crate::program::{
    Block, Call, Default, FieldSpec, Fold, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode, folded,
};
use crate::{Error, Job, Result, Volume, Voxel, VoxelType, parallel, with_volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Maps a range of intensities onto another.
pub struct Rescale;

static RESCALE: Spec = Spec {
    id: "rescale",
    group: Group::Grid,
    summary: "Maps a range of intensities linearly onto another, and limits what lies outside.",
    details: "out = low + (v − from) · (high − low) / (to − from), in f64, limited to low…high, rounded half to even \
        for integers. Without `from` and `to`, the range is that of the image's finite voxels, or, with `percent`, \
        the intensities below and above which that share of them lies (exact order statistics of rank \
        ⌊fraction·(n − 1)⌋). A constant image becomes `low`. NaN stays NaN (0 for integers); infinities become \
        the ends. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "from",
            ty: ANY,
            default: Default::Absent,
            help: "The intensity that becomes `low`; found from the image if it is absent.",
        },
        Param {
            name: "to",
            ty: ANY,
            default: Default::Absent,
            help: "The intensity that becomes `high`; found from the image if it is absent.",
        },
        Param {
            name: "percent",
            ty: ParamType::Float { min: 0.0, max: 49.0 },
            default: Default::Value("0"),
            help: "How much of the image may be cut off at each end, in per cent.",
        },
        Param {
            name: "low",
            ty: ANY,
            default: Default::Absent,
            help: "Least intensity of the result; the least of the type (0 for floats) if it is absent.",
        },
        Param {
            name: "high",
            ty: ANY,
            default: Default::Absent,
            help: "Greatest intensity of the result; the greatest of the type (1 for floats) if it is absent.",
        },
        Param { name: "type", ty: TYPES, default: Default::Value("same"), help: "Voxel type of the result." },
    ],
};

impl Operator for Rescale {
    fn spec(&self) -> &'static Spec {
        &RESCALE
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let to = voxel_type(call, "type");
        let range = type_range(to);
        let low = call.args.maybe_float("low").unwrap_or(range.0);
        let high = call.args.maybe_float("high").unwrap_or(range.1);
        let fixed = (call.args.maybe_float("from"), call.args.maybe_float("to"));
        if let (Some(a), Some(b)) = fixed
            && a >= b
        {
            return Err(call.error(format!("from = {a} is not less than to = {b}")));
        }
        let ends = match call.args.float("percent") {
            0.0 => Statistic::Range,
            p => Statistic::Ranks([p / 100.0, 1.0 - p / 100.0]),
        };
        let stretch = Stretch {
            op: call.op,
            voxel: call.grid().voxel,
            to,
            ends,
            fixed,
            onto: Onto::Limited(low, high),
        };
        Ok(stretch.prepared(call))
    }
}

/// Normalises intensities.
pub struct Normalise;

static NORMALISE: Spec = Spec {
    id: "normalise",
    group: Group::Grid,
    summary: "Makes images comparable: mean 0 and standard deviation 1, or percentiles at 0 and 1.",
    details: "`mean`: (v − mean) / sd, with the sd of the population. `percentile`: 0 at the `low` and 1 at the \
        `high` percentile, not limited. Sums are exact (without rounding) and percentiles are order statistics of \
        rank ⌊fraction·(n − 1)⌋, so the result doesn't depend on how the image is cut. NaN and infinities are \
        left out of the statistics and stay what they are. A constant image becomes 0. The result is f32 (f64 for \
        f64).",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Grey),
    params: &[
        Param {
            name: "method",
            ty: ParamType::Choice(&["mean", "percentile"]),
            default: Default::Value("mean"),
            help: "What the image is normalised by.",
        },
        Param {
            name: "low",
            ty: ParamType::Float { min: 0.0, max: 100.0 },
            default: Default::Value("1"),
            help: "Percentile that becomes 0.",
        },
        Param {
            name: "high",
            ty: ParamType::Float { min: 0.0, max: 100.0 },
            default: Default::Value("99"),
            help: "Percentile that becomes 1.",
        },
    ],
};

impl Operator for Normalise {
    fn spec(&self) -> &'static Spec {
        &NORMALISE
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let voxel = call.grid().voxel;
        let to = if voxel == VoxelType::F64 { VoxelType::F64 } else { VoxelType::F32 };
        let (low, high) = (call.args.float("low"), call.args.float("high"));
        let ends = if call.args.text("method") == "mean" {
            Statistic::Moments
        } else if low < high {
            Statistic::Ranks([low / 100.0, high / 100.0])
        } else {
            return Err(call.error(format!("low = {low} is not less than high = {high}")));
        };
        let stretch = Stretch { op: call.op, voxel, to, ends, fixed: (None, None), onto: Onto::Free };
        Ok(stretch.prepared(call))
    }
}

/// Swaps dark and bright.
pub struct Invert;

static INVERT: Spec = Spec {
    id: "invert",
    group: Group::Grid,
    summary: "Swaps dark and bright; inside and outside of a mask.",
    details: "Integers: least + greatest value of the type − v (255 − v for u8). Floats: least + greatest finite \
        value of the image − v. Masks: 1 − v. NaN stays NaN. Exact block by block.",
    inputs: &[Input { name: "input", kinds: &[Kind::Grey, Kind::Mask], optional: false, help: "The image." }],
    output: Produces::Same,
    params: &[],
};

impl Operator for Invert {
    fn spec(&self) -> &'static Spec {
        &INVERT
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let grid = call.grid();
        match grid.kind {
            Kind::Labels => Err(call.error("labels can't be inverted")),
            Kind::Mask => {
                Ok(Prepared::local(grid, Pointwise::one(grid.voxel, |v| if v == 0.0 { 1.0 } else { 0.0 })))
            }
            Kind::Grey if grid.voxel.is_float() => {
                let stretch = Stretch {
                    op: call.op,
                    voxel: grid.voxel,
                    to: grid.voxel,
                    ends: Statistic::Range,
                    fixed: (None, None),
                    onto: Onto::Mirrored,
                };
                Ok(stretch.prepared(call))
            }
            Kind::Grey => Ok(Prepared::local(grid, Not)),
        }
    }
}

/// Least + greatest − v of an integer type is the complement of every bit.
struct Not;

impl crate::program::Local for Not {
    fn block(&self, _: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs.into_iter().next().flatten().expect("the first input is required");
        let mut out = Arc::try_unwrap(input).unwrap_or_else(|shared| (*shared).clone());
        let size = out.voxel_type().size();
        out.as_bytes_mut().par_chunks_mut(1 << 20).try_for_each(|chunk| {
            job.check()?;
            chunk.iter_mut().for_each(|b| *b = !*b);
            job.advance((chunk.len() / size) as u64);
            Result::Ok(())
        })?;
        Ok(out)
    }
}

/// Where the ends come from.
#[derive(Clone, Copy)]
enum Statistic {
    /// Least and greatest finite value.
    Range,
    /// Values at these fractions of the order.
    Ranks([f64; 2]),
    /// Mean and standard deviation.
    Moments,
}

/// What the ends are mapped to.
#[derive(Clone, Copy)]
enum Onto {
    /// These, and nothing lies outside.
    Limited(f64, f64),
    /// 0 and 1.
    Free,
    /// Each other.
    Mirrored,
}

/// Statistics of the image, then a linear map.
struct Stretch {
    op: &'static str,
    voxel: VoxelType,
    to: VoxelType,
    ends: Statistic,
    fixed: (Option<f64>, Option<f64>),
    onto: Onto,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pass {
    Range,
    Digit,
    Sum,
    Squares,
    Map,
}

#[derive(std::default::Default, Serialize, Deserialize)]
struct State {
    ends: Option<(f64, f64)>,
    ranks: Option<Ranks>,
}

impl Stretch {
    fn prepared(self, call: &Call) -> Prepared {
        let out = call.grid().with(self.to, Kind::Grey);
        if let (Some(a), Some(b)) = self.fixed {
            return Prepared::local(out, self.mapping((a, b)));
        }
        Prepared::new(out, self)
    }

    fn passes(&self) -> Vec<Pass> {
        let mut passes = match self.ends {
            Statistic::Range => vec![Pass::Range],
            Statistic::Ranks(_) => vec![Pass::Digit; Ranks::passes(self.voxel)],
            Statistic::Moments => vec![Pass::Sum, Pass::Squares],
        };
        passes.push(Pass::Map);
        passes
    }

    fn mapping(&self, ends: (f64, f64)) -> Pointwise {
        let (a, b) = (self.fixed.0.unwrap_or(ends.0), self.fixed.1.unwrap_or(ends.1));
        let width = if matches!(self.ends, Statistic::Moments) { b } else { b - a };
        match self.onto {
            Onto::Limited(low, high) => {
                let (least, most) = if low < high { (low, high) } else { (high, low) };
                // A constant image has no width; its voxels become `low`.
                let divisor = if width > 0.0 { width } else { f64::MIN_POSITIVE };
                Pointwise::one(self.to, move |v| {
                    let t = (v - a) / divisor;
                    let t = if t > 1.0 { 1.0 } else { t };
                    let t = if t < 0.0 { 0.0 } else { t };
                    let out = low + t * (high - low);
                    let out = if out < least { least } else { out };
                    if out > most { most } else { out }
                })
            }
            Onto::Free => Pointwise::one(self.to, move |v| if width > 0.0 { (v - a) / width } else { v - a }),
            Onto::Mirrored => Pointwise::one(self.to, move |v| a + b - v),
        }
    }

    /// The ranks whose values are searched for, as far as they are known.
    fn ranks(&self, known: &State) -> Ranks {
        let fractions = if let Statistic::Ranks(f) = &self.ends { &f[..] } else { &[] };
        known.ranks.clone().unwrap_or_else(|| Ranks::new(fractions))
    }

    /// An image without finite voxels is mapped as if it were 0.
    fn ends(state: &State) -> (f64, f64) {
        state.ends.unwrap_or((0.0, 0.0))
    }
}

impl Kernel for Stretch {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let image = inputs[0].as_ref().expect("the first input is required");
        let (mut state, block) = (State::default(), Block::whole(image.shape(), &inputs));
        let mut made = Vec::new();
        for phase in self.passes() {
            job.stage(self.declare(phase).name, image.len() as u64);
            let partial;
            (made, partial) = self.run(phase, &state, &block, inputs.clone(), &(), job)?;
            let mut partials = std::iter::once(Ok((block.out, partial)));
            self.merge(
                phase,
                &mut state,
                Partials::new(&mut partials, image.shape(), &std::env::temp_dir()),
            )?;
        }
        for (name, value) in self.facts(&state) {
            job.fact(name, value);
        }
        made.pop()
            .map(Output::Volume)
            .ok_or(Error::Operator { op: self.op, reason: "nothing was made".into() })
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl Program for Stretch {
    type Phase = Pass;
    type State = State;

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: self.to }]
    }

    fn phases(&self) -> Vec<Pass> {
        self.passes().clone()
    }

    fn declare(&self, phase: Pass) -> Phase {
        let name = match phase {
            Pass::Range => "range",
            Pass::Digit => "percentiles",
            Pass::Sum => "mean",
            Pass::Squares => "standard deviation",
            Pass::Map => "map",
        };
        let writes = if phase == Pass::Map { vec![0] } else { vec![] };
        Phase::blocks(name, vec![Source::Input(0, [0; 3])], writes)
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        phase: Pass,
        state: &State,
        _: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let image = inputs[0].as_ref().expect("the first input is required");
        let partial = match phase {
            Pass::Map => return Ok((vec![self.mapping(Self::ends(state)).run(&inputs, job)?], vec![])),
            Pass::Range => encode(&bins::range(image, job)?),
            Pass::Digit => with_volume!(&**image, |a| {
                let ranks = self.ranks(state);
                let counts: Vec<DigitCounts> = chunks(a, job, |c| ranks.count(c))?;
                encode(&counts)
            }),
            Pass::Sum => with_volume!(&**image, |a| {
                let sums: Vec<Summed> = chunks(a, job, |c| sum(c, |v| v))?;
                encode(&sums)
            }),
            Pass::Squares => with_volume!(&**image, |a| {
                let mean = Self::ends(state).0;
                // A square beyond the range of f64 leaves a sum that is, too.
                let square = |v: f64| ((v - mean) * (v - mean)).min(f64::MAX);
                let sums: Vec<Summed> = chunks(a, job, |c| sum(c, square))?;
                encode(&sums)
            }),
        };
        Ok((vec![], partial))
    }

    fn fold(&self, phase: Pass) -> Option<Fold> {
        match phase {
            Pass::Map => None,
            Pass::Range => Some(|parts| folded(parts, crate::volume::merge_ranges)),
            Pass::Digit => Some(|parts| {
                folded(parts, |a: Vec<DigitCounts>, b| {
                    a.into_iter().chain(b).reduce(exact::added).into_iter().collect()
                })
            }),
            Pass::Sum | Pass::Squares => {
                Some(|parts| folded(parts, |a: Vec<Summed>, b| vec![all(a.into_iter().chain(b))]))
            }
        }
    }

    fn merge(&self, phase: Pass, state: &mut State, partials: Partials) -> Result<Next> {
        match phase {
            Pass::Map => {}
            Pass::Range => {
                for partial in partials {
                    state.ends = crate::volume::merge_ranges(state.ends, decode(&partial?.1)?);
                }
            }
            Pass::Digit => {
                let mut ranks = self.ranks(state);
                let mut tally = ranks.tally();
                for partial in partials {
                    decode::<Vec<DigitCounts>>(&partial?.1)?.iter().for_each(|part| tally.add(part));
                }
                if ranks.advance(&tally).is_some()
                    && let [low, high] = ranks.values(self.voxel)[..]
                {
                    state.ends = Some((low, high));
                }
                state.ranks = Some(ranks);
            }
            Pass::Sum => {
                let (count, sum) = total(partials)?;
                if count > 0 {
                    state.ends = Some((sum.over(count), 0.0));
                }
            }
            Pass::Squares => {
                let (count, sum) = total(partials)?;
                if let Some((_, sd)) = &mut state.ends {
                    if sum.value() >= f64::MAX {
                        let reason =
                            "the intensities lie farther apart than 10^154; rescale them first".into();
                        return Err(Error::Operator { op: self.op, reason });
                    }
                    *sd = sum.over(count).sqrt();
                }
            }
        }
        Ok(Next::Continue)
    }

    fn facts(&self, state: &State) -> Vec<(String, f64)> {
        let Some((a, b)) = state.ends else { return vec![] };
        match self.ends {
            Statistic::Moments => vec![("mean".into(), a), ("standard deviation".into(), b)],
            _ => vec![("from".into(), self.fixed.0.unwrap_or(a)), ("to".into(), self.fixed.1.unwrap_or(b))],
        }
    }
}

/// One result for each large part of the voxels, in parallel.
fn chunks<T: Voxel, R: Send>(
    a: &ndarray::Array3<T>,
    job: &Job,
    f: impl Fn(&[T]) -> R + Sync,
) -> Result<Vec<R>> {
    let voxels = a.as_slice().expect("volumes are in C order");
    const PIECE: usize = 1 << 22;
    parallel::map(voxels.len().div_ceil(PIECE), job, &|i| {
        let chunk = &voxels[i * PIECE..voxels.len().min((i + 1) * PIECE)];
        let made = f(chunk);
        job.advance(chunk.len() as u64);
        Ok(made)
    })
}

/// How many finite voxels there are, and the sum of something of each.
type Summed = (u64, ExactSum);

fn sum<T: Voxel>(voxels: &[T], f: impl Fn(f64) -> f64) -> Summed {
    let (mut count, mut sum) = (0, ExactSum::default());
    let finite = voxels.iter().filter(|v| **v >= T::LOWEST && **v <= T::HIGHEST);
    sum.add_all(finite.map(|v| f(v.to_f64())).inspect(|_| count += 1));
    (count, sum)
}

fn all(parts: impl IntoIterator<Item = Summed>) -> Summed {
    let mut all = Summed::default();
    for (count, sum) in parts {
        all.0 += count;
        all.1.merge(&sum);
    }
    all
}

fn total(partials: Partials) -> Result<Summed> {
    let mut sums = Summed::default();
    for partial in partials {
        let parts = decode::<Vec<Summed>>(&partial?.1)?;
        sums = all(parts.into_iter().chain([sums]));
    }
    Ok(sums)
}
