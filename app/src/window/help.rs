//! Mouse and keyboard shortcuts, explained.

use super::commands::{COMMANDS, shortcut_text};
use egui::{Context, RichText};

const MOUSE: [(&str, &str); 20] = [
    ("Wheel", "slices; in the montage, scroll; in 3D, zoom"),
    ("Shift+wheel", "ten slices"),
    ("Ctrl+wheel", "zoom at the pointer"),
    ("Click, drag", "crosshair"),
    ("Shift+move", "crosshair follows the pointer"),
    ("Middle drag, Space+drag", "move"),
    ("Right drag", "window: right is wider, up is brighter"),
    ("Double click", "maximise or restore a pane"),
    ("Right click", "what a pane shows, splitting, export"),
    ("Drag a pane's title", "puts the pane elsewhere"),
    ("Rings on the crosshair", "drag to turn the other planes"),
    ("3D: drag", "turn"),
    ("3D: handles", "drag faces of the crop box (K), move and tilt cuts (O)"),
    ("3D: Shift+drag", "move"),
    ("3D: click", "crosshair to what is seen"),
    ("Rulers (menu Measure)", "drag; Delete over an end removes, Esc puts away"),
    ("Click an object", "select its row in the table of measurements; Ctrl adds to what is selected"),
    ("Rows", "click, Ctrl+click, Shift+click select; Enter or double click: jump; Ctrl+A, Ctrl+C"),
    ("Pictures of objects", "A accepts, D rejects, arrows move"),
    ("Histogram", "drag handles; double click adds a point of opacity, right click removes it"),
];

/// Shows the help where it is asked for.
pub fn show(open: &mut bool, ctx: &Context) {
    if !*open {
        return;
    }
    let mut shown = true;
    egui::Window::new("Mouse and keyboard shortcuts")
        .open(&mut shown)
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            let high = ctx.content_rect().height() - 80.0;
            egui::ScrollArea::vertical().max_height(high).min_scrolled_height(high).show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    egui::Grid::new("mouse").num_columns(2).spacing([16.0, 5.0]).show(ui, |ui| {
                        for (what, does) in MOUSE {
                            ui.label(RichText::new(what).strong());
                            ui.add(egui::Label::new(does).wrap());
                            ui.end_row();
                        }
                    });
                    ui.separator();
                    egui::Grid::new("keys").num_columns(2).spacing([16.0, 5.0]).show(ui, |ui| {
                        for command in COMMANDS {
                            let Some(keys) = command.keys else { continue };
                            ui.label(RichText::new(shortcut_text(ui.ctx(), keys)).strong());
                            ui.label(command.title);
                            ui.end_row();
                        }
                    });
                })
            });
        });
    *open = shown;
}
