//! Linked views: images that move together, and the properties they share.

use crate::view::{Document, Scene, View};
use serde::{Deserialize, Serialize};

/// Properties that images of one group share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Crosshair, planes and montage.
    pub place: bool,
    /// Camera, crop box and cuts.
    pub camera: bool,
    /// Intensities of the first and the last colour.
    pub window: bool,
}

impl Default for Links {
    fn default() -> Self {
        Self { place: true, camera: true, window: false }
    }
}

/// Groups by their numbers; 0 is that of images that go their own way.
pub const GROUPS: [&str; 5] = ["none", "A", "B", "C", "D"];

/// Views of all scenes at the beginning of a frame.
pub struct LinkState(Vec<(View, Vec<Option<[f64; 2]>>)>);

fn windows(scene: &Scene) -> Vec<Option<[f64; 2]>> {
    scene.layers.iter().map(|layer| layer.display.window).collect()
}

impl LinkState {
    /// Now.
    pub fn of(document: &Document) -> Self {
        Self(document.scenes.iter().map(|scene| (scene.view, windows(scene))).collect())
    }

    /// Lets the groups of those that have changed since follow them.
    pub fn follow(&self, document: &mut Document, links: Links) {
        let scenes = &mut document.scenes;
        if scenes.len() != self.0.len() {
            return;
        }
        let mut done = Vec::new();
        for (i, (view, before)) in self.0.iter().enumerate() {
            let (now, shown, group) = (scenes[i].view, windows(&scenes[i]), scenes[i].group);
            let changed: Vec<usize> =
                (0..before.len().min(shown.len())).filter(|l| before[*l] != shown[*l]).collect();
            if group == 0 || done.contains(&group) || (now == *view && changed.is_empty()) {
                continue;
            }
            done.push(group);
            for other in scenes.iter_mut().filter(|other| other.group == group) {
                if links.place && !same_place(&now, view) {
                    let own = other.view;
                    other.view = View {
                        camera: own.camera,
                        slices: own.slices,
                        crop: own.crop,
                        boxed: own.boxed,
                        cuts: own.cuts,
                        ..now
                    };
                    other.look_at(now.at);
                }
                if links.camera {
                    let (to, from) = (&mut other.view, &now);
                    (to.camera, to.slices, to.crop) = (from.camera, from.slices, from.crop);
                    (to.boxed, to.cuts) = (from.boxed, from.cuts);
                }
                if links.window {
                    for l in &changed {
                        if let Some(layer) = other.layers.get_mut(*l) {
                            layer.display.window = shown[*l];
                        }
                    }
                }
            }
        }
    }
}

/// Returns whether planes and montages show the same.
fn same_place(a: &View, b: &View) -> bool {
    let own = |v: &View| View {
        camera: a.camera,
        slices: a.slices,
        crop: a.crop,
        boxed: a.boxed,
        cuts: a.cuts,
        ..*v
    };
    own(a) == own(b)
}
