//! Bricks from files: what is wanted now, read by threads in the order in which it is wanted.

use super::live::Live;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use voxelry_core::Result;
use voxelry_core::io::browse::{Browsed, MUCH};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_shaders::bricks::{Brick, CORE, Key, Layout, Texels, pack};

/// A brick that is wanted.
#[derive(Clone)]
pub struct Request {
    /// The image's number on the GPU.
    pub image: u64,
    /// Index of the brick.
    pub key: Key,
    /// Its source.
    pub source: Arc<Browsed>,
    /// Cutting of the image into blocks.
    pub layout: Arc<Layout>,
    /// Storage of its voxels.
    pub texels: Texels,
    /// Channel index.
    pub channel: usize,
    /// Index of the time frame.
    pub time: usize,
    /// Number of changes of voxels seen so far.
    pub stamp: u64,
    /// Live source of its voxels, for previews.
    pub live: Option<Arc<Live>>,
    /// The part of such a brick that is wanted; nothing for all of it.
    pub thin: Option<Thin>,
    /// True if some of its voxels will do at first, if all of them take long.
    pub draft: bool,
}

/// Planes of a level: an axis, the first of them, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thin {
    /// Across which axis they lie.
    pub axis: usize,
    /// First and end.
    pub planes: [usize; 2],
}

impl Thin {
    /// Returns whether the other planes are among these.
    pub fn holds(&self, other: &Self) -> bool {
        self.axis == other.axis && self.planes[0] <= other.planes[0] && self.planes[1] >= other.planes[1]
    }
}

impl Request {
    fn read(&self) -> Result<Brick> {
        let mut region = self.layout.region(self.key);
        let start = self.key.at.map(|i| i as usize * CORE);
        if let Some(Thin { axis, planes: [first, end] }) = self.thin {
            // Where a brick lies beside the planes, the nearest of its own are made.
            let last = region.end()[axis];
            let first = first.clamp(region.start[axis], last - 1);
            (region.start[axis], region.shape[axis]) = (first, end.clamp(first + 1, last) - first);
        }
        let voxels = match (&self.live, self.thin) {
            (Some(live), _) => {
                live.read(Frame { level: self.key.level as usize, ..Frame::default() }, region)?
            }
            (None, Some(_)) => self.source.read_direct(self.frame(), region)?,
            (None, None) => self.source.read(self.frame(), region)?,
        };
        Ok(pack(&voxels, region, start, self.texels, self.thin.map(|t| t.axis)))
    }

    /// The brick of some of its voxels, if that is quicker.
    fn sampled(&self) -> Option<Result<Brick>> {
        let (region, start) = (self.layout.region(self.key), self.key.at.map(|i| i as usize * CORE));
        let voxels = self.source.sampled(self.frame(), region)?;
        Some(voxels.map(|voxels| pack(&voxels, region, start, self.texels, None)))
    }

    fn frame(&self) -> Frame {
        Frame { level: self.key.level as usize, channel: self.channel, time: self.time }
    }

    /// Returns whether much of the file must be read for it, as for the coarse levels of a file without any.
    fn is_dear(&self) -> bool {
        self.live.is_none()
            && self.thin.is_none()
            && self.source.cost(self.frame(), self.layout.region(self.key), MUCH) >= MUCH
    }
}

/// A brick that was read.
pub struct Loaded {
    /// The image's number on the GPU.
    pub image: u64,
    /// Index of the brick.
    pub key: Key,
    /// Number of changes of voxels seen so far.
    pub stamp: u64,
    /// The part of it that is there; nothing for all of it.
    pub thin: Option<Thin>,
    /// True if it is made of some of its voxels.
    pub sampled: bool,
    /// The brick, or why it could not be read.
    pub brick: Result<Brick>,
}

/// Threads that read bricks.
pub struct Loader {
    shared: Arc<Shared>,
    loaded: Receiver<Loaded>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    wanted: VecDeque<Request>,
    /// Those that take long; one thread reads them, so that the others stay quick.
    dear: VecDeque<Request>,
    reading: HashSet<(u64, Key)>,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, dear: bool) -> Option<Request> {
        let mut queue = self.lock();
        loop {
            if queue.stop {
                return None;
            }
            let found = if dear { queue.dear.pop_front() } else { queue.wanted.pop_front() };
            match found {
                Some(request) if queue.reading.contains(&(request.image, request.key)) => {}
                Some(request) => {
                    queue.reading.insert((request.image, request.key));
                    return Some(request);
                }
                None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Loader {
    /// `wake` is called when a brick was read.
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let (send, loaded) = unbounded();
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        for i in 0..=threads {
            let (shared, send, wake) = (shared.clone(), send.clone(), wake.clone());
            std::thread::spawn(move || work(&shared, &send, &*wake, i == threads));
        }
        Self { shared, loaded }
    }

    /// Says what is wanted, the most urgent first. What was wanted before and has not begun is forgotten.
    pub fn want(&self, requests: Vec<Request>) {
        let mut queue = self.shared.lock();
        queue.dear.clear();
        queue.wanted = requests.into();
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Bricks that were read since the last time, at most so many.
    pub fn loaded(&self, most: usize) -> Vec<Loaded> {
        self.loaded.try_iter().take(most).collect()
    }

    /// Returns whether something is being read or waits for it.
    pub fn is_busy(&self) -> bool {
        let queue = self.shared.lock();
        let idle = queue.wanted.is_empty() && queue.dear.is_empty() && queue.reading.is_empty();
        !(idle && self.loaded.is_empty())
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

fn work(shared: &Shared, send: &Sender<Loaded>, wake: &dyn Fn(), dear: bool) {
    while let Some(request) = shared.next(dear) {
        let (image, key, stamp, thin) = (request.image, request.key, request.stamp, request.thin);
        let is_dear = !dear && request.is_dear();
        let sampled = if is_dear && request.draft { request.sampled() } else { None };
        if is_dear && sampled.is_none() {
            let mut queue = shared.lock();
            queue.reading.remove(&(image, key));
            queue.dear.push_back(request);
            drop(queue);
            shared.changed.notify_all();
            continue;
        }
        let (sampled, brick) = sampled.map_or_else(|| (false, request.read()), |brick| (true, brick));
        // Nobody listens when the window has closed.
        let _ = send.send(Loaded { image, key, stamp, thin, sampled, brick });
        shared.lock().reading.remove(&(image, key));
        wake();
    }
}
