//! How fast the device draws, and what fits into a frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long drawing may take between two frames of the window.
pub const BUDGET: Duration = Duration::from_millis(18);

/// Nanoseconds that the device took for a thousand pixels at the last draw; 0 before the first one.
#[derive(Clone, Default)]
pub struct Pace(Arc<AtomicU64>);

impl Pace {
    /// Pixels that are drawn in the time between two frames.
    pub fn pixels(&self) -> f64 {
        match self.0.load(Ordering::Relaxed) {
            // Nothing is known: a picture of a thumbnail's size.
            0 => 20_000.0,
            took => BUDGET.as_nanos() as f64 / took as f64 * 1000.0,
        }
    }

    /// Takes note of a draw.
    pub fn learn(&self, took: Duration, pixels: u64) {
        self.0.store((took.as_nanos() as u64 * 1000 / pixels.max(1)).max(1), Ordering::Relaxed);
    }

    /// The size of a sketch of a pane: as much smaller as it must be. Sizes come in steps, so that targets
    /// are not made anew all the time.
    pub fn sketch(&self, size: [u32; 2]) -> [u32; 2] {
        let part = (self.pixels() / (f64::from(size[0]) * f64::from(size[1]))).sqrt();
        let part = [1.0, 0.75, 0.5, 0.35, 0.25, 0.18].into_iter().find(|p| *p <= part).unwrap_or(0.125);
        size.map(|n| ((f64::from(n) * part) as u32).max(1))
    }
}
