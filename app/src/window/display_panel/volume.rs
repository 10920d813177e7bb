//! Display settings in three dimensions.

use super::rows;
use crate::view::colours::Map;
use crate::view::document::Camera;
use crate::view::{Content, Layer, Scene, Show, Style, View};
use crate::window::theme::ACCENT;
use crate::window::widgets::{WIDE, choice, slider};
use egui::{Slider, Ui};

/// Transfer functions for what people look at, by name.
fn presets() -> [(&'static str, Style, Map); 5] {
    let composite = |opacity: &[[f32; 2]]| Style { opacity: opacity.to_vec(), ..Style::default() };
    [
        ("Bone", composite(&[[0.0, 0.0], [0.45, 0.0], [0.6, 0.5], [1.0, 1.0]]), Map::Bone),
        ("Foam", composite(&[[0.0, 0.0], [0.4, 0.0], [0.55, 0.4], [1.0, 0.9]]), Map::Viridis),
        (
            "Soft tissue",
            composite(&[[0.0, 0.0], [0.15, 0.0], [0.4, 0.06], [0.8, 0.25], [1.0, 0.8]]),
            Map::Magma,
        ),
        ("MRI", composite(&[[0.0, 0.0], [0.2, 0.0], [0.35, 0.25], [1.0, 0.7]]), Map::Grey),
        ("Solid", composite(&[[0.0, 0.0], [0.48, 0.0], [0.52, 1.0], [1.0, 1.0]]), Map::Grey),
    ]
}

/// Display settings of a layer in three dimensions, and those of its scene.
pub(super) fn volume(ui: &mut Ui, scene: &mut Scene, l: usize) {
    let cameras: [Camera; 3] = std::array::from_fn(|axis| facing(scene, axis));
    let names: [&str; 3] = std::array::from_fn(|axis| scene.facing(axis).name);
    let Scene { layers, view, .. } = scene;
    let add = rows(ui, "volume", |ui| {
        let layer = &mut layers[l];
        match layer.content {
            Content::Grey => intensities(ui, layer),
            Content::Labels => labels(ui, layer),
        }
        shading(ui, layer);
        scene_settings(ui, view, cameras, names);
        clipping(ui, view)
    });
    if add {
        scene.cut_open();
    }
}

/// Rendering mode of intensities.
fn intensities(ui: &mut Ui, layer: &mut Layer) {
    let style = &mut layer.display.style;
    ui.label("Show");
    let name = Show::ALL.iter().find(|s| s.0 == style.show).map_or("", |s| s.1);
    choice(ui, "Show", name, WIDE, |ui| {
        for (show, name) in Show::ALL {
            ui.selectable_value(&mut style.show, show, name);
        }
    });
    ui.end_row();
    if style.show == Show::Composite {
        ui.label("Preset");
        choice(ui, "Preset", "Choose", WIDE, |ui| {
            for (name, preset, map) in presets() {
                if ui.button(name).clicked() {
                    *style = preset;
                    layer.display.map = map;
                    ui.close();
                }
            }
        });
        ui.end_row();
    }
    if style.show == Show::Surface {
        ui.label("Level");
        let window = layer.display.window.unwrap_or([0.0, 1.0]);
        let mut level = window[0] + f64::from(style.level) * (window[1] - window[0]);
        let range = window[0].min(window[1])..=window[0].max(window[1]);
        if ui.horizontal(|ui| slider(ui, "Level", &mut level, range, None)).inner.changed() {
            style.level = ((level - window[0]) / (window[1] - window[0])) as f32;
        }
        ui.end_row();
    }
}

/// Rendering mode of labels.
fn labels(ui: &mut Ui, layer: &mut Layer) {
    let style = &mut layer.display.style;
    ui.label("Preset");
    choice(ui, "Preset", "Choose", WIDE, |ui| {
        let presets = [("Solid objects", false, 1.0), ("Glass", false, 0.35), ("Translucent", true, 1.0)];
        for (name, mist, opacity) in presets {
            if ui.button(name).clicked() {
                *style = Style { mist, ..Style::default() };
                layer.display.opacity = opacity;
                ui.close();
            }
        }
    });
    ui.end_row();
    ui.label("Show");
    ui.horizontal(|ui| {
        ui.selectable_value(&mut style.mist, false, "Surfaces");
        ui.selectable_value(&mut style.mist, true, "Translucent")
            .on_hover_text("Renders labels as a translucent volume");
    });
    ui.end_row();
}

/// Shading and ambient occlusion, where surfaces are drawn.
fn shading(ui: &mut Ui, layer: &mut Layer) {
    let style = &mut layer.display.style;
    let labels = layer.content == Content::Labels;
    if (matches!(style.show, Show::Composite | Show::Surface) && !labels) || (labels && !style.mist) {
        ui.label("Shading");
        ui.horizontal(|ui| slider(ui, "Shading", &mut style.shading, 0.0..=1.0, Some(2)));
        ui.end_row();
    }
    if matches!(style.show, Show::Composite | Show::Surface) && layer.content == Content::Grey {
        ui.label("Occlusion");
        ui.horizontal(|ui| slider(ui, "Occlusion", &mut style.occlusion, 0.0..=1.0, Some(2)))
            .inner
            .on_hover_text("Ambient occlusion (only at full quality)");
        ui.end_row();
    }
}

/// Slice planes, camera and crop box.
fn scene_settings(ui: &mut Ui, view: &mut View, cameras: [Camera; 3], names: [&str; 3]) {
    ui.label("Planes");
    ui.checkbox(&mut view.slices, "In 3D").on_hover_text("Show slice planes in 3D");
    ui.end_row();
    ui.label("Look from");
    ui.horizontal(|ui| {
        for (axis, name) in [(0, "z"), (1, "y"), (2, "x")] {
            if ui.small_button(name).on_hover_text(names[axis]).clicked() {
                view.camera = cameras[axis];
            }
        }
    });
    ui.end_row();
    ui.label("Crop box");
    ui.horizontal(|ui| {
        ui.toggle_value(&mut view.boxed, "Drag").on_hover_text("Shows the box with handles in all panes (K)");
        let whole = View::default().crop;
        let reset = ui.add_enabled(view.crop != whole, egui::Button::new("Whole"));
        if reset.on_hover_text("Removes the crop box's limits and all clipping planes").clicked() {
            view.crop = whole;
        }
    });
    ui.end_row();
    for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
        ui.label(format!("Crop {name}"));
        let [low, high] = &mut view.crop;
        crop(ui, &mut low[axis], &mut high[axis]);
        ui.end_row();
    }
}

/// Clipping planes; true if another one is to be added.
fn clipping(ui: &mut Ui, view: &mut View) -> bool {
    ui.label("Clipping");
    let left = view.cuts.iter().any(|cut| !cut.on);
    let add = ui.add_enabled(left, egui::Button::new("Add"));
    let add = add.on_hover_text(
        "Adds a clipping plane that faces the camera (O); drag its handles to move and tilt it",
    );
    let added = add.clicked();
    ui.end_row();
    for (i, cut) in view.cuts.iter_mut().enumerate().filter(|(_, cut)| cut.on) {
        ui.label(format!("Plane {}", i + 1));
        ui.horizontal(|ui| {
            ui.spacing_mut().slider_width = 72.0;
            let bar = ui.add(Slider::new(&mut cut.at, -0.5..=0.5).show_value(false));
            bar.on_hover_text("Position of the clipping plane")
                .accessible_name("Position of the clipping plane");
            if ui.small_button("Flip").on_hover_text("Flips the visible side").clicked() {
                (cut.normal, cut.at) = (-cut.normal, -cut.at);
            }
            if ui.small_button("×").on_hover_text("Remove this clipping plane").clicked() {
                cut.on = false;
            }
        });
        ui.end_row();
    }
    added
}

/// A camera that looks at the plane across an axis as the plane's pane shows it.
fn facing(scene: &Scene, axis: usize) -> Camera {
    let facing = scene.facing(axis);
    let world = |v| scene.geometry().world_from_index.transform_vector3(v).normalize_or(glam::DVec3::X);
    let (right, up) = (world(facing.right()), -world(facing.down()));
    let turn = glam::DQuat::from_mat3(&glam::DMat3::from_cols(right, up, right.cross(up)));
    Camera { turn, ..View::default().camera }
}

/// Two handles on one line.
fn crop(ui: &mut Ui, low: &mut f64, high: &mut f64) {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(150.0, 18.0), egui::Sense::drag());
    let x = |v: f64| rect.left() + 6.0 + v as f32 * (rect.width() - 12.0);
    if let Some(at) = response.interact_pointer_pos() {
        let v = f64::from((at.x - rect.left() - 6.0) / (rect.width() - 12.0)).clamp(0.0, 1.0);
        let id = response.id.with("high");
        if response.drag_started() {
            let upper = (v - *high).abs() < (v - *low).abs() || (*low == *high && v > *high);
            ui.data_mut(|d| d.insert_temp(id, upper));
        }
        if ui.data(|d| d.get_temp(id)).unwrap_or(false) {
            *high = v.max(*low + 0.01).min(1.0);
        } else {
            *low = v.min(*high - 0.01).max(0.0);
        }
    }
    let y = rect.center().y;
    let visuals = ui.visuals();
    let rail = egui::Rect::from_x_y_ranges(x(0.0)..=x(1.0), y - 2.0..=y + 2.0);
    ui.painter().rect_filled(rail, 2.0, visuals.widgets.inactive.bg_fill);
    let chosen = egui::Rect::from_x_y_ranges(x(*low)..=x(*high), y - 2.0..=y + 2.0);
    ui.painter().rect_filled(chosen, 2.0, ACCENT);
    for v in [*low, *high] {
        ui.painter().circle(
            egui::pos2(x(v), y),
            5.0,
            visuals.widgets.hovered.bg_fill,
            visuals.widgets.hovered.fg_stroke,
        );
    }
}
