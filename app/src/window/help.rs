//! Mouse and keyboard shortcuts, explained.

use super::commands::{Command, shortcut_text};
use egui::{Context, RichText};

const MOUSE: [(&str, &str); 20] = [
    ("Wheel", "slices; in the montage, scroll; in 3D, zoom"),
    ("Shift+wheel", "ten slices"),
    ("Ctrl+wheel", "zoom at the pointer"),
    ("Click, drag", "crosshair"),
    ("Shift+move", "crosshair follows the pointer"),
    ("Middle drag, Space+drag", "move"),
    ("Right drag", "intensity window: right is wider, up is brighter"),
    ("Double click", "maximise or restore a pane"),
    ("Right click", "what a pane shows, splitting, export"),
    ("Drag a pane's title", "moves the pane"),
    ("Rings on the crosshair", "drag to turn the other planes"),
    ("3D: drag", "turn"),
    ("3D: handles", "drag faces of the crop box (K), move and tilt clipping planes (O)"),
    ("3D: Shift+drag", "move"),
    ("3D: click", "puts the crosshair on the visible surface"),
    ("Rulers (menu Measure)", "drag; Delete over an end removes, Esc stops measuring"),
    ("Click an object", "selects its row in the results table; Ctrl extends the selection"),
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
                        for command in Command::ALL {
                            let keys =
                                command.shortcuts(ui.ctx().os()).map(|keys| shortcut_text(ui.ctx(), keys));
                            let keys = keys.collect::<Vec<_>>().join(", ");
                            if keys.is_empty() {
                                continue;
                            }
                            ui.label(RichText::new(keys).strong());
                            ui.label(command.title()).on_hover_text(command.tooltip());
                            ui.end_row();
                        }
                    });
                })
            });
        });
    *open = shown;
}
