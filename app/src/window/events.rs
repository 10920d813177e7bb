//! Events from threads and dialogs, and what the window does about them, once a frame.

use super::app::Viewer;
use super::session::Restored;
use super::tools::{PointerPhase, SavedFile, Tool, ToolInput};
use crate::view::Layer;
use crate::view::label_names::Names;
use crate::view::open::OpenEvent;
use crate::view::study::Study;
use egui::Context;
use std::path::PathBuf;
use std::sync::PoisonError;
use voxelry_core::Region;
use voxelry_core::io::{ImageSource, OpenOptions};
use voxelry_core::recipe::Recipe;

/// An event from a thread or a dialog.
pub enum AppEvent {
    Open(Vec<PathBuf>),
    Save(PathBuf),
    Saved(PathBuf, voxelry_core::Result<Vec<(u64, PathBuf)>>),
    Export(PathBuf),
    /// The objects of the chosen labels are measured.
    Measure,
    /// Path of the forest that was learned.
    Learned(voxelry_core::Result<PathBuf>),
    /// Save the edited labels there; none: into the file that holds them.
    SaveLabels(Option<PathBuf>),
    /// Names of labels from a file.
    Names(voxelry_core::Result<Names>),
    /// The labels of a layer are in a file as they were after so many edits; none: they could not be saved.
    SavedLabels(u64, Option<(u64, Option<SavedFile>)>),
    Recipe(Box<anyhow::Result<Recipe>>),
    Restored(Box<voxelry_core::Result<Restored>>),
    /// A study that was opened.
    Study(Box<anyhow::Result<Study>>),
    /// Parts of the image of a layer have come.
    Grown(u64, Vec<Region>),
    /// A layer is finished: this takes its place.
    Became(u64, Box<Layer>),
    /// A confirmation.
    Say(String),
    /// A problem.
    Tell(String),
}

impl AppEvent {
    /// Returns whether the event needs labels as they will stay: no preview, no edit or saving in progress.
    fn needs_settled_labels(&self) -> bool {
        matches!(self, Self::Save(_) | Self::SaveLabels(_) | Self::Measure)
    }
}

impl Viewer {
    /// Handles all events since the last frame.
    pub(super) fn handle_events(&mut self, ctx: &Context) {
        self.handle_opened();
        self.handle_picked(ctx);
        let events: Vec<AppEvent> = self.jobs.events.1.try_iter().collect();
        for event in events {
            if event.needs_settled_labels() {
                self.jobs.waiting.push_back(event);
            } else {
                self.handle(event, ctx);
            }
        }
        // The label editor and the threads that save call for a frame when they are done.
        while !self.jobs.waiting.is_empty() && self.jobs.saving_labels == 0 && self.labels_are_settled() {
            let Some(event) = self.jobs.waiting.pop_front() else { break };
            self.handle(event, ctx);
        }
        for message in self.caches.painter.errors() {
            self.tell(message);
        }
    }

    /// Shows images that were opened, and their statistics.
    fn handle_opened(&mut self) {
        let done: Vec<OpenEvent> = self.jobs.opener.done().collect();
        for done in done {
            match done {
                OpenEvent::Opened(order, Ok(layers)) => {
                    self.jobs.opening = self.jobs.opening.saturating_sub(1);
                    self.add(order, layers);
                }
                OpenEvent::Opened(_, Err(error)) => {
                    self.jobs.opening = self.jobs.opening.saturating_sub(1);
                    self.tell(error.to_string());
                }
                OpenEvent::Stats(id, stats) => {
                    let layers = self.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
                    for layer in layers.filter(|l| l.id == id) {
                        // A window that the user has chosen stays.
                        let untouched = layer
                            .stats
                            .as_ref()
                            .is_none_or(|s| layer.display.window == Some(layer.window_of(s)));
                        if untouched && layer.display.window.is_none_or(|_| layer.stats.is_some()) {
                            layer.display.window = Some(layer.window_of(&stats));
                        }
                        layer.stats = Some(stats.clone());
                    }
                }
                OpenEvent::Seems(id, guess) => self.seems(id, guess),
                OpenEvent::Broken(id, message) => {
                    let mut layers = self.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
                    if let Some(layer) = layers.find(|l| l.id == id) {
                        layer.broken = Some(message.as_str().into());
                    }
                    self.tell(message);
                }
            }
        }
    }

    /// Moves the crosshair to places that were clicked in three dimensions, and uses the active tool there.
    fn handle_picked(&mut self, ctx: &Context) {
        let mut touched = Vec::new();
        let picked = std::mem::take(&mut *self.pointer.picked.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, place) in picked {
            let found = self.document.scenes.iter_mut().find(|s| s.layers.iter().any(|l| l.id == id));
            if let Some(scene) = found {
                let layer = scene.layers.iter().find(|l| l.id == id).expect("found above");
                let world =
                    layer.source.info().geometry().world_from_index.transform_point3(place.as_dvec3());
                let index = scene.geometry().world_from_index.inverse().transform_point3(world);
                scene.view.at = scene.snapped(scene.part(index));
                if self.tools.tool == Tool::Look {
                    let beside = ctx.input(|i| i.modifiers.command);
                    self.choose_in_layer(id, place.as_dvec3(), beside);
                } else {
                    touched.extend(
                        self.document
                            .scenes
                            .iter()
                            .position(|s| s.layers.iter().any(|l| l.id == id))
                            .map(|s| (s, index)),
                    );
                }
            }
        }
        for (scene, at) in touched {
            let shift = ctx.input(|i| i.modifiers.shift);
            for phase in [PointerPhase::Press, PointerPhase::Release] {
                self.use_tool(ToolInput { scene, axis: None, at, phase, shift });
            }
        }
    }

    fn handle(&mut self, event: AppEvent, ctx: &Context) {
        match event {
            AppEvent::Measure => self.measure_objects(),
            AppEvent::Open(paths) => {
                paths.into_iter().for_each(|path| self.open(path, OpenOptions::default()));
            }
            AppEvent::Save(path) => self.save(path),
            AppEvent::Saved(path, saved) => self.saved(&path, saved),
            AppEvent::Export(path) => self.export(ctx, path),
            AppEvent::Learned(model) => self.learned(model),
            AppEvent::Names(names) => self.name_labels(names),
            AppEvent::SaveLabels(Some(path)) => self.save_labels(ctx, path),
            AppEvent::SaveLabels(None) => self.save_labels_again(ctx),
            AppEvent::Grown(layer, parts) => {
                self.caches.painter.changed(layer, &parts);
                let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
                if let Some(layer) = layers.find(|l| l.id == layer) {
                    layer.source.changed(&parts);
                }
            }
            AppEvent::Became(id, made) => self.put_in_place_of(id, *made),
            AppEvent::SavedLabels(layer, saved) => self.saved_labels(layer, saved),
            AppEvent::Recipe(result) => match *result {
                Ok(recipe) => self.recipe_editor.load(&recipe),
                Err(error) => self.tell(error.to_string()),
            },
            AppEvent::Tell(message) => self.tell(message),
            AppEvent::Say(message) => self.say(message),
            AppEvent::Study(study) => self.show_study(*study),
            AppEvent::Restored(result) => {
                self.jobs.opening = self.jobs.opening.saturating_sub(1);
                match *result {
                    Ok(restored) => self.restored(restored),
                    Err(error) => self.tell(error.to_string()),
                }
            }
        }
    }
}
