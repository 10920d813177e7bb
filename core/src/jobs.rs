//! Progress, warnings and cancellation of anything that takes time. The desktop program, the
//! command line and the pool are three consumers of the same events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, Result};

/// What a running job says of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A stage begins; `total` is the work it will do, in voxels.
    Stage {
        /// What is being done, in the user's words.
        name: String,
        /// Voxels to work through.
        total: u64,
    },
    /// Voxels done so far in the current stage.
    Progress {
        /// Voxels done.
        done: u64,
        /// Voxels to work through.
        total: u64,
    },
    /// Something the user should know that does not stop the job.
    Warning(String),
    /// Something the user should know of this run, which says nothing of its result: another run of the same may not
    /// have it.
    Caution(String),
    /// A fact worth a line in a verbose log.
    Note(String),
    /// A value that was found on the way and belongs to the record of the result.
    Fact {
        /// What it is, such as `threshold`.
        name: String,
        /// Its value, in the image's units.
        value: f64,
    },
}

type Listener = dyn Fn(Event) + Send + Sync;

struct Shared {
    cancelled: Arc<AtomicBool>,
    done: AtomicU64,
    total: AtomicU64,
    reported: AtomicU64,
    listener: Option<Box<Listener>>,
}

/// A handle to a running job; clones are the same job.
#[derive(Clone)]
pub struct Job(Arc<Shared>);

impl Default for Job {
    fn default() -> Self {
        Self::silent()
    }
}

impl Job {
    /// A job that nobody listens to.
    pub fn silent() -> Self {
        Self::with(Arc::default(), None)
    }

    /// A part of this job: it is cancelled with it and its warnings and notes are heard, but its
    /// stages and progress are not. The block engine gives it to kernels, since it counts itself.
    pub fn part(&self) -> Self {
        let whole = self.clone();
        let listener = move |event| {
            if !matches!(event, Event::Stage { .. } | Event::Progress { .. }) {
                whole.send(event);
            }
        };
        Self::with(self.0.cancelled.clone(), Some(Box::new(listener)))
    }

    /// The same job, of which `listener` hears every event first.
    pub fn overheard(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        let whole = self.clone();
        let both = move |event| {
            listener(&event);
            whole.send(event);
        };
        Self::with(self.0.cancelled.clone(), Some(Box::new(both)))
    }

    /// A job that tells `listener` of its events, from whichever thread they happen on.
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self::with(Arc::default(), Some(Box::new(listener)))
    }

    fn with(cancelled: Arc<AtomicBool>, listener: Option<Box<Listener>>) -> Self {
        Self(Arc::new(Shared {
            cancelled,
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            listener,
        }))
    }

    /// Asks the job to stop. It does so at its next [`Job::check`].
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Call this at least every few milliseconds of work.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the job was asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Begins a stage of `total` voxels.
    pub fn stage(&self, name: impl Into<String>, total: u64) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.reported.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        self.send(Event::Stage { name: name.into(), total });
    }

    /// Adds `voxels` to what is done; listeners hear of it about every half per cent.
    pub fn advance(&self, voxels: u64) {
        let total = self.0.total.load(Ordering::Relaxed);
        let done = self.0.done.fetch_add(voxels, Ordering::Relaxed) + voxels;
        let reported = self.0.reported.load(Ordering::Relaxed);
        let due = done >= reported + (total / 200).max(1)
            && self.0.reported.compare_exchange(reported, done, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if due {
            self.send(Event::Progress { done: done.min(total), total });
        }
    }

    /// Tells the user something that does not stop the job.
    pub fn warn(&self, message: impl Into<String>) {
        self.send(Event::Warning(message.into()));
    }

    /// Tells the user something of this run that says nothing of its result.
    pub fn caution(&self, message: impl Into<String>) {
        self.send(Event::Caution(message.into()));
    }

    /// A line for a verbose log.
    pub fn note(&self, message: impl Into<String>) {
        self.send(Event::Note(message.into()));
    }

    /// A value that was found on the way and belongs to the record of the result.
    pub fn fact(&self, name: impl Into<String>, value: f64) {
        self.send(Event::Fact { name: name.into(), value });
    }

    fn send(&self, event: Event) {
        if let Some(listener) = &self.0.listener {
            listener(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_cancelled_job_says_so() {
        let job = Job::silent();
        assert!(job.check().is_ok());
        job.clone().cancel();
        assert!(matches!(job.check(), Err(Error::Cancelled)));
    }

    #[test]
    fn progress_is_reported_in_steps_and_never_past_the_total() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let job = Job::new(move |event| sink.lock().unwrap().push(event));
        job.stage("median", 10_000);
        for _ in 0..10_001 {
            job.advance(1);
        }
        let events = seen.lock().unwrap();
        assert_eq!(events[0], Event::Stage { name: "median".into(), total: 10_000 });
        assert!(events.len() <= 202, "{} events", events.len());
        for event in &events[1..] {
            assert!(matches!(event, Event::Progress { done, total: 10_000 } if *done <= 10_000));
        }
    }
}
