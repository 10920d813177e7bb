//! Everything that can be done: one table, from which menus, shortcuts, the palette and the help follow.

use super::app::{Side, Viewer};
use super::input::{InputOrder, is_typed};
use super::layout::Layout;
use super::recipe::Draft;
use super::tools::{self, Tool};
use crate::view::ruling::Kind;
use crate::view::{Pane, Scene};
use egui::{Context, Event, Key, KeyboardShortcut, Modifiers};
use voxelry_core::ops::{OPERATORS, Operator};

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

/// Commands that show dialogs.
const SETTINGS: &str = "Settings…";
const JOBS: &str = "Worker pool jobs…";
const PALETTE: &str = "Command palette…";
const HELP: &str = "Mouse and keyboard shortcuts";

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
    tool("Navigate", Key::N, |v, _| v.segment(Tool::Look)),
    tool("Paint", Key::P, |v, _| v.segment(Tool::Paint)),
    tool("Erase", Key::E, |v, _| v.segment(Tool::Erase)),
    tool("Wand", Key::W, |v, _| v.segment(Tool::Wand)),
    tool("Lasso", Key::G, |v, _| v.segment(Tool::Lasso)),
    tool("Fill (bucket)", Key::H, |v, _| v.segment(Tool::Fill)),
    tool("Threshold", Key::T, |v, _| v.segment(Tool::Threshold)),
    tool("Split objects", Key::S, |v, _| v.segment(Tool::Split)),
    tool("Merge objects", Key::J, |v, _| v.segment(Tool::Merge)),
    tool("New label", Key::M, |v, _| v.new_label()),
    tool("Toggle background label", Key::X, |v, _| v.kit.swap()),
    Command {
        title: "Separate objects",
        menu: Menu::Segment,
        keys: None,
        ready: |v| v.kit.desk.is_some(),
        run: |v, _| v.separate(),
    },
    Command {
        title: "New label layer",
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
        title: "Reset plane rotation",
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
        title: "Link / unlink views",
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
        title: "Add clipping plane",
        menu: Menu::View,
        keys: key(NONE, Key::O),
        ready: open,
        run: |v, _| v.in_chosen_scene(Scene::cut_open),
    },
    Command {
        title: "Remove crop and cuts",
        menu: Menu::View,
        keys: key(Modifiers::SHIFT, Key::K),
        ready: |v| v.document.scenes.iter().any(|s| s.is_cropped() || s.view.cuts.iter().any(|c| c.on)),
        run: |v, _| v.in_chosen_scene(Scene::uncut),
    },
    Command {
        title: "Show or hide image list",
        menu: Menu::View,
        keys: key(COMMAND, Key::B),
        ready: always,
        run: |v, _| v.settings.left = !v.settings.left,
    },
    Command {
        title: "Show or hide side panel",
        menu: Menu::View,
        keys: key(COMMAND.plus(Modifiers::SHIFT), Key::B),
        ready: always,
        run: |v, _| v.settings.right = !v.settings.right,
    },
    Command {
        title: "Show or hide all panels",
        menu: Menu::View,
        keys: key(NONE, Key::F9),
        ready: always,
        run: |v, _| v.fold_all(),
    },
    Command {
        title: "Recipe panel",
        menu: Menu::View,
        keys: key(COMMAND, Key::R),
        ready: open,
        run: |v, _| {
            let shown = v.settings.right && v.side == Side::Recipe;
            v.settings.right = true;
            v.side = if shown { Side::Display } else { Side::Recipe };
        },
    },
    Command {
        title: "Show results table",
        menu: Menu::Measure,
        keys: key(COMMAND, Key::T),
        ready: |v| !v.bench.tables.is_empty(),
        run: |v, _| v.tables = !v.tables,
    },
    Command {
        title: "Measure labels…",
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
        title: "Show or hide rulers",
        menu: Menu::Measure,
        keys: None,
        ready: Viewer::has_rulers,
        run: |v, _| v.rulers.shown = !v.rulers.shown,
    },
    Command {
        title: "Remove all rulers",
        menu: Menu::Measure,
        keys: None,
        ready: Viewer::has_rulers,
        run: |v, _| v.remove_rulers(),
    },
    Command {
        title: "Cancel",
        menu: Menu::Edit,
        keys: key(NONE, Key::Escape),
        ready: always,
        run: |v, _| {
            // What lies uppermost goes first.
            let shut = v.closing.take().is_some()
                || v.address.take().is_some()
                || std::mem::take(&mut v.settings_shown)
                || std::mem::take(&mut v.jobs.shown)
                || std::mem::take(&mut v.help);
            if !shut && !v.escape_export() && !v.rulers.put_away() && !v.kit.stop() {
                v.bench.stop();
            }
        },
    },
    Command {
        title: "Blink top layer",
        menu: Menu::View,
        keys: key(NONE, Key::B),
        ready: Viewer::has_layers,
        run: |v, _| v.toggle_blinking(),
    },
    Command {
        title: JOBS,
        menu: Menu::Measure,
        keys: key(COMMAND, Key::J),
        ready: always,
        run: |v, _| v.jobs.shown = !v.jobs.shown,
    },
    Command {
        title: SETTINGS,
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
        title: "Switch dark / light theme",
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
        title: "Forward ten slices",
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
        title: PALETTE,
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
        title: HELP,
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

/// Does what keys ask for in the order in which they were pressed, unless a field is being typed into. No shortcut acts
/// behind a dialog, but for Esc and the one that opened it.
pub fn by_keys(viewer: &mut Viewer, ctx: &Context) {
    // Shortcuts with more modifiers come first: with Shift held, a shortcut without it fits, too.
    let mut all: Vec<(&Command, KeyboardShortcut)> = COMMANDS
        .iter()
        .flat_map(|c| {
            let also = ALSO.iter().filter(|(title, _)| *title == c.title).map(|(_, keys)| *keys);
            c.keys.into_iter().chain(also).map(move |keys| (c, keys))
        })
        .collect();
    all.sort_by_key(|(_, keys)| !keys.modifiers.shift);
    let mut next = 0;
    loop {
        let pressed = ctx.input(|i| {
            i.events.iter().enumerate().skip(next).find_map(|(at, event)| match event {
                Event::Key { key, pressed: true, modifiers, .. } => Some((at, *key, *modifiers)),
                _ => None,
            })
        });
        let Some((at, key, modifiers)) = pressed else { return };
        next = at + 1;
        let fits = |(command, keys): &&(&Command, KeyboardShortcut)| {
            keys.logical_key == key
                && modifiers.matches_logically(keys.modifiers)
                && may(viewer, ctx, command, *keys)
                && (command.ready)(viewer)
        };
        let Some((command, _)) = all.iter().find(fits) else { continue };
        let before = viewer.dialog();
        ctx.input_mut(|i| i.events.remove(at));
        next = at;
        (command.run)(viewer, ctx);
        if viewer.dialog() != before {
            // Keys that follow belong to what is shown now, as soon as it has the focus.
            let late = ctx.input_mut(|i| {
                let rest = i.events.split_off(at);
                let (late, now) = rest.into_iter().partition(is_typed);
                i.events.extend::<Vec<Event>>(now);
                late
            });
            return InputOrder::put_off(ctx, late);
        }
    }
}

/// Whether a shortcut acts now.
fn may(viewer: &Viewer, ctx: &Context, command: &Command, keys: KeyboardShortcut) -> bool {
    // The palette and menus that are open take all keys, Esc first of all; lists take those that they know.
    if viewer.palette.shown || egui::Popup::is_any_open(ctx) {
        return false;
    }
    let escape = keys.logical_key == Key::Escape;
    if let Some(dialog) = viewer.dialog() {
        return escape || dialog.command() == Some(command.title);
    }
    if escape {
        // Esc leaves a field, and does nothing else.
        return !InputOrder::had_focus(ctx);
    }
    if ctx.text_edit_focused() {
        // Fields that are typed into undo for themselves.
        return keys.modifiers.command && !matches!(keys.logical_key, Key::Z | Key::Y);
    }
    !(ctx.egui_wants_keyboard_input() && keys.modifiers.is_none())
}

/// A dialog over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialog {
    /// What a crash left is offered.
    Recovery,
    /// Something is to be closed that would be lost.
    Closing,
    /// An address is typed.
    Address,
    /// Pictures and movies.
    Export,
    /// Settings.
    Settings,
    /// Jobs of a pool.
    Jobs,
    /// Mouse and keyboard shortcuts.
    Help,
    /// The command palette.
    Palette,
}

impl Dialog {
    /// The command that shows and shuts it.
    fn command(self) -> Option<&'static str> {
        Some(match self {
            Self::Settings => SETTINGS,
            Self::Jobs => JOBS,
            Self::Help => HELP,
            Self::Palette => PALETTE,
            Self::Recovery | Self::Closing | Self::Address | Self::Export => return None,
        })
    }
}

impl Viewer {
    /// The dialog that is uppermost.
    pub fn dialog(&self) -> Option<Dialog> {
        [
            (self.palette.shown, Dialog::Palette),
            (!self.left.is_empty(), Dialog::Recovery),
            (self.closing.is_some(), Dialog::Closing),
            (self.address.is_some(), Dialog::Address),
            (self.export.is_shown(), Dialog::Export),
            (self.settings_shown, Dialog::Settings),
            (self.jobs.shown, Dialog::Jobs),
            (self.help, Dialog::Help),
        ]
        .into_iter()
        .find_map(|(shown, dialog)| shown.then_some(dialog))
    }
}

/// A shortcut as it stands on the keyboard: `[`, not `OpenBracket`.
pub fn shortcut_text(ctx: &Context, keys: KeyboardShortcut) -> String {
    let name = keys.logical_key.name();
    let sign = keys.logical_key.symbol_or_name();
    let sign = match keys.logical_key {
        Key::Escape => "Esc",
        Key::PageUp => "PgUp",
        Key::PageDown => "PgDn",
        Key::Comma => ",",
        Key::Period => ".",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        _ => sign,
    };
    let text = ctx.format_shortcut(&keys);
    [name, keys.logical_key.symbol_or_name()]
        .iter()
        .find_map(|known| text.strip_suffix(known).map(|held| format!("{held}{sign}")))
        .unwrap_or(text)
}

/// The commands of a menu as its entries.
pub fn menu(viewer: &mut Viewer, ui: &mut egui::Ui, menu: Menu) {
    for command in COMMANDS.iter().filter(|c| c.menu == menu) {
        let mut button = egui::Button::new(command.title);
        if let Some(keys) = command.keys {
            button = button.shortcut_text(shortcut_text(ui.ctx(), keys));
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

/// What the palette offers.
#[derive(Clone, Copy)]
enum Entry {
    Command(&'static Command),
    /// An operator: a step of the recipe, or, where it makes labels of labels that are edited, one of the panel Segment.
    Operator(&'static dyn Operator),
}

impl Entry {
    /// What fits some words and can be done now.
    fn all(viewer: &Viewer, words: &[String]) -> Vec<Self> {
        let fits = |text: &str| words.iter().all(|w| text.to_lowercase().contains(w));
        let commands = COMMANDS.iter().filter(|c| fits(c.title) && (c.ready)(viewer)).map(Self::Command);
        let some = open(viewer) && !words.is_empty();
        let operators = OPERATORS.iter().filter(|op| some && fits(&Self::Operator(**op).title()));
        commands.chain(operators.map(|op| Self::Operator(*op))).collect()
    }

    fn title(self) -> String {
        match self {
            Self::Command(command) => command.title.to_owned(),
            Self::Operator(op) => format!("Operator: {}", op.spec().id),
        }
    }

    fn run(self, viewer: &mut Viewer, ctx: &Context) {
        match self {
            Self::Command(command) => (command.run)(viewer, ctx),
            Self::Operator(op) => {
                viewer.settings.right = true;
                if viewer.kit.desk.is_some() && tools::fits(op) {
                    (viewer.side, viewer.kit.operator) = (Side::Segment, Some(Draft::new(op)));
                } else {
                    viewer.side = Side::Recipe;
                    viewer.bench.add(op);
                }
            }
        }
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// Shows the palette where it is open.
pub fn palette(viewer: &mut Viewer, ctx: &Context) {
    if !viewer.palette.shown {
        return;
    }
    let mut found = Entry::all(viewer, &words_of(&viewer.palette.text));
    let (mut run, mut shut) = (None, ctx.input(|i| i.key_pressed(Key::Escape)));
    let mut moved = false;
    ctx.input_mut(|i| {
        let by = i.count_and_consume_key(NONE, Key::ArrowDown) as i64
            - i.count_and_consume_key(NONE, Key::ArrowUp) as i64;
        let last = found.len().saturating_sub(1) as i64;
        moved = by != 0;
        viewer.palette.chosen = (viewer.palette.chosen as i64 + by).clamp(0, last) as usize;
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
                found = Entry::all(viewer, &words_of(&viewer.palette.text));
            }
            // What was typed in this frame counts, too.
            if ui.input(|i| i.key_pressed(Key::Enter)) {
                run = found.get(viewer.palette.chosen).copied();
                shut = true;
            }
            ui.add_space(4.0);
            if found.is_empty() {
                ui.weak("Nothing is called that");
            }
            egui::ScrollArea::vertical().max_height(440.0).min_scrolled_height(440.0).show(ui, |ui| {
                for (i, entry) in found.iter().enumerate() {
                    let keys = match entry {
                        Entry::Command(Command { keys: Some(keys), .. }) => shortcut_text(ui.ctx(), *keys),
                        _ => String::new(),
                    };
                    let button = egui::Button::selectable(i == viewer.palette.chosen, entry.title());
                    let button = button.shortcut_text(keys);
                    let shown = ui.add_sized([ui.available_width(), 22.0], button);
                    if i == viewer.palette.chosen && moved {
                        shown.scroll_to_me(None);
                    }
                    if shown.clicked() {
                        run = Some(*entry);
                        shut = true;
                    }
                }
            });
        });
    if shut {
        viewer.palette.shown = false;
    }
    if let Some(entry) = run {
        entry.run(viewer, ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_called_what_stands_on_them() {
        let ctx = Context::default();
        let said: Vec<String> =
            COMMANDS.iter().filter_map(|c| c.keys.as_ref()).map(|keys| shortcut_text(&ctx, *keys)).collect();
        for sign in ["[", "]", ",", ".", "Esc", "Ctrl+,", "Shift+PgUp"] {
            let sign = if cfg!(target_os = "macos") { sign.replace("Ctrl", "⌘") } else { sign.to_owned() };
            assert!(said.contains(&sign), "{sign} in {said:?}");
        }
        assert!(!said.iter().any(|s| s.contains("Bracket") || s.contains("Comma")));
    }

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
