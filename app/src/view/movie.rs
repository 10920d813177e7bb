//! Movies of a scene: what every frame of them shows.

use super::document::{Pane, Scene};
use glam::{DQuat, DVec3};
use std::f64::consts::TAU;
use voxelry_core::io::ImageSource;
use voxelry_core::{Error, Result};

/// Frames of a turntable, unless asked for otherwise.
pub const TURNS: usize = 90;
/// Frames per second, unless asked for otherwise.
pub const RATE: f64 = 15.0;
/// Frames per second that can be asked for.
pub const RATES: std::ops::RangeInclusive<f64> = 0.1..=60.0;
/// Frames of a movie, at most.
pub const MOST: usize = 10_000;

/// Content of a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieKind {
    /// Once around the volume.
    Turntable,
    /// Slices across an axis: 0, 1, 2 for z, y, x.
    Slices(usize),
    /// Time frames.
    Time,
}

impl MovieKind {
    /// The pane that it shows, if `shown` is the one that is looked at.
    pub fn pane(self, shown: Pane) -> Pane {
        match self {
            Self::Turntable => Pane::Volume,
            Self::Slices(axis) => Pane::Plane(axis),
            Self::Time => shown,
        }
    }

    /// Frames that show all there is.
    pub fn frames(self, scene: &Scene) -> usize {
        match self {
            Self::Turntable => TURNS,
            Self::Slices(axis) => scene.shape()[axis],
            Self::Time => times(scene),
        }
    }
}

/// Time frames of a scene: those of the layer that has the most.
pub fn times(scene: &Scene) -> usize {
    scene.layers.iter().map(|l| l.source.info().times).max().unwrap_or(1)
}

/// A movie of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Movie {
    /// Content of the movie.
    pub kind: MovieKind,
    /// Number of frames.
    pub frames: usize,
    /// Frames per second.
    pub rate: f64,
}

impl Movie {
    /// Returns whether it can be made of a scene.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self, scene: &Scene) -> Result<()> {
        let refused = |reason: String| Err(Error::Usage(reason));
        if self.kind == MovieKind::Time && times(scene) < 2 {
            return refused(format!("{} has one time frame; a movie of time needs more", scene.name()));
        }
        if !(1..=MOST).contains(&self.frames) {
            return refused(format!("a movie of {} frames; the most is {MOST}", self.frames));
        }
        if !RATES.contains(&self.rate) {
            let (least, most) = (RATES.start(), RATES.end());
            return refused(format!("{} frames per second; it can be {least} to {most}", self.rate));
        }
        Ok(())
    }

    /// The scene as a frame shows it. Slices and times are spread evenly, the first and the last among them; a
    /// turn ends one step before it began.
    pub fn at(&self, scene: &Scene, frame: usize) -> Scene {
        let mut scene = scene.clone();
        let part = frame as f64 / (self.frames.max(2) - 1) as f64;
        let of = |count: usize| (part * count.saturating_sub(1) as f64).round() as usize;
        match self.kind {
            MovieKind::Turntable => {
                let angle = TAU * frame as f64 / self.frames.max(1) as f64;
                let camera = &mut scene.view.camera;
                if frame > 0 {
                    let turn = DQuat::from_axis_angle(upright(camera.turn), angle);
                    camera.turn = (turn * camera.turn).normalize();
                }
            }
            MovieKind::Slices(axis) if scene.view.turns[axis] == DQuat::IDENTITY => {
                let mut index = scene.index(scene.view.at);
                index[2 - axis] = of(scene.shape()[axis]) as f64;
                scene.view.at = scene.part(index);
            }
            MovieKind::Slices(axis) => {
                // A plane that is turned goes from one corner of the box to the opposite one.
                let way = scene.ways(axis)[2];
                let far = scene.corners().map(|c| c.dot(way));
                let [low, high] =
                    [far.into_iter().fold(f64::MAX, f64::min), far.into_iter().fold(f64::MIN, f64::max)];
                let index = scene.index(scene.view.at);
                let here = scene.geometry().world_from_index.transform_point3(index).dot(way);
                let there = low + (high - low) * (frame as f64 + 0.5) / self.frames as f64;
                scene.view.at = scene.part(index + scene.index_way(way * (there - here)));
            }
            MovieKind::Time => {
                let time = of(times(&scene));
                for layer in &mut scene.layers {
                    layer.time = time.min(layer.source.info().times - 1);
                }
            }
        }
        scene
    }
}

/// The axis of the world that is most nearly upright for a camera.
fn upright(turn: DQuat) -> DVec3 {
    let up = turn * DVec3::Y;
    let axis = (0..3).max_by(|a, b| up[*a].abs().total_cmp(&up[*b].abs())).unwrap_or(2);
    DVec3::AXES[axis] * up[axis].signum()
}
