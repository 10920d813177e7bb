//! The window: its parts, and the course of a frame.

use super::caches::Caches;
use super::closing::Lifecycle;
use super::commands;
use super::dialog::Dialogs;
use super::export::{self, Export};
use super::input::InputOrder;
use super::jobs::Jobs;
use super::links::LinkState;
use super::panes::Tile;
use super::pointer::PointerTracker;
use super::pool::{self, PoolPanel};
use super::recipe::{self, RecipeEditor};
use super::rulers::Rulers;
use super::settings::{Autosave, Settings};
use super::study::StudyPanel;
use super::table::{self, ResultsPanel};
use super::theme;
use super::tools::ToolState;
use super::view_state::ViewState;
use crate::view::Document;
use eframe::egui_wgpu::RenderState;
use egui::{Align2, Color32, Context, Panel, Ui};
use egui_tiles::Tree;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::io::OpenOptions;
use voxelry_shaders::gpu::Gpu;

/// The window. Every change of the document goes through its methods, which commands and panels call.
pub struct Viewer {
    /// The open images: saved, and edited with undo.
    pub document: Document,
    /// State of the view: saved.
    pub view: ViewState,
    /// Settings kept between starts.
    pub settings: Settings,
    /// Segmentation tools and the labels that they edit.
    pub tools: ToolState,
    /// The recipe that is being built, its preview and its results.
    pub recipe_editor: RecipeEditor,
    /// Tables of measurements.
    pub results: ResultsPanel,
    /// The open study, if any.
    pub study: StudyPanel,
    /// Rulers, and the active kind.
    pub rulers: Rulers,
    /// Export of pictures and movies.
    pub export: Export,
    /// Jobs of a pool of workers.
    pub pool: PoolPanel,
    /// Dialogs and messages over the window.
    pub dialogs: Dialogs,
    /// Derived data: disposable.
    pub caches: Caches,
    /// Work in the background.
    pub jobs: Jobs,
    /// The pointer over the panes.
    pub pointer: PointerTracker,
    /// End of the program, and what must survive it.
    pub lifecycle: Lifecycle,
}

impl Viewer {
    /// A window on images that are opened at once.
    pub fn new(
        ctx: &Context,
        state: RenderState,
        settings: Settings,
        autosave: Option<Autosave>,
        paths: Vec<PathBuf>,
        options: &OpenOptions,
    ) -> Self {
        theme::apply(ctx);
        ctx.add_plugin(InputOrder::default());
        let waker = ctx.clone();
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || waker.request_repaint());
        ctx.set_theme(if settings.light { egui::Theme::Light } else { egui::Theme::Dark });
        ctx.set_zoom_factor(settings.scale);
        let lost_sessions = autosave.as_ref().map(Autosave::left).unwrap_or_default();
        let device_lost = Self::watch_device(&state.device, wake.clone());
        let mut viewer = Self {
            document: Document::default(),
            view: ViewState::default(),
            tools: ToolState::default(),
            recipe_editor: RecipeEditor::default(),
            results: ResultsPanel::default(),
            study: StudyPanel::default(),
            rulers: Rulers::default(),
            export: Export::default(),
            pool: PoolPanel::default(),
            dialogs: Dialogs { lost_sessions, ..Dialogs::default() },
            caches: Caches::new(state, settings.device << 20, &wake),
            jobs: Jobs::new(settings.memory << 20, wake),
            pointer: PointerTracker::default(),
            lifecycle: Lifecycle { autosave, device_lost, ..Lifecycle::default() },
            settings,
        };
        for path in paths {
            viewer.open(path, options.clone());
        }
        viewer
    }

    /// The panes.
    pub fn tree(&self) -> &Tree<Tile> {
        &self.view.tree
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.caches.painter.gpu()
    }

    /// Size of a pane on the screen, in pixels.
    pub fn size_of(&self, tile: Tile) -> Option<[u32; 2]> {
        let mut tiles = self.view.tree.tiles.iter();
        let (id, _) = tiles.find(|(_, t)| matches!(t, egui_tiles::Tile::Pane(p) if *p == tile))?;
        self.caches.canvases.get(id)?.size()
    }

    /// Calls for a frame, from any thread.
    pub fn waker(&self) -> Arc<dyn Fn() + Send + Sync> {
        self.jobs.wake.clone()
    }

    /// Messages that are shown now.
    #[cfg(test)]
    pub fn messages(&self) -> Vec<&str> {
        self.dialogs.messages.shown()
    }

    /// Returns whether no stroke is being drawn in three dimensions.
    #[cfg(test)]
    pub fn surface_is_idle(&self) -> bool {
        self.pointer.stroke.is_none()
    }

    /// Place under the tool in three dimensions, and true once it is known.
    #[cfg(test)]
    pub fn probed(&self) -> Option<(crate::view::painter::Picked, bool)> {
        self.pointer.probe.as_ref().map(|probe| (probe.place(), probe.is_known()))
    }

    /// Closes what the user was told.
    #[cfg(test)]
    pub fn clear_messages(&mut self) {
        self.dialogs.messages.clear();
    }
}

impl eframe::App for Viewer {
    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.hand_over_if_lost();
        let before = LinkState::of(&self.document);
        self.handle_events(&ctx);
        recipe::receive(self);
        self.poll_label_editors();
        self.poll_threshold();
        self.remeasure_edited(&ctx);
        self.follow_seeds();
        self.learn_again();
        self.recipe_editor.remember(ctx.input(|i| i.time));
        if self.caches.painter.begin() {
            ctx.request_repaint();
        }
        let dropped: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
        for path in dropped {
            self.open_dropped(path);
        }
        commands::run_by_keys(self, &ctx);
        Panel::top("menu").show(ui, |ui| self.menu_bar(ui));
        Panel::bottom("status").show(ui, |ui| self.status_bar(ui));
        self.play(&ctx);
        self.blink(&ctx);
        self.time_bar(ui);
        let open = !self.document.scenes.is_empty();
        if self.study.shown {
            self.follow_study();
        }
        if open || self.study.shown {
            table::show(self, ui);
        }
        if open {
            self.mark_objects();
            self.read_rulers();
        }
        if open || self.study.shown {
            self.sides(ui);
        }
        let [r, g, b] = theme::GROUND;
        let empty = self.document.scenes.is_empty() || self.study.shown;
        let ground = if empty { ctx.global_style().visuals.panel_fill } else { Color32::from_rgb(r, g, b) };
        egui::CentralPanel::default().frame(egui::Frame::NONE.fill(ground)).show(ui, |ui| {
            let rect = ui.available_rect_before_wrap();
            if self.study.shown {
                self.wall_ui(ui);
            } else if self.document.scenes.is_empty() {
                self.empty(ui);
            } else {
                self.panes_ui(ui);
                self.ruler_bar(&ctx, rect);
            }
        });
        before.follow(&mut self.document, self.view.links);
        self.caches.painter.end();
        export::show(self, &ctx);
        self.settings_window(&ctx);
        pool::show(self, &ctx);
        self.quit_if_requested(&ctx);
        self.ask_before_closing(&ctx);
        self.datasets_dialog(&ctx);
        self.ask_for_address(&ctx);
        self.offer(&ctx);
        self.keep(&ctx);
        self.palette_ui(&ctx);
        super::help::show(&mut self.dialogs.help, &ctx);
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
