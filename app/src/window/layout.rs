//! Arrangement of the panes, and its updates when images are opened and closed.

use super::app::Viewer;
use super::messages::Offer;
use super::panes::{PaneAction, Tile};
use super::tools::CloseTarget;
use crate::view::difference::difference;
use crate::view::open::Guess;
use crate::view::{Content, Pane, Scene, open};
use egui_tiles::{TileId, Tiles, Tree};
use voxelry_core::io::ImageSource;

/// Arrangement of the panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The montage of one image.
    Montage,
    /// Three planes and 3D of one image.
    Planes,
    /// 3D of one image.
    Volume,
    /// A pane of every image.
    Compare(Pane),
}

impl Viewer {
    /// Arranges the panes.
    pub fn lay_out(&mut self, layout: Layout) {
        self.view.layout = layout;
        self.view.maximised = None;
        self.study.shown = false;
        let scene = self.view.chosen.0.min(self.document.scenes.len().saturating_sub(1));
        let mut tiles = Tiles::default();
        let mut pane = |scene: usize, pane: Pane| tiles.insert_pane(Tile { scene, pane });
        let panes: Vec<TileId> = match layout {
            Layout::Montage => vec![pane(scene, Pane::Montage)],
            Layout::Planes => {
                vec![
                    pane(scene, Pane::Plane(0)),
                    pane(scene, Pane::Plane(2)),
                    pane(scene, Pane::Plane(1)),
                    pane(scene, Pane::Volume),
                ]
            }
            Layout::Volume => vec![pane(scene, Pane::Volume)],
            Layout::Compare(each) => (0..self.document.scenes.len()).map(|s| pane(s, each)).collect(),
        };
        let root = if let [one] = panes[..] { one } else { tiles.insert_grid_tile(panes) };
        self.caches.drop_canvases();
        self.view.tree = Tree::new(egui::Id::unique("panes"), root, tiles);
        let first = match layout {
            Layout::Montage => Pane::Montage,
            Layout::Volume => Pane::Volume,
            Layout::Compare(each) => each,
            Layout::Planes => Pane::Plane(0),
        };
        self.view.active = Some(Tile { scene, pane: first });
    }

    /// Does what a pane was asked for.
    pub(super) fn rearrange(&mut self, id: TileId, tile: Tile, action: PaneAction) {
        match action {
            PaneAction::Show(shown) => {
                if let Some(egui_tiles::Tile::Pane(pane)) = self.view.tree.tiles.get_mut(id) {
                    *pane = shown;
                }
                self.view.active = Some(shown);
            }
            PaneAction::Beside | PaneAction::Below => {
                let tiles = &mut self.view.tree.tiles;
                let (parent, twin) = (tiles.parent_of(id), tiles.insert_pane(tile));
                let both = vec![id, twin];
                let split = if action == PaneAction::Beside {
                    tiles.insert_horizontal_tile(both)
                } else {
                    tiles.insert_vertical_tile(both)
                };
                match parent.and_then(|parent| tiles.get_mut(parent)) {
                    Some(egui_tiles::Tile::Container(container)) => {
                        let _ = container.replace_child(id, split);
                    }
                    _ => self.view.tree.root = Some(split),
                }
                self.view.maximised = None;
            }
            PaneAction::Maximise => {
                self.view.maximised = if self.view.maximised.is_some() { None } else { Some(id) }
            }
            PaneAction::Fit => self.fit(),
            PaneAction::Export => self.show_export(),
            PaneAction::Close => {
                let last = self.view.tree.tiles.tiles().filter(|t| t.is_pane()).count() < 2;
                if !last {
                    self.view.tree.remove_recursively(id);
                    self.caches.drop_canvas(id);
                    self.view.maximised = None;
                }
            }
        }
    }

    /// A scene was chosen: panes of one image show it.
    pub fn active_scene(&mut self, scene: usize) {
        let compares = matches!(self.view.layout, Layout::Compare(_));
        if compares || self.view.active.is_some_and(|t| t.scene == scene) {
            if let Some(active) = &mut self.view.active {
                active.scene = scene;
            }
            return;
        }
        for tile in self.view.tree.tiles.tiles_mut() {
            if let egui_tiles::Tile::Pane(tile) = tile {
                tile.scene = scene;
            }
        }
        if let Some(active) = &mut self.view.active {
            active.scene = scene;
        }
    }

    /// Closes the scene that is chosen.
    pub fn close_scene(&mut self) {
        let scene = self.view.chosen.0;
        let Some(of) = self.document.scenes.get(scene) else { return };
        let layers: Vec<u64> = of.layers.iter().map(|l| l.id).collect();
        if self.may_close(&layers, CloseTarget::Scene(layers[0])) {
            self.document.scenes.remove(scene);
            self.after_closing();
        }
    }

    /// Closes a layer, and its scene if it was the last one.
    pub fn close_layer(&mut self, scene: usize, layer: usize) {
        let Some(id) = self.document.scenes.get(scene).and_then(|s| s.layers.get(layer)).map(|l| l.id) else {
            return;
        };
        if !self.may_close(&[id], CloseTarget::Layer(id)) {
            return;
        }
        let of = &mut self.document.scenes[scene];
        of.layers.remove(layer);
        if of.layers.is_empty() {
            self.document.scenes.remove(scene);
        }
        self.after_closing();
    }

    /// Lays the layers of a scene over those of another, where they lie in the world.
    pub fn lay_over(&mut self, scene: usize, other: usize) {
        let layers = std::mem::take(&mut self.document.scenes[scene].layers);
        let top = self.document.scenes[other].layers.len();
        let first = self.document.scenes[other].layers[0].source.clone();
        let over = layers.into_iter().map(|l| open::over(l, first.info(), self.jobs.opener.cache()));
        self.document.scenes[other].layers.extend(over.collect::<Vec<_>>());
        self.document.scenes.remove(scene);
        self.after_closing();
        self.view.chosen = (if scene < other { other - 1 } else { other }, top);
    }

    /// Shows one layer minus another, which are scene and layer each, over the first.
    pub fn subtract(&mut self, from: (usize, usize), minus: (usize, usize)) {
        let layer = |at: (usize, usize)| self.document.scenes.get(at.0).and_then(|s| s.layers.get(at.1));
        let (Some(a), Some(b)) = (layer(from), layer(minus)) else { return };
        match difference(a, b, self.jobs.opener.cache()) {
            Ok(layer) => {
                self.jobs.opener.survey(&layer);
                let layers = &mut self.document.scenes[from.0].layers;
                layers.push(layer);
                self.view.chosen = (from.0, layers.len() - 1);
            }
            Err(error) => self.tell(error.to_string()),
        }
    }

    /// Takes the numbers of a layer, which is scene and layer, for those of objects, or for intensities.
    pub fn take_as(&mut self, (s, l): (usize, usize), content: Content) {
        let Some(layer) = self.document.scenes.get_mut(s).and_then(|s| s.layers.get_mut(l)) else { return };
        *layer = open::meant(layer, content, self.jobs.opener.cache());
        if content == Content::Grey && layer.stats.is_none() {
            self.jobs.opener.survey(layer);
        }
        self.keep_layers();
    }

    /// A layer seems to hold labels: where that is obvious it is taken as such and laid over its image; otherwise the user
    /// is asked.
    pub(super) fn seems(&mut self, id: u64, guess: Guess) {
        let Some((s, l)) = self.place_of(id) else { return };
        let layer = &self.document.scenes[s].layers[l];
        if layer.content == Content::Labels {
            return;
        }
        let name = layer.name.clone();
        let below = self.image_under(id);
        if guess != Guess::Named && below.is_none() {
            let text = format!("{name} looks like labels: whole numbers in areas of one value");
            return self.note(text, Some(Offer::AsLabels(vec![id])));
        }
        if let Some((made, over)) = self.as_labels(id) {
            let over = over.map_or(String::new(), |image| format!(", over {image}"));
            self.note(format!("{name} is shown as labels{over}"), Some(Offer::AsIntensities(made)));
        }
    }

    /// The scene with intensities of another file on the grid of a layer.
    fn image_under(&self, id: u64) -> Option<usize> {
        let (s, l) = self.place_of(id)?;
        let own = self.document.scenes[s].layers[l].source.info();
        let (shape, world) = (own.shape(), own.geometry().world_from_index);
        let scenes = self.document.scenes.iter().enumerate();
        let fits = |scene: &Scene| {
            let there = scene.geometry().world_from_index;
            scene.shape() == shape && there.abs_diff_eq(world, 1e-6)
        };
        let grey = |scene: &Scene| scene.layers.iter().any(|l| l.content == Content::Grey);
        scenes.rev().find(|(i, scene)| *i != s && fits(scene) && grey(scene)).map(|(i, _)| i)
    }

    /// Takes a layer as labels and lays it over the image of its grid; its new number, and the image's name.
    fn as_labels(&mut self, id: u64) -> Option<(u64, Option<String>)> {
        let (s, l) = self.place_of(id)?;
        let alone = self.document.scenes[s].layers.len() == 1;
        let below = self.image_under(id).filter(|_| alone);
        let name = below.map(|b| self.document.scenes[b].name().to_owned());
        self.take_as((s, l), Content::Labels);
        let made = self.document.scenes[s].layers[l].id;
        if let Some(below) = below {
            self.lay_over(s, below);
        }
        Some((made, name))
    }

    /// Does what a note has offered.
    pub(super) fn take_up_offer(&mut self, offer: Offer) {
        match offer {
            Offer::AsLabels(layers) => {
                for id in layers {
                    self.as_labels(id);
                }
            }
            Offer::AsIntensities(id) => {
                if let Some(place) = self.place_of(id) {
                    self.take_as(place, Content::Grey);
                }
            }
            Offer::Overlay(id, onto) => {
                if let (Some((s, _)), Some((other, _))) = (self.place_of(id), self.place_of(onto))
                    && s != other
                {
                    self.lay_over(s, other);
                }
            }
        }
    }

    /// Lets go of what belongs to layers that are no longer there.
    pub(super) fn keep_layers(&mut self) {
        let there: Vec<u64> = self.document.scenes.iter().flat_map(|s| &s.layers).map(|l| l.id).collect();
        self.caches.painter.keep(|id| there.contains(&id));
    }

    pub(super) fn after_closing(&mut self) {
        self.keep_layers();
        self.view.chosen = (0, 0);
        self.pointer.hover = None;
        let alone = self.document.scenes.len() <= 1;
        let compares = matches!(self.view.layout, Layout::Compare(_));
        let layout = if alone && compares { Layout::Planes } else { self.view.layout };
        if self.document.scenes.is_empty() {
            self.view.tree = Tree::empty(egui::Id::unique("panes"));
            self.view.active = None;
            self.view.layout = layout;
        } else {
            self.lay_out(layout);
        }
    }

    /// Fills the window with the pane that has the keys, or goes back.
    pub fn toggle_maximised(&mut self) {
        self.view.maximised = match (self.view.maximised, self.view.active) {
            (None, Some(active)) => {
                let mut tiles = self.view.tree.tiles.iter();
                tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if *p == active)).map(|(id, _)| *id)
            }
            _ => None,
        };
    }
}
