//! A sample as an image file that is nowhere: for viewing, converting and processing volumes of any
//! size chunk by chunk.

use crate::io::sample::Virtual;
use crate::io::{Frame, ImageInfo, ImageSource, Level};
use crate::{Error, Region, Result, Volume, VoxelType};
use std::sync::Arc;

/// The image or the truth of a [`Virtual`] sample.
pub struct SampleSource {
    sample: Arc<Virtual>,
    truth: bool,
    info: ImageInfo,
}

impl SampleSource {
    pub(super) fn new(sample: Arc<Virtual>, truth: bool) -> Self {
        let (size, voxel) = (sample.options.size, if truth { VoxelType::U32 } else { VoxelType::U16 });
        let chunk = size.map(|n| n.min(64));
        let mut info = ImageInfo::simple("sample", size, chunk, voxel, sample.geometry());
        let levels = sample.levels();
        info.levels = levels
            .map(|(shape, geometry)| Level { shape, geometry, chunk: shape.map(|n| n.min(64)) })
            .collect();
        info.labels = truth;
        info.metadata.insert("sample".into(), sample.kind.name.into());
        info.metadata.insert("seed".into(), sample.options.seed.to_string());
        Self { sample, truth, info }
    }
}

impl ImageSource for SampleSource {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        frame.check(&self.info)?;
        if !Region::whole(self.info.levels[frame.level].shape).contains(&region) {
            return Err(Error::Usage(format!("{region:?} of {frame:?} lies outside the sample")));
        }
        let (image, truth) = self.sample.region(frame.level, region);
        Ok(if self.truth { truth } else { image })
    }

    fn is_direct(&self) -> bool {
        true
    }
}
