//! Columns of single objects that see all their voxels together, against analytic truth and peers.

use super::*;
use glam::{DMat3, DVec3};

fn measure_all(inputs: &[Option<Image>]) -> Table {
    let mut inputs = inputs.to_vec();
    inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
    let given = [("columns", Value::Words(vec!["all".into()])), ("image", Value::Bool(false))];
    whole("measure", &inputs, &given).swap_remove(0)
}

#[test]
fn cuboids_have_their_box_their_ball_and_their_diagonal() {
    let mut random = Random(51);
    let sides = DVec3::new(40.0, 24.0, 16.0);
    for spacing in [[1.0; 3], [1.5, 1.0, 0.75]] {
        for m in [DMat3::IDENTITY, random.rotation(), random.rotation()] {
            let a = shape(&mut random, 26.0, spacing, |p| {
                let q = (m.transpose() * p).abs();
                q.x <= sides.x / 2.0 && q.y <= sides.y / 2.0 && q.z <= sides.z / 2.0
            });
            let t = &measure_all(&[Some(image(a, Kind::Mask, spacing))]);
            // Corners of voxels stand out by up to half a diagonal.
            let slack = 2.0 * spacing.iter().map(|s| s * s).sum::<f64>().sqrt();
            for (k, side) in sides.to_array().into_iter().enumerate() {
                let found = one(t, &format!("oriented_extent_{}", k + 1));
                println!("{found:.2} for {side}");
                assert!((found - side).abs() < slack, "{found} for {side}");
            }
            let volume: f64 = (1..4).map(|k| one(t, &format!("oriented_extent_{k}"))).product();
            assert_eq!(one(t, "oriented_volume"), volume);
            assert!(one(t, "oriented_volume") >= one(t, "convex_volume"));
            let diagonal = sides.length();
            assert!((2.0 * one(t, "bounding_sphere_radius") - diagonal).abs() < slack);
            assert!(2.0 * one(t, "bounding_sphere_radius") >= one(t, "feret_max") * (1.0 - 1e-12));
            assert!((one(t, "geodesic_diameter") - diagonal).abs() < slack);
            assert!((1.0..1.02).contains(&one(t, "tortuosity")), "{}", one(t, "tortuosity"));
        }
    }
}

#[test]
fn rings_are_lines_that_close() {
    let mut random = Random(53);
    let ring = shape(&mut random, 21.0, [1.0; 3], |p| {
        let q = (p.x * p.x + p.y * p.y).sqrt() - 17.0;
        q * q + p.z * p.z <= 12.0
    });
    let t = &measure_all(&[Some(image(ring, Kind::Mask, [1.0; 3]))]);
    assert_eq!(
        (one(t, "skeleton_branches"), one(t, "skeleton_junctions"), one(t, "skeleton_ends")),
        (1.0, 0.0, 0.0)
    );
    let round = 2.0 * PI * 17.0;
    assert!((1.0..1.08).contains(&(one(t, "skeleton_length") / round)), "{}", one(t, "skeleton_length"));
    // Half-way around along the inner side, the ends on the outer one.
    let found = one(t, "geodesic_diameter");
    assert!((PI * 14.0..PI * 19.0).contains(&found), "{found}");
    assert!((one(t, "thickness_max") - 2.0 * 12f64.sqrt()).abs() < 1.5);
}

/// The scene of `structure.py`: balls joined by square rods.
fn scene_of_peers() -> (Array3<u8>, Array3<u32>) {
    let n = [40usize, 44, 48];
    let seeds: Vec<[i64; 3]> = (0..9i64)
        .map(|k| [7 * k * k + 3 * k + 2, 11 * k * k + 5 * k + 9, 13 * k * k + 7 * k + 4])
        .map(|p| std::array::from_fn(|i| 6 + p[i] % (n[i] as i64 - 12)))
        .collect();
    let squared = |p: [i64; 3], s: &[i64; 3]| (0..3).map(|i| (p[i] - s[i]).pow(2)).sum::<i64>();
    let mask = Array3::from_shape_fn(n, |(z, y, x)| {
        let v = [z as i64, y as i64, x as i64];
        let ball = seeds.iter().enumerate().any(|(k, s)| squared(v, s) <= 6 + 5 * (k as i64 % 4));
        let rod = seeds.windows(2).any(|pair| {
            let (p, q) = (pair[0], pair[1]);
            (0..3).any(|i| {
                (0..3).all(|j| {
                    let (low, high) = match j.cmp(&i) {
                        std::cmp::Ordering::Equal => (p[j].min(q[j]), p[j].max(q[j])),
                        std::cmp::Ordering::Less => (q[j], q[j]),
                        std::cmp::Ordering::Greater => (p[j], p[j]),
                    };
                    (low - 1..=high + 1).contains(&v[j])
                })
            })
        });
        u8::from(ball || rod)
    });
    let labels = Array3::from_shape_fn(n, |(z, y, x)| {
        let v = [z as i64, y as i64, x as i64];
        (0..9).rev().find(|&k| squared(v, &seeds[k]) <= 4).map_or(0, |k| k as u32 + 1)
    });
    (mask, labels)
}

#[test]
fn structures_and_skeletons_agree_with_the_peers() {
    let (mask, labels) = scene_of_peers();
    let grey = Array3::from_shape_fn(mask.dim(), |(z, y, x)| {
        ((z * 73 + y * 179 + x * 283) % 251 * (usize::from(mask[[z, y, x]]) + 1) / 2) as u8
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/structure.json");
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let expected = |name: &str| golden[name].as_f64().unwrap_or_else(|| panic!("{name}"));
    let inputs = [Some(image(mask, Kind::Mask, [1.0; 3])), Some(image(grey, Kind::Grey, [1.0; 3]))];
    let all = measure_all(&inputs);
    assert_eq!(one(&all, "voxel_count"), expected("voxels"));
    for name in ["skeleton_ends", "skeleton_junctions", "skeleton_branches", "skeleton_length"] {
        let (found, expected) = (one(&all, name), expected(name));
        assert!((found - expected).abs() < 1e-9 * expected, "{name}: {found} for {expected}");
    }
    // More directions make shorter paths.
    let geodesic = one(&all, "geodesic_diameter") / expected("geodesic_26");
    assert!((0.85..=1.0).contains(&geodesic), "{geodesic}");
    let tables = measure_tables(&inputs, &["thickness", "chords"]);
    let t = named(&tables, "image");
    assert!((one(t, "intensity_entropy") - expected("entropy")).abs() < 1e-9);
    for name in ["thickness", "separation"] {
        let max = one(t, &format!("{name}_max"));
        assert!((max - expected(&format!("{name}_max_edt"))).abs() < 1e-6, "{name} {max}");
        for (figure, peer, bar) in
            [("mean", "localthickness", 0.06), ("mean", "porespy", 1e-6), ("sd", "porespy", 1e-5)]
        {
            let found = one(t, &format!("{name}_{figure}"));
            let peers = expected(&format!("{name}_{figure}_{peer}"));
            println!("{name}_{figure}: {found:.4}, {peer} {peers:.4}");
            assert!((found / peers - 1.0).abs() < bar, "{name}_{figure}: {found}, {peer} {peers}");
        }
    }
    let chords = named(&tables, "chords");
    let text = |name: &str| {
        let column = chords.batch.column_by_name(name).unwrap();
        let words = column.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
        words.iter().map(|w| w.unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut rows = 0;
    for (i, (phase, axis)) in text("phase").iter().zip(text("axis")).enumerate() {
        if phase == "structure" {
            let length = column(chords, "voxels")[i].to_string();
            assert_eq!(
                golden["chords"][&axis][&length].as_f64(),
                Some(column(chords, "count")[i]),
                "{axis} {length}"
            );
            rows += 1;
        }
    }
    assert_eq!(
        rows,
        ["z", "y", "x"].iter().map(|a| golden["chords"][a].as_object().unwrap().len()).sum::<usize>()
    );
    // Voxels as near to another cell go to either.
    let cells = measure_all(&[Some(image(labels, Kind::Labels, [1.0; 3]))]);
    for (label, volume) in column(&cells, "label").into_iter().zip(column(&cells, "voronoi_volume")) {
        let [low, high] = [0, 1].map(|i| golden["cells"][label.to_string()][i].as_f64().unwrap());
        assert!((low..=high).contains(&volume), "{label}: {volume} not in {low}..={high}");
    }
    assert_eq!(column(&cells, "voronoi_volume").iter().sum::<f64>(), 40.0 * 44.0 * 48.0);
}

#[test]
fn modes_and_places_of_extrema_follow_from_the_voxels() {
    let mut random = Random(61);
    let (a, v) = scene(&mut random, [13, 12, 16], 20);
    let small = v.mapv(|x| ((x + 3.0) * 1.3) as i16 - 4);
    let t = &measure_all(&[
        Some(image(a.clone(), Kind::Labels, [1.0; 3])),
        Some(image(v.clone(), Kind::Grey, [1.0; 3])),
        Some(image(small.clone(), Kind::Grey, [1.0; 3])),
    ]);
    for (row, label) in column(t, "label").into_iter().enumerate() {
        let voxels: Vec<_> =
            a.indexed_iter().filter(|(_, l)| f64::from(**l) == label).map(|(i, _)| i).collect();
        let mut counts: BTreeMap<i16, usize> = BTreeMap::new();
        for &i in &voxels {
            *counts.entry(small[i]).or_default() += 1;
        }
        let most = counts.values().max().unwrap();
        let mode = counts.iter().find(|(_, n)| *n == most).unwrap().0;
        assert_eq!(column(t, "intensity_2_mode")[row], f64::from(*mode));
        let at = |name: &str| ["z", "y", "x"].map(|c| column(t, &format!("{name}_{c}"))[row] as usize);
        let first = |value: f64| voxels.iter().find(|i| f64::from(v[**i]) == value).copied().unwrap();
        let first_small =
            |value: f64| voxels.iter().find(|i| f64::from(small[**i]) == value).copied().unwrap();
        for (name, place) in [
            ("intensity_min", first(column(t, "intensity_min")[row])),
            ("intensity_max", first(column(t, "intensity_max")[row])),
            ("intensity_2_min", first_small(column(t, "intensity_2_min")[row])),
            ("intensity_2_max", first_small(column(t, "intensity_2_max")[row])),
        ] {
            assert_eq!(at(name), [place.0, place.1, place.2], "{name} of {label}");
        }
        // The fullest of 256 bins.
        let (low, high) = (column(t, "intensity_min")[row], column(t, "intensity_max")[row]);
        let mode = column(t, "intensity_mode")[row];
        assert!((low..=high).contains(&mode));
        let width = (high - low) / 256.0;
        assert!(voxels.iter().any(|i| (f64::from(v[*i]) - mode).abs() <= width * 0.51));
    }
}

/// Many small objects: the cost of each must not grow with their number. Run by hand with
/// `--ignored --nocapture`; times are printed, memory and rows are checked.
#[test]
#[ignore = "takes minutes"]
fn a_million_small_objects() {
    for side in [128usize, 256] {
        let cell = 5;
        let per = side / cell;
        let a = Array3::from_shape_fn([side; 3], |(z, y, x)| {
            let p = [z, y, x];
            if p.iter().any(|v| v % cell == 0 || v / cell >= per) {
                return 0;
            }
            p.iter().fold(0, |id, v| id * per as u32 + (v / cell) as u32) + 1
        });
        let inputs = [Some(image(a, Kind::Labels, [1.0; 3]))];
        let objects = per.pow(3);
        for (name, columns, figures) in
            [("default", None, false), ("default and image", None, true), ("all", Some("all"), false)]
        {
            let mut given = vec![("image", Value::Bool(figures))];
            given.extend(columns.map(|c| ("columns", Value::Words(vec![c.into()]))));
            let mut inputs = inputs.to_vec();
            inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
            let start = std::time::Instant::now();
            let tables = whole("measure", &inputs, &given);
            let seconds = start.elapsed().as_secs_f64();
            assert_eq!(tables[0].rows(), objects);
            println!(
                "{side}³, {objects} objects, {name}: {seconds:.2} s, {:.2} µs each",
                seconds * 1e6 / objects as f64
            );
        }
    }
}
