use super::*;
use std::time::{Duration, Instant};
use voxelry_core::measure::table::{Builder, Values};

fn table(labels: Vec<i64>) -> Table {
    let mut b = Builder::default();
    let volumes = labels.iter().map(|l| (*l * 7 % 11) as f64 + 0.5).collect();
    b.column("label", "", "", Values::Int(labels)).column("volume", "µm³", "", Values::Real(volumes));
    b.finish("objects")
}

fn wake() -> Arc<dyn Fn() + Send + Sync> {
    Arc::new(|| ())
}

/// Goes on until nothing is left to do.
fn settle(objects: &mut Objects) {
    let begun = Instant::now();
    objects.refresh(&wake());
    while objects.is_busy() {
        assert!(begun.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(1));
        objects.refresh(&wake());
    }
}

#[test]
fn rows_and_labels_find_each_other_in_any_order() {
    for labels in [vec![2, 5, 9], vec![9, 2, 5]] {
        let objects = Objects::new(table(labels.clone()), None);
        for (row, label) in labels.iter().enumerate() {
            assert_eq!(objects.row(*label as u32), Some(row as u32));
            assert_eq!(objects.label(row as u32), Some(*label as u32));
        }
        assert_eq!(objects.row(3), None);
    }
    // Contacts name a label more than once.
    assert!(!Objects::new(table(vec![1, 1, 2]), None).are_objects());
    assert!(!Objects::new(table(vec![2, 1, 2]), None).are_objects());
}

#[test]
fn a_selection_follows_the_order_that_is_shown() {
    // Volumes: 7.5, 3.5, 10.5, 6.5, 2.5.
    let mut objects = Objects::new(table(vec![1, 2, 3, 4, 5]), None);
    objects.sort_by("volume");
    settle(&mut objects);
    assert_eq!(**objects.shown(), [2, 0, 3, 1, 4]);
    objects.select([0]);
    objects.select_to(1);
    assert_eq!(objects.selected().iter().collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(objects.step(1, false), Some(4));
    assert_eq!(objects.step(1, false), Some(4));
    assert_eq!(objects.step(-2, true), Some(3));
    assert_eq!(objects.selected().iter().collect::<Vec<_>>(), [1, 3, 4]);
    objects.toggle(1);
    assert_eq!(objects.selected().count(), 2);
    objects.set_filter("volume > 3");
    settle(&mut objects);
    objects.select_shown();
    assert_eq!(objects.selected().iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn what_is_hidden_and_selected_changes_the_lookup_and_nothing_else_does() {
    let mut objects = Objects::new(table(vec![1, 2, 3]), None);
    settle(&mut objects);
    assert!(objects.lookup().is_none());
    let alphas = |objects: &Objects| -> Option<[u8; 4]> {
        let texels = &objects.lookup()?.texels;
        Some([1, 2, 3, 4].map(|label: usize| texels[WIDTH + label - 1][3]))
    };
    objects.select([1]);
    settle(&mut objects);
    assert_eq!(alphas(&objects), Some([255, 254, 255, 255]));
    let version = objects.lookup().unwrap().version;
    objects.select([1]);
    objects.sort_by("volume");
    settle(&mut objects);
    assert_eq!(objects.lookup().unwrap().version, version);
    objects.isolate();
    settle(&mut objects);
    assert_eq!(alphas(&objects), Some([0, 254, 0, 0]));
    objects.show_all();
    objects.select([]);
    // Volumes: 7.5, 3.5, 10.5.
    objects.set_filter("volume > 5");
    objects.hide_filtered(true);
    settle(&mut objects);
    assert_eq!(alphas(&objects), Some([255, 0, 255, 255]));
    assert!(!objects.is_seen(1) && objects.is_seen(0));
    objects.set_filter("");
    settle(&mut objects);
    assert!(objects.lookup().is_none());
}

#[test]
fn verdicts_are_a_column_that_filters_and_comes_back() {
    let mut objects = Objects::new(table(vec![4, 8, 6]), None);
    objects.select([0, 2]);
    objects.judge(Verdict::Rejected);
    objects.select([2]);
    objects.judge(Verdict::Accepted);
    objects.set_filter("verdict != 0");
    settle(&mut objects);
    assert_eq!(**objects.shown(), [0, 2]);
    objects.select([0]);
    objects.judge(Verdict::None);
    settle(&mut objects);
    assert_eq!(**objects.shown(), [2]);
    let back = Objects::new(objects.table().as_ref().clone(), None);
    assert_eq!([0, 1, 2].map(|row| back.verdict(row)), [Verdict::None, Verdict::None, Verdict::Accepted]);
    let part = part(back.table(), &[2, 0]);
    assert_eq!(part.numbers("label"), Some(vec![6.0, 4.0]));
    assert_eq!(part.unit("volume"), "µm³");
    assert_eq!(text(back.table(), &[2]), "label\tvolume [µm³]\tverdict\n6\t9.5\t1");
}

#[test]
fn a_million_rows_are_arranged_on_a_thread() {
    let mut objects = Objects::new(table((1..=1_000_000).rev().collect()), None);
    assert_eq!(objects.row(1), Some(999_999));
    objects.sort_by("label");
    objects.sort_by("label");
    objects.set_filter("volume > 5 and label < 500000");
    objects.select([7]);
    objects.refresh(&wake());
    assert!(objects.is_busy());
    settle(&mut objects);
    let shown = objects.shown();
    let label = |at: usize| objects.label(shown[at]).unwrap();
    assert!((0..1000).all(|at| label(at) < label(at + 1)));
    assert!(shown.len() > 200_000 && shown.len() < 500_000);
    let texels = &objects.lookup().unwrap().texels;
    assert_eq!(texels[WIDTH + 1_000_000 - 7 - 1][3], 254);
}
