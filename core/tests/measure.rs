//! The object table against analytic truth, and its independence of blocks and threads.

use ndarray::Array3;
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::sync::Arc;
use voxelry_core::measure::Table;
use voxelry_core::ops::{self, Args, Call, Grid, Kind, Output, Value};
use voxelry_core::{Geometry, Job, Unit, Volume};

#[path = "measure/objects.rs"]
mod objects;
#[path = "measure/sheared.rs"]
mod sheared;
#[path = "measure/structure.rs"]
mod structure;
#[path = "measure/sums.rs"]
mod sums;

/// An image with its meaning.
type Image = (Arc<Volume>, Grid);

fn image(volume: impl Into<Volume>, kind: Kind, spacing: [f64; 3]) -> Image {
    let volume = volume.into();
    let geometry = Geometry::from_spacing(spacing, Unit::Micrometre);
    let grid = Grid { shape: volume.shape(), voxel: volume.voxel_type(), kind, geometry };
    (Arc::new(volume), grid)
}

fn prepare(op: &str, inputs: &[Option<Image>], given: &[(&'static str, Value)]) -> ops::Prepared {
    let op = ops::find(op).unwrap();
    let given: BTreeMap<&'static str, Value> = given.iter().cloned().collect();
    let args = Args::complete(op.spec(), given).unwrap();
    let grids: Vec<Option<Grid>> = inputs.iter().map(|i| i.as_ref().map(|(_, g)| *g)).collect();
    op.prepare(&Call { op: op.spec().id, args: &args, inputs: &grids }).unwrap()
}

fn whole(op: &str, inputs: &[Option<Image>], given: &[(&'static str, Value)]) -> Vec<Table> {
    let volumes = inputs.iter().map(|i| i.as_ref().map(|(v, _)| v.clone())).collect();
    match prepare(op, inputs, given).kernel.whole(volumes, &Job::silent()).unwrap() {
        Output::Tables(tables) => tables,
        other => panic!("{other:?}"),
    }
}

fn measure(inputs: &[Option<Image>]) -> Vec<Table> {
    let mut inputs = inputs.to_vec();
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    whole("measure", &inputs, &[("columns", Value::Words(vec!["all".into()]))])
}

/// The table of this name.
fn named<'a>(tables: &'a [Table], name: &str) -> &'a Table {
    tables.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// With further tables of the image.
fn measure_tables(inputs: &[Option<Image>], tables: &[&str]) -> Vec<Table> {
    let mut inputs = inputs.to_vec();
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    let words = tables.iter().map(|t| (*t).to_owned()).collect();
    whole("measure", &inputs, &[("tables", Value::Words(words))])
}

fn column(table: &Table, name: &str) -> Vec<f64> {
    table.numbers(name).unwrap_or_else(|| panic!("no column {name}"))
}

fn one(table: &Table, name: &str) -> f64 {
    let v = column(table, name);
    assert_eq!(v.len(), 1, "{name}");
    v[0]
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn rotation(&mut self) -> glam::DMat3 {
        let q: [f64; 4] = std::array::from_fn(|_| {
            // Sum of uniforms: near enough to a normal deviate for an even spread of directions.
            (0..12).map(|_| self.next()).sum::<f64>() - 6.0
        });
        glam::DMat3::from_quat(glam::DQuat::from_array(q).normalize())
    }
}

/// Voxels whose physical position about a random centre satisfies `inside`.
fn shape(
    random: &mut Random,
    reach: f64,
    spacing: [f64; 3],
    inside: impl Fn(glam::DVec3) -> bool,
) -> Array3<u8> {
    let n = spacing.map(|s| (2.0 * reach / s) as usize + 8);
    let c: [f64; 3] = std::array::from_fn(|a| n[a] as f64 / 2.0 - 0.5 + random.next() - 0.5);
    Array3::from_shape_fn(n, |(z, y, x)| {
        let p = glam::DVec3::new(
            (x as f64 - c[2]) * spacing[2],
            (y as f64 - c[1]) * spacing[1],
            (z as f64 - c[0]) * spacing[0],
        );
        u8::from(inside(p))
    })
}

#[test]
fn surface_breadth_and_euler_of_known_bodies() {
    let mut random = Random(7);
    println!("{:>24} {:>16} {:>16} {:>16}", "", "Crofton 13", "local weights", "mean breadth");
    // Mean deviation allowed for Crofton, from the comparison of published estimators.
    for (name, r, spacing, bar) in [
        ("ball r 3", 3.0, [1.0; 3], 0.026),
        ("ball r 5", 5.0, [1.0; 3], 0.012),
        ("ball r 10", 10.0, [1.0; 3], 0.006),
        ("ball r 20", 20.0, [1.0; 3], 0.003),
        ("ball r 40", 40.0, [1.0; 3], 0.003),
        ("ball r 20, spacing 2 1 1", 20.0, [2.0, 1.0, 1.0], 0.004),
        ("ball r 20, spacing 3 1 2", 20.0, [3.0, 1.0, 2.0], 0.01),
    ] {
        let mut errors = [(0.0, 0.0f64); 3];
        let repeats = if r > 30.0 {
            2
        } else if r > 6.0 {
            6
        } else {
            40
        };
        for _ in 0..repeats {
            let a = shape(&mut random, r, spacing, |p| p.length() <= r);
            let t = &measure(&[Some(image(a, Kind::Mask, spacing))])[0];
            let truth = [4.0 * PI * r * r, 4.0 * PI * r * r, 2.0 * r];
            for (k, name) in ["surface_area", "surface_area_mesh", "mean_breadth"].into_iter().enumerate() {
                let e = one(t, name) / truth[k] - 1.0;
                errors[k].0 += e / f64::from(repeats);
                errors[k].1 = errors[k].1.max(e.abs());
            }
            assert_eq!(one(t, "euler_number_26"), 1.0);
            assert_eq!(one(t, "euler_number_6"), 1.0);
        }
        println!(
            "{name:>24} {}",
            errors.map(|(m, w)| format!("{:+6.2} % ({:5.2} %)", 100.0 * m, 100.0 * w)).join(" ")
        );
        assert!(errors[0].0.abs() < bar, "{name}: {errors:?}");
    }
    // A cube along the axes: the known weakness of few directions.
    let mut cube = Array3::<u8>::zeros([30; 3]);
    cube.slice_mut(ndarray::s![5..25, 5..25, 5..25]).fill(1);
    let t = &measure(&[Some(image(cube, Kind::Mask, [1.0; 3]))])[0];
    println!(
        "aligned cube 20: Crofton {:+.1} %, local {:+.1} %, breadth {:+.1} %",
        100.0 * (one(t, "surface_area") / 2400.0 - 1.0),
        100.0 * (one(t, "surface_area_mesh") / 2400.0 - 1.0),
        100.0 * (one(t, "mean_breadth") / 30.0 - 1.0),
    );
    let mut errors = [0.0; 2];
    for _ in 0..6 {
        let m = random.rotation();
        let a = shape(&mut random, 18.0, [1.0; 3], |p| (m * p).abs().max_element() <= 10.0);
        let t = &measure(&[Some(image(a, Kind::Mask, [1.0; 3]))])[0];
        errors[0] += (one(t, "surface_area") / 2400.0 - 1.0) / 6.0;
        errors[1] += (one(t, "surface_area_mesh") / 2400.0 - 1.0) / 6.0;
    }
    println!("rotated cube 20: Crofton {:+.1} %, local {:+.1} %", 100.0 * errors[0], 100.0 * errors[1]);
    assert!(errors[0].abs() < 0.035);
}

#[test]
fn topology_of_tori_shells_and_touching_corners() {
    let mut random = Random(3);
    let torus = shape(&mut random, 14.0, [1.0; 3], |p| {
        let q = (p.x * p.x + p.y * p.y).sqrt() - 9.0;
        q * q + p.z * p.z <= 9.0
    });
    let shell = shape(&mut random, 10.0, [1.0; 3], |p| (6.0..=10.0).contains(&p.length()));
    let mut corners = Array3::<u8>::zeros([4; 3]);
    corners[[1, 1, 1]] = 1;
    corners[[2, 2, 2]] = 1;
    for (name, a, six, twenty_six) in
        [("torus", torus, 0.0, 0.0), ("shell", shell, 2.0, 2.0), ("corners", corners, 2.0, 1.0)]
    {
        let t = &measure(&[Some(image(a, Kind::Mask, [1.0; 3]))])[0];
        assert_eq!(one(t, "euler_number_6"), six, "{name}");
        assert_eq!(one(t, "euler_number_26"), twenty_six, "{name}");
    }
}

#[test]
fn ellipsoids_keep_their_axes_at_any_spacing() {
    let mut random = Random(11);
    for (axes, spacing) in [
        ([20.0, 10.0, 5.0], [1.0; 3]),
        ([12.0, 9.0, 6.0], [1.0; 3]),
        ([20.0, 12.0, 8.0], [2.0, 1.0, 0.5]),
        ([6.0, 4.0, 3.0], [0.5, 0.25, 0.5]),
    ] {
        let m = random.rotation();
        let inverse = glam::DVec3::new(1.0 / axes[0], 1.0 / axes[1], 1.0 / axes[2]);
        let a = shape(&mut random, axes[0], spacing, |p| ((m.transpose() * p) * inverse).length() <= 1.0);
        let count = a.iter().filter(|v| **v != 0).count();
        let t = &measure(&[Some(image(a, Kind::Mask, spacing))])[0];
        assert_eq!(one(t, "volume"), count as f64 * spacing.iter().product::<f64>());
        for k in 0..3 {
            let found = one(t, &format!("ellipsoid_semi_axis_{}", k + 1));
            assert!((found / axes[k] - 1.0).abs() < 0.02, "{axes:?}: {found}");
            let axis = glam::DVec3::new(
                one(t, &format!("axis_{}_x", k + 1)),
                one(t, &format!("axis_{}_y", k + 1)),
                one(t, &format!("axis_{}_z", k + 1)),
            );
            assert!(axis.dot(m.col(k)).abs() > 0.999, "{axes:?} axis {k}");
        }
    }
}

/// Labels of random boxes and a noisy intensity.
fn scene(random: &mut Random, n: [usize; 3], labels: u32) -> (Array3<u32>, Array3<f32>) {
    let mut a = Array3::<u32>::zeros(n);
    for _ in 0..labels {
        let lo = n.map(|n| (random.next() * n as f64) as usize);
        let hi: [usize; 3] = std::array::from_fn(|k| (lo[k] + 1 + (random.next() * 6.0) as usize).min(n[k]));
        let label = (random.next() * f64::from(labels)) as u32 * 7919 + 1;
        a.slice_mut(ndarray::s![lo[0]..hi[0], lo[1]..hi[1], lo[2]..hi[2]]).fill(label);
    }
    let v = Array3::from_shape_fn(n, |_| (random.next() * 10.0 - 3.0) as f32);
    (a, v)
}

/// A column written out, every row of it, so that NaN equals NaN.
fn text(table: &Table, column: &str) -> String {
    match table.numbers(column) {
        Some(numbers) => format!("{numbers:?}"),
        None => format!("{:?}", table.batch.column_by_name(column).unwrap()),
    }
}

fn same(a: &[Table], b: &[Table], what: &str) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.batch.schema(), b.batch.schema(), "{what}");
        for field in a.batch.schema().fields() {
            let name = field.name();
            assert_eq!(text(a, name), text(b, name), "{what}: {name} of {}", a.name);
        }
    }
}

#[test]
fn blocks_and_threads_change_nothing() {
    let mut random = Random(5);
    for (n, labels) in
        [([1, 1, 1], 1), ([1, 9, 40], 9), ([23, 1, 17], 12), ([19, 22, 31], 60), ([70, 12, 9], 40)]
    {
        let (a, mut v) = scene(&mut random, n, labels);
        v[[0, 0, 0]] = f32::NAN;
        let u = v.mapv(|x| if x.is_nan() { 0u16 } else { ((x + 3.0) * 6000.0) as u16 });
        let spacing = [1.5, 1.0, 0.7];
        let mut inputs = vec![
            Some(image(a, Kind::Labels, spacing)),
            Some(image(v, Kind::Grey, spacing)),
            Some(image(u, Kind::Grey, spacing)),
        ];
        inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
        let words = |w: &[&str]| Value::Words(w.iter().map(|t| (*t).to_owned()).collect());
        let given = [
            ("columns", words(&["all"])),
            ("tables", words(&["thickness", "chords", "correlation", "foam"])),
        ];
        let expected = whole("measure", &inputs, &given);
        // As many slabs as there are, cut at other places, and a thread's memory used for several.
        for threads in [1, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| whole("measure", &inputs, &given));
            same(&expected, &found, &format!("{n:?} with {threads} threads"));
        }
        for _ in 0..4 {
            let block = n.map(|n| 1 + (random.next() * n as f64) as usize);
            let prepared = prepare("measure", &inputs, &given);
            let Output::Tables(blocked) =
                voxelry_core::blocks::run_prepared(prepared, &inputs, block, &Job::silent()).unwrap()
            else {
                panic!()
            };
            same(&expected, &blocked, &format!("{n:?} in {block:?}"));
        }
    }
}

#[test]
fn a_column_is_the_same_alone_as_with_all() {
    let n = [21, 14, 19];
    let (a, mut v) = scene(&mut Random(31), n, 40);
    v[[3, 2, 1]] = f32::NAN;
    let mut inputs =
        vec![Some(image(a, Kind::Labels, [1.5, 1.0, 0.7])), Some(image(v, Kind::Grey, [1.0; 3]))];
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    let objects = |names: &[&str], contacts: bool| {
        let words = names.iter().map(|t| (*t).to_owned()).collect();
        let given = [
            ("columns", Value::Words(words)),
            ("contacts", Value::Bool(contacts)),
            ("image", Value::Bool(contacts)),
        ];
        whole("measure", &inputs, &given).swap_remove(0)
    };
    let all = objects(&["all"], true);
    for name in all.columns() {
        let alone = objects(&[&name], false);
        assert_eq!(text(&alone, &name), text(&all, &name), "{name}");
    }
}

#[test]
fn figures_follow_from_the_voxels_one_by_one() {
    let mut random = Random(23);
    let (a, mut v) = scene(&mut random, [14, 11, 17], 25);
    v[[3, 4, 5]] = f32::NAN;
    v[[7, 7, 7]] = f32::INFINITY;
    let t = &measure(&[
        Some(image(a.clone(), Kind::Labels, [1.0; 3])),
        Some(image(v.clone(), Kind::Grey, [1.0; 3])),
    ])[0];
    let labels = column(t, "label");
    let all: std::collections::BTreeSet<u32> = a.iter().copied().filter(|v| *v != 0).collect();
    assert_eq!(labels, all.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    for (row, label) in all.into_iter().enumerate() {
        let voxels: Vec<_> = a.indexed_iter().filter(|(_, l)| **l == label).map(|(i, _)| i).collect();
        let values: Vec<f64> = voxels.iter().map(|&i| f64::from(v[i])).filter(|v| v.is_finite()).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let moment = |k: i32| values.iter().map(|v| (v - mean).powi(k)).sum::<f64>() / n;
        let check = |name: &str, expected: f64| {
            let found = column(t, name)[row];
            let near = (found - expected).abs() <= 2e-6 * expected.abs().max(1.0);
            assert!(near || found.is_nan() && expected.is_nan(), "{name} of {label}: {found} for {expected}");
        };
        check("voxel_count", voxels.len() as f64);
        check("centroid_y", voxels.iter().map(|i| i.1 as f64).sum::<f64>() / voxels.len() as f64);
        check("bbox_x_max", voxels.iter().map(|i| i.2 + 1).max().unwrap() as f64);
        check("intensity_missing", voxels.len() as f64 - n);
        check("intensity_mean", mean);
        check("intensity_sum", mean * n);
        check("intensity_sd", moment(2).sqrt());
        if n > 3.0 {
            check("intensity_skewness", moment(3) / moment(2).powf(1.5));
            check("intensity_kurtosis", moment(4) / moment(2).powi(2) - 3.0);
        }
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        for (name, f) in [("p05", 0.05), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p95", 0.95)] {
            let at = f * (n - 1.0);
            let (low, t) = (at.floor(), at - at.floor());
            let b = sorted[(low as usize + 1).min(sorted.len() - 1)];
            check(&format!("intensity_{name}"), sorted[low as usize] * (1.0 - t) + b * t);
        }
        let c: [f64; 3] = ["z", "y", "x"].map(|a| column(t, &format!("centroid_{a}"))[row]);
        let radii: Vec<f64> = voxels
            .iter()
            .map(|i| {
                ((i.0 as f64 - c[0]).powi(2) + (i.1 as f64 - c[1]).powi(2) + (i.2 as f64 - c[2]).powi(2))
                    .sqrt()
            })
            .collect();
        let radius = radii.iter().sum::<f64>() / radii.len() as f64;
        check("radius_mean", radius);
        check(
            "radius_sd",
            (radii.iter().map(|r| (r - radius).powi(2)).sum::<f64>() / radii.len() as f64).sqrt(),
        );
        let corners: Vec<[f64; 3]> = voxels
            .iter()
            .flat_map(|i| {
                (0..8).map(move |k| {
                    [(i.0 + (k & 1)) as f64, (i.1 + (k >> 1 & 1)) as f64, (i.2 + (k >> 2)) as f64]
                })
            })
            .collect();
        let mut feret = 0.0f64;
        for p in &corners {
            for q in &corners {
                feret = feret.max((0..3).map(|a| (p[a] - q[a]).powi(2)).sum::<f64>());
            }
        }
        check("feret_max", feret.sqrt());
        assert!(column(t, "feret_min")[row] >= 1.0 && column(t, "feret_min")[row] <= feret.sqrt());
        let fill = column(t, "bbox_fill")[row];
        let solidity = column(t, "solidity")[row];
        assert!(solidity <= 1.0 + 1e-12 && solidity >= fill - 1e-12, "{solidity} {fill}");
        if mean > 0.1 {
            let x: f64 =
                voxels.iter().filter(|&&i| v[i].is_finite()).map(|&i| f64::from(v[i]) * i.2 as f64).sum();
            check("weighted_centroid_x", x / (mean * n));
        }
    }
}

#[test]
fn contacts_count_faces_and_areas() {
    let mut a = Array3::<u32>::zeros([20, 20, 20]);
    a.slice_mut(ndarray::s![2..18, 2..18, 2..10]).fill(5);
    a.slice_mut(ndarray::s![2..18, 2..18, 10..18]).fill(9);
    a[[18, 18, 18]] = 4_000_000_000;
    let tables = measure(&[Some(image(a, Kind::Labels, [1.0; 3]))]);
    let contacts = &tables[1];
    assert_eq!(column(contacts, "label_a"), [5.0, 9.0]);
    assert_eq!(column(contacts, "label_b"), [9.0, 4e9]);
    assert_eq!(column(contacts, "face_count"), [256.0, 0.0]);
    let area = column(contacts, "contact_area")[0];
    assert!((area / 256.0 - 1.0).abs() < 0.15, "{area}");
    assert_eq!(column(&tables[0], "neighbours"), [1.0, 1.0, 0.0]);
}

#[test]
fn objects_are_filtered_by_what_they_measure() {
    let mut random = Random(31);
    let n = [17, 20, 23];
    let (a, v) = scene(&mut random, n, 40);
    let inputs = [Some(image(a.clone(), Kind::Labels, [1.0; 3])), Some(image(v, Kind::Grey, [1.0; 3]))];
    let t = &measure(&inputs)[0];
    for (condition, remove) in
        [("voxel_count > 20 and sphericity < 0.8", false), ("touches_border or intensity_median > 2", true)]
    {
        let given = [("condition", Value::Text(condition.into())), ("remove", Value::Bool(remove))];
        let prepared = || prepare("filter-objects", &inputs, &given);
        let volumes = inputs.iter().map(|i| i.as_ref().map(|(v, _)| v.clone())).collect();
        let found = prepared().kernel.whole(volumes, &Job::silent()).unwrap().into_volume();
        let labels = column(t, "label");
        let holds: Vec<bool> = (0..labels.len())
            .map(|r| {
                let c = |name: &str| column(t, name)[r];
                if remove {
                    !(c("touches_border") != 0.0 || c("intensity_median") > 2.0)
                } else {
                    c("voxel_count") > 20.0 && c("sphericity") < 0.8
                }
            })
            .collect();
        let kept = |l: u32| labels.iter().position(|m| *m == f64::from(l)).is_some_and(|r| holds[r]);
        assert!(holds.contains(&true) && holds.contains(&false));
        assert_eq!(found, Volume::from(a.mapv(|l| if kept(l) { l } else { 0 })));
        let owned: Vec<Option<Image>> = inputs.to_vec();
        let blocked =
            voxelry_core::blocks::run_prepared(prepared(), &owned, [5, 9, 11], &Job::silent()).unwrap();
        assert_eq!(blocked.into_volume(), found);
    }
}

#[test]
fn slices_and_histograms_do_not_depend_on_blocks() {
    let mut random = Random(41);
    let (_, mut v) = scene(&mut random, [9, 12, 15], 3);
    v[[4, 4, 4]] = f32::NAN;
    for kind in [
        Volume::from(v.clone()),
        Volume::from(v.mapv(|x| if x.is_nan() { 0i16 } else { (x * 100.0) as i16 })),
    ] {
        let input = [Some(image(kind, Kind::Grey, [1.0; 3]))];
        for axis in ["z", "y", "x"] {
            let given = [("axis", Value::Text(axis.into())), ("threshold", Value::Float(1.0))];
            let expected = whole("slice-stats", &input, &given);
            let run = prepare("slice-stats", &input, &given);
            let Output::Tables(found) =
                voxelry_core::blocks::run_prepared(run, &input, [2, 5, 4], &Job::silent()).unwrap()
            else {
                panic!()
            };
            same(&expected, &found, axis);
        }
        let expected = whole("histogram", &input, &[("bins", Value::Int(10))]);
        let run = prepare("histogram", &input, &[("bins", Value::Int(10))]);
        let Output::Tables(found) =
            voxelry_core::blocks::run_prepared(run, &input, [2, 5, 4], &Job::silent()).unwrap()
        else {
            panic!()
        };
        same(&expected, &found, "histogram");
        let total: f64 = column(&found[0], "count").iter().sum();
        assert!(total >= (9 * 12 * 15 - 1) as f64);
    }
    let t = &whole("slice-stats", &[Some(image(v.clone(), Kind::Grey, [1.0; 3]))], &[])[0];
    let slice = v.index_axis(ndarray::Axis(0), 4);
    let values: Vec<f64> = slice.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
    assert!((column(t, "mean")[4] - values.iter().sum::<f64>() / values.len() as f64).abs() < 1e-12);
    assert_eq!(column(t, "missing")[4], 1.0);
}

#[test]
fn a_wrong_column_is_an_error_with_the_right_one() {
    let op = ops::find("measure").unwrap();
    let given = BTreeMap::from([("columns", Value::Words(vec!["volum".into()]))]);
    let args = Args::complete(op.spec(), given).unwrap();
    let (_, grid) = image(Array3::<u32>::zeros([1; 3]), Kind::Labels, [1.0; 3]);
    let mut inputs = vec![Some(grid)];
    inputs.resize(op.spec().inputs.len(), None);
    let e = op.prepare(&Call { op: "measure", args: &args, inputs: &inputs }).err().unwrap();
    assert!(e.to_string().contains("did you mean \"volume\"?"), "{e}");
}

#[test]
fn an_empty_image_has_empty_tables() {
    let tables = measure(&[Some(image(Array3::<u32>::zeros([5, 1, 3]), Kind::Labels, [1.0; 3]))]);
    assert_eq!((tables[0].rows(), tables[1].rows(), tables[2].rows()), (0, 0, 1));
    assert_eq!(one(&tables[2], "volume_fraction"), 0.0);
}

#[test]
fn plates_rods_and_balls_have_their_structure_model_index() {
    let n = 64;
    let at = |i: usize| i as f64 - 31.3;
    let ball = Array3::from_shape_fn([n; 3], |(z, y, x)| {
        u8::from(at(z).powi(2) + at(y).powi(2) + at(x).powi(2) <= 625.0)
    });
    let rod = Array3::from_shape_fn([n; 3], |(_, y, x)| u8::from(at(y).powi(2) + at(x).powi(2) <= 144.0));
    let plate = Array3::from_shape_fn([n; 3], |(z, _, _)| u8::from(at(z).abs() < 6.0));
    for (name, a, truth) in [("ball", ball, 4.0), ("rod", rod, 3.0), ("plate", plate, 0.0)] {
        let t = &measure(&[Some(image(a, Kind::Mask, [1.0; 3]))])[2];
        let smi = one(t, "structure_model_index");
        println!("{name}: SMI {smi:.3} for {truth}, connectivity {}", one(t, "connectivity"));
        assert!((smi - truth).abs() < 0.25, "{name}: {smi}");
    }
}

#[test]
fn columns_agree_with_the_peers() {
    let shape = [26usize, 24, 30];
    let seeds: Vec<[i64; 3]> = (0..14i64)
        .map(|k| [(7 * k * k + 3) % 26, (11 * k + 5) % 24, (13 * k * k + 7 * k + 2) % 30])
        .collect();
    let labels = Array3::from_shape_fn(shape, |(z, y, x)| {
        let p = [z as i64, y as i64, x as i64];
        let squared = |s: &[i64; 3]| (0..3).map(|a| (p[a] - s[a]).pow(2)).sum::<i64>();
        let nearest = (0..14).min_by_key(|&k| (squared(&seeds[k]), k)).unwrap();
        let outside = squared(&[13, 12, 15]) > 150 || (z * 31 + y * 17 + x * 7) % 23 == 0;
        if outside { 0 } else { nearest as u32 * 3 + 2 }
    });
    let grey = Array3::from_shape_fn(shape, |(z, y, x)| {
        ((z * 73 + y * 179 + x * 283) % 251) as f32 / 7.0 + x as f32
    });
    let golden = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/measure.csv"));
    let golden = voxelry_core::measure::csv::read(&golden.unwrap(), "golden").unwrap();
    let table = |spacing: [f64; 3]| {
        let inputs = [
            Some(image(labels.clone(), Kind::Labels, spacing)),
            Some(image(grey.clone(), Kind::Grey, spacing)),
        ];
        measure(&inputs).swap_remove(0)
    };
    let (spaced, isotropic) = (table([2.0, 1.0, 0.5]), table([1.0; 3]));
    for field in golden.batch.schema().fields() {
        let name = field.name().as_str();
        let found = match name {
            "surface_area_isotropic" => column(&isotropic, "surface_area"),
            "face_contacts" => {
                let tables = measure(&[Some(image(labels.clone(), Kind::Labels, [1.0; 3]))]);
                let c = &tables[1];
                column(&isotropic, "label")
                    .iter()
                    .map(|l| {
                        let rows = column(c, "label_a")
                            .into_iter()
                            .zip(column(c, "label_b"))
                            .zip(column(c, "face_count"));
                        rows.filter(|((a, b), _)| a == l || b == l).map(|(_, n)| n).sum()
                    })
                    .collect()
            }
            name => column(&spaced, name),
        };
        for (row, (found, expected)) in found.into_iter().zip(column(&golden, name)).enumerate() {
            // Intensities of the peers are summed in f32.
            let close = (found - expected).abs() <= 2e-5 * expected.abs().max(1e-3);
            assert!(close, "{name} of row {row}: {found} for {expected}");
        }
    }
}

/// A folder of real images, if it is there.
fn data(path: &str) -> Option<std::path::PathBuf> {
    let base = std::env::var_os("VOXELRY_DATA").map(std::path::PathBuf::from).or_else(|| {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|a| a.join("shared/data")).find(|p| p.is_dir())
    });
    let found = base.map(|b| b.join(path)).filter(|p| p.exists());
    if found.is_none() {
        println!("skipped: there is no {path}");
    }
    found
}

fn tiff_mask(path: &std::path::Path) -> Array3<u8> {
    let source = voxelry_core::io::open(path, &voxelry_core::io::OpenOptions::default()).unwrap();
    let volume = source.read_all(voxelry_core::io::Frame::default()).unwrap();
    volume.view::<u8>().unwrap().mapv(|v| u8::from(v != 0))
}

#[test]
fn ellipsoids_of_known_axes_and_directions() {
    // Semi-axes, azimuth θ and elevation φ stand in the names: A30_B20_C10_T30_P30.
    for (name, axes) in [
        ("ellipsoid_A30_B20_C10_T00_P00.tif", [30.0, 20.0, 10.0]),
        ("ellipsoid_A30_B20_C10_T30_P30.tif", [30.0, 20.0, 10.0]),
        ("ellipsoid_A45_B35_C25_T30_P20_R10.tif", [45.0, 35.0, 25.0]),
    ] {
        let Some(path) = data(&format!("morpholibj/src/test/resources/files/{name}")) else { return };
        let t = &measure(&[Some(image(tiff_mask(&path), Kind::Mask, [1.0; 3]))])[0];
        let found: Vec<f64> = (1..4).map(|k| one(t, &format!("ellipsoid_semi_axis_{k}"))).collect();
        println!(
            "{name}: {found:.3?}, azimuth {:.2}, elevation {:.2}, touches border {}",
            one(t, "azimuth"),
            one(t, "elevation"),
            one(t, "touches_border")
        );
        for k in 0..3 {
            assert!((found[k] / axes[k] - 1.0).abs() < 0.02, "{name}: {found:?}");
        }
    }
}
