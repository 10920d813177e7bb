//! Images whose axes are not at right angles: lengths are those of the affine, or the operator refuses.

use super::*;
use glam::{DAffine3, DMat3, DVec3};

/// A tilted gantry with slices farther apart than pixels, turned in the world; voxels of 1.2 µm³.
fn tilted() -> Geometry {
    let shear = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, 0.5, 1.2));
    oblique(shear)
}

/// All three axes sheared, and mirrored.
fn skewed() -> Geometry {
    oblique(DMat3::from_cols(DVec3::X, DVec3::new(0.3, -0.9, 0.0), DVec3::new(-0.25, 0.35, 1.1)))
}

fn oblique(matrix: DMat3) -> Geometry {
    let turn = DMat3::from_quat(glam::DQuat::from_euler(glam::EulerRot::XYZ, 0.4, -0.3, 0.8));
    let world_from_index = DAffine3::from_mat3_translation(turn * matrix, DVec3::new(30.0, -7.0, 4.0));
    Geometry { world_from_index, unit: Unit::Micrometre, oriented: true }
}

/// Voxels of a grid that reaches `reach` around a centre, whose place in the world, seen from there, satisfies `inside`.
fn drawn(geometry: Geometry, reach: f64, inside: impl Fn(DVec3) -> bool) -> (Image, DVec3) {
    let rows = geometry.world_from_index.matrix3.inverse();
    let shape: [usize; 3] = [2, 1, 0].map(|a| 2 * (reach * rows.row(a).length()).ceil() as usize + 9);
    let centre = geometry.world(shape.map(|n| n as f64 / 2.0 - 0.27));
    let a = Array3::from_shape_fn(shape, |(z, y, x)| {
        u8::from(inside(geometry.world([z, y, x].map(|v| v as f64)) - centre))
    });
    let (volume, grid) = image(a, Kind::Mask, [1.0; 3]);
    ((volume, Grid { geometry, ..grid }), centre)
}

/// Every column that doesn't follow from distances between voxels.
fn allowed() -> Vec<(&'static str, Value)> {
    let columns = voxelry_core::measure::columns::COLUMNS.iter();
    let names =
        columns.filter(|c| !c.is_by_distance() && !c.per_channel()).map(|c| c.name.to_owned()).collect();
    vec![("columns", Value::Words(names))]
}

fn table_of(mask: Image, intensity: Option<Image>, given: &[(&'static str, Value)]) -> Vec<Table> {
    let mut inputs = vec![Some(mask), intensity];
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    whole("measure", &inputs, given)
}

fn refusal(op: &str, inputs: &[Option<Image>], given: &[(&'static str, Value)]) -> Option<String> {
    let op = ops::find(op).unwrap();
    let given: BTreeMap<&'static str, Value> = given.iter().cloned().collect();
    let args = Args::complete(op.spec(), given).unwrap();
    let mut grids: Vec<Option<Grid>> = inputs.iter().map(|i| i.as_ref().map(|(_, g)| *g)).collect();
    grids.resize(op.spec().inputs.len(), None);
    let said = op.prepare(&Call { op: op.spec().id, args: &args, inputs: &grids }).err()?.to_string();
    Some(said)
}

#[test]
fn a_ball_on_a_sheared_grid_is_a_ball() {
    for geometry in [tilted(), skewed()] {
        let r = 20.0;
        let (ball, centre) = drawn(geometry, r, |p| p.length() <= r);
        // Intensities that rise by 3 a micrometre along (2, −1, 2)/3.
        let way = DVec3::new(2.0, -1.0, 2.0);
        let ramp = Array3::from_shape_fn(ball.1.shape, |(z, y, x)| {
            way.dot(geometry.world([z, y, x].map(|v| v as f64))) as f32
        });
        let (volume, grid) = image(ramp, Kind::Grey, [1.0; 3]);
        let mut names = allowed();
        let channel = ["boundary_gradient_mean"].map(str::to_owned);
        if let Value::Words(names) = &mut names[0].1 {
            names.extend(channel);
        }
        let tables = table_of(ball, Some((volume, Grid { geometry, ..grid })), &names);
        let t = named(&tables, "objects");
        let sphere = 4.0 * PI * r * r;
        for (name, truth, error) in [
            ("volume", sphere * r / 3.0, 0.005),
            ("equivalent_diameter", 2.0 * r, 0.005),
            ("ellipsoid_semi_axis_1", r, 0.01),
            ("ellipsoid_semi_axis_3", r, 0.01),
            ("surface_area", sphere, 0.01),
            ("surface_area_mesh", sphere, 0.02),
            ("mean_breadth", 2.0 * r, 0.02),
            ("sphericity", 1.0, 0.01),
            ("radius_mean", 0.75 * r, 0.01),
            ("feret_max", 2.0 * r + 1.0, 0.04),
            ("feret_min", 2.0 * r, 0.04),
            ("bounding_sphere_radius", r + 0.5, 0.04),
            ("oriented_extent_1", 2.0 * r, 0.08),
            ("geodesic_diameter", 2.0 * r, 0.03),
            ("tortuosity", 1.0, 0.01),
            ("boundary_gradient_mean", 3.0, 1e-4),
        ] {
            let found = one(t, name);
            println!("{name}: {found} for {truth}");
            assert!((found / truth - 1.0).abs() < error, "{name}: {found} for {truth}");
        }
        for (name, truth) in ["x", "y", "z"].iter().zip(centre.to_array()) {
            let found = one(t, &format!("centroid_world_{name}"));
            assert!((found - truth).abs() < 0.05, "{name}: {found} for {truth}");
        }
        let t = named(&tables, "image");
        assert!((one(t, "degree_of_anisotropy") - 1.0).abs() < 0.02, "{}", one(t, "degree_of_anisotropy"));
        // The mean chord of a ball is 4r/3.
        let found = one(t, "mean_intercept_length_2");
        assert!((found / (4.0 / 3.0 * r) - 1.0).abs() < 0.02, "{found}");
    }
}

#[test]
fn areas_are_those_of_cuboids_in_any_direction() {
    let mut random = Random(61);
    let sides = DVec3::new(34.0, 26.0, 20.0);
    let truth = 2.0 * (sides.x * sides.y + sides.y * sides.z + sides.z * sides.x);
    let mut errors = [0.0; 2];
    for k in 0..8 {
        let m = random.rotation().transpose();
        let geometry = if k % 2 == 0 { tilted() } else { skewed() };
        let (a, _) = drawn(geometry, 24.0, |p| {
            let q = (m * p).abs();
            q.cmple(sides / 2.0).all()
        });
        let tables = table_of(a, None, &allowed());
        let t = named(&tables, "objects");
        for (error, name) in errors.iter_mut().zip(["surface_area", "surface_area_mesh"]) {
            *error += (one(t, name) / truth - 1.0) / 8.0;
        }
    }
    println!("{errors:?}");
    assert!(errors[0].abs() < 0.03 && errors[1].abs() < 0.03, "{errors:?}");
}

#[test]
fn rods_are_as_long_as_they_are_in_the_world() {
    let way = DVec3::new(0.6, -0.48, 0.64);
    for geometry in [tilted(), skewed()] {
        let (rod, _) = drawn(geometry, 30.0, |p| {
            p.dot(way).abs() <= 25.0 && p.reject_from_normalized(way).length() <= 3.5
        });
        let tables = table_of(rod, None, &allowed());
        let t = named(&tables, "objects");
        let found = one(t, "geodesic_diameter");
        assert!((found - 50.0).abs() < 2.0, "{found}");
        // Thinning takes about a radius off both ends, and lines off the lattice's directions are too long.
        let found = one(t, "skeleton_length");
        assert!((40.0..60.0).contains(&found), "{found}");
    }
}

#[test]
fn what_is_found_axis_by_axis_refuses_a_sheared_grid() {
    let geometry = tilted();
    let (mask, _) = drawn(geometry, 4.0, |p| p.length() <= 4.0);
    let said = |op: &str, given: &[(&'static str, Value)]| {
        let (volume, mut grid) = mask.clone();
        grid.kind = ops::find(op).unwrap().spec().inputs[0].kinds[0];
        grid.voxel = if grid.kind == Kind::Labels { voxelry_core::VoxelType::U32 } else { grid.voxel };
        refusal(op, &[Some((volume, grid))], given)
    };
    let length = |text: &str| Value::parse(&ops::ParamType::Length { min: 0.0 }, text).expect("a length");
    for op in ["distance", "thickness", "split", "gradient-magnitude", "laplacian-of-gaussian"] {
        let said = said(op, &[]).unwrap_or_else(|| panic!("{op} takes a sheared grid"));
        assert!(said.contains("67.38°") && said.contains("resample IN OUT --straighten true"), "{said}");
    }
    assert!(said("anisotropic-diffusion", &[("edge", Value::Float(5.0))]).unwrap().contains("resample"));
    for (op, name) in [
        ("gaussian", "sigma"),
        ("unsharp", "sigma"),
        ("median", "radius"),
        ("mean", "radius"),
        ("dilate", "radius"),
        ("open", "radius"),
        ("expand", "distance"),
        ("local-maxima", "min_distance"),
    ] {
        // In voxels these are steps of the grid, which are the same on any.
        assert_eq!(said(op, &[(name, length("2"))]), None, "{op}");
        let said = said(op, &[(name, length("2 um"))]).unwrap_or_else(|| panic!("{op} takes 2 µm"));
        assert!(said.contains("2 um") && said.contains("resample"), "{said}");
    }
    assert_eq!(said("distance", &[("unit", Value::Text("voxel".into()))]), None);
    assert_eq!(said("measure", &allowed()), None);
    let word = |w: &str| vec![("columns", Value::Words(vec![w.to_owned()]))];
    for column in ["inscribed_radius", "thickness_mean", "voronoi_volume"] {
        assert!(said("measure", &word(column)).unwrap().contains(column));
    }
    let mut tables = word("volume");
    tables.push(("tables", Value::Words(vec!["thickness".into()])));
    assert!(said("measure", &tables).unwrap().contains("the table thickness"));
    let condition = |c: &str| [("condition", Value::Text(c.into()))];
    assert!(said("filter-objects", &condition("inscribed_radius > 2")).unwrap().contains("resample"));
    assert_eq!(said("filter-objects", &condition("volume > 2")), None);
}

#[test]
fn a_straightened_ball_has_its_inscribed_radius() {
    for geometry in [tilted(), skewed()] {
        let (ball, centre) = drawn(geometry, 20.0, |p| p.length() <= 20.0);
        let columns =
            ["inscribed_radius", "volume", "centroid_world_x", "centroid_world_y", "centroid_world_z"];
        let columns = [("columns", Value::Words(columns.map(str::to_owned).to_vec()))];
        let straighten = [("straighten", Value::Bool(true))];
        let prepared = prepare("resample", &[Some(ball.clone()), None], &straighten);
        let grid = prepared.output;
        assert_eq!(grid.geometry.shear(grid.shape), None);
        assert!((grid.geometry.voxel_volume() / geometry.voxel_volume() - 1.0).abs() < 1e-12);
        let made = prepared.kernel.whole(vec![Some(ball.0), None], &Job::silent()).unwrap().into_volume();
        let tables = table_of((Arc::new(made), grid), None, &columns);
        let t = named(&tables, "objects");
        // A sample takes its voxel from as far away as half the longest diagonal of a sheared voxel.
        let diagonals = [[1.0, 1.0, 1.0], [1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]];
        let matrix = geometry.world_from_index.matrix3;
        let half =
            diagonals.map(|d| (matrix * DVec3::from_array(d)).length() / 2.0).into_iter().fold(0.0, f64::max);
        let radius = one(t, "inscribed_radius");
        assert!((radius - 20.0).abs() < half, "{radius}, {half} around 20");
        assert!((one(t, "volume") / (4.0 / 3.0 * PI * 8000.0) - 1.0).abs() < 0.01, "{}", one(t, "volume"));
        for (name, truth) in ["x", "y", "z"].iter().zip(centre.to_array()) {
            let found = one(t, &format!("centroid_world_{name}"));
            // Where every other plane lies half a voxel aside, the upper of two voxels is taken: a quarter of a voxel.
            assert!((found - truth).abs() < 0.3, "{name}: {found} for {truth}");
        }
    }
}
