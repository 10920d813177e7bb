//! Tables of measurements below the panes, tied to the objects in them.

mod anew;
mod bar;
mod grid;
mod link;
mod paper;

pub use bar::{Which, count, spoken};
pub use link::colour_of;

use super::app::Viewer;
use super::lightbox::Lightbox;
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
pub struct Desk {
    /// One for each table of the last run.
    pub sheets: Vec<Sheet>,
    /// Which of them is shown.
    chosen: usize,
    /// Objects that were clicked and looked up on a thread: layer, label, and whether beside what is selected.
    found: (mpsc::Sender<(u64, u32, bool)>, mpsc::Receiver<(u64, u32, bool)>),
    /// How the tables follow edits of their labels.
    pub anew: anew::Anew,
}

/// A table and how it is shown.
pub struct Sheet {
    /// What the run called it.
    pub title: String,
    /// Its rows.
    pub objects: Objects,
    /// Its cells.
    grid: Grid,
    /// Its plot.
    pub plots: Plots,
    /// Pictures of its objects.
    pub lightbox: Lightbox,
    /// What is shown of it.
    pub tab: Tab,
    /// Whether it is of labels as they were before edits.
    pub stale: bool,
}

/// What is shown of a table.
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
        self.lightbox.go_to(row);
    }

    /// Takes a table in of which some rows are others; what was chosen of the rest stays.
    fn renew(&mut self, table: Table) {
        self.objects.renew(table);
        self.lightbox.forget();
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self { sheets: Vec::new(), chosen: 0, found: mpsc::channel(), anew: anew::Anew::default() }
    }
}

/// Whether two tables are the same one: their cells lie in the same place.
fn same(a: &Table, b: &Table) -> bool {
    let (a_cells, b_cells) = (a.batch.columns(), b.batch.columns());
    let shared = a_cells.iter().zip(b_cells).take(1).all(|(a, b)| Arc::ptr_eq(a, b));
    a.name == b.name && a.rows() == b.rows() && shared && a_cells.is_empty() == b_cells.is_empty()
}

impl Desk {
    /// The table that is shown.
    pub fn sheet(&self) -> Option<&Sheet> {
        self.sheets.get(self.chosen)
    }

    /// The table of a layer's objects.
    pub fn of_layer(&mut self, layer: u64) -> Option<(usize, &mut Sheet)> {
        let sheets = self.sheets.iter_mut().enumerate();
        sheets.into_iter().find(|(_, s)| s.objects.layer == Some(layer) && s.objects.are_objects())
    }

    /// Keeps up with the tables that there are, and the layer of labels that they are about; verdicts go back
    /// into them.
    fn follow(&mut self, tables: &mut [(String, Table)], layer: Option<u64>) {
        let known = tables.len() == self.sheets.len()
            && self.sheets.iter().zip(&*tables).all(|(s, (_, table))| same(s.objects.table(), table));
        if !known {
            let sheet = |(title, table): &(String, Table)| Sheet {
                title: title.clone(),
                objects: Objects::new(table.clone(), layer),
                grid: Grid::default(),
                plots: Plots::default(),
                lightbox: Lightbox::default(),
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
    if !viewer.tables || viewer.table.sheets.is_empty() {
        return;
    }
    let mut asked = bar::Asked::default();
    let panel = Panel::bottom("table").resizable(true).default_size(viewer.settings.table_height);
    let shown = panel.size_range(130.0..=600.0).show(ui, |ui| {
        fixed(ui, |ui| contents(viewer, ui, &mut asked));
    });
    viewer.keep_width(|s| &mut s.table_height, shown.response.rect.height(), ui);
    if asked.close {
        viewer.tables = false;
    }
    if asked.measure {
        viewer.measure_table_again(&ui.ctx().clone());
    }
    if let Some(which) = asked.export {
        viewer.ask_where_to_save_table(&ui.ctx().clone(), which);
    }
    if asked.figure {
        viewer.ask_where_to_save_plot(&ui.ctx().clone());
    }
    if let Some((layer, deed, labels)) = asked.deed {
        viewer.do_to_objects(layer, deed, labels);
    }
    if let Some(row) = asked.jump {
        viewer.jump_to(row);
    }
}

/// The titles of the tables, and the one that is chosen.
fn contents(viewer: &mut Viewer, ui: &mut Ui, asked: &mut bar::Asked) {
    let wake = viewer.waker();
    ui.add_space(2.0);
    let desk = &mut viewer.table;
    ui.horizontal(|ui| {
        ui.label(RichText::new("Measurements").strong());
        for (i, sheet) in desk.sheets.iter().enumerate() {
            let title = format!("{} ({})", sheet.objects.table().name, bar::count(sheet.objects.rows()));
            if ui.selectable_label(desk.chosen == i, title).on_hover_text(&sheet.title).clicked() {
                desk.chosen = i;
            }
        }
        if desk.anew.is_busy() {
            ui.spinner().on_hover_text("Re-measuring edited objects…");
        }
        if desk.sheets.get(desk.chosen).is_some_and(|sheet| sheet.stale) {
            ui.label(RichText::new("out of date: labels were edited").color(WARNING));
            asked.measure = ui.button("Measure again").clicked();
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            asked.close = ui.button("×").on_hover_text("Close (Ctrl+T shows it again)").clicked();
            if let Some(sheet) = desk.sheets.get(desk.chosen) {
                bar::export(ui, &sheet.objects, asked);
            }
            if let Some(sheet) = desk.sheets.get_mut(desk.chosen) {
                // From right to left.
                for (tab, name) in [(Tab::Pictures, "Pictures"), (Tab::Plot, "Plots"), (Tab::Rows, "Rows")] {
                    ui.selectable_value(&mut sheet.tab, tab, name);
                }
            }
        });
    });
    let Some(sheet) = desk.sheets.get_mut(desk.chosen) else { return };
    bar::show(ui, sheet);
    ui.separator();
    asked.jump = match sheet.tab {
        Tab::Rows => sheet.grid.show(ui, &mut sheet.objects),
        Tab::Plot => sheet.plots.show(ui, &mut sheet.objects, &wake),
        Tab::Pictures => {
            let about = |scene: &Scene| {
                let layer = scene.layers.iter().find(|l| Some(l.id) == sheet.objects.layer)?;
                Some(Sources::of(scene, layer))
            };
            let sources = viewer.document.scenes.iter().find_map(about);
            sheet.lightbox.show(ui, &mut sheet.objects, sources, &wake)
        }
    };
    if let (Some(deed), Some(layer)) = (sheet.lightbox.asked.take(), sheet.objects.layer) {
        let rows: Vec<usize> = sheet.objects.selected().iter().collect();
        let labels = rows.into_iter().filter_map(|row| sheet.objects.label(row as u32)).collect();
        asked.deed = Some((layer, deed, labels));
        sheet.lightbox.forget();
    }
    asked.figure = std::mem::take(&mut sheet.plots.asked);
    if let Some(column) = sheet.grid.histogram.take() {
        sheet.plots.histogram(&column);
        sheet.tab = Tab::Plot;
    }
}
