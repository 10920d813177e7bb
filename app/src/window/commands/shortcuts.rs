//! Keyboard shortcuts of commands.

use super::Command;
use crate::window::app::Viewer;
use crate::window::input::{InputOrder, is_typed};
use egui::{Context, Event, Key, KeyboardShortcut, Modifiers};

/// A shortcut of a command.
pub(super) struct Shortcut {
    pub keys: KeyboardShortcut,
    /// True if it is one on macOS, too.
    pub mac: bool,
}

const fn shortcut(modifiers: Modifiers, key: Key) -> Shortcut {
    Shortcut { keys: KeyboardShortcut::new(modifiers, key), mac: true }
}

/// A key alone.
pub(super) const fn key(key: Key) -> Shortcut {
    shortcut(Modifiers::NONE, key)
}

/// A key with Shift.
pub(super) const fn shift(key: Key) -> Shortcut {
    shortcut(Modifiers::SHIFT, key)
}

/// A key with Ctrl, on macOS ⌘.
pub(super) const fn cmd(key: Key) -> Shortcut {
    shortcut(Modifiers::COMMAND, key)
}

/// A key with Ctrl and Shift, on macOS ⌘ and Shift.
pub(super) const fn cmd_shift(key: Key) -> Shortcut {
    shortcut(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

/// A shortcut that isn't one on macOS.
pub(super) const fn not_mac(shortcut: Shortcut) -> Shortcut {
    Shortcut { mac: false, ..shortcut }
}

/// Runs the commands whose shortcuts were pressed, in that order, unless a field is being typed into. No shortcut acts
/// behind a dialog, but for Esc and the one that opened it.
pub fn run_by_keys(viewer: &mut Viewer, ctx: &Context) {
    // Shortcuts with more modifiers come first: with Shift held, a shortcut without it fits, too.
    let of = |command: &Command| command.shortcuts(ctx.os()).map(|keys| (*command, keys)).collect::<Vec<_>>();
    let mut all: Vec<(Command, KeyboardShortcut)> = Command::ALL.iter().flat_map(of).collect();
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
        let fits = |(command, keys): &&(Command, KeyboardShortcut)| {
            keys.logical_key == key
                && modifiers.matches_logically(keys.modifiers)
                && acts(viewer, ctx, *command, *keys)
                && command.is_ready(viewer)
        };
        let Some((command, _)) = all.iter().find(fits) else { continue };
        let before = viewer.dialog();
        ctx.input_mut(|i| i.events.remove(at));
        next = at;
        command.run(viewer, ctx);
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

/// Returns whether a shortcut acts now.
fn acts(viewer: &Viewer, ctx: &Context, command: Command, keys: KeyboardShortcut) -> bool {
    // The palette and menus that are open take all keys, Esc first of all; lists take those that they know.
    if viewer.dialogs.palette.is_shown() || egui::Popup::is_any_open(ctx) {
        return false;
    }
    let escape = keys.logical_key == Key::Escape;
    if let Some(dialog) = viewer.dialog() {
        return escape || dialog.command() == Some(command);
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

/// A shortcut with the characters on the keyboard: `[`, not `OpenBracket`.
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
