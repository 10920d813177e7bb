//! Pictures of panes, drawn beside the window and shown in it: what hasn't changed is not drawn again.

use crate::view::painter::Shot;
use crate::view::{Pane, Painter, Scene};
use crate::view::shot::Quality;
use crossbeam_channel::{Sender, unbounded};
use eframe::egui_wgpu::RenderState;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_shaders::picture::FORMAT;

/// How long drawing may take between two frames of the window.
const BUDGET: Duration = Duration::from_millis(18);
/// How long nothing may have moved before the picture is made sharp.
const REST: Duration = Duration::from_millis(120);

/// A picture that the window can show.
struct Target {
    size: [u32; 2],
    view: wgpu::TextureView,
    id: egui::TextureId,
}

impl Target {
    fn new(state: &RenderState, size: [u32; 2]) -> Self {
        let most = state.device.limits().max_texture_dimension_2d;
        let size = size.map(|n| n.clamp(1, most));
        let texture = state.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("pane"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut renderer = state.renderer.write();
        let id = renderer.register_native_texture(&state.device, &view, wgpu::FilterMode::Linear);
        Self { size, view, id }
    }

    /// Makes the target fit.
    fn fit(target: &mut Option<Self>, state: &RenderState, size: [u32; 2]) {
        if target.as_ref().is_none_or(|t| t.size != size) {
            if let Some(old) = target.take() {
                old.free(state);
            }
            *target = Some(Self::new(state, size));
        }
    }

    fn free(self, state: &RenderState) {
        state.renderer.write().free_texture(&self.id);
    }
}

/// Says how long the device took for each pixel.
#[derive(Clone, Default)]
struct Pace {
    /// Nanoseconds a thousand pixels, of the last draw.
    took: Arc<AtomicU64>,
    /// Draws that have not ended.
    running: Arc<AtomicU32>,
}

impl Pace {
    fn pixels(&self, within: Duration) -> f64 {
        match self.took.load(Ordering::Relaxed) {
            // Nothing is known: a picture of a thumbnail's size.
            0 => 20_000.0,
            took => within.as_nanos() as f64 / took as f64 * 1000.0,
        }
    }

    fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }
}

/// Waits for the device on a thread of its own, to know how long draws take.
pub struct Clock(Sender<(wgpu::SubmissionIndex, Instant, u64, Pace)>);

impl Clock {
    /// `wake` is called when a draw has ended.
    pub fn new(device: wgpu::Device, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (send, receive) = unbounded::<(wgpu::SubmissionIndex, Instant, u64, Pace)>();
        std::thread::spawn(move || {
            let mut free = Instant::now();
            for (index, begun, pixels, pace) in receive {
                let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
                // A lost device ends every wait at once; the window notices by itself.
                let _ = device.poll(wait);
                let took = begun.max(free).elapsed();
                free = Instant::now();
                let each = (took.as_nanos() as u64 * 1000 / pixels.max(1)).max(1);
                pace.took.store(each, Ordering::Relaxed);
                pace.running.fetch_sub(1, Ordering::Relaxed);
                wake();
            }
        });
        Self(send)
    }

    fn watch(&self, index: wgpu::SubmissionIndex, pixels: u64, pace: &Pace) {
        pace.running.fetch_add(1, Ordering::Relaxed);
        if self.0.send((index, Instant::now(), pixels, pace.clone())).is_err() {
            pace.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What canvases are drawn with.
pub struct Studio<'a> {
    /// The window's device.
    pub state: &'a RenderState,
    /// What draws.
    pub painter: &'a mut Painter,
    /// What times.
    pub clock: &'a Clock,
    /// What lies behind everything.
    pub background: [u8; 3],
}

impl Studio<'_> {
    fn draw(&mut self, target: &Target, shots: &[Shot], rows: std::ops::Range<u32>, pace: &Pace) {
        let prepared = self.painter.prepare(shots, target.size);
        let mut encoder = self.state.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let [r, g, b] = self.background.map(|c| f64::from(c) / 255.0);
            let load = if rows.start == 0 {
                wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a: 1.0 })
            } else {
                wgpu::LoadOp::Load
            };
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("pane"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &target.view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
                })],
                ..wgpu::RenderPassDescriptor::default()
            });
            pass.set_scissor_rect(0, rows.start, target.size[0], rows.end - rows.start);
            self.painter.draw(&mut pass, &prepared);
        }
        let pixels = u64::from(target.size[0]) * u64::from(rows.end - rows.start);
        let index = self.state.queue.submit([encoder.finish()]);
        self.clock.watch(index, pixels, pace);
    }
}

/// The picture of a pane, at any moment as good as time allows.
#[derive(Default)]
pub struct Canvas {
    sharp: Option<Target>,
    quick: Option<Target>,
    /// What the sharp picture shows, and how many of its rows are drawn.
    drawn: (Vec<Shot>, u32),
    /// What the quick picture shows.
    sketched: Vec<Shot>,
    moved: Option<Instant>,
    paces: [Pace; 2],
    level: u32,
}

/// What there is to see of a pane.
pub struct Seen {
    /// What to show.
    pub texture: egui::TextureId,
    /// The finest level that is shown.
    pub level: u32,
    /// Whether it will get better by itself.
    pub unfinished: bool,
}

impl Canvas {
    /// Shows a pane of so many pixels.
    pub fn show(&mut self, studio: &mut Studio, scene: &Scene, pane: Pane, size: [u32; 2]) -> Option<Seen> {
        if size.contains(&0) {
            return None;
        }
        let (shots, complete) = studio.painter.shots(scene, pane, size, Quality::SHARP);
        self.level = shots.iter().map(|s| s.level).min().unwrap_or(0);
        Target::fit(&mut self.sharp, studio.state, size);
        let sharp = self.sharp.as_ref().expect("made above");
        let changed = self.drawn.0 != shots;
        if changed {
            self.drawn = (shots, 0);
            self.moved = Some(Instant::now());
        }
        let (height, wide) = (sharp.size[1], f64::from(sharp.size[0]));
        let fits = self.paces[1].pixels(BUDGET) >= wide * f64::from(height);
        let rested = self.moved.is_none_or(|m| m.elapsed() >= REST);
        // Slices are drawn as they are; rays begin with a sketch where they take long.
        let whole = pane != Pane::Volume || fits;
        if self.drawn.1 < height && (whole || (rested && complete && self.paces[1].is_idle())) {
            let from = self.drawn.1;
            let rows = (self.paces[1].pixels(BUDGET) / wide) as u32;
            let to = if whole { height } else { (from + rows.max(1)).min(height) };
            let from = if whole { 0 } else { from };
            studio.draw(sharp, &self.drawn.0, from..to, &self.paces[1]);
            self.drawn.1 = to;
        }
        let finished = self.drawn.1 == height;
        if finished {
            return Some(Seen { texture: sharp.id, level: self.level, unfinished: !complete });
        }
        let (sketch, _) = studio.painter.shots(scene, pane, size, Quality::QUICK);
        let part = (self.paces[0].pixels(BUDGET) / (wide * f64::from(height))).sqrt().clamp(0.08, 1.0);
        if self.sketched != sketch && (self.paces[0].is_idle() || self.quick.is_none()) {
            // Sizes in steps, so that targets are not made anew all the time.
            let part = [1.0, 0.75, 0.5, 0.35, 0.25, 0.18, 0.125].into_iter().find(|p| *p <= part).unwrap_or(0.08);
            let small = size.map(|n| ((f64::from(n) * part) as u32).max(1));
            Target::fit(&mut self.quick, studio.state, small);
            let quick = self.quick.as_ref().expect("made above");
            studio.draw(quick, &sketch, 0..quick.size[1], &self.paces[0]);
            self.sketched = sketch;
        }
        let quick = self.quick.as_ref()?;
        Some(Seen { texture: quick.id, level: self.level + Quality::QUICK.coarser, unfinished: true })
    }

    /// How many pixels it has.
    pub fn size(&self) -> Option<[u32; 2]> {
        self.sharp.as_ref().map(|t| t.size)
    }

    /// What was last shown, for picking.
    pub fn shots(&self) -> &[Shot] {
        &self.drawn.0
    }

    /// Gives its memory back.
    pub fn free(&mut self, state: &RenderState) {
        for target in [self.sharp.take(), self.quick.take()].into_iter().flatten() {
            target.free(state);
        }
    }
}
