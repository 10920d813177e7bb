//! Scans of whole tables.

use super::*;
use crate::matrix::Random;
use crate::stats::means::{anova, tests::near};
use arrow::array::ArrayRef;

fn listeria() -> Option<RecordBatch> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/rqtl_listeria/listeria.csv");
    let all = std::fs::read_to_string(path).ok()?;
    let rows: Vec<Vec<&str>> = all.lines().map(|l| l.split(',').collect()).collect();
    let column = |k: usize| -> ArrayRef {
        let cells = rows[1..].iter().map(|r| r[k]);
        if k == 0 {
            Arc::new(cells.map(|c| c.parse::<f64>().ok()).collect::<Float64Array>())
        } else {
            Arc::new(StringArray::from_iter_values(cells))
        }
    };
    Some(RecordBatch::try_from_iter((0..rows[0].len()).map(|k| (rows[0][k], column(k)))).unwrap())
}

fn options() -> Options {
    Options {
        values: vec!["T264".into()],
        by: vec!["D[0-9]*".into()],
        exclude: vec!["-".into(), "C".into()],
        ..Options::default()
    }
}

/// F2 mice after an infection (Boyartchuk et al. 2001), with SciPy 1.17.1: 13 hits of 130 markers after Bonferroni.
#[test]
fn listeria_hits() {
    let Some(t) = listeria() else { return };
    let found = scan(&t, &options()).unwrap();
    assert_eq!((found.summary.tests, found.summary.significant_bonferroni), (130, 13));
    assert_eq!((found.summary.significant_holm, found.summary.significant_bh), (13, 29));
    let top = found.rows.iter().min_by(|a, b| a.p.unwrap().total_cmp(&b.p.unwrap())).unwrap();
    assert_eq!((top.by.as_str(), top.n, top.groups), ("D5M357", 116, 3));
    near(top.statistic.unwrap(), 16.267704534452854, 1e-10);
    near(top.p.unwrap(), 6.183041324518865e-07, 1e-10);
    assert!(found.plots[0].1.contains("D5M357"));
    assert!(found.plots.iter().any(|(name, _)| name == "hit_T264_D5M357.svg"));
}

#[test]
fn permutations_are_the_same_on_any_number_of_threads() {
    let Some(t) = listeria() else { return };
    let o = Options { permutations: 200, seed: 5, ..options() };
    let run =
        |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(|| scan(&t, &o).unwrap());
    let (a, b) = (run(1), run(3));
    assert_eq!(a.rows, b.rows);
    let top = a.rows.iter().filter_map(|r| r.p_permutation).fold(1.0, f64::min);
    near(top, 1.0 / 201.0, 1e-12);
    // Thresholds of one value of 130 linked markers lie between a single test and Bonferroni.
    let p = a.summary.threshold_p.unwrap();
    assert!(p > 0.05 / 130.0 * 0.7 && p < 0.01, "{p}");
    // LOD 3.3 or so is an F2's genome-wide threshold (Lander and Kruglyak 1995).
    let lod = a.summary.threshold_lod["T264"];
    assert!((2.8..4.2).contains(&lod), "{lod}");
}

/// Gaps, covariates and additive coding, beside analyses of variance of the same rows.
#[test]
fn beside_single_tests() {
    let mut r = Random::new(4, 0);
    let n = 60;
    let codes: Vec<&str> = (0..n).map(|_| ["AA", "AB", "BB", "-"][r.below(4)]).collect();
    let sex: Vec<&str> = (0..n).map(|_| ["f", "m"][r.below(2)]).collect();
    let y: Vec<Option<f64>> =
        (0..n).map(|i| (i % 7 != 0).then(|| r.normal() + if codes[i] == "BB" { 1.5 } else { 0.0 })).collect();
    let one = vec!["AA"; n];
    let texts = |v: &[&str]| -> ArrayRef { Arc::new(StringArray::from_iter_values(v)) };
    let t = RecordBatch::try_from_iter([
        ("y", Arc::new(y.iter().copied().collect::<Float64Array>()) as ArrayRef),
        ("m1", texts(&codes)),
        ("m2", texts(&one)),
        ("sex", texts(&sex)),
    ])
    .unwrap();
    let o = Options {
        values: vec!["y".into()],
        by: vec!["m*".into()],
        exclude: vec!["-".into()],
        ..Options::default()
    };
    let found = scan(&t, &o).unwrap();
    assert_eq!((found.summary.tests, found.summary.left_out), (1, 1));
    assert_eq!(found.summary.left_out_because["one genotype only"], 1);
    let group = |c: &str| (0..n).filter(|&i| codes[i] == c).filter_map(|i| y[i]).collect::<Vec<f64>>();
    let (a, b, c) = (group("AA"), group("AB"), group("BB"));
    let want = anova(&[&a, &b, &c]).unwrap();
    near(found.rows[0].statistic.unwrap(), want.statistic, 1e-10);
    near(found.rows[0].p.unwrap(), want.p, 1e-10);
    // With a covariate: the partial F of a linear model.
    let with = scan(&t, &Options { covariates: vec!["sex".into()], coding: Coding::Additive, ..o }).unwrap();
    let rows: Vec<usize> = (0..n).filter(|&i| y[i].is_some() && codes[i] != "-").collect();
    let of = |f: &dyn Fn(usize) -> f64| rows.iter().map(|&i| f(i)).collect::<Vec<f64>>();
    let dose = of(&|i| ["AA", "AB", "BB"].iter().position(|c| *c == codes[i]).unwrap() as f64);
    let sexes = crate::stats::linear::Term {
        name: "sex".into(),
        columns: vec![of(&|i| f64::from(u8::from(sex[i] == "m")))],
    };
    let want = crate::stats::linear::coefficient(&of(&|i| y[i].unwrap()), &dose, &[&sexes]).unwrap();
    near(with.rows[0].statistic.unwrap(), want.statistic.powi(2), 1e-9);
    near(with.rows[0].p.unwrap(), want.p, 1e-9);
}
