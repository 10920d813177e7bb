use super::*;
use crate::table::write::write;
use crate::table::{numbers, study_tables, texts};
use arrow::array::{BooleanArray, Float64Array, Int64Array};

/// A folder of results: objects with volumes, and the table of the image.
fn results(folder: &Path, volumes: &[f64], unit: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("provenance.toml"), "").unwrap();
    let n = volumes.len() as i64;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(1..=n)),
        Arc::new(Float64Array::from(volumes.to_vec())),
        Arc::new((0..n).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>()),
    ];
    let unit = [("unit".to_owned(), unit.to_owned()), ("description".to_owned(), "Size.".to_owned())];
    let fields = vec![
        Field::new("label", DataType::Int64, false),
        Field::new("volume", DataType::Float64, false).with_metadata(unit.clone().into()),
        Field::new("touches_border", DataType::Boolean, false),
    ];
    write(
        &folder.join("objects.parquet"),
        &RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap(),
    )
    .unwrap();
    let total = Field::new("total_volume", DataType::Float64, false).with_metadata(unit.into());
    let image = RecordBatch::try_new(
        Arc::new(Schema::new(vec![total])),
        vec![Arc::new(Float64Array::from(vec![50.0]))],
    );
    write(&folder.join("image.parquet"), &image.unwrap()).unwrap();
}

#[test]
fn results_become_tables_over_all_samples() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    results(&at.join("m1"), &[1.0, 4.0, f64::NAN, 2.0], "mm³");
    results(&at.join("m2"), &[5.0], "mm³");
    let given: ArrayRef = Arc::new(StringArray::from(vec!["ko", "wt", "wt"]));
    let mut rows = Vec::new();
    for sample in ["m1", "m2"] {
        add(at, sample, &at.join(sample)).unwrap();
        assert!(has(at, sample, &at.join(sample)).unwrap());
        rows.push(Row::done(sample, &at.join(sample)).unwrap());
    }
    rows.push(Row { sample: "m3".into(), status: Status::Failed("m3.tif: no".into()), figures: Vec::new() });
    let samples = Samples { given: Some(RecordBatch::try_from_iter([("group", given)]).unwrap()), rows };
    samples.write(at).unwrap();
    write_csv(at).unwrap();
    let tables = study_tables(at).unwrap().unwrap();
    let names: Vec<(&str, usize)> = tables.iter().map(|t| (t.name.as_str(), t.files.len())).collect();
    assert_eq!(names, [("samples", 1), ("image", 2), ("objects", 2)]);

    let objects = crate::table::read(&tables[2], None).unwrap().batch;
    assert_eq!(texts(objects.column(0).as_ref())[3..], [Some("m1".into()), Some("m2".into())]);
    assert_eq!(objects.column_by_name("volume").unwrap().null_count(), 1);
    assert_eq!(std::fs::read_to_string(at.join("objects.csv")).unwrap().lines().count(), 6);
    let table = crate::table::read(&tables[0], None).unwrap().batch;
    let column = |name: &str| numbers(table.column_by_name(name).unwrap().as_ref()).unwrap();
    let text = |name: &str| texts(table.column_by_name(name).unwrap().as_ref());
    assert_eq!(text("status"), ["done", "done", "failed"].map(|s| Some(s.to_owned())));
    assert_eq!((text("group")[0].as_deref(), text("error")[2].as_deref()), (Some("ko"), Some("m3.tif: no")));
    assert_eq!(column("objects_count")[..2], [4.0, 1.0]);
    assert_eq!(
        (column("volume_median")[0], column("volume_sum")[0], column("volume_mean")[1]),
        (2.0, 7.0, 5.0)
    );
    assert!(
        (column("volume_sd")[0] - 1.527_525_231_651_946_7).abs() < 1e-15 && column("volume_sd")[1].is_nan()
    );
    assert_eq!((column("touches_border_share")[0], column("objects_density")[0]), (0.5, 0.08));
    assert!(column("volume_mean")[2].is_nan());
    let unit = table.schema().field_with_name("volume_mean").unwrap().metadata()["unit"].clone();
    assert_eq!(unit, "mm³");
    let earlier = Samples::earlier(at);
    assert_eq!(earlier.len(), 2);
    let same = Samples {
        rows: vec![Row { figures: earlier["m1"].clone(), ..samples.rows[0].clone() }],
        given: None,
    };
    let again = Samples { rows: vec![samples.rows[0].clone()], given: None };
    assert_eq!(same.table().unwrap(), again.table().unwrap());

    assert_eq!(keep_only(at, &["m2".to_owned()].into()).unwrap(), 2);
    assert!(!has(at, "m1", &at.join("m1")).unwrap() && has(at, "m2", &at.join("m2")).unwrap());
}

#[test]
fn units_that_differ_and_names_that_clash_are_met() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    results(&at.join("a"), &[1.0], "mm³");
    results(&at.join("b"), &[1.0], "µm³");
    let rows: Vec<Row> = ["a", "b"].map(|s| Row::done(s, &at.join(s)).unwrap()).into();
    let said = Samples { given: None, rows: rows.clone() }.table().unwrap_err().to_string();
    assert!(said.contains("total_volume of sample \"b\" is in \"µm³\", that of others in \"mm³\""), "{said}");
    let own: ArrayRef = Arc::new(Float64Array::from(vec![7.0]));
    let given = RecordBatch::try_from_iter([("volume_mean", own.clone()), ("total_volume", own)]).unwrap();
    let table = Samples { given: Some(given), rows: rows[..1].to_vec() }.table().unwrap();
    assert_eq!(numbers(table.column_by_name("volume_mean").unwrap().as_ref()).unwrap(), [7.0]);
    assert_eq!(numbers(table.column_by_name("objects_volume_mean").unwrap().as_ref()).unwrap(), [1.0]);
    assert_eq!(numbers(table.column_by_name("image_total_volume").unwrap().as_ref()).unwrap(), [50.0]);
    for name in ["objects", "Samples", "objects.csv", "a/b", "..", "", "a:b", "x."] {
        assert!(check_name(name).is_err(), "{name}");
    }
    for name in ["m1", "scan.1-2", "Käfer 3", "object", "objects2"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
}
