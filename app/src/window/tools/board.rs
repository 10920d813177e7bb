//! Labels come to the desk: new ones over an image, or those of a layer.

use super::{Desk, Filed, Kit};
use crate::view::board::Board;
use crate::view::{Content, Layer, open};
use crate::window::app::Viewer;
use crate::window::session::Edited;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::{Info, Labels};
use voxelry_core::{Job, Result};

/// Bytes of chunks that an edited image keeps in memory.
pub const BUDGET: u64 = 128 << 20;
/// What new labels are called.
pub const NEW: &str = "Segmentation";

impl Viewer {
    /// Puts labels of the chosen image on the desk: those that are chosen, else the uppermost, else new ones.
    /// Whether there are any now.
    pub fn take_labels(&mut self) -> bool {
        let (s, l) = self.chosen;
        let Some(scene) = self.document.scenes.get(s) else { return false };
        let here = |l: &&Layer| l.content == Content::Labels && Some(l.id) != self.bench.shown();
        let chosen = scene.layers.get(l).filter(here).or_else(|| scene.layers.iter().rev().find(here));
        match chosen.map(|layer| layer.id) {
            Some(id) => self.edit_layer(id),
            None => self.new_labels(),
        }
    }

    /// Makes new labels over the chosen image, and puts them on the desk.
    pub fn new_labels(&mut self) -> bool {
        let Some(image) = self.layer_to_work_on() else { return false };
        let (shape, geometry, id) = (image.source.info().shape(), image.source.info().geometry(), image.id);
        let labels = self.log().and_then(|log| Labels::create(&log, shape, geometry, None, BUDGET));
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => {
                self.tell(error.to_string());
                return false;
            }
        };
        let Some(mut layer) = open::layers_of(labels.clone(), NEW, None, self.opener.cache()).pop() else {
            return false;
        };
        layer.display.outline = false;
        layer.display.opacity = 0.6;
        let desk = Desk {
            layer: layer.id,
            image: Some(id),
            board: self.board(labels),
            base: None,
            look: Default::default(),
            saved: 0,
            filed: None,
        };
        let Some(scene) = self.document.scenes.iter_mut().find(|s| s.layers.iter().any(|l| l.id == id))
        else {
            return false;
        };
        scene.layers.push(layer);
        let at = scene.layers.len() - 1;
        self.chosen.1 = at;
        self.put_on_desk(desk);
        true
    }

    /// Puts the labels of a layer on the desk.
    pub fn edit_layer(&mut self, id: u64) -> bool {
        if self.kit.desk.as_ref().is_some_and(|d| d.layer == id) {
            return true;
        }
        if let Some(at) = self.kit.aside.iter().position(|d| d.layer == id) {
            let desk = self.kit.aside.swap_remove(at);
            self.put_on_desk(desk);
            return true;
        }
        let Some((s, l)) = self.place_of(id) else { return false };
        let layer = self.document.scenes[s].layers[l].clone();
        let source = layer.source.source().clone();
        let (shape, geometry) = (layer.source.info().shape(), layer.source.info().geometry());
        let frame = Frame::new(layer.channel, layer.time);
        // What is in no file is taken over as a whole: nothing else would be left of it after a crash.
        let kept = layer.path.clone().filter(|path| !self.is_borrowed(path));
        let base = kept.as_ref().map(|_| (source.clone(), frame));
        let labels = self.log().and_then(|log| Labels::create(&log, shape, geometry, base, BUDGET));
        let labels = match labels {
            Ok(labels) => labels,
            Err(error) => {
                self.tell(error.to_string());
                return false;
            }
        };
        let filed = kept.as_ref().and_then(|path| Filed::now(path, Arc::new(labels.version())));
        let base = kept.map(|path| (path, layer.channel, layer.time));
        let edited = self.in_place_of(&layer, labels.clone());
        let board = self.board(labels);
        if base.is_none() {
            board.take_over(source, frame);
        }
        let desk = Desk {
            layer: edited.id,
            image: self.image_below(id),
            board,
            base,
            look: Default::default(),
            saved: 0,
            filed,
        };
        if self.bench.about == Some(id) {
            // Its table is about the labels that are edited now.
            self.bench.about = Some(edited.id);
        }
        self.document.scenes[s].layers[l] = edited;
        self.keep_layers();
        self.put_on_desk(desk);
        true
    }

    /// A layer that shows edited labels in place of another one.
    fn in_place_of(&self, layer: &Layer, labels: Arc<Labels>) -> Layer {
        let made = open::layers_of(labels, &layer.name, None, self.opener.cache()).swap_remove(0);
        Layer { display: layer.display.clone(), provenance: layer.provenance.clone(), ..made }
    }

    /// Puts labels on the desk that a crash left.
    pub fn take_up(&mut self, layer: u64, edited: Edited) {
        let Edited { labels, base } = edited;
        if let Some(folder) = labels.log().parent() {
            self.logs.insert(folder.to_owned());
        }
        let image = self.image_below(layer);
        let desk = Desk {
            layer,
            image,
            board: self.board(labels),
            base,
            look: Default::default(),
            saved: 0,
            filed: None,
        };
        self.put_on_desk(desk);
    }

    fn image_below(&self, layer: u64) -> Option<u64> {
        let (s, _) = self.place_of(layer)?;
        self.document.scenes[s].layers.iter().find(|l| l.content == Content::Grey).map(|l| l.id)
    }

    fn board(&self, labels: Arc<Labels>) -> Board {
        Board::new(labels, self.wake.clone())
    }

    fn put_on_desk(&mut self, desk: Desk) {
        let kit = &mut self.kit;
        if let Some(old) = kit.desk.take() {
            old.board.forget();
            kit.aside.push(old);
        }
        kit.rows = Arc::new(desk.board.labels.sums().unwrap_or_default().into_iter().collect());
        (kit.preview, kit.shown) = (false, None);
        kit.label = kit.rows.first().map_or(1, |r| r.0);
        kit.says.clear();
        kit.desk = Some(desk);
        // A crash in the next moment finds them, too.
        self.keep_now();
    }

    /// The scene and the place of a layer.
    pub(in crate::window) fn place_of(&self, id: u64) -> Option<(usize, usize)> {
        let mut scenes = self.document.scenes.iter().enumerate();
        scenes.find_map(|(s, scene)| Some((s, scene.layers.iter().position(|l| l.id == id)?)))
    }

    /// A new place for a log.
    fn log(&mut self) -> Result<PathBuf> {
        let folder = match &self.keeper {
            Some(keeper) => keeper.path().with_extension("labels"),
            None => self.nowhere(),
        };
        std::fs::create_dir_all(&folder).map_err(|e| voxelry_core::Error::io(&folder, e))?;
        self.logs.insert(folder.clone());
        loop {
            self.kit.made += 1;
            let path = folder.join(format!("{}.log", self.kit.made));
            if !path.exists() {
                return Ok(path);
            }
        }
    }

    /// A folder for logs where the system has no place for them.
    fn nowhere(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.logs.first().cloned().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            std::env::temp_dir().join(format!("voxelry-{}-{number}.labels", std::process::id()))
        })
    }

    /// Takes in what the desks have to tell.
    pub(in crate::window) fn hear_desks(&mut self) {
        // Labels whose layer was closed.
        let there: Vec<u64> = self.document.scenes.iter().flat_map(|s| &s.layers).map(|l| l.id).collect();
        self.kit.aside.retain(|d| there.contains(&d.layer));
        if self.kit.desk.as_ref().is_some_and(|d| !there.contains(&d.layer)) {
            self.kit.desk = None;
            self.kit.rows = Arc::default();
        }
        let mut errors = Vec::new();
        let Kit { desk, aside, says, rows, .. } = &mut self.kit;
        let (first, others) = (desk.iter().map(|d| (d, true)), aside.iter().map(|d| (d, false)));
        for (desk, here) in first.chain(others) {
            for news in desk.board.news() {
                if !news.regions.is_empty() {
                    let layer =
                        self.document.scenes.iter().flat_map(|s| &s.layers).find(|l| l.id == desk.layer);
                    if let Some(layer) = layer {
                        layer.source.changed(&news.regions);
                    }
                    self.painter.changed(desk.layer, &news.regions);
                }
                errors.extend(news.error);
                if here {
                    if let Some(text) = news.says {
                        *says = text;
                    }
                    if let Some(new) = news.rows {
                        *rows = new;
                    }
                }
            }
        }
        errors.into_iter().for_each(|e| self.tell(e));
    }

    /// Changes what is known of a label, as an edit that can be taken back.
    pub fn set_info(&mut self, label: u32, name: &'static str, change: impl FnOnce(&mut Info)) {
        let Some(desk) = &self.kit.desk else { return };
        let mut info = desk.board.labels.info_of(label).unwrap_or_default();
        change(&mut info);
        let kept = (info != Info::default()).then_some(info);
        desk.board.whole(
            name,
            Box::new(move |edit, _: &Job| {
                edit.set_info(label, kept);
                Ok(Vec::new().into())
            }),
        );
    }
}
