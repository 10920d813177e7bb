//! Everything that can be done: one table, from which menus, shortcuts, the palette and the help follow.

use super::app::{Side, Viewer};
use super::layout::Layout;
use super::tools::Tool;
use crate::view::ruling::Kind;
use crate::view::{Pane, Scene};
use egui::{Context, Key, KeyboardShortcut, Modifiers};

/// Something that can be done.
pub struct Command {
    /// What it is called.
    pub title: &'static str,
    /// The menu that lists it.
    pub menu: Menu,
    /// Its keys.
    pub keys: Option<KeyboardShortcut>,
    /// Whether it can be done now.
    pub ready: fn(&Viewer) -> bool,
    /// Does it.
    pub run: fn(&mut Viewer, &Context),
}

/// Menus in the order of the bar.
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
    /// All menus with their titles.
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

const fn key(modifiers: Modifiers, key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(modifiers, key))
}

const NONE: Modifiers = Modifiers::NONE;
const COMMAND: Modifiers = Modifiers::COMMAND;

fn always(_: &Viewer) -> bool {
    true
}

fn open(viewer: &Viewer) -> bool {
    !viewer.document.scenes.is_empty()
}

/// A tool, or something else of segmentation, by a key of its own.
const fn tool(title: &'static str, of: Key, run: fn(&mut Viewer, &Context)) -> Command {
    Command { title, menu: Menu::Segment, keys: key(NONE, of), ready: open, run }
}

/// All commands.
pub static COMMANDS: &[Command] = &[
    Command {
        title: "Open images…",
        menu: Menu::File,
        keys: key(COMMAND, Key::O),
        ready: always,
        run: |v, ctx| v.ask_for_images(ctx),
    },
    Command {
        title: "Open an address…",
        menu: Menu::File,
        keys: None,
        ready: always,
        run: |v, _| v.address = Some(String::new()),
    },
    Command {
        title: "Open folder…",
        menu: Menu::File,
        keys: None,
        ready: always,
        run: |v, ctx| v.ask_for_folder(ctx),
    },
    Command {
        title: "Save session…",
        menu: Menu::File,
        keys: key(COMMAND, Key::S),
        ready: open,
        run: |v, ctx| v.ask_where_to_save(ctx),
    },
    Command {
        title: "Export…",
        menu: Menu::File,
        keys: key(COMMAND, Key::E),
        ready: open,
        run: |v, _| v.show_export(),
    },
    Command {
        title: "Close image",
        menu: Menu::File,
        keys: key(COMMAND, Key::W),
        ready: open,
        run: |v, _| v.close_scene(),
    },
    Command {
        title: "Quit",
        menu: Menu::File,
        keys: key(COMMAND, Key::Q),
        ready: always,
        run: |_, ctx| ctx.send_viewport_cmd(egui::ViewportCommand::Close),
    },
    Command {
        title: "Undo",
        menu: Menu::Edit,
        keys: key(COMMAND, Key::Z),
        ready: |v| if v.edits_labels() { v.kit.can_undo() } else { v.bench.can_undo() },
        run: |v, _| v.undo(),
    },
    Command {
        title: "Redo",
        menu: Menu::Edit,
        keys: key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::Z),
        ready: |v| if v.edits_labels() { v.kit.can_redo() } else { v.bench.can_redo() },
        run: |v, _| v.redo(),
    },
    tool("Look around", Key::N, |v, _| v.segment(Tool::Look)),
    tool("Paint", Key::P, |v, _| v.segment(Tool::Paint)),
    tool("Erase", Key::E, |v, _| v.segment(Tool::Erase)),
    tool("Wand", Key::W, |v, _| v.segment(Tool::Wand)),
    tool("Lasso", Key::G, |v, _| v.segment(Tool::Lasso)),
    tool("Fill an area", Key::H, |v, _| v.segment(Tool::Fill)),
    tool("Threshold", Key::T, |v, _| v.segment(Tool::Threshold)),
    tool("Split objects", Key::S, |v, _| v.segment(Tool::Split)),
    tool("Merge objects", Key::J, |v, _| v.segment(Tool::Merge)),
    tool("New label", Key::M, |v, _| v.new_label()),
    tool("Swap label and background", Key::X, |v, _| v.kit.swap()),
    Command {
        title: "New labels over the image",
        menu: Menu::Segment,
        keys: None,
        ready: open,
        run: |v, _| {
            v.new_labels();
        },
    },
    Command {
        title: "Save labels",
        menu: Menu::Segment,
        keys: key(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S),
        ready: |v| v.kit.desk.is_some(),
        run: |v, ctx| v.ask_to_save_labels(ctx),
    },
    Command {
        title: "Save labels as…",
        menu: Menu::Segment,
        keys: None,
        ready: |v| v.kit.desk.is_some(),
        run: |v, ctx| v.ask_where_to_save_labels(ctx),
    },
    Command {
        title: "Export surfaces…",
        menu: Menu::Segment,
        keys: None,
        ready: |v| v.kit.desk.is_some(),
        run: |v, ctx| v.ask_where_to_save_surfaces(ctx),
    },
    Command {
        title: "Import label names…",
        menu: Menu::Segment,
        keys: None,
        ready: |v| v.kit.desk.is_some(),
        run: |v, ctx| v.ask_for_names(ctx),
    },
    Command {
        title: "Export label names…",
        menu: Menu::Segment,
        keys: None,
        ready: |v| v.kit.desk.is_some(),
        run: |v, ctx| v.ask_where_to_save_names(ctx),
    },
    Command {
        title: "Smaller brush",
        menu: Menu::Segment,
        keys: key(NONE, Key::OpenBracket),
        ready: |v| v.kit.has_brush(),
        run: |v, _| v.kit.turn(-1.0),
    },
    Command {
        title: "Larger brush",
        menu: Menu::Segment,
        keys: key(NONE, Key::CloseBracket),
        ready: |v| v.kit.has_brush(),
        run: |v, _| v.kit.turn(1.0),
    },
    Command { title: "Fit", menu: Menu::View, keys: key(NONE, Key::F), ready: open, run: |v, _| v.fit() },
    Command {
        title: "Straighten planes",
        menu: Menu::View,
        keys: key(NONE, Key::Num0),
        ready: |v| v.document.scenes.iter().any(Scene::is_turned),
        run: |v, _| v.straighten(),
    },
    Command {
        title: "Reset window",
        menu: Menu::View,
        keys: key(NONE, Key::R),
        ready: open,
        run: |v, _| v.reset_window(),
    },
    Command {
        title: "Show or hide labels",
        menu: Menu::View,
        keys: key(NONE, Key::V),
        ready: open,
        run: |v, _| v.toggle_labels(),
    },
    Command {
        title: "Show or hide crosshair",
        menu: Menu::View,
        keys: key(NONE, Key::C),
        ready: open,
        run: |v, _| v.crosshair = !v.crosshair,
    },
    Command {
        title: "Move all images together, or each by itself",
        menu: Menu::View,
        keys: key(NONE, Key::L),
        ready: |v| v.document.scenes.len() > 1,
        run: |v, _| v.link_all(),
    },
    Command {
        title: "Crop box",
        menu: Menu::View,
        keys: key(NONE, Key::K),
        ready: open,
        run: |v, _| v.in_chosen_scene(|scene| scene.view.boxed = !scene.view.boxed),
    },
    Command {
        title: "Cut the volume open",
        menu: Menu::View,
        keys: key(NONE, Key::O),
        ready: open,
        run: |v, _| v.in_chosen_scene(Scene::cut_open),
    },
    Command {
        title: "Show all of the volume",
        menu: Menu::View,
        keys: key(Modifiers::SHIFT, Key::K),
        ready: |v| v.document.scenes.iter().any(|s| s.is_cropped() || s.view.cuts.iter().any(|c| c.on)),
        run: |v, _| v.in_chosen_scene(Scene::uncut),
    },
    Command {
        title: "Show or hide side panels",
        menu: Menu::View,
        keys: key(NONE, Key::Tab),
        ready: always,
        run: |v, _| v.panels = !v.panels,
    },
    Command {
        title: "Recipe",
        menu: Menu::View,
        keys: key(COMMAND, Key::R),
        ready: open,
        run: |v, _| {
            v.panels = true;
            v.side = if v.side == Side::Recipe { Side::Display } else { Side::Recipe };
        },
    },
    Command {
        title: "Measurements",
        menu: Menu::Measure,
        keys: key(COMMAND, Key::T),
        ready: |v| !v.bench.tables.is_empty(),
        run: |v, _| v.tables = !v.tables,
    },
    Command {
        title: "Measure objects",
        menu: Menu::Measure,
        keys: key(COMMAND, Key::M),
        ready: |v| v.layer_to_measure().is_some(),
        run: |v, ctx| v.ask_to_measure(ctx),
    },
    Command {
        title: "Measure a length",
        menu: Menu::Measure,
        keys: None,
        ready: open,
        run: |v, _| v.rulers.take(Kind::Length),
    },
    Command {
        title: "Measure an angle",
        menu: Menu::Measure,
        keys: None,
        ready: open,
        run: |v, _| v.rulers.take(Kind::Angle),
    },
    Command {
        title: "Profile along a line",
        menu: Menu::Measure,
        keys: None,
        ready: open,
        run: |v, _| v.rulers.take(Kind::Profile),
    },
    Command {
        title: "Intensities in a rectangle",
        menu: Menu::Measure,
        keys: None,
        ready: open,
        run: |v, _| v.rulers.take(Kind::Rectangle),
    },
    Command {
        title: "Intensities in an ellipse",
        menu: Menu::Measure,
        keys: None,
        ready: open,
        run: |v, _| v.rulers.take(Kind::Ellipse),
    },
    Command {
        title: "Remove all rulers",
        menu: Menu::Measure,
        keys: None,
        ready: Viewer::has_rulers,
        run: |v, _| v.remove_rulers(),
    },
    Command {
        title: "Stop what is running",
        menu: Menu::Go,
        keys: key(NONE, Key::Escape),
        ready: always,
        run: |v, _| {
            // What lies uppermost goes first.
            let shut = v.closing.take().is_some()
                || v.address.take().is_some()
                || std::mem::take(&mut v.settings_shown)
                || std::mem::take(&mut v.jobs.shown)
                || std::mem::take(&mut v.help);
            if !shut && !v.export.escape() && !v.rulers.put_away() && !v.kit.stop() {
                v.bench.stop();
            }
        },
    },
    Command {
        title: "Blink the uppermost layer",
        menu: Menu::View,
        keys: key(NONE, Key::B),
        ready: Viewer::has_layers,
        run: |v, _| v.toggle_blinking(),
    },
    Command {
        title: "Jobs of a pool…",
        menu: Menu::Measure,
        keys: key(COMMAND, Key::J),
        ready: always,
        run: |v, _| v.jobs.shown = !v.jobs.shown,
    },
    Command {
        title: "Settings…",
        menu: Menu::View,
        keys: key(COMMAND, Key::Comma),
        ready: always,
        run: |v, _| v.settings_shown = !v.settings_shown,
    },
    Command {
        title: "Play or pause time",
        menu: Menu::Go,
        keys: key(NONE, Key::Space),
        ready: Viewer::has_times,
        run: |v, _| v.playing = !v.playing,
    },
    Command {
        title: "Dark or light",
        menu: Menu::View,
        keys: None,
        ready: always,
        run: |v, ctx| v.switch_theme(ctx),
    },
    Command {
        title: "Montage",
        menu: Menu::Layout,
        keys: key(NONE, Key::Num1),
        ready: open,
        run: |v, _| v.lay_out(Layout::Montage),
    },
    Command {
        title: "Three planes and 3D",
        menu: Menu::Layout,
        keys: key(NONE, Key::Num2),
        ready: open,
        run: |v, _| v.lay_out(Layout::Planes),
    },
    Command {
        title: "3D alone",
        menu: Menu::Layout,
        keys: key(NONE, Key::Num3),
        ready: open,
        run: |v, _| v.lay_out(Layout::Volume),
    },
    Command {
        title: "Compare all images",
        menu: Menu::Layout,
        keys: key(NONE, Key::Num4),
        ready: open,
        run: |v, _| v.lay_out(Layout::Compare(Pane::Plane(0))),
    },
    Command {
        title: "Compare all images in 3D",
        menu: Menu::Layout,
        keys: key(NONE, Key::Num5),
        ready: open,
        run: |v, _| v.lay_out(Layout::Compare(Pane::Volume)),
    },
    Command {
        title: "Compare all images as montages",
        menu: Menu::Layout,
        keys: key(NONE, Key::Num6),
        ready: open,
        run: |v, _| v.lay_out(Layout::Compare(Pane::Montage)),
    },
    Command {
        title: "Maximise or restore pane",
        menu: Menu::Layout,
        keys: key(NONE, Key::Enter),
        ready: open,
        run: |v, _| v.toggle_maximised(),
    },
    Command {
        title: "Previous slice",
        menu: Menu::Go,
        keys: key(NONE, Key::Comma),
        ready: open,
        run: |v, _| v.step(-1),
    },
    Command {
        title: "Next slice",
        menu: Menu::Go,
        keys: key(NONE, Key::Period),
        ready: open,
        run: |v, _| v.step(1),
    },
    Command {
        title: "Ten slices back",
        menu: Menu::Go,
        keys: key(Modifiers::SHIFT, Key::PageUp),
        ready: open,
        run: |v, _| v.step(-10),
    },
    Command {
        title: "Ten slices on",
        menu: Menu::Go,
        keys: key(Modifiers::SHIFT, Key::PageDown),
        ready: open,
        run: |v, _| v.step(10),
    },
    Command {
        title: "Previous time frame",
        menu: Menu::Go,
        keys: key(NONE, Key::OpenBracket),
        ready: Viewer::has_times,
        run: |v, _| v.step_time(-1),
    },
    Command {
        title: "Next time frame",
        menu: Menu::Go,
        keys: key(NONE, Key::CloseBracket),
        ready: Viewer::has_times,
        run: |v, _| v.step_time(1),
    },
    Command {
        title: "Command palette…",
        menu: Menu::Help,
        keys: key(COMMAND, Key::P),
        ready: always,
        run: |v, _| v.palette.open(),
    },
    #[cfg(debug_assertions)]
    Command {
        title: "Lose the graphics device, to try what happens",
        menu: Menu::Help,
        keys: None,
        ready: always,
        run: |v, _| v.gpu().device.destroy(),
    },
    Command {
        title: "Mouse and keys",
        menu: Menu::Help,
        keys: key(NONE, Key::F1),
        ready: always,
        run: |v, _| v.help = !v.help,
    },
];

/// Second keys of commands, by their titles.
static ALSO: &[(&str, KeyboardShortcut)] = &[
    ("Previous slice", KeyboardShortcut::new(NONE, Key::PageUp)),
    ("Next slice", KeyboardShortcut::new(NONE, Key::PageDown)),
    ("Redo", KeyboardShortcut::new(COMMAND, Key::Y)),
];

/// Does what keys ask for, unless a field is being typed into.
pub fn by_keys(viewer: &mut Viewer, ctx: &Context) {
    // Menus that are open take the keys, Esc first of all; lists take those that they know.
    let shut = viewer.palette.shown || egui::Popup::is_any_open(ctx);
    let (held, typing) = (ctx.egui_wants_keyboard_input() || shut, ctx.text_edit_focused() || shut);
    // Shortcuts with more modifiers come first: with Shift held, a shortcut without it fits, too.
    let mut all: Vec<(&Command, KeyboardShortcut)> = COMMANDS
        .iter()
        .flat_map(|c| {
            let also = ALSO.iter().filter(|(title, _)| *title == c.title).map(|(_, keys)| *keys);
            c.keys.into_iter().chain(also).map(move |keys| (c, keys))
        })
        .collect();
    all.sort_by_key(|(_, keys)| !keys.modifiers.shift);
    for (command, keys) in all {
        // Fields that are typed into undo for themselves.
        let undoes = matches!(keys.logical_key, Key::Z | Key::Y);
        if held && keys.modifiers.is_none() || typing && undoes {
            continue;
        }
        if (command.ready)(viewer) && ctx.input_mut(|i| i.consume_shortcut(&keys)) {
            (command.run)(viewer, ctx);
        }
    }
}

/// The commands of a menu as its entries.
pub fn menu(viewer: &mut Viewer, ui: &mut egui::Ui, menu: Menu) {
    for command in COMMANDS.iter().filter(|c| c.menu == menu) {
        let mut button = egui::Button::new(command.title);
        if let Some(keys) = command.keys {
            button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
        }
        if ui.add_enabled((command.ready)(viewer), button).clicked() {
            (command.run)(viewer, ui.ctx());
            ui.close();
        }
    }
}

/// The palette: every command by its name.
#[derive(Default)]
pub struct Palette {
    shown: bool,
    text: String,
    chosen: usize,
}

impl Palette {
    /// Opens it, or closes it if it is open.
    pub fn open(&mut self) {
        *self = Self { shown: !self.shown, ..Self::default() };
    }
}

/// Shows the palette where it is open.
pub fn palette(viewer: &mut Viewer, ctx: &Context) {
    if !viewer.palette.shown {
        return;
    }
    let words: Vec<String> =
        viewer.palette.text.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let fits = |c: &&Command| words.iter().all(|w| c.title.to_lowercase().contains(w));
    let found: Vec<&'static Command> = COMMANDS.iter().filter(fits).filter(|c| (c.ready)(viewer)).collect();
    let (mut run, mut shut) = (None, ctx.input(|i| i.key_pressed(Key::Escape)));
    let mut moved = false;
    ctx.input_mut(|i| {
        let by = i.count_and_consume_key(NONE, Key::ArrowDown) as i64
            - i.count_and_consume_key(NONE, Key::ArrowUp) as i64;
        let last = found.len().saturating_sub(1) as i64;
        moved = by != 0;
        viewer.palette.chosen = (viewer.palette.chosen as i64 + by).clamp(0, last) as usize;
        if i.consume_key(NONE, Key::Enter) {
            run = found.get(viewer.palette.chosen).copied();
            shut = true;
        }
    });
    egui::Window::new("palette")
        .title_bar(false)
        .resizable(false)
        .anchor(egui::Align2::CENTER_TOP, egui::vec2(0.0, 60.0))
        .fixed_size(egui::vec2(420.0, 0.0))
        .show(ctx, |ui| {
            let field = egui::TextEdit::singleline(&mut viewer.palette.text).hint_text("What to do");
            let field = ui.add(field.desired_width(f32::INFINITY));
            field.request_focus();
            if field.changed() {
                viewer.palette.chosen = 0;
            }
            ui.add_space(4.0);
            if found.is_empty() {
                ui.weak("Nothing is called that");
            }
            egui::ScrollArea::vertical().max_height(440.0).show(ui, |ui| {
                for (i, command) in found.iter().enumerate() {
                    let mut button = egui::Button::selectable(i == viewer.palette.chosen, command.title);
                    if let Some(keys) = command.keys {
                        button = button.shortcut_text(ui.ctx().format_shortcut(&keys));
                    }
                    let shown = ui.add_sized([ui.available_width(), 22.0], button);
                    if i == viewer.palette.chosen && moved {
                        shown.scroll_to_me(None);
                    }
                    if shown.clicked() {
                        run = Some(*command);
                        shut = true;
                    }
                }
            });
        });
    if shut {
        viewer.palette.shown = false;
    }
    if let Some(command) = run {
        (command.run)(viewer, ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_keys_or_a_name() {
        for (i, a) in COMMANDS.iter().enumerate() {
            for b in &COMMANDS[i + 1..] {
                assert_ne!(a.title, b.title);
                // With a brush in hand, brackets are its radius.
                let shared = a.title.ends_with("brush") && b.title.ends_with("time frame");
                assert!(a.keys.is_none() || a.keys != b.keys || shared, "{} and {}", a.title, b.title);
            }
        }
    }
}
