//! What is above the rows: the filter, what becomes of objects, and the ways out of the program.

use super::{Grid, Sheet};
use crate::view::colours::Map;
use crate::view::objects::{Colouring, Column, Objects, Verdict, text};
use crate::window::lightbox::Deed;
use crate::window::theme::WRONG;
use egui::{RichText, TextEdit, Ui};
use std::sync::Arc;

/// What is asked of the window.
#[derive(Default)]
pub struct Asked {
    /// The tables are no longer shown.
    pub close: bool,
    /// The plot is written to a file.
    pub figure: bool,
    /// The labels are measured again.
    pub measure: bool,
    /// Rows are written to a file.
    pub export: Option<Which>,
    /// A row's object is looked at.
    pub jump: Option<u32>,
    /// The layer, what is to be done, and to which of its labels.
    pub deed: Option<(u64, Deed, Vec<u32>)>,
}

/// Which rows are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that the filter lets through, in the order that is shown.
    Shown,
    /// Those that are selected: the ones that are shown in their order, then the others.
    Selected,
}

impl Which {
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
pub fn export(ui: &mut Ui, objects: &Objects, asked: &mut Asked) {
    let (shown, selected) = (objects.shown().len(), objects.selected().count());
    ui.menu_button("Export", |ui| {
        ui.set_min_width(210.0);
        for (which, name, some) in [
            (Which::All, format!("All {} rows…", count(objects.rows())), true),
            (Which::Shown, format!("The {} rows shown…", count(shown)), shown > 0),
            (Which::Selected, format!("The {} rows selected…", count(selected)), selected > 0),
        ] {
            let button = ui.add_enabled(some, egui::Button::new(name));
            if button.on_hover_text("As CSV or Parquet, with the recipe beside it").clicked() {
                asked.export = Some(which);
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
    let which = if objects.selected().is_empty() { Which::Shown } else { Which::Selected };
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

/// The filter and what becomes of objects.
pub fn show(ui: &mut Ui, sheet: &mut Sheet) {
    let Sheet { objects, grid, .. } = sheet;
    ui.horizontal_wrapped(|ui| {
        ui.label("Filter");
        let mut filter = objects.filter().to_owned();
        let field = TextEdit::singleline(&mut filter).hint_text("volume > 20 and sphericity < 0.6");
        let field = ui.add(field.desired_width(250.0)).accessible_name("Filter");
        let hint = "Names of columns, numbers, < <= > >= == !=, + − * /, and, or, not, parentheses";
        if field.on_hover_text(hint).changed() {
            objects.set_filter(&filter);
        }
        if !filter.is_empty() && ui.small_button("×").on_hover_text("No filter").clicked() {
            objects.set_filter("");
        }
        let selected = objects.selected().count();
        let mut said = format!("{} of {} shown", count(objects.shown().len()), count(objects.rows()));
        if selected > 0 {
            said += &format!(" · {} selected", count(selected));
        }
        if let Some(error) = objects.error() {
            let error = RichText::new(error).color(WRONG);
            ui.label(error);
        } else {
            ui.label(RichText::new(said).weak());
        }
        if objects.is_busy() {
            ui.spinner();
        }
        ui.separator();
        if objects.are_objects() {
            things(ui, objects);
            ui.separator();
        }
        columns(ui, objects, grid);
    });
}

/// What becomes of objects in the pictures.
fn things(ui: &mut Ui, objects: &mut Objects) {
    let some = !objects.selected().is_empty();
    let isolate = ui.add_enabled(some, egui::Button::new("Isolate"));
    if isolate.on_hover_text("Hide all objects that are not selected").clicked() {
        objects.isolate();
    }
    let hide = ui.add_enabled(some, egui::Button::new("Hide"));
    if hide.on_hover_text("Hide the objects that are selected").clicked() {
        objects.hide_selected();
    }
    let all = ui.add_enabled(objects.hides_some(), egui::Button::new("Show all"));
    if all.on_hover_text("Show the objects again that were hidden").clicked() {
        objects.show_all();
    }
    if ui.add_enabled(some, egui::Button::new("Deselect")).clicked() {
        objects.select([]);
    }
    for (name, verdict, hint) in [
        ("Accept", Verdict::Accepted, "Keep in the column verdict that these are objects"),
        ("Reject", Verdict::Rejected, "Keep in the column verdict that these are none"),
    ] {
        let button = ui.add_enabled(some, egui::Button::new(name)).on_hover_text(hint);
        if button.clicked() {
            objects.judge(verdict);
        }
    }
    let mut hides = objects.hides_filtered();
    if ui.checkbox(&mut hides, "Hide what is filtered away").changed() {
        objects.hide_filtered(hides);
    }
    ui.separator();
    let (now, title) = match objects.colour() {
        Some(colour) => (Some(colour.clone()), format!("Colour: {}", spoken(&colour.column))),
        None => (None, "Colour: each its own".to_owned()),
    };
    ui.menu_button(title, |ui| {
        ui.set_min_width(210.0);
        if ui.selectable_label(now.is_none(), "Each its own").clicked() {
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

/// Which columns are shown.
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
