//! Studies as their users meet them: from a table of samples to tables over all, and what is asked of these.

use ndarray::Array3;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;
use tempfile::TempDir;
use voxelry_core::io::{self, WriteOptions};
use voxelry_core::{Geometry, Unit, Volume};
use voxelry_tests::program::{Csv, assert_same_files, fails, names, succeeds, text, voxelry};

const RECIPE: &str = "[[step]]\nop = \"threshold\"\nmin = 100\n[[step]]\nop = \"label\"\n\
                      [[step]]\nop = \"measure\"\ncolumns = [\"label\", \"volume\", \"touches_border\"]\n";

/// An image with cubes of these edges, in voxels of 2 µm.
fn cubes(path: &Path, edges: &[usize], unit: Unit) {
    let mut image = Array3::<u8>::zeros([12, 12, 12 * edges.len()]);
    for (n, edge) in edges.iter().enumerate() {
        for z in 0..*edge {
            for y in 0..*edge {
                for x in 0..*edge {
                    image[[z + 1, y + 1, 12 * n + x + 1]] = 200;
                }
            }
        }
    }
    let edge = if unit == Unit::Millimetre { 0.002 } else { 2.0 };
    let geometry = Geometry::from_spacing([edge; 3], unit);
    io::write_volume(path, &Volume::from(image), geometry, false, &WriteOptions::default()).unwrap();
}

fn prepared(rows: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("scans")).unwrap();
    fs::write(at.join("recipe.toml"), RECIPE).unwrap();
    cubes(&at.join("scans/a.nii"), &[3, 4, 5], Unit::Micrometre);
    cubes(&at.join("scans/b.nii"), &[5, 6], Unit::Millimetre);
    cubes(&at.join("scans/c.nii"), &[2], Unit::Micrometre);
    fs::write(at.join("scans/samples.csv"), rows.join("\n") + "\n").unwrap();
    folder
}

const RUN: &str = "run -r recipe.toml --samples scans/samples.csv --out study";

/// When each file was written.
fn times(folder: &Path) -> BTreeMap<String, SystemTime> {
    names(folder)
        .into_iter()
        .filter_map(|name| Some((name.clone(), fs::metadata(folder.join(name)).ok()?.modified().ok()?)))
        .collect()
}

#[test]
fn a_table_of_samples_becomes_a_study_that_goes_on() {
    let folder = prepared(&[
        "image,sample,genotype,day",
        "a.nii,m1,ko,1",
        "b.nii,m2,wt,-",
        "gone.nii,m3,wt,2",
        "c.nii,,ko,3",
    ]);
    let at = folder.path();
    let said = fails(at, RUN, 1);
    assert!(said.ends_with("study: 1 of 4 samples failed; samples.csv says why"), "{said}");
    let study = at.join("study");
    for name in ["c", "contacts", "m1", "m2", "objects", "objects.csv", "samples.csv", "samples.parquet"] {
        assert!(study.join(name).exists() || name == "contacts", "{name}");
    }
    assert_eq!(names(&study.join("objects")), ["c.parquet", "m1.parquet", "m2.parquet"]);
    let samples = Csv::read(&study.join("samples.csv"));
    assert_eq!(samples.texts("sample"), ["m1", "m2", "m3", "c"]);
    assert_eq!(samples.texts("status"), ["done", "done", "failed", "done"]);
    assert_eq!(samples.texts("genotype"), ["ko", "wt", "wt", "ko"]);
    assert!(samples.texts("error")[2].contains("gone.nii"), "{:?}", samples.rows);
    assert_eq!(samples.numbers("day")[0], 1.0);
    assert_eq!(samples.numbers("objects_count")[..2], [3.0, 2.0]);
    // All in µm³, although the second image is in mm; voxels of 8 µm³.
    let sums = samples.numbers("volume_sum");
    assert!(
        (sums[0] / (8.0 * 216.0) - 1.0).abs() < 1e-6 && (sums[1] / (8.0 * 341.0) - 1.0).abs() < 1e-6,
        "{sums:?}"
    );
    assert_eq!(samples.numbers("volume_median")[0], 8.0 * 64.0);
    let objects = Csv::read(&study.join("objects.csv"));
    assert_eq!((objects.header[0].as_str(), objects.rows.len()), ("sample", 6));
    // A sample's folder is what its image alone leaves.
    succeeds(at, "run -r recipe.toml scans/a.nii --out alone");
    let own = |folder: &str, name: &str| fs::read(at.join(folder).join(name)).unwrap();
    assert_eq!(own("study/m1", "objects.csv"), own("alone", "objects.csv"));

    // The same command goes on: what is missing has come, one is new, one has changed, one has gone.
    let before = times(&study.join("m1"));
    cubes(&at.join("scans/gone.nii"), &[7], Unit::Micrometre);
    cubes(&at.join("scans/b.nii"), &[4, 4, 4], Unit::Millimetre);
    let rows = ["image,sample,genotype", "a.nii,m1,het", "b.nii,m2,wt", "gone.nii,m3,wt", "c.nii,new,ko"];
    fs::write(at.join("scans/samples.csv"), rows.join("\n")).unwrap();
    let said = text(&succeeds(at, RUN).stderr);
    assert!(said.contains("4 samples, 1 of them as they were"), "{said}");
    assert_eq!(times(&study.join("m1")), before);
    let samples = Csv::read(&study.join("samples.csv"));
    assert_eq!(samples.texts("status"), ["done"; 4]);
    assert_eq!(samples.texts("genotype")[0], "het");
    assert_eq!(samples.numbers("objects_count"), [3.0, 3.0, 1.0, 1.0]);
    assert_eq!(names(&study.join("objects")), ["m1.parquet", "m2.parquet", "m3.parquet", "new.parquet"]);
    assert!(study.join("c").exists(), "results are never removed");

    // Another recipe changes all; and a study that was gone on with is one that was made at once.
    fs::write(at.join("recipe.toml"), RECIPE.replace("100", "150")).unwrap();
    let said = text(&succeeds(at, RUN).stderr);
    assert!(said.contains("4 samples: "), "{said}");
    assert!(text(&succeeds(at, RUN).stderr).contains("4 of them as they were"));
    fs::remove_dir_all(study.join("c")).unwrap();
    succeeds(at, "run -r recipe.toml --samples scans/samples.csv --out again");
    assert_same_files(&study, &at.join("again"));
}

#[test]
fn several_images_leave_a_study_too() {
    let folder = prepared(&[]);
    let at = folder.path();
    let run = "run -r recipe.toml scans/a.nii scans/c.nii --out study";
    succeeds(at, run);
    let samples = Csv::read(&at.join("study/samples.csv"));
    assert_eq!(
        (samples.texts("sample"), samples.texts("image")),
        (vec!["a", "c"], vec!["scans/a.nii", "scans/c.nii"])
    );
    let said = text(&succeeds(at, run).stderr);
    assert!(said.contains("2 samples, 2 of them as they were"), "{said}");
    fs::create_dir_all(at.join("other/a")).unwrap();
    fs::write(at.join("other/a/mine.txt"), "").unwrap();
    let said = fails(at, "run -r recipe.toml scans/a.nii scans/c.nii --out other", 1);
    assert!(said.contains("holds something else than an earlier result"), "{said}");
}

#[test]
fn bad_tables_of_samples_are_refused_before_any_work() {
    for (rows, expected) in [
        (
            &["image,sample", "a.nii,x", "c.nii,x"][..],
            "samples.csv, line 3: the sample \"x\" is in line 2, too",
        ),
        (&["image,sample", "a.nii"], "samples.csv, line 2: 1 field, but the header has 2"),
        (&["file,sample", "a.nii,x"], "samples.csv: has no column \"image\""),
        (&["image,sample", "a.nii,samples"], "line 2: no sample can be called \"samples\""),
    ] {
        let folder = prepared(rows);
        let said = fails(folder.path(), RUN, 1);
        assert!(said.contains(expected), "{said}");
        assert!(!folder.path().join("study").exists());
    }
    let folder = prepared(&["image", "a.nii"]);
    fs::write(folder.path().join("recipe.toml"), "[[step]]\nop = \"otsuu\"\n").unwrap();
    let said = fails(folder.path(), RUN, 2);
    assert!(said.contains("did you mean \"otsu\"?") && !folder.path().join("study").exists(), "{said}");
}

/// Runs a command whose last argument has spaces.
fn asks(folder: &Path, arguments: &str, question: &str) -> std::process::Output {
    voxelry(folder, arguments).arg(question).output().unwrap()
}

#[test]
fn studies_and_files_are_asked_in_sql() {
    let folder = prepared(&["image,sample,genotype", "a.nii,m1,ko", "b.nii,m2,wt", "c.nii,m3,ko"]);
    let at = folder.path();
    succeeds(at, RUN);
    let question = "select s.genotype, count(*) as n, sum(o.volume) as v from objects o join samples s \
                    on o.sample = s.sample group by s.genotype";
    let out = asks(at, "sql study --format csv", question);
    let answer = text(&out.stdout);
    assert!(answer.starts_with("genotype,n,v\r\nko,4,"), "{answer}{}", text(&out.stderr));
    let v: f64 = answer.lines().nth(1).unwrap().rsplit(',').next().unwrap().parse().unwrap();
    assert!((v / (8.0 * 224.0) - 1.0).abs() < 1e-6);
    let shown = text(
        &asks(at, "sql study", "select sample, label, volume from objects order by volume desc limit 2")
            .stdout,
    );
    assert!(shown.contains("volume [µm³]") && shown.ends_with("(2 rows)\n"), "{shown}");
    let json = asks(at, "sql study/objects.csv --format json", "select count(*) as n from t").stdout;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).unwrap(), serde_json::json!([{"n": 6}]));
    // One thread and four, to a file, with a further table.
    fs::write(at.join("doses.csv"), "sample;dose\nm1;0,5\nm2;-\nm3;2,5\n").unwrap();
    for threads in [1, 4] {
        let arguments =
            format!("sql study --with doses=doses.csv --threads {threads} -o answer{threads}.parquet");
        let out = asks(
            at,
            &arguments,
            "select o.sample, avg(volume), max(dose) from objects o join doses using (sample) group by o.sample",
        );
        assert!(out.status.success(), "{}", text(&out.stderr));
    }
    assert_eq!(fs::read(at.join("answer1.parquet")).unwrap(), fs::read(at.join("answer4.parquet")).unwrap());
    let again = asks(at, "sql study -o answer1.parquet", "select 1");
    assert!(text(&again.stderr).contains("--overwrite"));

    let before = names(at);
    for (arguments, question, code, words) in [
        ("sql study", "select volum from objects", 2, "line 1, column 8"),
        ("sql study", "drop table objects", 2, "nothing that changes"),
        ("sql study -o x.csv", "copy objects to 'y.csv'", 2, "nothing that changes"),
        ("sql study -o x.xlsx", "select 1", 2, ".csv, .parquet or .json"),
        ("sql nowhere.csv", "select 1", 1, "nowhere.csv: there is no such file"),
        ("sql study --with a", "select 1", 2, "NAME=FILE"),
    ] {
        let out = asks(at, arguments, question);
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{arguments} {question}: {said}");
        assert!(said.contains(words) && said.matches("voxelry: ").count() == 1, "{said}");
    }
    assert_eq!(names(at), before);
}

#[test]
fn outliers_and_clusters_of_a_table_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut rows = String::from("sample,group,a,b\n");
    for n in 0..40 {
        let (a, b) = (f64::from(n * 37 % 40), f64::from(n * 23 % 40));
        let far = if n == 17 { 300.0 } else { 0.0 };
        rows += &format!("s{n},{},{},{}\n", n % 2, a + 100.0 * f64::from(n % 2), b + far);
    }
    fs::write(at.join("t.csv"), rows).unwrap();
    let said = text(&succeeds(at, "outliers t.csv --columns a,b -o out").stdout);
    let answer = fs::read_to_string(at.join("out/outliers.csv")).unwrap();
    assert!(
        answer.starts_with("row,sample,score_mcd,score_lof,score_forest,rank,why\r\n18,s17,"),
        "{answer}"
    );
    assert!(said.contains("b +"), "{said}");
    let first = fs::read(at.join("out/outliers.csv")).unwrap();
    succeeds(at, "outliers t.csv --columns a,b -o out --overwrite --threads 1");
    assert_eq!(fs::read(at.join("out/outliers.csv")).unwrap(), first);
    assert!(fails(at, "outliers t.csv -o out", 1).contains("--overwrite"));
    assert!(fails(at, "outliers t.csv --columns aa -o other", 2).contains("did you mean \"a\"?"));
    succeeds(at, "cluster t.csv --columns a --method kmeans -k 2 --seed 3 -o groups");
    let clusters = Csv::read(&at.join("groups/clusters.csv"));
    let group = clusters.numbers("cluster");
    assert!((0..40).all(|n| (group[n] == group[0]) == (n % 2 == 0)), "{group:?}");
    assert!(at.join("groups/loadings.csv").exists());
    assert!(fails(at, "cluster t.csv --columns sample -k 2 -o no", 2).contains("holds no numbers"));
}

#[test]
fn groups_of_a_study_are_compared_by_their_samples() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (mut objects, mut samples) =
        (String::from("sample,label,volume\n"), String::from("sample,genotype,D1Mit1\n"));
    for s in 0..6 {
        samples +=
            &format!("s{s},{},{}\n", if s < 3 { "ko" } else { "wt" }, if s % 2 == 0 { "A" } else { "H" });
        for n in 0..5 {
            objects +=
                &format!("s{s},{n},{}\n", f64::from(10 * (s / 3) + s % 3) + 0.1 * f64::from(n * n % 7));
        }
    }
    fs::create_dir_all(at.join("study/objects")).unwrap();
    fs::write(at.join("study/samples.csv"), samples).unwrap();
    fs::write(at.join("all.csv"), objects).unwrap();
    for s in 0..6 {
        let arguments = format!("sql all.csv -o study/objects/s{s}.parquet");
        let out = asks(at, &arguments, &format!("select * from t where sample = 's{s}'"));
        assert!(out.status.success(), "{}", text(&out.stderr));
    }
    let said = text(&succeeds(at, "compare study --value volume --by genotype -o answer").stdout);
    assert!(said.contains("volume"), "{said}");
    let tests = fs::read_to_string(at.join("answer/tests.csv")).unwrap();
    let chosen = tests.lines().find(|line| line.split(',').nth(3) == Some("true")).unwrap();
    let cells: Vec<&str> = chosen.split(',').collect();
    assert_eq!((cells[0], cells[1], cells[4], cells[5]), ("volume", "genotype", "6", "30"), "{tests}");
    assert!(fails(at, "compare study --value volume --by genotype -o answer", 1).contains("--overwrite"));
    assert!(
        fails(at, "compare study --value volum --by genotype -o x", 1).contains("did you mean \"volume\"?")
    );
    fs::write(at.join("bare.csv"), "volume,group\n1,a\n2,a\n3,b\n4,b\n").unwrap();
    assert!(fails(at, "compare bare.csv --value volume --by group -o x", 2).contains("--unit"));
    fs::write(at.join("traits.csv"), "sample,length\ns0,1\ns1,2\ns2,1.5\ns3,2.5\ns4,1.2\ns5,2.2\n").unwrap();
    succeeds(at, "scan traits.csv --with geno=study/samples.csv --values length --by D*Mit* -o scanned");
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join("scanned/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["tests"], 1);
}
