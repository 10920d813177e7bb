//! Commands on tools and labels.

use super::label_files::{self, SavedFile};
use super::{Tool, ToolState};
use crate::view::Scene;
use crate::view::label_names::{self, FORMATS, Names};
use crate::window::app::Viewer;
use crate::window::events::AppEvent;
use crate::window::view_state::Side;
use egui::Context;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::labels::Info;
use voxelry_core::{Error, Job};

/// Target of a request to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseTarget {
    /// The program.
    Window,
    /// A layer.
    Layer(u64),
    /// The data set that has a layer.
    Scene(u64),
}

impl CloseTarget {
    /// Returns whether a layer goes with it.
    pub(in crate::window) fn is_of(self, layer: u64, scenes: &[Scene]) -> bool {
        match self {
            Self::Window => true,
            Self::Layer(id) => id == layer,
            Self::Scene(id) => {
                let mut scenes = scenes.iter().map(|s| s.layers.iter().map(|l| l.id).collect::<Vec<_>>());
                scenes.any(|layers| layers.contains(&id) && layers.contains(&layer))
            }
        }
    }
}

impl ToolState {
    /// Returns whether the active tool is a brush.
    pub fn has_brush(&self) -> bool {
        matches!(self.tool, Tool::Paint | Tool::Erase)
    }

    /// The wheel was turned for the tool: brushes get larger, the wand takes more.
    pub fn turn_wheel(&mut self, steps: f32) {
        let by = 1.15f64.powf(f64::from(steps));
        if steps == 0.0 {
            return;
        }
        if self.has_brush() {
            let whole =
                (self.settings.radius * by).max(if steps > 0.0 { self.settings.radius + 0.5 } else { 0.0 });
            self.settings.radius = ((whole * 2.0).round() / 2.0).clamp(0.0, 200.0);
        } else if self.tool == Tool::Wand {
            self.settings.tolerance *= by;
        }
    }

    /// Swaps the active label and the one before, which is the background at first.
    pub fn swap_labels(&mut self) {
        std::mem::swap(&mut self.label, &mut self.other);
        self.gesture.shown = None;
    }
}

impl Viewer {
    /// Returns whether undo applies to labels: some are edited, and the recipe panel isn't shown.
    pub fn edits_labels(&self) -> bool {
        self.tools.editing.is_some() && (self.view.side != Side::Recipe || !self.settings.right)
    }

    /// Takes the last change back.
    pub fn undo(&mut self) {
        match &self.tools.editing {
            Some(editing) if self.edits_labels() => editing.editor.undo(),
            _ => self.recipe_editor.undo(),
        }
    }

    /// Makes a change again that was taken back.
    pub fn redo(&mut self) {
        match &self.tools.editing {
            Some(editing) if self.edits_labels() => editing.editor.redo(),
            _ => self.recipe_editor.redo(),
        }
    }

    /// Activates a tool and shows its settings.
    pub fn segment(&mut self, tool: Tool) {
        if tool != Tool::Look {
            (self.settings.right, self.view.side) = (true, Side::Segment);
        }
        self.select_tool(tool);
    }

    /// Activates a new label.
    pub fn new_label(&mut self) {
        if self.tools.editing.is_none() && !self.ensure_labels() {
            return;
        }
        if let Some(editing) = &self.tools.editing {
            let label = editing.editor.labels.unused();
            self.tools.set_label(label);
        }
    }

    /// Saves the edited labels as soon as they are settled.
    pub fn ask_to_save_labels(&self, ctx: &Context) {
        // The window itself listens.
        let _ = self.jobs.events.0.send(AppEvent::SaveLabels(None));
        ctx.request_repaint();
    }

    /// Saves the edited labels into the file that holds them, if nobody else has written it; asks for a file if there is
    /// none.
    pub(in crate::window) fn save_labels_again(&mut self, ctx: &Context) {
        let Some(editing) = &self.tools.editing else { return };
        match editing.saved_file.as_ref().map(SavedFile::to_write_again) {
            Some(Ok(path)) => self.save_labels(ctx, path),
            Some(Err(error)) => self.tell(error.to_string()),
            None => self.ask_where_to_save_labels(ctx),
        }
    }

    /// Asks for the file that the edited labels are saved to.
    pub fn ask_where_to_save_labels(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let dialog = d.add_filter("Labels", &["nii.gz", "nii", "tif", "nrrd", "mha", "zarr", "npy"]);
            dialog.set_file_name("labels.nii.gz").save_file().map(|path| AppEvent::SaveLabels(Some(path)))
        });
    }

    /// Asks for the file that the surfaces of the edited labels are saved to: of those that are selected in their table,
    /// else of all that are shown.
    pub fn ask_where_to_save_surfaces(&mut self, ctx: &Context) {
        let Some(editing) = &self.tools.editing else { return };
        let (version, infos) = (Arc::new(editing.editor.labels.version()), editing.editor.labels.infos());
        let sheet = self.results.sheets.iter().find(|s| s.objects.layer == Some(editing.layer));
        let selected: BTreeSet<u32> = sheet.map_or_else(BTreeSet::new, |sheet| {
            let rows = sheet.objects.selected().iter();
            rows.filter_map(|row| sheet.objects.label(row as u32)).collect()
        });
        self.ask(ctx, move |d| {
            let dialog = d.set_title("Export surfaces").add_filter("Surfaces", &["stl", "ply", "glb"]);
            let path = dialog.set_file_name("labels.stl").save_file()?;
            let wanted = |label: u32| {
                let shown = infos.get(&label).is_none_or(|info| info.shown);
                if selected.is_empty() { shown } else { selected.contains(&label) }
            };
            Some(match label_files::write_surfaces(version, &wanted, &path) {
                Ok(Some(note)) => AppEvent::Tell(note),
                written => crate::window::dialogs::told(&path, written.map(|_| ())),
            })
        });
    }

    /// Asks for a file with names of labels.
    pub fn ask_for_names(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let all: Vec<&str> = FORMATS.iter().flat_map(|f| f.endings).copied().collect();
            let path = d.set_title("Import label names").add_filter("Names of labels", &all).pick_file()?;
            Some(AppEvent::Names(label_names::load(&path)))
        });
    }

    /// Asks for the file that the names of the edited labels are saved to, and writes them.
    pub fn ask_where_to_save_names(&mut self, ctx: &Context) {
        let Some(editing) = &self.tools.editing else { return };
        let mut names = editing.editor.labels.infos();
        // All labels are there, so that the colours of those without names go along.
        for (label, _) in self.tools.rows.iter() {
            names.entry(*label).or_default();
        }
        self.ask(ctx, move |d| {
            let dialog = FORMATS
                .iter()
                .fold(d.set_title("Export label names"), |d, f| d.add_filter(f.name, f.endings));
            let path = dialog.set_file_name("labels.label").save_file()?;
            let written = label_names::save(&path, &names);
            Some(crate::window::dialogs::told(&path, written))
        });
    }

    /// Gives labels the names and colours of a file, as one edit.
    pub fn name_labels(&mut self, names: voxelry_core::Result<Names>) {
        let Some(editing) = &self.tools.editing else { return };
        let names = match names {
            Ok(names) => names,
            Err(error) => return self.tell(error.to_string()),
        };
        let count = names.len();
        editing.editor.apply(
            "Import names",
            Box::new(move |edit, _: &Job| {
                for (label, mut info) in names {
                    // No file takes a lock away: most formats have none.
                    info.locked |= edit.labels().info_of(label).is_some_and(|old| old.locked);
                    edit.set_info(label, (info != Info::default()).then_some(info));
                }
                Ok(Vec::new().into())
            }),
        );
        self.say(format!("Imported {count} label names"));
    }

    /// Writes the edited labels to a file, on a thread.
    pub fn save_labels(&mut self, ctx: &Context, path: PathBuf) {
        let Some(editing) = &self.tools.editing else { return };
        let (layer, edits, labels) = (editing.layer, editing.editor.edits(), editing.editor.labels.clone());
        let (version, before) = (Arc::new(labels.version()), editing.saved_file.clone());
        let path = match label_files::image_around(&path) {
            None => path,
            Some(image) if before.as_ref().is_some_and(|before| before.is_at(image)) => image.to_owned(),
            Some(image) => {
                let reason = "is an OME-Zarr; nothing can be saved inside it: choose a name beside it";
                return self.tell(Error::file(image, reason).to_string());
            }
        };
        let base = editing.base.as_ref().is_some_and(|(base, ..)| label_files::same(base, &path));
        let (send, ctx) = (self.jobs.events.0.clone(), ctx.clone());
        self.jobs.saving_labels += 1;
        std::thread::spawn(move || {
            let written = label_files::write(&labels, &version, before.as_ref(), base, &path);
            let (saved_file, written) = match written {
                Ok(saved_file) => (Some((edits, saved_file)), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Nobody listens when the window has closed.
            let _ = send.send(AppEvent::SavedLabels(layer, saved_file));
            let _ = send.send(crate::window::dialogs::told(&path, written));
            ctx.request_repaint();
        });
    }

    /// Returns whether labels are what they will stay: a preview is put away first, as it is no part of them.
    pub(in crate::window) fn labels_are_settled(&mut self) -> bool {
        if self.tools.gesture.preview {
            self.select_tool(Tool::Look);
        }
        !self.tools.edit_sessions().any(|d| d.editor.is_busy())
    }

    /// Measures the objects that are chosen, as soon as their labels are settled.
    pub fn ask_to_measure(&self, ctx: &Context) {
        // The window itself listens.
        let _ = self.jobs.events.0.send(AppEvent::Measure);
        ctx.request_repaint();
    }

    /// Measures the edited labels, and the intensities in them.
    pub fn measure_labels(&mut self, ctx: &Context) {
        let place = self.tools.editing.as_ref().and_then(|d| self.place_of(d.layer));
        if let Some(place) = place {
            self.view.chosen = place;
            self.ask_to_measure(ctx);
        }
    }

    pub(in crate::window) fn saved_labels(&mut self, layer: u64, saved: Option<(u64, Option<SavedFile>)>) {
        self.jobs.saving_labels -= 1;
        let sessions = self.tools.editing.iter_mut().chain(&mut self.tools.inactive);
        if let (Some(editing), Some((edits, saved_file))) =
            (sessions.into_iter().find(|d| d.layer == layer), saved)
        {
            (editing.saved, editing.saved_file) = (edits, saved_file);
        }
    }

    /// Puts the crosshair on a place of the edited labels, `[z, y, x]`.
    pub(super) fn center_crosshair_on(&mut self, [z, y, x]: [f64; 3]) {
        let Some(editing) = &self.tools.editing else { return };
        let Some((s, _)) = self.place_of(editing.layer) else { return };
        let world =
            editing.editor.labels.geometry().world_from_index.transform_point3(glam::DVec3::new(x, y, z));
        let scene = &mut self.document.scenes[s];
        let index = scene.geometry().world_from_index.inverse().transform_point3(world);
        scene.view.at = scene.snapped(scene.part(index));
        scene.view.middle = scene.view.at;
    }
}
