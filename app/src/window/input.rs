//! The order of input: what a click changes is settled before the keys that follow it are looked at.
//!
//! egui takes in all events of a frame at once and moves the focus at its end. Where frames are slow, a click into a
//! field and the first letters typed into it come in one frame, and the letters would go to shortcuts. So a frame gets
//! events up to a press or release of a button, and what follows waits for the next frame, which is asked for at once.

use egui::{Context, Event, Key, RawInput};
use std::collections::VecDeque;

/// Holds back events that must wait for the focus.
#[derive(Default)]
pub struct InputOrder {
    waiting: VecDeque<Event>,
    focused: bool,
}

impl InputOrder {
    /// Returns whether anything had the focus before this frame; Esc takes it away before anyone sees the key.
    pub fn had_focus(ctx: &Context) -> bool {
        ctx.with_plugin(|order: &mut Self| order.focused).unwrap_or(false)
    }

    /// Puts keyboard events off to the next frame, before those that wait already.
    pub fn put_off(ctx: &Context, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        ctx.with_plugin(|order: &mut Self| {
            for event in events.into_iter().rev() {
                order.waiting.push_front(event);
            }
        });
        ctx.request_repaint();
    }
}

/// Returns whether an event comes from the keyboard.
pub fn is_typed(event: &Event) -> bool {
    matches!(
        event,
        Event::Key { .. } | Event::Text(_) | Event::Ime(_) | Event::Copy | Event::Cut | Event::Paste(_)
    )
}

/// Number of events of the next frame: up to and with the first that may move the focus. That is a press or release of a
/// button, where something was typed before it only what precedes it; and of keys Tab, and those that leave a field.
fn first_part<'a>(events: impl Iterator<Item = &'a Event>, focused: bool) -> usize {
    let (mut typed, mut count) = (false, 0);
    for event in events {
        count += 1;
        match event {
            Event::PointerButton { .. } if typed => return count - 1,
            Event::PointerButton { .. } | Event::Key { key: Key::Tab, pressed: true, .. } => return count,
            Event::Key { key: Key::Enter | Key::Escape, pressed: true, .. } if focused => return count,
            _ => typed |= is_typed(event),
        }
    }
    count
}

impl egui::Plugin for InputOrder {
    fn debug_name(&self) -> &'static str {
        "input order"
    }

    fn input_hook(&mut self, ctx: &Context, input: &mut RawInput) {
        self.focused = ctx.memory(|m| m.focused().is_some());
        self.waiting.extend(input.events.drain(..));
        let count = first_part(self.waiting.iter(), self.focused);
        input.events.extend(self.waiting.drain(..count));
        if !self.waiting.is_empty() {
            ctx.request_repaint();
        }
    }
}
