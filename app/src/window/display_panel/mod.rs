//! The display panel: how the active layer is shown, and the facts of its image. It gets the scene and returns actions,
//! which the window applies.

mod image;
mod intensities;
mod planes;
mod source;
mod volume;

pub use source::HistogramSource;

use super::app::Viewer;
use super::rulers::Rulers;
use crate::view::region_stats::RegionStats;
use crate::view::{Content, Pane, Scene};
use egui::{CollapsingHeader, RichText, ScrollArea, Ui};

/// State that the panel shows and changes.
struct DisplayPanel<'a> {
    scene: &'a mut Scene,
    /// Index of the active layer.
    layer: usize,
    /// The pane that has the keys.
    active: Option<Pane>,
    log_counts: &'a mut bool,
    source: &'a mut HistogramSource,
    region_stats: &'a mut RegionStats,
    rulers: &'a mut Rulers,
}

/// Actions that the panel can't do itself.
#[derive(Default)]
struct DisplayActions {
    /// Another meaning of the layer's values.
    content: Option<Content>,
    /// Another dataset of the image's file, to be opened in its place.
    dataset: Option<String>,
}

impl DisplayPanel<'_> {
    fn ui(&mut self, ui: &mut Ui) -> DisplayActions {
        let mut actions = DisplayActions::default();
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            // The scroll bar has a place of its own.
            ui.set_max_width(ui.available_width() - 10.0);
            self.sections(ui, &mut actions);
        });
        actions
    }

    fn sections(&mut self, ui: &mut Ui, actions: &mut DisplayActions) {
        let Self { scene, layer: l, active, log_counts, source, region_stats, rulers } = self;
        let l = *l;
        let axis = if let Some(Pane::Plane(axis)) = active { *axis } else { scene.view.montage.axis };
        let part = source.part(scene, &scene.layers[l], axis);
        ui.add(egui::Label::new(RichText::new(&scene.layers[l].name).heading()).truncate());
        ui.separator();
        let layer = &mut scene.layers[l];
        match layer.content {
            Content::Grey => intensities::intensities(ui, layer, log_counts, (source, part), region_stats),
            Content::Labels => intensities::labels(ui, layer),
        }
        section(ui, "Planes", true, |ui| planes::planes(ui, scene, l));
        section(ui, "3D", true, |ui| volume::volume(ui, scene, l));
        section(ui, "Montage", *active == Some(Pane::Montage), |ui| image::montage(ui, scene));
        section(ui, "Image", false, |ui| {
            actions.dataset = image::image(ui, &mut scene.layers[l]);
            actions.content = image::values(ui, scene.layers[l].content);
        });
        let count = scene.rulers.len();
        let title = if count > 0 { format!("Rulers ({count})") } else { "Rulers".to_owned() };
        ui.add_space(2.0);
        CollapsingHeader::new(RichText::new(title).strong())
            .id_salt("rulers")
            .default_open(count > 0)
            .show_unindented(ui, |ui| rulers.list(ui, scene));
    }
}

impl Viewer {
    /// Shows the display panel of the active layer.
    pub(super) fn display_panel_ui(&mut self, ui: &mut Ui) {
        let (s, l) = self.view.chosen;
        let Some(scene) = self.document.scenes.get_mut(s) else { return };
        let l = l.min(scene.layers.len() - 1);
        let id = scene.layers[l].id;
        let actions = DisplayPanel {
            scene,
            layer: l,
            active: self.view.active.map(|tile| tile.pane),
            log_counts: &mut self.view.log_counts,
            source: &mut self.view.histogram_source,
            region_stats: &mut self.caches.region_stats,
            rulers: &mut self.rulers,
        }
        .ui(ui);
        if let Some(content) = actions.content {
            self.take_as((s, l), content);
        }
        if let Some(name) = actions.dataset {
            self.open_dataset(id, name);
        }
    }
}

fn section(ui: &mut Ui, title: &str, open: bool, contents: impl FnOnce(&mut Ui)) {
    ui.add_space(2.0);
    CollapsingHeader::new(RichText::new(title).strong()).default_open(open).show_unindented(ui, contents);
}

/// Rows of a name and what belongs to it, aligned.
fn rows<R>(ui: &mut Ui, id: &str, contents: impl FnOnce(&mut Ui) -> R) -> R {
    egui::Grid::new(id).num_columns(2).min_col_width(76.0).spacing([8.0, 6.0]).show(ui, contents).inner
}
