//! Measured speed of the device, and the number of pixels that fit into a frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time for drawing between two frames of the window.
pub const BUDGET: Duration = Duration::from_millis(18);

/// Nanoseconds that the device took for a thousand pixels at the last draw; 0 before the first one.
#[derive(Clone, Default)]
pub struct FrameBudget(Arc<AtomicU64>);

impl FrameBudget {
    /// Pixels that are drawn in the time between two frames.
    pub fn pixels(&self) -> f64 {
        match self.0.load(Ordering::Relaxed) {
            // Nothing is known: a picture of a thumbnail's size.
            0 => 20_000.0,
            took => BUDGET.as_nanos() as f64 / took as f64 * 1000.0,
        }
    }

    /// Returns whether anything was drawn yet.
    pub fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Takes note of a draw.
    pub fn learn(&self, took: Duration, pixels: u64) {
        self.0.store((took.as_nanos() as u64 * 1000 / pixels.max(1)).max(1), Ordering::Relaxed);
    }

    /// Expected time to draw `size` pixels.
    pub fn cost(&self, size: [u32; 2]) -> Duration {
        BUDGET.mul_f64(f64::from(size[0]) * f64::from(size[1]) / self.pixels())
    }

    /// The size of a sketch of a pane, one of so many that share a frame: as much smaller as it must be. Sizes
    /// come in steps, so that targets are not recreated all the time.
    pub fn sketch(&self, size: [u32; 2], crowd: usize) -> [u32; 2] {
        let pixels = self.pixels() / crowd.max(1) as f64;
        let part = (pixels / (f64::from(size[0]) * f64::from(size[1]))).sqrt();
        let part = [1.0, 0.75, 0.5, 0.35, 0.25, 0.18].into_iter().find(|p| *p <= part).unwrap_or(0.125);
        size.map(|n| ((f64::from(n) * part) as u32).max(1))
    }
}

/// Whose turn it is to be drawn, where panes that move take longer together than a frame has.
#[derive(Debug, Default)]
pub struct FrameTurns {
    left: Duration,
    /// Number of frames a pane must have waited to be drawn.
    patience: u32,
    longest: u32,
    moving: usize,
    crowd: usize,
}

impl FrameTurns {
    /// Sketches of more panes than this become no smaller; they take turns.
    const CROWD: usize = 6;

    /// A frame begins.
    pub fn begin(&mut self) {
        let crowd = self.moving.clamp(1, Self::CROWD);
        *self = Self { left: BUDGET, patience: self.longest - self.longest / 8, crowd, ..Self::default() };
    }

    /// Number of panes that share a frame.
    pub fn crowd(&self) -> usize {
        self.crowd.max(1)
    }

    /// Returns whether a pane that has waited for so many frames is drawn in this one.
    pub fn take(&mut self, waited: u32, cost: Duration) -> bool {
        self.moving += 1;
        let taken = !self.left.is_zero() && waited >= self.patience;
        if taken {
            self.left = self.left.saturating_sub(cost);
        } else {
            self.longest = self.longest.max(waited + 1);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_panes_that_move_are_all_drawn_in_turns() {
        let (mut turns, mut waited, mut drawn) = (FrameTurns::default(), vec![0u32; 100], vec![0; 100]);
        for _ in 0..200 {
            turns.begin();
            let mut spent = Duration::ZERO;
            for pane in 0..100 {
                if turns.take(waited[pane], BUDGET / 6) {
                    (waited[pane], drawn[pane]) = (0, drawn[pane] + 1);
                    spent += BUDGET / 6;
                } else {
                    waited[pane] += 1;
                }
            }
            assert!(spent <= BUDGET * 7 / 6, "{spent:?}");
        }
        let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*least >= 6 && *most <= 3 * least, "{least} {most}");
    }

    #[test]
    fn a_pane_alone_never_waits() {
        let mut turns = FrameTurns::default();
        for _ in 0..10 {
            turns.begin();
            assert!(turns.take(0, BUDGET * 2));
        }
    }
}
