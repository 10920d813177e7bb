//! Comparisons of whole tables.

use super::*;
use crate::stats::means::tests::near;
use arrow::array::{ArrayRef, Float64Array, StringArray};
use std::sync::Arc;

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn real(v: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(v))
}

fn text(v: Vec<String>) -> ArrayRef {
    Arc::new(StringArray::from(v))
}

fn options(value: &str, by: &str) -> Options {
    Options { values: vec![value.into()], by: vec![by.into()], resamples: 499, ..Options::default() }
}

fn row<'a>(c: &'a Comparison, test: &str) -> &'a TestRow {
    c.tests.iter().find(|t| t.test == test).unwrap_or_else(|| panic!("no {test}"))
}

/// Published table of cells in replicates under two conditions, where it lies beside the project.
fn superplots() -> Option<RecordBatch> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/superplots/tidy.csv");
    let all = std::fs::read_to_string(path).ok()?;
    let rows: Vec<Vec<String>> =
        all.lines().skip(1).map(|l| l.split(',').map(|c| c.trim_matches('"').to_owned()).collect()).collect();
    let column = |k: usize| rows.iter().map(|r| r[k].clone()).collect::<Vec<_>>();
    Some(table(vec![
        ("Replicate", text(column(1))),
        ("Condition", text(column(2))),
        ("Speed", real(rows.iter().map(|r| r[3].parse().unwrap()).collect())),
    ]))
}

#[test]
fn superplots_tell_the_three_answers() {
    let Some(t) = superplots() else { return };
    let mut o = options("Speed", "Condition");
    assert_eq!(compare(&t, &o).unwrap_err().to_string(), design::UNIT_UNKNOWN);
    assert_eq!(compare(&t, &o).unwrap_err().exit_code(), 2);
    o.pair_by = Some("Replicate".into());
    let c = compare(&t, &o).unwrap();
    let chosen: Vec<&TestRow> = c.tests.iter().filter(|t| t.chosen).collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].test, "paired-t");
    near(chosen[0].p.unwrap(), 0.014638752938521462, 1e-9);
    near(row(&c, "welch").p.unwrap(), 0.26951439354631473, 1e-9);
    near(row(&c, "welch-pooled").p.unwrap(), 2.1453736022799533e-16, 1e-9);
    assert!(row(&c, "welch-pooled").note.contains("too small"));
    assert!((row(&c, "mixed").p.unwrap() - 0.0146).abs() < 2e-4);
    assert_eq!((chosen[0].n_units, chosen[0].n_objects), (6, 300));
    assert!(
        chosen[0].sentence.contains("Speed is higher in Control than in Drug by 9.987"),
        "{}",
        chosen[0].sentence
    );
    // The unit alone: Welch on the means, with a hint at the pairs.
    o.pair_by = None;
    o.unit = Some("Replicate".into());
    let c = compare(&t, &o).unwrap();
    assert!(row(&c, "welch").chosen && row(&c, "welch").note.contains("--pair-by Replicate"));
    // Independence that is assumed is said.
    o.unit = None;
    o.assume_independent = true;
    let c = compare(&t, &o).unwrap();
    near(row(&c, "welch").p.unwrap(), 2.1453736022799533e-16, 1e-9);
    assert!(c.remarks.iter().any(|r| r.contains("--assume-independent")));
    let dir = tempfile::tempdir().unwrap();
    c.write(dir.path()).unwrap();
    for name in ["tests.csv", "pairs.csv", "groups.csv", "checks.csv", "report.md", "Speed.box.svg"] {
        assert!(dir.path().join(name).exists(), "{name}");
    }
    let head = std::fs::read_to_string(dir.path().join("tests.csv")).unwrap();
    assert!(head.starts_with("value,by,test,chosen,n_units,n_objects,statistic,df1,df2,p,p_adjusted,estimate,low,high,effect,effect_name,effect_low,effect_high,note"));
}

/// Groups of one, constants, gaps everywhere, perfect separation: a reason, and no p.
#[test]
fn what_cannot_be_estimated_says_so() {
    let groups = |g: &[&str]| text(g.iter().map(|s| (*s).to_owned()).collect());
    let sample = |n: usize| text((0..n).map(|i| format!("s{i}")).collect());
    let nan = f64::NAN;
    for (values, by, want) in [
        (vec![1.0, 2.0, 3.0], vec!["a", "a", "b"], "\"b\" has 1 unit"),
        (vec![2.0; 4], vec!["a", "a", "b", "b"], "same value"),
        (vec![1.0, 1.0, 2.0, 2.0], vec!["a", "a", "b", "b"], "no group varies"),
        (vec![nan; 4], vec!["a", "a", "b", "b"], "no unit has a value"),
        (vec![1.0, 2.0, nan, nan], vec!["a", "a", "b", "b"], "only \"a\" has values"),
        (vec![1.0, 2.0, 3.0, 3.0, 4.0, 9.0], vec!["a", "a", "b", "b", "c", "c"], "\"b\" doesn't vary"),
    ] {
        let t = table(vec![("v", real(values.clone())), ("g", groups(&by)), ("sample", sample(by.len()))]);
        let c = compare(&t, &options("v", "g")).unwrap();
        let chosen = c.tests.iter().find(|t| t.chosen).unwrap();
        assert!(chosen.p.is_none() && chosen.note.starts_with("not estimable: "), "{chosen:?}");
        assert!(chosen.note.contains(want), "{} for {want}", chosen.note);
        assert!(chosen.sentence.contains("not estimable"), "{}", chosen.sentence);
        assert!(!c.report().contains("NaN"));
    }
    let t = table(vec![("v", real(vec![1.0, 2.0])), ("g", groups(&["a", "a"])), ("sample", sample(2))]);
    assert!(compare(&t, &options("v", "g")).unwrap_err().to_string().contains("one group only"));
    assert!(compare(&t, &options("w", "g")).unwrap_err().to_string().contains("did you mean"));
}

/// Simulated studies without any difference: three to nine samples a group, of three to forty objects each, samples
/// varying more than objects. The default test is wrong as often as it says; pooled objects are wrong most of the time.
#[test]
fn nested_nulls_are_found_as_often_as_alpha_says() {
    use crate::matrix::Random;
    let draws = 2000;
    let found: Vec<[bool; 2]> = (0..draws)
        .into_par_iter()
        .map(|d| {
            let mut r = Random::new(20, d);
            let per_group = 5 + r.below(5);
            let (mut v, mut g, mut s) = (vec![], vec![], vec![]);
            for unit in 0..2 * per_group {
                let centre = 10.0 + r.normal();
                for _ in 0..3 + r.below(38) {
                    v.push(centre + 0.7 * r.normal());
                    g.push(["a", "b"][unit % 2].to_owned());
                    s.push(format!("s{unit}"));
                }
            }
            let t = table(vec![("v", real(v.clone())), ("g", text(g)), ("sample", text(s))]);
            let o = Options { resamples: 1, ..options("v", "g") };
            let design = Design::new(&t, &o).unwrap();
            let value = Value::new("v", "", &v, &design, &o);
            let p = chosen_p(&value, &[0, 1]).unwrap();
            if d == 0 {
                let c = compare(&t, &o).unwrap();
                assert_eq!(row(&c, "welch").p, Some(p));
                assert!(row(&c, "welch").chosen);
            }
            let pooled = crate::stats::means::welch(&value.pooled(0), &value.pooled(1)).unwrap();
            [p < 0.05, pooled.p < 0.05]
        })
        .collect();
    let share = |k: usize| found.iter().filter(|f| f[k]).count() as f64 / draws as f64;
    assert!((0.04..=0.06).contains(&share(0)), "{}", share(0));
    assert!(share(1) > 0.4, "{}", share(1));
}

#[test]
fn several_groups_covariates_and_classes() {
    use crate::stats::tests::PLANTS;
    let v: Vec<f64> = PLANTS.concat();
    let g: Vec<String> = (0..30).map(|i| ["ctrl", "trt1", "trt2"][i / 10].to_owned()).collect();
    let s: Vec<String> = (0..30).map(|i| format!("s{i}")).collect();
    let size: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 11)).collect();
    let class: Vec<String> =
        (0..30).map(|i| if i % 10 < [2, 5, 9][i / 10] { "round" } else { "long" }.to_owned()).collect();
    let t = table(vec![
        ("weight", real(v)),
        ("group", text(g)),
        ("sample", text(s)),
        ("size", real(size)),
        ("shape", text(class)),
    ]);
    let c = compare(&t, &options("weight", "group")).unwrap();
    near(row(&c, "anova").p.unwrap(), 0.015909958325622912, 1e-9);
    assert!(row(&c, "welch-anova").chosen);
    near(row(&c, "welch-anova").p.unwrap(), 0.017392821490169935, 1e-9);
    near(row(&c, "anova").effect.unwrap(), 0.264_148_3, 1e-6);
    assert_eq!(c.pairs.len(), 9);
    let c = compare(&t, &Options { covariates: vec!["size".into()], ..options("weight", "group") }).unwrap();
    assert!(row(&c, "ancova").chosen && row(&c, "ancova").df2 == Some(26.0));
    let c = compare(&t, &options("shape", "group")).unwrap();
    assert_eq!(row(&c, "chi-square").df1, Some(2.0));
    assert!(c.tests.iter().filter(|t| t.chosen).count() == 1);
    let c = compare(&t, &options("weight", "size")).unwrap();
    assert!(row(&c, "regression").chosen);
    near(row(&c, "pearson").p.unwrap(), row(&c, "regression").p.unwrap(), 1e-9);
    let c =
        compare(&t, &Options { by: vec!["group".into(), "shape".into()], ..options("weight", "") }).unwrap();
    assert_eq!(
        c.tests.iter().filter(|t| t.chosen).map(|t| t.by.as_str()).collect::<Vec<_>>(),
        ["group", "shape", "group:shape"]
    );
}
