//! A program that is killed while it edits and saves labels: nothing is lost but the stroke under way.
//!
//! The test starts itself again as the program that is killed (`edits_until_it_is_killed`).

use ndarray::Array3;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use voxelry_core::io::convert::{ConvertOptions, convert};
use voxelry_core::io::{Frame, OpenOptions};
use voxelry_core::labels::Labels;
use voxelry_core::{Geometry, Job, Region};

const SHAPE: [usize; 3] = [40, 70, 66];
const BUDGET: u64 = 1 << 20;
/// The folder that the killed program works in, and how many strokes are there already.
const FOLDER: &str = "VOXELRY_TEST_CRASH";
const FROM: &str = "VOXELRY_TEST_CRASH_FROM";

/// Region that a stroke fills, and its label.
fn stroke(number: usize) -> (Region, u32) {
    let mut state = number as u64 + 1;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let shape: [usize; 3] = std::array::from_fn(|a| 1 + below(SHAPE[a] / 2));
    let start = std::array::from_fn(|a| below(SHAPE[a] - shape[a] + 1));
    (Region::new(start, shape), below(6) as u32)
}

/// The labels after so many strokes.
fn after(strokes: usize) -> Array3<u32> {
    let mut all = Array3::zeros(SHAPE);
    for (region, label) in (0..strokes).map(stroke) {
        let [z, y, x] = region.ranges();
        all.slice_mut(ndarray::s![z, y, x]).fill(label);
    }
    all
}

fn labels(folder: &Path) -> Arc<Labels> {
    let log = folder.join("labels.log");
    if log.exists() {
        Labels::reopen(&log, SHAPE, Geometry::default(), None, BUDGET).expect("the log can be read")
    } else {
        Labels::create(&log, SHAPE, Geometry::default(), None, BUDGET).expect("the log can be made")
    }
}

fn saved(folder: &Path) -> Option<Array3<u32>> {
    let path = folder.join("saved.nrrd");
    if !path.exists() {
        return None;
    }
    let image = voxelry_core::io::open(&path, &OpenOptions::default()).expect("what is saved is whole");
    let voxels = image.read_all(Frame::default()).expect("what is saved is whole");
    Some(voxels.cast(voxelry_core::VoxelType::U32).view::<u32>().expect("just cast").to_owned())
}

/// The program that is killed: does nothing unless it is told where to work.
#[test]
#[ignore = "is started by the test that kills it"]
fn edits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let from: usize = std::env::var(FROM).expect("told together").parse().expect("a number");
    let folder = Path::new(&folder);
    let labels = labels(folder);
    let say = |what: &str, number: usize| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{what} {number}").and_then(|()| out.flush()).expect("somebody listens");
    };
    for number in from.. {
        let (region, label) = stroke(number);
        let mut edit = labels.edit().expect("nothing else is being done");
        // As a brush does: piece by piece.
        for tile in region.tiles([9; 3]) {
            edit.put(tile.start, Array3::from_elem(tile.shape, label).view()).expect("it lies inside");
        }
        edit.commit("fill").expect("the disk has room");
        say("stroke", number + 1);
        if number % 5 == 4 {
            let options = ConvertOptions { labels: Some(true), ..ConvertOptions::default() };
            convert(&*labels, folder.join("saved.nrrd"), &options, &Job::silent())
                .expect("the disk has room");
            say("saved", number + 1);
        }
    }
}

#[test]
fn killed_again_and_again_only_the_stroke_under_way_is_lost() {
    let rounds = if std::env::var_os("VOXELRY_LONG").is_some() { 200 } else { 12 };
    let folder = tempfile::tempdir().unwrap();
    let (mut there, mut kept) = (0, 0);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "view::tests::crash::edits_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(FROM, there.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (mut strokes, mut saves) = (there, kept);
        let mut hear = |line: String| match line.split_once(' ') {
            Some(("stroke", n)) => strokes = n.parse().unwrap(),
            Some(("saved", n)) => saves = n.parse().unwrap(),
            _ => {}
        };
        // Killed after some strokes, at any moment of the next one.
        let enough = 4 + round * 7 % 30;
        lines.by_ref().filter(|l| l.starts_with("stroke")).take(enough).for_each(&mut hear);
        std::thread::sleep(std::time::Duration::from_micros(round as u64 * 377 % 2900));
        child.kill().unwrap();
        lines.for_each(&mut hear);
        child.wait().unwrap();
        assert!(strokes >= there + enough, "round {round}: it ended by itself after {strokes}");
        let labels = labels(folder.path());
        let found = labels.get(Region::whole(SHAPE)).unwrap();
        // The last stroke may have been kept before it could be said.
        there = (strokes..=strokes + 1)
            .find(|n| found == after(*n))
            .unwrap_or_else(|| panic!("round {round}: the labels are not those after {strokes} strokes"));
        // A save that was heard of is there, or a later one.
        kept = if saves == 0 { kept } else { saves };
        match saved(folder.path()) {
            None => assert_eq!(kept, 0, "round {round}: what was saved is gone"),
            Some(voxels) => {
                let later = (kept..=there).filter(|n| *n > 0 && n % 5 == 0);
                kept = later.into_iter().find(|n| voxels == after(*n)).unwrap_or_else(|| {
                    panic!("round {round}: the file is not what was saved after {kept} strokes")
                });
            }
        }
    }
    assert!(kept > 0 && there > rounds);
    // All of them can be taken back, over all the starts.
    let labels = labels(folder.path());
    let mut undone = 0;
    while labels.undo().unwrap().is_some() {
        undone += 1;
    }
    assert!(undone <= there && undone > there / 2, "{undone} of {there}");
    assert_eq!(labels.get(Region::whole(SHAPE)).unwrap(), after(0));
}
