//! What is done to objects that are selected in their pictures.

use crate::view::{Content, Layer};
use crate::window::app::Viewer;
use crate::window::lightbox::Deed;
use voxelry_core::io::Frame;
use voxelry_core::io::ImageSource;
use voxelry_core::labels::{Edit, Labels, tools};
use voxelry_core::{Job, Region, Result};

impl Viewer {
    /// Does something to objects of a layer, as one edit. Locked ones stay as they are.
    pub(in crate::window) fn do_to_objects(&mut self, layer: u64, deed: Deed, mut objects: Vec<u32>) {
        if !self.edit_layer(layer) {
            return;
        }
        let (target, depth) = (self.kit.label, self.kit.reach.to_string());
        let Some(desk) = &self.kit.desk else { return };
        let labels = desk.board.labels.clone();
        let infos = labels.infos();
        objects.retain(|label| !infos.get(label).is_some_and(|info| info.locked));
        let Some(first) = objects.first().copied() else {
            return self.tell("The objects are locked".to_owned());
        };
        let count = objects.len();
        let (name, says) = match deed {
            Deed::Merge if count < 2 => {
                return self.tell("Select at least two objects to merge them".to_owned());
            }
            Deed::Merge => ("Merge", format!("{} became part of object {first}", count - 1)),
            Deed::Split => ("Split", format!("{count} parted where they have necks")),
            Deed::Relabel if target == 0 => return self.tell("Take a label in hand first".to_owned()),
            Deed::Relabel if infos.get(&target).is_some_and(|info| info.locked) => {
                return self.tell(format!("Label {target} is locked"));
            }
            Deed::Relabel => ("Relabel", format!("{count} became label {target}")),
        };
        desk.board.whole(
            name,
            Box::new(move |edit, job| {
                let regions = match deed {
                    Deed::Merge => join(edit, &labels, first, &objects, job)?,
                    Deed::Relabel => join(edit, &labels, target, &objects, job)?,
                    Deed::Split => {
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
        self.say(format!("{says}; Ctrl+Z takes it back"));
    }
}

/// What becomes of an object with the labels of another layer.
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
    /// Other layers of labels on the grid of those on the desk, with their names.
    pub(in crate::window) fn other_labels(&self) -> Vec<(u64, String)> {
        let Some(desk) = &self.kit.desk else { return Vec::new() };
        let Some((s, _)) = self.place_of(desk.layer) else { return Vec::new() };
        let fits = |l: &&Layer| {
            let info = l.source.info();
            l.content == Content::Labels
                && l.id != desk.layer
                && Some(l.id) != self.bench.shown()
                && info.shape() == desk.board.labels.shape()
        };
        self.document.scenes[s].layers.iter().filter(fits).map(|l| (l.id, l.name.clone())).collect()
    }

    /// Combines the object in hand with what has a label in another layer.
    pub(in crate::window) fn combine(&mut self, what: Boolean, with: u64) {
        let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
        let Some(other) = layers.find(|l| l.id == with) else { return };
        let (other, frame) = (other.source.source().clone(), Frame::new(other.channel, other.time));
        let (Some(ink), Some(desk)) = (self.ink(), &self.kit.desk) else { return };
        let (labels, label) = (desk.board.labels.clone(), self.kit.label);
        let name = ["Add", "Subtract", "Intersect"][what as usize];
        self.on_desk(
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
                    regions.extend(ink.put_labels(edit, tile, &old, new)?);
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
