//! Sessions: what is open and how it is shown, as a text file that can be read and moved with its images.

use super::app::Viewer;
use super::links::Links;
use super::panes::Tile;
use super::tools::{BUDGET, NEW};
use crate::view::difference::difference;
use crate::view::document::Subtraction;
use crate::view::open;
use crate::view::ruler::Ruler;
use crate::view::{Content, Display, Layer, Scene, View};
use egui_tiles::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::remote::address;
use voxelry_core::io::{Frame, ImageSource, OpenOptions, atomic};
use voxelry_core::labels::Labels;
use voxelry_core::measure::{Table, parquet};
use voxelry_core::recipe::Recipe;
use voxelry_core::{Error, Result};

/// The ending of session files.
pub const ENDING: &str = "voxelry";

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Version of the format.
    version: u32,
    /// Properties that linked images share.
    #[serde(default)]
    links: Links,
    /// The panes, as the library that lays them out writes them.
    #[serde(default)]
    panes: String,
    /// The recipe that is being built.
    #[serde(default)]
    recipe: String,
    #[serde(default)]
    scene: Vec<SavedScene>,
    /// Tables of the last run.
    #[serde(default)]
    table: Vec<SavedTable>,
}

/// A table of the last run.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedTable {
    title: String,
    name: String,
    /// The layer that it is about: its scene's place and its own.
    #[serde(default)]
    about: Option<[usize; 2]>,
    /// Relative to the session, where it can be.
    path: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedScene {
    #[serde(default)]
    group: usize,
    view: View,
    #[serde(default)]
    rulers: Vec<Ruler>,
    layer: Vec<SavedLayer>,
}

/// A layer: where it was read from, and how it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedLayer {
    /// Relative to the session, where it can be.
    path: PathBuf,
    /// Options it was opened with, if not the defaults ([`OpenOptions::to_record`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<String, String>,
    channel: usize,
    time: usize,
    content: Content,
    display: Display,
    /// Image that is subtracted from it.
    #[serde(default)]
    minus: Option<Subtraction>,
    /// Edits that are in no other file, which only a crash leaves behind.
    #[serde(default)]
    edits: Option<Edits>,
}

/// The log of edited labels, and the image over which they lie where they have no file of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Edits {
    log: PathBuf,
    /// True if the layer's file is what was edited; else there was nothing.
    over: bool,
}

/// A channel of a file.
fn channel(path: &Path, options: &OpenOptions, channel: usize, cache: &Arc<Cache>) -> Result<Layer> {
    let layers = open::layers(path, options, cache)?;
    let found = layers.into_iter().find(|l| l.channel == channel);
    found.ok_or_else(|| Error::file(path, format!("has no channel {}", channel + 1)))
}

impl SavedLayer {
    fn open(&self, folder: &Path, cache: &Arc<Cache>) -> Result<(Layer, Option<RestoredEdits>)> {
        let path = beside(&self.path, folder);
        let options = OpenOptions::of_record(&self.open).map_err(|e| Error::file(&path, e))?;
        if let Some(minus) = &self.minus {
            let from = channel(&path, &options, minus.channel, cache)?;
            let path = beside(&minus.path, folder);
            let options = OpenOptions::of_record(&minus.open).map_err(|e| Error::file(&path, e))?;
            let other = channel(&path, &options, minus.other, cache)?;
            return Ok((difference(&from, &other, cache)?, None));
        }
        let layer = channel(&path, &options, self.channel, cache)?;
        let Some(Edits { log, over }) = &self.edits else { return Ok((layer, None)) };
        let (info, frame) = (layer.source.info(), Frame::new(self.channel, self.time));
        let below = over.then(|| (layer.source.source().clone(), frame));
        let labels = Labels::reopen(log, info.shape(), info.geometry(), below, BUDGET)?;
        let name = if *over { &layer.name } else { NEW };
        let edited = open::layers_of(labels.clone(), name, None, cache).swap_remove(0);
        let base = over.then_some((path, self.channel, self.time));
        Ok((edited, Some(RestoredEdits { labels, base })))
    }

    /// Shows a layer as it was.
    fn dress(&self, layer: &mut Layer, cache: &Arc<Cache>) {
        if layer.content != self.content {
            *layer = open::meant(layer, self.content, cache);
        }
        layer.time = self.time.min(layer.source.info().times - 1);
        layer.display = self.display.clone();
    }
}

impl Session {
    /// Session of everything that is open in a window, to be saved at a path. Layers in no file are left out, unless
    /// `results` says, by their numbers, where they are going to be.
    pub fn of(viewer: &Viewer, path: &Path, results: &[(u64, PathBuf)]) -> Self {
        let folder = path.parent().unwrap_or(Path::new("."));
        let opened = |path: &Path| {
            let layers = viewer.document.scenes.iter().flat_map(|s| &s.layers);
            let mut of_file = layers.filter(|layer| layer.path.as_deref() == Some(path));
            of_file.find_map(|l| Some(l.options.to_record()).filter(|r| !r.is_empty())).unwrap_or_default()
        };
        let saved = |layer: &Layer| {
            let homeless = !results.iter().any(|(id, _)| *id == layer.id);
            if let Some(editing) = viewer.tools.edit_sessions().find(|d| d.layer == layer.id && homeless) {
                // Where there is no file of labels, that of the image says on which grid they are.
                let base = editing.base.clone();
                let grid = || scene_of(viewer, layer.id).and_then(|s| s.layers[0].path.clone());
                let (path, channel, time) = base.clone().or_else(|| Some((grid()?, 0, 0)))?;
                return Some(SavedLayer {
                    path: relative(&path, folder),
                    open: opened(&path),
                    channel,
                    time,
                    content: layer.content,
                    display: layer.display.clone(),
                    minus: None,
                    edits: Some(Edits { log: editing.editor.labels.log(), over: base.is_some() }),
                });
            }
            let made = || results.iter().find(|(id, _)| *id == layer.id).map(|(_, path)| path);
            let path = made().or(layer.path.as_ref())?;
            Some(SavedLayer {
                path: relative(path, folder),
                open: opened(path),
                channel: layer.channel,
                time: layer.time,
                content: layer.content,
                display: layer.display.clone(),
                minus: layer
                    .minus
                    .as_ref()
                    .map(|m| Subtraction { path: relative(&m.path, folder), ..m.clone() }),
                edits: None,
            })
        };
        let scenes = viewer.document.scenes.iter().map(|scene| SavedScene {
            group: scene.group,
            view: scene.view,
            rulers: scene.rulers.clone(),
            layer: scene.layers.iter().filter_map(saved).collect(),
        });
        Self {
            version: 1,
            links: viewer.view.links,
            panes: serde_json::to_string(viewer.tree()).unwrap_or_default(),
            recipe: viewer.recipe_editor.recipe().map(|recipe| recipe.to_toml()).unwrap_or_default(),
            scene: scenes.collect(),
            table: Vec::new(),
        }
    }

    /// Adds a table that lies at `file` to a session that lies at `path`, and the layer that it is about.
    pub fn add_table(
        &mut self,
        (title, name): (&str, &str),
        about: Option<[usize; 2]>,
        file: &Path,
        path: &Path,
    ) {
        let folder = path.parent().unwrap_or(Path::new("."));
        let (title, name) = (title.to_owned(), name.to_owned());
        self.table.push(SavedTable { title, name, about, path: relative(file, folder) });
    }

    /// Reads a session.
    ///
    /// # Errors
    /// If it is not one, or of a later version.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let session: Self = toml::from_str(&text)
            .map_err(|e| Error::file(path, format!("is not a session: {}", e.message())))?;
        if session.version > 1 {
            return Err(Error::file(
                path,
                format!("is of version {}; this program reads 1", session.version),
            ));
        }
        Ok(session)
    }

    /// Describes its content: names of files, and whether they were edited.
    pub fn names(&self) -> Vec<String> {
        let layers = self.scene.iter().flat_map(|s| &s.layer);
        layers
            .map(|layer| {
                let name = layer.path.file_name().map_or_else(
                    || layer.path.display().to_string(),
                    |name| name.to_string_lossy().into_owned(),
                );
                match &layer.edits {
                    Some(Edits { over: true, .. }) => format!("{name}, with unsaved label edits"),
                    Some(_) => format!("unsaved labels over {name}"),
                    None => name,
                }
            })
            .collect()
    }

    /// Writes it, wholly or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.text().map_err(|e| Error::file(path, e))?;
        atomic::write(path, text.as_bytes())
    }

    /// It as text.
    ///
    /// # Errors
    /// Why it can't be written as such.
    pub fn text(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|e| e.to_string())
    }
}

/// A session that was opened again.
pub struct Restored {
    /// Its scenes, without layers that could not be opened.
    pub scenes: Vec<Scene>,
    /// The panes; none if they are to be laid out again.
    pub panes: Option<Tree<Tile>>,
    /// Properties that linked images share.
    pub links: Links,
    /// The recipe that was being built.
    pub recipe: Option<Recipe>,
    /// Tables of the last run, with their titles.
    pub tables: Vec<(String, Table)>,
    /// Labels that were being edited, by their layers.
    pub edited: Vec<(u64, RestoredEdits)>,
    /// The layer that they are about.
    pub about: Option<u64>,
    /// Errors of images that could not be opened.
    pub problems: Vec<String>,
}

/// Labels that were being edited, and what they were read from.
pub struct RestoredEdits {
    /// The labels, with all edits.
    pub labels: Arc<Labels>,
    /// File, channel and time frame; none: there was nothing before the edits.
    pub base: Option<(PathBuf, usize, usize)>,
}

/// Opens a session with its images. An image that is missing does not keep the others away.
///
/// # Errors
/// If the session itself can't be read.
pub fn restore(path: &Path, cache: &Arc<Cache>) -> Result<Restored> {
    let session = Session::read(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let (mut scenes, mut edited, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for saved in &session.scene {
        let mut layers: Vec<Layer> = Vec::new();
        for wanted in &saved.layer {
            match wanted.open(folder, cache) {
                Ok((mut layer, edits)) => {
                    edited.extend(edits.map(|e| (layer.id, e)));
                    wanted.dress(&mut layer, cache);
                    let first = layers.first().map(|l| l.source.clone());
                    layers.push(match first {
                        Some(first) => open::over(layer, first.info(), cache),
                        None => layer,
                    });
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        if !layers.is_empty() {
            scenes.push(Scene {
                layers,
                view: saved.view,
                order: 0,
                group: saved.group,
                rulers: saved.rulers.clone(),
            });
        }
    }
    // Panes name scenes by their place, so they fit only if all are there.
    let whole = scenes.len() == session.scene.len();
    let panes = serde_json::from_str(&session.panes).ok().filter(|_| whole);
    let mut tables = Vec::new();
    for saved in &session.table {
        match parquet::read(&folder.join(&saved.path), &saved.name) {
            Ok(table) => tables.push((saved.title.clone(), table)),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let about = session.table.iter().find_map(|t| t.about).filter(|_| whole);
    let about = about.and_then(|[s, l]| Some(scenes.get(s)?.layers.get(l)?.id));
    let recipe = match Recipe::parse(&session.recipe) {
        _ if session.recipe.trim().is_empty() => None,
        Ok(recipe) => Some(recipe),
        Err(error) => {
            problems.push(Error::file(path, error.to_string()).to_string());
            None
        }
    };
    Ok(Restored { scenes, panes, links: session.links, recipe, tables, edited, about, problems })
}

fn scene_of(viewer: &Viewer, layer: u64) -> Option<&Scene> {
    viewer.document.scenes.iter().find(|s| s.layers.iter().any(|l| l.id == layer))
}

/// Resolves a path of a session. Addresses stay as they are.
fn beside(path: &Path, folder: &Path) -> PathBuf {
    if address(path).is_some() { path.to_owned() } else { folder.join(path) }
}

/// A path as seen from a folder, where both have a common beginning.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    if address(path).is_some() {
        return path.to_owned();
    }
    let (Ok(path), Ok(folder)) = (std::path::absolute(path), std::path::absolute(folder)) else {
        return path.to_owned();
    };
    let (a, b): (Vec<_>, Vec<_>) = (path.components().collect(), folder.components().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    if same < 2 {
        return path;
    }
    let up = std::iter::repeat_n(std::path::Component::ParentDir, b.len() - same);
    up.chain(a[same..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_move_with_the_session() {
        assert_eq!(relative(Path::new("/a/b/c.tif"), Path::new("/a/b")), Path::new("c.tif"));
        assert_eq!(relative(Path::new("/a/x/c.tif"), Path::new("/a/b/d")), Path::new("../../x/c.tif"));
        assert_eq!(relative(Path::new("/x/c.tif"), Path::new("/a/b")), Path::new("/x/c.tif"));
        let there = Path::new("https://host/a.zarr");
        assert_eq!(relative(there, Path::new("/a/b")).as_os_str(), there.as_os_str());
        assert_eq!(beside(there, Path::new("/a/b")).as_os_str(), there.as_os_str());
        assert_eq!(beside(Path::new("c.tif"), Path::new("/a/b")), Path::new("/a/b/c.tif"));
    }
}
