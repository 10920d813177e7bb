//! What is done to objects that are selected in their pictures.

use crate::window::app::Viewer;
use crate::window::lightbox::Deed;
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
        self.say(format!("{says}. Measure again for new numbers; Ctrl+Z takes it back"));
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
