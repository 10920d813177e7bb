//! Pictures of panes, drawn beside the window and shown in it: what hasn't changed is not drawn again.

use crate::view::frame_budget::{FrameBudget, FrameTurns};
use crate::view::painter::Shot;
use crate::view::projection::Quality;
use crate::view::{Painter, Pane, Scene};
use crossbeam_channel::{Sender, unbounded};
use eframe::egui_wgpu::RenderState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use voxelry_shaders::Drawing;
use voxelry_shaders::picture::FORMAT;

/// Time without movement after which the sharp picture is drawn.
const REST: Duration = Duration::from_millis(120);

/// Longest wait for the picture of another time frame.
const FRAME_TIMEOUT: Duration = Duration::from_millis(400);

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

/// A picture that is drawn in strips, so that the window's own drawing is never kept waiting.
struct Strips {
    device: wgpu::Device,
    queue: wgpu::Queue,
    view: wgpu::TextureView,
    size: [u32; 2],
    drawing: Drawing,
    background: wgpu::Color,
    pace: FrameBudget,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    rows: AtomicU32,
    cancelled: AtomicBool,
}

impl Strips {
    /// Draws rows and says when they are done.
    fn draw(&self, rows: std::ops::Range<u32>) -> wgpu::SubmissionIndex {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.drawing.record(&mut encoder, &self.view, self.background, (self.size[0], rows));
        self.queue.submit([encoder.finish()])
    }

    /// Waits for the device. A lost one ends every wait at once; the window notices that by itself.
    fn wait(&self, index: wgpu::SubmissionIndex) {
        let _ = self.device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None });
    }

    fn all(&self) {
        let height = self.size[1];
        let mut row = 0;
        while row < height && !self.progress.cancelled.load(Ordering::Relaxed) {
            let rows = (self.pace.pixels() / f64::from(self.size[0])) as u32;
            // Whole blocks of the rasteriser, at most twice what is expected to fit.
            let end = (row + rows.max(1).next_multiple_of(4)).min(height);
            let begun = Instant::now();
            self.wait(self.draw(row..end));
            self.pace.learn(begun.elapsed(), u64::from(end - row) * u64::from(self.size[0]));
            row = end;
            self.progress.rows.store(row, Ordering::Relaxed);
        }
    }
}

/// Threads that wait for the device, so that the window does not.
pub struct DrawThreads {
    watched: Sender<(Strips, wgpu::SubmissionIndex, Instant)>,
    strips: Sender<Strips>,
}

impl DrawThreads {
    /// `wake` is called when a picture is done.
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (watched, watch) = unbounded::<(Strips, wgpu::SubmissionIndex, Instant)>();
        let (strips, refine) = unbounded::<Strips>();
        let waker = wake.clone();
        std::thread::spawn(move || {
            let mut free = Instant::now();
            for (strips, index, begun) in watch {
                strips.wait(index);
                strips
                    .pace
                    .learn(begun.max(free).elapsed(), u64::from(strips.size[0]) * u64::from(strips.size[1]));
                free = Instant::now();
                strips.progress.rows.store(strips.size[1], Ordering::Relaxed);
                waker();
            }
        });
        std::thread::spawn(move || {
            for strips in refine {
                strips.all();
                wake();
            }
        });
        Self { watched, strips }
    }
}

/// Everything that canvases need to draw.
pub struct CanvasContext<'a> {
    /// The window's device.
    pub state: &'a RenderState,
    /// Painter that draws the scenes.
    pub painter: &'a mut Painter,
    /// Threads that wait for the device.
    pub draw_threads: &'a DrawThreads,
    /// Whose turn it is.
    pub turns: &'a mut FrameTurns,
    /// Background colour.
    pub background: [u8; 3],
}

impl CanvasContext<'_> {
    fn strips(&mut self, target: &Target, shots: &[Shot], pace: &FrameBudget) -> Strips {
        let [r, g, b] = self.background.map(|c| f64::from(c) / 255.0);
        Strips {
            device: self.state.device.clone(),
            queue: self.state.queue.clone(),
            view: target.view.clone(),
            size: target.size,
            drawing: self.painter.prepare(shots, target.size),
            background: wgpu::Color { r, g, b, a: 1.0 },
            pace: pace.clone(),
            progress: Arc::default(),
        }
    }

    /// Draws at once; the window's next frame is drawn after it.
    fn at_once(&mut self, target: &Target, shots: &[Shot], pace: &FrameBudget) -> Arc<Progress> {
        let strips = self.strips(target, shots, pace);
        let progress = strips.progress.clone();
        let begun = Instant::now();
        let index = strips.draw(0..target.size[1]);
        // Nobody waits when the program ends.
        let _ = self.draw_threads.watched.send((strips, index, begun));
        progress
    }

    /// Draws when there is time.
    fn by_and_by(&mut self, target: &Target, shots: &[Shot], pace: &FrameBudget) -> Arc<Progress> {
        let strips = self.strips(target, shots, pace);
        let progress = strips.progress.clone();
        // Nobody waits when the program ends.
        let _ = self.draw_threads.strips.send(strips);
        progress
    }
}

/// The picture of a pane, at any moment as good as time allows.
#[derive(Default)]
pub struct Canvas {
    sharp: Option<Target>,
    quick: Option<Target>,
    /// The last finished picture, while one of the same view is drawn in which only voxels or objects look otherwise.
    front: Option<Target>,
    /// Shots of the sharp picture.
    drawn: Vec<Shot>,
    /// Progress of drawing, and true if it was drawn at once; none if it hasn't begun.
    drawing: Option<(Arc<Progress>, bool)>,
    /// Shots of the quick picture.
    sketched: Vec<Shot>,
    sketching: Option<Arc<Progress>>,
    moved: Option<Instant>,
    awaited: Option<Instant>,
    paces: [FrameBudget; 2],
    /// For how many frames it has waited for its turn.
    waited: u32,
}

/// Picture of a pane that can be shown now.
pub struct PaneImage {
    /// Texture to show.
    pub texture: egui::TextureId,
    /// The finest level that is shown.
    pub level: u32,
    /// True if some of it shows some of the voxels that it is made of.
    pub sampled: bool,
    /// True if it will get better by itself.
    pub unfinished: bool,
    /// Delay until the next look, if nothing else happens.
    pub again: Option<Duration>,
}

impl Canvas {
    /// Shows a pane of so many pixels.
    pub fn show(
        &mut self,
        context: &mut CanvasContext,
        scene: &Scene,
        pane: Pane,
        size: [u32; 2],
    ) -> Option<PaneImage> {
        if size.contains(&0) {
            return None;
        }
        let (shots, complete) = context.painter.shots(scene, pane, size, Quality::SHARP);
        let level = shots.iter().map(|s| s.level).min().unwrap_or(0);
        let sampled = shots.iter().any(|s| s.sampled);
        let fresh = self.sharp.as_ref().is_none_or(|t| t.size != size);
        if !fresh
            && !complete
            && !self.drawn.is_empty()
            && !self.drawn.iter().map(Shot::image).eq(shots.iter().map(Shot::image))
        {
            // Another time frame: the one before stays for the moment that it takes to come.
            let since = *self.awaited.get_or_insert_with(Instant::now);
            if since.elapsed() < FRAME_TIMEOUT {
                let texture = self.sharp.as_ref().map(|t| t.id)?;
                return Some(PaneImage {
                    texture,
                    level,
                    sampled,
                    unfinished: true,
                    again: Some(FRAME_TIMEOUT / 8),
                });
            }
        }
        self.awaited = None;
        // What takes too long for a frame, with all else that moves, begins with a sketch.
        let pixels = size.map(f64::from).iter().product::<f64>();
        let crowd = context.turns.crowd();
        let plane = pane != Pane::Volume;
        let quick = self.paces[1].pixels() >= pixels * if plane { crowd as f64 } else { 1.0 }
            || plane && !self.paces[1].is_known();
        self.bring_to_front(context.state, fresh || quick, &shots);
        Target::fit(&mut self.sharp, context.state, size);
        let (full, sharp) = self.sharp.as_ref().map(|t| (t.size, t.id))?;
        // Until there is a new picture, the one before stays.
        let texture = self.front.as_ref().map_or(sharp, |t| t.id);
        if fresh || self.drawn != shots {
            if let Some((progress, _)) = self.drawing.take() {
                progress.cancelled.store(true, Ordering::Relaxed);
            }
            self.drawn = shots;
            self.moved = Some(Instant::now());
        }
        if self.drawing.is_none() && !context.painter.is_ready(&self.drawn) {
            // Something that was never drawn before; there is a call when it can be.
            return Some(PaneImage { texture, level, sampled, unfinished: true, again: None });
        }
        let rest = self.moved.map_or(Duration::ZERO, |m| REST.saturating_sub(m.elapsed()));
        let mut again = None;
        if self.drawing.is_none() && quick && self.turn(context, self.paces[1].cost(full), &mut again) {
            let sharp = self.sharp.as_ref()?;
            self.drawing = Some((context.at_once(sharp, &self.drawn, &self.paces[1]), true));
        } else if self.drawing.is_none() && rest.is_zero() && complete {
            let sharp = self.sharp.as_ref()?;
            self.drawing = Some((context.by_and_by(sharp, &self.drawn, &self.paces[1]), false));
        }
        let done = |p: &Progress| p.rows.load(Ordering::Relaxed) >= full[1];
        if self.drawing.as_ref().is_some_and(|(progress, at_once)| *at_once || done(progress)) {
            self.release_front(context.state);
            return Some(PaneImage { texture: sharp, level, sampled, unfinished: !complete, again: None });
        }
        if self.front.is_some() {
            let again = again.or((self.drawing.is_none() && complete).then_some(rest));
            return Some(PaneImage { texture, level, sampled, unfinished: true, again });
        }
        let small = self.paces[usize::from(plane)].sketch(size, crowd);
        let (sketch, coarser) = if plane {
            let pixels = full[0] as f32 / small[0] as f32;
            (self.drawn.iter().map(|shot| shot.shrunk(pixels)).collect(), 0)
        } else {
            (context.painter.shots(scene, pane, size, Quality::QUICK).0, Quality::QUICK.coarser)
        };
        let height = self.quick.as_ref().map_or(0, |t| t.size[1]);
        let idle = self.sketching.as_ref().is_none_or(|p| p.rows.load(Ordering::Relaxed) >= height);
        let begun = self.drawing.is_some();
        if self.sketched != sketch
            && idle
            && context.painter.is_ready(&sketch)
            && self.turn(context, self.paces[usize::from(plane)].cost(small), &mut again)
        {
            Target::fit(&mut self.quick, context.state, small);
            let target = self.quick.as_ref().expect("made above");
            self.sketching = Some(context.at_once(target, &sketch, &self.paces[usize::from(plane)]));
            self.sketched = sketch;
        }
        // A sketch or a picture that is under way calls when it is done.
        let again = again.or((!begun && complete).then_some(rest));
        let texture = self.quick.as_ref().map_or(texture, |t| t.id);
        Some(PaneImage { texture, level: level + coarser, sampled, unfinished: true, again })
    }

    /// Keeps the finished picture in front of one that takes long to draw, where one looks at the same from the same place.
    fn bring_to_front(&mut self, state: &RenderState, at_once: bool, shots: &[Shot]) {
        let calm = !at_once
            && self.drawn.len() == shots.len()
            && self.drawn.iter().zip(shots).all(|(a, b)| a.is_seen_as(b));
        if !calm {
            return self.release_front(state);
        }
        let whole = self.sharp.as_ref().map_or(0, |t| t.size[1]);
        let finished =
            self.drawing.as_ref().is_some_and(|(progress, _)| progress.rows.load(Ordering::Relaxed) >= whole);
        if self.drawn != shots && finished && self.front.is_none() {
            self.front = self.sharp.take();
        }
    }

    fn release_front(&mut self, state: &RenderState) {
        if let Some(front) = self.front.take() {
            front.free(state);
        }
    }

    /// Returns whether it is this pane's turn to be drawn; if not, it asks again at once.
    fn turn(&mut self, context: &mut CanvasContext, cost: Duration, again: &mut Option<Duration>) -> bool {
        let taken = context.turns.take(self.waited, cost);
        self.waited = if taken { 0 } else { self.waited + 1 };
        if !taken {
            *again = Some(Duration::ZERO);
        }
        taken
    }

    /// Size in pixels.
    pub fn size(&self) -> Option<[u32; 2]> {
        self.sharp.as_ref().map(|t| t.size)
    }

    /// Shots last shown, for picking.
    pub fn shots(&self) -> &[Shot] {
        &self.drawn
    }

    /// Gives its memory back.
    pub fn free(&mut self, state: &RenderState) {
        if let Some((progress, _)) = self.drawing.take() {
            progress.cancelled.store(true, Ordering::Relaxed);
        }
        for target in [self.sharp.take(), self.quick.take(), self.front.take()].into_iter().flatten() {
            target.free(state);
        }
    }
}
