//! The intensities of every slice, found while one looks.

use super::document::Layer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::measure::intensities::slices::{SliceFigures, slices};
use voxelry_core::{Job, Region, Result};

/// Voxels of the level that is looked at, at most.
const MOST: usize = 256 << 20;
/// Voxels that are read at once, about.
const SLAB: usize = 8 << 20;

/// Subject of a profile: layer, channel, time, axis, and the threshold of the fraction above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject {
    /// The layer's number.
    pub layer: u64,
    /// Its time frame.
    pub time: usize,
    /// The axis across the slices: 0, 1, 2 for z, y, x.
    pub axis: usize,
    /// Intensities above this are counted.
    pub threshold: f64,
}

/// The intensities of slices, as far as they are known.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// One for each slice of the level, from the first on.
    pub slices: Vec<SliceFigures>,
    /// Slices of the image that one slice of the level is.
    pub each: f64,
    /// True if every voxel was looked at.
    pub exact: bool,
    /// Why there are no more.
    pub error: Option<String>,
}

/// A profile that is being found; it stops when it is dropped.
pub struct Profile {
    /// Subject of these figures.
    pub subject: Subject,
    figures: Arc<Mutex<Figures>>,
    stop: Arc<AtomicBool>,
}

impl Profile {
    /// Begins to measure the slices of a layer. `wake` is called as it advances.
    pub fn new(layer: &Layer, subject: Subject, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (figures, stop) = (Arc::<Mutex<Figures>>::default(), Arc::<AtomicBool>::default());
        let (found, stopped) = (figures.clone(), stop.clone());
        let (source, channel) = (layer.source.clone(), layer.channel);
        std::thread::spawn(move || {
            let result = (|| -> Result<()> {
                let levels = &source.info().levels;
                let small = |l: &voxelry_core::io::Level| l.shape.iter().product::<usize>() <= MOST;
                let level = levels.iter().position(small).unwrap_or(levels.len() - 1);
                let (shape, axis) = (levels[level].shape, subject.axis);
                {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    (found.each, found.exact) =
                        (levels[0].shape[axis] as f64 / shape[axis] as f64, level == 0);
                }
                let slice = shape.iter().product::<usize>() / shape[axis];
                // Whole blocks of the file where that can be.
                let thick = (SLAB / slice.max(1)).clamp(1, 64);
                for start in (0..shape[axis]).step_by(thick) {
                    if stopped.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    let mut region = Region::whole(shape);
                    (region.start[axis], region.shape[axis]) = (start, thick.min(shape[axis] - start));
                    let frame = Frame { level, channel, time: subject.time };
                    let voxels = source.read(frame, region)?;
                    let mut more = slices(&voxels, axis, subject.threshold, &Job::silent())?;
                    found.lock().unwrap_or_else(PoisonError::into_inner).slices.append(&mut more);
                    wake();
                }
                Ok(())
            })();
            if let Err(error) = result {
                found.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error.to_string());
                wake();
            }
        });
        Self { subject, figures, stop }
    }

    /// Statistics so far.
    pub fn with<R>(&self, look: impl FnOnce(&Figures) -> R) -> R {
        look(&self.figures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
