//! Toolbar above the rows: filter, actions on objects, export.

use super::{Grid, Sheet};
use crate::view::colours::Map;
use crate::view::objects::{Colouring, Column, Objects, Verdict, text};
use crate::window::gallery::ObjectAction;
use crate::window::theme::WRONG;
use egui::{RichText, TextEdit, Ui};
use std::sync::Arc;

/// Actions of the results panel, applied by the window.
#[derive(Default)]
pub struct TableActions {
    /// The tables are no longer shown.
    pub close: bool,
    /// The plot is written to a file.
    pub figure: bool,
    /// The labels are measured again.
    pub measure: bool,
    /// Rows are written to a file.
    pub export: Option<RowSelection>,
    /// A row's object is looked at.
    pub jump: Option<u32>,
    /// The layer, what is to be done, and to which of its labels.
    pub action: Option<(u64, ObjectAction, Vec<u32>)>,
}

/// Selection of rows for export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSelection {
    /// All.
    All,
    /// Those that the filter lets through, in the order that is shown.
    Shown,
    /// Those that are selected: the ones that are shown in their order, then the others.
    Selected,
}

impl RowSelection {
    /// The rows.
    pub fn rows(self, objects: &Objects) -> Vec<u32> {
        match self {
            Self::All => (0..objects.rows() as u32).collect(),
            Self::Shown => objects.shown().to_vec(),
            Self::Selected => {
                let selected = objects.selected();
                let is_in = |row: &u32| selected.has(*row as usize);
                let mut rows: Vec<u32> = objects.shown().iter().copied().filter(is_in).collect();
                if rows.len() < selected.count() {
                    let mut rest = selected.as_ref().clone();
                    rows.iter().for_each(|row| rest.set(*row as usize, false));
                    rows.extend(rest.iter().map(|row| row as u32));
                }
                rows
            }
        }
    }
}

/// A number with its thousands apart.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// The menu of what goes into files or onto the clipboard.
pub fn export(ui: &mut Ui, objects: &Objects, actions: &mut TableActions) {
    let (shown, selected) = (objects.shown().len(), objects.selected().count());
    ui.menu_button("Export", |ui| {
        ui.set_min_width(210.0);
        for (which, name, some) in [
            (RowSelection::All, format!("All {} rows…", count(objects.rows())), true),
            (RowSelection::Shown, format!("The {} rows shown…", count(shown)), shown > 0),
            (RowSelection::Selected, format!("The {} rows selected…", count(selected)), selected > 0),
        ] {
            let button = ui.add_enabled(some, egui::Button::new(name));
            if button.on_hover_text("As CSV or Parquet, with the recipe beside it").clicked() {
                actions.export = Some(which);
                ui.close();
            }
        }
        ui.separator();
        if ui.add_enabled(shown > 0, egui::Button::new("Copy").shortcut_text("Ctrl+C")).clicked() {
            copy(ui.ctx(), objects);
            ui.close();
        }
    });
}

/// Puts the selected rows on the clipboard, or all that are shown if there are none.
pub fn copy(ctx: &egui::Context, objects: &Objects) {
    let which = if objects.selected().is_empty() { RowSelection::Shown } else { RowSelection::Selected };
    let (rows, table) = (which.rows(objects), objects.table().clone());
    if rows.len() * table.batch.num_columns() < 200_000 {
        ctx.copy_text(text(&table, &rows));
        return;
    }
    let ctx = ctx.clone();
    std::thread::spawn(move || {
        ctx.copy_text(text(&table, &rows));
        ctx.request_repaint();
    });
}

/// Width below which what becomes of objects is in a menu.
const ROOMY: f32 = 1060.0;

/// The filter and what becomes of objects, in one row: what has no room in it is in menus.
pub fn show(ui: &mut Ui, sheet: &mut Sheet) {
    let Sheet { objects, grid, .. } = sheet;
    let roomy = ui.available_width() >= ROOMY;
    ui.horizontal(|ui| {
        ui.label("Filter");
        let mut filter = objects.filter().to_owned();
        let field = TextEdit::singleline(&mut filter).hint_text("volume > 20 and sphericity < 0.6");
        let field = ui.add(field.desired_width(if roomy { 240.0 } else { 160.0 })).accessible_name("Filter");
        let hint = "Names of columns, numbers, < <= > >= == !=, + − * /, and, or, not, parentheses";
        if field.on_hover_text(hint).changed() {
            objects.set_filter(&filter);
        }
        let clear = ui.add_enabled(!filter.is_empty(), egui::Button::new("×").small());
        if clear.on_hover_text("Clear filter").clicked() {
            objects.set_filter("");
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            columns(ui, objects, grid);
            if objects.are_objects() {
                colours(ui, objects);
                ui.menu_button("Objects", |ui| {
                    ui.set_min_width(230.0);
                    if !roomy {
                        actions(ui, objects, &ACTIONS);
                        ui.separator();
                    }
                    actions(ui, objects, &MORE);
                    let mut hides = objects.hides_filtered();
                    if ui.checkbox(&mut hides, "Hide filtered-out objects in the image").changed() {
                        objects.hide_filtered(hides);
                    }
                });
                if roomy {
                    // From right to left.
                    for action in ACTIONS.iter().rev() {
                        actions(ui, objects, std::slice::from_ref(action));
                    }
                }
            }
            // What is left is for what the filter does.
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| said(ui, objects));
        });
    });
}

/// Number of rows that pass the filter, or its error.
fn said(ui: &mut Ui, objects: &Objects) {
    let selected = objects.selected().count();
    let mut said = format!("{} of {} shown", count(objects.shown().len()), count(objects.rows()));
    if selected > 0 {
        said += &format!(" · {} selected", count(selected));
    }
    if objects.is_busy() {
        ui.spinner();
    }
    let text = match objects.error() {
        Some(error) => RichText::new(error).color(WRONG),
        None => RichText::new(said).weak(),
    };
    ui.add(egui::Label::new(text).truncate());
}

/// Something that becomes of the objects that are selected: its name, what it does, whether it can be done, and how.
type Action = (&'static str, &'static str, fn(&Objects) -> bool, fn(&mut Objects));

/// Those that are used most.
const ACTIONS: [Action; 5] = [
    ("Isolate", "Hides all objects that are not selected", some, Objects::isolate),
    ("Hide", "Hides the selected objects", some, Objects::hide_selected),
    ("Show all", "Shows all hidden objects", Objects::hides_some, Objects::show_all),
    ("Accept", "Mark as accepted (column \"verdict\")", some, |o| o.judge(Verdict::Accepted)),
    ("Reject", "Mark as rejected (column \"verdict\")", some, |o| o.judge(Verdict::Rejected)),
];

/// The others.
const MORE: [Action; 1] = [("Deselect", "Clears the selection", some, |o| o.select([]))];

fn some(objects: &Objects) -> bool {
    !objects.selected().is_empty()
}

fn actions(ui: &mut Ui, objects: &mut Objects, actions: &[Action]) {
    for (name, hint, ready, act) in actions {
        let button = ui.add_enabled(ready(objects), egui::Button::new(*name));
        if button.on_hover_text(*hint).clicked() {
            act(objects);
        }
    }
}

/// The column that colours objects, and its colours.
fn colours(ui: &mut Ui, objects: &mut Objects) {
    let (now, title) = match objects.colour() {
        Some(colour) => (Some(colour.clone()), format!("Colour by: {}", spoken(&colour.column))),
        None => (None, "Colour by: label".to_owned()),
    };
    ui.menu_button(title, |ui| {
        ui.set_min_width(210.0);
        if ui.selectable_label(now.is_none(), "Label").clicked() {
            objects.colour_by(None);
            ui.close();
        }
        if let Some(now) = &now {
            ui.separator();
            ui.horizontal_wrapped(|ui| {
                for (map, name) in Map::NAMED.into_iter().filter(|(map, _)| *map != Map::Bone) {
                    if ui.selectable_label(now.map == map, name).clicked() {
                        objects.colour_by(Some(Colouring { map, ..now.clone() }));
                    }
                }
            });
        }
        ui.separator();
        let table = objects.table().clone();
        egui::ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            for name in table.columns() {
                let current = now.as_ref().is_some_and(|c| c.column == name);
                let numbers = Column::of(&table, &name).is_some_and(|c| c.has_numbers());
                if numbers && ui.selectable_label(current, spoken(&name)).clicked() {
                    colour_by(objects, &name);
                    ui.close();
                }
            }
        });
    });
}

/// A column's name for people.
pub fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

/// Colours by a column with the colours that there were.
pub fn colour_by(objects: &mut Objects, column: &str) {
    let map = objects.colour().map_or(Map::Viridis, |colour| colour.map);
    objects.colour_by(Some(Colouring { column: column.to_owned(), map, range: None }));
}

/// Visible columns.
fn columns(ui: &mut Ui, objects: &Objects, grid: &mut Grid) {
    let table: Arc<_> = objects.table().clone();
    let hidden = grid.hidden.len();
    let title = if hidden > 0 { format!("Columns ({hidden} hidden)") } else { "Columns".to_owned() };
    ui.menu_button(title, |ui| {
        ui.set_min_width(210.0);
        if ui.add_enabled(hidden > 0, egui::Button::new("Show all columns")).clicked() {
            grid.hidden.clear();
        }
        ui.separator();
        egui::ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
            for name in table.columns() {
                let mut shown = !grid.hidden.contains(&name);
                let about = table.description(&name).to_owned();
                if ui.checkbox(&mut shown, spoken(&name)).on_hover_text(about).changed() {
                    if shown {
                        grid.hidden.remove(&name);
                    } else {
                        grid.hidden.insert(name);
                    }
                }
            }
        });
    });
}
