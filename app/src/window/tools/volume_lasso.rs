//! The lasso in three dimensions: all labelled voxels seen within a line get the active label, at any depth.

use super::tool_input::amount;
use crate::view::label_editor::EditOutcome;
use crate::view::projection::Rays;
use crate::window::app::Viewer;
use glam::{DMat4, DVec2, DVec4};
use std::collections::BTreeSet;
use voxelry_core::Region;
use voxelry_core::labels::shapes::polygon;

/// Rows and columns that a pane is divided into.
const GRID: usize = 2048;

/// A line around something in a pane in three dimensions.
pub struct VolumeLasso {
    /// The scene.
    pub scene: usize,
    /// Rays of each visible layer.
    pub seen: Vec<(u64, Rays)>,
    /// Points of the line, as parts of the pane from its upper left corner.
    pub line: Vec<DVec2>,
}

impl Viewer {
    /// Gives all labelled voxels within a line the active label.
    pub(in crate::window) fn apply_volume_lasso(&mut self, lasso: VolumeLasso) {
        if self.tools.editing.is_none() && !self.ensure_labels() {
            return;
        }
        let Some(editing) = &self.tools.editing else { return };
        let (labels, here) = (editing.editor.labels.clone(), self.place_of(editing.layer));
        if here.is_none_or(|(s, _)| s != lasso.scene) {
            return;
        }
        let own = lasso.seen.iter().find(|(layer, _)| *layer == editing.layer);
        let Some((layer, rays)) = own.or_else(|| lasso.seen.first()).cloned() else { return };
        let line: Vec<DVec2> = lasso.line.iter().map(|p| *p * GRID as f64).collect();
        let (Some((first, inside)), Some(writer)) = (polygon(&line, [GRID, GRID]), self.label_writer())
        else {
            return;
        };
        let (world, boxed) = (labels.geometry().world_from_index, layer == editing.layer);
        let clip = rays.clip_from_world * DMat4::from(world);
        let hidden: BTreeSet<u32> =
            labels.infos().into_iter().filter(|(_, info)| !info.shown).map(|(label, _)| label).collect();
        let seen = move |x: f64, y: f64, z: f64| {
            let place = clip * DVec4::new(x, y, z, 1.0);
            let (ndc, at) = (place / place.w, glam::DVec3::new(x, y, z));
            let on = [0.5 - 0.5 * ndc.y, 0.5 + 0.5 * ndc.x].map(|part| (part * GRID as f64).floor());
            let on = [0, 1].map(|a| on[a] - first[a] as f64);
            let within = place.w > 0.0
                && on.iter().all(|n| *n >= 0.0)
                && inside.get([on[0] as usize, on[1] as usize]).is_some_and(|inside| *inside);
            let there = !boxed
                || at.cmpge(rays.low.as_dvec3() - 0.5).all() && at.cmple(rays.high.as_dvec3() + 0.5).all();
            let world = world.transform_point3(at);
            within && there && rays.planes.iter().all(|(normal, d)| normal.dot(world) + d >= 0.0)
        };
        self.edit_labels(
            "Lasso",
            Box::new(move |edit, job| {
                let (mut regions, mut count) = (Vec::new(), 0);
                for tile in Region::whole(labels.shape()).tiles([32, 64, 64]) {
                    job.check()?;
                    let old = labels.get(tile)?;
                    let mut new = old.clone();
                    for ((z, y, x), label) in new.indexed_iter_mut().filter(|(_, label)| **label != 0) {
                        let [z, y, x] =
                            [z + tile.start[0], y + tile.start[1], x + tile.start[2]].map(|i| i as f64);
                        if *label != writer.label && !hidden.contains(label) && seen(x, y, z) {
                            *label = writer.label;
                            count += 1;
                        }
                    }
                    regions.extend(writer.put_labels(edit, tile, &old, new)?);
                }
                let says = format!("{} inside the outline", amount(count, &labels));
                Ok(EditOutcome { regions, message: Some(says) })
            }),
        );
    }
}
