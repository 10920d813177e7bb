//! The image as one structure: thickness, separation, number, lines and foam, against analytic truth.

use super::*;
use glam::{DMat3, DVec3};

/// An ellipsoid in a box that it does not touch.
fn ellipsoid(random: &mut Random, m: DMat3, axes: [f64; 3], spacing: [f64; 3]) -> Array3<u8> {
    let inverse = DVec3::from_array(axes).recip();
    shape(random, axes[0], spacing, |p| ((m.transpose() * p) * inverse).length() <= 1.0)
}

/// The bar is what digitisation leaves, not what a wrong estimator would pass: counting along lines
/// between the voxels gives 1.53 for 2.
#[test]
fn intercepts_find_the_axes_of_ellipsoids() {
    let mut random = Random(17);
    println!("least semi-axis, ratio, spacing: deviation of DA and of the middle axis");
    for (least, bar) in [(8.0, 0.02), (14.0, 0.01f64)] {
        for ratio in [1.0, 1.5, 2.0, 3.0] {
            for (name, m, spacing) in [
                ("aligned", DMat3::IDENTITY, [1.0; 3]),
                ("rotated", random.rotation(), [1.0; 3]),
                ("rotated", random.rotation(), [1.0; 3]),
                ("anisotropic", random.rotation(), [1.5, 1.0, 0.75]),
            ] {
                // Long steps lose short chords.
                let bar = if name == "anisotropic" { 2.0 * bar } else { bar };
                let axes = [least * ratio, least * (1.0 + ratio) / 2.0, least];
                let a = ellipsoid(&mut random, m, axes, spacing);
                let t = &measure(&[Some(image(a, Kind::Mask, spacing))])[2];
                let found = one(t, "degree_of_anisotropy");
                let length = |i: usize| one(t, &format!("mean_intercept_length_{i}"));
                let middle = length(2) / length(3) / (axes[1] / axes[2]) - 1.0;
                println!(
                    "{least:4} {ratio:4} {name:>12}: {:+.2} % {:+.2} %",
                    100.0 * (found / ratio - 1.0),
                    100.0 * middle
                );
                assert!((found / ratio - 1.0).abs() < bar, "{least} {ratio} {name}: {found}");
                assert!(middle.abs() < bar, "{least} {ratio} {name}: {middle}");
                // 2V/(projected area) is 4/3 of a semi-axis.
                assert!((length(3) / (least * 4.0 / 3.0) - 1.0).abs() < bar, "{}", length(3));
                if ratio > 1.2 {
                    let axis = DVec3::from_array(
                        ["x", "y", "z"].map(|c| one(t, &format!("mean_intercept_axis_1_{c}"))),
                    );
                    assert!(axis.dot(m.x_axis).abs() > 0.999, "{axis} {}", m.x_axis);
                }
            }
        }
    }
}

#[test]
fn plates_have_their_thickness_separation_number_and_chords() {
    for (thick, period, spacing) in [(6usize, 16usize, [1.0; 3]), (8, 24, [1.0; 3]), (4, 16, [0.5, 1.0, 1.0])]
    {
        let n = [period * 5, 24, 24];
        let a = Array3::from_shape_fn(n, |(z, _, _)| u8::from((z + period.midpoint(thick)) % period < thick));
        let tables = measure_tables(&[Some(image(a, Kind::Mask, spacing))], &["thickness", "chords"]);
        let t = named(&tables, "image");
        let s = spacing[0];
        assert_eq!(one(t, "thickness_mean"), thick as f64 * s);
        assert_eq!(one(t, "thickness_sd"), 0.0);
        assert_eq!(one(t, "separation_mean"), (period - thick) as f64 * s);
        assert_eq!(one(t, "separation_sd"), 0.0);
        // Mid-planes of even plates are two voxels thick.
        let distance = 1.0 / one(t, "number");
        assert!((distance - period as f64 * s).abs() <= 2.0 * s, "{distance}");
        assert!(
            (one(t, "mean_chord_z") / (thick as f64 * s) - 1.0).abs() < 0.06,
            "{}",
            one(t, "mean_chord_z")
        );
        assert!(one(t, "mean_chord_x").is_nan() && one(t, "degree_of_anisotropy").is_nan());
        let chords = named(&tables, "chords");
        let complete: f64 = column(chords, "count").iter().sum();
        assert_eq!(complete, 24.0 * 24.0 * 9.0);
        let lengths = column(chords, "voxels");
        assert!(lengths.iter().all(|l| *l == thick as f64 || *l == (period - thick) as f64), "{lengths:?}");
        let histogram = named(&tables, "thickness");
        assert_eq!(column(histogram, "low")[0], thick as f64 * s);
        let voxels: f64 = column(histogram, "voxels").iter().sum();
        assert_eq!(voxels, n.iter().product::<usize>() as f64);
    }
}

#[test]
fn balls_and_shells_have_the_thickness_of_their_largest_balls() {
    let mut random = Random(29);
    for spacing in [[1.0; 3], [1.5, 1.0, 0.75]] {
        let ball = shape(&mut random, 12.0, spacing, |p| p.length() <= 12.0);
        let shell = shape(&mut random, 16.0, spacing, |p| (9.0..=16.0).contains(&p.length()));
        for (name, a, truth) in [("ball", ball, 24.0), ("shell", shell, 7.0)] {
            let words = |w: &str| Value::Words(w.split(' ').map(str::to_owned).collect());
            let asked = [("columns", words("thickness inscribed")), ("tables", words("thickness"))];
            let mut inputs = vec![Some(image(a, Kind::Mask, spacing))];
            inputs.resize(ops::find("measure").unwrap().spec().inputs.len(), None);
            let tables = whole("measure", &inputs, &asked);
            let [object, whole] = [&tables[0], &tables[2]];
            println!("{name}: {:.2}, for {truth}", one(object, "thickness_mean"));
            // Half a voxel on each side is where the surface lies between two voxel centres.
            assert!((one(object, "thickness_mean") - truth).abs() < 1.2, "{}", one(object, "thickness_mean"));
            assert!((one(object, "thickness_max") - truth).abs() < 2.4);
            assert_eq!(one(object, "thickness_max"), 2.0 * one(object, "inscribed_radius"));
            // The one object is the structure.
            for figure in ["mean", "sd", "max"] {
                let name = format!("thickness_{figure}");
                assert_eq!(one(object, &name), one(whole, &name));
            }
        }
    }
}

#[test]
fn the_two_point_probability_of_noise_and_of_a_ball() {
    let mut random = Random(37);
    let noise = Array3::from_shape_fn([48; 3], |_| u8::from(random.next() < 0.3));
    let t = measure_tables(&[Some(image(noise.clone(), Kind::Mask, [1.0; 3]))], &["correlation"]);
    let t = named(&t, "correlation");
    let fraction = noise.iter().filter(|v| **v != 0).count() as f64 / noise.len() as f64;
    for (r, p) in column(t, "distance").into_iter().zip(column(t, "probability")) {
        let expected = if r == 0.0 { fraction } else { fraction * fraction };
        assert!((p - expected).abs() < 0.01, "{r}: {p}");
    }
    // Two balls of radius R at a distance r share 1 − 3r/4R + r³/16R³ of their volume.
    let (n, big) = (64, 12.0);
    let ball = Array3::from_shape_fn([n; 3], |(z, y, x)| {
        let at = |i: usize| (i as f64 - 31.7).powi(2);
        u8::from(at(z) + at(y) + at(x) <= big * big)
    });
    let volume = ball.iter().filter(|v| **v != 0).count() as f64;
    let t = measure_tables(&[Some(image(ball, Kind::Mask, [1.0; 3]))], &["correlation"]);
    let t = named(&t, "correlation");
    let (r, inside) = (column(t, "distance"), column(t, "inside"));
    for direction in 0..3 {
        for lag in 0..20 {
            let i = direction * 33 + lag;
            let q = r[i] / big;
            let share = 1.0 - 0.75 * q + q.powi(3) / 16.0;
            // No pair is lost at the faces: the ball lies inside.
            let found = inside[i] / volume;
            assert!((found - share).abs() < 0.02, "{direction} {lag}: {found} for {share}");
        }
    }
}

#[test]
fn the_tensors_of_a_stretched_foam() {
    // Cells of 8 × 8 × 12 voxels with walls of two voxels, spacing (z, y, x) = (1.5, 1, 1).
    let (cell, wall, spacing) = ([12usize, 8, 8], 2, [1.5, 1.0, 1.0]);
    let per: [usize; 3] = [4, 5, 6];
    let n: [usize; 3] = std::array::from_fn(|a| per[a] * cell[a]);
    let bubbles = Array3::from_shape_fn(n, |(z, y, x)| {
        let p = [z, y, x];
        let id = (0..3).fold(0, |id, a| id * 10 + p[a] / cell[a]);
        if (0..3).any(|a| p[a] % cell[a] < wall) { 0 } else { id as u32 + 1 }
    });
    let touching = Array3::from_shape_fn(n, |(z, y, x)| {
        let p = [z, y, x];
        (0..3).fold(0, |id, a| id * 10 + p[a] / cell[a]) as u32 + 1
    });
    let tables = |a| measure_tables(&[Some(image(a, Kind::Labels, spacing))], &["foam"]);
    let dry = tables(touching);
    let t = named(&dry, "foam");
    assert_eq!(one(t, "liquid_fraction"), 0.0);
    assert_eq!(one(t, "bubbles"), 2.0 * 3.0 * 4.0);
    // Links of 24 bubbles: 1·3·4 along z, 2·2·4 along y, 2·3·3 along x.
    assert_eq!(one(t, "links"), 12.0 + 16.0 + 18.0);
    for (name, expected) in [
        ("texture_zz", 12.0 * 18.0f64.powi(2) / 46.0),
        ("texture_yy", 16.0 * 64.0 / 46.0),
        ("texture_xx", 18.0 * 64.0 / 46.0),
        ("texture_xy", 0.0),
        ("shape_zz", (144.0 - 1.0) / 12.0 * 2.25),
        ("shape_yy", 63.0 / 12.0),
        ("shape_yz", 0.0),
    ] {
        assert!((one(t, name) - expected).abs() < 1e-9, "{name}: {} for {expected}", one(t, name));
    }
    let wet = tables(bubbles);
    let t = named(&wet, "foam");
    let share = (10.0 * 6.0 * 6.0) / (12.0 * 8.0 * 8.0);
    assert!((one(t, "liquid_fraction") - (1.0 - share)).abs() < 1e-12);
    assert_eq!(one(t, "links"), 0.0);
    assert!(one(t, "texture_xx").is_nan());
}

#[test]
fn the_interface_tensor_of_ellipsoids() {
    let mut random = Random(43);
    // Of a prolate spheroid with half-axes (a, b, b) about its axis, by quadrature.
    let (a, b) = (24.0f64, 12.0f64);
    let (mut area, mut along) = (0.0, 0.0);
    let steps = 100_000;
    for i in 0..steps {
        let t = (i as f64 + 0.5) / f64::from(steps) * PI;
        let ring = 2.0 * PI * b * t.sin();
        let (dx, dr) = (a * t.sin(), b * t.cos());
        let piece = dx.hypot(dr) * PI / f64::from(steps);
        area += ring * piece;
        // The normal's part along the axis.
        along += ring * piece * (dr / dx.hypot(dr)).powi(2);
    }
    let truth = along - area / 3.0;
    for spacing in [[1.0; 3], [1.25, 1.0, 0.8]] {
        for m in [DMat3::IDENTITY, random.rotation(), random.rotation()] {
            let mask = ellipsoid(&mut random, m, [a, b, b], spacing);
            let total = mask.shape().iter().map(|n| (n - 4) as f64).product::<f64>()
                * spacing.iter().product::<f64>();
            let t = measure_tables(&[Some(image(mask.mapv(u32::from), Kind::Labels, spacing))], &["foam"]);
            let t = named(&t, "foam");
            let q = |c: &str| one(t, &format!("interface_{c}")) * total;
            let tensor = DMat3::from_cols(
                DVec3::new(q("xx"), q("xy"), q("xz")),
                DVec3::new(q("xy"), q("yy"), q("yz")),
                DVec3::new(q("xz"), q("yz"), q("zz")),
            );
            let n = m.x_axis;
            let found = n.dot(tensor * n);
            let surface = one(t, "interface_density") * total;
            println!(
                "surface {:+.2} %, tensor {:+.2} %",
                100.0 * (surface / area - 1.0),
                100.0 * (found / truth - 1.0)
            );
            assert!((surface / area - 1.0).abs() < 0.01, "{surface} for {area}");
            assert!((found / truth - 1.0).abs() < 0.03, "{found} for {truth}");
            assert!((q("xx") + q("yy") + q("zz")).abs() < 1e-9 * surface);
        }
    }
}
