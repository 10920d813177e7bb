//! Closing: what would be lost or is still at work is asked about first.

use super::app::Viewer;
use super::tools::{Closing, Desk};
use super::widgets::ask;
use egui::{Context, ViewportCommand};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the window has to end when the system asks it to.
const PATIENCE: Duration = Duration::from_secs(20);

/// A wish of the system that the program ends (SIGTERM, Ctrl-C in its terminal).
#[derive(Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Hears such wishes. A window that doesn't answer any more is ended all the same.
    pub fn listen(&self, ctx: &Context) {
        let (wish, ctx) = (self.0.clone(), ctx.clone());
        // A second handler can't be set; there is one window.
        let _ = ctrlc::set_handler(move || {
            wish.store(true, Ordering::Relaxed);
            ctx.request_repaint();
            std::thread::spawn(|| {
                std::thread::sleep(PATIENCE);
                voxelry_core::io::atomic::abandon();
                std::process::exit(143);
            });
        });
    }

    /// Whether there is such a wish.
    pub fn is_wished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Wishes it.
    #[cfg(test)]
    pub fn wish(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Viewer {
    /// What is at work that would end with the window.
    fn at_work(&self) -> Vec<String> {
        let mut work = Vec::new();
        if let Some(running) = self.bench.running() {
            let status = running.status();
            let part = (status.done * 100).checked_div(status.total).unwrap_or(0);
            work.push(format!("A run is at work ({} {part} %).", status.stage));
        }
        if self.export.is_running() {
            work.push("A picture or a movie is being exported.".to_owned());
        }
        if self.saving.is_some() {
            work.push("The session is being saved.".to_owned());
        }
        if self.saving_labels > 0 {
            work.push("Labels are being saved.".to_owned());
        }
        let busy = |d: &Desk| d.board.is_busy() && !d.board.progress().name.is_empty();
        if let Some(desk) = self.kit.desks().find(|d| busy(d)) {
            work.push(format!("An edit of labels is at work ({}).", desk.board.progress().name));
        }
        work
    }

    /// Whether layers can be closed; where they have edits that are in no file, the user is asked.
    pub(super) fn may_close(&mut self, layers: &[u64], closing: Closing) -> bool {
        let unsaved = |d: &Desk| layers.contains(&d.layer) && d.is_unsaved();
        if std::mem::take(&mut self.may_lose) || !self.kit.desks().any(unsaved) {
            return true;
        }
        self.closing = Some(closing);
        false
    }

    /// Ends the program if the system wishes it: what is open is kept for the next start where something of it is in no
    /// file.
    pub(super) fn end_if_wished(&mut self, ctx: &Context) {
        if !self.ending.is_wished() || self.may_lose {
            return;
        }
        let unsaved = self.kit.desks().any(Desk::is_unsaved);
        let results = self.has_unsaved_results();
        if unsaved || results {
            if let Err(error) = self.keep_everything() {
                crate::progress::tell(&format!("voxelry: {error}"));
            }
            if let Some(keeper) = &mut self.keeper {
                keeper.stay();
            }
        }
        self.may_lose = true;
        ctx.send_viewport_cmd(ViewportCommand::Close);
    }

    /// Asks what becomes of edits that are in no file, and of what is at work, when they are to be closed.
    pub(super) fn ask_before_closing(&mut self, ctx: &Context) {
        let wants = ctx.input(|i| i.viewport().close_requested());
        if wants && !self.may_lose && (self.kit.desks().any(Desk::is_unsaved) || !self.at_work().is_empty()) {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.closing = Some(Closing::Window);
        }
        let Some(closing) = self.closing else { return };
        let of = |d: &&Desk| d.is_unsaved() && closing.is_of(d.layer, &self.document.scenes);
        let layer = self.kit.desks().find(of).map(|d| d.layer);
        let mut lines = if closing == Closing::Window { self.at_work() } else { Vec::new() };
        if layer.is_none() && lines.is_empty() {
            // It has ended in the meantime.
            return self.close_anyway(closing, ctx);
        }
        let title = if layer.is_some() { "Unsaved label edits" } else { "Quit Voxelry?" };
        let buttons: &[&str] = if layer.is_some() {
            lines.push("Edits of labels are in no file.".to_owned());
            &["Save", "Close without saving", "Cancel"]
        } else {
            &["Stop it and quit", "Cancel"]
        };
        match ask(ctx, title, &lines, buttons).map(|at| buttons[at]) {
            Some("Save") => {
                self.closing = None;
                // Those that are asked about are saved, not others that may be on the desk.
                if let Some(layer) = layer {
                    self.edit_layer(layer);
                }
                self.ask_to_save_labels(ctx);
            }
            Some("Cancel") => self.closing = None,
            Some(_) => self.close_anyway(closing, ctx),
            None => {}
        }
    }

    fn close_anyway(&mut self, closing: Closing, ctx: &Context) {
        (self.closing, self.may_lose) = (None, true);
        match closing {
            Closing::Window => return ctx.send_viewport_cmd(ViewportCommand::Close),
            Closing::Layer(id) => {
                if let Some((s, l)) = self.place_of(id) {
                    self.close_layer(s, l);
                }
            }
            Closing::Scene(id) => {
                if let Some(place) = self.place_of(id) {
                    self.chosen = place;
                    self.close_scene();
                }
            }
        }
        self.may_lose = false;
    }
}
