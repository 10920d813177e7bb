//! Commands with several images, whose voxels lie at places in the world and in frames.

use glam::{DAffine3, DMat3, DVec3};
use ndarray::Array3;
use std::path::Path;
use tempfile::TempDir;
use voxelry_core::io::{self, Channel, Frame, ImageSpec, OpenOptions, WriteOptions};
use voxelry_core::{Geometry, Job, Unit, Volume, VoxelType};
use voxelry_tests::program::{Csv, assert_same_files, fails, succeeds, text};

const SHAPE: [usize; 3] = [6, 7, 8];

/// Axis-aligned, with these spacings along x, y, z and this origin, in millimetres.
fn place(spacing: [f64; 3], origin: [f64; 3]) -> Geometry {
    let matrix = DMat3::from_diagonal(DVec3::from(spacing));
    let world_from_index = DAffine3::from_mat3_translation(matrix, DVec3::from(origin));
    Geometry { world_from_index, unit: Unit::Millimetre, oriented: true }
}

fn write(path: &Path, volume: impl Into<Volume>, geometry: Geometry, labels: bool) {
    io::write_volume(path, &volume.into(), geometry, labels, &WriteOptions::default()).unwrap();
}

/// Frames in the order of channels, then times.
fn write_frames(path: &Path, channels: usize, times: usize, value: impl Fn(usize, usize) -> u8) {
    let shape = [2, 3, 4];
    let spec = ImageSpec {
        channels: vec![Channel::default(); channels],
        times,
        ..ImageSpec::volume(shape, VoxelType::U8, place([1.0; 3], [0.0; 3]), false)
    };
    let sink = io::create(path, &spec, &WriteOptions::default()).unwrap();
    for time in 0..times {
        for channel in 0..channels {
            let volume = Volume::from(Array3::from_elem(shape, value(channel, time)));
            for tile in voxelry_core::Region::whole(shape).tiles(sink.block()) {
                sink.write(Frame::new(channel, time), tile.start, &volume.crop(tile)).unwrap();
            }
        }
    }
    sink.finish(&Job::silent()).unwrap();
}

fn read(path: &Path) -> Volume {
    io::open(path, &OpenOptions::default()).unwrap().read_all(Frame::default()).unwrap()
}

/// Labels of two voxels, and an image that is 50 there and 0 elsewhere: the same grid, stored in three ways.
fn images() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let inside = |(z, y, x): (usize, usize, usize)| z == 2 && y == 2 && (1..3).contains(&x);
    let labels = Array3::from_shape_fn(SHAPE, |at| u16::from(inside(at)));
    let grey = Array3::from_shape_fn(SHAPE, |at| if inside(at) { 50.0f32 } else { 0.0 });
    write(&at.join("labels.nii"), labels, place([1.0; 3], [0.0; 3]), true);
    write(&at.join("grey.nii"), grey.clone(), place([1.0; 3], [0.0; 3]), false);
    let mirrored = grey.slice(ndarray::s![.., .., ..;-1]).to_owned();
    write(&at.join("mirrored.nii"), mirrored, place([-1.0, 1.0, 1.0], [7.0, 0.0, 0.0]), false);
    // Axes z and x exchanged.
    let mut turned = place([1.0; 3], [0.0; 3]);
    turned.world_from_index.matrix3 = DMat3::from_cols(DVec3::Z, DVec3::Y, DVec3::X);
    write(
        &at.join("turned.nrrd"),
        grey.clone().reversed_axes().as_standard_layout().to_owned(),
        turned,
        false,
    );
    let micrometres = place([1.0; 3], [0.0; 3]).in_unit(Unit::Micrometre);
    write(&at.join("micrometres.nrrd"), grey.clone(), micrometres, false);
    write(&at.join("shifted.nii"), grey.clone(), place([1.0; 3], [0.5, 0.0, 0.0]), false);
    write(&at.join("plain.npy"), grey, Geometry::default(), false);
    folder
}

#[test]
fn further_images_are_laid_on_the_first_by_their_places() {
    let folder = images();
    let at = folder.path();
    for (name, said) in [
        ("grey.nii", None),
        ("mirrored.nii", Some("are its -x, y, z")),
        ("turned.nrrd", Some("are its z, y, x")),
        ("micrometres.nrrd", None),
        ("plain.npy", None),
    ] {
        for block in ["", "--block 2,3,4"] {
            let output =
                succeeds(at, &format!("op measure labels.nii m.csv --overwrite --intensity {name} {block}"));
            let means = Csv::read(&at.join("m.csv")).numbers("intensity_mean");
            assert_eq!(means, [50.0], "{name} {block}");
            let heard = text(&output.stderr);
            assert_eq!(heard.contains("reordered"), said.is_some(), "{name}: {heard}");
            assert!(said.is_none_or(|said| heard.contains(said)), "{name}: {heard}");
        }
    }
    // What lies elsewhere is refused before anything is made, by both names, and done if the user insists.
    let refused = fails(at, "op measure labels.nii n.csv --intensity shifted.nii", 1);
    for part in
        ["shifted.nii", "labels.nii", "origin 0.5, 0, 0", "8 × 7 × 6 voxels", "voxelry op resample --like"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(!at.join("n.csv").exists());
    succeeds(at, "op measure labels.nii n.csv --intensity shifted.nii --ignore-geometry");
    assert_eq!(Csv::read(&at.join("n.csv")).numbers("intensity_mean"), [50.0]);
    // All commands with several images.
    succeeds(at, "op arithmetic grey.nii d.npy --other mirrored.nii --operation subtract");
    assert_eq!(read(&at.join("d.npy")), Volume::zeros(VoxelType::F32, SHAPE));
    fails(at, "op arithmetic grey.nii e.npy --other shifted.nii --operation subtract", 1);
    succeeds(at, "montage grey.nii -o a.png --labels labels.nii");
    let half = succeeds(at, "montage mirrored.nii -o b.png --labels labels.nii");
    assert!(text(&half.stderr).contains("reordered"));
    fails(at, "montage shifted.nii -o c.png --labels labels.nii", 1);
    // And what it says helps.
    succeeds(at, "op resample shifted.nii there.nii --like labels.nii");
    succeeds(at, "op measure labels.nii n.csv --overwrite --intensity there.nii");
    assert_eq!(Csv::read(&at.join("n.csv")).numbers("intensity_mean"), [37.5]);
}

#[test]
fn recipes_take_further_images_by_their_places() {
    let folder = images();
    let at = folder.path();
    let step = "[[step]]\nop = \"measure\"\nlabels = \"image\"\nintensity = \"grey\"\n";
    std::fs::write(at.join("r.toml"), step).unwrap();
    succeeds(at, "run -r r.toml labels.nii --with grey=grey.nii --out straight");
    for (number, way) in ["", "--block 3,3,3"].iter().enumerate() {
        let output =
            succeeds(at, &format!("run -r r.toml labels.nii --with grey=mirrored.nii --out m{number} {way}"));
        assert!(text(&output.stderr).contains("grey: was reordered"), "{}", text(&output.stderr));
        for table in ["objects.csv", "image.csv"] {
            let [ours, theirs] = [at.join(format!("m{number}")), at.join("straight")]
                .map(|folder| std::fs::read(folder.join(table)).unwrap());
            assert!(ours == theirs, "{table} {way}");
        }
    }
    assert!(
        fails(at, "run -r r.toml labels.nii --with grey=shifted.nii --out s", 2).contains("another grid")
    );
    assert!(!at.join("s").exists());
    succeeds(at, "run -r r.toml labels.nii --with grey=shifted.nii --ignore-geometry --out s");
    succeeds(at, "run --provenance s/provenance.toml --out again");
    assert_same_files(&at.join("s"), &at.join("again"));
    // A step that changes the order of voxels leaves them where they are, and images beside them don't fit any more.
    let flip = "[[step]]\nop = \"flip\"\naxes = [\"x\"]\n[[step]]\nop = \"threshold\"\nmin = 1\n[[step]]\nop = \"label\"\n\
                [[step]]\nop = \"measure\"\n";
    std::fs::write(at.join("flip.toml"), flip).unwrap();
    assert!(fails(at, "run -r flip.toml grey.nii --out f", 2).contains("another grid"));
    // Found in a smaller image, measured in the image itself.
    let back = "[[step]]\nop = \"bin\"\nfactor = [1, 1, 2]\n[[step]]\nop = \"threshold\"\nmin = 1\n[[step]]\nop = \"label\"\n\
                [[step]]\nop = \"resample\"\nlike = \"image\"\n[[step]]\nop = \"measure\"\n";
    std::fs::write(at.join("back.toml"), back).unwrap();
    succeeds(at, "run -r back.toml grey.nii --out b");
    assert_eq!(Csv::read(&at.join("b/objects.csv")).numbers("intensity_mean"), [25.0]);
    // Onto another grid, in a recipe.
    let like = "[[step]]\nop = \"resample\"\nlike = \"grid\"\n";
    std::fs::write(at.join("like.toml"), like).unwrap();
    succeeds(at, "run -r like.toml grey.nii --with grid=mirrored.nii --labels-as nifti --out l");
    succeeds(at, "op resample grey.nii l.nii --like mirrored.nii");
    assert_eq!(read(&at.join("l.nii")), read(&at.join("mirrored.nii")));
}

#[test]
fn frames_are_chosen_for_all_images_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_frames(&at.join("two.nii"), 1, 2, |_, time| [10, 99][time]);
    write_frames(&at.join("rgb.ome.zarr"), 3, 1, |channel, _| channel as u8 + 1);
    write(&at.join("one.nii"), Array3::from_elem([2, 3, 4], 7u8), place([1.0; 3], [0.0; 3]), false);
    let value = |name: &str| read(&at.join(name)).get([1, 2, 3]).unwrap();
    let subtract = |image: &str, other: &str, more: &str| {
        let command = format!(
            "op arithmetic {image} o.npy --overwrite --other {other} --operation subtract --type f32 {more}"
        );
        let said = text(&succeeds(at, &command).stderr);
        (value("o.npy"), said)
    };
    assert_eq!(subtract("two.nii", "two.nii", "--time 2").0, 0.0);
    assert_eq!(subtract("two.nii", "one.nii", "--time 2").0, 92.0);
    assert_eq!(subtract("one.nii", "two.nii", "--time 2").0, -92.0);
    assert_eq!(subtract("one.nii", "rgb.ome.zarr", "--channel 3").0, 4.0);
    let (first, said) = subtract("two.nii", "one.nii", "");
    assert!(first == 3.0 && said.contains("two.nii: time frame 1 of 2 is used (--time)"), "{said}");
    assert!(!subtract("two.nii", "one.nii", "--time 1").1.contains("is used"));
    let refused =
        fails(at, "op arithmetic one.nii o.npy --overwrite --other two.nii --operation subtract --time 3", 2);
    assert!(refused.contains("two.nii") && refused.contains("--time 3"), "{refused}");
    fails(at, "op arithmetic one.nii o.npy --overwrite --other one.nii --operation subtract --time 2", 2);
    for command in [
        "op gaussian two.nii smooth.npy --sigma 1",
        "histogram two.nii h.csv",
        "slice-stats two.nii s.csv",
        "montage two.nii -o m.png",
        "op mesh two.nii m.stl --as mask",
    ] {
        let said = text(&succeeds(at, command).stderr);
        assert_eq!(said.matches("time frame 1 of 2 is used (--time)").count(), 1, "{command}: {said}");
    }
    // In recipes.
    let step = "[[step]]\nop = \"arithmetic\"\noperation = \"subtract\"\nother = \"dark\"\n[[step]]\nop = \"threshold\"\n\
                min = 1\n";
    std::fs::write(at.join("r.toml"), step).unwrap();
    succeeds(at, "run -r r.toml two.nii --with dark=two.nii --time 2 --labels-as nifti --out r");
    assert_eq!(value("r/mask.nii.gz"), 0.0);
}

#[test]
fn headers_that_contradict_themselves_are_said_once() {
    let folder = images();
    let at = folder.path();
    let bytes = std::fs::read(at.join("grey.nii")).unwrap();
    let patched = |name: &str, changes: &[(usize, &[u8])]| {
        let mut bytes = bytes.clone();
        for (offset, value) in changes {
            bytes[*offset..*offset + value.len()].copy_from_slice(value);
        }
        std::fs::write(at.join(name), bytes).unwrap();
    };
    // The fields of NIfTI-1: qoffset_x, qform_code, pixdim[1].
    patched("moved.nii", &[(268, &5.0f32.to_ne_bytes())]);
    patched("wide.nii", &[(252, &0i16.to_ne_bytes()), (80, &2.0f32.to_ne_bytes())]);
    for (name, part) in [("moved.nii", "up to 5.000 units"), ("wide.nii", "pixdim of 2 × 1 × 1")] {
        let info = text(&succeeds(at, &format!("info {name}")).stdout);
        assert!(info.contains(part) && info.contains("the sform is used"), "{info}");
        let said = text(&succeeds(at, &format!("op gaussian {name} o.npy --overwrite --sigma 1")).stderr);
        assert_eq!(said.matches(part).count(), 1, "{said}");
    }
    assert!(!text(&succeeds(at, "info grey.nii").stdout).contains("note"));
}

#[test]
fn samples_in_other_units_are_converted_or_refused_before_the_first() {
    let folder = images();
    let at = folder.path();
    let recipe = "[[step]]\nop = \"threshold\"\nmin = 1\n[[step]]\nop = \"label\"\n[[step]]\nop = \"measure\"\n\
                  columns = [\"volume\"]\n";
    std::fs::write(at.join("r.toml"), recipe).unwrap();
    let said = text(&succeeds(at, "run -r r.toml grey.nii micrometres.nrrd --out both").stderr);
    assert!(said.contains("micrometres.nrrd: is measured in mm"), "{said}");
    let table = Csv::read(&at.join("both/objects.csv"));
    let volumes = table.numbers("volume");
    assert!(volumes.len() == 2 && volumes.iter().all(|v| (v - 2.0).abs() < 1e-12), "{volumes:?}");
    let units = std::fs::read_to_string(at.join("both/micrometres/objects.units.csv")).unwrap();
    assert!(units.contains("mm³") && !units.contains("µm"), "{units}");
    succeeds(at, "run --provenance both/micrometres/provenance.toml --out again");
    assert_same_files(&at.join("both/micrometres"), &at.join("again"));
    let refused = fails(at, "run -r r.toml grey.nii plain.npy --out none", 1);
    assert!(
        refused.contains("plain.npy") && refused.contains("voxel") && !at.join("none").exists(),
        "{refused}"
    );
}
