//! A pane as a picture, without a window: every brick that it shows is read first.

use super::document::{Content, Pane, Scene};
use super::open;
use super::painter::{Painter, Shot};
use super::plane::{length, round_length};
use super::shot::{Plane, Quality, Tiles};
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use voxelry_core::Job;
use voxelry_core::picture::Canvas;
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::picture;

/// What lies behind images.
const GROUND: [u8; 3] = [14, 16, 20];
const TEXT: [u8; 3] = [232, 236, 240];
const LETTERS: [u8; 3] = [255, 214, 102];

/// Bytes for each kind of voxel on the graphics device.
const BUDGET: u64 = 1 << 30;

/// Gives layers of intensities that have none yet a window that shows them well.
///
/// # Errors
/// If they cannot be read.
pub fn survey(scene: &mut Scene) -> Result<()> {
    for layer in &mut scene.layers {
        if layer.content == Content::Grey && layer.stats.is_none() {
            let stats = open::survey(&layer.source, layer.channel, layer.time)?;
            layer.display.window = layer.display.window.or(Some(layer.window_of(&stats)));
            layer.stats = Some(Arc::new(stats));
        }
    }
    Ok(())
}

/// What a pane shows, once everything that it shows is there.
///
/// # Errors
/// If the image can't be read.
pub fn load(
    painter: &mut Painter,
    scene: &Scene,
    pane: Pane,
    size: [u32; 2],
    quality: Quality,
    job: &Job,
) -> Result<Vec<Shot>> {
    loop {
        job.check()?;
        painter.begin();
        let (shots, complete) = painter.shots(scene, pane, size, quality);
        if let Some(error) = painter.errors().into_iter().next() {
            anyhow::bail!(error);
        }
        if complete {
            return Ok(shots);
        }
        painter.end();
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Draws a pane of so many pixels, with what a figure needs: scale bar, letters, slice numbers. `scale`
/// is how large text is.
///
/// # Errors
/// If the image can't be read or the device fails.
pub fn figure(
    gpu: Gpu,
    scene: &Scene,
    pane: Pane,
    size: [u32; 2],
    scale: usize,
    job: &Job,
) -> Result<Canvas> {
    let mut painter = Painter::new(gpu.clone(), BUDGET, Arc::new(|| ()));
    let shots = load(&mut painter, scene, pane, size, Quality::SHARP, job)?;
    let drawing = painter.prepare(&shots, size);
    let [r, g, b] = GROUND.map(|c| f64::from(c) / 255.0);
    let pixels = picture::picture(&gpu, size, wgpu::Color { r, g, b, a: 1.0 }, &drawing)?;
    let mut canvas = Canvas::new(size[0] as usize, size[1] as usize, GROUND);
    for (i, pixel) in pixels.chunks_exact(4).enumerate() {
        canvas.set(i % canvas.width, i / canvas.width, [pixel[0], pixel[1], pixel[2]]);
    }
    annotate(&mut canvas, scene, pane, size, scale.max(1));
    Ok(canvas)
}

fn annotate(canvas: &mut Canvas, scene: &Scene, pane: Pane, size: [u32; 2], scale: usize) {
    let pixels = size.map(f64::from);
    let unit = scene.geometry().unit;
    let pixel = match pane {
        Pane::Volume => return,
        Pane::Plane(axis) => {
            let plane = Plane::new(scene, axis, pixels);
            if let Some([left, right, top, bottom]) = plane.facing.letters {
                let (w, h, text) = (canvas.width, canvas.height, 8 * scale);
                let mut put = |x: usize, y: usize, letter: char| {
                    canvas.text(x, y, &letter.to_string(), scale, LETTERS);
                };
                put(text, h / 2, left);
                put(w.saturating_sub(2 * text), h / 2, right);
                put(w / 2, text, top);
                put(w / 2, h.saturating_sub(2 * text), bottom);
            }
            plane.pixel
        }
        Pane::Montage => {
            let tiles = Tiles::new(scene, pixels);
            for tile in 0..tiles.count {
                let corner = tiles.corner(tile);
                let wide = tiles.size.x / tiles.zoom;
                let inside =
                    corner.cmpge(glam::DVec2::ZERO).all() && corner.x < pixels[0] && corner.y < pixels[1];
                if inside && wide >= (30 * scale) as f64 {
                    let (x, y) = (corner.x as usize + 2 * scale, corner.y as usize + 2 * scale);
                    canvas.text(x, y, &tiles.slice(tile).to_string(), scale, TEXT);
                }
            }
            let spacing = scene.geometry().spacing();
            spacing.into_iter().fold(f64::INFINITY, f64::min) * tiles.zoom
        }
    };
    let most = pixels[0].min(pixels[1]) * 0.3 * pixel;
    if !(most > 0.0 && most.is_finite()) {
        return;
    }
    let round = round_length(most);
    let (wide, high) = ((round / pixel) as usize, 2 * scale);
    let (left, top) = (8 * scale, canvas.height.saturating_sub(10 * scale));
    canvas.fill(left.saturating_sub(1), top.saturating_sub(1), wide + 2, high + 2, [0; 3]);
    canvas.fill(left, top, wide, high, TEXT);
    canvas.text(left, top.saturating_sub(11 * scale), &length(round, unit), scale, TEXT);
}
