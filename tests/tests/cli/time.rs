//! Movies: recipes over frames, tracks, scores and contacts.

use std::path::Path;
use voxelry_core::io::{self, Frame, ImageSpec, WriteOptions};
use voxelry_core::{Geometry, Job, Volume, VoxelType};
use voxelry_tests::program::{Csv, fails, names, succeeds, text};

/// Three frames of 4 × 24 × 24 labels: one cube stays, one moves and divides after frame 1; numbers differ by frame.
fn movie(folder: &Path) {
    let shape = [4, 24, 24];
    let spec = ImageSpec { times: 3, ..ImageSpec::volume(shape, VoxelType::U16, Geometry::default(), true) };
    let sink = io::create(folder.join("movie.ome.zarr"), &spec, &WriteOptions::default()).unwrap();
    // Label, first row and column of cubes of 4³, by frame.
    let frames: [&[(u16, usize, usize)]; 3] =
        [&[(5, 2, 2), (9, 10, 14)], &[(2, 2, 3), (1, 11, 14)], &[(4, 2, 3), (7, 8, 14), (8, 14, 14)]];
    for (time, cubes) in frames.iter().enumerate() {
        let mut labels = ndarray::Array3::<u16>::zeros(shape);
        for &(label, y, x) in *cubes {
            labels.slice_mut(ndarray::s![.., y..y + 4, x..x + 4]).fill(label);
        }
        for tile in voxelry_core::Region::whole(shape).tiles(sink.block()) {
            sink.write_part(Frame::new(0, time), tile.start, &Volume::from(labels.clone()), tile).unwrap();
        }
    }
    sink.finish(&Job::silent()).unwrap();
}

fn scores(folder: &Path, command: &str) -> serde_json::Value {
    serde_json::from_str(&text(&succeeds(folder, command).stdout)).unwrap()
}

#[test]
fn a_movie_is_tracked_scored_and_written_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    movie(at);
    succeeds(
        at,
        "track movie.ome.zarr --out tracks --link-distance 6 --split-distance 6 --as ctc --as trackmate",
    );
    let tracks = Csv::read(&at.join("tracks/tracks.csv"));
    assert_eq!(tracks.numbers("parent"), [0.0, 0.0, 2.0, 2.0]);
    assert_eq!(tracks.numbers("end"), [2.0, 1.0, 2.0, 2.0]);
    assert!(names(&at.join("tracks/ctc")).contains(&"mask002.tif".to_owned()));
    // What was written is read back, in both formats.
    for truth in ["tracks/ctc", "tracks"] {
        let scores = scores(at, &format!("score tracks {truth} --json"));
        for name in ["dice", "seg", "f1@0.5", "det", "tra", "lnk", "division_f1"] {
            assert_eq!(scores[name], 1.0, "{name} against {truth}");
        }
    }
    // As labels alone, of which each is a track, the movie has no links.
    let scores = scores(at, "score movie.ome.zarr tracks --json --errors errors.csv");
    assert_eq!((&scores["det"], &scores["lnk"]), (&1.0.into(), &0.0.into()));
    assert_eq!(Csv::read(&at.join("errors.csv")).numbers("time").len(), 5);
    succeeds(at, "track tracks/tracks.xml --out again");
    assert_eq!(Csv::read(&at.join("again/tracks.csv")).numbers("parent"), [0.0, 0.0, 2.0, 2.0]);
    for (command, code, said) in [
        ("track movie.ome.zarr --out tracks", 1, "--overwrite"),
        ("track movie.ome.zarr --out x --penalty volume", 2, "COLUMN=WEIGHT"),
        ("track movie.ome.zarr --out x --link-distance 0", 2, "above 0"),
        ("contacts movie.ome.zarr --out x --min-film lots", 2, "percentage"),
        ("contacts movie.ome.zarr --out x --hysteresis 0.5", 2, "at least 1"),
    ] {
        let error = fails(at, command, code);
        assert!(error.contains(said), "{command}: {error}");
    }
}

#[test]
fn a_recipe_runs_over_the_frames_of_a_movie() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    movie(at);
    let recipe = "[[step]]\nop = \"threshold\"\nmin = 1\n\n[[step]]\nop = \"label\"\n\n[[step]]\nop = \"measure\"\ncolumns = [\"label\", \"volume\"]\n";
    std::fs::write(at.join("r.toml"), recipe).unwrap();
    succeeds(at, "run -r r.toml --as grey movie.ome.zarr --time all --out all");
    assert_eq!(Csv::read(&at.join("all/objects.csv")).numbers("time"), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    let labels = io::open(at.join("all/labels.ome.zarr"), &io::OpenOptions::default()).unwrap();
    assert_eq!(labels.info().times, 3);
    assert_eq!(labels.read_all(Frame::new(0, 2)).unwrap().get([0, 15, 15]), Some(3.0));
    succeeds(at, "run -r r.toml --as grey movie.ome.zarr --time 2-3 --out some");
    assert_eq!(Csv::read(&at.join("some/objects.csv")).numbers("time"), [1.0, 1.0, 2.0, 2.0, 2.0]);
    assert!(fails(at, "run -r r.toml movie.ome.zarr --time 2-4 --out x", 2).contains("the last one is 3"));
}
