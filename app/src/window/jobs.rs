//! Work in the background: opening, saving, and the events by which threads report to the window.

use super::datasets::OpenIntent;
use super::events::AppEvent;
use crate::view::open::Opener;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use voxelry_core::Job;
use voxelry_core::io::browse::Cache;

/// Background work of the window.
pub struct Jobs {
    /// Opens and surveys images.
    pub opener: Opener,
    /// Number of images and sessions that are being opened.
    pub opening: usize,
    /// Number of images requested so far.
    pub requested: u64,
    /// Purposes of images that are being opened, by the numbers of their requests.
    pub intents: HashMap<u64, OpenIntent>,
    /// Number of label layers that are being saved.
    pub saving_labels: usize,
    /// The session that is being saved.
    pub saving_session: Option<Job>,
    /// Events from threads and dialogs.
    pub events: (Sender<AppEvent>, Receiver<AppEvent>),
    /// Events that wait until the edited labels are settled, in order.
    pub waiting: VecDeque<AppEvent>,
    /// Calls for a frame, from any thread.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

impl Jobs {
    /// No work yet; blocks that are read go into a cache of `budget` bytes.
    pub fn new(budget: u64, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            opener: Opener::new(Cache::new(budget), wake.clone()),
            opening: 0,
            requested: 0,
            intents: HashMap::new(),
            saving_labels: 0,
            saving_session: None,
            events: unbounded(),
            waiting: VecDeque::new(),
            wake,
        }
    }
}
