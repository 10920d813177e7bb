//! The window: what it holds, and how a frame goes.

use super::canvas::{Canvas, Drawer, Studio};
use super::commands::{self, Menu, Palette};
use super::panes::{Hover, Panes, Picked, Tile, readout};
use super::recipe::{self, Bench};
use super::session::{self, Restored, Session};
use super::settings::{Keeper, Settings};
use super::table::{self, Sheet};
use super::{panels, theme};
use crate::view::open::{self, Done, Opener};
use crate::view::profile::Profile;
use crate::view::work::MadeImage;
use crate::view::{Content, Document, Layer, Painter, Pane, Scene};
use crossbeam_channel::{Receiver, Sender, unbounded};
use eframe::egui_wgpu::RenderState;
use egui::{Align2, Color32, Context, Panel, RichText, Ui};
use egui_tiles::{TileId, Tiles, Tree};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use voxelry_core::Region;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{ImageSource, OpenOptions, atomic};
use voxelry_shaders::gpu::Gpu;

/// How panes are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The montage of one image.
    Montage,
    /// Three planes and 3D of one image.
    Planes,
    /// 3D of one image.
    Volume,
    /// A plane of every image.
    Compare,
    /// Every image in 3D.
    CompareVolumes,
}

/// The panels on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// How what is chosen is shown.
    Display,
    /// The recipe.
    Recipe,
}

/// Answers of dialogs, which nobody waits for.
enum Answer {
    Open(Vec<PathBuf>),
    Save(PathBuf),
    Export(PathBuf),
    OpenRecipe(PathBuf),
    SaveRecipe(PathBuf),
    SaveTable(PathBuf),
    Restored(Box<voxelry_core::Result<Restored>>),
    Say(String),
}

/// The window.
pub struct Viewer {
    /// What is open.
    pub document: Document,
    /// The scene and the layer that the panels are about.
    pub chosen: (usize, usize),
    /// The pane that has the keys.
    pub active: Option<Tile>,
    /// Whether crosshairs are shown.
    pub crosshair: bool,
    /// Whether views of different scenes move together.
    pub linked: bool,
    /// Whether the side panels are shown.
    pub panels: bool,
    /// What is remembered.
    pub settings: Settings,
    /// Whether the settings are shown.
    pub settings_shown: bool,
    /// Whether time goes on by itself.
    pub playing: bool,
    /// Whether mouse and keys are explained.
    pub help: bool,
    /// Whether histograms show logarithms.
    pub log: bool,
    /// The command palette.
    pub palette: Palette,
    /// Which panel is on the right.
    pub side: Side,
    /// The recipe that is being built.
    pub bench: Bench,
    /// Whether the tables of the last run are shown, and how.
    pub tables: bool,
    /// See `tables`.
    pub table: Sheet,
    state: RenderState,
    painter: Painter,
    opener: Opener,
    drawer: Drawer,
    canvases: HashMap<TileId, Canvas>,
    tree: Tree<Tile>,
    layout: Layout,
    maximised: Option<TileId>,
    hover: Option<Hover>,
    picked: Picked,
    wheel: f32,
    profile: Option<Profile>,
    opening: usize,
    /// How many images were asked for.
    opened: u64,
    messages: Vec<String>,
    answers: (Sender<Answer>, Receiver<Answer>),
    keeper: Option<Keeper>,
    /// Sessions that crashes left.
    left: Vec<PathBuf>,
    /// When time went on last.
    stepped: Instant,
    /// Whether the uppermost layer blinks, and is hidden now.
    blinking: Option<bool>,
    blinked: Instant,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Viewer {
    /// A window on images that are opened at once.
    pub fn new(
        ctx: &Context,
        state: RenderState,
        settings: Settings,
        keeper: Option<Keeper>,
        paths: Vec<PathBuf>,
        options: &OpenOptions,
    ) -> Self {
        theme::apply(ctx);
        let waker = ctx.clone();
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || waker.request_repaint());
        let info = state.adapter.get_info();
        let gpu = Gpu { device: state.device.clone(), queue: state.queue.clone(), info };
        ctx.set_theme(if settings.light { egui::Theme::Light } else { egui::Theme::Dark });
        ctx.set_zoom_factor(settings.scale);
        let left = keeper.as_ref().map(Keeper::left).unwrap_or_default();
        let mut viewer = Self {
            document: Document::default(),
            chosen: (0, 0),
            active: None,
            crosshair: true,
            linked: true,
            panels: true,
            settings_shown: false,
            playing: false,
            help: false,
            log: true,
            palette: Palette::default(),
            side: Side::Display,
            bench: Bench::default(),
            tables: false,
            table: Sheet::default(),
            drawer: Drawer::new(wake.clone()),
            painter: Painter::new(gpu, settings.device << 20, wake.clone()),
            opener: Opener::new(Cache::new(settings.memory << 20), wake.clone()),
            state,
            canvases: HashMap::new(),
            tree: Tree::empty(egui::Id::unique("panes")),
            layout: Layout::Planes,
            maximised: None,
            hover: None,
            picked: Picked::default(),
            wheel: 0.0,
            profile: None,
            opening: 0,
            opened: 0,
            messages: Vec::new(),
            answers: unbounded(),
            keeper,
            left,
            stepped: Instant::now(),
            blinking: None,
            blinked: Instant::now(),
            settings,
            wake,
        };
        for path in paths {
            viewer.open(path, options.clone());
        }
        viewer
    }

    /// Opens an image or a session; it appears when it is there.
    pub fn open(&mut self, path: PathBuf, options: OpenOptions) {
        self.opening += 1;
        if path.extension().is_some_and(|e| e == session::ENDING) {
            self.settings.opened(&path);
            let (send, cache) = (self.answers.0.clone(), self.opener.cache().clone());
            let wake = self.wake.clone();
            std::thread::spawn(move || {
                // Nobody listens when the window has closed.
                let _ = send.send(Answer::Restored(Box::new(session::restore(&path, &cache))));
                wake();
            });
        } else {
            self.opened += 1;
            self.opener.open(self.opened, path, options);
        }
    }

    /// The panes.
    pub fn tree(&self) -> &Tree<Tile> {
        &self.tree
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.painter.gpu()
    }

    /// Tells the user something, from any thread.
    pub fn say(&self) -> impl FnOnce(String) + Send + use<> {
        let send = self.answers.0.clone();
        move |message| {
            // Nobody listens when the window has closed.
            let _ = send.send(Answer::Say(message));
        }
    }

    /// How many pixels a pane has on the screen.
    pub fn size_of(&self, tile: Tile) -> Option<[u32; 2]> {
        let mut tiles = self.tree.tiles.iter();
        let (id, _) = tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if *p == tile))?;
        self.canvases.get(id)?.size()
    }

    fn restored(&mut self, restored: Restored) {
        self.document.scenes = restored.scenes;
        self.after_closing();
        self.linked = restored.linked;
        for layer in self.document.scenes.iter().flat_map(|s| &s.layers) {
            if layer.content == Content::Grey {
                self.opener.survey(layer);
            }
        }
        let several = self.document.scenes.len() > 1;
        self.lay_out(if several { Layout::Compare } else { Layout::Planes });
        if let Some(panes) = restored.panes {
            self.tree = panes;
        }
        restored.problems.into_iter().for_each(|p| self.tell(p));
    }

    /// Tells the user something.
    pub fn tell(&mut self, message: String) {
        if !self.messages.contains(&message) {
            self.messages.push(message);
        }
    }

    /// What the user was told and has not closed.
    #[cfg(test)]
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// Takes in what came of what was asked for.
    fn receive(&mut self, ctx: &Context) {
        let done: Vec<Done> = self.opener.done().collect();
        for done in done {
            match done {
                Done::Opened(order, Ok(layers)) => {
                    self.opening = self.opening.saturating_sub(1);
                    self.add(order, layers);
                }
                Done::Opened(_, Err(error)) => {
                    self.opening = self.opening.saturating_sub(1);
                    self.tell(error.to_string());
                }
                Done::Stats(id, stats) => {
                    let layers = self.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
                    for layer in layers.filter(|l| l.id == id) {
                        // A window that the user has chosen stays.
                        let untouched =
                            layer.stats.as_ref().is_none_or(|s| layer.display.window == Some(s.window));
                        if untouched && layer.display.window.is_none_or(|_| layer.stats.is_some()) {
                            layer.display.window = Some(stats.window);
                        }
                        layer.stats = Some(stats.clone());
                    }
                }
                Done::Failed(message) => self.tell(message),
            }
        }
        let picked = std::mem::take(&mut *self.picked.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, place) in picked {
            let found = self.document.scenes.iter_mut().find(|s| s.layers.iter().any(|l| l.id == id));
            if let Some(scene) = found {
                let layer = scene.layers.iter().find(|l| l.id == id).expect("found above");
                let world =
                    layer.source.info().geometry().world_from_index.transform_point3(place.as_dvec3());
                let index = scene.geometry().world_from_index.inverse().transform_point3(world);
                scene.view.at = scene.snapped(scene.part(index));
            }
        }
        let answers: Vec<Answer> = self.answers.1.try_iter().collect();
        for answer in answers {
            match answer {
                Answer::Open(paths) => {
                    paths.into_iter().for_each(|path| self.open(path, OpenOptions::default()));
                }
                Answer::Save(path) => match Session::of(self, &path).write(&path) {
                    Ok(()) => self.tell(format!("Saved {}", path.display())),
                    Err(error) => self.tell(error.to_string()),
                },
                Answer::Export(path) => self.export(ctx, path),
                Answer::OpenRecipe(path) => match crate::cli::recipes::load(&path.to_string_lossy()) {
                    Ok(recipe) => self.bench.load(&recipe),
                    Err(error) => self.tell(error.to_string()),
                },
                Answer::SaveRecipe(path) => {
                    let saved =
                        self.bench.recipe().and_then(|r| atomic::write(&path, r.to_toml().as_bytes()));
                    self.tell(saved.map_or_else(|e| e.to_string(), |()| format!("Saved {}", path.display())));
                }
                Answer::SaveTable(path) => {
                    let table = self.bench.tables.get(self.table.chosen());
                    let saved = table.map_or(Ok(()), |(_, table)| table.write(&path));
                    self.tell(saved.map_or_else(|e| e.to_string(), |()| format!("Saved {}", path.display())));
                }
                Answer::Say(message) => self.tell(message),
                Answer::Restored(result) => {
                    self.opening = self.opening.saturating_sub(1);
                    match *result {
                        Ok(restored) => self.restored(restored),
                        Err(error) => self.tell(error.to_string()),
                    }
                }
            }
        }
        for message in self.painter.errors() {
            self.tell(message);
        }
    }

    /// Shows the layers of an image: labels over the last image of their shape, others by themselves, in
    /// the order in which they were asked for.
    fn add(&mut self, order: u64, mut layers: Vec<Layer>) {
        for layer in &layers {
            if layer.content == Content::Grey {
                self.opener.survey(layer);
            }
        }
        if let Some(path) = &layers[0].path {
            self.settings.opened(path);
        }
        let are_labels = |layers: &[Layer]| layers.iter().all(|l| l.content == Content::Labels);
        let labels = are_labels(&layers);
        let shape = layers[0].source.info().shape();
        let scenes = &mut self.document.scenes;
        if let Some(below) =
            scenes.iter().rposition(|s| s.shape() == shape && !are_labels(&s.layers)).filter(|_| labels)
        {
            scenes[below].layers.extend(layers);
            return;
        }
        // Labels that were there before their image.
        if let Some(early) =
            scenes.iter().position(|s| s.shape() == shape && are_labels(&s.layers)).filter(|_| !labels)
        {
            layers.extend(scenes.remove(early).layers);
        }
        let at = scenes.partition_point(|s| s.order <= order);
        scenes.insert(at, Scene { order, ..Scene::new(layers) });
        self.chosen = (if scenes.len() > 1 { self.chosen.0.min(scenes.len() - 1) } else { at }, 0);
        let several = self.document.scenes.len() > 1;
        self.lay_out(if several { Layout::Compare } else { self.layout });
    }

    /// Arranges the panes.
    pub fn lay_out(&mut self, layout: Layout) {
        self.layout = layout;
        self.maximised = None;
        let scene = self.chosen.0.min(self.document.scenes.len().saturating_sub(1));
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
            Layout::Compare => (0..self.document.scenes.len()).map(|s| pane(s, Pane::Plane(0))).collect(),
            Layout::CompareVolumes => {
                (0..self.document.scenes.len()).map(|s| pane(s, Pane::Volume)).collect()
            }
        };
        let root = if let [one] = panes[..] { one } else { tiles.insert_grid_tile(panes) };
        for canvas in self.canvases.values_mut() {
            canvas.free(&self.state);
        }
        self.canvases.clear();
        self.tree = Tree::new(egui::Id::unique("panes"), root, tiles);
        let first = match layout {
            Layout::Montage => Pane::Montage,
            Layout::Volume | Layout::CompareVolumes => Pane::Volume,
            _ => Pane::Plane(0),
        };
        self.active = Some(Tile { scene, pane: first });
    }

    /// A scene was chosen: panes of one image show it.
    pub fn active_scene(&mut self, scene: usize) {
        let compares = matches!(self.layout, Layout::Compare | Layout::CompareVolumes);
        if compares || self.active.is_some_and(|t| t.scene == scene) {
            if let Some(active) = &mut self.active {
                active.scene = scene;
            }
            return;
        }
        for tile in self.tree.tiles.tiles_mut() {
            if let egui_tiles::Tile::Pane(tile) = tile {
                tile.scene = scene;
            }
        }
        if let Some(active) = &mut self.active {
            active.scene = scene;
        }
    }

    /// Closes the scene that is chosen.
    pub fn close_scene(&mut self) {
        let scene = self.chosen.0;
        if scene < self.document.scenes.len() {
            self.document.scenes.remove(scene);
            self.after_closing();
        }
    }

    /// Closes a layer, and its scene if it was the last one.
    pub fn close_layer(&mut self, scene: usize, layer: usize) {
        let Some(of) = self.document.scenes.get_mut(scene) else { return };
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
        self.document.scenes[other].layers.extend(layers);
        self.document.scenes.remove(scene);
        self.after_closing();
        self.chosen = (if scene < other { other - 1 } else { other }, top);
    }

    /// Shows and hides the uppermost layer in turns.
    fn blink(&mut self, ctx: &Context) {
        let Some(hidden) = &mut self.blinking else { return };
        const EACH: Duration = Duration::from_millis(600);
        if self.blinked.elapsed() >= EACH {
            self.blinked = Instant::now();
            *hidden = !*hidden;
        }
        let hidden = *hidden;
        for scene in self.document.scenes.iter_mut().filter(|s| s.layers.len() > 1) {
            if let Some(layer) = scene.layers.last_mut() {
                layer.display.visible = !hidden;
            }
        }
        ctx.request_repaint_after(EACH);
    }

    /// Begins or ends blinking; in the end everything is shown.
    pub fn toggle_blinking(&mut self) {
        self.blinking = if self.blinking.is_some() { None } else { Some(false) };
        for scene in self.document.scenes.iter_mut().filter(|s| s.layers.len() > 1) {
            if let Some(layer) = scene.layers.last_mut() {
                layer.display.visible = true;
            }
        }
    }

    /// Whether images lie over each other.
    pub fn has_layers(&self) -> bool {
        self.document.scenes.iter().any(|s| s.layers.len() > 1)
    }

    fn after_closing(&mut self) {
        let there: Vec<u64> = self.document.scenes.iter().flat_map(|s| &s.layers).map(|l| l.id).collect();
        self.painter.keep(|id| there.contains(&id));
        self.chosen = (0, 0);
        self.hover = None;
        let alone = self.document.scenes.len() <= 1;
        let compares = matches!(self.layout, Layout::Compare | Layout::CompareVolumes);
        let layout = if alone && compares { Layout::Planes } else { self.layout };
        if self.document.scenes.is_empty() {
            self.tree = Tree::empty(egui::Id::unique("panes"));
            self.active = None;
            self.layout = layout;
        } else {
            self.lay_out(layout);
        }
    }

    fn scene(&mut self) -> Option<&mut Scene> {
        let at = self.active.map_or(self.chosen.0, |t| t.scene);
        self.document.scenes.get_mut(at)
    }

    /// Shows all of the image again.
    pub fn fit(&mut self) {
        let all = self.linked;
        let at = self.active.map_or(0, |t| t.scene);
        for (i, scene) in self.document.scenes.iter_mut().enumerate() {
            if all || i == at {
                let fresh = crate::view::View::default();
                let view = &mut scene.view;
                (view.middle, view.zoom) = (fresh.middle, fresh.zoom);
                (view.montage.zoom, view.montage.middle) = (fresh.montage.zoom, fresh.montage.middle);
                (view.camera.target, view.camera.distance) = (fresh.camera.target, fresh.camera.distance);
            }
        }
    }

    /// Takes the window from the percentiles again.
    pub fn reset_window(&mut self) {
        if let Some(scene) = self.scene() {
            for layer in &mut scene.layers {
                layer.display.window = layer.stats.as_ref().map(|s| s.window);
            }
        }
    }

    /// Shows or hides all labels.
    pub fn toggle_labels(&mut self) {
        let layers = || self.document.scenes.iter().flat_map(|s| &s.layers);
        let shown = layers().any(|l| l.content == Content::Labels && l.display.visible);
        for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
            if layer.content == Content::Labels {
                layer.display.visible = !shown;
            }
        }
    }

    /// Moves through the slices of the pane that has the keys.
    pub fn step(&mut self, by: i64) {
        let Some(tile) = self.active else { return };
        let linked = self.linked;
        let Some(scene) = self.document.scenes.get_mut(tile.scene) else { return };
        let axis = match tile.pane {
            Pane::Plane(axis) => axis,
            _ => scene.view.montage.axis,
        };
        scene.step(axis, by);
        let at = scene.view.at;
        if linked {
            self.document.scenes.iter_mut().for_each(|s| s.view.at = s.snapped(at));
        }
    }

    /// Whether an image has several time frames.
    pub fn has_times(&self) -> bool {
        self.document.scenes.iter().flat_map(|s| &s.layers).any(|l| l.source.info().times > 1)
    }

    /// Moves through time.
    pub fn step_time(&mut self, by: i64) {
        for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
            let last = layer.source.info().times as i64 - 1;
            layer.time = (layer.time as i64 + by).clamp(0, last) as usize;
        }
    }

    /// Fills the window with the pane that has the keys, or goes back.
    pub fn toggle_maximised(&mut self) {
        self.maximised = match (self.maximised, self.active) {
            (None, Some(active)) => {
                let mut tiles = self.tree.tiles.iter();
                tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if *p == active)).map(|(id, _)| *id)
            }
            _ => None,
        };
    }

    /// From dark to light or back.
    pub fn switch_theme(&mut self, ctx: &Context) {
        self.settings.light = !self.settings.light;
        self.apply_settings(ctx);
    }

    fn apply_settings(&mut self, ctx: &Context) {
        ctx.set_theme(if self.settings.light { egui::Theme::Light } else { egui::Theme::Dark });
        ctx.set_zoom_factor(self.settings.scale);
        self.opener.cache().set_budget(self.settings.memory << 20);
        self.settings.save();
    }

    fn settings_window(&mut self, ctx: &Context) {
        if !self.settings_shown {
            return;
        }
        let (mut shown, before) = (true, self.settings.clone());
        let settings = &mut self.settings;
        egui::Window::new("Settings").open(&mut shown).collapsible(false).resizable(false).show(ctx, |ui| {
            egui::Grid::new("settings").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
                ui.label("Theme");
                ui.horizontal(|ui| {
                    ui.selectable_value(&mut settings.light, false, "Dark");
                    ui.selectable_value(&mut settings.light, true, "Light");
                });
                ui.end_row();
                ui.label("Size of text and buttons");
                egui::ComboBox::from_id_salt("scale")
                    .selected_text(format!("{:.0} %", settings.scale * 100.0))
                    .show_ui(ui, |ui| {
                        for percent in [75, 90, 100, 110, 125, 150, 175, 200] {
                            let scale = f32::from(percent as i16) / 100.0;
                            ui.selectable_value(&mut settings.scale, scale, format!("{percent} %"));
                        }
                    });
                ui.end_row();
                ui.label("Images in memory, at most");
                ui.add(
                    egui::DragValue::new(&mut settings.memory).range(64..=4_000_000).speed(16).suffix(" MB"),
                );
                ui.end_row();
                ui.label("On the graphics device, at most");
                ui.add(egui::DragValue::new(&mut settings.device).range(16..=65_536).speed(16).suffix(" MB"))
                    .on_hover_text("For each kind of voxel; from the next start on");
                ui.end_row();
            });
        });
        self.settings_shown = shown;
        if self.settings != before {
            self.apply_settings(ctx);
        }
    }

    /// Offers what a crash left.
    fn offer(&mut self, ctx: &Context) {
        let Some(path) = self.left.first().cloned() else { return };
        let mut answer = None;
        egui::Window::new("The last session did not end properly")
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .show(ctx, |ui| {
                ui.label("What was open then can be opened again.");
                ui.add_space(6.0);
                ui.horizontal(|ui| {
                    if ui.button("Open it again").clicked() {
                        answer = Some(true);
                    }
                    if ui.button("Forget it").clicked() {
                        answer = Some(false);
                    }
                });
            });
        let Some(again) = answer else { return };
        self.left.remove(0);
        if !again {
            Keeper::forget(&path);
            return;
        }
        self.opening += 1;
        let (send, cache, wake) = (self.answers.0.clone(), self.opener.cache().clone(), self.wake.clone());
        std::thread::spawn(move || {
            let restored = session::restore(&path, &cache);
            if restored.is_ok() {
                Keeper::forget(&path);
            }
            // Nobody listens when the window has closed.
            let _ = send.send(Answer::Restored(Box::new(restored)));
            wake();
        });
    }

    /// Keeps what is open for the case of a crash.
    fn keep(&mut self, ctx: &Context) {
        ctx.request_repaint_after(Duration::from_secs(10));
        let Some(mut keeper) = self.keeper.take() else { return };
        if keeper.is_due()
            && !self.document.scenes.is_empty()
            && let Ok(text) = Session::of(self, keeper.path()).text()
        {
            keeper.keep(text);
        }
        self.keeper = Some(keeper);
    }

    /// Lets time go on, if it is to.
    fn play(&mut self, ctx: &Context) {
        if !self.playing || !self.has_times() {
            return;
        }
        const EACH: Duration = Duration::from_millis(125);
        let late = self.stepped.elapsed() >= 8 * EACH;
        if self.stepped.elapsed() >= EACH && (late || !self.painter.is_busy()) {
            self.stepped = Instant::now();
            for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
                layer.time = (layer.time + 1) % layer.source.info().times;
            }
        }
        ctx.request_repaint_after(EACH);
    }

    /// Time, where there is any.
    fn time_bar(&mut self, ui: &mut Ui) {
        let layers = || self.document.scenes.iter().flat_map(|s| &s.layers);
        let Some(longest) =
            layers().max_by_key(|l| l.source.info().times).filter(|l| l.source.info().times > 1)
        else {
            return;
        };
        let (times, each) = (longest.source.info().times, longest.source.info().time_step);
        let mut time = longest.time + 1;
        Panel::bottom("time").show(ui, |ui| {
            ui.horizontal(|ui| {
                let name = if self.playing { "Pause" } else { "Play" };
                if ui.button(name).clicked() {
                    self.playing = !self.playing;
                }
                ui.label("Time frame");
                ui.spacing_mut().slider_width = (ui.available_width() - 190.0).max(80.0);
                let moved = ui.add(egui::Slider::new(&mut time, 1..=times)).changed();
                let seconds =
                    each.map(|e| format!(" · {} s", crate::view::plane::short((time - 1) as f64 * e)));
                ui.label(RichText::new(format!("of {times}{}", seconds.unwrap_or_default())).weak());
                if moved {
                    for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
                        layer.time = (time - 1).min(layer.source.info().times - 1);
                    }
                }
            });
        });
    }

    /// Asks which images to open.
    pub fn ask_for_images(&mut self, ctx: &Context) {
        self.ask(ctx, |dialog| dialog.set_title("Open images").pick_files().map(Answer::Open));
    }

    /// Asks which folder of slices, or which OME-Zarr, to open.
    pub fn ask_for_folder(&mut self, ctx: &Context) {
        self.ask(ctx, |d| d.set_title("Open a folder").pick_folder().map(|p| Answer::Open(vec![p])));
    }

    /// Asks where the session goes.
    pub fn ask_where_to_save(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let dialog = d.add_filter("Voxelry session", &["voxelry"]).set_file_name("session.voxelry");
            dialog.save_file().map(Answer::Save)
        });
    }

    /// Asks where the picture goes.
    pub fn ask_where_to_export(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            d.add_filter("PNG picture", &["png"]).set_file_name("picture.png").save_file().map(Answer::Export)
        });
    }

    /// Asks which recipe to open.
    pub fn ask_for_recipe(&mut self, ctx: &Context) {
        self.ask(ctx, |d| d.add_filter("Recipe", &["toml"]).pick_file().map(Answer::OpenRecipe));
    }

    /// Asks where the recipe goes.
    pub fn ask_where_to_save_recipe(&mut self, ctx: &Context) {
        let file =
            |d: rfd::FileDialog| d.add_filter("Recipe", &["toml"]).set_file_name("recipe.toml").save_file();
        self.ask(ctx, move |d| file(d).map(Answer::SaveRecipe));
    }

    /// Asks where the table that is shown goes.
    pub fn ask_where_to_save_table(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let dialog = d.add_filter("Table", &["csv", "parquet"]).set_file_name("objects.csv");
            dialog.save_file().map(Answer::SaveTable)
        });
    }

    /// Calls for a frame, from any thread.
    pub fn waker(&self) -> Arc<dyn Fn() + Send + Sync> {
        self.wake.clone()
    }

    /// The layer that recipes run on: the one that is chosen, if it comes from a file or a run.
    pub fn layer_to_work_on(&self) -> Option<&Layer> {
        let scene = self.document.scenes.get(self.chosen.0)?;
        let chosen = scene.layers.get(self.chosen.1).filter(|l| l.content == Content::Grey);
        chosen.or_else(|| scene.layers.iter().find(|l| l.content == Content::Grey))
    }

    /// What is visible of it, for previews.
    pub fn visible(&self) -> Option<Region> {
        let scene = self.document.scenes.get(self.chosen.0)?;
        let axis = match self.active.map(|t| t.pane) {
            Some(Pane::Plane(axis)) => axis,
            _ => 0,
        };
        Some(recipe::around(self.layer_to_work_on()?, scene.voxel(), axis))
    }

    /// Shows what a recipe made over the image that is chosen; the number of its layer.
    pub fn add_result(&mut self, image: Arc<MadeImage>, name: &str, preview: bool) -> Option<u64> {
        let mut layer = open::layers_of(image, name, None, self.opener.cache()).pop()?;
        let below = self.layer_to_work_on()?.display.clone();
        if layer.content == Content::Grey {
            layer.display = below;
            if !preview {
                self.opener.survey(&layer);
                layer.display.window = None;
            }
        }
        let id = layer.id;
        self.document.scenes.get_mut(self.chosen.0)?.layers.push(layer);
        Some(id)
    }

    /// Takes a layer away by its number.
    pub fn remove_layer(&mut self, id: u64) {
        for scene in &mut self.document.scenes {
            if scene.layers.len() > 1 {
                scene.layers.retain(|l| l.id != id);
            }
        }
        let there: Vec<u64> = self.document.scenes.iter().flat_map(|s| &s.layers).map(|l| l.id).collect();
        self.painter.keep(|id| there.contains(&id));
    }

    /// Puts the crosshair on a voxel `[z, y, x]`.
    pub fn jump(&mut self, [z, y, x]: [f64; 3]) {
        if let Some(scene) = self.document.scenes.get_mut(self.chosen.0) {
            scene.view.at = scene.snapped(scene.part(glam::DVec3::new(x, y, z)));
            scene.view.middle = scene.view.at;
        }
    }

    fn ask(&self, ctx: &Context, ask: impl FnOnce(rfd::FileDialog) -> Option<Answer> + Send + 'static) {
        let (send, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            if let Some(answer) = ask(rfd::FileDialog::new()) {
                // Nobody listens when the window has closed.
                let _ = send.send(answer);
                ctx.request_repaint();
            }
        });
    }

    fn menu_bar(&mut self, ui: &mut Ui) {
        egui::MenuBar::new().ui(ui, |ui| {
            for (menu, title) in Menu::ALL {
                ui.menu_button(title, |ui| {
                    ui.set_min_width(230.0);
                    if menu == Menu::File {
                        self.recent(ui);
                    }
                    commands::menu(self, ui, menu);
                });
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if self.document.scenes.is_empty() {
                    return;
                }
                let layouts = [
                    ("3D", Layout::Volume, "3D alone (3)"),
                    ("Planes", Layout::Planes, "Three planes and 3D (2)"),
                    ("Montage", Layout::Montage, "All slices (1)"),
                ];
                if self.document.scenes.len() > 1 {
                    let compares = matches!(self.layout, Layout::Compare | Layout::CompareVolumes);
                    if ui.selectable_label(compares, "Compare").on_hover_text("All images (4, 5)").clicked() {
                        self.lay_out(Layout::Compare);
                    }
                }
                for (name, layout, hint) in layouts {
                    if ui.selectable_label(self.layout == layout, name).on_hover_text(hint).clicked() {
                        self.lay_out(layout);
                    }
                }
            });
        });
    }

    fn recent(&mut self, ui: &mut Ui) {
        let there: Vec<PathBuf> = self.settings.recent.clone();
        ui.add_enabled_ui(!there.is_empty(), |ui| {
            ui.menu_button("Open recent", |ui| {
                for path in there {
                    let name =
                        path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                    if ui.button(name).on_hover_text(path.display().to_string()).clicked() {
                        self.open(path, OpenOptions::default());
                        ui.close();
                    }
                }
            });
        });
    }

    fn status_bar(&mut self, ui: &mut Ui) {
        let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let [gpu, most] = self.painter.memory();
            let (ram, full) = (self.opener.cache().bytes(), self.opener.cache().budget());
            let text = format!("RAM {} / {}   GPU {} / {}", bytes(ram), bytes(full), bytes(gpu), bytes(most));
            let adapter = &self.painter.gpu().info;
            let (name, backend) = (&adapter.name, adapter.backend);
            let hint = format!(
                "Blocks of images in memory, and bricks on the graphics device\n{name} ({backend:?})"
            );
            ui.label(RichText::new(text).small().weak()).on_hover_text(hint);
            if self.opening > 0 || self.painter.is_busy() {
                ui.spinner();
            }
            // What is left of the bar is for what the pointer is over, or for what the buttons do.
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                let text = match self.hover.and_then(|hover| readout(&self.document, hover)) {
                    Some(text) => RichText::new(text).monospace(),
                    None => RichText::new(hint_for(self.active, ui)).weak(),
                };
                ui.add(egui::Label::new(text).truncate());
            });
        });
    }

    fn empty(&mut self, ui: &mut Ui) {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.32).max(20.0));
            if self.opening > 0 {
                ui.spinner();
                ui.label("Opening");
                return;
            }
            ui.label(RichText::new("Drop images here").size(24.0).strong());
            ui.add_space(6.0);
            ui.label(
                RichText::new("NIfTI, TIFF, OME-TIFF, OME-Zarr, NRRD, MetaImage, NPY, or a folder of slices")
                    .weak(),
            );
            ui.add_space(18.0);
            ui.horizontal(|ui| {
                let wide = 2.0 * 130.0 + ui.spacing().item_spacing.x;
                ui.add_space((ui.available_width() - wide) / 2.0);
                let size = egui::vec2(130.0, 32.0);
                if ui.add_sized(size, egui::Button::new("Open images…")).clicked() {
                    self.ask_for_images(&ui.ctx().clone());
                }
                if ui.add_sized(size, egui::Button::new("Open folder…")).clicked() {
                    self.ask_for_folder(&ui.ctx().clone());
                }
            });
            if let Some(sample) = super::sample() {
                ui.add_space(8.0);
                let name = "Open the sample: a brain in MRI";
                if ui.link(name).clicked() {
                    self.open(sample, OpenOptions::default());
                }
            }
        });
    }

    fn panes(&mut self, ui: &mut Ui) {
        self.hover = None;
        let [r, g, b] = theme::GROUND;
        let mut panes = Panes {
            document: &mut self.document,
            canvases: &mut self.canvases,
            studio: Studio {
                state: &self.state,
                painter: &mut self.painter,
                drawer: &self.drawer,
                background: [r, g, b],
            },
            linked: self.linked,
            crosshair: self.crosshair,
            preview: self.bench.is_previewing(),
            profile: &mut self.profile,
            wake: self.wake.clone(),
            active: &mut self.active,
            maximised: &mut self.maximised,
            hover: &mut self.hover,
            picked: &self.picked,
            wheel: &mut self.wheel,
        };
        let alone = panes.maximised.and_then(|id| self.tree.tiles.get_pane(&id).map(|tile| (id, *tile)));
        match alone {
            Some((id, tile)) => panes.show(ui, id, tile),
            None => self.tree.ui(&mut panes, ui),
        }
        if let Some(active) = self.active
            && active.scene != self.chosen.0
            && active.scene < self.document.scenes.len()
        {
            self.chosen = (active.scene, 0);
        }
    }

    fn show_messages(&mut self, ctx: &Context) {
        if self.messages.is_empty() {
            return;
        }
        let mut closed = None;
        egui::Area::new(egui::Id::unique("messages")).anchor(Align2::RIGHT_BOTTOM, [-12.0, -36.0]).show(
            ctx,
            |ui| {
                for (i, message) in self.messages.iter().enumerate() {
                    egui::Frame::popup(ui.style()).show(ui, |ui| {
                        ui.set_max_width(420.0);
                        ui.horizontal(|ui| {
                            ui.add(egui::Label::new(message).wrap().selectable(true));
                            if ui.button("×").on_hover_text("Close").clicked() {
                                closed = Some(i);
                            }
                        });
                    });
                }
            },
        );
        if let Some(i) = closed {
            self.messages.remove(i);
        }
    }
}

impl eframe::App for Viewer {
    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.receive(&ctx);
        recipe::receive(self);
        if self.painter.begin() {
            ctx.request_repaint();
        }
        let dropped: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        for path in dropped {
            self.open(path, OpenOptions::default());
        }
        commands::by_keys(self, &ctx);
        Panel::top("menu").show(ui, |ui| self.menu_bar(ui));
        Panel::bottom("status").show(ui, |ui| self.status_bar(ui));
        self.play(&ctx);
        self.blink(&ctx);
        self.time_bar(ui);
        let open = !self.document.scenes.is_empty();
        if open && self.panels {
            table::show(self, ui);
            Panel::left("layers")
                .default_size(200.0)
                .size_range(140.0..=420.0)
                .show(ui, |ui| panels::layers(self, ui));
            Panel::right("inspector").default_size(270.0).size_range(240.0..=480.0).show(ui, |ui| {
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    ui.selectable_value(&mut self.side, Side::Display, "Display");
                    ui.selectable_value(&mut self.side, Side::Recipe, "Recipe");
                });
                ui.separator();
                match self.side {
                    Side::Display => panels::inspector(self, ui),
                    Side::Recipe => recipe::panel(self, ui),
                }
            });
        }
        egui::CentralPanel::default()
            .frame(egui::Frame::NONE)
            .show(ui, |ui| if self.document.scenes.is_empty() { self.empty(ui) } else { self.panes(ui) });
        self.painter.end();
        self.settings_window(&ctx);
        self.offer(&ctx);
        self.keep(&ctx);
        commands::palette(self, &ctx);
        super::help::show(&mut self.help, &ctx);
        self.show_messages(&ctx);
        if !ctx.input(|i| i.raw.hovered_files.is_empty()) {
            let rect = ctx.content_rect();
            let painter =
                ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
            painter.rect_filled(rect, 0.0, Color32::from_black_alpha(160));
            let font = egui::FontId::proportional(24.0);
            painter.text(rect.center(), Align2::CENTER_CENTER, "Drop to open", font, theme::OVER);
        }
    }
}

/// What the buttons do now.
fn hint_for(active: Option<Tile>, ui: &Ui) -> &'static str {
    let held = ui.input(|i| i.modifiers);
    match active.map(|t| t.pane) {
        None => "",
        Some(Pane::Volume) if held.shift => "Drag: move",
        Some(Pane::Volume) => {
            "Drag: turn · wheel: zoom · middle drag: move · click: crosshair to what is seen"
        }
        Some(_) if held.ctrl => "Wheel: zoom at the pointer",
        Some(Pane::Plane(_)) if held.shift => "Move: crosshair follows · wheel: ten slices",
        Some(Pane::Plane(_)) => {
            "Drag: crosshair · wheel: slices · Ctrl+wheel: zoom · middle drag: move · right drag: window"
        }
        Some(Pane::Montage) => {
            "Click: crosshair · drag: move · wheel: scroll · Ctrl+wheel: zoom · right drag: window"
        }
    }
}

/// Bytes, short.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    if n >= 1e9 { format!("{:.1} GB", n / 1e9) } else { format!("{:.0} MB", n / 1e6) }
}
