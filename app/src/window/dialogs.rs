//! Dialogs for files; nobody waits for them.

use super::app::Viewer;
use super::session::Restored;
use egui::Context;
use std::path::PathBuf;

/// Answers of dialogs, which nobody waits for.
pub enum Answer {
    Open(Vec<PathBuf>),
    Save(PathBuf),
    Saved(PathBuf, voxelry_core::Result<Vec<(u64, PathBuf)>>),
    Export(PathBuf),
    OpenRecipe(PathBuf),
    SaveRecipe(PathBuf),
    SaveTable(PathBuf),
    Restored(Box<voxelry_core::Result<Restored>>),
    Say(String),
}

impl Viewer {
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

    pub(super) fn ask(
        &self,
        ctx: &Context,
        ask: impl FnOnce(rfd::FileDialog) -> Option<Answer> + Send + 'static,
    ) {
        let (send, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            if let Some(answer) = ask(rfd::FileDialog::new()) {
                // Nobody listens when the window has closed.
                let _ = send.send(answer);
                ctx.request_repaint();
            }
        });
    }
}
