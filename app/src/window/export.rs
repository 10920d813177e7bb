//! Pictures of panes as files, made while the window goes on.

use super::app::Viewer;
use crate::view::figure::figure;
use egui::Context;
use std::path::PathBuf;
use voxelry_core::Job;

impl Viewer {
    /// Writes the pane that has the keys as a PNG, at twice its size, with scale bar and letters.
    pub fn export(&mut self, ctx: &Context, path: PathBuf) {
        let Some((tile, size)) = self.active.and_then(|tile| Some((tile, self.size_of(tile)?))) else {
            return;
        };
        let Some(scene) = self.document.scenes.get(tile.scene).cloned() else { return };
        let (gpu, say, ctx) = (self.gpu().clone(), self.say(), ctx.clone());
        std::thread::spawn(move || {
            let picture = figure(gpu, &scene, tile.pane, size.map(|n| n * 2), 2, &Job::silent());
            let result = picture.and_then(|picture| Ok(picture.save_png(&path)?));
            say(match result {
                Ok(()) => format!("Saved {}", path.display()),
                Err(error) => error.to_string(),
            });
            ctx.request_repaint();
        });
    }
}
