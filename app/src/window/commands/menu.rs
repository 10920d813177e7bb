//! Menus of the menu bar.

use super::{Command, shortcut_text};
use crate::window::app::Viewer;
use egui::{Button, Ui};

/// A menu of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Menu {
    File,
    Edit,
    Segment,
    View,
    Measure,
    Layout,
    Go,
    Help,
}

impl Menu {
    /// All menus with their titles, from left to right.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::File, "File"),
        (Self::Edit, "Edit"),
        (Self::Segment, "Segment"),
        (Self::View, "View"),
        (Self::Measure, "Measure"),
        (Self::Layout, "Layout"),
        (Self::Go, "Go"),
        (Self::Help, "Help"),
    ];
}

/// The commands of a menu as its entries.
pub fn menu(viewer: &mut Viewer, ui: &mut Ui, menu: Menu) {
    for command in Command::ALL.iter().filter(|command| command.menu() == menu) {
        let mut button = Button::new(command.title());
        if let Some(keys) = command.shortcuts(ui.ctx().os()).next() {
            button = button.shortcut_text(shortcut_text(ui.ctx(), keys));
        }
        let entry = ui.add_enabled(command.is_ready(viewer), button).on_hover_text(command.tooltip());
        if entry.clicked() {
            command.run(viewer, ui.ctx());
            ui.close();
        }
    }
}
