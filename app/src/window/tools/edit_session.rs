//! Sessions of editing labels: new ones over an image, or those of a layer.

use super::{EditSession, SavedFile, ToolState};
use crate::view::label_editor::LabelEditor;
use crate::view::{Content, Layer, open};
use crate::window::app::Viewer;
use crate::window::session::RestoredEdits;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::{Info, Labels};
use voxelry_core::{Job, Result};

/// Bytes of chunks that an edited image keeps in memory.
pub const BUDGET: u64 = 128 << 20;
/// Name of a new label layer.
pub const NEW: &str = "Segmentation";

impl Viewer {
    /// Begins to edit labels of the active image: the active layer, else the uppermost, else a new one. Returns whether
    /// there are any now.
    pub fn ensure_labels(&mut self) -> bool {
        let (s, l) = self.view.chosen;
        let Some(scene) = self.document.scenes.get(s) else { return false };
        let here = |l: &&Layer| l.content == Content::Labels && Some(l.id) != self.recipe_editor.shown();
        let chosen = scene.layers.get(l).filter(here).or_else(|| scene.layers.iter().rev().find(here));
        match chosen.map(|layer| layer.id) {
            Some(id) => self.edit_layer(id),
            None => self.new_labels(),
        }
    }

    /// Creates a label layer over the active image, and begins to edit it.
    pub fn new_labels(&mut self) -> bool {
        let Some(image) = self.layer_to_work_on() else { return false };
        let (shape, geometry, id) = (image.source.info().shape(), image.source.info().geometry(), image.id);
        let labels = self.log().and_then(|log| Labels::create(&log, shape, geometry, None, BUDGET));
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => {
                self.tell(error.to_string());
                return false;
            }
        };
        let Some(mut layer) = open::layers_of(labels.clone(), NEW, None, self.jobs.opener.cache()).pop()
        else {
            return false;
        };
        layer.display.outline = false;
        layer.display.opacity = 0.6;
        let editing = EditSession {
            layer: layer.id,
            image: Some(id),
            editor: self.label_editor(labels),
            base: None,
            look: Default::default(),
            saved: 0,
            saved_file: None,
        };
        let Some(scene) = self.document.scenes.iter_mut().find(|s| s.layers.iter().any(|l| l.id == id))
        else {
            return false;
        };
        scene.layers.push(layer);
        let at = scene.layers.len() - 1;
        self.view.chosen.1 = at;
        self.activate_session(editing);
        true
    }

    /// Begins to edit the labels of a layer.
    pub fn edit_layer(&mut self, id: u64) -> bool {
        if self.tools.editing.as_ref().is_some_and(|d| d.layer == id) {
            return true;
        }
        if let Some(at) = self.tools.inactive.iter().position(|d| d.layer == id) {
            let editing = self.tools.inactive.swap_remove(at);
            self.activate_session(editing);
            return true;
        }
        let Some((s, l)) = self.place_of(id) else { return false };
        let layer = self.document.scenes[s].layers[l].clone();
        let source = layer.source.source().clone();
        let (shape, geometry) = (layer.source.info().shape(), layer.source.info().geometry());
        let frame = Frame::new(layer.channel, layer.time);
        // What is in no file is taken over as a whole: nothing else would be left of it after a crash.
        let kept = layer.path.clone().filter(|path| !self.is_borrowed(path));
        let base = kept.as_ref().map(|_| (source.clone(), frame));
        let labels = self.log().and_then(|log| Labels::create(&log, shape, geometry, base, BUDGET));
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => {
                self.tell(error.to_string());
                return false;
            }
        };
        let saved_file = kept.as_ref().and_then(|path| SavedFile::now(path, Arc::new(labels.version())));
        let base = kept.map(|path| (path, layer.channel, layer.time));
        let edited = self.in_place_of(&layer, labels.clone());
        let editor = self.label_editor(labels);
        if base.is_none() {
            editor.take_over(source, frame);
        }
        let editing = EditSession {
            layer: edited.id,
            image: self.image_below(id),
            editor,
            base,
            look: Default::default(),
            saved: 0,
            saved_file,
        };
        if self.recipe_editor.results.about == Some(id) {
            // Its table is about the labels that are edited now.
            self.recipe_editor.results.about = Some(edited.id);
        }
        self.document.scenes[s].layers[l] = edited;
        self.keep_layers();
        self.activate_session(editing);
        true
    }

    /// A layer that shows edited labels in place of another one.
    fn in_place_of(&self, layer: &Layer, labels: Arc<Labels>) -> Layer {
        let made = open::layers_of(labels, &layer.name, None, self.jobs.opener.cache()).swap_remove(0);
        Layer { display: layer.display.clone(), provenance: layer.provenance.clone(), ..made }
    }

    /// Resumes editing labels that a crash left.
    pub fn resume_editing(&mut self, layer: u64, edited: RestoredEdits) {
        let RestoredEdits { labels, base } = edited;
        if let Some(folder) = labels.log().parent() {
            self.lifecycle.logs.insert(folder.to_owned());
        }
        let image = self.image_below(layer);
        let editing = EditSession {
            layer,
            image,
            editor: self.label_editor(labels),
            base,
            look: Default::default(),
            saved: 0,
            saved_file: None,
        };
        self.activate_session(editing);
    }

    fn image_below(&self, layer: u64) -> Option<u64> {
        let (s, _) = self.place_of(layer)?;
        self.document.scenes[s].layers.iter().find(|l| l.content == Content::Grey).map(|l| l.id)
    }

    fn label_editor(&self, labels: Arc<Labels>) -> LabelEditor {
        LabelEditor::new(labels, self.jobs.wake.clone())
    }

    fn activate_session(&mut self, editing: EditSession) {
        let tools = &mut self.tools;
        if let Some(old) = tools.editing.take() {
            old.editor.discard();
            tools.inactive.push(old);
        }
        tools.rows = Arc::new(editing.editor.labels.sums().unwrap_or_default().into_iter().collect());
        (tools.gesture.preview, tools.gesture.shown) = (false, None);
        tools.label = tools.rows.first().map_or(1, |r| r.0);
        tools.status.clear();
        tools.editing = Some(editing);
        // A crash in the next moment finds them, too.
        self.keep_now();
    }

    /// The scene and the place of a layer.
    pub(in crate::window) fn place_of(&self, id: u64) -> Option<(usize, usize)> {
        let mut scenes = self.document.scenes.iter().enumerate();
        scenes.find_map(|(s, scene)| Some((s, scene.layers.iter().position(|l| l.id == id)?)))
    }

    /// A new place for a log.
    fn log(&mut self) -> Result<PathBuf> {
        let folder = match &self.lifecycle.autosave {
            Some(autosave) => autosave.path().with_extension("labels"),
            None => self.nowhere(),
        };
        std::fs::create_dir_all(&folder).map_err(|e| voxelry_core::Error::io(&folder, e))?;
        self.lifecycle.logs.insert(folder.clone());
        loop {
            self.tools.logs_created += 1;
            let path = folder.join(format!("{}.log", self.tools.logs_created));
            if !path.exists() {
                return Ok(path);
            }
        }
    }

    /// A folder for logs where the system has no place for them.
    fn nowhere(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.lifecycle.logs.first().cloned().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            std::env::temp_dir().join(format!("voxelry-{}-{number}.labels", std::process::id()))
        })
    }

    /// Applies the updates of all label editors, once a frame.
    pub(in crate::window) fn poll_label_editors(&mut self) {
        // Labels whose layer was closed.
        let there: Vec<u64> = self.document.scenes.iter().flat_map(|s| &s.layers).map(|l| l.id).collect();
        self.tools.inactive.retain(|d| there.contains(&d.layer));
        if self.tools.editing.as_ref().is_some_and(|d| !there.contains(&d.layer)) {
            self.tools.editing = None;
            self.tools.rows = Arc::default();
        }
        let mut errors = Vec::new();
        let ToolState { editing, inactive, status, rows, .. } = &mut self.tools;
        let (first, others) = (editing.iter().map(|d| (d, true)), inactive.iter().map(|d| (d, false)));
        for (editing, here) in first.chain(others) {
            for update in editing.editor.updates() {
                if !update.regions.is_empty() {
                    let layer =
                        self.document.scenes.iter().flat_map(|s| &s.layers).find(|l| l.id == editing.layer);
                    if let Some(layer) = layer {
                        layer.source.changed(&update.regions);
                    }
                    self.caches.painter.changed(editing.layer, &update.regions);
                }
                errors.extend(update.error);
                if here {
                    if let Some(text) = update.message {
                        *status = text;
                    }
                    if let Some(new) = update.rows {
                        *rows = new;
                    }
                }
            }
        }
        errors.into_iter().for_each(|e| self.tell(e));
    }

    /// Changes what is known of a label, as an edit that can be taken back.
    pub fn set_info(&mut self, label: u32, name: &'static str, change: impl FnOnce(&mut Info)) {
        let Some(editing) = &self.tools.editing else { return };
        let mut info = editing.editor.labels.info_of(label).unwrap_or_default();
        change(&mut info);
        let kept = (info != Info::default()).then_some(info);
        editing.editor.apply(
            name,
            Box::new(move |edit, _: &Job| {
                edit.set_info(label, kept);
                Ok(Vec::new().into())
            }),
        );
    }
}
