//! The intensities of a part of a layer, found while one looks: of a box or a slice, as it moves.

use super::document::Layer;
use super::open::survey_part;
use super::stats::Stats;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;
use voxelry_core::{Region, Result};

/// Layer, time frame and part.
type Key = (u64, usize, Region);

/// Statistics of one part at a time; the newest request comes next.
pub struct RegionStats {
    flying: Option<Key>,
    known: Option<(Key, Result<Arc<Stats>, String>)>,
    send: Sender<(Key, Result<Stats>)>,
    receive: Receiver<(Key, Result<Stats>)>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl RegionStats {
    /// `wake` is called when something is known.
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (send, receive) = unbounded();
        Self { flying: None, known: None, send, receive, wake }
    }

    /// Statistics of a part of a layer, or those of the part before until they are
    /// there, and whether they are its own.
    pub fn of(&mut self, layer: &Layer, part: Region) -> Option<(Result<Arc<Stats>, String>, bool)> {
        let key = (layer.id, layer.time, part);
        for (of, stats) in self.receive.try_iter() {
            self.flying = None;
            self.known = Some((of, stats.map(Arc::new).map_err(|e| e.to_string())));
        }
        let own = self.known.as_ref().is_some_and(|(of, _)| *of == key);
        if !own && self.flying.is_none() {
            self.flying = Some(key);
            let (source, channel, time) = (layer.source.clone(), layer.channel, layer.time);
            let (send, wake) = (self.send.clone(), self.wake.clone());
            std::thread::spawn(move || {
                // Nobody listens when the window has closed.
                let _ = send.send((key, survey_part(&source, channel, time, part)));
                wake();
            });
        }
        let known = self.known.as_ref().filter(|(of, _)| of.0 == layer.id)?;
        Some((known.1.clone(), own))
    }
}
