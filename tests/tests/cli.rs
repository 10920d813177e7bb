//! The command line as its users meet it: the program itself runs, on small samples.

#[path = "cli/files.rs"]
mod files;
#[path = "cli/hard/mod.rs"]
mod hard;
#[path = "cli/studies.rs"]
mod studies;
#[path = "cli/time.rs"]
mod time;

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use tempfile::TempDir;
use voxelry_core::Volume;
use voxelry_core::io::{self, Frame, OpenOptions};
use voxelry_tests::program::{Csv, assert_same_files, fails, names, program, succeeds, text, tree, voxelry};

/// A granules sample that several tests read.
fn sample() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        succeeds(folder.path(), "sample granules --size 64 --seed 7 -o granules.nii.gz");
        succeeds(folder.path(), "run --recipe granules granules.nii.gz --out results");
        folder
    });
    folder.path()
}

fn labels_of(path: &Path) -> Vec<u32> {
    let source = io::open(path, &OpenOptions::default()).unwrap();
    let volume = source.read_all(Frame::default()).unwrap();
    let as_u32 = volume.cast(voxelry_core::VoxelType::U32);
    let Volume::U32(labels) = as_u32 else { panic!("labels are u32") };
    labels.into_raw_vec_and_offset().0
}

#[test]
fn results_are_complete_and_agree_with_the_truth() {
    let results = sample().join("results");
    assert_eq!(
        names(&results),
        [
            "contacts.csv",
            "contacts.parquet",
            "contacts.units.csv",
            "image.csv",
            "image.parquet",
            "image.units.csv",
            "labels.ome.zarr",
            "montage.png",
            "objects.csv",
            "objects.parquet",
            "objects.units.csv",
            "provenance.toml",
            "summary.json"
        ]
    );

    // The table counts what the label image holds.
    let labels = labels_of(&results.join("labels.ome.zarr"));
    let table = Csv::read(&results.join("objects.csv"));
    let most = *labels.iter().max().unwrap() as usize;
    let mut counts = vec![0u64; most + 1];
    labels.iter().for_each(|&l| counts[l as usize] += 1);
    assert_eq!(table.rows.len(), most);
    for (label, count) in table.numbers("label").into_iter().zip(table.numbers("voxel_count")) {
        assert_eq!(counts[label as usize] as f64, count, "label {label}");
    }
    // Voxels of 5 µm.
    for (count, volume) in table.numbers("voxel_count").into_iter().zip(table.numbers("volume")) {
        assert!((volume / (count * 125.0) - 1.0).abs() < 1e-12);
    }

    // Nearly every granule of some size is found, and found where it is.
    let truth = labels_of(&sample().join("granules.truth.nii.gz"));
    let known = Csv::read(&sample().join("granules.truth.csv"));
    let (mut found, mut large) = (0, 0);
    let mut errors = Vec::new();
    for (label, size) in known.numbers("label").into_iter().zip(known.numbers("voxel_count")) {
        if size < 500.0 {
            continue;
        }
        large += 1;
        let mut overlap = vec![0u64; most + 1];
        for (t, l) in truth.iter().zip(&labels) {
            if f64::from(*t) == label {
                overlap[*l as usize] += 1;
            }
        }
        let (best, &shared) = overlap.iter().enumerate().skip(1).max_by_key(|(_, n)| **n).unwrap();
        if shared as f64 > 0.8 * (size + counts[best] as f64 - shared as f64) {
            found += 1;
            errors.push((counts[best] as f64 / size - 1.0).abs());
        }
    }
    errors.sort_by(f64::total_cmp);
    assert!(known.numbers("label").iter().chain(&known.numbers("volume")).all(|v| *v > 0.0));
    assert!(large >= 20 && found * 10 >= large * 9, "{found} of {large} granules");
    assert!(errors[found / 2] < 0.06, "the median volume is off by {}", errors[found / 2]);

    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(results.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["shape_zyx"], serde_json::json!([64, 64, 64]));
    assert_eq!((&summary["unit"], &summary["sample"]), (&"µm".into(), &"granules".into()));
    let objects = &summary["tables"][0];
    assert_eq!((&objects["table"], &objects["rows"]), (&"objects".into(), &table.rows.len().into()));
    let volume = objects["columns"].as_array().unwrap().iter().find(|c| c["column"] == "volume").unwrap();
    assert_eq!(volume["unit"], "µm³");
    let total: f64 = table.numbers("volume").iter().sum();
    assert!((volume["sum"].as_f64().unwrap() / total - 1.0).abs() < 1e-12);
    let mut sorted = table.numbers("volume");
    sorted.sort_by(f64::total_cmp);
    assert_eq!(
        (volume["min"].as_f64(), volume["max"].as_f64()),
        (sorted.first().copied(), sorted.last().copied())
    );

    let files = tree(&results);
    let bytes = |name: &str| &files[Path::new(name)][..];
    assert!(
        bytes("montage.png").starts_with(b"\x89PNG") && bytes("montage.png").ends_with(b"IEND\xaeB`\x82")
    );
    assert!(bytes("objects.parquet").starts_with(b"PAR1") && bytes("objects.parquet").ends_with(b"PAR1"));
    let provenance = text(bytes("provenance.toml"));
    for part in
        ["program = \"voxelry ", "blake3 = \"", "path = \"granules.nii.gz\"", "op = \"otsu\"", "threshold = "]
    {
        assert!(provenance.contains(part), "{part} is not in the provenance:\n{provenance}");
    }
}

#[test]
fn provenance_makes_the_same_bytes_again() {
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again");
    let provenance = "run --provenance results/provenance.toml";
    succeeds(sample(), &format!("{provenance} --out {}", again.display()));
    assert_same_files(&sample().join("results"), &again);
    // The image may have moved, but it must be the same.
    std::fs::copy(sample().join("granules.nii.gz"), folder.path().join("moved.nii.gz")).unwrap();
    std::fs::copy(again.join("provenance.toml"), folder.path().join("p.toml")).unwrap();
    let said = fails(folder.path(), "run --provenance p.toml --out missing", 1);
    assert!(said.starts_with("granules.nii.gz: "), "{said}");
    succeeds(folder.path(), "run --provenance p.toml moved.nii.gz --out moved");
    assert_same_files(&again, &folder.path().join("moved"));
    succeeds(folder.path(), "sample granules --size 64 --seed 8 -o other.nii.gz");
    let said = fails(folder.path(), "run --provenance p.toml other.nii.gz --out other", 1);
    assert!(said.starts_with("other.nii.gz: is not the image") && said.contains("hash"), "{said}");
    assert!(!folder.path().join("other").exists());
}

#[test]
fn blocks_threads_and_formats_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let results = sample().join("results");
    for (name, arguments) in
        [("memory", "--memory 1M --threads 2"), ("block", "--block 17,40,23"), ("one", "--threads 1")]
    {
        let out = folder.path().join(name);
        let run = format!("run --recipe granules granules.nii.gz {arguments} --out {}", out.display());
        let said = text(&succeeds(sample(), &run).stderr);
        assert_eq!(said.contains("block by block"), name != "one", "{said}");
        assert_same_files(&results, &out);
    }
    let labels = labels_of(&results.join("labels.ome.zarr"));
    for (format, file) in [("nifti", "labels.nii.gz"), ("tiff", "labels.tif"), ("nrrd", "labels.nrrd")] {
        let out = folder.path().join(format);
        let run =
            format!("run --recipe granules granules.nii.gz --labels-as {format} --out {}", out.display());
        succeeds(sample(), &run);
        assert!(labels_of(&out.join(file)) == labels, "{file}");
    }
}

/// One object as large as the image is what needed the most memory.
#[test]
#[cfg(target_os = "linux")]
fn a_run_stays_within_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = "[[step]]\nop = \"median\"\n[[step]]\nop = \"otsu\"\n[[step]]\nop = \"label\"\n[[step]]\nop = \"measure\"\n";
    std::fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    succeeds(folder.path(), "sample foam --size 192 -o foam.nii");
    let run = "run --recipe recipe.toml foam.nii --out results --threads 2 --memory 100M";
    let mut child = voxelry(folder.path(), run).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        peak = peak.max(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    assert!((1..100_000).contains(&peak), "{peak} kB");
}

#[test]
fn several_images_make_a_folder_each_and_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir_all(path.join("b")).unwrap();
    succeeds(path, "sample cells --size 48 --seed 1 -o scan.1.nii.gz");
    succeeds(path, "sample cells --size 48 --seed 2 -o b/scan.1.nii.gz");
    std::fs::write(path.join("broken.tif"), "II*\0 but no image").unwrap();

    // An image that can't be read is found before any work is done.
    let said = fails(path, "run --recipe cells scan.1.nii.gz broken.tif --out all", 1);
    assert!(said.starts_with("broken.tif: "), "{said}");
    assert!(!path.join("all").exists());

    succeeds(path, "run --recipe cells scan.1.nii.gz b/scan.1.nii.gz --out all");
    let all = Csv::read(&path.join("all/objects.csv"));
    assert_eq!(all.header[0], "sample");
    let mut rows = 0;
    for sample in ["scan.1", "scan.1-2"] {
        let own = Csv::read(&path.join("all").join(sample).join("objects.csv"));
        let samples = all.texts("sample");
        let theirs: Vec<_> =
            all.rows.iter().zip(samples).filter(|(_, s)| *s == sample).map(|(r, _)| &r[1..]).collect();
        assert!(!theirs.is_empty());
        assert_eq!(theirs, own.rows.iter().map(|r| &r[..]).collect::<Vec<_>>());
        rows += own.rows.len();
    }
    assert_eq!(all.rows.len(), rows);
    assert!(path.join("all/objects/scan.1.parquet").exists() && path.join("all/objects.units.csv").exists());
    let said = fails(path, "run --recipe cells scan.1.nii.gz --out all/scan.1", 1);
    assert!(said.contains("is not empty") && said.contains("--overwrite"), "{said}");
}

#[test]
fn recipe_errors_name_the_line_and_the_nearest_right_name() {
    let folder = tempfile::tempdir().unwrap();
    let check = |recipe: &str, expected: &[&str]| {
        std::fs::write(folder.path().join("r.toml"), recipe).unwrap();
        let image = sample().join("granules.nii.gz");
        let said = fails(folder.path(), &format!("run --recipe r.toml {} --out out", image.display()), 2);
        for part in expected.iter().chain(&["r.toml"]) {
            assert!(said.contains(part), "{recipe}\n{said}");
        }
        assert_eq!(names(folder.path()), ["r.toml"], "{recipe}");
    };
    check("[[step]]\nop = \"gausian\"\n", &["line 2", "did you mean \"gaussian\"?"]);
    check("[[step]]\nop = \"gaussian\"\n\nsgma = 2\n", &["line 4", "did you mean \"sigma\"?"]);
    check("[[step]]\nop = \"gaussian\"\nsigma = \"2 um2\"\n", &["line 3", "unit", "um2"]);
    check("[[step]]\nop = \"gaussian\"\nsigma = true\n", &["line 3", "true is not a length"]);
    check("[[step]]\nop = \"gaussian\"\nsigma = -2\n", &["line 3", "at least 0"]);
    check("[[step]]\nop = \"otsu\"\nbins = 1.5\n", &["line 3", "1.5 is not a whole number"]);
    check("[[step]]\nop = \"otsu\"\ninput = \"imge\"\n", &["line 3", "did you mean \"image\"?"]);
    check(
        "[[step]]\nop = \"otsu\"\n\n[[step]]\nop = \"label\"\nconnectivity = 8\n",
        &["line 6", "one of 6, 18, 26"],
    );
    check("[[step]]\nop = \"label\"\n", &["line 1", "put a threshold before it"]);
    check(
        "[[step]]\nop = \"otsu\"\n\n[[step]]\nop = \"label\"\n\n[[step]]\nop = \"measure\"\ncolumns = [\"volum\"]\n",
        &["line 9", "did you mean \"volume\"?"],
    );
    check("[[step]]\nop = \"crop\"\nstart = [0, 0, 0]\nsize = [600, 1, 1]\n", &["line", "crop", "600"]);
    check("title = 3\n", &["line 1", "title"]);
    check("[[stpe]]\nop = \"otsu\"\n", &["line 1", "did you mean \"step\"?"]);
    check("[[step]\n", &["line 1", "TOML"]);
    let said = fails(folder.path(), "run --recipe granule x.tif --out out", 2);
    assert!(said.contains("did you mean \"granules\"?"), "{said}");
}

#[test]
fn arguments_that_cannot_work_are_refused_before_the_work() {
    let check = |arguments: &str, code: i32, expected: &str| {
        let before = names(sample());
        let said = fails(sample(), arguments, code);
        assert!(said.contains(expected), "{arguments}: {said}");
        assert_eq!(before, names(sample()), "{arguments}");
    };
    check("rum", 2, "rum is neither a file nor a command; did you mean \"run\"?");
    check("render granules.nii.gz -o x.jpg", 1, "is written as .png");
    check("render granules.nii.gz --pane z --slice 999 -o x.png", 2, "--slice 999: the last one is");
    check("render granules.nii.gz --window 3 3 -o x.png", 2, "--window");
    check("render granules.nii.gz --channel 2 -o x.png", 2, "--channel 2: the last one is 1");
    check("render granules.nii.gz --labels granules.truth.csv -o x.png", 1, "granules.truth.csv");
    check("render granules.nii.gz -o x.gif", 2, "--movie: turntable, slices or time?");
    check("render granules.nii.gz --movie slices -o x.png", 1, "x.png: a movie is written as .apng");
    check("render granules.nii.gz --movie time -o x.gif", 2, "has one time frame");
    check("render granules.nii.gz --movie slices --pane 3d -o x.gif", 2, "doesn't go with --pane 3d");
    check("render granules.nii.gz --movie slices --rate 0 -o x.gif", 2, "0 frames per second");
    check(
        "render granules.nii.gz granules.nii.gz granules.nii.gz --colours bone --colours grey -o x.png",
        2,
        "--colours is given 2 times for 3 images",
    );
    check("op gausian granules.nii.gz x.nii", 2, "'gaussian'");
    check("op gaussian --sigma 2parsec granules.nii.gz x.nii", 2, "unknown unit \"parsec\"");
    check("op gaussian granules.nii.gz x.doc", 1, "x.doc: no format is known");
    check("op gaussian granules.nii.gz missing/x.nii", 1, "missing: is not a folder");
    check("run --recipe granules absent.tif --out x", 1, "absent.tif: No such file");
    check("run --recipe granules granules.nii.gz --out missing/x", 1, "missing: is not a folder");
    check("run --recipe granules granules.nii.gz --memory much --out x", 2, "--memory: \"much\"");
    check("run --recipe granules granules.nii.gz --block 0 --out x", 2, "--block: \"0\"");
    check("run --recipe granules granules.nii.gz --channel 2 --out x", 2, "--channel 2: the last one is 1");
    check("run --recipe granules --out x", 2, "which image?");
    check("run --recipe granules granules.nii.gz --out granules.truth.csv", 1, "is a file");
    check("run --recipe granules granules.nii.gz --out . --overwrite", 1, "won't be overwritten");
    check("histogram granules.nii.gz h.txt", 1, "written as .csv or .parquet");
    check("histogram granules.nii.gz h.csv --plot h.jpg", 1, "written as .png");
    check("montage granules.nii.gz -o m.jpg", 1, "written as .png");
    check("montage granules.nii.gz -o m.png --slices 0", 2, "--slices");
    check("montage granules.nii.gz -o m.png --level 7", 2, "--level 7: the last one is 0");
    check("ops gausian", 2, "did you mean \"gaussian\"?");
}

#[test]
fn every_command_explains_itself() {
    let here = sample();
    let help = text(&succeeds(here, "--help").stdout);
    let commands = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let commands: Vec<&str> =
        commands.filter(|l| !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next()).collect();
    assert!(commands.len() > 10, "{help}");
    for command in commands.iter().filter(|c| **c != "help") {
        let help = text(&succeeds(here, &format!("{command} --help")).stdout);
        assert!(help.contains(&format!("Usage: voxelry {command}")), "{help}");
    }
    let json: serde_json::Value = serde_json::from_slice(&succeeds(here, "ops --json").stdout).unwrap();
    let operators = json.as_array().unwrap();
    assert!(operators.len() > 40);
    for operator in operators {
        let id = operator["id"].as_str().unwrap();
        let help = text(&succeeds(here, &format!("op {id} --help")).stdout);
        for parameter in operator["parameters"].as_array().unwrap() {
            let option = format!("--{}", parameter["name"].as_str().unwrap().replace('_', "-"));
            assert!(help.contains(&option), "{id}: {option}\n{help}");
        }
        assert!(text(&succeeds(here, &format!("ops {id}")).stdout).starts_with(id));
    }
    for recipe in ["foam", "bone", "cells", "granules"] {
        assert!(text(&succeeds(here, "recipes").stdout).contains(recipe));
        assert!(text(&succeeds(here, &format!("recipes {recipe}")).stdout).contains("[[step]]"));
    }
}

#[test]
fn lengths_are_in_voxels_or_physical() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample().join("granules.nii.gz");
    let smooth = |sigma: &str, name: &str| {
        succeeds(folder.path(), &format!("op gaussian --sigma {sigma} {} {name}", image.display()));
        std::fs::read(folder.path().join(name)).unwrap()
    };
    // A voxel is 5 µm.
    let voxels = smooth("1.5", "a.npy");
    assert!(voxels == smooth("7.5um", "b.npy") && voxels == smooth("0.0075mm", "c.npy"));
    assert!(voxels != smooth("7.5", "d.npy"));
    succeeds(folder.path(), &format!("op gaussian --sigma 2um {} out.ome.zarr", image.display()));
    assert!(folder.path().join("out.ome.zarr/zarr.json").exists());
}

#[test]
fn conversions_keep_voxels_and_spacing_and_say_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample().join("granules.nii.gz");
    let whole = io::open(&image, &OpenOptions::default()).unwrap().read_all(Frame::default()).unwrap();
    let mut from = image.display().to_string();
    for (number, target) in
        ["a.ome.zarr", "b.nrrd", "c.ome.tif", "d.mha", "e.tif", "f.nii", "g.ome.zarr"].iter().enumerate()
    {
        let options =
            ["--zarr-version 0.4", "", "", "--uncompressed", "", "", "--chunk 16 --shard 32"][number];
        let said = succeeds(folder.path(), &format!("convert {from} {target} {options}"));
        assert!(!text(&said.stderr).contains("warning"), "{target}: {}", text(&said.stderr));
        let source = io::open(folder.path().join(target), &OpenOptions::default()).unwrap();
        assert!(source.read_all(Frame::default()).unwrap() == whole, "{target}");
        let geometry = source.info().geometry();
        assert!(
            geometry.spacing().iter().all(|s| (s - 5.0).abs() < 1e-9),
            "{target}: {:?}",
            geometry.spacing()
        );
        assert_eq!(geometry.unit.symbol(), "µm", "{target}");
        from = (*target).to_owned();
    }

    let part = "convert g.ome.zarr part.npy --start 3,5,7 --size 20,10,30 --type f32";
    let said = text(&succeeds(folder.path(), part).stderr);
    assert!(said.contains("warning: ") && said.contains("30 × 10 × 20 voxels of f32"), "{said}");
    let part = io::open(folder.path().join("part.npy"), &OpenOptions::default()).unwrap();
    let expected = whole.crop(voxelry_core::Region::new([3, 5, 7], [20, 10, 30]));
    assert!(part.read_all(Frame::default()).unwrap() == expected.cast(voxelry_core::VoxelType::F32));

    // Labels are never averaged: a coarser level has labels of the finer one.
    succeeds(folder.path(), "sample cells --size 80 -o cells.nii.gz");
    let truth = folder.path().join("cells.truth.nii.gz");
    succeeds(folder.path(), "convert cells.truth.nii.gz labels.ome.zarr --labels");
    let labels = io::open(folder.path().join("labels.ome.zarr"), &OpenOptions::default()).unwrap();
    assert!(labels.info().labels && labels.info().levels.len() > 1);
    let known = labels_of(&truth);
    let coarse = labels.read_all(Frame { level: 1, ..Frame::default() }).unwrap();
    let Volume::U32(coarse) = coarse.cast(voxelry_core::VoxelType::U32) else { panic!("labels are u32") };
    assert!(coarse.len() < known.len() && coarse.iter().all(|l| known.contains(l)));

    let said = fails(folder.path(), "convert g.ome.zarr x.nii --start 60,0,0 --size 20,1,1", 2);
    assert!(said.contains("64"), "{said}");
    let said = fails(folder.path(), "convert g.ome.zarr x.nii --type u15", 2);
    assert!(said.contains("--type"), "{said}");
}

#[test]
fn images_of_a_file_are_listed_and_chosen() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let folder = tempfile::tempdir().unwrap();
    let said = text(&succeeds(&golden, "info tiff_sets/images.ome.tif").stdout);
    assert!(said.contains("image 1      \"cells\" 11 × 9 × 3 u16, 2 channels (open)"), "{said}");
    assert!(said.contains("image 2      \"overview\" 7 × 8 × 1 u8, 2 times"), "{said}");
    let said = text(&succeeds(&golden, "info tiff_sets/positions --dataset Pos1").stdout);
    assert!(said.contains("\"Pos1\" 6 × 5 × 4 u16, position 100, 50 µm (open)"), "{said}");
    let said = text(&succeeds(&golden, "info hdf5_samples/bdv.xml").stdout);
    assert!(
        said.contains("level 1") && said.contains("\"s02,s03\" 12 × 10 × 6 u16, 2 channels, 2 times"),
        "{said}"
    );

    let target = folder.path().join("a.npy");
    succeeds(&golden, &format!("convert hdf5_samples/bdv.h5 {} --dataset s03", target.display()));
    let shape = io::open(&target, &OpenOptions::default()).unwrap().info().shape();
    assert_eq!(shape[1..], [10, 12]);
    let said = fails(&golden, "info tiff_sets/images.ome.tif --dataset cels", 1);
    assert!(said.contains("did you mean \"cells\"?"), "{said}");
    let said = fails(&golden, "info hdf5_samples/filters.h5 --dataset zfp", 1);
    assert!(said.contains("ZFP"), "{said}");
}

#[test]
fn pictures_and_their_figures() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample().join("granules.nii.gz").display().to_string();
    let labels = sample().join("results/labels.ome.zarr").display().to_string();
    succeeds(folder.path(), &format!("montage {image} --labels {labels} --axis y -o m.png"));
    succeeds(folder.path(), &format!("histogram {image} h.csv --plot h.png"));
    succeeds(folder.path(), &format!("slice-stats {image} s.csv --plot s.png"));
    for picture in ["m.png", "h.png", "s.png"] {
        assert!(std::fs::read(folder.path().join(picture)).unwrap().starts_with(b"\x89PNG"));
    }
    let source = io::open(sample().join("granules.nii.gz"), &OpenOptions::default()).unwrap();
    let Volume::U16(voxels) = source.read_all(Frame::default()).unwrap() else { panic!("samples are u16") };
    let histogram = Csv::read(&folder.path().join("h.csv"));
    assert_eq!(histogram.numbers("count").iter().sum::<f64>(), voxels.len() as f64);
    let slices = Csv::read(&folder.path().join("s.csv"));
    for (slice, mean) in voxels.outer_iter().zip(slices.numbers("mean")) {
        let expected = slice.iter().map(|&v| u64::from(v)).sum::<u64>() as f64 / slice.len() as f64;
        assert!((mean / expected - 1.0).abs() < 1e-12);
    }
}

#[test]
fn progress_is_plain_lines_when_piped() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample().join("granules.nii.gz").display().to_string();
    let output = succeeds(folder.path(), &format!("run --recipe granules {image} --out out"));
    let said = text(&output.stderr);
    assert!(output.stdout.is_empty() && !said.contains(['\r', '\x1b']), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    for stage in ["read", "median", "otsu", "split", "measure", "write labels.ome.zarr", "montage"] {
        assert!(lines.contains(&stage), "{stage}\n{said}");
    }
    assert!(lines.last().unwrap().ends_with(": out"), "{said}");
    let quiet = succeeds(folder.path(), &format!("run --quiet --recipe granules {image} --out quiet"));
    assert_eq!(text(&quiet.stderr), "");
}

/// A reader that has seen enough, as in `voxelry ops | head -1`, stops neither the program nor its work.
#[test]
fn nobody_needs_to_listen() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample().join("granules.nii.gz").display().to_string();
    for arguments in [
        "ops --json".to_owned(),
        "columns".to_owned(),
        "--help".to_owned(),
        format!("run --recipe granules {image} --out out"),
    ] {
        let mut child =
            voxelry(folder.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments}");
    }
    assert_same_files(&sample().join("results"), &{
        // The path of the image is part of the record, so the run is compared without it.
        std::fs::copy(sample().join("results/provenance.toml"), folder.path().join("out/provenance.toml"))
            .unwrap();
        folder.path().join("out")
    });
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_at_once_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeeds(path, "sample granules --size 96 -o g.nii.gz");
    std::fs::write(path.join("slow.toml"), "[[step]]\nop = \"non-local-means\"\nh = 500\nsearch = 7\n")
        .unwrap();
    let before = names(path);
    for (arguments, stage) in [
        ("run --recipe slow.toml g.nii.gz --out out", "non-local-means"),
        ("run --recipe slow.toml g.nii.gz --out out --block 32", "non-local-means"),
        ("run --recipe granules g.nii.gz --out out", "split"),
        ("op non-local-means --h 500 g.nii.gz out.ome.zarr", "non-local-means"),
    ] {
        let mut child = voxelry(path, arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        let mut stderr = child.stderr.take().unwrap();
        while !String::from_utf8_lossy(&said).lines().any(|l| l.starts_with(stage)) {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{arguments} ended: {}", text(&said));
            said.extend(byte);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        let start = std::time::Instant::now();
        let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let status = child.wait().unwrap();
        let took = start.elapsed();
        stderr.read_to_end(&mut said).unwrap();
        assert_eq!(status.code(), Some(130), "{arguments}: {}", text(&said));
        assert!(text(&said).ends_with("voxelry: cancelled\n"), "{}", text(&said));
        assert!(took.as_millis() < 1000, "{arguments} took {took:?}");
        if arguments.contains("--block") {
            // What is done of it stays, hidden, for the same command to resume.
            let hidden: Vec<_> = names(path).into_iter().filter(|n| n.starts_with(".out.")).collect();
            let [lock, folder] = &hidden[..] else { panic!("{arguments}: {hidden:?}") };
            std::fs::remove_file(path.join(lock)).unwrap();
            std::fs::remove_dir_all(path.join(folder)).unwrap();
        }
        assert_eq!(names(path), before, "{arguments}");
    }
}

/// Pictures are those of the window, layers lie over each other, and movies are what their names say.
#[test]
fn pictures_and_movies_are_made_without_a_window() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let image = sample().join("granules.nii.gz").display().to_string();
    let render = |arguments: &str| {
        let output = voxelry(path, &format!("render {image} {arguments}")).output().unwrap();
        let said = text(&output.stderr);
        if said.contains("there is no graphics adapter") {
            eprintln!("skipped: {said}");
            return None;
        }
        assert!(output.status.success(), "{arguments}: {said}");
        Some(())
    };
    let size = |name: &str| {
        let bytes = std::fs::read(path.join(name)).unwrap();
        [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
    };
    let small = "--width 120 --height 90";
    let Some(()) = render(&format!("--pane z {small} -o one.png")) else { return };
    render(&format!("--pane z {small} --scale 2 -o two.png"));
    assert_eq!((size("one.png"), size("two.png")), ([120, 90], [240, 180]));
    // Another layer, no legend, and a crosshair change the picture.
    render(&format!("{image} {image} --pane z {small} -o layers.png"));
    render(&format!("{image} --pane z {small} --colours grey --colours inferno -o chosen.png"));
    render("--pane z --width 400 --height 300 -o legend.png");
    render("--pane z --width 400 --height 300 --no-legend -o bare.png");
    render(&format!("--pane z {small} --crosshair -o crosshair.png"));
    let pictures = tree(path);
    for (i, (a, bytes)) in pictures.iter().enumerate() {
        for (b, others) in pictures.iter().skip(i + 1) {
            assert!(bytes != others, "{} and {} are the same", a.display(), b.display());
        }
    }
    render(&format!("--movie slices --frames 5 {small} -o slices/"));
    assert_eq!(names(&path.join("slices")).len(), 5);
    render(&format!("--movie turntable --frames 3 --rate 10 {small} -o turn.gif"));
    render(&format!("--movie turntable --frames 3 {small} -o turn.apng"));
    let all = tree(path);
    assert!(all[Path::new("turn.gif")].starts_with(b"GIF89a"));
    assert!(all[Path::new("turn.apng")].windows(4).filter(|w| w == b"fcTL").count() == 3);
}

/// Files may not grow beyond a few blocks, which is what a full disk looks like to the program.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let image = sample().join("granules.nii.gz").display().to_string();
    std::fs::write(path.join("grow.toml"), "[[step]]\nop = \"gaussian\"\n").unwrap();
    let before = names(path);
    for (arguments, target) in [
        (format!("run --recipe granules {image} --out out"), "out"),
        (format!("run --recipe grow.toml {image} --out out --block 32"), "out"),
        (format!("run --recipe granules {image} --out out --labels-as nifti"), "out"),
        (format!("convert {image} out.ome.zarr"), "out.ome.zarr"),
        (format!("convert {image} out.nii.gz"), "out.nii.gz"),
        (format!("convert {image} out.nii"), "out.nii"),
        (format!("convert {image} out.tif"), "out.tif"),
        (format!("convert {image} out.nrrd"), "out.nrrd"),
        (format!("convert {image} out.mha"), "out.mha"),
        (format!("convert {image} out.npy"), "out.npy"),
        (format!("montage {image} -o out.png"), "out.png"),
        (format!("histogram {image} out.csv --bins 60000"), "out.csv"),
        (format!("histogram {image} out.parquet --bins 60000"), "out.parquet"),
        ("sample bone --size 48 -o out.nii.gz".to_owned(), "out.nii.gz"),
    ] {
        let limited = format!("trap '' XFSZ; ulimit -f 16; exec '{}' {arguments}", program().display());
        let output =
            std::process::Command::new("sh").args(["-c", &limited]).current_dir(path).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        let message = said
            .lines()
            .find(|l| l.starts_with("voxelry: "))
            .unwrap_or_else(|| panic!("{arguments}: {said}"));
        assert!(message.starts_with(&format!("voxelry: {target}")), "{arguments}: {message}");
        assert!(!message.contains("partial"), "{arguments}: {message}");
        if target == "out.ome.zarr" || arguments.contains("--block") {
            // What is written of it stays, hidden, and is resumed when there is room.
            assert!(said.contains("the same command resumes") && !path.join(target).exists());
            succeeds(path, &arguments);
            std::fs::remove_dir_all(path.join(target)).unwrap();
        }
        assert_eq!(names(path), before, "{arguments}");
    }
}

/// Killed at any moment, a conversion is resumed by the same command, and ends with the same bytes.
#[cfg(unix)]
#[test]
fn a_conversion_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, "sample foam --size 320 --seed 3 -o foam.nrrd");
    succeeds(at, "convert foam.nrrd whole.ome.zarr --threads 1");
    let begun = || {
        let hidden = std::fs::read_dir(at).unwrap().flatten().map(|entry| entry.path());
        hidden
            .filter(|p| {
                p.to_string_lossy().contains(".a.ome.zarr.")
                    && p.extension().is_some_and(|e| e == "voxelry-partial")
            })
            .collect::<Vec<_>>()
    };
    let noted = || {
        let notes = begun().into_iter().filter_map(|p| std::fs::metadata(p.join("voxelry-done")).ok());
        notes.map(|about| about.len()).max().unwrap_or(0)
    };
    let mut killed = 0;
    loop {
        let mut child =
            voxelry(at, "convert foam.nrrd a.ome.zarr --threads 1").stderr(Stdio::null()).spawn().unwrap();
        let before = noted();
        // A little more than was there, if it is not over before.
        let over = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
            if noted() > before {
                break false;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        if over || killed > 20 {
            assert!(child.wait().unwrap().success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        assert!(begun().len() == 1 && !at.join("a.ome.zarr").exists());
    }
    assert!(killed > 0, "it was over before it could be killed");
    assert_same_files(&at.join("whole.ome.zarr"), &at.join("a.ome.zarr"));
    assert!(begun().is_empty());
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, "sample foam --size 48 --out foam.nii.gz");
    succeeds(at, "run -q -r foam foam.nii.gz --out whole");
    let run = "run -q -r foam foam.nii.gz --block 16 --out out --threads 1";
    let mut killed = 0;
    let mut random = 1u64;
    // Blocks that are done are never made again, so that it comes to an end.
    loop {
        let mut child = voxelry(at, run).stderr(Stdio::null()).spawn().unwrap();
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let patience = std::time::Duration::from_millis(60 + (random >> 56));
        let begun = std::time::Instant::now();
        let over = loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break true;
            }
            if begun.elapsed() > patience {
                break false;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        if over || killed > 40 {
            assert!(child.wait().unwrap().success());
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        assert!(!at.join("out").exists());
    }
    assert!(killed > 0, "it was over before it could be killed");
    assert_same_files(&at.join("whole"), &at.join("out"));
    assert!(names(at).iter().all(|name| !name.starts_with('.')), "{:?}", names(at));
    // Another image under the same name begins anew.
    let other = run.replace("--out out", "--out other");
    let mut child = voxelry(at, &other).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    succeeds(at, "sample foam --size 48 --seed 9 --out foam.nii.gz --overwrite");
    succeeds(at, &other);
    succeeds(at, "run -q -r foam foam.nii.gz --out fresh");
    assert_same_files(&at.join("fresh"), &at.join("other"));
}

#[test]
fn tables_have_their_units_beside_them_or_in_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeeds(path, "sample granules --size 32 --seed 7 -o g.nii.gz");
    let measure = "op measure --as labels --columns volume,thickness g.nii.gz";
    let said = text(&succeeds(path, &format!("{measure} m.csv")).stderr);
    assert!(said.contains("local thickness: about a second"), "{said}");
    assert!(!said.contains("Voronoi"), "{said}");
    let lines = |name: &str| -> Vec<String> {
        std::fs::read_to_string(path.join(name)).unwrap().lines().map(str::to_owned).collect()
    };
    let units = lines("m.units.csv");
    assert_eq!(units[0], "column,unit,description");
    assert!(units[2].starts_with("volume,µm³,"), "{units:?}");
    assert!(path.join("m.contacts.units.csv").exists() && path.join("m.image.units.csv").exists());
    let plain = lines("m.csv");
    succeeds(path, &format!("{measure} rows.csv --units-row"));
    let rows = lines("rows.csv");
    assert_eq!((&rows[0], rows[1].as_str()), (&plain[0], ",µm³,µm,µm,µm"));
    assert_eq!(rows[2..], plain[1..]);
    let wrong = fails(path, &format!("{measure} p.parquet --units-row"), 2);
    assert!(wrong.contains("p.parquet: only a .csv has a row of units"), "{wrong}");
    assert!(!path.join("p.parquet").exists());
}

#[test]
fn columns_say_which_are_default() {
    let said = text(&succeeds(Path::new("."), "columns").stdout);
    assert!(said.lines().any(|l| l == "thickness, not by default: local thickness"), "{said}");
    assert!(said.lines().any(|l| l == "size"), "{said}");
    let list: serde_json::Value =
        serde_json::from_str(&text(&succeeds(Path::new("."), "columns --json").stdout)).unwrap();
    let of = |name: &str| list.as_array().unwrap().iter().find(|c| c["name"] == name).unwrap().clone();
    assert_eq!((&of("volume")["default"], &of("volume")["group"]), (&true.into(), &"size".into()));
    assert_eq!(of("skeleton_length")["default"], false);
}
