//! The window: what it holds, and how a frame goes.

use super::canvas::{Canvas, Drawer, Studio};
use super::closing::Ending;
use super::commands::{self, Palette};
use super::dialogs::Answer;
use super::export::{self, Export};
use super::input::InputOrder;
use super::jobs::{self, Jobs};
use super::layout::Layout;
use super::links::{Before, Links};
use super::messages::{Messages, Offer};
use super::panels::Of;
use super::panes::{Drawn, Hand, Hover, Panes, Picked, Tile};
use super::recipe::{self, Bench};
use super::rulers::Rulers;
use super::session::{self, Restored};
use super::settings::{Keeper, Left, Settings};
use super::surface::{Probe, Surface};
use super::table::{self, Desk};
use super::theme;
use super::tools::{Closing, Kit, Phase, Tool, Touch};
use crate::view::open::{self, Done, Opener};
use crate::view::pace::Turns;
use crate::view::profile::Profile;
use crate::view::roi::Part;
use crate::view::{Content, Document, Layer, Painter, Pane, Scene};
use crossbeam_channel::{Receiver, Sender, unbounded};
use eframe::egui_wgpu::RenderState;
use egui::{Align2, Color32, Context, Panel, Ui};
use egui_tiles::{TileId, Tree};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use voxelry_core::Job;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{ImageSource, OpenOptions};
use voxelry_shaders::gpu::Gpu;

/// The panels on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// How what is chosen is shown.
    Display,
    /// Segmentation by hand.
    Segment,
    /// The recipe.
    Recipe,
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
    /// What images that move together share.
    pub links: Links,
    /// What is remembered.
    pub settings: Settings,
    /// Whether the settings are shown.
    pub settings_shown: bool,
    /// Jobs of a pool of workers.
    pub jobs: Jobs,
    /// Whether time goes on by itself.
    pub playing: bool,
    /// Whether mouse and keys are explained.
    pub help: bool,
    /// Whether histograms show logarithms.
    pub log: bool,
    /// What histograms are of.
    pub of: Of,
    /// What is known of a part of an image.
    pub roi: Part,
    /// The command palette.
    pub palette: Palette,
    /// How pictures and movies are exported.
    pub export: Export,
    /// Which panel is on the right.
    pub side: Side,
    /// The recipe that is being built.
    pub bench: Bench,
    /// The tools of segmentation.
    pub kit: Kit,
    /// Whether the tables of the last run are shown, and how.
    pub tables: bool,
    /// See `tables`.
    pub table: Desk,
    /// Rulers, and the one in hand.
    pub rulers: Rulers,
    pub(super) state: RenderState,
    pub(super) painter: Painter,
    pub(super) opener: Opener,
    pub(super) drawer: Drawer,
    pub(super) turns: Turns,
    pub(super) canvases: HashMap<TileId, Canvas>,
    pub(super) tree: Tree<Tile>,
    pub(super) layout: Layout,
    pub(super) maximised: Option<TileId>,
    pub(super) hover: Option<Hover>,
    pub(super) picked: Picked,
    /// A stroke in three dimensions.
    surface: Option<Surface>,
    /// What a tool is over in three dimensions.
    probe: Option<Probe>,
    /// A line that is drawn around something there.
    outline: Option<(egui::Id, Vec<egui::Pos2>)>,
    pub(super) wheel: f32,
    pub(super) profile: Option<Profile>,
    pub(super) opening: usize,
    /// What the user wants to close, and is asked about as it has edits that are not saved.
    pub(super) closing: Option<Closing>,
    /// The address that is being typed.
    pub address: Option<String>,
    /// Whether edits that are in no file may be lost.
    pub(super) may_lose: bool,
    /// Labels that are being saved.
    pub(super) saving_labels: usize,
    /// The session that is being saved.
    pub(super) saving: Option<Job>,
    /// How many images were asked for.
    pub(super) opened: u64,
    /// Openings of files that were dropped on the window, and the layer that was chosen then.
    pub(super) dropped: HashMap<u64, u64>,
    /// Whether a picture will get better by itself.
    #[cfg(test)]
    pub(super) unfinished: bool,
    pub(super) messages: Messages,
    pub(super) answers: (Sender<Answer>, Receiver<Answer>),
    pub(super) keeper: Option<Keeper>,
    /// Sessions that crashes left.
    pub(super) left: Vec<Left>,
    /// The system's wish that the program ends.
    pub(super) ending: Ending,
    /// Folders of the logs of edited labels, which are there until the program ends.
    pub(super) logs: BTreeSet<PathBuf>,
    /// Folders of results that are there until the program ends.
    pub(super) borrowed: Vec<PathBuf>,
    /// Whether the device is lost.
    pub(super) lost: Arc<AtomicBool>,
    /// When time went on last.
    pub(super) stepped: Instant,
    /// Whether the uppermost layer blinks, and is hidden now.
    pub(super) blinking: Option<bool>,
    pub(super) blinked: Instant,
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
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
        ctx.add_plugin(InputOrder::default());
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
            links: Links::default(),
            settings_shown: false,
            jobs: Jobs::default(),
            playing: false,
            help: false,
            log: true,
            of: Of::Whole,
            roi: Part::new(wake.clone()),
            palette: Palette::default(),
            export: Export::default(),
            side: Side::Display,
            bench: Bench::default(),
            kit: Kit::default(),
            tables: false,
            table: Desk::default(),
            rulers: Rulers::default(),
            drawer: Drawer::new(wake.clone()),
            turns: Turns::default(),
            painter: Painter::new(gpu, settings.device << 20, wake.clone()),
            opener: Opener::new(Cache::new(settings.memory << 20), wake.clone()),
            canvases: HashMap::new(),
            tree: Tree::empty(egui::Id::unique("panes")),
            layout: Layout::Planes,
            maximised: None,
            hover: None,
            picked: Picked::default(),
            surface: None,
            probe: None,
            outline: None,
            wheel: 0.0,
            profile: None,
            opening: 0,
            closing: None,
            address: None,
            may_lose: false,
            saving_labels: 0,
            saving: None,
            opened: 0,
            dropped: HashMap::new(),
            #[cfg(test)]
            unfinished: false,
            messages: Messages::default(),
            answers: unbounded(),
            keeper,
            left,
            ending: Ending::default(),
            logs: BTreeSet::new(),
            borrowed: Vec::new(),
            lost: Self::watch_device(&state.device, wake.clone()),
            stepped: Instant::now(),
            blinking: None,
            blinked: Instant::now(),
            state,
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

    /// How many pixels a pane has on the screen.
    pub fn size_of(&self, tile: Tile) -> Option<[u32; 2]> {
        let mut tiles = self.tree.tiles.iter();
        let (id, _) = tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if *p == tile))?;
        self.canvases.get(id)?.size()
    }

    fn restored(&mut self, restored: Restored) {
        self.document.scenes = restored.scenes;
        self.after_closing();
        self.links = restored.links;
        if let Some(recipe) = &restored.recipe {
            self.bench.load(recipe);
        }
        if !restored.tables.is_empty() {
            self.bench.tables = restored.tables;
            self.bench.about = restored.about;
            self.tables = true;
        }
        for (layer, edited) in restored.edited {
            self.take_up(layer, edited);
        }
        for layer in self.document.scenes.iter().flat_map(|s| &s.layers) {
            if layer.content == Content::Grey {
                self.opener.survey(layer);
            }
        }
        let several = self.document.scenes.len() > 1;
        self.lay_out(if several { Layout::Compare(Pane::Plane(0)) } else { Layout::Planes });
        if let Some(panes) = restored.panes {
            self.tree = panes;
        }
        restored.problems.into_iter().for_each(|p| self.tell(p));
    }

    /// What the user was told and has not closed.
    #[cfg(test)]
    pub fn messages(&self) -> Vec<&str> {
        self.messages.shown()
    }

    /// Whether no stroke is being drawn in three dimensions.
    #[cfg(test)]
    pub fn surface_is_idle(&self) -> bool {
        self.surface.is_none()
    }

    /// What a tool is over in three dimensions, and whether that is known.
    #[cfg(test)]
    pub fn probed(&self) -> Option<(crate::view::painter::Picked, bool)> {
        self.probe.as_ref().map(|probe| (probe.place(), probe.is_known()))
    }

    /// Closes what the user was told.
    #[cfg(test)]
    pub fn clear_messages(&mut self) {
        self.messages.clear();
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
                        let untouched = layer
                            .stats
                            .as_ref()
                            .is_none_or(|s| layer.display.window == Some(layer.window_of(s)));
                        if untouched && layer.display.window.is_none_or(|_| layer.stats.is_some()) {
                            layer.display.window = Some(layer.window_of(&stats));
                        }
                        layer.stats = Some(stats.clone());
                    }
                }
                Done::Seems(id, guess) => self.seems(id, guess),
                Done::Broken(id, message) => {
                    let mut layers = self.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
                    if let Some(layer) = layers.find(|l| l.id == id) {
                        layer.broken = Some(message.as_str().into());
                    }
                    self.tell(message);
                }
            }
        }
        let mut touched = Vec::new();
        let picked = std::mem::take(&mut *self.picked.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, place) in picked {
            let found = self.document.scenes.iter_mut().find(|s| s.layers.iter().any(|l| l.id == id));
            if let Some(scene) = found {
                let layer = scene.layers.iter().find(|l| l.id == id).expect("found above");
                let world =
                    layer.source.info().geometry().world_from_index.transform_point3(place.as_dvec3());
                let index = scene.geometry().world_from_index.inverse().transform_point3(world);
                scene.view.at = scene.snapped(scene.part(index));
                if self.kit.tool == Tool::Look {
                    let beside = ctx.input(|i| i.modifiers.command);
                    self.choose_in_layer(id, place.as_dvec3(), beside);
                } else {
                    touched.extend(
                        self.document
                            .scenes
                            .iter()
                            .position(|s| s.layers.iter().any(|l| l.id == id))
                            .map(|s| (s, index)),
                    );
                }
            }
        }
        for (scene, at) in touched {
            let shift = ctx.input(|i| i.modifiers.shift);
            for phase in [Phase::Press, Phase::Release] {
                self.touch(Touch { scene, axis: None, at, phase, shift });
            }
        }
        let answers: Vec<Answer> = self.answers.1.try_iter().collect();
        for answer in answers {
            match answer {
                // What is only shown of an edit, or still being done or saved, is waited for.
                Answer::Save(_) | Answer::SaveLabels(_) | Answer::Measure
                    if self.saving_labels > 0 || !self.labels_are_settled() =>
                {
                    let _ = self.answers.0.send(answer);
                    ctx.request_repaint();
                }
                Answer::Measure => self.measure_objects(),
                Answer::Open(paths) => {
                    paths.into_iter().for_each(|path| self.open(path, OpenOptions::default()));
                }
                Answer::Save(path) => self.save(path),
                Answer::Saved(path, saved) => self.saved(&path, saved),
                Answer::Export(path) => self.export(ctx, path),
                Answer::Learned(model) => self.learned(model),
                Answer::Names(names) => self.name_labels(names),
                Answer::SaveLabels(Some(path)) => self.save_labels(ctx, path),
                Answer::SaveLabels(None) => self.save_labels_again(ctx),
                Answer::Grown(layer, parts) => {
                    self.painter.changed(layer, &parts);
                    let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
                    if let Some(layer) = layers.find(|l| l.id == layer) {
                        layer.source.changed(&parts);
                    }
                }
                Answer::Became(id, made) => self.put_in_place_of(id, *made),
                Answer::SavedLabels(layer, saved) => self.saved_labels(layer, saved),
                Answer::Recipe(result) => match *result {
                    Ok(recipe) => self.bench.load(&recipe),
                    Err(error) => self.tell(error.to_string()),
                },
                Answer::Tell(message) => self.tell(message),
                Answer::Say(message) => self.say(message),
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
                if layer.path.is_some() {
                    self.opener.guess(layer);
                }
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
            let first = scenes[below].layers[0].source.clone();
            let over = layers.into_iter().map(|l| open::over(l, first.info(), self.opener.cache()));
            scenes[below].layers.extend(over);
            return;
        }
        // Labels that were there before their image.
        if let Some(early) =
            scenes.iter().position(|s| s.shape() == shape && are_labels(&s.layers)).filter(|_| !labels)
        {
            let first = layers[0].source.clone();
            let over = scenes.remove(early).layers.into_iter();
            layers.extend(over.map(|l| open::over(l, first.info(), self.opener.cache())));
        }
        let at = scenes.partition_point(|s| s.order <= order);
        scenes.insert(at, Scene { order, ..Scene::new(layers) });
        self.chosen = (if scenes.len() > 1 { self.chosen.0.min(scenes.len() - 1) } else { at }, 0);
        let several = self.document.scenes.len() > 1;
        let id = self.document.scenes[at].layers[0].id;
        self.lay_out(if several { Layout::Compare(Pane::Plane(0)) } else { self.layout });
        if let Some(onto) = self.dropped.remove(&order)
            && let (Some((s, _)), Some((other, _))) = (self.place_of(id), self.place_of(onto))
            && s != other
        {
            let names = [s, other].map(|s| self.document.scenes[s].name().to_owned());
            self.note(format!("{} stands beside {}", names[0], names[1]), Some(Offer::Overlay(id, onto)));
        }
    }

    /// Opens a file that was dropped on the window.
    fn open_dropped(&mut self, path: PathBuf) {
        let chosen = self.document.scenes.get(self.chosen.0).map(|s| s.layers[0].id);
        self.open(path, OpenOptions::default());
        if let Some(chosen) = chosen {
            self.dropped.insert(self.opened, chosen);
        }
    }

    /// Shows a layer where another one was, and as that was.
    fn put_in_place_of(&mut self, id: u64, made: Layer) {
        let Some((scene, at)) = self.place_of(id) else { return };
        if made.content == Content::Grey {
            self.opener.survey(&made);
        }
        self.say(format!("{} is finished", made.name));
        let layer = &mut self.document.scenes[scene].layers[at];
        *layer = Layer { display: layer.display.clone(), stats: layer.stats.clone(), ..made };
        self.keep_layers();
    }

    /// Calls for a frame, from any thread.
    pub fn waker(&self) -> Arc<dyn Fn() + Send + Sync> {
        self.wake.clone()
    }

    /// The layer that recipes run on: the one that is chosen, if it comes from a file or a run.
    pub fn layer_to_work_on(&self) -> Option<&Layer> {
        let scene = self.document.scenes.get(self.chosen.0)?;
        let grey = |l: &&Layer| l.content == Content::Grey && Some(l.id) != self.bench.shown();
        let chosen = scene.layers.get(self.chosen.1).filter(grey);
        chosen.or_else(|| scene.layers.iter().find(grey))
    }

    /// Shows what a recipe made over the image that is chosen; the number of its layer.
    pub fn add_result(&mut self, image: Arc<dyn ImageSource>, name: &str, preview: bool) -> Option<u64> {
        let mut layer = open::layers_of(image, name, None, self.opener.cache()).pop()?;
        let below = self.layer_to_work_on()?.display.clone();
        if layer.content == Content::Grey {
            layer.display = below;
            if !preview {
                self.opener.survey(&layer);
                layer.display.window = None;
            }
        } else if preview {
            (layer.display.outline, layer.display.opacity) = (false, 0.5);
        }
        let id = layer.id;
        layer.provenance = self.bench.recipe().ok().map(|recipe| recipe.to_toml().into());
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
        self.keep_layers();
    }

    /// What a tool is drawing around or across, in indices of its scene's grid.
    fn drawn(&self) -> Option<Drawn> {
        let (layer, axis, way) = self.kit.drawn()?;
        let (scene, l) = self.place_of(layer)?;
        let here = &self.document.scenes[scene];
        let own = here.layers[l].source.info().geometry().world_from_index;
        let index = here.geometry().world_from_index.inverse();
        let way = way.iter().map(|p| index.transform_point3(own.transform_point3(*p))).collect();
        Some(Drawn { scene, axis, way, open: self.kit.tool == Tool::Merge })
    }

    fn panes(&mut self, ui: &mut Ui) {
        self.hover = None;
        self.turns.begin();
        let [r, g, b] = theme::GROUND;
        let drawn = self.drawn();
        let mut panes = Panes {
            drawn,
            document: &mut self.document,
            canvases: &mut self.canvases,
            studio: Studio {
                state: &self.state,
                painter: &mut self.painter,
                drawer: &self.drawer,
                turns: &mut self.turns,
                background: [r, g, b],
            },
            crosshair: self.crosshair,
            preview: self.bench.is_previewing(),
            profile: &mut self.profile,
            wake: self.wake.clone(),
            active: &mut self.active,
            maximised: &mut self.maximised,
            hover: &mut self.hover,
            picked: &self.picked,
            wheel: &mut self.wheel,
            hand: Hand::of(&self.kit),
            surface: &mut self.surface,
            probe: &mut self.probe,
            outline: &mut self.outline,
            cut: None,
            touches: Vec::new(),
            rulers: &mut self.rulers,
            #[cfg(test)]
            unfinished: false,
            asked: Vec::new(),
            clicked: None,
        };
        let alone = panes.maximised.and_then(|id| self.tree.tiles.get_pane(&id).map(|tile| (id, *tile)));
        match alone {
            Some((id, tile)) => {
                panes.show(ui, id, tile);
            }
            None => self.tree.ui(&mut panes, ui),
        }
        #[cfg(test)]
        {
            self.unfinished = panes.unfinished;
        }
        let clicked = panes.clicked.take();
        let (touches, turned) = (std::mem::take(&mut panes.touches), panes.hand.turned);
        self.kit.holding = panes.hand.holding;
        let (asked, cut) = (std::mem::take(&mut panes.asked), panes.cut.take());
        if let Some(cut) = cut {
            self.cut_out(cut);
        }
        for touch in touches {
            self.touch(touch);
        }
        self.kit.turn(turned);
        for (id, tile, ask) in asked {
            self.active = Some(tile);
            self.rearrange(id, tile, ask);
        }
        if let Some((hover, beside)) = clicked {
            self.choose_at(hover, beside);
        }
        if let Some(active) = self.active
            && active.scene != self.chosen.0
            && active.scene < self.document.scenes.len()
        {
            self.chosen = (active.scene, 0);
        }
    }
}

impl eframe::App for Viewer {
    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.hand_over_if_lost();
        let before = Before::of(&self.document);
        self.receive(&ctx);
        recipe::receive(self);
        self.hear_desks();
        self.hear_threshold();
        self.follow_edits(&ctx);
        self.follow_seeds();
        self.learn_again();
        self.bench.remember(ctx.input(|i| i.time));
        if self.painter.begin() {
            ctx.request_repaint();
        }
        let dropped: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        for path in dropped {
            self.open_dropped(path);
        }
        commands::by_keys(self, &ctx);
        Panel::top("menu").show(ui, |ui| self.menu_bar(ui));
        Panel::bottom("status").show(ui, |ui| self.status_bar(ui));
        self.play(&ctx);
        self.blink(&ctx);
        self.time_bar(ui);
        let open = !self.document.scenes.is_empty();
        if open {
            table::show(self, ui);
            self.mark_objects();
            self.read_rulers();
        }
        if open {
            self.sides(ui);
        }
        let [r, g, b] = theme::GROUND;
        let empty = self.document.scenes.is_empty();
        let ground = if empty { ctx.global_style().visuals.panel_fill } else { Color32::from_rgb(r, g, b) };
        egui::CentralPanel::default().frame(egui::Frame::NONE.fill(ground)).show(ui, |ui| {
            let rect = ui.available_rect_before_wrap();
            if self.document.scenes.is_empty() {
                self.empty(ui);
            } else {
                self.panes(ui);
                self.ruler_bar(&ctx, rect);
            }
        });
        before.follow(&mut self.document, self.links);
        self.painter.end();
        export::show(self, &ctx);
        self.settings_window(&ctx);
        jobs::show(self, &ctx);
        self.end_if_wished(&ctx);
        self.ask_before_closing(&ctx);
        self.ask_for_address(&ctx);
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
