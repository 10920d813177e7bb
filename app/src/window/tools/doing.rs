//! What commands do to tools and labels.

use super::filing::{self, Filed};
use super::{Kit, Tool};
use crate::view::Scene;
use crate::view::names::{self, FORMATS, Names};
use crate::window::app::{Side, Viewer};
use crate::window::dialogs::Answer;
use egui::Context;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::labels::Info;
use voxelry_core::{Error, Job};

/// What is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The program.
    Window,
    /// A layer.
    Layer(u64),
    /// The data set that has a layer.
    Scene(u64),
}

impl Closing {
    /// Whether a layer goes with it.
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

impl Kit {
    /// Whether a brush is in hand.
    pub fn has_brush(&self) -> bool {
        matches!(self.tool, Tool::Paint | Tool::Erase)
    }

    /// The wheel was turned for the tool: brushes get larger, the wand takes more.
    pub fn turn(&mut self, steps: f32) {
        let by = 1.15f64.powf(f64::from(steps));
        if steps == 0.0 {
            return;
        }
        if self.has_brush() {
            let whole = (self.radius * by).max(if steps > 0.0 { self.radius + 0.5 } else { 0.0 });
            self.radius = ((whole * 2.0).round() / 2.0).clamp(0.0, 200.0);
        } else if self.tool == Tool::Wand {
            self.tolerance *= by;
        }
    }

    /// The label in hand and the one before change places; at first that is the background.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.label, &mut self.other);
        self.shown = None;
    }
}

impl Viewer {
    /// Whether undo is about labels: they are on the desk, and no recipe is being built.
    pub fn edits_labels(&self) -> bool {
        self.kit.desk.is_some() && (self.side != Side::Recipe || !self.settings.right)
    }

    /// Takes the last change back.
    pub fn undo(&mut self) {
        match &self.kit.desk {
            Some(desk) if self.edits_labels() => desk.board.undo(),
            _ => self.bench.undo(),
        }
    }

    /// Makes a change again that was taken back.
    pub fn redo(&mut self) {
        match &self.kit.desk {
            Some(desk) if self.edits_labels() => desk.board.redo(),
            _ => self.bench.redo(),
        }
    }

    /// Takes a tool in hand and shows what it is set to.
    pub fn segment(&mut self, tool: Tool) {
        if tool != Tool::Look {
            (self.settings.right, self.side) = (true, Side::Segment);
        }
        self.take_tool(tool);
    }

    /// Takes a new label in hand.
    pub fn new_label(&mut self) {
        if self.kit.desk.is_none() && !self.take_labels() {
            return;
        }
        if let Some(desk) = &self.kit.desk {
            let label = desk.board.labels.unused();
            self.kit.take(label);
        }
    }

    /// Saves the labels on the desk as soon as they are settled.
    pub fn ask_to_save_labels(&self, ctx: &Context) {
        // The window itself listens.
        let _ = self.answers.0.send(Answer::SaveLabels(None));
        ctx.request_repaint();
    }

    /// Saves the labels on the desk into the file that holds them, if nobody else has written it; asks where they go if
    /// none does.
    pub(in crate::window) fn save_labels_again(&mut self, ctx: &Context) {
        let Some(desk) = &self.kit.desk else { return };
        match desk.filed.as_ref().map(Filed::to_write_again) {
            Some(Ok(path)) => self.save_labels(ctx, path),
            Some(Err(error)) => self.tell(error.to_string()),
            None => self.ask_where_to_save_labels(ctx),
        }
    }

    /// Asks where the labels on the desk go.
    pub fn ask_where_to_save_labels(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let dialog = d.add_filter("Labels", &["nii.gz", "nii", "tif", "nrrd", "mha", "zarr", "npy"]);
            dialog.set_file_name("labels.nii.gz").save_file().map(|path| Answer::SaveLabels(Some(path)))
        });
    }

    /// Asks where the surfaces of the labels on the desk go: of those that are selected in their table, else of all that
    /// are shown.
    pub fn ask_where_to_save_surfaces(&mut self, ctx: &Context) {
        let Some(desk) = &self.kit.desk else { return };
        let (version, infos) = (Arc::new(desk.board.labels.version()), desk.board.labels.infos());
        let sheet = self.table.sheets.iter().find(|s| s.objects.layer == Some(desk.layer));
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
            Some(match filing::write_surfaces(version, &wanted, &path) {
                Ok(Some(note)) => Answer::Tell(note),
                written => crate::window::dialogs::told(&path, written.map(|_| ())),
            })
        });
    }

    /// Asks for a file with names of labels.
    pub fn ask_for_names(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let all: Vec<&str> = FORMATS.iter().flat_map(|f| f.endings).copied().collect();
            let path = d.set_title("Import label names").add_filter("Names of labels", &all).pick_file()?;
            Some(Answer::Names(names::load(&path)))
        });
    }

    /// Asks where the names of the labels on the desk go, and writes them.
    pub fn ask_where_to_save_names(&mut self, ctx: &Context) {
        let Some(desk) = &self.kit.desk else { return };
        let mut names = desk.board.labels.infos();
        // All labels are there, so that the colours of those without names go along.
        for (label, _) in self.kit.rows.iter() {
            names.entry(*label).or_default();
        }
        self.ask(ctx, move |d| {
            let dialog = FORMATS
                .iter()
                .fold(d.set_title("Export label names"), |d, f| d.add_filter(f.name, f.endings));
            let path = dialog.set_file_name("labels.label").save_file()?;
            let written = names::save(&path, &names);
            Some(crate::window::dialogs::told(&path, written))
        });
    }

    /// Gives labels the names and colours of a file, as one edit.
    pub fn name_labels(&mut self, names: voxelry_core::Result<Names>) {
        let Some(desk) = &self.kit.desk else { return };
        let names = match names {
            Ok(names) => names,
            Err(error) => return self.tell(error.to_string()),
        };
        let count = names.len();
        desk.board.whole(
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
        self.say(format!("{count} labels have the names of the file"));
    }

    /// Writes the labels on the desk to a file, on a thread.
    pub fn save_labels(&mut self, ctx: &Context, path: PathBuf) {
        let Some(desk) = &self.kit.desk else { return };
        let (layer, edits, labels) = (desk.layer, desk.board.edits(), desk.board.labels.clone());
        let (version, before) = (Arc::new(labels.version()), desk.filed.clone());
        let path = match filing::image_around(&path) {
            None => path,
            Some(image) if before.as_ref().is_some_and(|before| before.is_at(image)) => image.to_owned(),
            Some(image) => {
                let reason = "is an OME-Zarr, and nothing can be saved within it: choose a name beside it";
                return self.tell(Error::file(image, reason).to_string());
            }
        };
        let base = desk.base.as_ref().is_some_and(|(base, ..)| filing::same(base, &path));
        let (send, ctx) = (self.answers.0.clone(), ctx.clone());
        self.saving_labels += 1;
        std::thread::spawn(move || {
            let written = filing::write(&labels, &version, before.as_ref(), base, &path);
            let (filed, written) = match written {
                Ok(filed) => (Some((edits, filed)), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Nobody listens when the window has closed.
            let _ = send.send(Answer::SavedLabels(layer, filed));
            let _ = send.send(crate::window::dialogs::told(&path, written));
            ctx.request_repaint();
        });
    }

    /// Whether labels are what they will stay: a preview is put away first, as it is no part of them.
    pub(in crate::window) fn labels_are_settled(&mut self) -> bool {
        if self.kit.preview {
            self.take_tool(Tool::Look);
        }
        !self.kit.desks().any(|d| d.board.is_busy())
    }

    /// Measures the objects that are chosen, as soon as their labels are settled.
    pub fn ask_to_measure(&self, ctx: &Context) {
        // The window itself listens.
        let _ = self.answers.0.send(Answer::Measure);
        ctx.request_repaint();
    }

    /// Measures the labels on the desk, and the intensities in them.
    pub fn measure_labels(&mut self, ctx: &Context) {
        let place = self.kit.desk.as_ref().and_then(|d| self.place_of(d.layer));
        if let Some(place) = place {
            self.chosen = place;
            self.ask_to_measure(ctx);
        }
    }

    pub(in crate::window) fn saved_labels(&mut self, layer: u64, saved: Option<(u64, Option<Filed>)>) {
        self.saving_labels -= 1;
        let desks = self.kit.desk.iter_mut().chain(&mut self.kit.aside);
        if let (Some(desk), Some((edits, filed))) = (desks.into_iter().find(|d| d.layer == layer), saved) {
            (desk.saved, desk.filed) = (edits, filed);
        }
    }

    /// Puts the crosshair on a place of the labels on the desk, `[z, y, x]`.
    pub(super) fn jump_on_desk(&mut self, [z, y, x]: [f64; 3]) {
        let Some(desk) = &self.kit.desk else { return };
        let Some((s, _)) = self.place_of(desk.layer) else { return };
        let world = desk.board.labels.geometry().world_from_index.transform_point3(glam::DVec3::new(x, y, z));
        let scene = &mut self.document.scenes[s];
        let index = scene.geometry().world_from_index.inverse().transform_point3(world);
        scene.view.at = scene.snapped(scene.part(index));
        scene.view.middle = scene.view.at;
    }
}
