//! An open image: levels of one or many datasets.

use super::array::Array;
use crate::io::tiff::stack::{check_bounds, zeros};
use crate::io::{Frame, ImageInfo, ImageSource};
use crate::{Region, Result, Volume};
use std::path::PathBuf;

/// The voxels of one level.
pub(super) enum Voxels {
    /// One dataset of all channels and times.
    Together(Box<Array>),
    /// A dataset for each, by `[time][channel]`; none where the file has none (read as zeros).
    Apart(Vec<Option<Array>>),
}

/// An open image.
pub(super) struct Source {
    pub path: PathBuf,
    pub info: ImageInfo,
    pub levels: Vec<Voxels>,
    /// The file, and others that it links to or that describe it.
    pub files: Vec<PathBuf>,
}

impl Source {
    fn array(&self, frame: Frame) -> Option<(&Array, usize, usize)> {
        match &self.levels[frame.level] {
            Voxels::Together(array) => Some((array, frame.channel, frame.time)),
            Voxels::Apart(arrays) => {
                let array = &arrays[frame.time * self.info.channels.len() + frame.channel];
                array.as_ref().map(|array| (array, 0, 0))
            }
        }
    }
}

impl ImageSource for Source {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        check_bounds(&self.info, &self.path, frame, region)?;
        match self.array(frame) {
            Some((array, channel, time)) => array.read(&self.path, channel, time, region),
            None => zeros(self.info.voxel, region),
        }
    }
}
