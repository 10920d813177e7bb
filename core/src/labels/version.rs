//! The labels as they were at one moment, while they are edited further.

use super::document::Labels;
use super::log::RecordLocation;
use crate::io::{Frame, ImageInfo, ImageSource};
use crate::{Error, Region, Result, Volume};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Labels as they were after an edit. Whatever is done to them since does not show: what the log holds stays there.
pub struct Version {
    labels: Arc<Labels>,
    places: HashMap<u32, RecordLocation>,
}

impl Labels {
    /// The labels as they are now, without the edit that may be under way.
    pub fn version(self: &Arc<Self>) -> Version {
        Version { labels: self.clone(), places: self.lock().places.clone() }
    }
}

impl Version {
    /// The chunks that are others than they were in another version of the same labels, in order.
    pub fn changed_since(&self, other: &Self) -> Vec<Region> {
        let indices: BTreeSet<u32> = self.places.keys().chain(other.places.keys()).copied().collect();
        let differs = |index: &u32| self.places.get(index) != other.places.get(index);
        indices.into_iter().filter(differs).map(|index| self.labels.region(index)).collect()
    }
}

impl ImageSource for Version {
    fn info(&self) -> &ImageInfo {
        self.labels.info()
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        if frame != Frame::default() || !Region::whole(self.labels.shape()).contains(&region) {
            return Err(Error::Usage("labels have one frame, and this lies beyond it".into()));
        }
        let chunk = |index| self.labels.chunk_at(index, self.places.get(&index).copied());
        self.labels.assembled(region, chunk).map(Volume::U32)
    }
}
