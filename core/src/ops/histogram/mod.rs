//! Thresholds that are found from the histogram: one program, a rule each.

pub mod bins;
mod rules;
#[cfg(test)]
mod tests;

use super::Operator;
use super::threshold::InRange;
use crate::program::{
    Block, Call, Default, FieldSpec, Fold, Group, Input, Kernel, Kind, Local, Mode, Next, Output, Param,
    ParamType, Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode,
    folded,
};
use crate::{Error, Job, Result, Volume, Voxel, VoxelType, parallel};
use bins::{Bins, Histogram};
use ndarray::Array3;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Declares the threshold of one rule.
macro_rules! threshold {
    ($name:ident, $id:literal, $rule:expr, $summary:literal, $details:literal) => {
        #[doc = $summary]
        pub static $name: ThresholdBy = ThresholdBy {
            spec: &Spec {
                id: $id,
                group: Group::Threshold,
                summary: $summary,
                details: concat!(
                    $details,
                    " One bin a value for integers; for floats (and integers that span more than 65536 values) \
                     `bins` equal bins between the least and the greatest finite value. Voxels greater than the \
                     threshold are marked. NaN and infinities are not counted; NaN is never marked. A constant \
                     image has its value as threshold, so nothing is above it; an image without a finite voxel \
                     is an error. Exact block by block."
                ),
                inputs: &[IMAGE],
                output: Produces::Image(Kind::Mask),
                params: &[SIDE, BINS],
            },
            rule: $rule,
        };
    };
}

threshold!(
    OTSU,
    "otsu",
    rules::otsu,
    "Marks the voxels above the threshold that best separates two classes of intensity.",
    "Otsu 1979 (doi:10.1109/TSMC.1979.4310076): the greatest variance between the classes. The threshold is \
     the centre of the lower class's last bin, as in scikit-image."
);
threshold!(
    LI,
    "li",
    rules::li,
    "Marks the voxels above the threshold of least cross entropy.",
    "Li & Tam 1998 (doi:10.1016/S0167-8655(98)00057-9), iterated from the mean to within half a bin, as in \
     scikit-image; for floats on the histogram, where scikit-image uses each voxel."
);
threshold!(
    YEN,
    "yen",
    rules::yen,
    "Marks the voxels above the threshold of greatest correlation.",
    "Yen, Chang & Chang 1995 (doi:10.1109/83.366472). The threshold is the centre of the lower class's last \
     bin, as in scikit-image."
);
threshold!(
    TRIANGLE,
    "triangle",
    rules::triangle,
    "Marks the voxels above the corner of the histogram's longer tail: for a small bright part on much background.",
    "Zack, Rogers & Latt 1977 (doi:10.1177/25.7.70454): the bin farthest from the line between the peak and \
     the end of the longer tail. The threshold is that bin's centre, as in scikit-image."
);
threshold!(
    ISODATA,
    "isodata",
    rules::isodata,
    "Marks the voxels above the threshold that lies halfway between the means of the two classes.",
    "Ridler & Calvard 1978 (doi:10.1109/TSMC.1978.4310039): the lowest such threshold, within a bin, as in \
     scikit-image."
);

/// A threshold that a rule finds.
pub struct ThresholdBy {
    spec: &'static Spec,
    rule: fn(&Histogram) -> f64,
}

impl Operator for ThresholdBy {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let rule = Rule::One { rule: self.rule, below: call.args.text("mark") == "below" };
        Ok(Prepared::new(call.grid().mask(), Automatic::new(call, rule)))
    }
}

/// Otsu's thresholds for several classes.
pub struct MultiOtsu;

static MULTI_OTSU: Spec = Spec {
    id: "multi-otsu",
    group: Group::Threshold,
    summary: "Divides the voxels into several classes by intensity, numbered from the darkest, 0.",
    details: "Liao, Chen & Chung 2001: the thresholds with the greatest variance between classes, found exactly \
        by dynamic programming. Thresholds as for otsu: class k holds the voxels above k of them. To take one \
        class as a mask, follow with `threshold` at min = max = its number. One bin a value for integers; for \
        floats `bins` equal bins between the least and the greatest finite value. NaN is class 0. An image with \
        fewer different values than classes is an error. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Image(Kind::Labels),
    params: &[
        Param {
            name: "classes",
            ty: ParamType::Int { min: 2, max: 16 },
            default: Default::Value("3"),
            help: "Number of classes.",
        },
        BINS,
    ],
};

impl Operator for MultiOtsu {
    fn spec(&self) -> &'static Spec {
        &MULTI_OTSU
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let rule = Rule::Many(call.args.int("classes") as usize);
        Ok(Prepared::new(call.grid().labels(), Automatic::new(call, rule)))
    }
}

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

/// How thresholds are found from the histogram.
#[derive(Clone, Copy)]
enum Rule {
    One { rule: fn(&Histogram) -> f64, below: bool },
    Many(usize),
}

/// Range (where the bins are not known before), histogram, and marking.
struct Automatic {
    op: &'static str,
    rule: Rule,
    bins: usize,
    voxel: VoxelType,
}

/// What the phases know so far.
#[derive(Debug, std::default::Default, Serialize, Deserialize)]
struct State {
    bins: Option<Bins>,
    thresholds: Vec<f64>,
}

/// The first bin that holds something, and the counts from there to the last such bin.
type Counted = (usize, Vec<u64>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pass {
    Range,
    Count,
    Mark,
}

impl Automatic {
    fn new(call: &Call, rule: Rule) -> Self {
        Self { op: call.op, rule, bins: call.args.int("bins") as usize, voxel: call.grid().voxel }
    }

    fn passes(&self) -> &'static [Pass] {
        if Bins::of_type(self.voxel).is_some() {
            &[Pass::Count, Pass::Mark]
        } else {
            &[Pass::Range, Pass::Count, Pass::Mark]
        }
    }

    /// The bins: of the voxel type, or of the range that was found.
    fn bins_of(&self, known: &State) -> Bins {
        let of_type = Bins::of_type(self.voxel);
        of_type.or_else(|| known.bins.clone()).expect("bins are known before they are counted")
    }

    fn bins_for(&self, range: Option<(f64, f64)>) -> Result<Bins> {
        let (min, max) = range.ok_or_else(|| self.nothing())?;
        Ok(Bins::between(min, max, self.bins, self.voxel))
    }

    fn thresholds(&self, bins: &Bins, counts: &[u64]) -> Result<Vec<f64>> {
        let histogram = Histogram::new(bins, counts).ok_or_else(|| self.nothing())?;
        let (histogram, scale) = histogram.scaled();
        let mut thresholds = match self.rule {
            Rule::One { rule, .. } => vec![rule(&histogram)],
            Rule::Many(classes) => rules::multi_otsu(&histogram, classes)
                .map_err(|reason| Error::Operator { op: self.op, reason })?,
        };
        thresholds.iter_mut().for_each(|t| *t /= scale);
        if let Some(wrong) = thresholds.iter().find(|t| !t.is_finite()) {
            let reason = format!("the threshold of this histogram is {wrong}, which is no number");
            return Err(Error::Operator { op: self.op, reason });
        }
        Ok(thresholds)
    }

    fn nothing(&self) -> Error {
        let reason = "the image has no finite voxel to find a threshold from".into();
        Error::Operator { op: self.op, reason }
    }

    fn mark(
        &self,
        thresholds: &[f64],
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        job: &Job,
    ) -> Result<Volume> {
        match self.rule {
            Rule::One { below: true, .. } => {
                InRange { min: f64::NEG_INFINITY, max: thresholds[0] }.block(block, inputs, job)
            }
            Rule::One { .. } => {
                InRange { min: thresholds[0].next_up(), max: f64::INFINITY }.block(block, inputs, job)
            }
            Rule::Many(_) => {
                let image = inputs[0].as_ref().expect("the first input is required");
                crate::with_volume!(&**image, |a| classify(a, thresholds, job))
            }
        }
    }

    fn facts_of(thresholds: &[f64]) -> Vec<(String, f64)> {
        match thresholds {
            [one] => vec![("threshold".into(), *one)],
            many => many.iter().enumerate().map(|(i, t)| (format!("threshold {}", i + 1), *t)).collect(),
        }
    }
}

/// The number of thresholds that each voxel is above.
fn classify<T: Voxel>(input: &Array3<T>, thresholds: &[f64], job: &Job) -> Result<Volume> {
    let mut classes = Array3::<u32>::zeros(input.dim());
    let source = input.as_slice().expect("volumes are in C order");
    let target = classes.as_slice_mut().expect("just made");
    parallel::zip(target, source, job, &|t, s| {
        for &threshold in thresholds {
            for (t, s) in t.iter_mut().zip(s) {
                *t += u32::from(s.to_f64() > threshold);
            }
        }
    })?;
    Ok(Volume::U32(classes))
}

impl Kernel for Automatic {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let image = inputs[0].as_ref().expect("the first input is required");
        job.stage("find the threshold", image.len() as u64);
        let bins = match Bins::of_type(self.voxel) {
            Some(bins) => bins,
            None => self.bins_for(bins::range(image, job)?)?,
        };
        let thresholds = self.thresholds(&bins, &bins::count(image, &bins, job)?)?;
        for (name, value) in Self::facts_of(&thresholds) {
            job.fact(name, value);
        }
        job.stage("mark", image.len() as u64);
        let block = Block::whole(image.shape(), &inputs);
        self.mark(&thresholds, &block, inputs, job).map(Output::Volume)
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

impl Program for Automatic {
    type Phase = Pass;
    type State = State;

    fn fields(&self) -> Vec<FieldSpec> {
        let voxel = if matches!(self.rule, Rule::Many(_)) { VoxelType::U32 } else { VoxelType::U8 };
        vec![FieldSpec { voxel }]
    }

    fn phases(&self) -> Vec<Pass> {
        self.passes().to_vec()
    }

    fn declare(&self, phase: Pass) -> Phase {
        let name = match phase {
            Pass::Range => "range",
            Pass::Count => "histogram",
            Pass::Mark => "mark",
        };
        let writes = if phase == Pass::Mark { vec![0] } else { vec![] };
        Phase::blocks(name, vec![Source::Input(0, [0; 3])], writes)
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        phase: Pass,
        state: &State,
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let image = inputs[0].as_ref().expect("the first input is required");
        match phase {
            Pass::Range => Ok((vec![], encode(&bins::range(image, job)?))),
            Pass::Count => {
                // Empty bins at both ends stay at home: a block's values span little of 16 bits.
                let counts = bins::count(image, &self.bins_of(state), job)?;
                let first = counts.iter().position(|&n| n > 0).unwrap_or(0);
                let end = counts.iter().rposition(|&n| n > 0).map_or(first, |last| last + 1);
                Ok((vec![], encode(&(first, &counts[first..end]))))
            }
            Pass::Mark => Ok((vec![self.mark(&state.thresholds, block, inputs, job)?], vec![])),
        }
    }

    fn fold(&self, phase: Pass) -> Option<Fold> {
        match phase {
            Pass::Range => Some(|parts| folded(parts, crate::volume::merge_ranges)),
            Pass::Count => Some(|parts| {
                folded(parts, |a: Counted, b: Counted| {
                    let (first, end) = (a.0.min(b.0), (a.0 + a.1.len()).max(b.0 + b.1.len()));
                    let mut counts = vec![0; end - first];
                    bins::add(&mut counts[a.0 - first..], &a.1);
                    bins::add(&mut counts[b.0 - first..], &b.1);
                    (first, counts)
                })
            }),
            Pass::Mark => None,
        }
    }

    fn merge(&self, phase: Pass, state: &mut State, partials: Partials) -> Result<Next> {
        match phase {
            Pass::Range => {
                let mut range = None;
                for partial in partials {
                    range = crate::volume::merge_ranges(range, decode(&partial?.1)?);
                }
                state.bins = Some(self.bins_for(range)?);
            }
            Pass::Count => {
                let bins = self.bins_of(state);
                let mut counts = vec![0u64; bins.len()];
                for partial in partials {
                    let (first, part): Counted = decode(&partial?.1)?;
                    bins::add(&mut counts[first..], &part);
                }
                state.thresholds = self.thresholds(&bins, &counts)?;
            }
            Pass::Mark => {}
        }
        Ok(Next::Continue)
    }

    fn facts(&self, state: &State) -> Vec<(String, f64)> {
        Self::facts_of(&state.thresholds)
    }
}
