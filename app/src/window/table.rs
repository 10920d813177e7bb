//! Tables of measurements below the panes.

use super::app::Viewer;
use egui::{Align, Layout, Panel, RichText, ScrollArea, Ui};
use voxelry_core::measure::Table;

/// How a table is shown.
#[derive(Default)]
pub struct Sheet {
    /// Which of the tables.
    chosen: usize,
    /// The column that sorts, and whether from the greatest.
    sorted: Option<(usize, bool)>,
    /// Rows in that order.
    order: Vec<u32>,
    /// What `order` was made of.
    made: Option<(usize, Option<(usize, bool)>)>,
}

const COLUMN: f32 = 104.0;

/// Shows the tables where they are asked for.
pub fn show(viewer: &mut Viewer, ui: &mut Ui) {
    if !viewer.tables || viewer.bench.tables.is_empty() {
        return;
    }
    let (mut open, mut jump, mut export) = (true, None, false);
    let tables = &viewer.bench.tables;
    let sheet = &mut viewer.table;
    sheet.chosen = sheet.chosen.min(tables.len() - 1);
    Panel::bottom("table").resizable(true).default_size(220.0).size_range(110.0..=600.0).show(ui, |ui| {
        ui.add_space(2.0);
        ui.horizontal(|ui| {
            ui.label(RichText::new("Measurements").strong());
            for (i, (_, table)) in tables.iter().enumerate() {
                let title = format!("{} ({})", table.name, table.rows());
                if ui.selectable_label(sheet.chosen == i, title).clicked() {
                    (sheet.chosen, sheet.sorted) = (i, None);
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                open = !ui.button("×").on_hover_text("Close (Ctrl+T shows it again)").clicked();
                export = ui.button("Export…").on_hover_text("As CSV or Parquet").clicked();
            });
        });
        ui.separator();
        jump = rows(ui, &tables[sheet.chosen].1, sheet);
    });
    viewer.tables = open;
    if export {
        viewer.ask_where_to_save_table(&ui.ctx().clone());
    }
    if let Some(place) = jump {
        viewer.jump(place);
    }
}

impl Sheet {
    /// The table that is shown.
    pub fn chosen(&self) -> usize {
        self.chosen
    }
}

/// The rows that are in view; a click on one gives the place `[z, y, x]` of its object.
fn rows(ui: &mut Ui, table: &Table, sheet: &mut Sheet) -> Option<[f64; 3]> {
    let names = table.columns();
    let made = Some((sheet.chosen, sheet.sorted));
    if sheet.made != made {
        sheet.made = made;
        sheet.order = (0..table.rows() as u32).collect();
        if let Some((column, falling)) = sheet.sorted {
            match table.numbers(&names[column]) {
                Some(values) => {
                    let value = |i: &u32| values[*i as usize];
                    sheet.order.sort_by(|a, b| value(a).total_cmp(&value(b)));
                }
                None => sheet.order.sort_by_cached_key(|i| table.text(column, *i as usize)),
            }
            if falling {
                sheet.order.reverse();
            }
        }
    }
    let places = ["centroid_z", "centroid_y", "centroid_x"].map(|c| table.numbers(c));
    let mut jump = None;
    ScrollArea::horizontal().auto_shrink(false).show(ui, |ui| {
        let wide = COLUMN * names.len() as f32;
        ui.set_min_width(wide);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            for (i, name) in names.iter().enumerate() {
                let unit = Some(table.unit(name)).filter(|u| *u != "1").unwrap_or("");
                let mark = match sheet.sorted {
                    Some((c, falling)) if c == i => {
                        if falling {
                            " v"
                        } else {
                            " ^"
                        }
                    }
                    _ => "",
                };
                let size = egui::vec2(COLUMN, 34.0);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Max), |ui| {
                    let title = egui::Label::new(
                        RichText::new(format!("{}{mark}", name.replace('_', " "))).strong().small(),
                    );
                    let title = ui.add(title.truncate().sense(egui::Sense::click()));
                    ui.label(RichText::new(unit).weak().small());
                    if title.on_hover_text(format!("{name}: {}", table.description(name))).clicked() {
                        sheet.sorted = match sheet.sorted {
                            Some((c, true)) if c == i => Some((i, false)),
                            Some((c, false)) if c == i => None,
                            _ => Some((i, true)),
                        };
                    }
                });
            }
        });
        ui.separator();
        let height = ui.text_style_height(&egui::TextStyle::Body) + 2.0;
        ScrollArea::vertical().auto_shrink(false).show_rows(ui, height, sheet.order.len(), |ui, range| {
            for row in range {
                let at = sheet.order[row] as usize;
                let line = ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 0.0;
                    for column in 0..names.len() {
                        let size = egui::vec2(COLUMN, height);
                        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
                            ui.add(egui::Label::new(table.text(column, at)).truncate().selectable(false));
                        });
                    }
                });
                let line = line.response.interact(egui::Sense::click());
                if line.hovered() {
                    ui.painter().rect_filled(
                        line.rect,
                        2.0,
                        ui.visuals().selection.bg_fill.gamma_multiply(0.25),
                    );
                }
                if let (true, [Some(z), Some(y), Some(x)]) = (line.clicked(), &places) {
                    jump = Some([z[at], y[at], x[at]]);
                }
            }
        });
    });
    jump
}
