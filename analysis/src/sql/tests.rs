use super::*;
use crate::matrix::Random;
use crate::table::write::write;
use crate::table::{numbers, tables, texts};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

/// Eight files of objects with values over 30 binades, and a table of samples.
fn study(folder: &Path, rows: usize) {
    std::fs::create_dir_all(folder.join("objects")).unwrap();
    let mut random = Random::new(1, 0);
    for file in 0..8 {
        let sample = format!("s{file}");
        let name: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&sample, rows)));
        let label: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=rows as i64));
        let kind: ArrayRef =
            Arc::new(Int64Array::from_iter_values((0..rows).map(|_| random.below(rows * 3) as i64)));
        let value =
            |n: usize| if n % 97 == 5 { f64::NAN } else { random.normal() * (random.unit() * 20.0).exp2() };
        let volume: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(value)));
        let unit = [("unit".to_owned(), "µm³".to_owned())].into();
        let fields = vec![
            Field::new("sample", DataType::Utf8, true),
            Field::new("label", DataType::Int64, false),
            Field::new("kind", DataType::Int64, true),
            Field::new("volume", DataType::Float64, false).with_metadata(unit),
        ];
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![name, label, kind, volume]).unwrap();
        write(&folder.join(format!("objects/{sample}.parquet")), &batch).unwrap();
    }
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..8).map(|n| format!("s{n}"))));
    let group: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..8).map(|n| if n % 2 == 0 { "ko" } else { "wt" })));
    write(
        &folder.join("samples.csv"),
        &RecordBatch::try_from_iter([("sample", names), ("genotype", group)]).unwrap(),
    )
    .unwrap();
}

fn session(folder: &Path, threads: usize) -> Session {
    Session::new(&tables(folder).unwrap(), &Options { threads, ..Options::default() }).unwrap()
}

#[test]
fn answers_are_the_same_for_one_thread_and_four() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), 20_000);
    let (one, four) = (session(folder.path(), 1), session(folder.path(), 4));
    for question in [
        "select sum(volume), avg(volume), stddev(volume), var_pop(volume), count(volume), count(*) from objects",
        "select sample, sum(volume) as s, avg(volume), stddev(volume), median(volume) from objects group by sample",
        "select kind, sum(volume), avg(volume), count(*) from objects group by kind",
        "select genotype, avg(o.volume), stddev(o.volume) from objects o join samples s on o.sample = s.sample group by genotype",
        "select * from objects where volume > 1e3 limit 100",
        "select distinct kind from objects limit 7",
        "select sample, label from objects order by kind limit 50",
        "with m as (select sample, avg(volume) as v from objects group by sample) select max(v), sum(v) from m",
    ] {
        let expected = one.answer(question).unwrap();
        assert!(expected.num_rows() > 0, "{question}");
        for _ in 0..3 {
            assert_eq!(four.answer(question).unwrap(), expected, "{question}");
        }
    }
}

#[test]
fn sums_are_right_and_nan_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), 1000);
    let session = session(folder.path(), 2);
    let all = session.answer("select volume from objects where volume is not null").unwrap();
    let values = numbers(all.column(0).as_ref()).unwrap();
    assert_eq!(values.len(), 8 * (1000 - 11));
    assert_eq!(all.schema().field(0).metadata()["unit"], "µm³", "units go with their columns");
    let mut exact = ExactSum::default();
    values.iter().for_each(|v| exact.add(*v));
    let n = values.len() as f64;
    let mean = exact.value() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let answer = session
        .answer("select sum(volume), avg(volume), var_samp(volume), stddev_pop(volume), count(*) - count(volume) from objects")
        .unwrap();
    let figure = |at: usize| numbers(answer.column(at).as_ref()).unwrap()[0];
    assert_eq!((figure(0), figure(1), figure(4)), (exact.value(), mean, 88.0));
    assert!((figure(2) / (squares / (n - 1.0)) - 1.0).abs() < 1e-12);
    assert!((figure(3) / (squares / n).sqrt() - 1.0).abs() < 1e-12);
    // Values that lie close together, far from 0.
    let spread = session.answer("select var_pop(1e9 + label % 2) from objects").unwrap();
    assert_eq!(numbers(spread.column(0).as_ref()).unwrap()[0], 0.25);
    let none = session
        .answer("select sum(volume), avg(volume), stddev(volume) from objects where label < 0")
        .unwrap();
    assert!((0..3).all(|c| none.column(c).is_null(0)));
    let sums = session.answer("select sum(label), avg(label) from objects").unwrap();
    assert_eq!(
        (numbers(sums.column(0).as_ref()).unwrap()[0], numbers(sums.column(1).as_ref()).unwrap()[0]),
        (4_004_000.0, 500.5)
    );
}

#[test]
fn text_tables_are_asked_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("My mice.csv");
    std::fs::write(&path, "Id;Length;Sex\n1;7,5;f\n2;-;m\n3;8,5;f\n").unwrap();
    let session = Session::new(&tables(&path).unwrap(), &Options::default()).unwrap();
    for table in ["t", "my_mice"] {
        let answer =
            session.answer(&format!("select Sex, AVG(Length) as l from {table} group by Sex")).unwrap();
        assert_eq!(texts(answer.column(0).as_ref()), [Some("f".into()), Some("m".into())]);
        assert_eq!(numbers(answer.column(1).as_ref()).unwrap()[0], 8.0);
    }
    assert!(session.notes().iter().any(|n| n.contains("1 in Length")), "{:?}", session.notes());
    assert_eq!(session.tables().iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["my_mice", "t"]);
    let said = session.answer("select sex from t").unwrap_err().to_string();
    assert!(said.contains("Sex"), "{said}");
}

#[test]
fn nothing_is_written_and_no_other_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), 10);
    let session = session(folder.path(), 1);
    let other = folder.path().join("objects/s0.parquet");
    for question in [
        "create table x as select 1".to_owned(),
        "drop table objects".to_owned(),
        "insert into samples values ('a', 'b')".to_owned(),
        "delete from samples".to_owned(),
        format!("copy objects to '{}/x.csv'", folder.path().display()),
        "set datafusion.execution.batch_size = 1".to_owned(),
        format!("create external table x stored as parquet location '{}'", other.display()),
        format!("select * from '{}'", other.display()),
        "select 1; select 2".to_owned(),
    ] {
        let error = session.answer(&question).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{question}: {error}");
    }
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["objects", "samples.csv"]);
}

#[test]
fn errors_are_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), 10);
    let session = session(folder.path(), 1);
    for (question, place, words) in [
        ("select volum from objects", "select volum from objects\n         ^", "volum"),
        ("select sample,\n  smple from objects", "line 2, column 3", "smple"),
        ("select * from object", "object", "object"),
        ("selct volume from objects", "line 1, column 1", "an SQL statement"),
        ("select volume from objects where", "", "expression"),
        ("select nosuch(volume) from objects", "", "nosuch"),
        ("select approx_median(volume) from objects", "", "approx_median"),
    ] {
        let error = session.answer(question).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, Error::Usage(_)), "{said}");
        assert!(
            said.contains(place) && said.to_lowercase().contains(&words.to_lowercase()),
            "{question}:\n{said}"
        );
        assert!(said.len() < 400, "{said}");
    }
}

#[test]
fn large_sorts_spill_and_stay_within_memory() {
    let folder = tempfile::tempdir().unwrap();
    study(folder.path(), 60_000);
    let spill = tempfile::tempdir().unwrap();
    let options = Options { memory: 48 << 20, threads: 2, spill: Some(spill.path().to_owned()) };
    let session = Session::new(&tables(folder.path()).unwrap(), &options).unwrap();
    let mut last = f64::NEG_INFINITY;
    let mut rows = 0;
    session
        .ask(
            "select volume, label, sample, kind from objects where volume is not null order by volume",
            |_| Ok(()),
            |batch| {
                for v in numbers(batch.column(0).as_ref()).unwrap() {
                    assert!(v >= last);
                    last = v;
                }
                rows += batch.num_rows();
                Ok(())
            },
        )
        .unwrap();
    assert!(rows > 470_000, "{rows}");
    drop(session);
    assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0);
}
