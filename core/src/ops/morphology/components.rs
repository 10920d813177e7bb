//! The operators on whole components: `fill-holes`, `remove-small`, `keep-largest`, `clear-border`.

use super::component_filter::{ComponentFilter, Rule, faces_of};
use crate::Result;
use crate::algorithms::components::{Connectivity, MaskSide};
use crate::ops::Operator;
use crate::program::{Call, Default, Group, Input, Kind, Param, ParamType, Prepared, Produces, Spec};

const MASK: Input = Input { name: "input", kinds: &[Kind::Mask], optional: false, help: "The mask." };

const OBJECTS: Input = Input {
    name: "input",
    kinds: &[Kind::Mask, Kind::Labels],
    optional: false,
    help: "A mask, whose connected components are the objects, or labels, each of which is one.",
};

const fn connectivity(default: &'static str, help: &'static str) -> Param {
    Param { name: "connectivity", ty: Connectivity::PARAM, default: Default::Value(default), help }
}

const OF_MASK: &str =
    "In a mask, whether voxels are connected over faces (6), edges too (18), or corners too (26).";

/// The number of voxels that a size in voxels or a volume asks for: at least so much.
fn voxels(call: &Call, size: &'static str, volume: &'static str) -> Result<Option<u64>> {
    match (call.args.maybe_int(size), call.args.maybe_float(volume)) {
        (Some(_), Some(_)) => Err(call.error(format!("give {size} or {volume}, not both"))),
        (Some(n), None) => Ok(Some(n as u64)),
        (None, Some(v)) => Ok(Some(((v / call.grid().geometry.voxel_volume()) * (1.0 - 1e-9)).ceil() as u64)),
        (None, None) => Ok(None),
    }
}

/// Fills enclosed background.
pub struct FillHoles;

static FILL_HOLES: Spec = Spec {
    id: "fill-holes",
    group: Group::Morphology,
    summary: "Fills the parts of the background that don't touch the border of the image.",
    details: "Connected components of the background, by runs and union–find, united across blocks: exact block by \
        block. With the default connectivity of 6, an object that is connected over corners closes a hole, as \
        in scipy.ndimage.binary_fill_holes. An axis of one voxel has no border, so that a plane is filled as a \
        plane.",
    inputs: &[MASK],
    output: Produces::Same,
    params: &[
        connectivity(
            "6",
            "Whether the background is connected over faces (6), edges too (18), or corners too (26).",
        ),
        Param {
            name: "max_size",
            ty: ParamType::Int { min: 1, max: i64::MAX },
            default: Default::Absent,
            help: "Only holes of at most so many voxels are filled; all if not given.",
        },
    ],
};

impl Operator for FillHoles {
    fn spec(&self) -> &'static Spec {
        &FILL_HOLES
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let most = call.args.maybe_int("max_size").map_or(u64::MAX, |n| n as u64);
        let connectivity = Connectivity::of(call.args, "connectivity");
        Ok(ComponentFilter::prepare(call, Rule::Enclosed(most), MaskSide::Outside, connectivity))
    }
}

/// Removes small objects.
pub struct RemoveSmall;

static REMOVE_SMALL: Spec = Spec {
    id: "remove-small",
    group: Group::Morphology,
    summary: "Removes objects with fewer voxels, or less volume, than a limit.",
    details: "Objects of exactly the limit are kept. Of a mask, objects are connected components; of labels, each \
        label is one, whether in one piece or not, and those that stay keep their numbers. Exact block by block.",
    inputs: &[OBJECTS],
    output: Produces::Same,
    params: &[
        Param {
            name: "min_size",
            ty: ParamType::Int { min: 0, max: i64::MAX },
            default: Default::Absent,
            help: "Least number of voxels that is kept; this or min_volume must be given.",
        },
        Param {
            name: "min_volume",
            ty: ParamType::Float { min: 0.0, max: f64::INFINITY },
            default: Default::Absent,
            help: "Least volume that is kept, in cubic units of the image, such as µm³.",
        },
        connectivity("26", OF_MASK),
    ],
};

impl Operator for RemoveSmall {
    fn spec(&self) -> &'static Spec {
        &REMOVE_SMALL
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let least = voxels(call, "min_size", "min_volume")?
            .ok_or_else(|| call.error("give min_size (voxels) or min_volume (cubic units of the image)"))?;
        let connectivity = Connectivity::of(call.args, "connectivity");
        Ok(ComponentFilter::prepare(call, Rule::Below(least), MaskSide::Inside, connectivity))
    }
}

/// Keeps the largest objects.
pub struct KeepLargest;

static KEEP_LARGEST: Spec = Spec {
    id: "keep-largest",
    group: Group::Morphology,
    summary: "Keeps the objects with the most voxels and removes the rest.",
    details: "Of equal objects, the one whose first voxel comes first (z, then y, then x) is the larger. Of a mask, \
        objects are connected components; of labels, each label is one, and those that stay keep their numbers. \
        Exact block by block.",
    inputs: &[OBJECTS],
    output: Produces::Same,
    params: &[
        Param {
            name: "count",
            ty: ParamType::Int { min: 1, max: u32::MAX as i64 },
            default: Default::Value("1"),
            help: "How many are kept.",
        },
        connectivity("26", OF_MASK),
    ],
};

impl Operator for KeepLargest {
    fn spec(&self) -> &'static Spec {
        &KEEP_LARGEST
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let connectivity = Connectivity::of(call.args, "connectivity");
        let rule = Rule::AllButLargest(call.args.int("count") as usize);
        Ok(ComponentFilter::prepare(call, rule, MaskSide::Inside, connectivity))
    }
}

/// Removes objects at the border.
pub struct ClearBorder;

static CLEAR_BORDER: Spec = Spec {
    id: "clear-border",
    group: Group::Morphology,
    summary: "Removes objects that touch the border of the image and so are cut off.",
    details: "Of a mask, objects are connected components; of labels, each label is one, and those that stay keep \
        their numbers. An axis of one voxel has no border, so that a plane is treated as a plane. Exact block by \
        block.",
    inputs: &[OBJECTS],
    output: Produces::Same,
    params: &[
        Param {
            name: "faces",
            ty: ParamType::Words,
            default: Default::Value("all"),
            help: "Which faces count: all, an axis (z), or one end of it (z- or z+); several may be given.",
        },
        connectivity("26", OF_MASK),
    ],
};

impl Operator for ClearBorder {
    fn spec(&self) -> &'static Spec {
        &CLEAR_BORDER
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let faces = faces_of(call, call.args.words("faces").unwrap_or_default())?;
        let connectivity = Connectivity::of(call.args, "connectivity");
        Ok(ComponentFilter::prepare(call, Rule::Touching(faces), MaskSide::Inside, connectivity))
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Random, SHAPES, prepare, run};
    use super::*;
    use crate::algorithms::components::tests::flood;
    use crate::program::Grid;
    use crate::{Geometry, Unit, Volume, VoxelType};
    use ndarray::Array3;

    const CONNECTIVITIES: [(&str, Connectivity); 3] =
        [("6", Connectivity::Six), ("18", Connectivity::Eighteen), ("26", Connectivity::TwentySix)];

    /// Size of each object and whether it touches each face, by looking at every voxel.
    fn survey(objects: &[u32], shape: [usize; 3]) -> Vec<(usize, [bool; 6])> {
        let count = objects.iter().max().copied().unwrap_or(0) as usize;
        let mut all = vec![(0, [false; 6]); count + 1];
        for (i, &id) in objects.iter().enumerate() {
            let at = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
            let entry = &mut all[id as usize];
            entry.0 += 1;
            for a in 0..3 {
                entry.1[2 * a] |= shape[a] > 1 && at[a] == 0;
                entry.1[2 * a + 1] |= shape[a] > 1 && at[a] + 1 == shape[a];
            }
        }
        all
    }

    #[test]
    fn equal_to_flooding_on_masks() {
        let mut random = Random::new(8);
        for shape in SHAPES {
            for percent in [30, 60, 85] {
                let mask = random.mask(shape, percent);
                let input = [Some((Volume::from(mask.clone()), Kind::Mask))];
                for (word, connectivity) in CONNECTIVITIES {
                    let mut check =
                        |op: &dyn Operator,
                         args: &[(&str, &str)],
                         outside: bool,
                         paint: &dyn Fn(&[(usize, [bool; 6])], usize) -> bool| {
                            let args: Vec<_> = args.iter().copied().chain([("connectivity", word)]).collect();
                            let made = run(op, &args, &input, Geometry::default(), &mut random);
                            let part = mask.mapv(|v| u32::from((v == 0) == outside));
                            let objects = flood(part.as_slice().unwrap(), shape, connectivity);
                            let all = survey(&objects, shape);
                            let mut expected = mask.clone();
                            for (v, &id) in expected.iter_mut().zip(&objects) {
                                if id != 0 && paint(&all, id as usize) {
                                    *v = u8::from(outside);
                                }
                            }
                            assert_eq!(made, Volume::from(expected), "{args:?} {shape:?} {percent} %");
                        };
                    check(&FillHoles, &[], true, &|all, id| !all[id].1.contains(&true));
                    check(&FillHoles, &[("max_size", "2")], true, &|all, id| {
                        !all[id].1.contains(&true) && all[id].0 <= 2
                    });
                    check(&RemoveSmall, &[("min_size", "3")], false, &|all, id| all[id].0 < 3);
                    check(&ClearBorder, &[], false, &|all, id| all[id].1.contains(&true));
                    check(&ClearBorder, &[("faces", "y,z+")], false, &|all, id| {
                        all[id].1[1] || all[id].1[2] || all[id].1[3]
                    });
                    // Kept are those with fewer than two that are larger, or equal and around.
                    check(&KeepLargest, &[("count", "2")], false, &|all, id| {
                        let ahead = |i: &usize| all[*i].0 > all[id].0 || all[*i].0 == all[id].0 && *i < id;
                        (1..all.len()).filter(ahead).count() >= 2
                    });
                }
            }
        }
    }

    #[test]
    fn labels_are_objects_in_one_piece_or_not() {
        let mut random = Random::new(9);
        for shape in SHAPES {
            let labels = Array3::from_shape_simple_fn(shape, || [0, 0, 7, 3, 1_000_000, 12][random.below(6)]);
            let input = [Some((Volume::from(labels.clone()), Kind::Labels))];
            let size = |v: u32| labels.iter().filter(|w| **w == v).count();
            let first = |v: u32| labels.iter().position(|w| *w == v).unwrap();
            let mut made = |op: &dyn Operator, args: &[(&str, &str)]| {
                run(op, args, &input, Geometry::default(), &mut random)
            };
            let kept = made(&RemoveSmall, &[("min_size", "5")]);
            assert_eq!(kept, labels.mapv(|v| if size(v) < 5 { 0 } else { v }).into());
            let largest = labels
                .iter()
                .copied()
                .filter(|v| *v != 0)
                .max_by_key(|&v| (size(v), std::cmp::Reverse(first(v))))
                .unwrap_or(0);
            assert_eq!(made(&KeepLargest, &[]), labels.mapv(|v| if v == largest { v } else { 0 }).into());
            let names =
                labels.mapv(|v| [0, 7, 3, 1_000_000, 12].iter().position(|w| *w == v).unwrap() as u32);
            let all = survey(names.as_slice().unwrap(), shape);
            let mut cleared = labels.clone();
            for (v, id) in cleared.iter_mut().zip(&names) {
                if all[*id as usize].1.contains(&true) {
                    *v = 0;
                }
            }
            assert_eq!(made(&ClearBorder, &[]), cleared.into());
        }
    }

    #[test]
    fn a_volume_is_measured_in_the_units_of_the_image() {
        let mut mask = Array3::<u8>::zeros((3, 3, 9));
        [0, 1, 3, 4, 5].iter().for_each(|&x| mask[[1, 1, x]] = 1);
        let geometry = Geometry::from_spacing([0.1, 0.2, 0.3], Unit::Micrometre);
        let input = [Some((Volume::from(mask.clone()), Kind::Mask))];
        let mut random = Random::new(10);
        let mut left = |volume: &str| {
            let made = run(&RemoveSmall, &[("min_volume", volume)], &input, geometry, &mut random);
            made.as_bytes().iter().filter(|v| **v != 0).count()
        };
        assert_eq!([left("0.012"), left("0.0121"), left("0.018"), left("0.0181")], [5, 3, 3, 0]);
        let grid = Grid { shape: [3; 3], voxel: VoxelType::U8, kind: Kind::Mask, geometry };
        assert!(prepare(&RemoveSmall, &[], &[Some(grid)]).is_err());
        assert!(prepare(&RemoveSmall, &[("min_size", "1"), ("min_volume", "1")], &[Some(grid)]).is_err());
        assert!(prepare(&ClearBorder, &[("faces", "w")], &[Some(grid)]).is_err());
    }
}
