//! Opening of images and sessions, and their place in the document.

use super::app::Viewer;
use super::datasets::OpenIntent;
use super::events::AppEvent;
use super::layout::Layout;
use super::messages::Offer;
use super::session::{self, Restored};
use crate::view::study::Study;
use crate::view::{Content, Layer, Pane, Scene, open};
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::io::{ImageSource, OpenOptions};

impl Viewer {
    /// Opens an image or a session; it appears when it is there.
    pub fn open(&mut self, path: PathBuf, options: OpenOptions) {
        if Study::is_one(&path) {
            return self.open_study(path);
        }
        self.jobs.opening += 1;
        if path.extension().is_some_and(|e| e == session::ENDING) {
            self.settings.opened(&path);
            let (send, cache) = (self.jobs.events.0.clone(), self.jobs.opener.cache().clone());
            let wake = self.jobs.wake.clone();
            std::thread::spawn(move || {
                // Nobody listens when the window has closed.
                let _ = send.send(AppEvent::Restored(Box::new(session::restore(&path, &cache))));
                wake();
            });
        } else {
            self.jobs.requested += 1;
            self.jobs.opener.open(self.jobs.requested, path, options);
        }
    }

    pub(super) fn restored(&mut self, restored: Restored) {
        self.document.scenes = restored.scenes;
        self.after_closing();
        self.view.links = restored.links;
        if let Some(recipe) = &restored.recipe {
            self.recipe_editor.load(recipe);
        }
        if !restored.tables.is_empty() {
            self.recipe_editor.results.tables = restored.tables;
            self.recipe_editor.results.about = restored.about;
            self.view.show_results = true;
        }
        for (layer, edited) in restored.edited {
            self.resume_editing(layer, edited);
        }
        for layer in self.document.scenes.iter().flat_map(|s| &s.layers) {
            if layer.content == Content::Grey {
                self.jobs.opener.survey(layer);
            }
        }
        let several = self.document.scenes.len() > 1;
        self.lay_out(if several { Layout::Compare(Pane::Plane(0)) } else { Layout::Planes });
        if let Some(panes) = restored.panes {
            self.view.tree = panes;
        }
        restored.problems.into_iter().for_each(|p| self.tell(p));
    }

    /// Shows the layers of an image: labels over the last image of their shape, others by themselves, in
    /// the order in which they were asked for.
    pub(super) fn add(&mut self, order: u64, mut layers: Vec<Layer>) {
        let intent = self.jobs.intents.remove(&order);
        if let Some(OpenIntent::Replace(old)) = intent {
            match self.replace_image(old, layers) {
                Ok(()) => return,
                Err(back) => layers = back,
            }
        }
        if !matches!(intent, Some(OpenIntent::Chosen)) {
            self.offer_datasets(&layers[0]);
        }
        for layer in &layers {
            if layer.content == Content::Grey {
                self.jobs.opener.survey(layer);
                if layer.path.is_some() {
                    self.jobs.opener.guess(layer);
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
            let over = layers.into_iter().map(|l| open::over(l, first.info(), self.jobs.opener.cache()));
            scenes[below].layers.extend(over);
            return;
        }
        // Labels that were there before their image.
        if let Some(early) =
            scenes.iter().position(|s| s.shape() == shape && are_labels(&s.layers)).filter(|_| !labels)
        {
            let first = layers[0].source.clone();
            let over = scenes.remove(early).layers.into_iter();
            layers.extend(over.map(|l| open::over(l, first.info(), self.jobs.opener.cache())));
        }
        let at = scenes.partition_point(|s| s.order <= order);
        scenes.insert(at, Scene { order, ..Scene::new(layers) });
        self.view.chosen = (if scenes.len() > 1 { self.view.chosen.0.min(scenes.len() - 1) } else { at }, 0);
        let several = self.document.scenes.len() > 1;
        let id = self.document.scenes[at].layers[0].id;
        self.lay_out(if several { Layout::Compare(Pane::Plane(0)) } else { self.view.layout });
        if let Some(OpenIntent::Dropped(onto)) = intent
            && let (Some((s, _)), Some((other, _))) = (self.place_of(id), self.place_of(onto))
            && s != other
        {
            let names = [s, other].map(|s| self.document.scenes[s].name().to_owned());
            self.note(format!("{} opened beside {}", names[0], names[1]), Some(Offer::Overlay(id, onto)));
        }
    }

    /// Opens a file that was dropped on the window.
    pub(super) fn open_dropped(&mut self, path: PathBuf) {
        let chosen = self.document.scenes.get(self.view.chosen.0).map(|s| s.layers[0].id);
        match chosen {
            Some(chosen) => self.open_for(path, OpenOptions::default(), OpenIntent::Dropped(chosen)),
            None => self.open(path, OpenOptions::default()),
        }
    }

    /// Shows a layer where another one was, and as that was.
    pub(super) fn put_in_place_of(&mut self, id: u64, made: Layer) {
        let Some((scene, at)) = self.place_of(id) else { return };
        if made.content == Content::Grey {
            self.jobs.opener.survey(&made);
        }
        self.say(format!("{} is finished", made.name));
        let layer = &mut self.document.scenes[scene].layers[at];
        *layer = Layer { display: layer.display.clone(), stats: layer.stats.clone(), ..made };
        self.keep_layers();
    }

    /// The layer that recipes run on: the one that is chosen, if it comes from a file or a run.
    pub fn layer_to_work_on(&self) -> Option<&Layer> {
        let scene = self.document.scenes.get(self.view.chosen.0)?;
        let grey = |l: &&Layer| l.content == Content::Grey && Some(l.id) != self.recipe_editor.shown();
        let chosen = scene.layers.get(self.view.chosen.1).filter(grey);
        chosen.or_else(|| scene.layers.iter().find(grey))
    }

    /// Shows what a recipe made over the image that is chosen; the number of its layer.
    pub fn add_result(&mut self, image: Arc<dyn ImageSource>, name: &str, preview: bool) -> Option<u64> {
        let mut layer = open::layers_of(image, name, None, self.jobs.opener.cache()).pop()?;
        let below = self.layer_to_work_on()?.display.clone();
        if layer.content == Content::Grey {
            layer.display = below;
            if !preview {
                self.jobs.opener.survey(&layer);
                layer.display.window = None;
            }
        } else if preview {
            (layer.display.outline, layer.display.opacity) = (false, 0.5);
        }
        let id = layer.id;
        layer.provenance = self.recipe_editor.recipe().ok().map(|recipe| recipe.to_toml().into());
        self.document.scenes.get_mut(self.view.chosen.0)?.layers.push(layer);
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
}
