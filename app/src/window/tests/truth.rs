//! Accuracy of the segmentation tools on images whose truth is known, with the number of clicks. The figures are
//! in `docs/segmentation.md`; real images are of the shared data and are skipped where that is not.

use super::super::tools::{Seeds, Tool};
use super::segmenting::{settle, touch, voxels};
use super::*;
use ndarray::Array3;
use std::collections::BTreeMap;
use std::sync::Arc;
use voxelry_core::io::convert::{ConvertOptions, convert};
use voxelry_core::io::{Frame, ImageSource, open};
use voxelry_core::sample::{Options, Virtual, find};
use voxelry_core::{Job, Region, Voxel, VoxelType};

/// A file of the shared data, if this machine has it.
fn data(path: &str) -> Option<PathBuf> {
    let given = std::env::var_os("VOXELRY_DATA").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let beside = above.map(|a| a.join("shared/data")).find(|f| f.is_dir());
    let found = given.or(beside).map(|folder| folder.join(path)).filter(|file| file.exists());
    if found.is_none() {
        eprintln!("skipped: there is no {path} in the shared data");
    }
    found
}

fn labels_of(path: &Path) -> Array3<u32> {
    let image = open(path, &OpenOptions::default()).unwrap();
    let voxels = image.read_all(Frame::default()).unwrap();
    voxels.cast(VoxelType::U32).view::<u32>().unwrap().to_owned()
}

/// A sample in a file, and its truth.
fn sample(folder: &Path, kind: &str, size: [usize; 3]) -> (PathBuf, Array3<u32>) {
    let options = Options { size, ..Options::default() };
    let sample = Arc::new(Virtual::new(find(kind).unwrap(), &options).unwrap());
    let path = folder.join(format!("{kind}.nrrd"));
    convert(&sample.source(false), &path, &ConvertOptions::default(), &Job::silent()).unwrap();
    let truth = sample.region(0, Region::whole(size)).1.view::<u32>().unwrap().to_owned();
    (path, truth)
}

/// A window on an image, with a new label layer that is edited.
fn segmentation_window(image: PathBuf) -> Option<Harness<'static, Viewer>> {
    let mut harness = window(vec![image])?;
    until(&mut harness, "the image", |v| is_shown(v, 1));
    on_the_desk(&mut harness);
    Some(harness)
}

/// A window on a mask that stands for an image, with a new label layer that is edited.
fn desk_of_mask(mask: PathBuf) -> Option<Harness<'static, Viewer>> {
    let mut harness = window(vec![mask])?;
    until(&mut harness, "the image", |v| is_shown(v, 1));
    // It is known as a mask once its voxels were looked at.
    until(&mut harness, "the guess", |v| v.messages().iter().any(|m| m.contains("labels")));
    harness.state_mut().take_as((0, 0), Content::Grey);
    harness.state_mut().dialogs.messages.clear();
    until(&mut harness, "the image", |v| is_shown(v, 1));
    on_the_desk(&mut harness);
    Some(harness)
}

fn on_the_desk(harness: &mut Harness<'static, Viewer>) {
    assert!(harness.state_mut().new_labels());
    settle(harness);
    harness.state_mut().tools.settings.in_3d = true;
}

/// The overlap of two sets of voxels, from 0 to 1 (Dice 1945, doi:10.2307/1932409).
fn dice<'a>(a: impl IntoIterator<Item = bool> + 'a, b: impl IntoIterator<Item = bool> + 'a) -> f64 {
    let (mut both, mut sum) = (0u64, 0u64);
    for (a, b) in a.into_iter().zip(b) {
        both += u64::from(a && b);
        sum += u64::from(a) + u64::from(b);
    }
    2.0 * both as f64 / sum as f64
}

/// For each label of the truth the overlap with the same label, and the voxels of the truth.
fn dices(found: &Array3<u32>, truth: &Array3<u32>) -> BTreeMap<u32, (f64, u64)> {
    let mut counts = BTreeMap::<u32, [u64; 3]>::new();
    for (f, t) in found.iter().zip(truth) {
        for (label, which) in [(*t, 1), (*f, 2)] {
            counts.entry(label).or_default()[which] += 1;
        }
        if f == t {
            counts.entry(*t).or_default()[0] += 1;
        }
    }
    let real = counts.into_iter().filter(|(label, [_, truth, _])| *label > 0 && *truth > 0);
    real.map(|(label, [both, truth, found])| (label, (2.0 * both as f64 / (truth + found) as f64, truth)))
        .collect()
}

/// A voxel well inside each object, `(x, y, z)`: the one that is deepest, counted in layers of its faces.
fn insides(truth: &Array3<u32>) -> BTreeMap<u32, [f64; 3]> {
    let mut rest = truth.clone();
    let mut last = BTreeMap::new();
    loop {
        let before = rest.clone();
        let shape = before.dim();
        let mut any = false;
        for ((z, y, x), v) in before.indexed_iter() {
            if *v == 0 {
                continue;
            }
            any = true;
            last.insert(*v, ([x as f64, y as f64, z as f64], ()));
            let same = |z: usize, y: usize, x: usize| before.get((z, y, x)) == Some(v);
            let inner = z > 0 && y > 0 && x > 0 && z + 1 < shape.0 && y + 1 < shape.1 && x + 1 < shape.2;
            let deep = inner
                && same(z - 1, y, x)
                && same(z + 1, y, x)
                && same(z, y - 1, x)
                && same(z, y + 1, x)
                && same(z, y, x - 1)
                && same(z, y, x + 1);
            if !deep {
                rest[(z, y, x)] = 0;
            }
        }
        if !any {
            return last.into_iter().map(|(label, (at, ()))| (label, at)).collect();
        }
    }
}

fn mean(of: &BTreeMap<u32, (f64, u64)>) -> f64 {
    of.values().map(|d| d.0).sum::<f64>() / of.len() as f64
}

#[test]
fn bone_by_the_threshold_that_is_offered() {
    let folder = tempfile::tempdir().unwrap();
    let (image, truth) = sample(folder.path(), "bone", [64, 96, 96]);
    let Some(mut harness) = segmentation_window(image) else { return };
    harness.state_mut().segment(Tool::Threshold);
    harness.step();
    settle(&mut harness);
    harness.get_by_label("Apply threshold to whole image").click();
    harness.step();
    settle(&mut harness);
    let found = dice(voxels(harness.state()).iter().map(|v| *v > 0), truth.iter().map(|v| *v > 0));
    eprintln!("bone: threshold, 2 clicks: Dice {found:.3}");
    assert!(found > 0.9, "{found}");
}

#[test]
fn granules_by_a_threshold_and_a_split() {
    let folder = tempfile::tempdir().unwrap();
    let (image, truth) = sample(folder.path(), "granules", [64, 96, 96]);
    let Some(mut harness) = segmentation_window(image) else { return };
    harness.state_mut().segment(Tool::Threshold);
    harness.step();
    settle(&mut harness);
    harness.get_by_label("Apply threshold to whole image").click();
    harness.step();
    settle(&mut harness);
    let inside = insides(&truth);
    touch(&mut harness, Tool::Split, &[inside[&inside.keys().copied().next().unwrap()]]);
    let found = voxels(harness.state());
    let best = matched(&found, &truth);
    let [mean, count] = [mean(&best), harness.state().tools.rows.len() as f64];
    eprintln!(
        "granules: threshold, split, 3 clicks: {count} for {} objects, mean Dice {mean:.3}",
        best.len()
    );
    assert!(mean > 0.8, "{mean}: {best:?}");
}

/// For each label of the truth the overlap with the label that it shares most with.
fn matched(found: &Array3<u32>, truth: &Array3<u32>) -> BTreeMap<u32, (f64, u64)> {
    let mut shared = BTreeMap::<(u32, u32), u64>::new();
    let mut sizes = BTreeMap::<u32, u64>::new();
    for (f, t) in found.iter().zip(truth) {
        *shared.entry((*t, *f)).or_default() += 1;
        *sizes.entry(*f).or_default() += 1;
    }
    let mut all = BTreeMap::<u32, (f64, u64)>::new();
    for t in truth.iter().filter(|t| **t > 0) {
        all.entry(*t).or_default().1 += 1;
    }
    for ((t, f), both) in shared.into_iter().filter(|((t, f), _)| *t > 0 && *f > 0) {
        let of = all.get_mut(&t).expect("it was counted");
        of.0 = of.0.max(2.0 * both as f64 / (of.1 + sizes[&f]) as f64);
    }
    all
}

/// Paints a dot of each label well inside its object.
fn dots(harness: &mut Harness<'static, Viewer>, inside: &BTreeMap<u32, [f64; 3]>, radius: f64) {
    harness.state_mut().tools.settings.radius = radius;
    for (label, at) in inside {
        harness.state_mut().tools.set_label(*label);
        touch(harness, Tool::Paint, &[*at]);
    }
}

#[test]
fn granules_by_a_click_each_and_a_flood() {
    let folder = tempfile::tempdir().unwrap();
    let (image, truth) = sample(folder.path(), "granules", [48, 64, 64]);
    let Some(mut harness) = segmentation_window(image) else { return };
    let inside = insides(&truth);
    dots(&mut harness, &inside, 1.5);
    // What lies between the granules is kept out by the range of intensities that may be changed.
    let layer = harness.state().layer_to_work_on().unwrap().clone();
    let level = crate::view::open::survey(&layer.source, 0, 0).unwrap();
    let middle = f64::midpoint(level.window[0], level.window[1]);
    harness.state_mut().tools.mask.intensities = Some([middle, level.range[1]]);
    harness.state_mut().use_seeds(Seeds::Watershed);
    settle(&mut harness);
    let all = dices(&voxels(harness.state()), &truth);
    let (mean, clicks) = (mean(&all), inside.len() + 2);
    eprintln!("granules: {} dots, watershed, {clicks} clicks: mean Dice {mean:.3}", inside.len());
    assert!(mean > 0.8, "{mean}: {all:?}");
}

#[test]
fn nuclei_of_a_real_stack_by_a_click_each() {
    let (Some(image), Some(truth)) =
        (data("stardist/stardist/data/images/img3d.tif"), data("stardist/stardist/data/images/mask3d.tif"))
    else {
        return;
    };
    let truth = labels_of(&truth);
    let inside = insides(&truth);
    for (seeds, least) in [(Seeds::Grow, 0.6), (Seeds::Watershed, 0.5)] {
        let Some(mut harness) = segmentation_window(image.clone()) else { return };
        dots(&mut harness, &inside, 1.5);
        let layer = harness.state().layer_to_work_on().unwrap().clone();
        let grey = layer.source.read_all(Frame::default()).unwrap();
        let values: Vec<f64> = voxelry_core::with_volume!(&grey, |a| a.iter().map(|v| v.to_f64()).collect());
        let threshold = otsu(&values);
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        harness.state_mut().tools.mask.intensities = Some([threshold, most]);
        harness.state_mut().use_seeds(seeds);
        settle(&mut harness);
        let found = voxels(harness.state());
        let all = dices(&found, &truth);
        let whole = dice(found.iter().map(|v| *v > 0), truth.iter().map(|v| *v > 0));
        let (mean, clicks) = (mean(&all), inside.len() + 3);
        eprintln!(
            "stardist: {} dots, range, {seeds:?}, {clicks} clicks: mean Dice {mean:.3}, of all {whole:.3}",
            inside.len()
        );
        assert!(mean > least, "{mean}: {all:?}");
    }
}

/// Otsu's threshold, as the threshold tool offers it.
fn otsu(values: &[f64]) -> f64 {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let width = (high - low) / 256.0;
    let mut counts = [0f64; 256];
    values.iter().for_each(|v| counts[(((v - low) / width) as usize).min(255)] += 1.0);
    let all: f64 = counts.iter().sum();
    let sum: f64 = counts.iter().enumerate().map(|(i, n)| i as f64 * n).sum();
    let (mut below, mut below_sum, mut best) = (0.0, 0.0, (0.0, 0));
    for (i, n) in counts.iter().enumerate() {
        below += n;
        below_sum += i as f64 * n;
        if below == 0.0 || below == all {
            continue;
        }
        let apart = below_sum / below - (sum - below_sum) / (all - below);
        let between = below * (all - below) * apart * apart;
        if between > best.0 {
            best = (between, i + 1);
        }
    }
    low + width * best.1 as f64
}

#[test]
fn a_vertebra_drawn_in_every_fourth_slice_is_filled_between_them() {
    let Some(mask) = data("bmrr_vertebra_masks/data/P6_mask.nii.gz") else { return };
    let truth = labels_of(&mask).mapv(|v| u32::from(v > 0));
    let Some(mut harness) = desk_of_mask(mask) else { return };
    let filled: Vec<usize> = (0..truth.dim().0)
        .filter(|z| truth.index_axis(ndarray::Axis(0), *z).iter().any(|v| *v > 0))
        .collect();
    let (first, last) = (filled[0], filled[filled.len() - 1]);
    let drawn: Vec<usize> = (first..=last).filter(|z| (z - first).is_multiple_of(4) || *z == last).collect();
    let slices = drawn.clone();
    let outlines = truth.clone();
    let editing = harness.state().tools.editing.as_ref().unwrap();
    editing.editor.apply(
        "Draw",
        Box::new(move |edit, _| {
            let mut regions = Vec::new();
            for z in slices {
                let plane = outlines.slice(ndarray::s![z..=z, .., ..]);
                regions.extend(edit.put([z, 0, 0], plane)?);
            }
            Ok(regions.into())
        }),
    );
    settle(&mut harness);
    harness.state_mut().tools.set_label(1);
    harness.state_mut().fill_between();
    settle(&mut harness);
    let found = dice(voxels(harness.state()).iter().map(|v| *v > 0), truth.iter().map(|v| *v > 0));
    eprintln!("vertebra P6: {} outlines, 1 click: Dice {found:.3}", drawn.len());
    // SciPy's distances, blended in the same way, give 0.942.
    assert!(found > 0.9, "{found}");
}

#[test]
fn an_ellipsoid_is_one_click_of_the_wand() {
    let path = "morpholibj/src/test/resources/files/ellipsoid_A45_B35_C25_T30_P20_R10.tif";
    let Some(image) = data(path) else { return };
    let truth = labels_of(&image).mapv(|v| u32::from(v > 0));
    let at = insides(&truth)[&1];
    let Some(mut harness) = desk_of_mask(image) else { return };
    touch(&mut harness, Tool::Wand, &[at]);
    let found = dice(voxels(harness.state()).iter().map(|v| *v > 0), truth.iter().map(|v| *v > 0));
    eprintln!("ellipsoid: wand, 1 click: Dice {found:.3}");
    assert_eq!(found, 1.0);
}
