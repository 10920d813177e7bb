//! Rows and objects are one thing: what is clicked or pointed at in a picture, and what follows from the table
//! in it.

use super::ResultsPanel;
use crate::view::document::Marks;
use crate::view::objects::{Objects, WIDTH};
use crate::view::{Content, Document, Layer};
use crate::window::app::Viewer;
use crate::window::panes::Hover;
use egui::Color32;
use glam::DVec3;
use std::collections::HashMap;
use std::sync::Arc;
use voxelry_core::Region;
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::picture::label_color;

/// The colour that a row's object has.
pub fn colour_of(objects: &Objects, row: u32) -> Color32 {
    let label = objects.label(row).unwrap_or(1);
    let own = objects.lookup().and_then(|l| l.texels.get(WIDTH + (label as usize).checked_sub(1)?));
    let [r, g, b] = own.map_or_else(|| label_color(label), |t| [t[0], t[1], t[2]]);
    Color32::from_rgb(r, g, b)
}

/// The voxel `[z, y, x]` of a layer at indices of its scene's grid.
fn voxel_of(document: &Document, scene: usize, layer: &Layer, index: DVec3) -> [i64; 3] {
    let own = layer.source.info().geometry().world_from_index.inverse();
    let world = document.scenes[scene].geometry().world_from_index;
    let at = own.transform_point3(world.transform_point3(index)).round();
    [at.z, at.y, at.x].map(|v| v as i64)
}

/// The label at a voxel, or the most frequent one around it if there is none: what is seen in three dimensions is
/// found at a coarser level.
fn look_up(layer: &Layer, voxel: [i64; 3]) -> Option<u32> {
    let info = layer.source.info();
    let shape = info.shape();
    if (0..3).any(|a| voxel[a] < 0 || voxel[a] >= shape[a] as i64) {
        return None;
    }
    let frame = Frame::new(layer.channel, layer.time);
    for reach in 0..=2 {
        let start: [usize; 3] = std::array::from_fn(|a| (voxel[a] - reach).max(0) as usize);
        let size = std::array::from_fn(|a| ((voxel[a] + reach + 1) as usize).min(shape[a]) - start[a]);
        let voxels = layer.source.read(frame, Region::new(start, size)).ok()?;
        let mut counts: HashMap<u32, usize> = HashMap::new();
        let [nz, ny, nx] = size;
        for (z, y, x) in (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| (z, y, x)))) {
            match voxels.get([z, y, x]) {
                Some(v) if v > 0.0 => *counts.entry(v as u32).or_default() += 1,
                _ => {}
            }
        }
        // The same of several that are alike, whatever their order.
        if let Some((label, _)) = counts.into_iter().max_by_key(|(label, n)| (*n, std::cmp::Reverse(*label)))
        {
            return Some(label);
        }
    }
    None
}

impl ResultsPanel {
    /// The numbers of the object at a place: those that colour, sort and filter, or its size.
    pub fn readout(&self, document: &Document, hover: Hover) -> Option<String> {
        let scene = document.scenes.get(hover.scene)?;
        for layer in scene.layers.iter().rev().filter(|l| l.content == Content::Labels && l.display.visible) {
            let sheets = self.sheets.iter().filter(|s| s.objects.layer == Some(layer.id));
            let Some(objects) = sheets.map(|s| &s.objects).find(|o| o.are_objects()) else { continue };
            let voxel = voxel_of(document, hover.scene, layer, hover.index);
            let label = layer.source.peek(voxel, layer.channel, layer.time)? as u32;
            let Some(row) = objects.row(label) else { continue };
            let table = objects.table();
            let mut names: Vec<String> = Vec::new();
            names.extend(objects.colour().map(|colour| colour.column.clone()));
            names.extend(objects.sort().map(|(column, _)| column.clone()));
            names.extend(["volume", "equivalent_diameter", "sphericity"].map(str::to_owned));
            let mut text = String::new();
            let mut said: Vec<&String> = Vec::new();
            for name in names.iter().filter(|name| *name != "label") {
                let at = table.batch.schema().index_of(name);
                if let (Ok(at), false, 0..3) = (at, said.contains(&name), said.len()) {
                    let unit = Some(table.unit(name)).filter(|u| *u != "1").unwrap_or("");
                    let value = table.text(at, row as usize);
                    text += &format!("   {} {value} {unit}", name.replace('_', " "));
                    said.push(name);
                }
            }
            return Some(text);
        }
        None
    }

    /// Selects an object of a layer, if its table has it.
    fn choose(&mut self, layer: u64, label: u32, beside: bool) {
        let Some((at, sheet)) = self.of_layer(layer) else { return };
        let Some(row) = sheet.objects.row(label) else { return };
        if beside {
            sheet.objects.toggle(row);
        } else {
            sheet.objects.select([row]);
        }
        sheet.go_to(row);
        self.chosen = at;
    }
}

impl Viewer {
    /// Keeps up with tables, what was clicked and what threads have done.
    pub(super) fn follow_tables(&mut self) {
        let about = self.recipe_editor.results.about;
        self.results.follow(&mut self.recipe_editor.results.tables, about);
        let found: Vec<(u64, u32, bool)> = self.results.found.1.try_iter().collect();
        for (layer, label, beside) in found {
            self.results.choose(layer, label, beside);
        }
        for sheet in &mut self.results.sheets {
            sheet.objects.refresh(&self.jobs.wake);
        }
    }

    /// Gives layers the looks that follow from their tables.
    pub fn mark_objects(&mut self) {
        for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
            if layer.content != Content::Labels {
                continue;
            }
            let (infos, chosen) = self.tools.look_of(layer.id).unzip();
            let chosen = chosen.flatten();
            layer.marks = match self.results.of_layer(layer.id) {
                None => Marks { lookup: chosen, pointed: 0 },
                Some((_, sheet)) => {
                    if let Some(infos) = infos {
                        sheet.objects.know(&infos);
                    }
                    Marks {
                        lookup: sheet.objects.lookup().cloned().or(chosen),
                        pointed: sheet.objects.hovered.and_then(|row| sheet.objects.label(row)).unwrap_or(0),
                    }
                }
            };
        }
    }

    /// Selects what was clicked in a plane: the uppermost object there.
    pub fn choose_at(&mut self, hover: Hover, beside: bool) {
        let Some(scene) = self.document.scenes.get(hover.scene) else { return };
        for layer in scene.layers.iter().rev() {
            if layer.content == Content::Labels
                && layer.display.visible
                && self.results.of_layer(layer.id).is_some()
            {
                let voxel = voxel_of(&self.document, hover.scene, layer, hover.index);
                match layer.source.peek(voxel, layer.channel, layer.time) {
                    Some(0.0) => {}
                    Some(label) => return self.results.choose(layer.id, label as u32, beside),
                    None => {
                        let layer = layer.clone();
                        return self.choose_from_file(layer, voxel, beside);
                    }
                }
            }
        }
    }

    /// Selects what was clicked in three dimensions, at indices `(x, y, z)` of a layer.
    pub fn choose_in_layer(&mut self, layer: u64, place: DVec3, beside: bool) {
        let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
        let Some(layer) = layers.find(|l| l.id == layer && l.content == Content::Labels).cloned() else {
            return;
        };
        if self.results.of_layer(layer.id).is_some() {
            let at = place.round();
            self.choose_from_file(layer, [at.z, at.y, at.x].map(|v| v as i64), beside);
        }
    }

    fn choose_from_file(&self, layer: Layer, voxel: [i64; 3], beside: bool) {
        let (send, wake) = (self.results.found.0.clone(), Arc::clone(&self.jobs.wake));
        std::thread::spawn(move || {
            if let Some(label) = look_up(&layer, voxel) {
                // Nobody listens when the window has closed.
                let _ = send.send((layer.id, label, beside));
                wake();
            }
        });
    }

    /// Puts the crosshair on the object of a row of the table that is shown.
    pub fn jump_to(&mut self, row: u32) {
        let Some(objects) = self.results.sheet().map(|sheet| &sheet.objects) else { return };
        let Some([x, y, z]) = objects.middle(row) else { return };
        let about = |s: &crate::view::Scene| s.layers.iter().position(|l| Some(l.id) == objects.layer);
        let found = self.document.scenes.iter().enumerate().find_map(|(s, scene)| Some((s, about(scene)?)));
        let (s, layer) = found.unwrap_or((self.view.chosen.0, 0));
        let Some(scene) = self.document.scenes.get_mut(s) else { return };
        let Some(layer) = scene.layers.get(layer) else { return };
        let world = layer.source.info().geometry().world_from_index.transform_point3(DVec3::new(x, y, z));
        let index = scene.geometry().world_from_index.inverse().transform_point3(world);
        scene.view.at = scene.snapped(scene.part(index));
        scene.view.middle = scene.view.at;
    }
}
