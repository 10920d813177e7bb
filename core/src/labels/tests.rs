//! Edits, undo, and what a program that was killed leaves behind.

use super::*;
use crate::io::ImageSource;
use crate::{Geometry, Job, Region};
use ndarray::Array3;
use std::path::Path;
use std::sync::Arc;

const SHAPE: [usize; 3] = [40, 70, 65];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn region(&mut self) -> Region {
        let start: [usize; 3] = std::array::from_fn(|a| self.below(SHAPE[a]));
        Region { start, shape: std::array::from_fn(|a| 1 + self.below((SHAPE[a] - start[a]).min(40))) }
    }
}

fn fresh(path: &Path) -> Arc<Labels> {
    Labels::create(path, SHAPE, Geometry::default(), None, 0).unwrap()
}

fn again(path: &Path) -> Arc<Labels> {
    Labels::reopen(path, SHAPE, Geometry::default(), None, 0).unwrap()
}

fn all(labels: &Labels) -> Array3<u32> {
    labels.get(Region::whole(SHAPE)).unwrap()
}

/// Fills a box with a label.
fn fill(edit: &mut Edit, region: Region, label: u32) {
    edit.put(region.start, Array3::from_elem(region.shape, label).view()).unwrap();
}

fn put(array: &mut Array3<u32>, region: Region, label: u32) {
    let [z, y, x] = region.ranges();
    array.slice_mut(ndarray::s![z, y, x]).fill(label);
}

/// Sums are those of the voxels.
fn check_sums(labels: &Labels, expected: &Array3<u32>) {
    let sums = labels.sums().unwrap();
    let mut counted = std::collections::BTreeMap::<u32, (i64, [i64; 3])>::new();
    for ((z, y, x), label) in expected.indexed_iter().filter(|(_, l)| **l != 0) {
        let sum = counted.entry(*label).or_default();
        sum.0 += 1;
        [z, y, x].iter().enumerate().for_each(|(a, v)| sum.1[a] += *v as i64);
        let within = labels.within(*label).unwrap();
        assert!(within.contains(&Region::new([z, y, x], [1; 3])));
    }
    let found: std::collections::BTreeMap<u32, (i64, [i64; 3])> =
        sums.iter().map(|(l, s)| (*l, (s.count, s.at))).collect();
    assert_eq!(found, counted);
}

#[test]
fn edits_undo_and_redo_are_those_of_a_list_of_whole_images() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let path = folder.path().join(format!("{round}"));
        let mut labels = fresh(&path);
        let mut random = Random(round);
        let mut past = vec![(Array3::<u32>::zeros(SHAPE), None)];
        let mut at = 0usize;
        for _ in 0..40 {
            match random.below(9) {
                8 if at > 3 => {
                    labels.reset_undo_base().unwrap();
                    past.drain(..at);
                    past.truncate(1);
                    at = 0;
                }
                0 | 1 => {
                    let undone = labels.undo().unwrap();
                    assert_eq!(undone.is_some(), at > 0);
                    at = at.saturating_sub(1);
                }
                2 => {
                    let redone = labels.redo().unwrap();
                    assert_eq!(redone.is_some(), at + 1 < past.len());
                    at = (at + 1).min(past.len() - 1);
                }
                3 => {
                    // Given up in the middle.
                    let mut edit = labels.edit().unwrap();
                    fill(&mut edit, random.region(), 99);
                    assert!(labels.edit().is_err());
                    if random.below(2) == 0 {
                        edit.cancel();
                    }
                }
                4 => {
                    drop(labels);
                    labels = again(&path);
                }
                _ => {
                    let (mut next, mut info) = past[at].clone();
                    let mut edit = labels.edit().unwrap();
                    for _ in 0..1 + random.below(4) {
                        let (region, label) = (random.region(), random.below(4) as u32);
                        fill(&mut edit, region, label);
                        put(&mut next, region, label);
                    }
                    if random.below(3) == 0 {
                        info = (random.below(2) == 0)
                            .then(|| Info { name: format!("cell {}", random.below(9)), ..Info::default() });
                        edit.set_info(3, info.clone());
                    }
                    assert_eq!(edit.labels().get(Region::whole(SHAPE)).unwrap(), next);
                    let changed = edit.commit("fill").unwrap();
                    if next != past[at].0 || info != past[at].1 {
                        past.truncate(at + 1);
                        past.push((next, info));
                        at += 1;
                        assert_eq!(changed.name, "fill");
                    } else {
                        assert_eq!(changed, Changed::default());
                    }
                }
            }
            assert_eq!(all(&labels), past[at].0);
            assert_eq!(labels.info_of(3), past[at].1);
            check_sums(&labels, &past[at].0);
        }
    }
}

#[test]
fn killed_at_any_byte_only_the_edit_under_way_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let labels = fresh(&path);
    let mut states = vec![(std::fs::metadata(&path).unwrap().len(), all(&labels))];
    let mut random = Random(5);
    for step in 0..12 {
        if step % 4 == 3 {
            labels.undo().unwrap();
        } else {
            let mut edit = labels.edit().unwrap();
            fill(&mut edit, random.region(), step + 1);
            fill(&mut edit, random.region(), step + 2);
            edit.commit("fill").unwrap();
        }
        states.push((std::fs::metadata(&path).unwrap().len(), all(&labels)));
    }
    drop(labels);
    let whole = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut");
    for length in (states[0].0 as usize..=whole.len()).step_by(7).chain([whole.len()]) {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let labels = again(&cut);
        let last = states.iter().rfind(|(end, _)| *end <= length as u64).unwrap();
        assert_eq!(all(&labels), last.1, "cut to {length}");
        check_sums(&labels, &last.1);
        // And it goes on.
        let mut edit = labels.edit().unwrap();
        fill(&mut edit, Region::new([1; 3], [3; 3]), 1000);
        edit.commit("more").unwrap();
        let expected = all(&labels);
        drop(labels);
        assert_eq!(all(&again(&cut)), expected);
    }
}

#[test]
fn a_stroke_costs_kilobytes_and_a_large_edit_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let shape = [256; 3];
    let labels = Labels::create(&path, shape, Geometry::default(), None, 0).unwrap();
    let brush = shapes::Brush { radius: 20.0, edges: glam::DMat3::IDENTITY, disc: None };
    let before = std::fs::metadata(&path).unwrap().len();
    let (region, ball) = brush.stroke([100.0; 3], [120.0; 3], shape).unwrap();
    let mut edit = labels.edit().unwrap();
    edit.put(region.start, ball.mapv(|v| u32::from(v) * 7).view()).unwrap();
    edit.commit("paint").unwrap();
    let cost = std::fs::metadata(&path).unwrap().len() - before;
    assert!(cost < 30_000, "{cost}");
    // All chunks change: with a budget for sixteen, most are written before the edit ends.
    let mut edit = labels.edit().unwrap();
    for z in (0..256).step_by(32) {
        let slab = Array3::from_shape_fn([32, 256, 256], |(a, b, c)| ((a + b + c + z) % 5) as u32);
        edit.put([z, 0, 0], slab.view()).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > before + cost);
    }
    let half = edit.labels().get(Region::new([31, 0, 0], [2, 5, 5])).unwrap();
    assert_eq!(half[[1, 1, 1]], (1 + 1 + 32) % 5);
    let length = std::fs::metadata(&path).unwrap().len();
    edit.cancel();
    assert!(std::fs::metadata(&path).unwrap().len() < length);
    assert_eq!(labels.get(region).unwrap(), ball.mapv(|v| u32::from(v) * 7));
    assert_eq!(labels.sums().unwrap().keys().copied().collect::<Vec<_>>(), [7]);
}

#[test]
fn labels_over_a_file_are_those_of_the_file_where_nothing_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let below = fresh(&folder.path().join("below"));
    let mut edit = below.edit().unwrap();
    fill(&mut edit, Region::new([3, 3, 3], [30, 30, 60]), 5);
    fill(&mut edit, Region::new([20, 20, 20], [4, 40, 4]), 9);
    edit.commit("made").unwrap();
    let base = Some((below.clone() as Arc<dyn crate::io::ImageSource>, crate::io::Frame::default()));
    let path = folder.path().join("log");
    let labels = Labels::create(&path, SHAPE, Geometry::default(), base.clone(), 0).unwrap();
    assert!(labels.sums().is_none());
    labels.survey(&Job::silent()).unwrap();
    assert_eq!(labels.unused(), 10);
    let mut expected = all(&below);
    check_sums(&labels, &expected);
    let region = Region::new([21, 21, 0], [1, 1, 65]);
    let mut edit = labels.edit().unwrap();
    fill(&mut edit, region, 0);
    edit.commit("erase").unwrap();
    put(&mut expected, region, 0);
    assert_eq!(all(&labels), expected);
    check_sums(&labels, &expected);
    drop(labels);
    let labels = Labels::reopen(&path, SHAPE, Geometry::default(), base, 0).unwrap();
    assert_eq!(all(&labels), expected);
    labels.survey(&Job::silent()).unwrap();
    check_sums(&labels, &expected);
    labels.undo().unwrap();
    assert_eq!(all(&labels), all(&below));
    let other = Labels::reopen(&path, [9; 3], Geometry::default(), None, 0);
    assert!(other.err().unwrap().to_string().contains("not [9, 9, 9]"));
}

#[test]
fn masks_keep_what_may_not_be_changed() {
    let old = Array3::from_shape_fn([1, 1, 8], |(_, _, x)| [0, 0, 1, 1, 2, 2, 3, 3][x]);
    let image = Array3::from_shape_fn([1, 1, 8], |(_, _, x)| if x == 7 { f32::NAN } else { x as f32 });
    let mut infos = std::collections::BTreeMap::new();
    infos.insert(1, Info { locked: true, ..Info::default() });
    infos.insert(2, Info { shown: false, ..Info::default() });
    let kept = |mask: Mask| {
        let mut new = Array3::from_elem([1, 1, 8], 9);
        mask.keep([5, 5, 10], old.view(), &mut new, Some(image.view()), &infos);
        new.into_raw_vec_and_offset().0
    };
    assert_eq!(kept(Mask::default()), [9, 9, 1, 1, 9, 9, 9, 9]);
    assert_eq!(kept(Mask { over: Over::Background, ..Mask::default() }), [9, 9, 1, 1, 2, 2, 3, 3]);
    assert_eq!(kept(Mask { over: Over::Shown, ..Mask::default() }), [9, 9, 1, 1, 2, 2, 9, 9]);
    assert_eq!(kept(Mask { editable: Editable::Inside(3), ..Mask::default() }), [0, 0, 1, 1, 2, 2, 9, 9]);
    assert_eq!(kept(Mask { editable: Editable::Outside(0), ..Mask::default() }), [0, 0, 1, 1, 9, 9, 9, 9]);
    let inside = Some(Region::new([5, 5, 11], [1, 1, 4]));
    assert_eq!(kept(Mask { inside, ..Mask::default() }), [0, 9, 1, 1, 9, 2, 3, 3]);
    let range = Mask { intensities: Some([1.0, 6.0]), ..Mask::default() };
    assert_eq!(kept(range), [0, 9, 1, 1, 9, 9, 9, 3]);
}

#[test]
fn objects_are_changed_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let labels = fresh(&folder.path().join("log"));
    let job = Job::silent();
    let brush = shapes::Brush { radius: 9.0, edges: glam::DMat3::IDENTITY, disc: None };
    let mut edit = labels.edit().unwrap();
    for x in [20.0, 35.0] {
        let (region, ball) = brush.stroke([20.0, 30.0, x], [20.0, 30.0, x], SHAPE).unwrap();
        let old = edit.labels().get(region).unwrap();
        let new = ndarray::Zip::from(&old).and(&ball).map_collect(|old, ball| if *ball { 4 } else { *old });
        edit.put(region.start, new.view()).unwrap();
    }
    fill(&mut edit, Region::new([2, 2, 2], [2, 2, 2]), 4);
    fill(&mut edit, Region::new([20, 30, 20], [1; 3]), 0);
    edit.commit("two balls, a crumb and a hole").unwrap();
    let count = |label: u32| labels.sums().unwrap().get(&label).map_or(0, |s| s.count);
    let whole = count(4);
    let mask = Mask::default();
    let run = |what: &Change, label: u32| {
        let mut edit = labels.edit().unwrap();
        let regions = change(&mut edit, label, what, &mask, &job).unwrap();
        assert!(!regions.is_empty());
        edit.commit(what.name()).unwrap();
    };
    use tools::{Change, change};
    run(&Change::Remove(9), 4);
    assert_eq!(count(4), whole - 8);
    run(&Change::Fill, 4);
    assert_eq!(count(4), whole - 7);
    let mut edit = labels.edit().unwrap();
    tools::split(&mut edit, 4, "1", &job).unwrap();
    edit.commit("split").unwrap();
    assert!((count(4) - count(5)).abs() < 200, "{} {}", count(4), count(5));
    assert_eq!(count(4) + count(5), whole - 7);
    let before = count(5);
    run(&Change::Grow("2".into()), 5);
    assert!(count(5) > before);
    run(&Change::Shrink("3".into()), 5);
    assert!(count(5) < before && count(5) > 0);
    while labels.undo().unwrap().is_some() {}
    assert!(all(&labels).iter().all(|v| *v == 0));
}

#[test]
fn what_lies_between_drawn_slices_is_between_their_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let labels = fresh(&folder.path().join("log"));
    let job = Job::silent();
    assert!(tools::fill_between(&labels, 3, 0, &job).unwrap().is_none());
    let mut edit = labels.edit().unwrap();
    for (z, radius) in [(5, 6.0), (15, 14.0)] {
        let disc = shapes::Brush { radius, edges: glam::DMat3::IDENTITY, disc: Some(0) };
        let at = [f64::from(z), 30.0, 30.0];
        let (region, disc) = disc.stroke(at, at, SHAPE).unwrap();
        edit.put(region.start, disc.mapv(|v| u32::from(v) * 3).view()).unwrap();
    }
    edit.commit("two discs").unwrap();
    let (region, filled) = tools::fill_between(&labels, 3, 0, &job).unwrap().unwrap();
    assert_eq!((region.start[0], region.shape[0]), (5, 11));
    for i in 1..10 {
        let area = filled.index_axis(ndarray::Axis(0), i).iter().filter(|v| **v).count() as f64;
        let radius = 6.0 + 0.8 * i as f64;
        let exact = std::f64::consts::PI * radius * radius;
        assert!((area / exact - 1.0).abs() < 0.08, "slice {i}: {area} {exact}");
    }
}

/// Two discs of one radius, far apart from slice to slice: what lies between is as wide as they are, along the way.
#[test]
fn what_runs_aslant_is_not_pinched_between_slices() {
    let folder = tempfile::tempdir().unwrap();
    let labels = fresh(&folder.path().join("log"));
    let job = Job::silent();
    let mut edit = labels.edit().unwrap();
    for (z, x) in [(5, 14.0), (15, 44.0)] {
        let disc = shapes::Brush { radius: 6.0, edges: glam::DMat3::IDENTITY, disc: Some(0) };
        let at = [f64::from(z), 30.0, x];
        let (region, disc) = disc.stroke(at, at, SHAPE).unwrap();
        edit.put(region.start, disc.mapv(|v| u32::from(v) * 3).view()).unwrap();
    }
    edit.commit("two discs").unwrap();
    let (region, filled) = tools::fill_between(&labels, 3, 0, &job).unwrap().unwrap();
    let exact = std::f64::consts::PI * 36.0;
    for i in 1..10 {
        let slice = filled.index_axis(ndarray::Axis(0), i);
        let area = slice.iter().filter(|v| **v).count() as f64;
        assert!((area / exact - 1.0).abs() < 0.08, "slice {i}: {area} {exact}");
        let sum: usize = slice.indexed_iter().filter(|(_, v)| **v).map(|((_, x), _)| x).sum();
        let middle = region.start[2] as f64 + sum as f64 / area;
        assert!((middle - (14.0 + 3.0 * i as f64)).abs() < 0.3, "slice {i}: {middle}");
    }
}

#[test]
fn connected_parts_get_labels_of_their_own_and_operators_change_all_labels() {
    let folder = tempfile::tempdir().unwrap();
    let labels = fresh(&folder.path().join("log"));
    let job = Job::silent();
    let mut edit = labels.edit().unwrap();
    let boxed = |n: usize| ndarray::Array3::from_elem([n; 3], 5u32);
    for (start, n) in [([2, 2, 2], 4), ([12, 12, 12], 6), ([22, 22, 22], 3)] {
        edit.put(start, boxed(n).view()).unwrap();
    }
    edit.put([30, 30, 30], ndarray::Array3::from_elem([2; 3], 9u32).view()).unwrap();
    edit.commit("three parts").unwrap();
    let count = |label: u32| all(&labels).iter().filter(|v| **v == label).count();
    let mut edit = labels.edit().unwrap();
    assert!(!tools::separate(&mut edit, 5, Region::whole(SHAPE), &job).unwrap().is_empty());
    edit.commit("separate").unwrap();
    assert_eq!([5, 9, 10, 11].map(count), [216, 8, 64, 27]);
    let mut edit = labels.edit().unwrap();
    assert!(tools::separate(&mut edit, 5, Region::whole(SHAPE), &job).unwrap().is_empty());
    let op = crate::ops::find("expand").unwrap();
    let mask = super::Mask::default();
    tools::operate(&mut edit, op, &[("distance", "1")], 5, &mask, &job).unwrap();
    edit.commit("expand").unwrap();
    assert_eq!([5, 9, 10, 11].map(count), [216 + 216, 8 + 24, 64 + 96, 27 + 54]);
    // What takes masks changes the label in hand alone.
    let mut edit = labels.edit().unwrap();
    let op = crate::ops::find("erode").unwrap();
    tools::operate(&mut edit, op, &[("radius", "1"), ("shape", "ball")], 5, &mask, &job).unwrap();
    edit.commit("erode").unwrap();
    assert_eq!([5, 9, 10, 11].map(count), [216, 8 + 24, 64 + 96, 27 + 54]);
    let mut edit = labels.edit().unwrap();
    let op = crate::ops::find("bin").unwrap();
    assert!(tools::operate(&mut edit, op, &[("factor", "2")], 5, &mask, &job).is_err());
}

#[test]
fn a_version_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let labels = fresh(&folder.path().join("log"));
    let mut random = Random(8);
    let mut versions = vec![(labels.version(), all(&labels))];
    for label in 1..12 {
        let mut edit = labels.edit().unwrap();
        fill(&mut edit, random.region(), label);
        // What is under way is in no version.
        assert!(labels.version().changed_since(&versions.last().unwrap().0).is_empty());
        match label % 4 {
            0 => drop(edit),
            1 => {
                edit.commit("fill").unwrap();
                labels.undo().unwrap();
            }
            _ => drop(edit.commit("fill").unwrap()),
        }
        versions.push((labels.version(), all(&labels)));
    }
    for (version, voxels) in &versions {
        let read = version.read(crate::io::Frame::default(), Region::whole(SHAPE)).unwrap();
        assert_eq!(read.view::<u32>().unwrap(), voxels.view());
        for (other, others) in &versions {
            let changed = version.changed_since(other);
            for ((z, y, x), v) in voxels.indexed_iter() {
                let inside = changed.iter().any(|r| r.contains(&Region::new([z, y, x], [1; 3])));
                assert!(*v == others[[z, y, x]] || inside);
            }
        }
    }
    let [first, second] = [&versions[0], &versions[1]].map(|v| &v.0);
    // The first edit was taken back.
    assert!(second.changed_since(first).is_empty());
}

/// Labels over a file that are saved into that file, in any format, again and again, while they are edited.
#[test]
fn a_file_that_labels_were_read_from_can_be_written_anew() {
    use crate::io::convert::{ConvertOptions, convert, update_beside, write_beside};
    use crate::io::{Frame, OpenOptions, open};
    for name in ["a.ome.zarr", "a.nii", "a.nii.gz", "a.tif", "a.nrrd"] {
        let folder = tempfile::tempdir().unwrap();
        let (path, log) = (folder.path().join(name), folder.path().join("1.log"));
        let mut random = Random(5);
        let first = fresh(&folder.path().join("first.log"));
        for label in 1..20 {
            let mut edit = first.edit().unwrap();
            fill(&mut edit, random.region(), label);
            edit.commit("fill").unwrap();
        }
        let original = all(&first);
        let options = ConvertOptions { labels: Some(true), ..ConvertOptions::default() };
        convert(&*first, &path, &options, &Job::silent()).unwrap();
        let base =
            || -> Base { (Arc::from(open(&path, &OpenOptions::default()).unwrap()), Frame::default()) };
        let labels = Labels::create(&log, SHAPE, Geometry::default(), Some(base()), 0).unwrap();
        labels.survey(&Job::silent()).unwrap();
        let (mut states, mut saved) = (vec![original.clone()], labels.version());
        for round in 0..3 {
            for label in 30..33 {
                let mut edit = labels.edit().unwrap();
                fill(&mut edit, random.region(), label + 10 * round);
                edit.commit("fill").unwrap();
                states.push(all(&labels));
            }
            let version = labels.version();
            let changed = version.changed_since(&saved);
            // An edit that goes on meanwhile.
            let mut under_way = labels.edit().unwrap();
            fill(&mut under_way, random.region(), 77);
            let job = Job::silent();
            let quick = update_beside(&version, &path, true, &changed, &job).unwrap();
            assert_eq!(quick.is_some(), name.ends_with("zarr"));
            let written = quick.unwrap_or_else(|| write_beside(&version, &path, &options, &job).unwrap());
            labels.replace_base(|| written.commit(&job).map(|_| base())).unwrap();
            under_way.cancel();
            saved = version;
            assert_eq!(all(&labels), *states.last().unwrap(), "{name}");
            let read = base().0.read_all(Frame::default()).unwrap().cast(crate::VoxelType::U32);
            assert_eq!(read.view::<u32>().unwrap(), all(&labels).view(), "{name}");
        }
        // A program that was killed finds all of it, too.
        drop(labels);
        let labels = Labels::reopen(&log, SHAPE, Geometry::default(), Some(base()), 0).unwrap();
        labels.survey(&Job::silent()).unwrap();
        for state in states.iter().rev() {
            assert_eq!(all(&labels), *state, "{name}");
            labels.undo().unwrap();
        }
        assert_eq!(all(&labels), original);
        for state in &states[1..] {
            labels.redo().unwrap();
            assert_eq!(all(&labels), *state, "{name}");
        }
    }
}
