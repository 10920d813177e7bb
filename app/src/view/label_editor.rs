//! Labels that are being edited, on a thread of their own: nobody waits for a stroke, a flood or the disk.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::{Edit, Labels, Sum};
use voxelry_core::{Error, Job, Region, Result};

/// Result of an edit: changed regions and a message.
#[derive(Default)]
pub struct EditOutcome {
    /// Regions whose voxels have changed.
    pub regions: Vec<Region>,
    /// Message for the user.
    pub message: Option<String>,
}

impl From<Vec<Region>> for EditOutcome {
    fn from(regions: Vec<Region>) -> Self {
        Self { regions, message: None }
    }
}

/// Something that is done to labels.
pub type EditFn = Box<dyn FnOnce(&mut Edit, &Job) -> Result<EditOutcome> + Send>;

enum Request {
    Draw(EditFn),
    EndStroke(String),
    Preview(u64, EditFn),
    Discard,
    Apply(String, EditFn),
    Undo,
    Redo,
    TakeOver(Arc<dyn ImageSource>, Frame),
}

/// Result of a request.
pub struct Update {
    /// Regions whose voxels have changed.
    pub regions: Vec<Region>,
    /// Message for the status line of the tools, if any.
    pub message: Option<String>,
    /// Why something could not be done.
    pub error: Option<String>,
    /// Labels with their voxels, when an edit was finished or taken back.
    pub rows: Option<Arc<Vec<(u32, Sum)>>>,
}

/// Labels with the thread that edits them.
pub struct LabelEditor {
    /// The labels.
    pub labels: Arc<Labels>,
    requests: Sender<Request>,
    updates: Receiver<Update>,
    waiting: Arc<AtomicUsize>,
    /// The number of the preview that is wanted.
    latest: Arc<AtomicU64>,
    /// Number of changes of the labels.
    edits: Arc<AtomicU64>,
    /// Job of the current edit, for cancelling.
    job: Arc<Mutex<Job>>,
    /// True if that is a preview.
    previewing: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
}

/// Progress of an edit.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Name of the edit; empty if none takes long.
    pub name: String,
    /// Voxels done and to do.
    pub done: u64,
    /// See `done`.
    pub total: u64,
}

impl LabelEditor {
    /// Starts a thread for labels; `wake` is called when there are updates.
    pub fn new(labels: Arc<Labels>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (requests, wanted) = unbounded();
        let (send, updates) = unbounded();
        let editor = Self {
            labels: labels.clone(),
            requests,
            updates,
            waiting: Arc::default(),
            latest: Arc::default(),
            edits: Arc::default(),
            job: Arc::new(Mutex::new(Job::silent())),
            previewing: Arc::default(),
            progress: Arc::default(),
        };
        let worker = Worker {
            labels,
            send,
            waiting: editor.waiting.clone(),
            latest: editor.latest.clone(),
            edits: editor.edits.clone(),
            job: editor.job.clone(),
            previewing: editor.previewing.clone(),
            progress: editor.progress.clone(),
            wake,
        };
        std::thread::spawn(move || worker.work(&wanted));
        editor
    }

    fn request(&self, request: Request) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread ends only with the editor.
        let _ = self.requests.send(request);
    }

    /// Adds to the stroke that is being drawn, or begins one.
    pub fn draw(&self, work: EditFn) {
        self.supersede();
        self.request(Request::Draw(work));
    }

    /// Ends the stroke: it can be taken back as a whole.
    pub fn end_stroke(&self, name: &str) {
        self.request(Request::EndStroke(name.to_owned()));
    }

    /// Shows what something would do, instead of what was shown before.
    pub fn preview(&self, work: EditFn) {
        let number = self.supersede();
        self.request(Request::Preview(number, work));
    }

    /// Forgets the preview, or the stroke that is being drawn.
    pub fn discard(&self) {
        self.supersede();
        self.request(Request::Discard);
    }

    /// Does something as one edit; a preview is forgotten.
    pub fn apply(&self, name: &str, work: EditFn) {
        self.supersede();
        self.request(Request::Apply(name.to_owned(), work));
    }

    /// Takes the last edit back.
    pub fn undo(&self) {
        self.supersede();
        self.request(Request::Undo);
    }

    /// Makes an edit again that was taken back.
    pub fn redo(&self) {
        self.supersede();
        self.request(Request::Redo);
    }

    /// Takes over all voxels of an image; undo does not reach beyond that.
    pub fn take_over(&self, source: Arc<dyn ImageSource>, frame: Frame) {
        self.request(Request::TakeOver(source, frame));
    }

    /// Number of changes of the labels, by edits, undo and redo.
    pub fn edits(&self) -> u64 {
        self.edits.load(Ordering::Relaxed)
    }

    /// Previews that were asked for before are no longer wanted, and one that is being made is given up.
    fn supersede(&self) -> u64 {
        if self.previewing.load(Ordering::Relaxed) {
            self.job.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        }
        self.latest.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Stops what is being done; whether there was anything.
    pub fn stop(&self) -> bool {
        let busy = self.is_busy();
        if busy {
            self.job.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        }
        busy
    }

    /// Returns whether something is being done.
    pub fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Progress of the current edit, if it takes long.
    pub fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Results of requests since the last call.
    pub fn updates(&self) -> Vec<Update> {
        self.updates.try_iter().collect()
    }
}

impl Drop for LabelEditor {
    fn drop(&mut self) {
        self.supersede();
        self.stop();
    }
}

/// The thread's side.
struct Worker {
    labels: Arc<Labels>,
    send: Sender<Update>,
    waiting: Arc<AtomicUsize>,
    latest: Arc<AtomicU64>,
    edits: Arc<AtomicU64>,
    job: Arc<Mutex<Job>>,
    previewing: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// An edit that is under way.
enum PendingEdit {
    Stroke(Edit),
    Preview(Edit),
}

impl Worker {
    fn work(&self, requests: &Receiver<Request>) {
        if let Err(error) = self.labels.survey(&Job::silent()) {
            self.tell(Update {
                regions: Vec::new(),
                message: None,
                error: Some(error.to_string()),
                rows: None,
            });
        }
        self.tell(Update { regions: Vec::new(), message: None, error: None, rows: self.rows() });
        let mut pending: Option<PendingEdit> = None;
        for request in requests {
            self.do_one(request, &mut pending);
            *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Progress::default();
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            (self.wake)();
        }
    }

    fn tell(&self, update: Update) {
        // Nobody listens when the window has closed.
        let _ = self.send.send(update);
        (self.wake)();
    }

    fn rows(&self) -> Option<Arc<Vec<(u32, Sum)>>> {
        self.labels.sums().map(|sums| Arc::new(sums.into_iter().collect()))
    }

    fn new_job(&self, name: &str) -> Job {
        let (progress, wake) = (self.progress.clone(), self.wake.clone());
        name.clone_into(&mut progress.lock().unwrap_or_else(PoisonError::into_inner).name);
        let job = Job::new(move |event| {
            if let voxelry_core::jobs::Event::Progress { done, total } = event {
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                (progress.done, progress.total) = (done, total);
                drop(progress);
                wake();
            }
        });
        *self.job.lock().unwrap_or_else(PoisonError::into_inner) = job.clone();
        job
    }

    fn do_one(&self, request: Request, pending: &mut Option<PendingEdit>) {
        let mut update = Update { regions: Vec::new(), message: None, error: None, rows: None };
        // All but the end of a stroke forgets the preview first.
        let outdated = match &request {
            Request::Preview(number, _) => *number == self.latest.load(Ordering::Relaxed),
            Request::EndStroke(_) => false,
            _ => true,
        };
        if outdated {
            match pending.take() {
                Some(PendingEdit::Preview(edit)) => update.regions.extend(edit.cancel()),
                Some(PendingEdit::Stroke(edit)) if matches!(request, Request::Discard) => {
                    update.regions.extend(edit.cancel());
                }
                other => *pending = other,
            }
        }
        let result: Result<()> = match request {
            Request::Draw(work) => self.draw(pending, work, &mut update),
            Request::EndStroke(name) => match pending.take() {
                Some(PendingEdit::Stroke(edit)) => self.finish(edit, &name, &mut update),
                other => {
                    *pending = other;
                    Ok(())
                }
            },
            Request::Preview(number, work) => {
                if number == self.latest.load(Ordering::Relaxed) && pending.is_none() {
                    let job = self.new_job("");
                    self.previewing.store(true, Ordering::Relaxed);
                    // What came in this moment is not waited for.
                    if number != self.latest.load(Ordering::Relaxed) {
                        job.cancel();
                    }
                    self.labels.edit().and_then(|mut edit| {
                        let done = work(&mut edit, &job);
                        self.previewing.store(false, Ordering::Relaxed);
                        *pending = Some(PendingEdit::Preview(edit));
                        let done = done?;
                        update.regions.extend(done.regions);
                        update.message = done.message;
                        Ok(())
                    })
                } else {
                    Ok(())
                }
            }
            Request::Discard => Ok(()),
            Request::Apply(name, work) => self.stroke_done(pending, &mut update).and_then(|()| {
                let job = self.new_job(&name);
                let mut edit = self.labels.edit()?;
                match work(&mut edit, &job) {
                    Ok(done) => {
                        update.message = done.message;
                        update.regions.extend(done.regions);
                        self.finish(edit, &name, &mut update)
                    }
                    Err(error) => {
                        update.regions.extend(edit.cancel());
                        Err(error)
                    }
                }
            }),
            Request::TakeOver(source, frame) => self.take_over(&*source, frame, &mut update),
            Request::Undo | Request::Redo => self.stroke_done(pending, &mut update).and_then(|()| {
                let back = matches!(request, Request::Undo);
                let changed = if back { self.labels.undo()? } else { self.labels.redo()? };
                if let Some(changed) = changed {
                    self.edits.fetch_add(1, Ordering::Relaxed);
                    update.message =
                        Some(format!("{} {}", if back { "Undone:" } else { "Redone:" }, changed.name));
                    update.regions.extend(changed.regions);
                    update.rows = self.rows();
                }
                Ok(())
            }),
        };
        match result {
            Ok(()) | Err(Error::Cancelled) => {}
            Err(error) => update.error = Some(error.to_string()),
        }
        if !update.regions.is_empty()
            || update.message.is_some()
            || update.error.is_some()
            || update.rows.is_some()
        {
            self.tell(update);
        }
    }

    fn take_over(&self, source: &dyn ImageSource, frame: Frame, update: &mut Update) -> Result<()> {
        let job = self.new_job("Importing labels");
        let (shape, mut edit) = (self.labels.shape(), self.labels.edit()?);
        job.stage("Importing labels", shape.iter().map(|n| *n as u64).product());
        for tile in Region::whole(shape).tiles([64, 128, 128]) {
            job.check()?;
            let voxels = source.read(frame, tile)?.into_labels()?;
            update.regions.extend(edit.put(tile.start, voxels.view::<u32>().expect("just cast"))?);
            job.advance(tile.len() as u64);
        }
        edit.commit("Take over")?;
        self.labels.reset_undo_base()?;
        update.rows = self.rows();
        Ok(())
    }

    fn draw(&self, pending: &mut Option<PendingEdit>, work: EditFn, update: &mut Update) -> Result<()> {
        if pending.is_none() {
            *pending = Some(PendingEdit::Stroke(self.labels.edit()?));
        }
        let Some(PendingEdit::Stroke(edit)) = pending else { return Ok(()) };
        let done = work(edit, &Job::silent())?;
        update.regions.extend(done.regions);
        update.message = done.message;
        Ok(())
    }

    /// A stroke that was not ended is.
    fn stroke_done(&self, pending: &mut Option<PendingEdit>, update: &mut Update) -> Result<()> {
        match pending.take() {
            Some(PendingEdit::Stroke(edit)) => self.finish(edit, "Paint", update),
            _ => Ok(()),
        }
    }

    fn finish(&self, edit: Edit, name: &str, update: &mut Update) -> Result<()> {
        let touched = edit.touched();
        match edit.commit(name) {
            Ok(changed) => {
                if !changed.name.is_empty() {
                    self.edits.fetch_add(1, Ordering::Relaxed);
                }
                update.rows = self.rows();
                Ok(())
            }
            Err(error) => {
                // It is as it was before.
                update.regions.extend(touched);
                Err(error)
            }
        }
    }
}
