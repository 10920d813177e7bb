//! Mouse and keys in a three-dimensional pane.

use super::{Panes, ring, turn_window};
use crate::window::handles::PaneArea;
use crate::window::surface_stroke::{SurfaceProbe, SurfaceStroke};
use crate::window::tools::{PointerPhase, Tool, ToolInput, VolumeLasso};
use egui::{PointerButton, Pos2, Response, Ui};
use egui_tiles::TileId;
use glam::{DQuat, DVec3};
use std::sync::PoisonError;
use voxelry_core::io::ImageSource;

impl Panes<'_> {
    pub(super) fn use_volume(
        &mut self,
        ui: &Ui,
        response: &Response,
        id: TileId,
        at: usize,
        size: [u32; 2],
        per_point: f32,
    ) {
        let (mut lines, held) = self.wheel(ui, response);
        if self.active_tool.takes_wheel(held) {
            self.active_tool.turned += std::mem::take(&mut lines);
        }
        let shift = ui.input(|i| i.modifiers.shift);
        let drawn = self.draw_on_surfaces(ui, response, id, size) || self.draw_around(ui, response, id, at);
        self.look_for(ui, response, (id, at), size, per_point);
        let scene = &mut self.document.scenes[at];
        let camera = &mut scene.view.camera;
        let by = response.drag_delta();
        if lines != 0.0 {
            camera.distance = (camera.distance * 1.12f64.powf(-f64::from(lines))).clamp(0.02, 20.0);
        }
        let pans = response.dragged_by(PointerButton::Middle)
            || (response.dragged_by(PointerButton::Primary) && shift && !drawn);
        if pans {
            // What is at the target's distance follows the pointer.
            let point = 2.0 * 0.3f64.tan() * camera.distance / f64::from(size[1]) * f64::from(per_point);
            let (turn, distance) = (camera.turn, point * scene.diagonal());
            let world = turn * DVec3::new(-f64::from(by.x), f64::from(by.y), 0.0) * distance;
            let inverse = scene.geometry().world_from_index.inverse();
            let moved = inverse.transform_vector3(world) / scene.extent();
            scene.view.camera.target += moved;
        } else if response.dragged_by(PointerButton::Primary) && !drawn {
            let turn = DQuat::from_rotation_y(-f64::from(by.x) * 0.008)
                * DQuat::from_rotation_x(-f64::from(by.y) * 0.008);
            camera.turn = (camera.turn * turn).normalize();
        } else if response.dragged_by(PointerButton::Secondary) {
            turn_window(scene, by);
        } else if let (true, Some(pos)) = (response.clicked() && !drawn, response.interact_pointer_pos()) {
            let pixel = (pos - response.rect.min) * per_point;
            let pixel = [pixel.x.max(0.0) as u32, pixel.y.max(0.0) as u32];
            if let Some(canvas) = self.canvases.get(&id) {
                let picked = self.pointer.picked.clone();
                let ctx = ui.ctx().clone();
                self.context.painter.pick(canvas.shots(), size, [pixel, [1, 1]], move |places| {
                    picked
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(places.into_iter().flatten());
                    ctx.request_repaint();
                });
            }
        }
    }
}

impl Panes<'_> {
    /// Draws around something with the lasso; whether the pointer does that.
    fn draw_around(&mut self, ui: &Ui, response: &Response, id: TileId, scene: usize) -> bool {
        if self.active_tool.tool != Tool::Lasso {
            return false;
        }
        let pane = response.id;
        let over = response.contains_pointer() || response.is_pointer_button_down_on();
        for event in ui.input(|i| i.events.clone()) {
            let line = self.pointer.outline.as_mut().filter(|(of, _)| *of == pane).map(|(_, line)| line);
            match (event, line) {
                (
                    egui::Event::PointerButton {
                        pos,
                        button: PointerButton::Primary,
                        pressed: true,
                        modifiers,
                    },
                    _,
                ) if over && response.rect.contains(pos) && !modifiers.shift => {
                    self.pointer.outline = Some((pane, vec![pos]));
                }
                (egui::Event::PointerMoved(pos), Some(line)) => line.push(pos),
                (
                    egui::Event::PointerButton { button: PointerButton::Primary, pressed: false, .. },
                    Some(line),
                ) => {
                    let part = |pos: &Pos2| {
                        let part = (*pos - response.rect.min) / response.rect.size();
                        glam::DVec2::new(f64::from(part.x), f64::from(part.y))
                    };
                    let line = line.iter().map(part).collect();
                    let shots = self.canvases.get(&id).map_or(&[][..], |canvas| canvas.shots());
                    let seen = shots.iter().filter_map(|s| s.in_depth().map(|(l, rays)| (l, rays.clone())));
                    self.actions.lasso = Some(VolumeLasso { scene, seen: seen.collect(), line });
                    self.pointer.outline = None;
                    return true;
                }
                _ => {}
            }
        }
        self.pointer.outline.as_ref().is_some_and(|(of, _)| *of == pane)
    }

    /// Draws with a brush, or merges, over what is seen in three dimensions; whether the pointer does that. What begins
    /// beside everything turns the camera as without a tool.
    fn draw_on_surfaces(&mut self, ui: &Ui, response: &Response, id: TileId, size: [u32; 2]) -> bool {
        let tool = self.active_tool.tool;
        if !matches!(tool, Tool::Paint | Tool::Erase | Tool::Merge) {
            return false;
        }
        let (pane, rect) = (response.id, response.rect);
        let part = |pos: Pos2| (pos - rect.min) / rect.size();
        let over = response.contains_pointer() || response.is_pointer_button_down_on();
        for event in ui.input(|i| i.events.clone()) {
            let held = self.pointer.stroke.as_mut().filter(|s| s.pane() == pane);
            match (event, held) {
                (
                    egui::Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers },
                    held,
                ) => {
                    if let (false, Some(surface)) = (pressed, held) {
                        surface.push(part(pos), PointerPhase::Release);
                    } else if pressed && over && rect.contains(pos) && !modifiers.shift {
                        let Some(canvas) = self.canvases.get(&id) else { continue };
                        let (kind, wake) = ((pane, tool != Tool::Merge), self.wake.clone());
                        let mut surface =
                            SurfaceStroke::begin(kind, self.context.painter, canvas.shots(), size, wake);
                        surface.push(part(pos), PointerPhase::Press);
                        self.pointer.stroke = Some(surface);
                    }
                }
                (egui::Event::PointerMoved(pos), Some(surface)) => {
                    surface.push(part(pos), PointerPhase::Drag);
                }
                _ => {}
            }
        }
        let Some(surface) = self.pointer.stroke.as_mut().filter(|s| s.pane() == pane) else { return false };
        let (tool_inputs, over) = surface.tool_inputs();
        let drawn = !surface.is_beside();
        if over {
            self.pointer.stroke = None;
        }
        for (layer, place, phase) in tool_inputs {
            if let Some((scene, at)) = self.place_of(layer, place) {
                self.actions.tool_inputs.push(ToolInput { scene, axis: None, at, phase, shift: false });
            }
        }
        drawn
    }

    /// The scene of a layer, and where in it a place of the layer lies.
    fn place_of(&self, layer: u64, place: glam::Vec3) -> Option<(usize, DVec3)> {
        let mut scenes = self.document.scenes.iter().enumerate();
        scenes.find_map(|(s, scene)| {
            let own = scene.layers.iter().find(|l| l.id == layer)?.source.info().geometry();
            let world = own.world_from_index.transform_point3(place.as_dvec3());
            Some((s, scene.geometry().world_from_index.inverse().transform_point3(world)))
        })
    }

    /// Picks the place under the active tool, for its preview.
    fn look_for(
        &mut self,
        ui: &Ui,
        response: &Response,
        (id, scene): (TileId, usize),
        size: [u32; 2],
        per_point: f32,
    ) {
        let pane = response.id;
        let shows = matches!(self.active_tool.tool, Tool::Paint | Tool::Erase | Tool::Wand);
        let down = ui.input(|i| i.pointer.any_down());
        let Some(pos) = response.hover_pos().filter(|_| shows && !down) else {
            self.pointer.probe.take_if(|probe| probe.pane() == pane && (!shows || !down));
            return;
        };
        if self.pointer.probe.as_ref().is_none_or(|probe| probe.pane() != pane) {
            self.pointer.probe = Some(SurfaceProbe::new(pane));
        }
        let Some(probe) = self.pointer.probe.as_mut() else { return };
        probe.hear();
        let (tool, camera) = (self.active_tool.tool, self.document.scenes[scene].view.camera);
        if let (true, Some(canvas)) = (probe.wants(pos, camera), self.canvases.get(&id)) {
            let pixel = ((pos - response.rect.min) * per_point).max(egui::Vec2::ZERO);
            let pixel = [pixel.x as u32, pixel.y as u32];
            let (found, wake) = (probe.ask(pos, camera), self.wake.clone());
            self.context.painter.pick(canvas.shots(), size, [pixel, [1, 1]], move |places| {
                // Nobody listens when the pointer left.
                let _ = found.send(places.into_iter().next().flatten());
                wake();
            });
        }
        if tool == Tool::Wand && self.pointer.probe.as_ref().is_some_and(SurfaceProbe::is_known) {
            let place = self.pointer.probe.as_ref().and_then(SurfaceProbe::place);
            // Beside everything is outside of the image.
            let (scene, at) = place
                .and_then(|(layer, place)| self.place_of(layer, place))
                .unwrap_or((scene, DVec3::splat(f64::NEG_INFINITY)));
            self.actions.tool_inputs.push(ToolInput {
                scene,
                axis: None,
                at,
                phase: PointerPhase::Hover,
                shift: false,
            });
        }
    }

    /// Shows how far the ball of a brush reaches where it is.
    pub(super) fn show_ball(
        &self,
        painter: &egui::Painter,
        response: &Response,
        pane: &PaneArea,
        scene: usize,
    ) {
        let found = self
            .pointer
            .probe
            .as_ref()
            .filter(|probe| probe.pane() == response.id)
            .and_then(SurfaceProbe::place);
        let Some((s, at)) = found.and_then(|(layer, place)| self.place_of(layer, place)) else { return };
        let scene = &self.document.scenes[scene.min(s)];
        let least = scene.geometry().spacing().into_iter().fold(f64::INFINITY, f64::min);
        if let Some((at, radius)) = pane.ball(scene, at, self.active_tool.radius * least) {
            ring(painter, at, radius);
        }
    }
}
