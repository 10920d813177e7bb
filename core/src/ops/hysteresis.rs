//! Threshold with hysteresis.

use super::Operator;
use crate::algorithms::components::{Components, Connectivity, MaskSide};
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext, decode, encode,
};
use crate::{Job, Region, Result, Volume, Voxel, VoxelType, parallel, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// Two thresholds, of which the higher one decides which objects are kept.
pub struct Hysteresis;

static SPEC: Spec = Spec {
    id: "hysteresis",
    group: Group::Threshold,
    summary: "Marks what lies above a low threshold and is connected to something above a high one.",
    details: "Canny 1986 (doi:10.1109/TPAMI.1986.4767851). Marks each voxel greater than `low` from which a path \
        of such voxels leads to one greater than `high`, as scikit-image does. NaN is never marked. Block by block \
        by exchange across faces until nothing changes: the same result, in as many rounds as objects are blocks \
        long.",
    inputs: &[Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." }],
    output: Produces::Image(Kind::Mask),
    params: &[
        Param {
            name: "low",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Required,
            help: "Voxels above this are marked if they are connected.",
        },
        Param {
            name: "high",
            ty: ParamType::Float { min: f64::NEG_INFINITY, max: f64::INFINITY },
            default: Default::Required,
            help: "Voxels above this are marked.",
        },
        Param {
            name: "connectivity",
            ty: Connectivity::PARAM,
            default: Default::Value("6"),
            help: "Which voxels are neighbours: those that share a face, an edge or a corner.",
        },
    ],
};

impl Operator for Hysteresis {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (low, high) = (call.args.float("low"), call.args.float("high"));
        if low > high {
            return Err(call.error(format!("low = {low} is greater than high = {high}")));
        }
        let connectivity = Connectivity::of(call.args, "connectivity");
        Ok(Prepared::new(call.grid().mask(), Levels { low, high, connectivity }).scratch(2.0))
    }
}

struct Levels {
    low: f64,
    high: f64,
    connectivity: Connectivity,
}

/// Above the low threshold, not known to be connected.
const WEAK: u8 = 1;
/// Above the high threshold, or connected to such a voxel.
const STRONG: u8 = 2;

impl Levels {
    fn classify(&self, image: &Volume, job: &Job) -> Result<Array3<u8>> {
        with_volume!(image, |a| classify(a, self.low, self.high, job))
    }
}

fn classify<T: Voxel>(image: &Array3<T>, low: f64, high: f64, job: &Job) -> Result<Array3<u8>> {
    let mut levels = Array3::<u8>::zeros(image.dim());
    let target = levels.as_slice_mut().expect("just made");
    let source = image.as_slice().expect("volumes are in C order");
    parallel::zip(target, source, job, &|t, s| {
        for (t, s) in t.iter_mut().zip(s) {
            let v = s.to_f64();
            *t = u8::from(v > low) + u8::from(v > high);
        }
    })?;
    Ok(levels)
}

impl Kernel for Levels {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        let image = inputs[0].as_ref().expect("the first input is required");
        let shape = image.shape();
        job.stage("threshold", 2 * image.len() as u64);
        let mut levels = self.classify(image, job)?;
        let voxels = levels.as_slice_mut().expect("just made");
        let components = Components::of_mask(voxels, shape, self.connectivity, MaskSide::Inside, job)?;
        let mut strong = vec![false; components.count() as usize];
        components.for_each_run(|id, z, y, x| {
            let line = &voxels[(z * shape[1] + y) * shape[2]..][..shape[2]];
            if line[x].contains(&STRONG) {
                strong[id as usize - 1] = true;
            }
        });
        components.paint(voxels, job, |id| Some(u8::from(strong[id as usize - 1])))?;
        Ok(Output::Volume(Volume::U8(levels)))
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Phases of [`Hysteresis`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HysteresisPhase {
    /// Weak and strong voxels.
    Threshold,
    /// Strong voxels spread into weak ones, until nothing changes.
    Connect,
    /// The result.
    Mark,
}

/// Field 0: weak and strong voxels; 1: the result.
impl Program for Levels {
    type Phase = HysteresisPhase;
    type State = ();

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: VoxelType::U8 }; 2]
    }

    fn phases(&self) -> Vec<HysteresisPhase> {
        vec![HysteresisPhase::Threshold, HysteresisPhase::Connect, HysteresisPhase::Mark]
    }

    fn declare(&self, phase: HysteresisPhase) -> Phase {
        match phase {
            HysteresisPhase::Threshold => Phase::blocks("threshold", vec![Source::Input(0, [0; 3])], vec![0]),
            HysteresisPhase::Connect => Phase::blocks("connect", vec![Source::Field(0, [1; 3])], vec![0]),
            HysteresisPhase::Mark => Phase::blocks("mark", vec![Source::Field(0, [0; 3])], vec![1]),
        }
    }

    fn result(&self) -> Option<usize> {
        Some(1)
    }

    fn run(
        &self,
        phase: HysteresisPhase,
        (): &(),
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let input = inputs[0].as_ref().expect("each phase reads one volume");
        if phase == HysteresisPhase::Threshold {
            return Ok((vec![Volume::U8(self.classify(input, job)?)], vec![]));
        }
        let Volume::U8(levels) = &**input else { unreachable!("the field is declared so") };
        if phase == HysteresisPhase::Mark {
            return Ok((vec![Volume::U8(levels.mapv(|v| u8::from(v == STRONG)))], vec![]));
        }
        let mut levels = levels.clone();
        let changed = self.spread(&mut levels, block.inner(), job)?;
        let [z, y, x] = block.inner().ranges();
        let inner = levels.slice(ndarray::s![z, y, x]).to_owned();
        Ok((vec![Volume::U8(inner)], encode(&changed)))
    }

    fn merge(&self, phase: HysteresisPhase, (): &mut (), partials: Partials) -> Result<Next> {
        if phase == HysteresisPhase::Connect {
            for changed in partials {
                if decode::<bool>(&changed?.1)? {
                    return Ok(Next::Repeat);
                }
            }
        }
        Ok(Next::Continue)
    }
}

impl Levels {
    /// Spreads strong voxels into weak ones; says whether one of `inner` changed.
    fn spread(&self, levels: &mut Array3<u8>, inner: Region, job: &Job) -> Result<bool> {
        let shape = <[usize; 3]>::from(levels.dim());
        let steps = self.connectivity.neighbours();
        let neighbour = |at: [usize; 3], step: &[isize; 3]| {
            let mut next = [0; 3];
            for a in 0..3 {
                next[a] = at[a].checked_add_signed(step[a]).filter(|&i| i < shape[a])?;
            }
            Some(next)
        };
        // A block starts from strong voxels that have a weak neighbour.
        let mut queue: Vec<[usize; 3]> = levels
            .indexed_iter()
            .filter(|((z, y, x), v)| {
                let near = |s| neighbour([*z, *y, *x], s).is_some_and(|n| levels[n] == WEAK);
                **v == STRONG && steps.iter().any(near)
            })
            .map(|((z, y, x), _)| [z, y, x])
            .collect();
        let mut changed = false;
        let mut done = 0u64;
        while let Some(at) = queue.pop() {
            done += 1;
            if done.is_multiple_of(1 << 16) {
                job.check()?;
            }
            for step in &steps {
                let Some(next) = neighbour(at, step) else { continue };
                if levels[next] == WEAK {
                    levels[next] = STRONG;
                    changed |= inner.contains(&Region::new(next, [1; 3]));
                    queue.push(next);
                }
            }
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Geometry;
    use crate::program::{Args, Grid, Value};

    fn run(image: &Volume, given: &[(&'static str, Value)], block: Option<[usize; 3]>) -> Volume {
        let grid = Grid {
            shape: image.shape(),
            voxel: image.voxel_type(),
            kind: Kind::Grey,
            geometry: Geometry::default(),
        };
        let args = Args::complete(&SPEC, given.iter().cloned().collect()).unwrap();
        let prepared =
            Hysteresis.prepare(&Call { op: "hysteresis", args: &args, inputs: &[Some(grid)] }).unwrap();
        let input = Arc::new(image.clone());
        match block {
            None => prepared.kernel.whole(vec![Some(input)], &Job::silent()).unwrap(),
            Some(block) => {
                crate::blocks::run_prepared(prepared, &[Some((input, grid))], block, &Job::silent()).unwrap()
            }
        }
        .into_volume()
    }

    fn given(low: f64, high: f64, connectivity: &str) -> [(&'static str, Value); 3] {
        [
            ("low", Value::Float(low)),
            ("high", Value::Float(high)),
            ("connectivity", Value::Text(connectivity.into())),
        ]
    }

    #[test]
    fn only_what_reaches_a_high_voxel_is_marked() {
        let line = [1.0, 3.0, 2.0, 0.0, 2.0, 2.0, f32::NAN, 2.0, 5.0];
        let image = Volume::from(Array3::from_shape_vec((1, 1, 9), line.to_vec()).unwrap());
        let out = run(&image, &given(1.0, 2.5, "6"), None);
        assert_eq!(out.as_bytes(), [0, 1, 1, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_snake_through_many_blocks_is_followed() {
        // A path that turns back and forth, strong at its end alone.
        let mut a = Array3::<u8>::zeros((3, 9, 11));
        for y in (0..9).step_by(2) {
            a.slice_mut(ndarray::s![1, y, ..]).fill(5);
            if y + 1 < 9 {
                a[[1, y + 1, if y % 4 == 0 { 10 } else { 0 }]] = 5;
            }
        }
        a[[1, 8, 10]] = 9;
        let image = Volume::from(a);
        for connectivity in ["6", "18", "26"] {
            let whole = run(&image, &given(4.0, 8.0, connectivity), None);
            assert_eq!(whole.as_bytes().iter().filter(|v| **v == 1).count(), 5 * 11 + 4);
            for block in [[1, 2, 3], [3, 4, 4], [2, 1, 11]] {
                assert_eq!(run(&image, &given(4.0, 8.0, connectivity), Some(block)), whole, "{block:?}");
            }
        }
    }

    #[test]
    fn random_images_agree_whole_and_in_blocks() {
        let mut state = 3u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as u16 % 100
        };
        for shape in [[5, 6, 7], [1, 1, 1], [1, 12, 9], [8, 1, 5]] {
            let image = Volume::from(Array3::from_shape_simple_fn(shape, &mut next));
            for connectivity in ["6", "18", "26"] {
                let whole = run(&image, &given(55.0, 93.0, connectivity), None);
                for block in [[2, 3, 2], [4, 4, 4]] {
                    assert_eq!(run(&image, &given(55.0, 93.0, connectivity), Some(block)), whole);
                }
            }
        }
    }
}
