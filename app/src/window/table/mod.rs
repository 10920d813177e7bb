//! Tables of measurements below the panes, tied to the objects in them.

mod export;
mod grid;
mod link;
mod remeasure;
mod toolbar;

pub use link::colour_of;
pub use toolbar::{RowSelection, count, spoken};

use super::app::Viewer;
use super::gallery::Gallery;
use super::plots::Plots;
use super::theme::WARNING;
use super::widgets::fixed;
use crate::view::Scene;
use crate::view::objects::Objects;
use crate::view::objects::thumbnail::Sources;
use egui::{Align, Layout, Panel, RichText, Ui};
use grid::Grid;
use std::sync::{Arc, mpsc};
use voxelry_core::measure::Table;

/// All tables, and how they are shown.
pub struct ResultsPanel {
    /// One for each table of the last run.
    pub sheets: Vec<Sheet>,
    /// Index of the sheet that is shown.
    chosen: usize,
    /// Objects that were clicked and looked up on a thread: layer, label, and whether beside what is selected.
    found: (mpsc::Sender<(u64, u32, bool)>, mpsc::Receiver<(u64, u32, bool)>),
    /// Remeasurement of objects whose labels were edited.
    pub remeasurement: remeasure::Remeasurement,
}

/// A table and how it is shown.
pub struct Sheet {
    /// Title that the run gave it.
    pub title: String,
    /// Its rows.
    pub objects: Objects,
    /// Its cells.
    grid: Grid,
    /// Its plot.
    pub plots: Plots,
    /// Pictures of its objects.
    pub gallery: Gallery,
    /// Current view.
    pub tab: Tab,
    /// True if it is of labels as they were before edits.
    pub stale: bool,
}

/// View of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Its rows.
    #[default]
    Rows,
    /// A plot of its columns.
    Plot,
    /// Small pictures of its objects.
    Pictures,
}

impl Sheet {
    /// Brings a row into view.
    pub fn go_to(&mut self, row: u32) {
        self.grid.go_to(row);
        self.gallery.go_to(row);
    }

    /// Takes a table in of which some rows are others; what was chosen of the rest stays.
    fn renew(&mut self, table: Table) {
        self.objects.renew(table);
        self.gallery.forget();
    }
}

impl Default for ResultsPanel {
    fn default() -> Self {
        Self {
            sheets: Vec::new(),
            chosen: 0,
            found: mpsc::channel(),
            remeasurement: remeasure::Remeasurement::default(),
        }
    }
}

/// Returns whether two tables are the same one: their cells lie in the same place.
fn same(a: &Table, b: &Table) -> bool {
    let (a_cells, b_cells) = (a.batch.columns(), b.batch.columns());
    let shared = a_cells.iter().zip(b_cells).take(1).all(|(a, b)| Arc::ptr_eq(a, b));
    a.name == b.name && a.rows() == b.rows() && shared && a_cells.is_empty() == b_cells.is_empty()
}

impl ResultsPanel {
    /// The table that is shown.
    pub fn sheet(&self) -> Option<&Sheet> {
        self.sheets.get(self.chosen)
    }

    /// Shows the table of an index.
    pub fn choose_table(&mut self, index: usize) {
        self.chosen = index.min(self.sheets.len().saturating_sub(1));
    }

    /// Rows of a study's samples.
    pub fn samples(&mut self) -> Option<&mut Objects> {
        let sheets = self.sheets.iter_mut().map(|s| &mut s.objects);
        sheets.into_iter().find(|o| o.table().name == crate::view::study::SAMPLES)
    }

    /// The table of a layer's objects.
    pub fn of_layer(&mut self, layer: u64) -> Option<(usize, &mut Sheet)> {
        let sheets = self.sheets.iter_mut().enumerate();
        sheets.into_iter().find(|(_, s)| s.objects.layer == Some(layer) && s.objects.are_objects())
    }

    /// Keeps up with the tables that there are, and the layer of labels that they are about; verdicts go back
    /// into them.
    pub fn follow(&mut self, tables: &mut [(String, Table)], layer: Option<u64>) {
        let known = tables.len() == self.sheets.len()
            && self.sheets.iter().zip(&*tables).all(|(s, (_, table))| same(s.objects.table(), table));
        if !known {
            let sheet = |(title, table): &(String, Table)| Sheet {
                title: title.clone(),
                objects: Objects::new(table.clone(), layer),
                grid: Grid::default(),
                plots: Plots::default(),
                gallery: Gallery::default(),
                tab: Tab::default(),
                stale: false,
            };
            self.sheets = tables.iter().map(sheet).collect();
            let objects = self.sheets.iter().position(|sheet| sheet.objects.are_objects());
            self.chosen = objects.unwrap_or(0);
        }
        for (sheet, (_, table)) in self.sheets.iter_mut().zip(tables) {
            sheet.objects.layer = layer;
            if table.batch.num_columns() != sheet.objects.table().batch.num_columns()
                || !table
                    .batch
                    .columns()
                    .iter()
                    .zip(sheet.objects.table().batch.columns())
                    .all(|(a, b)| Arc::ptr_eq(a, b))
            {
                table.clone_from(sheet.objects.table());
            }
        }
    }
}

/// Shows the tables where they are asked for.
pub fn show(viewer: &mut Viewer, ui: &mut Ui) {
    viewer.follow_tables();
    let of_study = viewer.study.shown;
    if !of_study && (!viewer.view.show_results || viewer.results.sheets.is_empty()) {
        return;
    }
    let mut actions = toolbar::TableActions::default();
    let side = Panel::bottom("table").resizable(true).default_size(viewer.settings.table_height);
    let shown = side.size_range(130.0..=600.0).show(ui, |ui| {
        fixed(ui, |ui| contents(viewer, ui, &mut actions));
    });
    viewer.keep_width(|s| &mut s.table_height, shown.response.rect.height(), ui);
    if actions.close {
        viewer.view.show_results = false;
    }
    if actions.measure {
        viewer.measure_table_again(&ui.ctx().clone());
    }
    if let Some(which) = actions.export {
        viewer.ask_where_to_save_table(&ui.ctx().clone(), which);
    }
    if actions.figure {
        viewer.ask_where_to_save_plot(&ui.ctx().clone());
    }
    if let Some((layer, action, labels)) = actions.action {
        viewer.apply_to_objects(layer, action, labels);
    }
    if let Some(row) = actions.jump {
        if of_study {
            viewer.jump_to_sample(row);
        } else {
            viewer.jump_to(row);
        }
    }
}

impl Viewer {
    /// The tables below the panes: those of the study while it is shown, else those of the images.
    pub fn shown_results(&self) -> &ResultsPanel {
        if self.study.shown { &self.study.results } else { &self.results }
    }
}

/// The titles of the tables, and the one that is chosen.
fn contents(viewer: &mut Viewer, ui: &mut Ui, actions: &mut toolbar::TableActions) {
    let wake = viewer.waker();
    ui.add_space(2.0);
    let of_study = viewer.study.shown;
    let panel = if of_study { &mut viewer.study.results } else { &mut viewer.results };
    ui.horizontal(|ui| {
        ui.label(RichText::new("Results").strong());
        for (i, sheet) in panel.sheets.iter().enumerate() {
            let title = format!("{} ({})", sheet.objects.table().name, toolbar::count(sheet.objects.rows()));
            if ui.selectable_label(panel.chosen == i, title).on_hover_text(&sheet.title).clicked() {
                panel.chosen = i;
            }
        }
        if panel.remeasurement.is_busy() {
            ui.spinner().on_hover_text("Re-measuring edited objects…");
        }
        if panel.sheets.get(panel.chosen).is_some_and(|sheet| sheet.stale) {
            ui.label(RichText::new("out of date: labels were edited").color(WARNING));
            actions.measure = ui.button("Measure again").clicked();
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !of_study {
                actions.close = ui.button("×").on_hover_text("Close (Ctrl+T shows it again)").clicked();
            }
            if let Some(sheet) = panel.sheets.get(panel.chosen) {
                toolbar::export(ui, &sheet.objects, actions);
            }
            if let Some(sheet) = panel.sheets.get_mut(panel.chosen) {
                // From right to left.
                for (tab, name) in [(Tab::Pictures, "Pictures"), (Tab::Plot, "Plots"), (Tab::Rows, "Rows")] {
                    // The wall shows the pictures of samples.
                    if !(of_study && tab == Tab::Pictures) {
                        ui.selectable_value(&mut sheet.tab, tab, name);
                    }
                }
            }
        });
    });
    let Some(sheet) = panel.sheets.get_mut(panel.chosen) else { return };
    toolbar::show(ui, sheet);
    ui.separator();
    actions.jump = match sheet.tab {
        Tab::Rows => sheet.grid.show(ui, &mut sheet.objects),
        Tab::Plot => sheet.plots.show(ui, &mut sheet.objects, &wake),
        Tab::Pictures => {
            let about = |scene: &Scene| {
                let layer = scene.layers.iter().find(|l| Some(l.id) == sheet.objects.layer)?;
                Some(Sources::of(scene, layer))
            };
            let sources = viewer.document.scenes.iter().find_map(about);
            sheet.gallery.show(ui, &mut sheet.objects, sources, &wake)
        }
    };
    if let (Some(action), Some(layer)) = (sheet.gallery.asked.take(), sheet.objects.layer) {
        let rows: Vec<usize> = sheet.objects.selected().iter().collect();
        let labels = rows.into_iter().filter_map(|row| sheet.objects.label(row as u32)).collect();
        actions.action = Some((layer, action, labels));
        sheet.gallery.forget();
    }
    actions.figure = std::mem::take(&mut sheet.plots.asked);
    if let Some(column) = sheet.grid.histogram.take() {
        sheet.plots.histogram(&column);
        sheet.tab = Tab::Plot;
    }
}
