use super::*;
use crate::ops::Operator;
use crate::program::{Args, Grid, Prepared, Value};
use crate::{Geometry, Job, Unit, VoxelType};
use glam::{DAffine3, DMat3, DVec3};
use ndarray::Array3;

type Given = [(&'static str, Value)];

/// Oblique, anisotropic and oriented.
fn geometry() -> Geometry {
    let turn = DMat3::from_rotation_x(0.3) * DMat3::from_rotation_z(-0.7);
    let scale = DMat3::from_diagonal(DVec3::new(0.5, 0.7, 2.0));
    let world_from_index = DAffine3::from_mat3_translation(turn * scale, DVec3::new(10.0, -4.0, 3.0));
    Geometry { world_from_index, unit: Unit::Micrometre, oriented: true }
}

fn grid(volume: &Volume, kind: Kind) -> Grid {
    Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry: geometry() }
}

fn prepare(op: &dyn Operator, grid: Grid, given: &Given) -> Result<Prepared> {
    prepare_like(op, grid, None, given)
}

fn prepare_like(op: &dyn Operator, grid: Grid, like: Option<Grid>, given: &Given) -> Result<Prepared> {
    let args = Args::complete(op.spec(), given.iter().cloned().collect()).unwrap();
    let mut inputs = vec![Some(grid), like];
    inputs.truncate(op.spec().inputs.len());
    op.prepare(&Call { op: op.spec().id, args: &args, inputs: &inputs })
}

/// Runs whole, and in blocks, which must agree.
fn run(op: &dyn Operator, volume: &Volume, kind: Kind, given: &Given) -> (Volume, Geometry) {
    run_like(op, volume, kind, None, given)
}

fn run_like(
    op: &dyn Operator,
    volume: &Volume,
    kind: Kind,
    like: Option<Grid>,
    given: &Given,
) -> (Volume, Geometry) {
    let input = Arc::new(volume.clone());
    let prepared = prepare_like(op, grid(volume, kind), like, given).unwrap();
    let out = prepared.output;
    let whole = prepared.kernel.whole(vec![Some(input.clone())], &Job::silent()).unwrap().into_volume();
    assert_eq!((out.shape, out.voxel, out.kind), (whole.shape(), whole.voxel_type(), kind));
    for block in [[2, 3, 4], [1, 50, 50], [3, 1, 1]] {
        let again = prepare_like(op, grid(volume, kind), like, given).unwrap();
        let field = [Some((input.clone(), grid(volume, kind)))];
        let blocked =
            crate::blocks::run_prepared(again, &field, block, &Job::silent()).unwrap().into_volume();
        assert_eq!(blocked.as_bytes(), whole.as_bytes(), "{} {given:?} {block:?}", op.spec().id);
    }
    (whole, out.geometry)
}

fn numbers(n: &[f64]) -> Value {
    Value::Numbers(n.to_vec())
}

fn word(s: &str) -> Value {
    Value::Text(s.into())
}

fn words(s: &[&str]) -> Value {
    Value::Words(s.iter().map(|s| (*s).to_owned()).collect())
}

/// Every voxel's value is its own number.
fn numbered(shape: [usize; 3]) -> Volume {
    let [_, ny, nx] = shape;
    Array3::from_shape_fn(shape, |(z, y, x)| ((z * ny + y) * nx + x) as u32).into()
}

/// Holds each voxel of the result to the place in the world where the original has its value.
fn places_stay(op: &dyn Operator, shape: [usize; 3], given: &Given) {
    let original = numbered(shape);
    let (out, g) = run(op, &original, Kind::Labels, given);
    let [_, ny, nx] = shape;
    let Volume::U32(out) = out else { panic!("the type stays") };
    for ((z, y, x), &v) in out.indexed_iter() {
        let v = v as usize;
        let was = geometry().world([v / (ny * nx), v / nx % ny, v % nx].map(|i| i as f64));
        let is = g.world([z, y, x].map(|i| i as f64));
        assert!((was - is).length() < 1e-9, "{} {given:?} at {:?}", op.spec().id, [z, y, x]);
    }
}

const SHAPES: [[usize; 3]; 5] = [[4, 5, 6], [1, 1, 1], [1, 7, 3], [5, 1, 2], [3, 9, 1]];

#[test]
fn voxels_keep_their_places_in_the_world() {
    for shape in SHAPES {
        for turns in -3..=3 {
            for axis in ["z", "y", "x"] {
                places_stay(&Rotate, shape, &[("axis", word(axis)), ("turns", Value::Int(turns))]);
            }
        }
        for axes in [&["z"][..], &["y"], &["x"], &["z", "y", "x"], &["x", "y"]] {
            places_stay(&Flip, shape, &[("axes", words(axes))]);
        }
        places_stay(&Bin, shape, &[("factor", numbers(&[1.0]))]);
        let same = shape.map(|n| n as f64);
        places_stay(&Resample, shape, &[("shape", numbers(&same)), ("interpolation", word("nearest"))]);
    }
    places_stay(
        &Crop,
        [4, 5, 6],
        &[("start", numbers(&[1.0, 0.0, 2.0])), ("size", numbers(&[2.0, 5.0, 3.0]))],
    );
    places_stay(&Crop, [4, 5, 6], &[("margin", numbers(&[1.0]))]);
    // Odd factors keep a voxel at the centre of each box.
    places_stay(&Resample, [9, 6, 3], &[("shape", numbers(&[3.0, 2.0, 1.0]))]);
}

#[test]
fn rotations_are_those_of_numpy() {
    // numpy.rot90([[0, 1, 2], [3, 4, 5]]) = [[2, 5], [1, 4], [0, 3]].
    let (out, _) = run(&Rotate, &numbered([1, 2, 3]), Kind::Grey, &[]);
    assert_eq!(out, Array3::from_shape_vec((1, 3, 2), vec![2u32, 5, 1, 4, 0, 3]).unwrap().into());
    let given = [("turns", Value::Int(-1))];
    let (out, _) = run(&Rotate, &numbered([1, 2, 3]), Kind::Grey, &given);
    assert_eq!(out, Array3::from_shape_vec((1, 3, 2), vec![3u32, 0, 4, 1, 5, 2]).unwrap().into());
}

#[test]
fn padding_follows_its_mode_and_cropping_undoes_it() {
    let line = Volume::from(Array3::from_shape_vec((1, 1, 3), vec![1u8, 2, 3]).unwrap());
    let padded = |mode: &str, before: f64, after: f64| {
        let given = [
            ("before", numbers(&[0.0, 0.0, before])),
            ("after", numbers(&[0.0, 0.0, after])),
            ("mode", word(mode)),
            ("value", Value::Float(9.0)),
        ];
        run(&Pad, &line, Kind::Grey, &given).0.as_bytes().to_vec()
    };
    assert_eq!(padded("constant", 2.0, 1.0), [9, 9, 1, 2, 3, 9]);
    assert_eq!(padded("nearest", 2.0, 1.0), [1, 1, 1, 2, 3, 3]);
    assert_eq!(padded("reflect", 2.0, 4.0), [3, 2, 1, 2, 3, 2, 1, 2, 3]);
    for shape in SHAPES {
        for mode in ["constant", "nearest", "reflect"] {
            let original = numbered(shape);
            let given = [
                ("before", numbers(&[3.0, 1.0, 2.0])),
                ("after", numbers(&[0.0, 4.0, 1.0])),
                ("mode", word(mode)),
            ];
            let (out, g) = run(&Pad, &original, Kind::Labels, &given);
            let back = out.crop(Region::new([3, 1, 2], shape));
            assert_eq!(back, original);
            assert!((g.world([3.0, 1.0, 2.0]) - geometry().world([0.0; 3])).length() < 1e-9);
        }
    }
    let mask = Volume::from(Array3::<u8>::zeros((1, 1, 1)));
    assert!(prepare(&Pad, grid(&mask, Kind::Mask), &[("value", Value::Float(3.0))]).is_err());
}

#[test]
fn bins_are_what_their_voxels_say() {
    let a = Array3::from_shape_vec((1, 2, 5), vec![1u8, 2, 7, 7, 9, 2, 2, 0, 7, 9]).unwrap();
    let check = |kind: Kind, method: &str, expected: &[u8]| {
        let (out, _) = run(&Bin, &a.clone().into(), kind, &[("method", word(method))]);
        assert_eq!((out.shape(), out.as_bytes()), ([1, 1, 2], expected), "{method}");
    };
    // (1 + 2 + 2 + 2) / 4 = 1.75; (7 + 7 + 0 + 7) / 4 = 5.25.
    check(Kind::Grey, "auto", &[2, 5]);
    check(Kind::Grey, "min", &[1, 0]);
    check(Kind::Grey, "max", &[2, 7]);
    check(Kind::Labels, "auto", &[2, 7]);
    let nan = Volume::from(Array3::from_shape_vec((1, 1, 4), vec![1.0f32, f32::NAN, 3.0, 5.0]).unwrap());
    for method in ["mean", "min", "max"] {
        let (out, _) = run(&Bin, &nan, Kind::Grey, &[("method", word(method))]);
        assert!(out.get([0, 0, 0]).unwrap().is_nan() && !out.get([0, 0, 1]).unwrap().is_nan(), "{method}");
    }
    for voxel in VoxelType::ALL {
        for shape in [[7, 5, 6], [1, 1, 1], [1, 8, 3]] {
            let v = numbered(shape).cast(voxel);
            for method in ["mean", "min", "max", "mode"] {
                let given = [("factor", numbers(&[2.0, 3.0, 2.0])), ("method", word(method))];
                let (out, g) = run(&Bin, &v, Kind::Grey, &given);
                // The outer corner stays.
                assert!((g.world([-0.5; 3]) - geometry().world([-0.5; 3])).length() < 1e-9);
                assert!(!out.is_empty());
            }
        }
    }
}

#[test]
fn resampling_follows_scipy_and_keeps_the_box() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/golden/grid.json")).unwrap();
    let ramp = Array3::from_shape_fn((4, 5, 6), |(z, y, x)| ((z * 5 + y * 3 + x * 7) % 31) as f64);
    let given = [("shape", numbers(&[7.0, 3.0, 10.0]))];
    let (out, g) = run(&Resample, &ramp.clone().into(), Kind::Grey, &given);
    let Volume::F64(out) = out else { panic!("the type stays") };
    for (ours, theirs) in out.iter().zip(golden["linear"].as_array().unwrap()) {
        assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-9);
    }
    for (end, was) in [([-0.5; 3], [-0.5; 3]), ([6.5, 2.5, 9.5], [3.5, 4.5, 5.5])] {
        assert!((g.world(end) - geometry().world(was)).length() < 1e-9);
    }
    // A cubic through a parabola is the parabola, away from the ends.
    let parabola = Array3::from_shape_fn((1, 1, 12), |(_, _, x)| (x * x) as f64);
    let given = [("shape", numbers(&[1.0, 1.0, 30.0])), ("interpolation", word("cubic"))];
    let (out, _) = run(&Resample, &parabola.into(), Kind::Grey, &given);
    for i in 5..25 {
        let x = (i as f64 + 0.5) * 0.4 - 0.5;
        assert!((out.get([0, 0, i]).unwrap() - x * x).abs() < 1e-9, "{i}");
    }
}

#[test]
fn resampling_to_a_spacing_gives_that_spacing_in_any_type() {
    let um = |v: f64| Value::Length(crate::program::Length { value: [v; 3], unit: Unit::Micrometre });
    for voxel in VoxelType::ALL {
        for method in ["nearest", "linear", "cubic"] {
            for shape in SHAPES {
                let v = numbered(shape).cast(voxel);
                for spacing in [0.31, 1.0, 3.3] {
                    let given = [("spacing", um(spacing)), ("interpolation", word(method))];
                    let (_, g) = run(&Resample, &v, Kind::Grey, &given);
                    assert!(g.spacing().iter().all(|s| (s - spacing).abs() < 1e-9));
                    assert!((g.world([-0.5; 3]) - geometry().world([-0.5; 3])).length() < 1e-9);
                }
            }
        }
    }
    // Labels are never mixed.
    let labels = Volume::from(Array3::from_shape_fn((3, 3, 3), |(_, _, x)| x as u32 * 100));
    let given = [("shape", numbers(&[5.0]))];
    let Volume::U32(out) = run(&Resample, &labels, Kind::Labels, &given).0 else { panic!("the type stays") };
    assert!(out.iter().all(|v| v % 100 == 0));
}

/// The grids of tests/golden/onto.py.
fn golden_grids() -> [(&'static str, Grid); 3] {
    let place = |matrix: DMat3, origin: [f64; 3], shape| Grid {
        shape,
        voxel: VoxelType::U8,
        kind: Kind::Grey,
        geometry: Geometry {
            world_from_index: DAffine3::from_mat3_translation(matrix, origin.into()),
            unit: Unit::Micrometre,
            oriented: true,
        },
    };
    let turn = DMat3::from_rotation_x(0.3) * DMat3::from_rotation_z(-0.7);
    let diagonal = |x, y, z| DMat3::from_diagonal(DVec3::new(x, y, z));
    let sheared = DMat3::from_cols_array_2d(&[[0.7, 0.0, 0.3], [0.2, 0.6, 0.0], [0.0, 0.5, 1.2]]);
    [
        ("straight", place(diagonal(0.8, 0.6, 1.4), [9.0, -9.0, 2.0], [9, 12, 10])),
        ("mirrored", place(turn * diagonal(-0.4, 0.9, 1.1), [13.0, -6.0, 4.0], [8, 9, 10])),
        ("sheared", place(sheared, [9.0, -7.0, 1.0], [7, 9, 11])),
    ]
}

#[test]
fn resampling_onto_another_grid_follows_scipy() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/golden/onto.json")).unwrap();
    let ramp = Array3::from_shape_fn((9, 10, 11), |(z, y, x)| ((z * 5 + y * 3 + x * 7) % 31) as f64);
    for (name, like) in golden_grids() {
        for method in ["nearest", "linear"] {
            let given = [("interpolation", word(method)), ("fill", Value::Float(-1.0))];
            let (out, g) = run_like(&Resample, &ramp.clone().into(), Kind::Grey, Some(like), &given);
            assert_eq!(g, like.geometry);
            let Volume::F64(out) = out else { panic!("the type stays") };
            let theirs = golden[format!("{name} {method}")].as_array().unwrap();
            assert_eq!(out.len(), theirs.len());
            for ((at, ours), theirs) in out.indexed_iter().zip(theirs) {
                let theirs = theirs.as_f64().unwrap();
                assert!((ours - theirs).abs() < 1e-6, "{name} {method} {at:?}: {ours}, not {theirs}");
            }
        }
        // A cubic through a parabola along each axis of the image is the parabola, away from the faces.
        let parabola = |p: DVec3| p.x * p.x - 0.5 * p.y * p.y + p.z * p.x;
        let image = Array3::from_shape_fn((9, 10, 11), |(z, y, x)| {
            parabola(DVec3::new(x as f64, y as f64, z as f64))
        });
        let given = [("interpolation", word("cubic")), ("fill", Value::Float(f64::NAN))];
        let (out, _) = run_like(&Resample, &image.into(), Kind::Grey, Some(like), &given);
        let Volume::F64(out) = out else { panic!("the type stays") };
        let index = geometry().world_from_index.inverse();
        let mut compared = 0;
        for ((z, y, x), v) in out.indexed_iter() {
            let at = index.transform_point3(like.geometry.world([z, y, x].map(|i| i as f64)));
            if at.cmpge(DVec3::ONE).all() && at.cmple(DVec3::new(9.0, 8.0, 7.0)).all() {
                assert!((v - parabola(at)).abs() < 1e-4, "{name} {at}: {v}, not {}", parabola(at));
                compared += 1;
            }
        }
        assert!(compared > 20, "{name}: {compared}");
    }
}

#[test]
fn a_turned_grid_is_taken_voxel_by_voxel_in_any_type() {
    let shape = [4, 5, 6];
    for voxel in VoxelType::ALL {
        for turn in crate::volume::Turn::all().into_iter().step_by(5) {
            let v = numbered(shape).cast(voxel);
            let mut like = grid(&v, Kind::Grey);
            (like.shape, like.geometry) = (turn.shape(shape), turn.geometry(&geometry(), shape));
            // Rounded as a header of 32 bits rounds it, and in another unit.
            let rounded = like.geometry.world_from_index.to_cols_array().map(|v| f64::from(v as f32));
            like.geometry.world_from_index = DAffine3::from_cols_array(&rounded);
            like.geometry = like.geometry.in_unit(Unit::Millimetre);
            for method in ["nearest", "linear", "cubic"] {
                let given = [("interpolation", word(method))];
                let (out, g) = run_like(&Resample, &v, Kind::Grey, Some(like), &given);
                assert_eq!(g, like.geometry);
                let exact = turn.apply(&v, &Job::silent()).unwrap();
                if method == "nearest" || !voxel.is_float() {
                    assert_eq!(out, exact, "{voxel} {turn} {method}");
                }
            }
        }
    }
    // Labels above 2⁵³ and one-voxel axes.
    let large = Volume::from(Array3::from_shape_vec((1, 1, 2), vec![u64::MAX, u64::MAX - 1]).unwrap());
    let mut like = grid(&large, Kind::Grey);
    like.geometry = like.geometry.cropped([0.0, 0.0, 1.0]);
    let given = [("interpolation", word("nearest"))];
    let (out, _) = run_like(&Resample, &large, Kind::Grey, Some(like), &given);
    assert_eq!(out, Array3::from_shape_vec((1, 1, 2), vec![u64::MAX - 1, 0]).unwrap().into());
}

#[test]
fn grids_without_a_common_world_are_refused() {
    let v = numbered([2, 3, 4]);
    let mut like = grid(&v, Kind::Grey);
    like.geometry = Geometry::default();
    assert!(prepare_like(&Resample, grid(&v, Kind::Labels), Some(like), &[]).is_err());
    let like = grid(&v, Kind::Grey);
    for given in [("shape", numbers(&[3.0])), ("fill", Value::Float(-1.0)), ("fill", Value::Float(0.5))] {
        assert!(prepare_like(&Resample, grid(&v, Kind::Labels), Some(like), &[given]).is_err());
    }
}

#[test]
fn a_straightened_image_shows_the_same_at_the_same_places() {
    let shear = DMat3::from_cols(DVec3::X, DVec3::new(0.3, -0.9, 0.0), DVec3::new(-0.25, 0.5, 1.1));
    let turn = DMat3::from_rotation_x(0.3) * DMat3::from_rotation_z(-0.7);
    let world_from_index = DAffine3::from_mat3_translation(turn * shear, DVec3::new(10.0, -4.0, 3.0));
    let sheared = Geometry { world_from_index, unit: Unit::Micrometre, oriented: true };
    let shape = [9, 11, 13];
    // Linear in the world, so that interpolation is exact.
    let value = |p: DVec3| 3.0 * p.x - 2.0 * p.y + 0.5 * p.z + 100.0;
    let image: Volume =
        Array3::from_shape_fn(shape, |(z, y, x)| value(sheared.world([z, y, x].map(|v| v as f64)))).into();
    let grid = Grid { geometry: sheared, ..grid(&image, Kind::Grey) };
    let length = |v: f64, unit: Unit| Value::Length(crate::program::Length { value: [v; 3], unit });
    for given in [
        vec![],
        vec![("interpolation", word("cubic"))],
        vec![("spacing", length(0.7, Unit::Micrometre))],
        vec![("spacing", length(2.0, Unit::Voxel))],
    ] {
        let given = [given, vec![("straighten", Value::Bool(true))]].concat();
        let prepared = prepare(&Resample, grid, &given).unwrap();
        let out = prepared.output;
        assert_eq!(out.geometry.shear(out.shape), None);
        let input = Arc::new(image.clone());
        let made = prepared.kernel.whole(vec![Some(input.clone())], &Job::silent()).unwrap().into_volume();
        for block in [[2, 3, 4], [1, 50, 50], [3, 1, 1]] {
            let again = prepare(&Resample, grid, &given).unwrap();
            let field = [Some((input.clone(), grid))];
            let blocked = crate::blocks::run_prepared(again, &field, block, &Job::silent()).unwrap();
            assert_eq!(blocked.into_volume().as_bytes(), made.as_bytes(), "{given:?} {block:?}");
        }
        let (mut inside, mut filled) = (0, 0);
        for (index, _) in ndarray::Array3::<u8>::zeros(out.shape).indexed_iter() {
            let index = [index.0, index.1, index.2];
            let world = out.geometry.world(index.map(|v| v as f64));
            let at = sheared.world_from_index.inverse().transform_point3(world);
            let last = DVec3::new(12.0, 10.0, 8.0);
            let found = made.get(index).unwrap();
            // Next to the faces the last voxel is repeated, which is not linear.
            if at.cmpge(DVec3::splat(1.001)).all() && at.cmple(last - 1.001).all() {
                inside += 1;
                assert!((found - value(world)).abs() < 1e-9, "{given:?} {index:?}: {found} {}", value(world));
            } else if at.cmplt(DVec3::splat(-0.501)).any() || at.cmpgt(last + 0.501).any() {
                filled += 1;
                assert_eq!(found, 0.0);
            }
        }
        assert!(inside > 20 && filled > 20, "{inside} {filled}");
    }
    assert!(
        prepare(&Resample, grid, &[("straighten", Value::Bool(true)), ("shape", numbers(&[5.0]))]).is_err()
    );
    // What is straight stays as it is.
    let straight = numbered([4, 5, 6]);
    let (out, g) = run(&Resample, &straight, Kind::Labels, &[("straighten", Value::Bool(true))]);
    assert_eq!(out, straight);
    assert!((g.world([1.0, 2.0, 3.0]) - geometry().world([1.0, 2.0, 3.0])).length() < 1e-9);
}

#[test]
fn nan_spreads_only_where_it_counts() {
    let line = Volume::from(Array3::from_shape_vec((1, 1, 4), vec![1.0f32, f32::NAN, 3.0, 4.0]).unwrap());
    let given = [("shape", numbers(&[1.0, 1.0, 8.0]))];
    let (out, _) = run(&Resample, &line, Kind::Grey, &given);
    let nan: Vec<bool> = (0..8).map(|x| out.get([0, 0, x]).unwrap().is_nan()).collect();
    assert_eq!(nan, [false, true, true, true, true, false, false, false]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let v = numbered([2, 3, 4]);
    let refused = |op: &dyn Operator, given: &Given| {
        assert!(prepare(op, grid(&v, Kind::Labels), given).is_err(), "{} {given:?}", op.spec().id);
    };
    refused(&Crop, &[("start", numbers(&[2.0, 0.0, 0.0]))]);
    refused(&Crop, &[("size", numbers(&[1.0, 4.0, 1.0]))]);
    refused(&Crop, &[("margin", numbers(&[1.0]))]);
    refused(&Crop, &[("start", numbers(&[0.5]))]);
    refused(&Crop, &[("start", numbers(&[0.0, 1.0]))]);
    refused(&Pad, &[("before", numbers(&[-1.0]))]);
    refused(&Flip, &[("axes", words(&["w"]))]);
    refused(&Bin, &[("factor", numbers(&[0.0]))]);
    refused(&Bin, &[("method", word("mean"))]);
    refused(&Resample, &[]);
    refused(&Resample, &[("shape", numbers(&[0.0]))]);
    refused(
        &Resample,
        &[
            ("shape", numbers(&[2.0])),
            ("spacing", Value::Length(crate::program::Length { value: [1.0; 3], unit: Unit::Voxel })),
        ],
    );
}
