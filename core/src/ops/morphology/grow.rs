//! The operators that reconstruct: `reconstruct`, `h-maxima` and `h-minima`.

use super::lane::{Lane, Ordered};
use super::reconstruct::{Relaxation, Slabs};
use crate::algorithms::components::Connectivity;
use crate::ops::Operator;
use crate::program::{
    Block, Call, Default, FieldSpec, Group, Input, Kernel, Kind, Mode, Next, Output, Param, ParamType,
    Partials, Phase, Prepared, Produces, Program, Source, Spec, TileContext,
};
use crate::{Job, Result, Volume, VoxelType, with_volume};
use ndarray::Array3;
use std::sync::Arc;

/// A marker that grows under a mask, or shrinks above it.
struct Grow {
    /// By erosion: the marker shrinks above the mask.
    erode: bool,
    connectivity: Connectivity,
    /// The marker is the mask lowered (raised, for erosion) by this much; else it is an input.
    height: Option<f64>,
    shape: [usize; 3],
    voxel: VoxelType,
}

impl Grow {
    /// Which input is the mask.
    fn mask(&self) -> usize {
        usize::from(self.height.is_none())
    }

    fn flip<T: Ordered>(&self) -> T::Key {
        if self.erode { T::FLIP } else { T::Key::BOTTOM }
    }

    /// Writes the keys of a row of marker and mask.
    #[inline(always)]
    fn keys<T: Ordered>(&self, marker: Option<&[T]>, mask: &[T], to: &mut [T::Key], limit: &mut [T::Key]) {
        let flip = self.flip::<T>();
        for (key, v) in limit.iter_mut().zip(mask) {
            *key = v.key(flip);
        }
        match (marker, self.height) {
            (Some(marker), _) => to.iter_mut().zip(marker).for_each(|(key, v)| *key = v.key(flip)),
            (None, Some(h)) if self.erode => {
                to.iter_mut().zip(mask).for_each(|(key, v)| *key = v.raised(h).key(flip));
            }
            (None, h) => {
                let h = h.unwrap_or(0.0);
                to.iter_mut().zip(mask).for_each(|(key, v)| *key = v.lowered(h).key(flip));
            }
        }
    }

    fn whole<T: Ordered>(&self, mut inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let row = |i: usize, z: usize, y: usize| {
            let volume = inputs.get(i).and_then(|v| v.as_deref());
            let array = volume.and_then(|v| T::of(v)).expect("inputs are of the prepared type");
            let slice = array.as_slice().expect("volumes are in C order");
            &slice[(z * self.shape[1] + y) * self.shape[2]..][..self.shape[2]]
        };
        let fill = |z: usize, y: usize, marker: &mut [T::Key], mask: &mut [T::Key]| {
            let from = self.height.is_none().then(|| row(0, z, y));
            self.keys(from, row(self.mask(), z, y), marker, mask);
        };
        let slabs = Slabs::new(self.shape, self.connectivity, fill, job)?;
        let first = inputs.swap_remove(0);
        drop(inputs);
        let slabs = slabs.relaxed(job)?;
        // The input's own memory, where nobody else needs it.
        let mut out = match first.map(Arc::try_unwrap) {
            Some(Ok(volume)) => T::take(volume).unwrap_or_else(|_| Array3::default(self.shape)),
            _ => Array3::default(self.shape),
        };
        slabs.write(self.flip::<T>(), out.as_slice_mut().expect("volumes are in C order"), job)?;
        job.advance(out.len() as u64);
        Ok(T::into_volume(out))
    }

    /// The marker of a block, lowered to its mask.
    fn start<T: Ordered>(&self, marker: Option<&Array3<T>>, mask: &Array3<T>) -> Array3<T> {
        let mut out = Array3::default(mask.dim());
        let n = mask.len();
        let (mut keys, mut limit) = (vec![T::Key::BOTTOM; n], vec![T::Key::BOTTOM; n]);
        let marker = marker.map(|m| m.as_slice().expect("volumes are in C order"));
        self.keys(marker, mask.as_slice().expect("volumes are in C order"), &mut keys, &mut limit);
        for ((out, key), limit) in out.iter_mut().zip(keys).zip(limit) {
            *out = T::from_key(key.min(limit), self.flip::<T>());
        }
        out
    }

    /// Relaxes a block within a margin that stays, and says whether it changed.
    fn relax<T: Ordered>(
        &self,
        block: &Block,
        marker: &Array3<T>,
        mask: &Array3<T>,
        job: &Job,
    ) -> Result<(Array3<T>, bool)> {
        let source = block.sources[0];
        let inner = block.out.relative_to(source.start);
        let [_, ny, nx] = source.shape;
        let flip = self.flip::<T>();
        let marker = marker.as_slice().expect("volumes are in C order");
        let mask = mask.as_slice().expect("volumes are in C order");
        let [rz, ry, rx] = inner.ranges();
        let mut relaxation = Relaxation::new(source.shape, self.connectivity, |z, y, to, limit| {
            let at = (z * ny + y) * nx;
            for (x, (to, limit)) in to.iter_mut().zip(limit).enumerate() {
                *to = marker[at + x].key(flip);
                // Under itself, a voxel of the margin stays as it is.
                let inside = rz.contains(&z) && ry.contains(&y) && rx.contains(&x);
                *limit = if inside { mask[at + x].key(flip) } else { *to };
            }
        });
        relaxation.relax(job)?;
        let mut out = Array3::default(inner.shape);
        let mut changed = false;
        for ((z, y, x), v) in out.indexed_iter_mut() {
            let (z, y, x) = (z + rz.start, y + ry.start, x + rx.start);
            let key = relaxation.row(z, y)[x];
            changed |= key != marker[(z * ny + y) * nx + x].key(flip);
            *v = T::from_key(key, flip);
        }
        Ok((out, changed))
    }
}

impl Kernel for Grow {
    fn whole(&self, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Output> {
        crate::with_voxel!(self.voxel, |T| Grow::whole::<T>(self, inputs, job)).map(Output::Volume)
    }

    fn mode(&self) -> Mode<'_> {
        Mode::Program(self)
    }
}

/// Phases of a reconstruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrowPhase {
    /// The marker under the limit.
    Marker,
    /// It grows in each block, until nothing changes.
    Growth,
}

/// Field 0: the marker as it grows.
impl Program for Grow {
    type Phase = GrowPhase;
    type State = ();

    fn fields(&self) -> Vec<FieldSpec> {
        vec![FieldSpec { voxel: self.voxel }]
    }

    fn phases(&self) -> Vec<GrowPhase> {
        vec![GrowPhase::Marker, GrowPhase::Growth]
    }

    fn declare(&self, phase: GrowPhase) -> Phase {
        match phase {
            GrowPhase::Marker => {
                let mut reads = vec![Source::Input(self.mask(), [0; 3])];
                if self.height.is_none() {
                    reads.push(Source::Input(0, [0; 3]));
                }
                Phase::blocks("marker", reads, vec![0])
            }
            GrowPhase::Growth => {
                let reads = vec![Source::Field(0, [1; 3]), Source::Input(self.mask(), [1; 3])];
                Phase::blocks("growth", reads, vec![0])
            }
        }
    }

    fn result(&self) -> Option<usize> {
        Some(0)
    }

    fn run(
        &self,
        phase: GrowPhase,
        (): &(),
        block: &Block,
        inputs: Vec<Option<Arc<Volume>>>,
        _: &dyn TileContext,
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let first = inputs[0].as_deref().expect("every phase reads something that is there");
        let second = inputs.get(1).and_then(|v| v.as_deref());
        with_volume!(first, |a| run_typed(self, phase, block, a, second, job))
    }

    fn merge(&self, phase: GrowPhase, (): &mut (), partials: Partials) -> Result<Next> {
        for partial in partials {
            if phase == GrowPhase::Growth && partial?.1 == [1] {
                return Ok(Next::Repeat);
            }
        }
        Ok(Next::Continue)
    }
}

fn run_typed<T: Ordered>(
    grow: &Grow,
    phase: GrowPhase,
    block: &Block,
    first: &Array3<T>,
    second: Option<&Volume>,
    job: &Job,
) -> Result<(Vec<Volume>, Vec<u8>)> {
    let second = second.and_then(|v| T::of(v));
    if phase == GrowPhase::Marker {
        return Ok((vec![T::into_volume(grow.start(second, first))], vec![]));
    }
    let mask = second.expect("the growth reads the mask, which is of the prepared type");
    let (out, changed) = grow.relax(block, first, mask, job)?;
    Ok((vec![T::into_volume(out)], vec![u8::from(changed)]))
}

const CONNECTIVITY: Param = Param {
    name: "connectivity",
    ty: Connectivity::PARAM,
    default: Default::Value("26"),
    help: "Whether voxels are connected over faces (6), edges too (18), or corners too (26).",
};

const HEIGHT: Param = Param {
    name: "height",
    ty: ParamType::Float { min: 0.0, max: f64::INFINITY },
    default: Default::Required,
    help: "Least contrast that is kept, in intensity; rounded for images of whole numbers.",
};

const IMAGE: Input = Input { name: "input", kinds: &[Kind::Grey], optional: false, help: "The image." };

/// Morphological reconstruction.
pub struct Reconstruct;

static RECONSTRUCT: Spec = Spec {
    id: "reconstruct",
    group: Group::Morphology,
    summary: "Grows a marker under a limiting image (or shrinks it above one) until it is stable.",
    details: "Reconstruction by dilation or erosion (Vincent 1993, doi:10.1109/83.217222). The marker is first \
        lowered to the limit where it is above it (raised, by erosion). Of masks, it keeps the components of \
        the limit that the marker touches. NaN in the limit is a wall and stays NaN; NaN in the marker is no \
        seed, and where no seed reaches, the result is NaN. Block by block it is repeated until no block \
        changes; the end is unique, so it is exact.",
    inputs: &[
        Input { name: "input", kinds: &[Kind::Grey, Kind::Mask], optional: false, help: "The marker." },
        Input {
            name: "limit",
            kinds: &[Kind::Grey, Kind::Mask],
            optional: false,
            help: "The image under which (by erosion: above which) the marker grows; of the same voxel type.",
        },
    ],
    output: Produces::Same,
    params: &[
        Param {
            name: "by",
            ty: ParamType::Choice(&["dilation", "erosion"]),
            default: Default::Value("dilation"),
            help: "Whether the marker grows under the limit or shrinks above it.",
        },
        CONNECTIVITY,
    ],
};

impl Operator for Reconstruct {
    fn spec(&self) -> &'static Spec {
        &RECONSTRUCT
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let (marker, limit) = (call.grid(), call.inputs[1].expect("the second input is required"));
        if marker.shape != limit.shape {
            return Err(call.error(format!(
                "the marker has {:?} voxels (z, y, x), the limit {:?}",
                marker.shape, limit.shape
            )));
        }
        if marker.voxel != limit.voxel {
            return Err(call.error(format!(
                "the marker is {}, the limit {}; cast one of them",
                marker.voxel, limit.voxel
            )));
        }
        grow(call, call.args.text("by") == "erosion", None)
    }
}

fn grow(call: &Call, erode: bool, height: Option<f64>) -> Result<Prepared> {
    let grid = call.grid();
    if grid.kind == Kind::Labels {
        return Err(call.error("labels are names, not intensities"));
    }
    let connectivity = Connectivity::of(call.args, "connectivity");
    let kernel = Grow { erode, connectivity, height, shape: grid.shape, voxel: grid.voxel };
    Ok(Prepared::new(grid, kernel).scratch(2.0 * grid.voxel.size() as f64))
}

/// The h-maxima transform.
pub struct HMaxima;

static H_MAXIMA: Spec = Spec {
    id: "h-maxima",
    group: Group::Morphology,
    summary: "Cuts off peaks by a height, and so removes those that rise less than it above the pass to a higher one.",
    details: "Reconstruction by dilation of the image minus the height under the image (Soille 2003, \
        Morphological Image Analysis, section 6.3.4), as in ITK and DIPlib. The difference stops at the lowest \
        value of a whole-number type. NaN is a wall and stays NaN. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[HEIGHT, CONNECTIVITY],
};

impl Operator for HMaxima {
    fn spec(&self) -> &'static Spec {
        &H_MAXIMA
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        grow(call, false, Some(call.args.float("height")))
    }
}

/// The h-minima transform.
pub struct HMinima;

static H_MINIMA: Spec = Spec {
    id: "h-minima",
    group: Group::Morphology,
    summary: "Fills valleys by a height, and so removes those that lie less than it below the pass to a deeper one.",
    details: "Reconstruction by erosion of the image plus the height above the image (Soille 2003, Morphological \
        Image Analysis, section 6.3.4), as in ITK and DIPlib. The sum stops at the highest value of a \
        whole-number type. NaN is a wall and stays NaN. Exact block by block.",
    inputs: &[IMAGE],
    output: Produces::Same,
    params: &[HEIGHT, CONNECTIVITY],
};

impl Operator for HMinima {
    fn spec(&self) -> &'static Spec {
        &H_MINIMA
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        grow(call, true, Some(call.args.float("height")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Random, SHAPES, run};
    use super::*;
    use crate::Geometry;

    const CONNECTIVITIES: [(&str, Connectivity); 3] =
        [("6", Connectivity::Six), ("18", Connectivity::Eighteen), ("26", Connectivity::TwentySix)];

    /// Grows by one step at a time until nothing changes.
    fn brute<T: Ordered>(
        marker: &Array3<T>,
        mask: &Array3<T>,
        connectivity: Connectivity,
        erode: bool,
    ) -> Array3<T> {
        let flip = if erode { T::FLIP } else { T::Key::BOTTOM };
        let limit = mask.mapv(|v| v.key(flip));
        let mut state = marker.mapv(|v| v.key(flip));
        state.zip_mut_with(&limit, |a, b| *a = (*a).min(*b));
        loop {
            let next = Array3::from_shape_fn(state.dim(), |(z, y, x)| {
                let mut best = state[[z, y, x]];
                for [dz, dy, dx] in connectivity.neighbours() {
                    let at = [z as isize + dz, y as isize + dy, x as isize + dx].map(|i| i as usize);
                    best = best.max(state.get(at).copied().unwrap_or(T::Key::BOTTOM));
                }
                best.min(limit[[z, y, x]])
            });
            if next == state {
                return state.mapv(|k| T::from_key(k, flip));
            }
            state = next;
        }
    }

    fn check<T: Ordered>(marker: &Array3<T>, mask: &Array3<T>, kind: Kind, random: &mut Random) {
        for (word, connectivity) in CONNECTIVITIES {
            for (by, erode) in [("dilation", false), ("erosion", true)] {
                let inputs = [marker, mask].map(|a| Some((T::into_volume(a.clone()), kind)));
                let args = [("by", by), ("connectivity", word)];
                let made = run(&Reconstruct, &args, &inputs, Geometry::default(), random);
                let expected = T::into_volume(brute(marker, mask, connectivity, erode));
                assert!(
                    made.as_bytes() == expected.as_bytes(),
                    "by {by}, {word}, {:?} of {}",
                    mask.dim(),
                    T::TYPE
                );
            }
        }
    }

    #[test]
    fn equal_to_step_by_step_growth() {
        let mut random = Random::new(5);
        for (i, shape) in SHAPES.into_iter().enumerate() {
            // Few high markers under a mask of many levels make long ways.
            let mask: Array3<u8> = random.grey(shape, 9);
            let marker = mask.mapv(|v| if random.below(40) == 0 { v } else { 0 });
            check(&marker, &mask, Kind::Grey, &mut random);
            match i % 3 {
                0 => check(&random.grey::<i16>(shape, 50), &random.grey(shape, 50), Kind::Grey, &mut random),
                1 => check(&random.grey::<u16>(shape, 50), &random.grey(shape, 60), Kind::Grey, &mut random),
                _ => {
                    let mask = random.mask(shape, 60);
                    let marker = random.mask(shape, 2);
                    check(&marker, &mask, Kind::Mask, &mut random);
                }
            }
            let mut holed: Array3<f32> = random.grey(shape, 100);
            holed.map_inplace(|v| {
                if random.below(4) == 0 {
                    *v = f32::NAN;
                }
            });
            let mut marker = holed.mapv(|v| v - 20.0);
            marker.map_inplace(|v| {
                if random.below(4) == 0 {
                    *v = f32::NAN;
                }
            });
            check(&marker, &holed, Kind::Grey, &mut random);
        }
    }

    #[test]
    fn a_marker_finds_its_way_through_a_maze_across_slabs() {
        // Walls at odd z with one gap each, at alternating ends.
        let shape = [41, 9, 80];
        let mask = Array3::from_shape_fn(shape, |(z, y, x)| {
            let gap = if z % 4 == 1 { y == 8 && x == 79 } else { y == 0 && x == 0 };
            if z % 2 == 0 || gap { 200u8 } else { 3 }
        });
        let mut marker = Array3::zeros(shape);
        marker[[40, 4, 40]] = 150;
        let inputs = [&marker, &mask].map(|a: &Array3<u8>| Some((Volume::from(a.clone()), Kind::Grey)));
        let made =
            run(&Reconstruct, &[("connectivity", "6")], &inputs, Geometry::default(), &mut Random::new(6));
        assert_eq!(made, Volume::from(mask.mapv(|v| v.min(150))));
    }

    #[test]
    fn peaks_and_valleys_lower_than_the_height_go() {
        let line = |v: &[i16]| Array3::from_shape_vec((1, 1, v.len()), v.to_vec()).unwrap();
        let image = line(&[0, 5, 0, 9, 2, 7, 0, -3, 0]);
        let mut random = Random::new(7);
        let mut made = |op: &dyn Operator, height: &str| {
            let input = [Some((Volume::from(image.clone()), Kind::Grey))];
            run(op, &[("height", height)], &input, Geometry::default(), &mut random)
        };
        assert_eq!(made(&HMaxima, "4"), line(&[0, 1, 0, 5, 2, 3, 0, -3, -3]).into());
        assert_eq!(made(&HMaxima, "0"), image.clone().into());
        assert_eq!(made(&HMinima, "4"), line(&[4, 5, 4, 9, 6, 7, 1, 1, 1]).into());
        // Heights beyond the type stop at its ends.
        assert_eq!(made(&HMaxima, "1e9"), line(&[i16::MIN; 9]).into());
        assert_eq!(made(&HMinima, "1e9"), line(&[i16::MAX; 9]).into());
    }
}
