use super::*;
use crate::matrix::Random;

/// Rows as in `tests/golden/analysis.py`.
pub fn rows() -> Vec<[f64; 4]> {
    let mut random = Random::new(5, 0);
    let centres = [[0.0, 0.0, 0.0, 0.0], [6.0, 1.0, -4.0, 2.0], [-5.0, 5.0, 3.0, 0.0]];
    let mut rows = Vec::new();
    for n in 0..120 {
        let [a, b, c, d] = std::array::from_fn(|_| random.normal());
        let x = [a, 0.6 * a + 0.8 * b, c, 0.5 * d + 0.3 * c];
        rows.push(std::array::from_fn(|i| centres[n % 3][i] + x[i]));
    }
    for n in 0..6 {
        rows.push([15.0 + random.normal(), -12.0 + random.normal(), 9.0 + f64::from(n), random.normal()]);
    }
    rows
}

fn matrix(rows: &[[f64; 4]]) -> Matrix {
    let columns = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    Matrix { columns, rows: rows.len(), values: rows.concat(), notes: Vec::new() }
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../tests/golden/analysis.json")).unwrap()
}

fn list(golden: &serde_json::Value, name: &str) -> Vec<f64> {
    golden[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn distances_and_factors_are_those_of_scikit_learn() {
    let golden = golden();
    let rows = rows();
    assert_eq!(list(&golden, "first"), rows[0]);
    for (own, theirs) in local_outlier_factors(&matrix(&rows), 20).iter().zip(list(&golden, "lof")) {
        assert!((own / theirs - 1.0).abs() < 1e-9, "{own} {theirs}");
    }
    let bulk: Vec<[f64; 4]> = rows[..120].iter().step_by(3).chain(&rows[120..]).copied().collect();
    let own = mcd(&matrix(&bulk), 0).unwrap();
    let theirs = list(&golden, "mcd_squared");
    // They scale the last covariance otherwise; the same rows make the bulk.
    let factor = own.distances[0].powi(2) / theirs[0];
    for (own, theirs) in own.distances.iter().zip(theirs) {
        assert!((own * own / theirs / factor - 1.0).abs() < 1e-9, "{} {theirs}", own * own);
    }
    let mut sorted = own.distances.clone();
    sorted.sort_by(f64::total_cmp);
    assert!(sorted[39] < 5.0 && sorted[40] > 10.0, "{sorted:?}");
}

fn table(columns: &[(&str, Vec<f64>)]) -> RecordBatch {
    let columns =
        columns.iter().map(|(name, v)| (*name, Arc::new(Float64Array::from(v.clone())) as ArrayRef));
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A study of 40 samples of which one is odd: in single columns, or only in how two of them go together.
fn planted(study: u64) -> (RecordBatch, usize) {
    let mut random = Random::new(study, 1);
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); 6];
    for _ in 0..40 {
        let [a, b, c, d, e, f]: [f64; 6] = std::array::from_fn(|_| random.normal());
        let row = [10.0 + a, 3.0 * a + b, (0.3 * c).exp(), d, 100.0 + 20.0 * e, 0.9 * e + 0.3 * f];
        columns.iter_mut().zip(row).for_each(|(column, x)| column.push(x));
    }
    let odd = random.below(40);
    if study.is_multiple_of(2) {
        columns[0][odd] = 16.5;
        columns[3][odd] = -6.0;
    } else {
        // Each alone is not unusual.
        columns[4][odd] = 100.0 + 20.0 * 2.5;
        columns[5][odd] = -2.6;
    }
    let names = ["a", "b", "c", "d", "e", "f"];
    (table(&names.into_iter().zip(columns).collect::<Vec<_>>()), odd)
}

#[test]
fn planted_outliers_are_first() {
    let mut first = 0;
    let mut named = 0;
    for study in 0..200 {
        let (table, odd) = planted(study);
        let found = outliers(&table, &Options { seed: study, ..Options::default() }).unwrap().table;
        let row = found.column_by_name("row").unwrap();
        let row = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(row.as_ref()).value(0);
        if row as usize == odd + 1 {
            first += 1;
            let why = crate::table::texts(found.column_by_name("why").unwrap().as_ref())[0].clone().unwrap();
            let columns: &[&str] = if study.is_multiple_of(2) { &["a +", "d -"] } else { &["e +", "f -"] };
            named += i32::from(columns.iter().any(|c| why.contains(c)));
        }
    }
    assert!(first >= 190, "{first} of 200");
    assert!(named * 20 >= first * 19, "{named} of {first}");
}

#[test]
fn threads_and_calls_make_no_difference() {
    let (table, _) = planted(3);
    let ask = || outliers(&table, &Options::default()).unwrap().table;
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(ask);
    let four = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap().install(ask);
    assert_eq!(one, four);
    let other = outliers(&table, &Options { seed: 1, ..Options::default() }).unwrap().table;
    assert!(one != other, "the seed is used");
}

#[test]
fn awkward_columns_are_said_or_refused() {
    let n = 30;
    let normal = |seed| {
        let mut random = Random::new(seed, 0);
        (0..n).map(|_| random.normal()).collect::<Vec<f64>>()
    };
    let mut holes = normal(1);
    holes[4] = f64::NAN;
    holes[5] = f64::INFINITY;
    let base = normal(2);
    let twice: Vec<f64> = base.iter().map(|x| 2.0 * x).collect();
    let mut far = base.clone();
    far[7] = 40.0;
    let columns = [
        ("constant", vec![3.0; n]),
        ("none", vec![f64::NAN; n]),
        ("holes", holes),
        ("base", base),
        ("twice", twice),
        ("far", far),
    ];
    let found = outliers(&table(&columns), &Options::default()).unwrap();
    let said = found.notes.join("\n");
    assert!(said.contains("constant: constant") && said.contains("mostly missing: none"), "{said}");
    assert!(said.contains("2 missing values"), "{said}");
    let row = crate::table::numbers(found.table.column_by_name("row").unwrap().as_ref()).unwrap()[0];
    assert_eq!(row, 8.0);
    let why = |columns: &[(&str, Vec<f64>)]| {
        outliers(&table(columns), &Options::default()).unwrap_err().to_string()
    };
    assert!(why(&columns[..2]).starts_with("not estimable"), "{}", why(&columns[..2]));
    let said = outliers(&table(&columns), &Options { columns: vec!["bas".into()], ..Options::default() });
    assert!(said.unwrap_err().to_string().contains("did you mean \"base\"?"));
    // More columns than rows.
    let many: Vec<(String, Vec<f64>)> = (0..100).map(|c| (format!("c{c}"), normal(c + 10))).collect();
    let mut many: Vec<(&str, Vec<f64>)> = many.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
    many.iter_mut().take(30).for_each(|(_, v)| v[11] += 5.0);
    let found = outliers(&table(&many), &Options::default()).unwrap();
    let row = crate::table::numbers(found.table.column_by_name("row").unwrap().as_ref()).unwrap()[0];
    assert_eq!((row, found.notes.len()), (12.0, 1), "{:?}", found.notes);
}

#[test]
fn the_tree_finds_the_nearest() {
    let mut random = Random::new(9, 0);
    let rows: Vec<[f64; 4]> =
        (0..500).map(|n| std::array::from_fn(|_| if n % 5 == 0 { 1.0 } else { random.normal() })).collect();
    let points = matrix(&rows);
    let tree = KdTree::new(&points);
    for row in [0, 1, 77, 499] {
        let mut all: Vec<(f64, u32)> = (0..500)
            .filter(|other| *other != row)
            .map(|other| (crate::matrix::squared_distance(points.row(row), points.row(other)), other as u32))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        assert_eq!(tree.nearest(row, 12), all[..12]);
    }
}
