//! The command palette: every command and operator by its name.

use super::{Command, shortcut_text};
use crate::window::app::Viewer;
use crate::window::recipe::Draft;
use crate::window::tools;
use crate::window::view_state::Side;
use egui::{Button, Context, Key, Modifiers, Ui, vec2};
use voxelry_core::ops::{OPERATORS, Operator};

/// State of the palette.
#[derive(Default)]
pub struct Palette {
    shown: bool,
    text: String,
    /// Index of the entry that Enter runs.
    selected: usize,
}

/// Entry of the palette.
#[derive(Clone, Copy)]
enum Entry {
    Command(Command),
    /// An operator: a step of the recipe, or, where it makes labels of edited labels, one of the Segment panel.
    Operator(&'static dyn Operator),
}

impl Entry {
    /// Entries whose titles contain all words of a text, and that are available now.
    fn matching(viewer: &Viewer, text: &str) -> Vec<Self> {
        let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let fits = |title: &str| words.iter().all(|word| title.to_lowercase().contains(word));
        let commands = Command::ALL.iter().filter(|c| fits(c.title()) && c.is_ready(viewer));
        let some = !viewer.document.scenes.is_empty() && !words.is_empty();
        let operators = OPERATORS.iter().filter(|op| some && fits(&Self::Operator(**op).title()));
        commands.map(|c| Self::Command(*c)).chain(operators.map(|op| Self::Operator(*op))).collect()
    }

    fn title(self) -> String {
        match self {
            Self::Command(command) => command.title().to_owned(),
            Self::Operator(op) => format!("Operator: {}", op.spec().id),
        }
    }

    fn tooltip(self) -> &'static str {
        match self {
            Self::Command(command) => command.tooltip(),
            Self::Operator(op) => op.spec().summary,
        }
    }

    fn shortcut(self, ctx: &Context) -> String {
        let Self::Command(command) = self else { return String::new() };
        command.shortcuts(ctx.os()).next().map_or_else(String::new, |keys| shortcut_text(ctx, keys))
    }

    fn run(self, viewer: &mut Viewer, ctx: &Context) {
        match self {
            Self::Command(command) => command.run(viewer, ctx),
            Self::Operator(op) => {
                viewer.settings.right = true;
                if viewer.tools.editing.is_some() && tools::fits(op) {
                    (viewer.view.side, viewer.tools.operator) = (Side::Segment, Some(Draft::new(op)));
                } else {
                    viewer.view.side = Side::Recipe;
                    viewer.recipe_editor.add(op);
                }
            }
        }
    }
}

impl Palette {
    /// Opens it, or closes it if it is open.
    pub fn open(&mut self) {
        *self = Self { shown: !self.shown, ..Self::default() };
    }

    /// Returns whether it is open.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Moves the selection by the arrow keys among `count` entries; true if it has moved.
    fn move_selection(&mut self, ctx: &Context, count: usize) -> bool {
        ctx.input_mut(|i| {
            let by = i.count_and_consume_key(Modifiers::NONE, Key::ArrowDown) as i64
                - i.count_and_consume_key(Modifiers::NONE, Key::ArrowUp) as i64;
            let last = count.saturating_sub(1) as i64;
            self.selected = (self.selected as i64 + by).clamp(0, last) as usize;
            by != 0
        })
    }
}

/// The list of entries; the one that was clicked.
fn list(ui: &mut Ui, entries: &[Entry], selected: usize, moved: bool) -> Option<Entry> {
    if entries.is_empty() {
        ui.weak("No command matches");
    }
    let mut clicked = None;
    let area = egui::ScrollArea::vertical().max_height(440.0).min_scrolled_height(440.0);
    area.show(ui, |ui| {
        for (i, entry) in entries.iter().enumerate() {
            let button = Button::selectable(i == selected, entry.title());
            let button = button.shortcut_text(entry.shortcut(ui.ctx()));
            let shown = ui.add_sized([ui.available_width(), 22.0], button).on_hover_text(entry.tooltip());
            if i == selected && moved {
                shown.scroll_to_me(None);
            }
            if shown.clicked() {
                clicked = Some(*entry);
            }
        }
    });
    clicked
}

impl Viewer {
    /// Shows the palette while it is open, and runs the chosen entry.
    pub(in crate::window) fn palette_ui(&mut self, ctx: &Context) {
        if !self.dialogs.palette.shown {
            return;
        }
        let mut entries = Entry::matching(self, &self.dialogs.palette.text);
        let (mut run, mut close) = (None, ctx.input(|i| i.key_pressed(Key::Escape)));
        let moved = self.dialogs.palette.move_selection(ctx, entries.len());
        egui::Window::new("palette")
            .title_bar(false)
            .resizable(false)
            .anchor(egui::Align2::CENTER_TOP, vec2(0.0, 60.0))
            .fixed_size(vec2(420.0, 0.0))
            .show(ctx, |ui| {
                let field =
                    egui::TextEdit::singleline(&mut self.dialogs.palette.text).hint_text("Search commands");
                let field = ui.add(field.desired_width(f32::INFINITY));
                field.request_focus();
                if field.changed() {
                    self.dialogs.palette.selected = 0;
                    entries = Entry::matching(self, &self.dialogs.palette.text);
                }
                // What was typed in this frame counts, too.
                if ui.input(|i| i.key_pressed(Key::Enter)) {
                    run = entries.get(self.dialogs.palette.selected).copied();
                    close = true;
                }
                ui.add_space(4.0);
                let clicked = list(ui, &entries, self.dialogs.palette.selected, moved);
                close |= clicked.is_some();
                run = run.or(clicked);
            });
        if close {
            self.dialogs.palette.shown = false;
        }
        if let Some(entry) = run {
            entry.run(self, ctx);
        }
    }
}
