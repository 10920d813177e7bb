//! Pictures and movies on whatever adapter there is.

use super::*;
use crate::view::figure::survey;
use crate::view::open;
use crate::window::tests::{balls, is_shown, press, until, window};
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{OpenOptions, WriteOptions};
use voxelry_core::picture::Canvas;
use voxelry_core::{Geometry, Unit, Volume};

const OVER: Annotations = Annotations {
    crosshair: false,
    scale_bar: true,
    legend: true,
    objects: false,
    name: false,
    time: true,
    rulers: true,
};
const PLAIN: Annotations = Annotations { scale_bar: false, legend: false, ..OVER };

/// Renderer of figures, or a printed reason why the test is skipped.
fn figures() -> Option<Figures> {
    match Gpu::headless() {
        Ok(gpu) => Some(Figures::new(gpu, 64 << 20)),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn scene(path: &Path) -> crate::view::Scene {
    let layers = open::layers(path, &OpenOptions::default(), &Cache::new(64 << 20)).unwrap();
    let mut scene = crate::view::Scene::new(layers);
    survey(&mut scene).unwrap();
    scene
}

/// Slices whose intensities are ten times their numbers.
fn ramp(folder: &Path) -> crate::view::Scene {
    let volume = Volume::from(ndarray::Array3::from_shape_fn((9, 12, 12), |(z, _, _)| 10 * z as u8));
    let path = folder.join("ramp.nii.gz");
    let geometry = Geometry::from_spacing([1.0; 3], Unit::Millimetre);
    voxelry_core::io::write_volume(&path, &volume, geometry, false, &WriteOptions::default()).unwrap();
    let mut scene = scene(&path);
    scene.layers[0].display.window = Some([0.0, 255.0]);
    scene
}

/// The frames of a PNG, moving or not, and the time that each is shown.
fn frames(path: &Path) -> (Vec<Canvas>, Option<(u16, u16)>) {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let count = reader.info().animation_control.map_or(1, |a| a.num_frames);
    let [width, height] = [reader.info().width, reader.info().height].map(|n| n as usize);
    let mut frames = Vec::new();
    for _ in 0..count {
        let mut pixels = vec![0; width * height * 3];
        reader.next_frame(&mut pixels).unwrap();
        frames.push(Canvas { width, height, pixels });
    }
    let delay = reader.info().frame_control.map(|f| (f.delay_num, f.delay_den));
    (frames, delay)
}

/// Returns whether pixels are the same, but for how rays round where bricks lie elsewhere in the atlas.
fn alike(a: &[u8], b: &[u8]) -> bool {
    // A ray that ends a sample earlier or later makes a pixel here and there quite another.
    let off = a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) > 8).count();
    a.len() == b.len() && off * 200 <= a.len()
}

fn picture(path: &Path) -> Canvas {
    frames(path).0.swap_remove(0)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_layout_is_exported_with_every_pane_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    let ctx = harness.ctx.clone();
    let out = folder.path().join("layout.png");
    let viewer = harness.state_mut();
    (viewer.export.kind, viewer.export.scale) = (ExportKind::Layout, 2);
    let sheet = viewer.request(&ctx).unwrap().sheet;
    assert_eq!(sheet.parts.len(), 4);
    viewer.export(&ctx, out.clone());
    until(&mut harness, "the picture", |v| !v.export.is_running());
    assert!(harness.state().messages().iter().any(|m| m.starts_with("Saved")));
    let (all, sheet) = (picture(&out), sheet.scaled(2.0));
    assert_eq!([all.width as u32, all.height as u32], sheet.size());
    let shown = ctx.content_rect().size() * 2.0;
    assert!(all.width as f32 > shown.x * 0.5 && all.height as f32 > shown.y * 0.8);
    let mut figures = Figures::new(harness.state().gpu().clone(), 64 << 20);
    for part in &sheet.parts {
        let alone = FigureLayout { parts: vec![FigurePane { at: [0; 2], ..part.clone() }], ..sheet.clone() };
        let alone = figures.draw(&alone, &Job::silent()).unwrap();
        let [left, top] = part.at.map(|n| n as usize);
        for (row, pixels) in alone.pixels.chunks_exact(alone.width * 3).enumerate() {
            let at = ((top + row) * all.width + left) * 3;
            assert!(alike(&all.pixels[at..at + pixels.len()], pixels), "{:?}, row {row}", part.pane);
        }
    }
}

#[test]
fn a_figure_is_the_same_at_any_scale_but_for_its_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut figures) = figures() else { return };
    let scene = scene(&balls(folder.path(), "balls.nii.gz"));
    for pane in [Pane::Plane(0), Pane::Montage, Pane::Volume] {
        let mut at = |scale: f64, annotations: Annotations| {
            let sheet = FigureLayout::one(scene.clone(), pane, [300, 240], 1.0, annotations).scaled(scale);
            figures.draw(&sheet, &Job::silent()).unwrap()
        };
        let (small, large, plain) = (at(1.0, OVER), at(3.0, OVER), at(1.0, PLAIN));
        assert_eq!([large.width, large.height], [900, 720]);
        assert_ne!(small, plain, "{pane:?} has neither legend nor scale bar");
        // Every square of three pixels is about what its pixel was.
        let mut off = 0.0;
        for (i, pixel) in small.pixels.iter().enumerate() {
            let [x, y, c] = [i / 3 % 300, i / 900, i % 3];
            let nine = (0..9).map(|j| large.pixels[((y * 3 + j / 3) * 900 + x * 3 + j % 3) * 3 + c]);
            let mean = nine.map(f64::from).sum::<f64>() / 9.0;
            off += (mean - f64::from(*pixel)).abs();
        }
        off /= small.pixels.len() as f64;
        assert!(off < 5.0, "{pane:?} is off by {off}");
    }
}

#[test]
fn a_turntable_turns_and_begins_with_the_still() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut figures) = figures() else { return };
    let scene = scene(&balls(folder.path(), "balls.nii.gz"));
    let sheet = FigureLayout::one(scene, Pane::Volume, [120, 90], 1.0, OVER);
    let movie = Movie { kind: MovieKind::Turntable, frames: 6, rate: 12.5 };
    let out = folder.path().join("turn.apng");
    film(&mut figures, &sheet, &movie, Format::Apng, &out, &Job::silent()).unwrap();
    let (shown, delay) = frames(&out);
    assert_eq!((shown.len(), delay), (6, Some((1000, 12_500))));
    assert!(alike(&shown[0].pixels, &figures.draw(&sheet, &Job::silent()).unwrap().pixels));
    for (i, a) in shown.iter().enumerate() {
        assert!(shown[i + 1..].iter().all(|b| a != b), "frame {i} comes again");
    }
    // Half a turn on, left and right ends of the box have changed places: the camera is opposite.
    let (first, half) = (movie.at(&sheet.parts[0].scene, 0), movie.at(&sheet.parts[0].scene, 3));
    let eye = |scene: &crate::view::Scene| scene.view.camera.turn * glam::DVec3::Z;
    let (a, b) = (eye(&first), eye(&half));
    assert!((a.z - b.z).abs() < 1e-9 && (a.x + b.x).abs() < 1e-9 && (a.y + b.y).abs() < 1e-9, "{a} {b}");
    let gif = folder.path().join("turn.gif");
    film(&mut figures, &sheet, &movie, Format::Gif, &gif, &Job::silent()).unwrap();
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(std::fs::File::open(&gif).unwrap()).unwrap();
    for exact in &shown {
        let frame = decoder.read_next_frame().unwrap().unwrap();
        assert_eq!((frame.width, frame.height, frame.delay), (120, 90, 8));
        let pairs = frame.buffer.chunks_exact(4).zip(exact.pixels.chunks_exact(3));
        let far =
            pairs.map(|(a, b)| (0..3).map(|c| f64::from(a[c].abs_diff(b[c]))).sum::<f64>()).sum::<f64>();
        assert!(far / (120.0 * 90.0 * 3.0) < 2.0, "colours are off by {}", far / (120.0 * 90.0 * 3.0));
    }
    assert!(decoder.read_next_frame().unwrap().is_none());
}

#[test]
fn slices_are_all_visited_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut figures) = figures() else { return };
    let sheet = FigureLayout::one(ramp(folder.path()), Pane::Plane(0), [60, 60], 1.0, PLAIN);
    let movie = Movie { kind: MovieKind::Slices(0), frames: 9, rate: 10.0 };
    let out = folder.path().join("slices");
    film(&mut figures, &sheet, &movie, Format::Sequence, &out, &Job::silent()).unwrap();
    let expected: Vec<String> = (1..=9).map(|i| format!("frame-{i:04}.png")).collect();
    assert_eq!(names(&out), expected);
    for (z, name) in expected.iter().enumerate() {
        let shown = picture(&out.join(name));
        let middle = shown.pixels[(30 * 60 + 36) * 3];
        assert!(middle.abs_diff(10 * z as u8) <= 1, "frame {z} shows {middle}");
    }
    // Fewer frames are spread over all slices, ends and all.
    let few = Movie { frames: 3, ..movie };
    let seen: Vec<usize> = (0..3).map(|i| few.at(&sheet.parts[0].scene, i).voxel()[0]).collect();
    assert_eq!(seen, [0, 4, 8]);
    let again = film(&mut figures, &sheet, &movie, Format::Sequence, &out, &Job::silent()).unwrap_err();
    assert!(again.to_string().contains("won't be overwritten"), "{again}");
}

#[test]
fn what_is_cancelled_or_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut figures) = figures() else { return };
    let sheet = FigureLayout::one(ramp(folder.path()), Pane::Plane(0), [60, 60], 1.0, OVER);
    let movie = Movie { kind: MovieKind::Slices(0), frames: 9, rate: 10.0 };
    for (format, name) in [(Format::Apng, "a.apng"), (Format::Gif, "a.gif"), (Format::Sequence, "a")] {
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let (begun, job) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None::<Job>)));
        let (seen, cancelled) = (begun.clone(), job.clone());
        let listened = Job::new(move |event| {
            if let (Event::Progress { done, total }, Some(job)) = (event, &*cancelled.lock().unwrap()) {
                seen.store(true, Ordering::Relaxed);
                if done > total / 2 {
                    job.cancel();
                }
            }
        });
        *job.lock().unwrap() = Some(listened.clone());
        let error = film(&mut figures, &sheet, &movie, format, &out.join(name), &listened).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Error::Cancelled)), "{error}");
        assert!(begun.load(Ordering::Relaxed));
        assert!(names(&out).is_empty(), "{:?}", names(&out));
        *job.lock().unwrap() = None;
        let missing = out.join("missing").join(name);
        let error = film(&mut figures, &sheet, &movie, format, &missing, &Job::silent()).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        std::fs::remove_dir(&out).unwrap();
    }
}

#[test]
fn the_dialog_offers_movies_and_cancels_them_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    press(&mut harness, Modifiers::COMMAND, Key::E);
    harness.get_by_label("Save…");
    assert!(harness.unnamed_widgets().is_empty(), "{:#?}", harness.unnamed_widgets());
    harness.get_by_label("All panes").click();
    harness.step();
    harness.get_by_label("Movie").click();
    harness.step();
    harness.step();
    let movie = harness.state().export.movie;
    assert_eq!(
        (harness.state().export.kind, movie.kind, movie.frames),
        (ExportKind::Movie, MovieKind::Slices(0), 40)
    );
    harness.get_by_label_contains("fps ·");
    assert!(harness.unnamed_widgets().is_empty(), "{:#?}", harness.unnamed_widgets());
    let (ctx, out) = (harness.ctx.clone(), folder.path().join("movies"));
    std::fs::create_dir(&out).unwrap();
    let viewer = harness.state_mut();
    viewer.export.movie = Movie { kind: MovieKind::Turntable, frames: 500, rate: 10.0 };
    viewer.export(&ctx, out.join("a.apng"));
    until(&mut harness, "progress", |v| {
        v.export.running.as_ref().is_some_and(|r| r.status.lock().unwrap()[0] > 0)
    });
    harness.get_by_label("Cancel").click();
    let begun = Instant::now();
    harness.step();
    harness.step();
    assert!(!harness.state().export.is_running());
    assert!(harness.state().messages().iter().any(|m| m.starts_with("The export was cancelled")));
    while !names(&out).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?} stays", names(&out));
        std::thread::sleep(Duration::from_millis(5));
    }
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(harness.query_all_by_label("Save…").count(), 0);
    // A picture that is too large is refused with a scale that works.
    let viewer = harness.state_mut();
    viewer.export.scale = 5000;
    viewer.export.kind = ExportKind::Pane;
    viewer.export(&ctx, out.join("a.png"));
    assert!(viewer.messages().iter().any(|m| m.contains("the largest scale is")), "{:?}", viewer.messages());
    assert!(names(&out).is_empty());
}
