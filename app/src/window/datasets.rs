//! Choice of a dataset where a file holds several images: a dialog when the file is opened, and a menu in the panel
//! *Image*.

use super::app::Viewer;
use super::widgets::choice;
use crate::view::{Content, Layer, Scene};
use egui::{Context, RichText, Ui};
use std::path::PathBuf;
use voxelry_core::io::{DatasetInfo, ImageSource, OpenOptions};

/// Purpose of opening an image, other than to show it beside the others.
pub enum OpenIntent {
    /// It was dropped on the window while this layer was active, which it may be laid over.
    Dropped(u64),
    /// It takes the place of the image that has this layer.
    Replace(u64),
    /// It is one of several images of a file that the user has chosen.
    Chosen,
}

/// Dialog that chooses among the images of a file.
pub struct DatasetDialog {
    /// Layer of the image that is open already.
    layer: u64,
    path: PathBuf,
    options: OpenOptions,
    /// The images, and true for those that are to be opened.
    datasets: Vec<(DatasetInfo, bool)>,
}

/// Describes an image of a file: size, channels, time frames, type.
fn describe(dataset: &DatasetInfo) -> String {
    let [z, y, x] = dataset.shape;
    let mut text = format!("{x} × {y} × {z}");
    for (count, name) in [(dataset.channels, "channels"), (dataset.times, "time frames")] {
        if count > 1 {
            text += &format!(", {count} {name}");
        }
    }
    text += &format!(", {}", dataset.voxel);
    if !dataset.title.is_empty() && dataset.title != dataset.name {
        text += &format!(" · {}", dataset.title);
    }
    text
}

/// Row *Dataset* of the panel *Image*; the name of the dataset that the user chooses.
pub fn dataset_row(ui: &mut Ui, layer: &Layer) -> Option<String> {
    let datasets = &layer.source.info().datasets;
    if datasets.len() < 2 || layer.path.is_none() {
        return None;
    }
    let open = datasets.iter().find(|d| d.open).map_or("", |d| d.name.as_str());
    let mut chosen = None;
    ui.label("Dataset");
    choice(ui, "Dataset", open, 150.0, |ui| {
        for dataset in datasets {
            let entry = ui.selectable_label(dataset.open, &dataset.name).on_hover_text(describe(dataset));
            if entry.clicked() && !dataset.open {
                chosen = Some(dataset.name.clone());
            }
        }
    });
    ui.end_row();
    chosen
}

impl Viewer {
    /// Offers the images of a file that holds several, where none was asked for by name.
    pub(super) fn offer_datasets(&mut self, layer: &Layer) {
        let datasets = &layer.source.info().datasets;
        let Some(path) = layer.path.clone().filter(|_| datasets.len() > 1) else { return };
        if layer.options.dataset.is_none() && self.dialogs.datasets.is_none() {
            let datasets = datasets.iter().map(|dataset| (dataset.clone(), dataset.open)).collect();
            let options = layer.options.clone();
            self.dialogs.datasets = Some(DatasetDialog { layer: layer.id, path, options, datasets });
        }
    }

    /// Opens another image of the file of a layer, in its place.
    pub fn open_dataset(&mut self, layer: u64, name: String) {
        let Some((s, l)) = self.place_of(layer) else { return };
        let layer = &self.document.scenes[s].layers[l];
        let Some(path) = layer.path.clone() else { return };
        let options = OpenOptions { dataset: Some(name), ..layer.options.clone() };
        let intent = OpenIntent::Replace(layer.id);
        self.open_for(path, options, intent);
    }

    /// Opens an image for a purpose.
    pub(super) fn open_for(&mut self, path: PathBuf, options: OpenOptions, intent: OpenIntent) {
        self.open(path, options);
        self.jobs.intents.insert(self.jobs.requested, intent);
    }

    /// Shows an image in place of the one that has a layer, if all layers of that come from the same file; else gives it
    /// back.
    pub(super) fn replace_image(&mut self, old: u64, layers: Vec<Layer>) -> Result<(), Vec<Layer>> {
        let Some((s, _)) = self.place_of(old) else { return Err(layers) };
        let scene = &self.document.scenes[s];
        let edited = |id: u64| self.tools.edit_sessions().any(|session| session.layer == id);
        if scene.layers.iter().any(|layer| layer.path != layers[0].path || edited(layer.id)) {
            return Err(layers);
        }
        let view = (scene.shape() == layers[0].source.info().shape()).then_some(scene.view);
        let mut fresh = Scene { order: scene.order, group: scene.group, ..Scene::new(layers) };
        fresh.view = view.unwrap_or(fresh.view);
        for layer in fresh.layers.iter().filter(|layer| layer.content == Content::Grey) {
            self.jobs.opener.survey(layer);
        }
        self.document.scenes[s] = fresh;
        self.view.chosen = (s, 0);
        self.keep_layers();
        Ok(())
    }

    /// Shows the dialog that chooses among the images of a file.
    pub(super) fn datasets_dialog(&mut self, ctx: &Context) {
        let Some(dialog) = &mut self.dialogs.datasets else { return };
        let (mut open, mut close) = (false, false);
        egui::Modal::new(egui::Id::unique("datasets")).show(ctx, |ui| {
            let name = dialog.path.file_name().unwrap_or(dialog.path.as_os_str()).to_string_lossy();
            ui.heading(format!("{name} holds {} images", dialog.datasets.len()));
            ui.label("Choose which to open:");
            ui.add_space(4.0);
            egui::ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                egui::Grid::new("datasets").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
                    for (dataset, chosen) in &mut dialog.datasets {
                        ui.checkbox(chosen, &dataset.name);
                        ui.label(RichText::new(describe(dataset)).weak());
                        ui.end_row();
                    }
                });
            });
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let some = dialog.datasets.iter().any(|(_, chosen)| *chosen);
                open = ui.add_enabled(some, egui::Button::new("Open")).clicked();
                close = ui.button("Cancel").on_hover_text("Keeps the image that is open").clicked();
            });
        });
        if !open && !close {
            return;
        }
        let Some(DatasetDialog { layer, path, options, datasets }) = self.dialogs.datasets.take() else {
            return;
        };
        if !open {
            return;
        }
        // The image that is open stays if it is chosen; else the first of the others takes its place.
        let mut replaces = !datasets.iter().any(|(dataset, chosen)| dataset.open && *chosen);
        for (dataset, _) in datasets.into_iter().filter(|(dataset, chosen)| *chosen && !dataset.open) {
            let options = OpenOptions { dataset: Some(dataset.name), ..options.clone() };
            let intent = if replaces { OpenIntent::Replace(layer) } else { OpenIntent::Chosen };
            replaces = false;
            self.open_for(path.clone(), options, intent);
        }
    }
}
