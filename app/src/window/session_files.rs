//! Saving a session with what is in no file yet: results of recipes and their tables go into a folder beside it.

use super::app::Viewer;
use super::events::AppEvent;
use super::session::Session;
use crate::view::open::recipe_beside;
use crate::view::{Content, Layer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::error::PathContext;
use voxelry_core::io::atomic;
use voxelry_core::io::browse::Browsed;
use voxelry_core::io::convert::{ConvertOptions, convert};
use voxelry_core::measure::Table;
use voxelry_core::{Job, Result};

/// Files of a session that are to be written.
pub struct SessionFiles {
    /// The session, as it is when the rest is there.
    pub session: Session,
    /// Layers that are in no file, by their numbers, and where they go.
    layers: Vec<UnsavedLayer>,
    tables: Vec<(PathBuf, Table)>,
    path: PathBuf,
}

/// A layer that is in no file yet.
struct UnsavedLayer {
    id: u64,
    /// Target path.
    path: PathBuf,
    source: Arc<Browsed>,
    labels: bool,
    provenance: Option<Arc<str>>,
}

/// The folder beside a session.
pub fn folder(session: &Path) -> PathBuf {
    session.with_extension("files")
}

/// A name that files can have.
fn plain(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_alphanumeric() || c == '-' || c == '.' { c } else { '_' }).collect();
    plain.chars().take(60).collect()
}

impl SessionFiles {
    /// Of what is open in a window, to be saved at a path.
    pub fn of(viewer: &Viewer, path: &Path) -> Self {
        let folder = folder(path);
        let preview = viewer.recipe_editor.shown();
        let all = viewer.document.scenes.iter().flat_map(|s| &s.layers);
        let mut layers: Vec<UnsavedLayer> = Vec::new();
        let unsaved = |l: &Layer| l.path.as_ref().is_none_or(|path| viewer.is_borrowed(path));
        for layer in all.filter(|l| unsaved(l) && Some(l.id) != preview) {
            let taken = |p: &PathBuf| p.exists() || layers.iter().any(|l| l.path == *p);
            let names = (1..).map(|i| {
                let number = if i == 1 { String::new() } else { format!("-{i}") };
                folder.join(format!("{}{number}.ome.zarr", plain(&layer.name)))
            });
            let mut free = names.skip_while(taken);
            if let Some(path) = free.next() {
                layers.push(UnsavedLayer {
                    id: layer.id,
                    path,
                    source: layer.source.clone(),
                    labels: layer.content == Content::Labels,
                    provenance: layer.provenance.clone(),
                });
            }
        }
        let tables = viewer.recipe_editor.results.tables.iter().map(|(title, table)| {
            (folder.join(format!("{}.{}.parquet", plain(title), plain(&table.name))), table.clone())
        });
        let tables: Vec<(PathBuf, Table)> = tables.collect();
        // Layers have the places that they will have in the session.
        let kept = |l: &&Layer| Some(l.id) != preview;
        let about = viewer.document.scenes.iter().enumerate().find_map(|(s, scene)| {
            let at = scene
                .layers
                .iter()
                .filter(kept)
                .position(|l| Some(l.id) == viewer.recipe_editor.results.about)?;
            Some([s, at])
        });
        let paths: Vec<(u64, PathBuf)> = layers.iter().map(|l| (l.id, l.path.clone())).collect();
        let mut session = Session::of(viewer, path, &paths);
        for ((title, table), (file, _)) in viewer.recipe_editor.results.tables.iter().zip(&tables) {
            session.add_table((title, &table.name), about, file, path);
        }
        Self { session, layers, tables, path: path.to_owned() }
    }

    /// Writes everything, the session last: it never names what is not there.
    ///
    /// # Errors
    /// If something can't be written, or the job was cancelled; the session is then as it was.
    pub fn write(&self, job: &Job) -> Result<Vec<(u64, PathBuf)>> {
        if !(self.layers.is_empty() && self.tables.is_empty()) {
            let folder = folder(&self.path);
            std::fs::create_dir_all(&folder).at(&folder)?;
        }
        for layer in &self.layers {
            let options = ConvertOptions { labels: Some(layer.labels), ..ConvertOptions::default() };
            convert(&**layer.source.source(), &layer.path, &options, job)?;
            if let Some(text) = &layer.provenance {
                atomic::write(recipe_beside(&layer.path), text.as_bytes())?;
            }
        }
        for (path, table) in &self.tables {
            job.check()?;
            table.write(path)?;
        }
        self.session.write(&self.path)?;
        Ok(self.layers.iter().map(|layer| (layer.id, layer.path.clone())).collect())
    }
}

impl Viewer {
    /// Returns whether there are results that are in no file.
    pub(super) fn has_unsaved_results(&self) -> bool {
        let preview = self.recipe_editor.shown();
        let edited = |id: u64| self.tools.edit_sessions().any(|d| d.layer == id);
        let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
        layers.any(|l| l.path.is_none() && l.minus.is_none() && Some(l.id) != preview && !edited(l.id))
    }

    /// Saves the session on a thread.
    pub(super) fn save(&mut self, path: PathBuf) {
        let files = SessionFiles::of(self, &path);
        let job = Job::silent();
        self.jobs.saving_session = Some(job.clone());
        let (send, wake) = (self.jobs.events.0.clone(), self.jobs.wake.clone());
        std::thread::spawn(move || {
            let saved = files.write(&job);
            // Nobody listens when the window has closed.
            let _ = send.send(AppEvent::Saved(path, saved));
            wake();
        });
    }

    /// Takes in that the session was saved: results now are in files.
    pub(super) fn saved(&mut self, path: &Path, saved: Result<Vec<(u64, PathBuf)>>) {
        self.jobs.saving_session = None;
        match saved {
            Ok(files) => {
                self.settings.opened(path);
                for layer in self.document.scenes.iter_mut().flat_map(|s| &mut s.layers) {
                    if let Some((_, file)) = files.iter().find(|(id, _)| *id == layer.id) {
                        layer.path = Some(file.clone());
                    }
                }
                self.say(format!("Saved {}", path.display()));
            }
            Err(voxelry_core::Error::Cancelled) => {}
            Err(error) => self.tell(error.to_string()),
        }
    }
}
