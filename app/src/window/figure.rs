//! Panes as pictures with all that the window shows over them, at any scale, without a window.

pub use super::annotations::Annotations;
use super::annotations::annotate;
use super::theme;
use crate::view::figure::FigureRenderer;
use crate::view::movie::Movie;
use crate::view::movie_writer::{Format, MovieWriter};
use crate::view::{Pane, Scene};
use anyhow::Result;
use eframe::egui_wgpu::{Renderer, RendererOptions, ScreenDescriptor};
use egui::{Context, LayerId, Rect, ViewportId, pos2};
use std::path::Path;
use voxelry_core::Job;
use voxelry_core::picture::Canvas;
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::picture::FORMAT;

/// Colour between panes.
const GAP: [u8; 3] = [27, 30, 36];

/// A pane in a picture.
#[derive(Clone)]
pub struct FigurePane {
    /// Upper left corner.
    pub at: [u32; 2],
    /// Its pixels.
    pub size: [u32; 2],
    /// View in the pane.
    pub pane: Pane,
    /// Of what.
    pub scene: Scene,
}

/// Panes that make a picture, with pixels as the window has them.
#[derive(Clone)]
pub struct FigureLayout {
    /// The panes.
    pub parts: Vec<FigurePane>,
    /// Pixels of a point of text and lines.
    pub per_point: f32,
    /// Annotations over the panes.
    pub annotations: Annotations,
}

impl FigureLayout {
    /// A picture of one pane.
    pub fn one(scene: Scene, pane: Pane, size: [u32; 2], per_point: f32, annotations: Annotations) -> Self {
        Self { parts: vec![FigurePane { at: [0; 2], size, pane, scene }], per_point, annotations }
    }

    /// Pixels of all of it.
    pub fn size(&self) -> [u32; 2] {
        let far = |a: usize| self.parts.iter().map(|p| p.at[a] + p.size[a]).max().unwrap_or(0);
        [far(0), far(1)]
    }

    /// Pixels of the panes.
    pub fn pixels(&self) -> u64 {
        self.parts.iter().map(|p| u64::from(p.size[0]) * u64::from(p.size[1])).sum()
    }

    /// The longer sides of the largest pane.
    pub fn largest(&self) -> [u32; 2] {
        self.parts.iter().map(|p| p.size).max_by_key(|[w, h]| *w.max(h)).unwrap_or([0; 2])
    }

    /// As many times larger, text and lines too.
    pub fn scaled(&self, scale: f64) -> Self {
        let larger = |n: u32| ((f64::from(n) * scale).round() as u32).max(1);
        let corner = |n: u32| (f64::from(n) * scale).round() as u32;
        let part = |part: &FigurePane| FigurePane {
            at: part.at.map(corner),
            size: part.size.map(larger),
            ..part.clone()
        };
        let parts = self.parts.iter().map(part).collect();
        Self { parts, per_point: self.per_point * scale as f32, annotations: self.annotations }
    }
}

/// Draws pictures one after the other; what they share is read once.
pub struct Figures {
    press: FigureRenderer,
    ctx: Context,
    renderer: Renderer,
    /// Textures of the picture before that are no longer needed.
    free: Vec<egui::TextureId>,
}

impl Figures {
    /// `budget` is in bytes for each kind of voxel on the device.
    pub fn new(gpu: Gpu, budget: u64) -> Self {
        let options = RendererOptions { dithering: false, ..RendererOptions::default() };
        let renderer = Renderer::new(&gpu.device, FORMAT, options);
        let ctx = Context::default();
        theme::apply(&ctx);
        Self { press: FigureRenderer::new(gpu, budget, theme::GROUND), ctx, renderer, free: Vec::new() }
    }

    /// Draws a picture; the job advances by its pixels.
    ///
    /// # Errors
    /// If it is too large, an image can't be read, or the device fails.
    pub fn draw(&mut self, sheet: &FigureLayout, job: &Job) -> Result<Canvas> {
        let [width, height] = sheet.size();
        if let [part] = &sheet.parts[..]
            && part.at == [0; 2]
        {
            return self.part(part, sheet, job);
        }
        let mut canvas = Canvas::new(width as usize, height as usize, GAP);
        for part in &sheet.parts {
            let drawn = self.part(part, sheet, job)?;
            let [left, top] = part.at.map(|n| n as usize);
            for (row, pixels) in drawn.pixels.chunks_exact(drawn.width * 3).enumerate() {
                let at = ((top + row) * canvas.width + left) * 3;
                canvas.pixels[at..at + pixels.len()].copy_from_slice(pixels);
            }
        }
        Ok(canvas)
    }

    fn part(&mut self, part: &FigurePane, sheet: &FigureLayout, job: &Job) -> Result<Canvas> {
        let (size, per_point) = (part.size, sheet.per_point);
        for id in std::mem::take(&mut self.free) {
            self.renderer.free_texture(&id);
        }
        let (ctx, renderer, free) = (&self.ctx, &mut self.renderer, &mut self.free);
        let most = self.press.gpu().device.limits().max_texture_dimension_2d as usize;
        self.press.pane(&part.scene, part.pane, size, job, |gpu, encoder, view| {
            let points = size.map(|n| n as f32 / per_point);
            let rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(points[0], points[1]));
            let mut input = egui::RawInput {
                screen_rect: Some(rect),
                max_texture_side: Some(most),
                ..egui::RawInput::default()
            };
            input.viewports.entry(ViewportId::ROOT).or_default().native_pixels_per_point = Some(per_point);
            let mut output = ctx.run_pass(input, |ctx| {
                let painter = ctx.layer_painter(LayerId::background()).with_clip_rect(rect);
                annotate(&painter, &part.scene, part.pane, rect, size, per_point, sheet.annotations);
            });
            let jobs = ctx.tessellate(std::mem::take(&mut output.shapes), output.pixels_per_point);
            let mut textures = std::mem::take(&mut output.textures_delta);
            for (id, deltas) in textures.set.drain() {
                for delta in &deltas {
                    renderer.update_texture(&gpu.device, &gpu.queue, id, delta);
                }
            }
            let screen = ScreenDescriptor { size_in_pixels: size, pixels_per_point: output.pixels_per_point };
            let before = renderer.update_buffers(&gpu.device, &gpu.queue, encoder, &jobs, &screen);
            gpu.queue.submit(before);
            {
                let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                    label: Some("over a figure"),
                    color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                        view,
                        depth_slice: None,
                        resolve_target: None,
                        ops: wgpu::Operations { load: wgpu::LoadOp::Load, store: wgpu::StoreOp::Store },
                    })],
                    ..wgpu::RenderPassDescriptor::default()
                });
                renderer.render(&mut pass.forget_lifetime(), &jobs, &screen);
            }
            // What was drawn with them is not yet on the device.
            free.extend(textures.free.drain());
        })
    }
}

/// Draws the frames of a movie of a picture of one pane, and writes them.
///
/// # Errors
/// If it can't be drawn or written, or the job was cancelled; then nothing is left.
pub fn film(
    figures: &mut Figures,
    sheet: &FigureLayout,
    movie: &Movie,
    format: Format,
    path: &Path,
    job: &Job,
) -> anyhow::Result<()> {
    let mut writer = MovieWriter::new(path, format, sheet.size(), movie)?;
    job.stage("drawing", sheet.pixels() * movie.frames as u64);
    let frame = |i: usize| {
        let mut frame = sheet.clone();
        for part in &mut frame.parts {
            part.scene = movie.at(&part.scene, i);
        }
        frame
    };
    for i in 0..movie.frames {
        let canvas = figures.draw(&frame(i), job)?;
        writer.frame(&canvas, job)?;
    }
    job.check()?;
    Ok(writer.finish()?)
}
