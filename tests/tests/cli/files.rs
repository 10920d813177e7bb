//! Files with odd names, of which something is missing, or that are already there.

use std::path::Path;
use std::process::Command;
use voxelry_core::io::{self, Frame, OpenOptions, WriteOptions};
use voxelry_core::{Geometry, Region, Unit, Volume};
use voxelry_tests::program::{Csv, fails, names, succeeds, text, voxelry};

/// A small image with two boxes.
fn boxes() -> Volume {
    let inside = |z: usize, y: usize, x: usize| {
        z > 1 && z < 5 && y > 1 && y < 5 && (x > 1 && x < 5 || x > 6 && x < 10)
    };
    Volume::from(ndarray::Array3::from_shape_fn((8, 8, 12), |(z, y, x)| {
        u8::from(inside(z, y, x)) * (1 + u8::from(x > 5))
    }))
}

fn write(path: &Path, volume: &Volume, labels: bool) {
    let geometry = Geometry::from_spacing([2.0, 1.0, 1.0], Unit::Micrometre);
    io::write_volume(path, volume, geometry, labels, &WriteOptions::default()).unwrap();
}

const MEASURE: &str = "run -r measure --as labels";

/// A name that is no text.
#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_read_and_written_as_they_are() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let name = OsStr::from_bytes(b"a\xe9.nii");
    write(&at.join(name), &boxes(), false);
    let run = |arguments: &str, rest: &[&OsStr]| {
        let mut command = voxelry(at, arguments);
        let output = command.args(rest).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    run(&format!("{MEASURE} --out results"), &[name]);
    assert_eq!(Csv::read(&at.join("results/objects.csv")).rows.len(), 2);
    // The record leads to the same file again.
    run("run --provenance results/provenance.toml --out again", &[]);
    assert_eq!(
        std::fs::read(at.join("results/provenance.toml")).unwrap(),
        std::fs::read(at.join("again/provenance.toml")).unwrap()
    );
    let json: serde_json::Value = serde_json::from_str(&run("info --json", &[name])).unwrap();
    assert_eq!((&json["path"], &json["path_bytes"]), (&"a\u{fffd}.nii".into(), &"61e92e6e6969".into()));
    let pair = OsStr::from_bytes(b"o\xe9.hdr");
    run("convert", &[name, pair]);
    assert!(at.join(pair).is_file() && at.join(OsStr::from_bytes(b"o\xe9.img")).is_file());
    assert!(!names(at).iter().any(|name| name.starts_with("o\u{fffd}") && at.join(name).exists()));
    assert_eq!(
        io::open(at.join(pair), &OpenOptions::default()).unwrap().read_all(Frame::default()).unwrap(),
        boxes()
    );
    // A header that is text can't name such a file.
    for ending in [&b"h\xe9.nhdr"[..], b"h\xe9.mhd"] {
        let output = voxelry(at, "convert").args([name, OsStr::from_bytes(ending)]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("UTF-8"), "{}", text(&output.stderr));
    }
    // Slices with such names are slices.
    let slices = at.join("slices");
    std::fs::create_dir(&slices).unwrap();
    for (number, name) in [&b"s0.tif"[..], b"s1.tif", b"s2\xe9.tif"].into_iter().enumerate() {
        let plane = Volume::from(ndarray::Array3::from_elem((1, 3, 4), number as u8));
        write(&at.join("s.tif"), &plane, false);
        std::fs::rename(at.join("s.tif"), slices.join(OsStr::from_bytes(name))).unwrap();
    }
    assert!(run("info slices", &[]).contains("4 × 3 × 3 voxels"));
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_folders_and_long_names_end_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(Command::new("mkfifo").arg(at.join("pipe.nii")).status().unwrap().success());
    let said = fails(at, "info pipe.nii", 1);
    assert!(said.contains("pipe.nii: is a pipe or a device"), "{said}");
    write(&at.join("a.nii"), &boxes(), false);
    std::fs::create_dir(at.join("b.nii")).unwrap();
    let said = fails(at, "convert a.nii b.nii --overwrite", 1);
    assert!(said.contains("b.nii: is a folder"), "{said}");
    let said = fails(at, "convert a.nii c.nii/", 1);
    assert!(said.contains("ends as the name of a folder"), "{said}");
    for length in [231, 251] {
        let name = "n".repeat(length);
        succeeds(at, &format!("convert a.nii {name}.nii"));
        succeeds(at, &format!("op gaussian --sigma 1 a.nii {name}.npy"));
    }
    let said = fails(at, &format!("op gaussian --sigma 1 a.nii {}.nii", "n".repeat(252)), 1);
    assert!(said.contains("too long"), "{said}");
    // A sample that is called as the table over all samples is.
    std::fs::copy(at.join("a.nii"), at.join("objects.csv.nii")).unwrap();
    succeeds(at, &format!("{MEASURE} a.nii objects.csv.nii --out all"));
    assert_eq!(Csv::read(&at.join("all/objects.csv")).rows.len(), 4);
    assert!(at.join("all/objects.csv-1/objects.csv").is_file());
}

#[test]
fn nothing_is_written_over_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("a.nii"), &boxes(), false);
    for (command, out) in [
        ("convert a.nii b.nrrd", "b.nrrd"),
        ("convert a.nii b.ome.zarr", "b.ome.zarr"),
        ("convert a.nii b.hdr", "b.hdr"),
        ("op gaussian --sigma 1 a.nii g.npy", "g.npy"),
        ("op mesh --as mask a.nii m.stl", "m.stl"),
        ("op measure --as labels a.nii t.csv", "t.csv"),
        ("histogram a.nii h.csv", "h.csv"),
        ("slice-stats a.nii s.csv", "s.csv"),
        ("montage a.nii -o m.png", "m.png"),
        ("sample bone --size 16 -o s.nii", "s.nii"),
    ] {
        succeeds(at, command);
        let said = fails(at, command, 1);
        assert_eq!(said, format!("{out}: is there already; give another name, or --overwrite"));
        succeeds(at, &format!("{command} --overwrite"));
    }
    // All that a command would write counts.
    std::fs::remove_file(at.join("b.hdr")).unwrap();
    assert!(fails(at, "convert a.nii b.hdr", 1).starts_with("b.img: is there already"));
    std::fs::remove_file(at.join("s.nii")).unwrap();
    assert!(fails(at, "sample bone --size 16 -o s.nii", 1).starts_with("s.truth.nii: is there already"));
    assert!(fails(at, "histogram a.nii i.csv --plot m.png", 1).starts_with("m.png: is there already"));
    assert!(!at.join("i.csv").exists());
    std::fs::create_dir_all(at.join("mine.ome.zarr/thesis")).unwrap();
    assert!(fails(at, "convert a.nii mine.ome.zarr --overwrite", 1).contains("holds something else"));
}

#[test]
fn options_may_stand_before_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("a.nii"), &boxes(), false);
    assert!(text(&succeeds(at, "-q info a.nii").stdout).contains("12 × 8 × 8 voxels"));
    assert!(text(&succeeds(at, "--spacing 3um info a.nii").stdout).contains("3 × 3 × 3 µm"));
    succeeds(at, "--memory 2G --as labels run -r measure a.nii --out results");
    succeeds(at, "--sigma 1 op gaussian a.nii g.nii");
    fails(at, "--memory 2G info a.nii", 2);
}

#[test]
fn labels_made_elsewhere_are_measured_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("labels.nii"), &boxes(), false);
    let grey = Volume::from(ndarray::Array3::from_shape_fn((8, 8, 12), |(.., x)| x as f32));
    write(&at.join("grey.nii"), &grey, false);
    let said = fails(at, "run -r measure labels.nii --out results", 2);
    assert!(said.contains("--as labels"), "{said}");
    succeeds(at, &format!("{MEASURE} labels.nii --with intensity=grey.nii --out results"));
    let objects = Csv::read(&at.join("results/objects.csv"));
    assert_eq!(objects.numbers("label"), [1.0, 2.0]);
    assert_eq!(objects.numbers("voxel_count"), [27.0, 27.0]);
    assert_eq!(objects.numbers("volume"), [54.0, 54.0]);
    assert_eq!(objects.numbers("intensity_mean"), [3.0, 8.0]);
    // They aren't written again, and the record says what they were taken as.
    assert!(!names(&at.join("results")).iter().any(|name| name.starts_with("labels")));
    assert!(
        std::fs::read_to_string(at.join("results/provenance.toml"))
            .unwrap()
            .contains("taken_as = \"labels\"")
    );
    succeeds(at, "run --provenance results/provenance.toml --out again");
    let block = format!("{MEASURE} labels.nii --with intensity=grey.nii --block 4 --out blocks");
    succeeds(at, &block);
    for other in ["again", "blocks"] {
        assert_eq!(Csv::read(&at.join(other).join("objects.csv")).rows, objects.rows);
    }
    // As a mask, all that isn't 0 is one thing.
    std::fs::write(at.join("label.toml"), "[[step]]\nop = \"label\"\n[[step]]\nop = \"measure\"\n").unwrap();
    succeeds(at, "run -r label.toml --as mask labels.nii --out mask");
    assert_eq!(Csv::read(&at.join("mask/objects.csv")).numbers("voxel_count"), [27.0, 27.0]);
}

#[test]
fn what_is_cut_short_is_refused_before_any_work_unless_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let volume =
        Volume::from(ndarray::Array3::from_shape_fn((12, 64, 64), |(z, y, x)| (z * 7 + y * x) as u16));
    for name in ["a.nii", "a.nii.gz", "a.nrrd", "a.npy", "a.mha", "a.raw"] {
        write(&at.join(name), &volume, false);
        let bytes = std::fs::read(at.join(name)).unwrap();
        std::fs::write(at.join(name), &bytes[..bytes.len() / 2]).unwrap();
        for command in [
            format!("convert {name} out.nrrd --shape 12,64,64 --dtype u16"),
            format!("run -r granules {name} --out out --shape 12,64,64 --dtype u16"),
            format!("op gaussian --sigma 1 {name} out.npy --shape 12,64,64 --dtype u16"),
        ] {
            let said = fails(at, &command, 1);
            assert!(said.contains(name), "{said}");
            assert!(!names(at).iter().any(|name| name.starts_with("out")), "{command}");
        }
    }
    // Whose slices lie beyond the end: what is there can be worked on, if that is accepted.
    write(&at.join("a.tif"), &volume, false);
    let bytes = std::fs::read(at.join("a.tif")).unwrap();
    let text_at = bytes.windows(10).position(|w| w == b"images=12\n").unwrap();
    let mut more = bytes.clone();
    more[text_at..text_at + 10].copy_from_slice(b"images=13\n");
    std::fs::write(at.join("a.tif"), more).unwrap();
    assert!(text(&succeeds(at, "info a.tif").stdout).contains("names 13 images, the file has 12"));
    for (command, out) in [
        ("convert a.tif b.nrrd", "b.nrrd"),
        ("op gaussian --sigma 1 a.tif g.npy", "g.npy"),
        ("run -r granules a.tif --out results", "results"),
    ] {
        let said = fails(at, command, 1);
        assert!(said.contains("a.tif: is damaged") && said.contains("--accept-damaged"), "{said}");
        assert!(!at.join(out).exists());
        succeeds(at, &format!("{command} --accept-damaged"));
    }
}

#[test]
fn chunks_that_are_not_there_are_counted_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("a.nii"), &boxes(), false);
    succeeds(at, "convert a.nii a.ome.zarr --chunk 4,4,4");
    let image = io::open(at.join("a.ome.zarr"), &OpenOptions::default()).unwrap();
    let whole = image.read_all(Frame::default()).unwrap();
    std::fs::remove_file(at.join("a.ome.zarr/0/c/1/0/1")).unwrap();
    let note = "1 of 12 chunks are not stored; the fill value stands for them";
    for command in [
        "convert a.ome.zarr b.nii",
        "op gaussian --sigma 1 a.ome.zarr g.nii",
        "run -r granules a.ome.zarr --out r",
    ] {
        let said = fails(at, &format!("{command} --require-all-chunks"), 1);
        assert!(said.contains("1 of 12 chunks are not there"), "{said}");
        let said = text(&succeeds(at, command).stderr);
        assert_eq!(said.matches(note).count(), 1, "{said}");
    }
    assert!(std::fs::read_to_string(at.join("r/summary.json")).unwrap().contains(note));
    let image = io::open(at.join("a.ome.zarr"), &OpenOptions::default()).unwrap();
    let read = image.read_all(Frame::default()).unwrap();
    assert_eq!(read.get([4, 0, 4]), Some(0.0));
    assert_eq!(
        (image.absent(), read.crop(Region::new([0; 3], [4, 8, 12]))),
        (1, whole.crop(Region::new([0; 3], [4, 8, 12])))
    );
}

#[test]
fn samples_in_several_units_are_measured_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(&at.join("um.nii"), &boxes(), false);
    let geometry = Geometry::from_spacing([0.002, 0.001, 0.001], Unit::Millimetre);
    io::write_volume(&at.join("mm.nii"), &boxes(), geometry, false, &WriteOptions::default()).unwrap();
    io::write_volume(&at.join("voxel.nii"), &boxes(), Geometry::default(), false, &WriteOptions::default())
        .unwrap();
    let said = text(&succeeds(at, &format!("{MEASURE} um.nii mm.nii --out all")).stderr);
    assert!(said.contains("mm.nii: is measured in µm"), "{said}");
    let volumes = Csv::read(&at.join("all/objects.csv")).numbers("volume");
    assert!(volumes.len() == 4 && volumes.iter().all(|v| (v / 54.0 - 1.0).abs() < 1e-6), "{volumes:?}");
    succeeds(at, "run --provenance all/mm/provenance.toml --out again");
    assert_eq!(
        std::fs::read(at.join("again/objects.csv")).unwrap(),
        std::fs::read(at.join("all/mm/objects.csv")).unwrap()
    );
    let said = fails(at, &format!("{MEASURE} um.nii voxel.nii --out none"), 1);
    assert!(said.contains("voxel.nii: has lengths in voxel") && !at.join("none").exists(), "{said}");
    assert!(text(&succeeds(at, "info --unit nm um.nii").stdout).contains("1000 × 1000 × 2000 nm"));
}
