//! Studies: the wall shows a picture of every sample, questions leave tables whose rows lead to samples, and what was
//! asked stays in the study.

use super::*;
use crate::view::study::question::Question;
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::collections::BTreeMap;
use std::sync::Arc;
use voxelry_analysis::table::write::write;
use voxelry_core::recipe::Recipe;
use voxelry_core::results::{Identity, Provenance, Record};

const SAMPLES: usize = 8;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields = columns.iter().map(|(name, c)| {
        let figure = matches!(c.data_type(), DataType::Float64);
        let metadata = if figure {
            [("description".to_owned(), "A figure.".to_owned())].into()
        } else {
            BTreeMap::new()
        };
        Field::new(*name, c.data_type().clone(), true).with_metadata(metadata.into_iter().collect())
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|c| c.1).collect()).unwrap()
}

/// A study of samples in two groups, of which the last has failed.
pub(super) fn study(folder: &Path) -> PathBuf {
    let study = folder.join("study");
    std::fs::create_dir_all(study.join("objects")).unwrap();
    let names: Vec<String> = (0..SAMPLES).map(|i| format!("mouse{i}")).collect();
    for (i, name) in names.iter().enumerate().take(SAMPLES - 1) {
        let image = balls(folder, &format!("{name}.nii.gz"));
        let results = study.join(name);
        std::fs::create_dir_all(&results).unwrap();
        let recipe = Recipe::parse("[[step]]\nop = \"otsu\"\n").unwrap();
        let record = Record {
            program: "voxelry".into(),
            sample: name.clone(),
            channel: 1,
            time: 1,
            labels_as: "nifti".into(),
            taken_as: None,
            ignore_geometry: false,
            open: BTreeMap::new(),
            found: BTreeMap::new(),
            input: vec![Identity { name: "image".into(), path: image, bytes: 0, blake3: String::new() }],
        };
        std::fs::write(results.join("provenance.toml"), Provenance { recipe, record }.to_toml()).unwrap();
        let volumes: Vec<f64> =
            (0..6).map(|o| 10.0 + (i % 2) as f64 * 4.0 + f64::from(o) + i as f64 * 0.1).collect();
        let objects = batch(vec![
            ("sample", Arc::new(StringArray::from(vec![name.as_str(); 6])) as ArrayRef),
            ("label", Arc::new(Int64Array::from_iter_values(1..=6))),
            ("volume", Arc::new(Float64Array::from(volumes))),
        ]);
        write(&study.join(format!("objects/{name}.parquet")), &objects).unwrap();
    }
    let group = |i: usize| if i.is_multiple_of(2) { "wild" } else { "mutant" };
    let mut status = vec!["done"; SAMPLES];
    status[SAMPLES - 1] = "failed";
    let count = (0..SAMPLES).map(|i| (i + 1 < SAMPLES).then_some(6.0 + i as f64));
    let samples = batch(vec![
        ("sample", Arc::new(StringArray::from_iter_values(&names)) as ArrayRef),
        ("group", Arc::new((0..SAMPLES).map(|i| Some(group(i))).collect::<StringArray>())),
        ("status", Arc::new(StringArray::from(status))),
        ("objects_count", Arc::new(count.collect::<Float64Array>())),
    ]);
    write(&study.join("samples.parquet"), &samples).unwrap();
    study
}

/// A window on a study whose pictures are there.
fn opened(folder: &Path) -> Option<Harness<'static, Viewer>> {
    let mut harness = window(vec![study(folder)])?;
    until(&mut harness, "the wall", |v| v.study.drawn() == SAMPLES - 1);
    Some(harness)
}

#[test]
fn every_sample_with_results_has_a_picture_and_opens_in_the_planes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = opened(folder.path()) else { return };
    assert!(harness.state().study.shown);
    harness.get_by_label("Sample mouse2").click();
    harness.step();
    harness.step();
    let rows = |v: &mut Viewer| v.study.results.samples().unwrap().selected().iter().collect::<Vec<_>>();
    assert_eq!(rows(harness.state_mut()), [2]);
    harness.state_mut().open_sample(2);
    until(&mut harness, "the image", |v| is_shown(v, 1));
    assert!(!harness.state().study.shown);
    assert_eq!(harness.state().document.scenes[0].name(), "mouse2.nii.gz");
    press(&mut harness, Modifiers::NONE, Key::Num7);
    assert!(harness.state().study.shown);
    // A sample without results says so and stays on the wall.
    harness.state_mut().open_sample(SAMPLES as u32 - 1);
    assert!(harness.state().messages()[0].contains("mouse7 has no results"));
}

#[test]
fn questions_leave_tables_and_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = opened(folder.path()) else { return };
    harness.get_by_label("Compare").click();
    until(&mut harness, "the answer", |v| v.study.results.sheets.len() == 2);
    let study = folder.path().join("study");
    let names = |v: &Viewer| {
        v.study.results.sheets.iter().map(|s| s.objects.table().name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(harness.state()), ["samples", "compare"]);
    harness.get_by_label("Run").click();
    until(&mut harness, "the rows", |v| v.study.results.sheets.len() == 3);
    assert_eq!(names(harness.state()), ["samples", "query", "compare"]);
    let kept = Question::kept(&study);
    assert_eq!(kept.iter().map(|k| k.1.kind()).collect::<Vec<_>>(), ["compare", "sql"]);
    // The same question is kept once, and answers the same.
    let answer = kept[1].1.answer(&study).unwrap();
    kept[1].1.keep(&study).unwrap();
    assert_eq!((answer.table.rows(), Question::kept(&study).len()), (SAMPLES, 2));
    assert!(kept[0].1.command(&study).contains("--value volume --by group"));
}
