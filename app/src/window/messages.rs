//! Messages to the user: notes in the lower left corner that disappear by themselves, and a log of all of them.

use super::app::Viewer;
use super::theme::{ACCENT, GOOD, WARNING, WRONG};
use egui::{Align2, Color32, Context, RichText, Ui};
use std::time::{Duration, Instant};

/// Notes that are shown at once; the others are in the log.
const SHOWN: usize = 3;
/// Messages that the log holds.
const KEPT: usize = 500;
/// Width of a note.
const WIDE: f32 = 340.0;

/// Severity of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something to know.
    Note,
    /// All went well.
    Success,
    /// Something may be other than it seems.
    Warning,
    /// Something could not be done.
    Error,
}

impl Severity {
    /// Time a note stays.
    fn stays(self) -> Duration {
        Duration::from_secs(match self {
            Self::Note | Self::Success => 6,
            Self::Warning => 12,
            Self::Error => 25,
        })
    }

    fn colour(self) -> Color32 {
        match self {
            Self::Note => ACCENT,
            Self::Success => GOOD,
            Self::Warning => WARNING,
            Self::Error => WRONG,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Note => "Note",
            Self::Success => "Done",
            Self::Warning => "Warning",
            Self::Error => "Error",
        }
    }
}

/// Something that a note offers to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// Layers are taken as labels, and laid over the image of their shape.
    AsLabels(Vec<u64>),
    /// A layer's numbers are intensities after all.
    AsIntensities(u64),
    /// The image of a layer is laid over that of another.
    Overlay(u64, u64),
}

impl Offer {
    fn name(&self) -> &'static str {
        match self {
            Self::AsLabels(_) => "Show as labels",
            Self::AsIntensities(_) => "Show as intensities",
            Self::Overlay(..) => "Overlay",
        }
    }
}

/// Something that the user is told.
struct Message {
    text: String,
    severity: Severity,
    /// Time it was shown, or last pointed at.
    since: Instant,
    offer: Option<Offer>,
    /// True if it is shown as a note.
    shown: bool,
    /// Number of times it was shown.
    times: usize,
}

/// All that the user was told.
#[derive(Default)]
pub struct Messages {
    all: Vec<Message>,
    /// True if the log is shown.
    pub log: bool,
    /// Warnings and errors since the log was shown.
    unseen: usize,
}

impl Messages {
    /// Adds a message; one that is shown already is not said twice.
    pub fn add(&mut self, text: String, severity: Severity, offer: Option<Offer>) {
        let times = match self.all.iter().position(|m| m.text == text && m.shown) {
            Some(at) => self.all.remove(at).times + 1,
            None => 1,
        };
        if matches!(severity, Severity::Warning | Severity::Error) && times == 1 {
            self.unseen += 1;
        }
        self.all.push(Message { text, severity, since: Instant::now(), offer, shown: true, times });
        if self.all.len() > KEPT {
            self.all.remove(0);
        }
    }

    /// Notes that are shown.
    #[cfg(test)]
    pub fn shown(&self) -> Vec<&str> {
        self.all.iter().filter(|m| m.shown).map(|m| m.text.as_str()).collect()
    }

    /// All messages, the first one first.
    #[cfg(test)]
    pub fn all(&self) -> Vec<&str> {
        self.all.iter().map(|m| m.text.as_str()).collect()
    }

    /// Closes all notes.
    #[cfg(test)]
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Takes notes away whose time is over; when the next one goes.
    fn expire(&mut self) -> Option<Duration> {
        let left = |m: &Message| m.severity.stays().saturating_sub(m.since.elapsed());
        for message in &mut self.all {
            message.shown &= !left(message).is_zero();
        }
        self.all.iter().filter(|m| m.shown).map(left).min()
    }

    /// The button in the status bar that shows the log.
    pub fn button(&mut self, ui: &mut Ui) {
        let name =
            if self.unseen > 0 { format!("Messages ({})", self.unseen) } else { "Messages".to_owned() };
        let mut text = RichText::new(name).small();
        if self.unseen > 0 {
            text = text.color(WARNING);
        }
        if ui.selectable_label(self.log, text).on_hover_text("Message log").clicked() {
            self.log = !self.log;
        }
    }
}

impl Viewer {
    /// Tells the user that something could not be done.
    pub fn tell(&mut self, message: String) {
        self.dialogs.messages.add(message, Severity::Error, None);
    }

    /// Warns the user.
    pub fn warn(&mut self, message: String) {
        self.dialogs.messages.add(message, Severity::Warning, None);
    }

    /// Tells the user that all went well.
    pub fn say(&mut self, message: String) {
        self.dialogs.messages.add(message, Severity::Success, None);
    }

    /// Tells the user something, with a button for what can be done about it.
    pub fn note(&mut self, message: String, offer: Option<Offer>) {
        self.dialogs.messages.add(message, Severity::Note, offer);
    }

    /// Shows notes above the status bar, the latest lowest, and the log where it is open.
    pub(super) fn show_messages(&mut self, ctx: &Context) {
        if let Some(next) = self.dialogs.messages.expire() {
            ctx.request_repaint_after(next);
        }
        self.show_log(ctx);
        let shown: Vec<usize> =
            (0..self.dialogs.messages.all.len()).filter(|i| self.dialogs.messages.all[*i].shown).collect();
        let hidden = shown.len().saturating_sub(SHOWN);
        if shown.is_empty() {
            return;
        }
        let (mut closed, mut taken) = (None, None);
        let area = egui::Area::new(egui::Id::unique("notes")).order(egui::Order::Foreground);
        area.anchor(Align2::LEFT_BOTTOM, [10.0, -34.0]).show(ctx, |ui| {
            if hidden > 0 && ui.small_button(format!("{hidden} more…")).clicked() {
                self.dialogs.messages.log = true;
            }
            for at in &shown[hidden..] {
                let message = &mut self.dialogs.messages.all[*at];
                let (close, offer) = message.show(ui);
                if close {
                    closed = Some(*at);
                }
                taken = offer.or(taken.take());
            }
        });
        if let Some(at) = closed {
            self.dialogs.messages.all[at].shown = false;
        }
        if let Some(offer) = taken {
            self.take_up_offer(offer);
        }
    }

    fn show_log(&mut self, ctx: &Context) {
        if !self.dialogs.messages.log {
            return;
        }
        self.dialogs.messages.unseen = 0;
        let mut open = true;
        let window =
            egui::Window::new("Messages").open(&mut open).collapsible(false).default_size([520.0, 300.0]);
        window.default_pos([220.0, 200.0]).show(ctx, |ui| {
            if self.dialogs.messages.all.is_empty() {
                ui.weak("No messages yet");
            }
            egui::ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
                for message in &self.dialogs.messages.all {
                    ui.horizontal_top(|ui| {
                        ui.add_sized(
                            [52.0, 16.0],
                            egui::Label::new(
                                RichText::new(message.severity.name())
                                    .small()
                                    .color(message.severity.colour()),
                            ),
                        );
                        let mut text = message.text.clone();
                        if message.times > 1 {
                            text += &format!(" (×{})", message.times);
                        }
                        ui.add(egui::Label::new(text).wrap().selectable(true));
                    });
                }
            });
        });
        self.dialogs.messages.log = open;
    }
}

impl Message {
    /// Shows it as a note; whether it is closed, and what is done of what it offers.
    fn show(&mut self, ui: &mut Ui) -> (bool, Option<Offer>) {
        let (mut close, mut taken) = (false, None);
        let shown =
            egui::Frame::popup(ui.style()).inner_margin(egui::Margin::symmetric(10, 7)).show(ui, |ui| {
                ui.set_width(WIDE);
                ui.horizontal_top(|ui| {
                    let (bar, _) = ui.allocate_exact_size(egui::vec2(4.0, 16.0), egui::Sense::hover());
                    ui.painter().rect_filled(bar, 2.0, self.severity.colour());
                    let room = WIDE - 46.0;
                    ui.allocate_ui_with_layout(
                        egui::vec2(room, 0.0),
                        egui::Layout::top_down(egui::Align::Min),
                        |ui| {
                            ui.set_width(room);
                            ui.add(egui::Label::new(&self.text).wrap().selectable(true));
                            if let Some(offer) = &self.offer
                                && ui.button(offer.name()).clicked()
                            {
                                (close, taken) = (true, Some(offer.clone()));
                            }
                        },
                    );
                    close |= ui.small_button("×").on_hover_text("Close").clicked();
                });
            });
        // It stays while it is read.
        if shown.response.contains_pointer() {
            self.since = Instant::now();
        }
        (close, taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_counted_and_what_is_over_stays_in_the_log() {
        let mut messages = Messages::default();
        messages.add("disk full".into(), Severity::Error, None);
        messages.add("disk full".into(), Severity::Error, None);
        messages.add("saved".into(), Severity::Success, None);
        assert_eq!((messages.shown(), messages.unseen), (vec!["disk full", "saved"], 1));
        assert_eq!(messages.all[0].times, 2);
        for message in &mut messages.all {
            message.since = message.since.checked_sub(Duration::from_secs(10)).unwrap();
        }
        assert!(messages.expire().is_some_and(|next| next <= Duration::from_secs(15)));
        assert_eq!(messages.shown(), ["disk full"]);
        assert_eq!(messages.all(), ["disk full", "saved"]);
    }
}
