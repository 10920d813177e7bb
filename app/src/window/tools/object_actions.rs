//! Actions on objects that are selected in the gallery, and boolean operations with other label layers.

use crate::view::{Content, Layer};
use crate::window::app::Viewer;
use crate::window::gallery::ObjectAction;
use voxelry_core::io::Frame;
use voxelry_core::io::ImageSource;
use voxelry_core::labels::{Edit, Labels, tools};
use voxelry_core::{Job, Region, Result};

impl Viewer {
    /// Does something to objects of a layer, as one edit. Locked ones stay as they are.
    pub(in crate::window) fn apply_to_objects(
        &mut self,
        layer: u64,
        action: ObjectAction,
        mut objects: Vec<u32>,
    ) {
        if !self.edit_layer(layer) {
            return;
        }
        let (target, depth) = (self.tools.label, self.tools.settings.distance.to_string());
        let Some(editing) = &self.tools.editing else { return };
        let labels = editing.editor.labels.clone();
        let infos = labels.infos();
        objects.retain(|label| !infos.get(label).is_some_and(|info| info.locked));
        let Some(first) = objects.first().copied() else {
            return self.tell("The objects are locked".to_owned());
        };
        let count = objects.len();
        let (name, says) = match action {
            ObjectAction::Merge if count < 2 => {
                return self.tell("Select at least two objects to merge".to_owned());
            }
            ObjectAction::Merge => ("Merge", format!("{} merged into object {first}", count - 1)),
            ObjectAction::Split => ("Split", format!("{count} split at their necks")),
            ObjectAction::Relabel if target == 0 => {
                return self.tell("Choose a label first".to_owned());
            }
            ObjectAction::Relabel if infos.get(&target).is_some_and(|info| info.locked) => {
                return self.tell(format!("Label {target} is locked"));
            }
            ObjectAction::Relabel => ("Relabel", format!("{count} relabelled to {target}")),
        };
        editing.editor.apply(
            name,
            Box::new(move |edit, job| {
                let regions = match action {
                    ObjectAction::Merge => join(edit, &labels, first, &objects, job)?,
                    ObjectAction::Relabel => join(edit, &labels, target, &objects, job)?,
                    ObjectAction::Split => {
                        let mut regions = Vec::new();
                        for object in objects {
                            regions.extend(tools::split(edit, object, &depth, job)?);
                        }
                        regions
                    }
                };
                Ok(regions.into())
            }),
        );
        self.say(format!("{says}; Ctrl+Z to undo"));
    }
}

/// Boolean operation of an object with the labels of another layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boolean {
    /// It gets what has a label there, too.
    Add,
    /// It loses that.
    Subtract,
    /// It keeps only that.
    Intersect,
}

impl Viewer {
    /// Other label layers on the grid of the edited one, with their names.
    pub(in crate::window) fn other_labels(&self) -> Vec<(u64, String)> {
        let Some(editing) = &self.tools.editing else { return Vec::new() };
        let Some((s, _)) = self.place_of(editing.layer) else { return Vec::new() };
        let fits = |l: &&Layer| {
            let info = l.source.info();
            l.content == Content::Labels
                && l.id != editing.layer
                && Some(l.id) != self.recipe_editor.shown()
                && info.shape() == editing.editor.labels.shape()
        };
        self.document.scenes[s].layers.iter().filter(fits).map(|l| (l.id, l.name.clone())).collect()
    }

    /// Combines the active label with the labels of another layer.
    pub(in crate::window) fn combine(&mut self, what: Boolean, with: u64) {
        let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
        let Some(other) = layers.find(|l| l.id == with) else { return };
        let (other, frame) = (other.source.source().clone(), Frame::new(other.channel, other.time));
        let (Some(writer), Some(editing)) = (self.label_writer(), &self.tools.editing) else { return };
        let (labels, label) = (editing.editor.labels.clone(), self.tools.label);
        let name = ["Add", "Subtract", "Intersect"][what as usize];
        self.edit_labels(
            name,
            Box::new(move |edit, job| {
                let within = match what {
                    Boolean::Add => Some(Region::whole(labels.shape())),
                    _ => labels.within(label),
                };
                let mut regions = Vec::new();
                for tile in within.into_iter().flat_map(|within| within.tiles([64, 128, 128])) {
                    job.check()?;
                    let there = other.read(frame, tile)?.into_labels()?;
                    let (old, there) = (labels.get(tile)?, there.view::<u32>().expect("just cast"));
                    let mut new = old.clone();
                    ndarray::Zip::from(&mut new).and(there).for_each(|new, there| match what {
                        Boolean::Add if *there != 0 => *new = label,
                        Boolean::Subtract if *there != 0 && *new == label => *new = 0,
                        Boolean::Intersect if *there == 0 && *new == label => *new = 0,
                        _ => {}
                    });
                    regions.extend(writer.put_labels(edit, tile, &old, new)?);
                }
                Ok(regions.into())
            }),
        );
    }
}

/// Makes all voxels of `others` those of `first`; where something is another now.
pub fn join(edit: &mut Edit, labels: &Labels, first: u32, others: &[u32], job: &Job) -> Result<Vec<Region>> {
    let mut regions = Vec::new();
    for other in others.iter().filter(|other| **other != first) {
        for tile in labels.within(*other).into_iter().flat_map(|within| within.tiles([64; 3])) {
            job.check()?;
            let new = labels.get(tile)?.mapv(|v| if v == *other { first } else { v });
            regions.extend(edit.put(tile.start, new.view())?);
        }
    }
    Ok(regions)
}
