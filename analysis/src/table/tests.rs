use super::*;
use crate::table::write::write as write_table;
use arrow::datatypes::Int64Type;
use std::path::PathBuf;

fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn read_all(path: &Path) -> Result<Read> {
    let named = tables(path)?;
    assert_eq!(named.len(), 1);
    read(&named[0], None)
}

#[test]
fn columns_get_the_type_of_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{feff}id,group,length,count,ok,day,code\r\n1,ko,1.5,3,true,2024-02-29,007\r\n\
                2,-,NA,4,false,,012\r\n3,\"w,t\",1e-3,,TRUE,2024-03-01,1\r\n";
    let read = read_all(&file(folder.path(), "a.csv", text)).unwrap();
    let types: Vec<DataType> = read.batch.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    use DataType::{Boolean, Date32, Float64, Int64, Utf8};
    assert_eq!(types, [Int64, Utf8, Float64, Int64, Boolean, Date32, Utf8]);
    assert_eq!(texts(read.batch.column(1).as_ref()), [Some("ko".into()), None, Some("w,t".into())]);
    assert_eq!(numbers(read.batch.column(2).as_ref()).unwrap()[2], 1e-3);
    assert_eq!(texts(read.batch.column(5).as_ref())[0].as_deref(), Some("2024-02-29"));
    let said = read.notes.join("\n");
    assert!(said.contains("missing values: 1 in group, 1 in length, 1 in count, 1 in day"), "{said}");
    assert!(!said.contains("code"), "names with leading zeros are no slip: {said}");
}

#[test]
fn flags_and_dates_are_known_in_long_tables() {
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..3000).map(|i| format!("{},2024-02-29,word\n", i % 3 == 0)).collect();
    let read = read_all(&file(folder.path(), "a.csv", format!("ok,day,text\n{rows}"))).unwrap();
    let types: Vec<DataType> = read.batch.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    assert_eq!(types, [DataType::Boolean, DataType::Date32, DataType::Utf8]);
}

#[test]
fn semicolons_tabs_and_decimal_commas_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.csv", "x;y\n1,5;1,234\n2;-3,25\n"),
        ("a.tsv", "x\ty\n1.5\t1.234\n2\t-3.25\n"),
        ("a.txt", "x\ty\n\"1.5\"\t1.234\n2\t-3.25\n"),
        ("b.csv", "x,y\n\"1,5\",\"1,234\"\n2,\"-3,25\"\n"),
    ] {
        let read = read_all(&file(folder.path(), name, text)).unwrap();
        assert_eq!(numbers(read.batch.column(0).as_ref()).unwrap(), [1.5, 2.0], "{name}");
        assert_eq!(numbers(read.batch.column(1).as_ref()).unwrap(), [1.234, -3.25], "{name}");
        assert_eq!(read.notes.iter().any(|n| n.contains("decimal commas")), text.contains("1,5"), "{name}");
    }
}

#[test]
fn bad_tables_get_one_sentence_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (name, bytes, expected) in [
        ("ragged.csv", &b"a,b\n1,2\n3\n"[..], "ragged.csv, line 3: 1 field, but the header has 2"),
        ("more.csv", b"a,b\n1,2,3\n", "line 2: 3 fields, but the header has 2 (row names without"),
        ("open.csv", b"a,b\n1,2\n\"3,4\n5,6\n", "line 3: 1 field, but the header has 2 (a quote may"),
        ("twice.csv", b"a,b,a\n1,2,3\n", "line 1: the columns 1 and 3 are both called \"a\""),
        ("latin.csv", b"a,b\n1,2\n3,M\xfcll\n", "line 3: the byte 0xfc is no UTF-8"),
        ("wide.csv", b"\xff\xfea\0,\0b\0\n\0", "is UTF-16"),
        ("binary.csv", b"\0\x01\x02\x03", "is no text"),
        ("empty.csv", b"", "is empty"),
        (
            "thousand.csv",
            b"a,b\n1,\"1,234\"\n2,\"5,678\"\n",
            "line 2: column b: \"1,234\" may be a decimal or thousands",
        ),
        ("image.tif", b"II", "is no table"),
        ("none.parquet", b"PAR1 but no more", "none.parquet: is no whole Parquet table"),
    ] {
        let said = read_all(&file(at, name, bytes)).unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains(name), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = read_all(&at.join("nowhere.csv")).unwrap_err().to_string();
    assert!(said.contains("nowhere.csv: there is no such file"), "{said}");
}

#[test]
fn a_column_that_is_nearly_numbers_names_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let read = read_all(&file(folder.path(), "a.csv", "x,y\n1,a\n2,b\noops,c\n3,d\n")).unwrap();
    assert_eq!(read.notes.len(), 1);
    assert!(read.notes[0].ends_with("x is text, because of \"oops\" in line 4"), "{:?}", read.notes);
}

#[test]
fn ten_thousand_columns_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let row = |k: usize| (0..10_000).map(|n| (n * k).to_string()).collect::<Vec<_>>().join(",");
    let text = format!("{}\n{}\n{}\n", names.join(","), row(1), row(2));
    let read = read_all(&file(folder.path(), "wide.csv", text)).unwrap();
    assert_eq!((read.batch.num_columns(), read.batch.num_rows()), (10_000, 2));
    assert_eq!(read.batch.column(9_999).as_primitive::<Int64Type>().value(1), 19_998);
}

#[test]
fn parquet_has_nan_as_missing_and_is_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let values: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 3.0]));
    let labels: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1, 2, 3]));
    write_table(&path, &RecordBatch::try_from_iter([("label", labels), ("x", values)]).unwrap()).unwrap();
    let read = read_all(&path).unwrap();
    assert_eq!(read.batch.column(1).null_count(), 1);
    assert_eq!(read.notes, ["a: missing values: 1 in x"]);
    let named = tables(&path).unwrap();
    let chosen = super::read(&named[0], Some(&["x".into(), "label".into()])).unwrap().batch;
    assert_eq!(
        chosen.schema().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(),
        ["x", "label"]
    );
    let said = super::read(&named[0], Some(&["labl".into()])).unwrap_err().to_string();
    assert!(said.ends_with("there is no column \"labl\"; did you mean \"label\"?"), "{said}");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [4, bytes.len() / 2, bytes.len() - 1] {
        let said = read_all(&file(folder.path(), "cut.parquet", &bytes[..cut])).unwrap_err().to_string();
        assert!(said.contains("cut.parquet: is no whole Parquet table; it may be cut short"), "{said}");
    }
}

#[test]
fn folders_and_patterns_are_one_table_and_what_differs_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    file(at, "s1.csv", "a,b\n1,x\n2,y\n");
    file(at, "s2.csv", "b,a,c\nz,3.5,1\n");
    file(at, "s1.units.csv", "column,unit,description\na,mm,\n");
    for path in [at.to_owned(), at.join("s?.csv")] {
        let read = read_all(&path).unwrap();
        assert_eq!(numbers(read.batch.column(0).as_ref()).unwrap(), [1.0, 2.0, 3.5]);
        assert_eq!(read.batch.column(2).null_count(), 2);
    }
    assert_eq!(tables(&at.join("s?.csv")).unwrap()[0].files.len(), 2);
    file(at, "s3.csv", "a\nword\n");
    let said = read_all(at).unwrap_err().to_string();
    assert!(
        said.contains("s3.csv: column a holds text, that of") && said.contains("s1.csv numbers"),
        "{said}"
    );
    let named = with(&format!("geno={}", at.join("s1.csv").display())).unwrap();
    assert_eq!(named.name, "geno");
    assert!(with("geno").is_err() && with("a=nowhere").is_err());
    assert_eq!(named::name(Path::new("x/My Data-2.csv")), "my_data_2");
    assert_eq!(named::name(Path::new("7.csv")), "t_7");
}

#[test]
fn tables_are_joined_by_names() {
    let batch = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        read_all(&file(folder.path(), "a.csv", text)).unwrap().batch
    };
    let objects = batch("sample,volume\na,1\nb,2\nc,3\na,4\n");
    let (joined, lost) = join(&objects, &batch("sample,group,volume\na,ko,9\nb,wt,9\n"), "sample").unwrap();
    assert_eq!(lost, 1);
    assert_eq!(
        texts(joined.column(2).as_ref()),
        [Some("ko".into()), Some("wt".into()), None, Some("ko".into())]
    );
    assert_eq!(numbers(joined.column(1).as_ref()).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    let said = join(&objects, &batch("sample,g\na,1\na,2\n"), "sample").unwrap_err().to_string();
    assert!(said.contains("rows 1 and 2 of the second table both have sample = \"a\""), "{said}");
    assert!(join(&objects, &objects, "smple").unwrap_err().to_string().contains("did you mean \"sample\"?"));
}

#[test]
fn answers_are_written_so_that_they_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let text: ArrayRef = Arc::new(arrow::array::StringArray::from(vec![Some("a,\"b\""), None]));
    let real: ArrayRef = Arc::new(Float64Array::from(vec![0.1, f64::INFINITY]));
    let batch = RecordBatch::try_from_iter([("t", text), ("x", real)]).unwrap();
    for name in ["a.csv", "a.parquet"] {
        write_table(&folder.path().join(name), &batch).unwrap();
        let read = read_all(&folder.path().join(name)).unwrap().batch;
        assert_eq!(numbers(read.column(1).as_ref()).unwrap(), [0.1, f64::INFINITY], "{name}");
        assert_eq!(texts(read.column(0).as_ref()), [Some("a,\"b\"".into()), None], "{name}");
    }
    write_table(&folder.path().join("a.json"), &batch).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("a.json")).unwrap()).unwrap();
    assert_eq!(json, serde_json::json!([{"t": "a,\"b\"", "x": 0.1}, {"t": null, "x": null}]));
    assert!(write_table(&folder.path().join("a.xlsx"), &batch).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}
