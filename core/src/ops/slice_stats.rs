//! Figures slice by slice, and the histogram of an image.

use super::Operator;
use crate::measure::intensities::histogram::{self, Bins};
use crate::measure::intensities::slices::{self, SliceFigures};
use crate::program::{
    Block, Call, Default, FieldSpec, Fold, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, Tiling, chained, decode, encode,
    folded, rows,
};
use crate::{Geometry, Job, Region, Result, Volume};
use std::sync::Arc;

/// The `slice-stats` operator.
pub struct SliceStats;

/// The `histogram` operator.
pub struct Histogram;

const ANY: ParamType = ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY };
const INPUT: Input = Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." };

static SLICES: Spec = Spec {
    id: "slice-stats",
    group: Group::Measure,
    summary: "Mean, deviation, percentiles and the fraction above a threshold, slice by slice along an axis.",
    details: "Each slice is summed in the order of its voxels, so the figures do not depend on blocks or \
              threads. NaN and infinite intensities are left out and counted.",
    inputs: &[INPUT],
    output: Produces::Tables,
    params: &[
        Param {
            name: "axis",
            ty: ParamType::Choice(&["z", "y", "x"]),
            default: Default::Value("z"),
            help: "The axis along which slices follow one another.",
        },
        Param {
            name: "threshold",
            ty: ANY,
            default: Default::Absent,
            help: "Adds the fraction of voxels above this intensity.",
        },
    ],
};

static HISTOGRAM: Spec = Spec {
    id: "histogram",
    group: Group::Measure,
    summary: "Counts voxels by intensity in bins of equal width.",
    details: "The last bin includes its upper edge; NaN, infinite and out-of-range voxels are not counted. \
              Exact block by block.",
    inputs: &[INPUT],
    output: Produces::Tables,
    params: &[
        Param {
            name: "bins",
            ty: ParamType::Int { min: 1, max: 1 << 24 },
            default: Default::Value("256"),
            help: "Number of bins.",
        },
        Param {
            name: "min",
            ty: ANY,
            default: Default::Absent,
            help: "Lower edge; the least intensity if not given.",
        },
        Param {
            name: "max",
            ty: ANY,
            default: Default::Absent,
            help: "Upper edge; the greatest intensity if not given.",
        },
    ],
};

impl Operator for SliceStats {
    fn spec(&self) -> &'static Spec {
        &SLICES
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let axis = ["z", "y", "x"].iter().position(|a| *a == call.args.text("axis")).unwrap_or(0);
        let grid = call.grid();
        Ok(Prepared::new(
            grid,
            Slices { axis, threshold: call.args.maybe_float("threshold"), geometry: grid.geometry },
        ))
    }
}

struct Slices {
    axis: usize,
    threshold: Option<f64>,
    geometry: Geometry,
}

impl Slices {
    fn figures(&self, volume: &Volume, job: &Job) -> Result<Vec<SliceFigures>> {
        slices::slices(volume, self.axis, self.threshold.unwrap_or(f64::INFINITY), job)
    }

    fn output(&self, figures: &[SliceFigures]) -> Output {
        Output::Tables(vec![slices::table(figures, &self.geometry, self.axis, self.threshold)])
    }
}

impl Kernel for Slices {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs[0].as_ref().expect("the first input is required");
        Ok(self.output(&self.figures(input, job)?))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl Program for Slices {
    type Phase = ();
    type State = Vec<SliceFigures>;

    fn fields(&self) -> Vec<FieldSpec> {
        Vec::new()
    }

    fn phases(&self) -> Vec<()> {
        vec![()]
    }

    fn declare(&self, (): ()) -> Phase {
        let tiling = Tiling::Spanning(std::array::from_fn(|axis| axis != self.axis));
        Phase { name: "slices", tiling, reads: vec![Source::Input(0, [0; 3])], writes: Vec::new() }
    }

    fn result(&self) -> Option<usize> {
        None
    }

    fn run(
        &self,
        (): (),
        _: &Vec<SliceFigures>,
        _: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = inputs[0].as_ref().expect("the first input is required");
        Ok((Vec::new(), encode(&self.figures(input, job)?)))
    }

    fn fold(&self, (): ()) -> Option<Fold> {
        Some(chained::<SliceFigures>)
    }

    fn merge(&self, (): (), state: &mut Vec<SliceFigures>, partials: Partials) -> Result<Next> {
        // Blocks span the other axes, so that they are in the order of the slices.
        *state = rows(partials)?;
        Ok(Next::Continue)
    }

    fn finish(&self, state: Vec<SliceFigures>) -> Result<Output> {
        Ok(self.output(&state))
    }
}

impl Operator for Histogram {
    fn spec(&self) -> &'static Spec {
        &HISTOGRAM
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (min, max) = (call.args.maybe_float("min"), call.args.maybe_float("max"));
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(call.error(format!("min = {min} is greater than max = {max}")));
        }
        if [min, max].into_iter().flatten().any(f64::is_infinite) {
            return Err(call.error("min and max must be finite"));
        }
        Ok(Prepared::new(call.grid(), Counting { bins: call.args.int("bins") as usize, min, max }))
    }
}

struct Counting {
    bins: usize,
    min: Option<f64>,
    max: Option<f64>,
}

impl Counting {
    fn bins(&self, (low, high): (f64, f64)) -> Bins {
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let low = self.min.unwrap_or_else(|| self.max.map_or(low, |max| low.min(max)));
        let high = self.max.unwrap_or(high).max(low);
        Bins::new(low, high, self.bins)
    }
}

impl Kernel for Counting {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let bins = self.bins(histogram::range(input, Region::whole(input.shape())));
        Ok(Output::Tables(vec![histogram::table(&bins, &histogram::counts(input, &bins, job)?)]))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Range of the finite values, and the counts once it is known.
type State = ((f64, f64), Vec<u64>);

/// Range and counts of two parts of an image.
fn both(a: State, b: State) -> State {
    let mut counts = a.1;
    counts.resize(counts.len().max(b.1.len()), 0);
    counts.iter_mut().zip(b.1).for_each(|(mine, theirs)| *mine += theirs);
    ((a.0.0.min(b.0.0), a.0.1.max(b.0.1)), counts)
}

/// Phases of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CountPhase {
    /// Least and greatest finite value.
    Range,
    /// Voxels of each bin.
    Count,
}

impl Program for Counting {
    type Phase = CountPhase;
    type State = State;

    fn fields(&self) -> Vec<FieldSpec> {
        Vec::new()
    }

    fn phases(&self) -> Vec<CountPhase> {
        vec![CountPhase::Range, CountPhase::Count]
    }

    fn declare(&self, phase: CountPhase) -> Phase {
        let name = match phase {
            CountPhase::Range => "range",
            CountPhase::Count => "histogram",
        };
        Phase::blocks(name, vec![Source::Input(0, [0; 3])], Vec::new())
    }

    fn result(&self) -> Option<usize> {
        None
    }

    fn run(
        &self,
        phase: CountPhase,
        state: &State,
        _: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let partial: State = if phase == CountPhase::Range {
            (histogram::range(input, Region::whole(input.shape())), Vec::new())
        } else {
            (state.0, histogram::counts(input, &self.bins(state.0), job)?)
        };
        Ok((Vec::new(), encode(&partial)))
    }

    fn fold(&self, _: CountPhase) -> Option<Fold> {
        Some(|parts| folded(parts, both))
    }

    fn merge(&self, _: CountPhase, state: &mut State, partials: Partials) -> Result<Next> {
        let mut merged: State = ((f64::INFINITY, f64::NEG_INFINITY), Vec::new());
        for partial in partials {
            merged = both(merged, decode(&partial?.1)?);
        }
        *state = merged;
        Ok(Next::Continue)
    }

    fn finish(&self, (range, counts): State) -> Result<Output> {
        Ok(Output::Tables(vec![histogram::table(&self.bins(range), &counts)]))
    }
}
