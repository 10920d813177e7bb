//! Statistics against published references: SciPy 1.17.1, statsmodels 0.15.0, scikit-posthocs 0.17.1 and mpmath 1.4.1.

use super::distributions::*;
use super::means::tests::near;
use super::*;

/// `PlantGrowth` (Dobson 1983): dried weight of plants under three conditions.
pub const PLANTS: [[f64; 10]; 3] = [
    [4.17, 5.58, 5.18, 6.11, 4.5, 4.61, 5.17, 4.53, 5.33, 5.14],
    [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
    [6.31, 5.12, 5.54, 5.5, 5.37, 5.29, 4.92, 6.15, 5.8, 5.26],
];

fn plants() -> Vec<&'static [f64]> {
    PLANTS.iter().map(|g| &g[..]).collect()
}

/// mpmath with 50 digits.
#[test]
fn tails() {
    for (t, df, p) in [
        (2.5, 4.0, 0.066766544811988145),
        (40.0, 100.0, 2.4621076021400708e-63),
        (1e10, 7.0, 2.6410413527093539e-68),
        (1e100, 3.0, 2.2053155816871681e-300),
        (0.001, 12.0, 0.99921854753064947),
        (30.0, 50000000.5, 9.8533409790206833e-198),
        (12.3, 3.8128161443379693, 0.00033003304045415974),
    ] {
        near(t_two_sided(t, df), p, 1e-11);
    }
    near(ln_t_two_sided(60.0, 5e3), 2.6320464258369828f64.ln() - 591.0 * 10f64.ln(), 1e-13);
    for (f, a, b, p) in [
        (341.8948949481461, 2.0, 330.0, 3.7445051263005023e-81),
        (16.267704534452854, 2.0, 113.0, 6.1830413245188654e-7),
        (1e-3, 3.0, 10.0, 0.99995316765729331),
        (2000.0, 1.0, 400.0, 1.0227356106946772e-157),
        (5.0, 300.0, 250.0, 1.5563830095393492e-35),
    ] {
        near(f_sf(f, a, b), p, 1e-11);
    }
    near(ln_f_sf(1000.0, 5.0, 1e6), 8.6977845460677512f64.ln() - 1079.0 * 10f64.ln(), 1e-13);
    for (x, k, p) in [
        (212.08513173193893, 2.0, 8.8368767442818944e-47),
        (1400.0, 10.0, 9.9203914798001453e-295),
        (3.0, 1.0, 0.083264516663550402),
        (1e-4, 3.0, 0.99999973404645844),
        (1200.0, 1000.0, 1.2255942330622904e-5),
        (1370.0, 4.0, 2.2110777381235437e-295),
    ] {
        near(chi2_sf(x, k), p, 1e-11);
    }
    near(normal_two_sided(37.0), 1.1451142445049154e-299, 1e-12);
    near(normal_two_sided(8.0), 1.2441921148543568e-15, 1e-13);
    near(ln_normal_two_sided(37.0).exp(), 1.1451142445049154e-299, 1e-11);
}

/// SciPy down to its quadrature's floor, mpmath below.
#[test]
fn studentized_range() {
    for (q, k, df, p) in [
        (3.5, 3, 20.0, 0.055891849081749),
        (10.0, 10, 5.0, 0.011108833004272567),
        (3.0, 4, 2.0, 0.37597834090201543),
        (0.4, 3, 330.0, 0.9568650346862038),
        (34.449523958918909857, 3, 330.0, 3.0298501337479e-75),
        (60.0, 3, 100.0, 2.8300871142532e-65),
        (80.0, 5, 400.0, 5.992086413152e-192),
    ] {
        near(studentized_range_sf(q, k, df), p, 1e-9);
    }
    near(studentized_range_isf(0.05, 3, 20.0), 3.577934725220134, 1e-9);
}

#[test]
fn noncentral() {
    near(noncentral_t_sf(2.0, 10.0, 1.3), 0.27638596067427357, 1e-9);
    near(noncentral_t_sf(-1.0, 4.0, 2.0), 0.9974267678251557, 1e-9);
    near(noncentral_f_sf(4.0, 1.0, 58.0, 3.75), 0.4785659691228543, 1e-9);
    near(noncentral_f_sf(3.1, 2.0, 154.0, 9.8), 0.7936213416898913, 1e-9);
    // SciPy 1.17.1: the weights of λ = 3000 are summed by strides.
    near(noncentral_f_sf(1000.0, 3.0, 40.0, 3000.0), 0.5303349479987198, 1e-8);
    let (low, high) = noncentral_t_interval(2.0, 10.0);
    near(noncentral_t_sf(2.0, 10.0, low), 0.025, 1e-9);
    near(noncentral_t_sf(2.0, 10.0, high), 0.975, 1e-9);
}

#[test]
fn inverses() {
    for p in [0.3, 0.05, 1e-8, 1e-200] {
        near(t_two_sided(t_two_sided_isf(p, 7.0), 7.0), p, 1e-9);
        near(f_sf(f_isf(p, 3.0, 50.0), 3.0, 50.0), p, 1e-9);
        near(normal_sf(normal_isf(p)), p, 1e-9);
    }
    near(t_two_sided_isf(0.05, 1e9), 1.959963984540054, 1e-8);
}

#[test]
fn several_groups() {
    let g = plants();
    let t = means::anova(&g).unwrap();
    near(t.statistic, 4.846087862380135, 1e-11);
    near(t.p, 0.015909958325622912, 1e-11);
    let t = means::welch_anova(&g).unwrap();
    near(t.statistic, 5.1809724081131945, 1e-11);
    near(t.p, 0.017392821490169935, 1e-11);
    let t = ranks::kruskal_wallis(&g).unwrap();
    near(t.statistic, 7.988228749443715, 1e-11);
    near(t.p, 0.018423755731471966, 1e-11);
    let t = checks::brown_forsythe(&g).unwrap();
    near(t.statistic, 1.1191856948703909, 1e-10);
    near(t.p, 0.34122662412547355, 1e-10);
}

#[test]
fn pairs_of_groups() {
    let g = plants();
    for (i, j, tukey, games, dunn) in [
        (0, 1, 0.39087114, 0.47455492, 0.263684267891386),
        (0, 2, 0.19799599, 0.11288918, 0.09116394404849983),
        (1, 2, 0.01200642, 0.02370345, 0.0050002903702577),
    ] {
        near(posthoc::tukey(&g, i, j).unwrap().p, tukey, 1e-6);
        near(posthoc::games_howell(&g, i, j).unwrap().p, games, 1e-6);
        near(posthoc::dunn(&g, i, j).unwrap().p, dunn, 1e-10);
    }
    let e = posthoc::tukey(&g, 0, 1).unwrap().estimate.unwrap();
    near(e.low, -0.32021605, 1e-7);
    near(e.high, 1.06221605, 1e-7);
    let e = posthoc::games_howell(&g, 1, 2).unwrap().estimate.unwrap();
    near(e.low, -1.61648701, 1e-7);
    near(e.high, -0.11351299, 1e-7);
}

#[test]
fn normality() {
    let wave = |n: i32| -> Vec<f64> {
        (0..n).map(|i| ((f64::from(i) * 1.7).sin().exp() * 1e4).round() / 1e4).collect()
    };
    for (n, w, p) in [
        (3, 0.8366779728700263, 0.2054434953411911),
        (5, 0.9295260702300534, 0.5931421754712718),
        (8, 0.8709839088412927, 0.15410254314744848),
        (20, 0.8663228982754432, 0.01013125305422267),
        (60, 0.8667790930829395, 9.885473018744483e-06),
    ] {
        let t = checks::shapiro_wilk(&wave(n)).unwrap();
        near(t.statistic, w, 1e-7);
        near(t.p, p, 1e-5);
    }
    let t = checks::dagostino(&wave(60)).unwrap();
    near(t.statistic, 20.662028495852557, 1e-10);
    near(t.p, 3.260599965830651e-05, 1e-9);
    assert!(checks::shapiro_wilk(&[2.0; 9]).is_err());
}

#[test]
fn correlations() {
    let x = [3.1, 2.2, 5.5, 4.1, 6.0, 7.7, 2.9, 1.0];
    let y = [1.2, 2.9, 4.8, 3.9, 7.1, 6.2, 3.3, 0.4];
    let t = correlation::pearson(&x, &y).unwrap();
    let e = t.estimate.unwrap();
    near(e.value, 0.8925305911475149, 1e-12);
    near(e.low, 0.5062759361482084, 1e-10);
    near(t.p, 0.002858351943256829, 1e-10);
    let t = correlation::spearman(&x, &y).unwrap();
    near(t.estimate.unwrap().value, 0.9047619047619048, 1e-12);
    near(t.p, 0.002008275505429469, 1e-10);
    let t = correlation::kendall(&x, &y).unwrap();
    near(t.statistic, 0.7857142857142856, 1e-12);
    near(t.p, 0.005505952380952381, 1e-10);
    let t = correlation::kendall(
        &[3.0, 2.0, 6.0, 4.0, 6.0, 8.0, 3.0, 1.0],
        &[1.0, 3.0, 5.0, 4.0, 7.0, 6.0, 3.0, 0.0],
    );
    let t = t.unwrap();
    near(t.statistic, 0.792593923901217, 1e-12);
    near(t.p, 0.007852676525090892, 1e-10);
    near(ranks::wilcoxon(&x, &y).unwrap().p, 0.4609375, 1e-12);
    // The slope's t-test is the correlation's.
    let t = linear::coefficient(&y, &x, &[]).unwrap();
    near(t.p, 0.002858351943256829, 1e-10);
}

/// `warpbreaks` (Tippett 1950) without rows 1, 2, 3, 11 and 31: unbalanced, type II.
#[test]
fn two_factors() {
    const BREAKS: [f64; 49] = [
        25.0, 70.0, 52.0, 51.0, 26.0, 67.0, 18.0, 29.0, 17.0, 12.0, 18.0, 35.0, 30.0, 36.0, 36.0, 21.0, 24.0,
        18.0, 10.0, 43.0, 28.0, 15.0, 26.0, 27.0, 14.0, 29.0, 29.0, 31.0, 41.0, 20.0, 44.0, 42.0, 26.0, 19.0,
        16.0, 39.0, 28.0, 21.0, 39.0, 29.0, 20.0, 21.0, 24.0, 17.0, 13.0, 15.0, 15.0, 16.0, 28.0,
    ];
    let left_out = [0, 1, 2, 10, 30];
    let rows: Vec<usize> = (0..54).filter(|i| !left_out.contains(i)).collect();
    let wool: Vec<usize> = rows.iter().map(|i| i / 27).collect();
    let tension: Vec<usize> = rows.iter().map(|i| i / 9 % 3).collect();
    let a = linear::Term::factor("wool", &wool, 2);
    let b = linear::Term::factor("tension", &tension, 3);
    let ab = a.interaction(&b);
    let t = linear::term_test(&BREAKS, &a, &[&b], &[&ab]).unwrap();
    near(t.statistic, 3.836139879214278, 1e-10);
    near(t.p, 0.05666527571550579, 1e-10);
    let t = linear::term_test(&BREAKS, &b, &[&a], &[&ab]).unwrap();
    near(t.statistic, 9.367489468730867, 1e-10);
    let t = linear::term_test(&BREAKS, &ab, &[&a, &b], &[]).unwrap();
    near(t.statistic, 4.603001695808133, 1e-10);
    near(t.p, 0.015437685139640535, 1e-10);
    assert!(linear::term_test(&BREAKS, &a, &[&a], &[]).unwrap_err().to_string().contains("cannot be told"));
}
