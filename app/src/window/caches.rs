//! Everything that is derived from the document and can be made again: bricks on the GPU, pictures of panes, statistics.

use super::canvas::{Canvas, DrawThreads};
use crate::view::Painter;
use crate::view::frame_budget::FrameTurns;
use crate::view::profile::Profile;
use crate::view::region_stats::RegionStats;
use eframe::egui_wgpu::RenderState;
use egui_tiles::TileId;
use std::collections::HashMap;
use std::sync::Arc;
use voxelry_shaders::gpu::Gpu;

/// Derived data, within budgets. Nothing of it is saved.
pub struct Caches {
    /// The window's graphics device.
    pub render_state: RenderState,
    /// Bricks on the GPU.
    pub painter: Painter,
    /// Threads that wait for the device.
    pub draw_threads: DrawThreads,
    /// Turns in which panes are drawn.
    pub turns: FrameTurns,
    /// Pictures of the panes.
    pub canvases: HashMap<TileId, Canvas>,
    /// Intensities of the slices of the montage.
    pub profile: Option<Profile>,
    /// Statistics of the crop box or of a slice.
    pub region_stats: RegionStats,
    /// True if a picture will get better by itself.
    #[cfg(test)]
    pub unfinished: bool,
}

impl Caches {
    /// Empty caches on a device; the painter keeps to a budget in bytes. `wake` calls for a frame.
    pub fn new(render_state: RenderState, budget: u64, wake: &Arc<dyn Fn() + Send + Sync>) -> Self {
        let info = render_state.adapter.get_info();
        let gpu = Gpu { device: render_state.device.clone(), queue: render_state.queue.clone(), info };
        Self {
            render_state,
            painter: Painter::new(gpu, budget, wake.clone()),
            draw_threads: DrawThreads::new(wake.clone()),
            turns: FrameTurns::default(),
            canvases: HashMap::new(),
            profile: None,
            region_stats: RegionStats::new(wake.clone()),
            #[cfg(test)]
            unfinished: false,
        }
    }

    /// Drops the pictures of all panes.
    pub fn drop_canvases(&mut self) {
        for canvas in self.canvases.values_mut() {
            canvas.free(&self.render_state);
        }
        self.canvases.clear();
    }

    /// Drops the picture of a pane.
    pub fn drop_canvas(&mut self, id: TileId) {
        if let Some(mut canvas) = self.canvases.remove(&id) {
            canvas.free(&self.render_state);
        }
    }
}
