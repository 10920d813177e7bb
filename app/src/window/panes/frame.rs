//! The panes in a frame: how they are shown, and what becomes of their actions.

use super::{DrawnLine, PaneActions, Panes, PointerState};
use crate::window::app::Viewer;
use crate::window::canvas::CanvasContext;
use crate::window::theme;
use crate::window::tools::Tool;
use egui::Ui;
use voxelry_core::io::ImageSource;

impl Viewer {
    /// Line that the active tool is drawing, in indices of its scene's grid.
    fn drawn_line(&self) -> Option<DrawnLine> {
        let (layer, axis, points) = self.tools.drawn()?;
        let (scene, l) = self.place_of(layer)?;
        let here = &self.document.scenes[scene];
        let own = here.layers[l].source.info().geometry().world_from_index;
        let index = here.geometry().world_from_index.inverse();
        let points = points.iter().map(|p| index.transform_point3(own.transform_point3(*p))).collect();
        Some(DrawnLine { scene, axis, points, open: self.tools.tool == Tool::Merge })
    }

    /// Shows the panes, and applies their actions.
    pub(in crate::window) fn panes_ui(&mut self, ui: &mut Ui) {
        self.pointer.hover = None;
        self.caches.turns.begin();
        let mut panes = Panes {
            drawn: self.drawn_line(),
            document: &mut self.document,
            canvases: &mut self.caches.canvases,
            context: CanvasContext {
                state: &self.caches.render_state,
                painter: &mut self.caches.painter,
                draw_threads: &self.caches.draw_threads,
                turns: &mut self.caches.turns,
                background: theme::GROUND,
            },
            crosshair: self.view.crosshair,
            preview: self.recipe_editor.is_previewing(),
            profile: &mut self.caches.profile,
            wake: self.jobs.wake.clone(),
            active: &mut self.view.active,
            maximised: &mut self.view.maximised,
            pointer: &mut self.pointer,
            active_tool: PointerState::of(&self.tools),
            rulers: &mut self.rulers,
            actions: PaneActions::default(),
            #[cfg(test)]
            unfinished: false,
        };
        let alone = panes.maximised.and_then(|id| self.view.tree.tiles.get_pane(&id).map(|tile| (id, *tile)));
        match alone {
            Some((id, tile)) => _ = panes.show(ui, id, tile),
            None => self.view.tree.ui(&mut panes, ui),
        }
        #[cfg(test)]
        {
            self.caches.unfinished = panes.unfinished;
        }
        let (actions, tool) = (panes.actions, panes.active_tool);
        self.tools.gesture.pressed_pane = tool.pressed_pane;
        self.apply_pane_actions(actions);
        self.tools.turn_wheel(tool.turned);
    }

    fn apply_pane_actions(&mut self, actions: PaneActions) {
        if let Some(lasso) = actions.lasso {
            self.apply_volume_lasso(lasso);
        }
        for input in actions.tool_inputs {
            self.use_tool(input);
        }
        for (id, tile, action) in actions.panes {
            self.view.active = Some(tile);
            self.rearrange(id, tile, action);
        }
        if let Some((hover, extend)) = actions.clicked {
            self.choose_at(hover, extend);
        }
        if let Some(active) = self.view.active
            && active.scene != self.view.chosen.0
            && active.scene < self.document.scenes.len()
        {
            self.view.chosen = (active.scene, 0);
        }
    }
}
