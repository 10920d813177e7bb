//! Display settings of the planes.

use super::rows;
use crate::view::Scene;
use crate::view::document::Across;
use crate::view::plane::length;
use crate::window::widgets::{choice, slider};
use egui::Ui;

/// Slices, slab and interpolation of the planes.
pub(super) fn planes(ui: &mut Ui, scene: &mut Scene, l: usize) {
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
        ui.label("Slab thickness");
        ui.horizontal(|ui| {
            let mut voxels = (scene.view.slab * extent).round();
            let hint =
                format!("Thickness of the projected slab: {}", length(voxels * spacing, geometry.unit));
            let field = egui::DragValue::new(&mut voxels)
                .max_decimals(0)
                .range(0.0..=extent)
                .speed(0.5)
                .suffix(" voxels");
            if ui.add(field).on_hover_text(hint).accessible_name("Slab thickness").changed() {
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
