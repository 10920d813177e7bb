//! Dialogs for files; nobody waits for them.

use super::app::Viewer;
use super::events::AppEvent;
use super::table::RowSelection;
use egui::Context;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use voxelry_core::io::{OpenOptions, atomic, remote};

impl Viewer {
    /// Asks which images to open.
    pub fn ask_for_images(&mut self, ctx: &Context) {
        self.ask(ctx, |dialog| dialog.set_title("Open images").pick_files().map(AppEvent::Open));
    }

    /// Asks which folder of slices, or which OME-Zarr, to open.
    pub fn ask_for_folder(&mut self, ctx: &Context) {
        self.ask(ctx, |d| d.set_title("Open a folder").pick_folder().map(|p| AppEvent::Open(vec![p])));
    }

    /// Asks at which address an image lies, while one is being typed.
    pub fn ask_for_address(&mut self, ctx: &Context) {
        let Some(text) = &mut self.dialogs.address else { return };
        let (mut open, mut shut) = (false, false);
        egui::Modal::new(egui::Id::unique("address")).show(ctx, |ui| {
            ui.heading("Open an address");
            ui.label("An OME-Zarr at http://, https:// or s3://");
            ui.add_space(4.0);
            let hint = "https://host/image.ome.zarr";
            let edit = ui.add(egui::TextEdit::singleline(text).hint_text(hint).desired_width(420.0));
            let edit = edit.accessible_name("Address");
            let entered = edit.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
            if !entered && !edit.has_focus() && ui.memory(|m| m.focused().is_none()) {
                edit.request_focus();
            }
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let is = remote::address(Path::new(text.trim())).is_some();
                open = ui.add_enabled(is, egui::Button::new("Open")).clicked() || entered && is;
                shut = ui.button("Cancel").clicked();
            });
        });
        if open {
            let path = PathBuf::from(text.trim());
            self.open(path, OpenOptions::default());
        }
        if open || shut {
            self.dialogs.address = None;
        }
    }

    /// Asks where the session goes.
    pub fn ask_where_to_save(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let dialog = d.add_filter("Voxelry session", &["voxelry"]).set_file_name("session.voxelry");
            dialog.save_file().map(AppEvent::Save)
        });
    }

    /// Asks which recipe to open.
    pub fn ask_for_recipe(&mut self, ctx: &Context) {
        self.ask(ctx, |d| {
            let path = d.add_filter("Recipe", &["toml"]).pick_file()?;
            Some(AppEvent::Recipe(Box::new(crate::cli::recipes::load(&path.to_string_lossy()))))
        });
    }

    /// Asks where the recipe goes, and writes it.
    pub fn ask_where_to_save_recipe(&mut self, ctx: &Context) {
        let text = match self.recipe_editor.recipe() {
            Ok(recipe) => recipe.to_toml(),
            Err(error) => return self.tell(error.to_string()),
        };
        self.ask(ctx, move |d| {
            let path = d.add_filter("Recipe", &["toml"]).set_file_name("recipe.toml").save_file()?;
            let written = atomic::write(&path, text.as_bytes());
            Some(told(&path, written))
        });
    }

    /// Asks where rows of the table that is shown go, and writes them.
    pub fn ask_where_to_save_table(&mut self, ctx: &Context, which: RowSelection) {
        let Some(export) = self.table_to_save(which) else { return };
        self.ask(ctx, move |d| {
            let dialog = d.add_filter("Table", &["csv", "parquet"]);
            let path = dialog.set_file_name(format!("{}.csv", export.name())).save_file()?;
            let written = export.write(&path);
            Some(told(&path, written))
        });
    }

    /// Asks where the plot that is shown goes, and writes it.
    pub fn ask_where_to_save_plot(&mut self, ctx: &Context) {
        let Some(export) = self.table_to_save(RowSelection::Shown) else { return };
        let figure = self.shown_results().sheet().and_then(|sheet| sheet.plots.figure(&sheet.objects));
        let Some(figure) = figure else { return };
        self.ask(ctx, move |d| {
            let dialog = d.add_filter("Drawing", &["svg"]);
            let path = dialog.set_file_name(format!("{}.svg", export.name())).save_file()?;
            Some(told(&path, export.write_plot(&figure, &path)))
        });
    }

    pub(super) fn ask(
        &self,
        ctx: &Context,
        ask: impl FnOnce(rfd::FileDialog) -> Option<AppEvent> + Send + 'static,
    ) {
        let (send, ctx) = (self.jobs.events.0.clone(), ctx.clone());
        // Dialogs begin beside what is chosen.
        let chosen = self.document.scenes.get(self.view.chosen.0).and_then(|s| s.layers.first());
        let file = chosen.and_then(|l| l.path.as_deref()).filter(|path| remote::address(path).is_none());
        let folder = file.and_then(Path::parent);
        let folder = folder.and_then(|f| std::path::absolute(f).ok());
        std::thread::spawn(move || {
            let (mut dialog, begun) = (rfd::FileDialog::new(), Instant::now());
            if let Some(folder) = folder {
                dialog = dialog.set_directory(folder);
            }
            let event = ask(dialog);
            // Nobody is as fast as a desktop that has no dialogs.
            let none = cfg!(target_os = "linux") && begun.elapsed() < Duration::from_millis(120);
            let event = event.or_else(|| none.then(|| AppEvent::Tell(NO_DIALOGS.to_owned())));
            if let Some(event) = event {
                // Nobody listens when the window has closed.
                let _ = send.send(event);
                ctx.request_repaint();
            }
        });
    }
}

/// Message where the desktop has no file dialogs.
const NO_DIALOGS: &str = "this desktop has no file dialogs: install the package xdg-desktop-portal-gtk or \
                          zenity, drop files on the window, or name them on the command line";

/// Message about a file that was to be written.
pub fn told(path: &Path, written: voxelry_core::Result<()>) -> AppEvent {
    written.map_or_else(
        |error| AppEvent::Tell(error.to_string()),
        |()| AppEvent::Say(format!("Saved {}", path.display())),
    )
}
