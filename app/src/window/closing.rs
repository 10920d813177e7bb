//! Closing: what would be lost or is still at work is asked about first.

use super::app::Viewer;
use super::settings::Autosave;
use super::tools::{CloseTarget, EditSession};
use super::widgets::ask;
use egui::{Context, ViewportCommand};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time the window has to close when the system asks it to.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// Request of the system to end the program (SIGTERM, Ctrl-C in its terminal).
#[derive(Clone, Default)]
pub struct QuitRequest(Arc<AtomicBool>);

impl QuitRequest {
    /// Listens for such requests. A window that doesn't answer any more is ended all the same.
    pub fn listen(&self, ctx: &Context) {
        let (request, ctx) = (self.0.clone(), ctx.clone());
        // A second handler can't be set; there is one window.
        let _ = ctrlc::set_handler(move || {
            request.store(true, Ordering::Relaxed);
            ctx.request_repaint();
            std::thread::spawn(|| {
                std::thread::sleep(SHUTDOWN_TIMEOUT);
                voxelry_core::io::atomic::abandon();
                std::process::exit(143);
            });
        });
    }

    /// Returns whether there is such a request.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Requests it.
    #[cfg(test)]
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// End of the program, and what must survive it.
#[derive(Default)]
pub struct Lifecycle {
    /// The session kept for recovery after a crash; none in tests.
    pub autosave: Option<Autosave>,
    /// Request of the system to end the program.
    pub quit_request: QuitRequest,
    /// Folders of the logs of edited labels, which are there until the program ends.
    pub logs: BTreeSet<PathBuf>,
    /// Folders of results that are there until the program ends.
    pub borrowed: Vec<PathBuf>,
    /// True once the graphics device is lost.
    pub device_lost: Arc<AtomicBool>,
    /// True if unsaved edits may be lost.
    pub may_lose: bool,
}

impl Viewer {
    /// Running work that would end with the window.
    fn at_work(&self) -> Vec<String> {
        let mut work = Vec::new();
        if let Some(running) = self.recipe_editor.running() {
            let status = running.status();
            let part = (status.done * 100).checked_div(status.total).unwrap_or(0);
            work.push(format!("A run is in progress ({} {part} %).", status.stage));
        }
        if self.export.is_running() {
            work.push("A picture or a movie is being exported.".to_owned());
        }
        if self.jobs.saving_session.is_some() {
            work.push("The session is being saved.".to_owned());
        }
        if self.jobs.saving_labels > 0 {
            work.push("Labels are being saved.".to_owned());
        }
        let busy = |d: &EditSession| d.editor.is_busy() && !d.editor.progress().name.is_empty();
        if let Some(editing) = self.tools.edit_sessions().find(|d| busy(d)) {
            work.push(format!("A label edit is in progress ({}).", editing.editor.progress().name));
        }
        work
    }

    /// Returns whether layers can be closed; where they have edits that are in no file, the user is asked.
    pub(super) fn may_close(&mut self, layers: &[u64], closing: CloseTarget) -> bool {
        let unsaved = |d: &EditSession| layers.contains(&d.layer) && d.is_unsaved();
        if std::mem::take(&mut self.lifecycle.may_lose) || !self.tools.edit_sessions().any(unsaved) {
            return true;
        }
        self.dialogs.closing = Some(closing);
        false
    }

    /// Ends the program if the system requests it: what is open is kept for the next start where something of it is in no
    /// file.
    pub(super) fn quit_if_requested(&mut self, ctx: &Context) {
        if !self.lifecycle.quit_request.is_requested() || self.lifecycle.may_lose {
            return;
        }
        let unsaved = self.tools.edit_sessions().any(EditSession::is_unsaved);
        let results = self.has_unsaved_results();
        if unsaved || results {
            if let Err(error) = self.keep_everything() {
                crate::progress::tell(&format!("voxelry: {error}"));
            }
            if let Some(autosave) = &mut self.lifecycle.autosave {
                autosave.stay();
            }
        }
        self.lifecycle.may_lose = true;
        ctx.send_viewport_cmd(ViewportCommand::Close);
    }

    /// Asks what becomes of edits that are in no file, and of what is at work, when they are to be closed.
    pub(super) fn ask_before_closing(&mut self, ctx: &Context) {
        let wants = ctx.input(|i| i.viewport().close_requested());
        if wants
            && !self.lifecycle.may_lose
            && (self.tools.edit_sessions().any(EditSession::is_unsaved) || !self.at_work().is_empty())
        {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.dialogs.closing = Some(CloseTarget::Window);
        }
        let Some(closing) = self.dialogs.closing else { return };
        let of = |d: &&EditSession| d.is_unsaved() && closing.is_of(d.layer, &self.document.scenes);
        let layer = self.tools.edit_sessions().find(of).map(|d| d.layer);
        let mut lines = if closing == CloseTarget::Window { self.at_work() } else { Vec::new() };
        if layer.is_none() && lines.is_empty() {
            // It has ended in the meantime.
            return self.close_anyway(closing, ctx);
        }
        let title = if layer.is_some() { "Unsaved label edits" } else { "Quit Voxelry?" };
        let buttons: &[&str] = if layer.is_some() {
            lines.push("The label edits are not saved in a file.".to_owned());
            &["Save", "Close without saving", "Cancel"]
        } else {
            &["Cancel it and quit", "Cancel"]
        };
        match ask(ctx, title, &lines, buttons).map(|at| buttons[at]) {
            Some("Save") => {
                self.dialogs.closing = None;
                // Those that are asked about are saved, not others that may be active.
                if let Some(layer) = layer {
                    self.edit_layer(layer);
                }
                self.ask_to_save_labels(ctx);
            }
            Some("Cancel") => self.dialogs.closing = None,
            Some(_) => self.close_anyway(closing, ctx),
            None => {}
        }
    }

    fn close_anyway(&mut self, closing: CloseTarget, ctx: &Context) {
        (self.dialogs.closing, self.lifecycle.may_lose) = (None, true);
        match closing {
            CloseTarget::Window => return ctx.send_viewport_cmd(ViewportCommand::Close),
            CloseTarget::Layer(id) => {
                if let Some((s, l)) = self.place_of(id) {
                    self.close_layer(s, l);
                }
            }
            CloseTarget::Scene(id) => {
                if let Some(place) = self.place_of(id) {
                    self.view.chosen = place;
                    self.close_scene();
                }
            }
        }
        self.lifecycle.may_lose = false;
    }
}
