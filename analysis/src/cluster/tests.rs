use super::*;
use crate::matrix::Random;

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../tests/golden/analysis.json")).unwrap()
}

fn list(golden: &serde_json::Value, name: &str) -> Vec<f64> {
    golden[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Rows as in `tests/golden/analysis.py`.
fn rows() -> RecordBatch {
    let mut random = Random::new(5, 0);
    let centres = [[0.0, 0.0, 0.0, 0.0], [6.0, 1.0, -4.0, 2.0], [-5.0, 5.0, 3.0, 0.0]];
    let mut columns = vec![Vec::new(); 4];
    let mut push = |row: [f64; 4]| columns.iter_mut().zip(row).for_each(|(c, x)| c.push(x));
    for n in 0..120 {
        let [a, b, c, d] = std::array::from_fn(|_| random.normal());
        let x = [a, 0.6 * a + 0.8 * b, c, 0.5 * d + 0.3 * c];
        push(std::array::from_fn(|i| centres[n % 3][i] + x[i]));
    }
    for n in 0..6 {
        push([15.0 + random.normal(), -12.0 + random.normal(), 9.0 + f64::from(n), random.normal()]);
    }
    let columns = columns.into_iter().zip(["a", "b", "c", "d"]).map(|(v, name)| (name, real(v)));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn scaled() -> Matrix {
    let matrix = Matrix::of(&rows(), &[]).unwrap();
    let (centres, scales) = matrix.scales();
    matrix.scaled(&centres, &scales)
}

#[test]
fn figures_are_those_of_scikit_learn_and_scipy() {
    let golden = golden();
    let points = scaled();
    let near = |a: f64, b: f64, within: f64| assert!((a / b - 1.0).abs() < within, "{a} {b}");
    let components = pca(&points);
    components.variances.iter().zip(list(&golden, "pca_variances")).for_each(|(a, b)| near(*a, b, 1e-10));
    components.vectors[0].iter().zip(list(&golden, "pca_first")).for_each(|(a, b)| near(a.abs(), b, 1e-10));
    let means = kmeans(&points, 4, 0);
    near(means.inertia, golden["kmeans_inertia"].as_f64().unwrap(), 1e-10);
    let sizes: Vec<f64> = by_size(&means.labels).1.iter().map(|n| *n as f64).collect();
    assert_eq!(sizes, list(&golden, "kmeans_sizes"));
    let found = mixture(&points, 4, 0).unwrap();
    near(found.log_likelihood, golden["gmm_log_likelihood"].as_f64().unwrap(), 1e-6);
    near(found.bic, golden["gmm_bic"].as_f64().unwrap(), 1e-6);
    let merges = ward(&points).unwrap();
    merges.iter().zip(list(&golden, "ward_heights")).for_each(|(m, b)| near(m.height, b, 1e-9));
    assert_eq!((merges.len(), merges[124].rows), (125, 126));
}

#[test]
fn every_method_finds_the_groups_and_threads_make_no_difference() {
    let table = rows();
    for method in [Method::Kmeans, Method::Gmm, Method::Hierarchical] {
        let ask = || cluster(&table, &Options { method, k: 4, ..Options::default() }).unwrap();
        let found = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(ask);
        let again = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap().install(ask);
        assert_eq!((&found.table, &found.loadings), (&again.table, &again.loadings));
        let groups = crate::table::numbers(found.table.column_by_name("cluster").unwrap().as_ref()).unwrap();
        for (n, group) in groups.iter().enumerate() {
            let expected = if n < 120 { (n % 3 + 1) as f64 } else { 4.0 };
            assert_eq!(*group, expected, "{method:?} {n}");
        }
        // Centres are in the columns' own units.
        let centre =
            crate::table::numbers(found.loadings.column_by_name("cluster_2").unwrap().as_ref()).unwrap();
        assert!((centre[0] - 6.0).abs() < 0.5 && (centre[2] + 4.0).abs() < 0.5, "{centre:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    cluster(&table, &Options { method: Method::Pca, k: 2, ..Options::default() })
        .unwrap()
        .write(folder.path())
        .unwrap();
    let text = std::fs::read_to_string(folder.path().join("loadings.csv")).unwrap();
    assert!(text.starts_with("column,mean,sd,PC1,PC2\r\na,"), "{text}");
}

#[test]
fn what_cant_be_estimated_is_said() {
    let table = rows().slice(0, 12);
    let ask = |method, k| cluster(&table, &Options { method, k, ..Options::default() });
    assert!(ask(Method::Gmm, 4).unwrap_err().to_string().starts_with("not estimable: 12 rows are too few"));
    assert!(ask(Method::Kmeans, 13).unwrap_err().to_string().contains("-k 13: there are 12 rows"));
    assert_eq!(ask(Method::Kmeans, 12).unwrap().loadings.num_columns(), 15);
}
