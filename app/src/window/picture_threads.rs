//! Threads that draw pictures in the background: only those that are in view now, each once.

use crossbeam_channel::{Receiver, Sender, TryIter, unbounded};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Number of threads.
const THREADS: usize = 2;

/// A picture to draw: the generation of what it is of, and its row.
pub type PictureKey = (u64, u32);

/// Request for a picture.
pub trait PictureRequest: Send + 'static {
    /// The picture.
    type Picture: Send + 'static;

    /// Names the picture.
    fn key(&self) -> PictureKey;

    /// Draws the picture; none if the image can't be read.
    fn draw(&self) -> Option<Self::Picture>;
}

/// Threads that draw what was requested last.
pub struct PictureThreads<R: PictureRequest> {
    shared: Arc<Shared<R>>,
    drawn: Receiver<(PictureKey, Option<R::Picture>)>,
}

struct Shared<R> {
    queue: Mutex<Queue<R>>,
    changed: Condvar,
}

struct Queue<R> {
    requests: VecDeque<R>,
    drawing: Vec<PictureKey>,
    stop: bool,
}

impl<R: PictureRequest> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, Queue<R>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, send: &Sender<(PictureKey, Option<R::Picture>)>, wake: &dyn Fn()) {
        loop {
            let mut queue = self.lock();
            let request = loop {
                if queue.stop {
                    return;
                }
                match queue.requests.pop_front() {
                    Some(request) if queue.drawing.contains(&request.key()) => {}
                    Some(request) => break request,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            let key = request.key();
            queue.drawing.push(key);
            drop(queue);
            let drawn = request.draw();
            // Nobody listens when the table has gone.
            let _ = send.send((key, drawn));
            self.lock().drawing.retain(|d| *d != key);
            wake();
        }
    }
}

impl<R: PictureRequest> PictureThreads<R> {
    /// Starts the threads; `wake` calls for a frame.
    pub fn new(wake: &Arc<dyn Fn() + Send + Sync>) -> Self {
        let queue = Mutex::new(Queue { requests: VecDeque::new(), drawing: Vec::new(), stop: false });
        let shared = Arc::new(Shared { queue, changed: Condvar::new() });
        let (send, drawn) = unbounded();
        for _ in 0..THREADS {
            let (shared, send, wake) = (shared.clone(), send.clone(), wake.clone());
            std::thread::spawn(move || shared.work(&send, &*wake));
        }
        Self { shared, drawn }
    }

    /// Replaces the requests that have not begun.
    pub fn request(&self, requests: VecDeque<R>) {
        self.shared.lock().requests = requests;
        self.shared.changed.notify_all();
    }

    /// Pictures that were drawn since the last call.
    pub fn drawn(&self) -> TryIter<'_, (PictureKey, Option<R::Picture>)> {
        self.drawn.try_iter()
    }
}

impl<R: PictureRequest> Drop for PictureThreads<R> {
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.stop = true;
        drop(queue);
        self.shared.changed.notify_all();
    }
}
