//! The panel on the right: how what is chosen is shown, and what is known of it.

use super::app::Viewer;
use super::histogram;
use super::theme::{ACCENT, WRONG};
use super::widgets::{PAIR, WIDE, choice, sized, slider};
use crate::view::colours::Map;
use crate::view::document::{Across, Camera};
use crate::view::plane::{length, short};
use crate::view::roi::Part;
use crate::view::{Content, Layer, Pane, Scene, Show, Style, View};
use egui::{CollapsingHeader, RichText, ScrollArea, Slider, Ui};
use voxelry_core::io::ImageSource;
use voxelry_core::{Geometry, Region};

/// What is chosen: how it is shown, and what is known of it.
pub fn inspector(viewer: &mut Viewer, ui: &mut Ui) {
    let (s, l) = viewer.chosen;
    let active = viewer.active.map(|t| t.pane);
    let (log, of, roi) = (&mut viewer.log, &mut viewer.of, &mut viewer.roi);
    let rulers = &mut viewer.rulers;
    let Some(scene) = viewer.document.scenes.get_mut(s) else { return };
    let l = l.min(scene.layers.len() - 1);
    let axis = if let Some(Pane::Plane(axis)) = active { axis } else { scene.view.montage.axis };
    let part = of.part(scene, &scene.layers[l], axis);
    let mut meant = None;
    let count = scene.rulers.len();
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // The scroll bar has a place of its own.
        ui.set_max_width(ui.available_width() - 10.0);
        ui.add(egui::Label::new(RichText::new(&scene.layers[l].name).heading()).truncate());
        ui.separator();
        let layer = &mut scene.layers[l];
        match layer.content {
            Content::Grey => intensities(ui, layer, log, (of, part), roi),
            Content::Labels => labels(ui, layer),
        }
        section(ui, "Planes", true, |ui| planes(ui, scene, l));
        section(ui, "3D", true, |ui| volume(ui, scene, l));
        section(ui, "Montage", active == Some(Pane::Montage), |ui| montage(ui, scene));
        section(ui, "Image", false, |ui| {
            image(ui, &mut scene.layers[l]);
            meant = values(ui, scene.layers[l].content);
        });
        let title = if count > 0 { format!("Rulers ({count})") } else { "Rulers".to_owned() };
        ui.add_space(2.0);
        CollapsingHeader::new(RichText::new(title).strong())
            .id_salt("rulers")
            .default_open(count > 0)
            .show_unindented(ui, |ui| rulers.list(ui, scene));
    });
    if let Some(content) = meant {
        viewer.take_as((s, l), content);
    }
}

/// What a histogram is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All of the image.
    Whole,
    /// What is in the crop box.
    Box,
    /// The slice that is shown.
    Slice,
}

impl Of {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Whole, "Whole", "Histogram of the whole image"),
        (Self::Box, "Box", "Histogram of the crop box, which can be dragged (K)"),
        (Self::Slice, "Slice", "Histogram of the current slice"),
    ];

    /// The part of a layer, if it isn't all of it.
    fn part(self, scene: &Scene, layer: &Layer, axis: usize) -> Option<Region> {
        let part = match self {
            Self::Whole => return None,
            Self::Box => scene.boxed(),
            Self::Slice => {
                let (mut start, mut shape) = ([0; 3], scene.shape());
                (start[axis], shape[axis]) = (scene.voxel()[axis], 1);
                Region { start, shape }
            }
        };
        // Layers on another grid have a box of their own.
        let own =
            layer.source.info().geometry().world_from_index.inverse() * scene.geometry().world_from_index;
        let zyx = |v: [usize; 3]| glam::DVec3::new(v[2] as f64, v[1] as f64, v[0] as f64);
        let (a, b) = (zyx(part.start) - 0.5, zyx(part.end()) - 0.5);
        let corners = (0..8).map(|i| {
            let pick = |bit: usize| if i >> bit & 1 == 0 { a[bit] } else { b[bit] };
            own.transform_point3(glam::DVec3::new(pick(0), pick(1), pick(2))) + 0.5
        });
        let none = [glam::DVec3::INFINITY, glam::DVec3::NEG_INFINITY];
        let [low, high] = corners.fold(none, |[low, high], p| [low.min(p), high.max(p)]);
        let shape = layer.source.info().shape();
        let inside = |v: glam::DVec3, a: usize| (v[2 - a].round().max(0.0) as usize).min(shape[a]);
        let start: [usize; 3] = std::array::from_fn(|a| inside(low, a).min(shape[a] - 1));
        let end: [usize; 3] = std::array::from_fn(|a| inside(high, a).max(start[a] + 1));
        Some(Region { start, shape: std::array::from_fn(|a| end[a] - start[a]) })
    }
}

fn section(ui: &mut Ui, title: &str, open: bool, contents: impl FnOnce(&mut Ui)) {
    ui.add_space(2.0);
    CollapsingHeader::new(RichText::new(title).strong()).default_open(open).show_unindented(ui, contents);
}

/// Rows of a name and what belongs to it, aligned.
fn rows<R>(ui: &mut Ui, id: &str, contents: impl FnOnce(&mut Ui) -> R) -> R {
    egui::Grid::new(id).num_columns(2).min_col_width(76.0).spacing([8.0, 6.0]).show(ui, contents).inner
}

fn intensities(
    ui: &mut Ui,
    layer: &mut Layer,
    log: &mut bool,
    (of, part): (&mut Of, Option<Region>),
    roi: &mut Part,
) {
    let Some(stats) = layer.stats.clone() else {
        if let Some(reason) = &layer.broken {
            ui.label(RichText::new(&**reason).color(WRONG));
            return;
        }
        ui.horizontal(|ui| {
            ui.spinner();
            ui.label("Computing histogram…");
        });
        return;
    };
    let found = part.and_then(|part| roi.of(layer, part));
    let (shown, current) = match (part, found) {
        (None, _) => (Some(stats.clone()), true),
        (_, Some((Ok(part), own))) => (Some(part), own),
        (_, Some((Err(error), _))) => {
            ui.label(RichText::new(error).weak());
            (None, true)
        }
        (_, None) => (None, false),
    };
    let auto = shown.clone().unwrap_or_else(|| stats.clone());
    ui.horizontal(|ui| {
        ui.label(RichText::new("Histogram").strong());
        let exact = if auto.level == 0 { "exact" } else { "preview" };
        ui.label(RichText::new(exact).small().weak()).on_hover_text(if auto.level == 0 {
            "Of every voxel"
        } else {
            "Of a part or a coarser level of the image"
        });
        if !current {
            ui.spinner();
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.toggle_value(log, "log").on_hover_text("Logarithmic counts");
            if ui.button("Auto").on_hover_text("Window from the 0.5 to the 99.5 percentile (R)").clicked() {
                layer.display.window = Some(layer.window_of(&auto));
            }
        });
    });
    ui.horizontal(|ui| {
        for (value, name, hint) in Of::ALL {
            ui.selectable_value(of, value, name).on_hover_text(hint);
        }
    });
    let curve = layer.display.style.show == Show::Composite;
    histogram::show(ui, &stats, &auto, &mut layer.display, *log, curve);
    let count = auto.counts.iter().sum::<u64>();
    let text = format!("mean {}   sd {}   of {count} voxels", short(auto.moments[0]), short(auto.moments[1]));
    ui.add(egui::Label::new(RichText::new(text).small().weak()).truncate());
    let mut window = layer.display.window.unwrap_or(stats.window);
    let whole = !layer.source.info().voxel.is_float();
    let speed = (stats.window[1] - stats.window[0]).abs() / 300.0;
    rows(ui, "intensities", |ui| {
        ui.label("Window");
        ui.horizontal(|ui| {
            let mut changed = false;
            for (i, hint) in ["Lower window limit", "Upper window limit"].into_iter().enumerate() {
                let decimals = if whole { 0 } else { 4 };
                let field = egui::DragValue::new(&mut window[i]).speed(speed).max_decimals(decimals);
                changed |= sized(ui, PAIR, field).on_hover_text(hint).accessible_name(hint).changed();
            }
            if changed && window[0] != window[1] {
                layer.display.window = Some(window);
            }
        });
        ui.end_row();
        ui.label("Colours");
        choice(ui, "Colours", layer.display.map.name(), WIDE, |ui| {
            for (map, name) in Map::NAMED {
                ui.selectable_value(&mut layer.display.map, map, name);
            }
        });
        ui.end_row();
        if let Map::Tint(colour) = &mut layer.display.map {
            ui.label("Tint");
            ui.color_edit_button_srgb(colour).accessible_name("Tint");
            ui.end_row();
        }
        ui.label("Opacity");
        ui.horizontal(|ui| slider(ui, "Opacity", &mut layer.display.opacity, 0.0..=1.0, Some(2)));
        ui.end_row();
        ui.label("Blend");
        ui.horizontal(|ui| {
            ui.checkbox(&mut layer.display.add, "Additive").on_hover_text("Additive blending");
            ui.checkbox(&mut layer.display.checker, "Checkerboard")
                .on_hover_text("Checkerboard with the layer below, in planes");
        });
        ui.end_row();
    });
    if stats.missing > 0 {
        ui.label(RichText::new(format!("{} NaN voxels", stats.missing)).weak());
    }
}

fn labels(ui: &mut Ui, layer: &mut Layer) {
    rows(ui, "labels", |ui| {
        ui.label("Opacity");
        ui.horizontal(|ui| slider(ui, "Opacity", &mut layer.display.opacity, 0.0..=1.0, Some(2)));
        ui.end_row();
        ui.label("In planes");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut layer.display.outline, true, "Outlines");
            ui.selectable_value(&mut layer.display.outline, false, "Filled");
        });
        ui.end_row();
    });
}

fn planes(ui: &mut Ui, scene: &mut Scene, l: usize) {
    let geometry = scene.geometry();
    let voxel = scene.voxel();
    let shape = scene.shape();
    rows(ui, "planes", |ui| {
        for axis in 0..3 {
            let name = format!("{} {}", scene.facing(axis).name, ["z", "y", "x"][axis]);
            ui.label(&name);
            let mut at = voxel[axis];
            if ui.horizontal(|ui| slider(ui, &name, &mut at, 0..=shape[axis] - 1, None)).inner.changed() {
                scene.step(axis, at as i64 - voxel[axis] as i64);
            }
            ui.end_row();
        }
        let extent = shape.into_iter().max().unwrap_or(1) as f64;
        let spacing = geometry.spacing().into_iter().fold(f64::INFINITY, f64::min);
        ui.label("Slab");
        ui.horizontal(|ui| {
            let mut voxels = (scene.view.slab * extent).round();
            let hint = format!("Thickness of planes: {}", length(voxels * spacing, geometry.unit));
            let field = egui::DragValue::new(&mut voxels)
                .max_decimals(0)
                .range(0.0..=extent)
                .speed(0.5)
                .suffix(" voxels");
            if ui.add(field).on_hover_text(hint).accessible_name("Slab").changed() {
                scene.view.slab = voxels / extent;
            }
            if voxels > 0.0 {
                let name = Across::ALL.iter().find(|a| a.0 == scene.view.across).map_or("", |a| a.1);
                choice(ui, "Projection", name, 84.0, |ui| {
                    for (across, name) in Across::ALL {
                        ui.selectable_value(&mut scene.view.across, across, name);
                    }
                });
            }
        });
        ui.end_row();
        ui.label("Voxels");
        ui.checkbox(&mut scene.layers[l].display.interpolate, "Interpolate");
        ui.end_row();
    });
}

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

/// What the numbers of a layer mean; what they shall mean, if the user says so.
fn values(ui: &mut Ui, content: Content) -> Option<Content> {
    let mut meant = content;
    ui.horizontal(|ui| {
        ui.label("Values are");
        ui.selectable_value(&mut meant, Content::Grey, "Intensities").on_hover_text("Treat as intensities");
        ui.selectable_value(&mut meant, Content::Labels, "Labels")
            .on_hover_text("Treat as labels: numbers of objects, each in its colour");
    });
    (meant != content).then_some(meant)
}

/// How a layer is shown in three dimensions.
fn volume(ui: &mut Ui, scene: &mut Scene, l: usize) {
    let sides: [Camera; 3] = std::array::from_fn(|axis| facing(scene, axis));
    let names: [&str; 3] = std::array::from_fn(|axis| scene.facing(axis).name);
    let Scene { layers, view, .. } = scene;
    let layer = &mut layers[l];
    let style = &mut layer.display.style;
    let open = rows(ui, "volume", |ui| {
        if layer.content == Content::Grey {
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
        if layer.content == Content::Labels {
            ui.label("Preset");
            choice(ui, "Preset", "Choose", WIDE, |ui| {
                let presets =
                    [("Solid objects", false, 1.0), ("Glass", false, 0.35), ("Translucent", true, 1.0)];
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
                    .on_hover_text("Objects that can be seen through");
            });
            ui.end_row();
        }
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
        ui.label("Planes");
        ui.checkbox(&mut view.slices, "In 3D").on_hover_text("Show slice planes in 3D");
        ui.end_row();
        ui.label("Look from");
        ui.horizontal(|ui| {
            for (axis, name) in [(0, "z"), (1, "y"), (2, "x")] {
                if ui.small_button(name).on_hover_text(names[axis]).clicked() {
                    view.camera = sides[axis];
                }
            }
        });
        ui.end_row();
        ui.label("Crop box");
        ui.horizontal(|ui| {
            ui.toggle_value(&mut view.boxed, "Drag")
                .on_hover_text("Shows the box with handles in all panes (K)");
            let whole = View::default().crop;
            let reset = ui.add_enabled(view.crop != whole, egui::Button::new("Whole"));
            if reset.on_hover_text("Shows all of the volume again").clicked() {
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
        ui.label("Clipping");
        let left = view.cuts.iter().any(|cut| !cut.on);
        let add = ui.add_enabled(left, egui::Button::new("Add"));
        let add = add.on_hover_text(
            "Adds a clipping plane that faces the camera (O); drag its handles to move and tilt it",
        );
        let open = add.clicked();
        ui.end_row();
        for (i, cut) in view.cuts.iter_mut().enumerate().filter(|(_, cut)| cut.on) {
            ui.label(format!("Plane {}", i + 1));
            ui.horizontal(|ui| {
                ui.spacing_mut().slider_width = 72.0;
                let bar = ui.add(Slider::new(&mut cut.at, -0.5..=0.5).show_value(false));
                bar.on_hover_text("Where it cuts").accessible_name("Where it cuts");
                if ui.small_button("Flip").on_hover_text("Shows the other half").clicked() {
                    (cut.normal, cut.at) = (-cut.normal, -cut.at);
                }
                if ui.small_button("×").on_hover_text("Close this cut").clicked() {
                    cut.on = false;
                }
            });
            ui.end_row();
        }
        open
    });
    if open {
        scene.cut_open();
    }
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

fn montage(ui: &mut Ui, scene: &mut Scene) {
    let names: [String; 3] =
        std::array::from_fn(|a| format!("{} ({})", scene.facing(a).name, ["z", "y", "x"][a]));
    let montage = &mut scene.view.montage;
    rows(ui, "montage", |ui| {
        ui.label("Across");
        choice(ui, "Across", &names[montage.axis], WIDE, |ui| {
            for (axis, name) in names.iter().enumerate() {
                ui.selectable_value(&mut montage.axis, axis, name);
            }
        });
        ui.end_row();
        ui.label("Step");
        let unit = if montage.every == 1 { " slice" } else { " slices" };
        let field = egui::DragValue::new(&mut montage.every).range(1..=10_000).suffix(unit).speed(0.2);
        ui.add(field).accessible_name("Step").on_hover_text("From one slice of the montage to the next");
        ui.end_row();
    });
}

fn image(ui: &mut Ui, layer: &mut Layer) {
    let info = layer.source.info();
    let geometry = info.geometry();
    let row = |ui: &mut Ui, name: &str, value: String| {
        ui.label(name);
        ui.add(egui::Label::new(value).wrap().selectable(true));
        ui.end_row();
    };
    let times = info.times;
    let (affine, geometry_unit) = (geometry.world_from_index, geometry.unit);
    rows(ui, "image", |ui| {
        let [z, y, x] = info.shape();
        row(ui, "Voxels", format!("{x} × {y} × {z}, {}", info.voxel));
        let [dz, dy, dx] = geometry.spacing();
        row(ui, "Voxel size", format!("{} × {} × {} {}", short(dx), short(dy), short(dz), geometry.unit));
        if geometry.unit.metres().is_some() {
            let size = [x as f64 * dx, y as f64 * dy, z as f64 * dz].map(|l| length(l, geometry.unit));
            row(ui, "Extent", size.join(" × "));
        }
        if geometry.oriented {
            let [x, y, z] = [0, 1, 2].map(|axis| Geometry::letters(affine.matrix3.col(axis)));
            row(ui, "Axis directions", format!("x {x}, y {y}, z {z}"));
        }
        if let Some(angle) = geometry.shear(info.shape()) {
            row(ui, "Sheared", format!("axes meet at {angle:.2}°"));
        }
        row(
            ui,
            "Resolution levels",
            format!("{} in the file, {} in all", layer.source.given(), info.levels.len()),
        );
        if info.channels.len() > 1 {
            row(ui, "Channel", format!("{} of {}", layer.channel + 1, info.channels.len()));
        }
        row(ui, "Format", info.format.to_owned());
        if let Some(path) = &layer.path {
            row(ui, "File", path.display().to_string());
        }
        if let Some(stats) = &layer.stats {
            row(ui, "Intensities", format!("{} to {}", short(stats.range[0]), short(stats.range[1])));
        }
    });
    for note in &info.notes {
        ui.label(RichText::new(note).weak());
    }
    if times > 1 {
        let mut time = layer.time + 1;
        ui.horizontal(|ui| {
            ui.label("Time frame");
            if slider(ui, "Time frame", &mut time, 1..=times, None).changed() {
                layer.time = time - 1;
            }
        });
    }
    CollapsingHeader::new("Affine").show(ui, |ui| {
        ui.label(RichText::new(format!("World ({geometry_unit}) from index (x, y, z)")).small().weak());
        egui::Grid::new("affine").num_columns(4).spacing([12.0, 2.0]).show(ui, |ui| {
            for row in 0..3 {
                let parts = (0..3).map(|c| affine.matrix3.col(c)[row]).chain([affine.translation[row]]);
                for v in parts {
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        ui.monospace(short(v));
                    });
                }
                ui.end_row();
            }
        });
    });
    if let Some(text) = &layer.provenance {
        CollapsingHeader::new("Provenance").show(ui, |ui| {
            ui.label(RichText::new("The recipe that made it").small().weak());
            ui.add(egui::Label::new(RichText::new(&**text).monospace()).selectable(true).wrap());
        });
    }
    let info = layer.source.info();
    if !info.metadata.is_empty() {
        CollapsingHeader::new("Header").show(ui, |ui| {
            rows(ui, "header", |ui| {
                for (name, value) in &info.metadata {
                    row(ui, name, value.clone());
                }
            });
        });
    }
}
