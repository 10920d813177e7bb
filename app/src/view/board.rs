//! Labels that are being edited, on a thread of their own: nobody waits for a stroke, a flood or the disk.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::{Edit, Labels, Sum};
use voxelry_core::{Error, Job, Region, Result};

/// What a piece of work changed, and what it has to say.
#[derive(Default)]
pub struct Done {
    /// Where voxels are others than before.
    pub regions: Vec<Region>,
    /// What the user is told beside the tool.
    pub says: Option<String>,
}

impl From<Vec<Region>> for Done {
    fn from(regions: Vec<Region>) -> Self {
        Self { regions, says: None }
    }
}

/// Something that is done to labels.
pub type Work = Box<dyn FnOnce(&mut Edit, &Job) -> Result<Done> + Send>;

enum Order {
    Draw(Work),
    Lift(String),
    Preview(u64, Work),
    Forget,
    Whole(String, Work),
    Undo,
    Redo,
    TakeOver(Arc<dyn ImageSource>, Frame),
}

/// What came of an order.
pub struct News {
    /// Where voxels are others than before.
    pub regions: Vec<Region>,
    /// What the tool has to say; none: nothing new.
    pub says: Option<String>,
    /// Why something could not be done.
    pub error: Option<String>,
    /// Labels with their voxels, when an edit was finished or taken back.
    pub rows: Option<Arc<Vec<(u32, Sum)>>>,
}

/// Labels with the thread that edits them.
pub struct Board {
    /// The labels.
    pub labels: Arc<Labels>,
    orders: Sender<Order>,
    news: Receiver<News>,
    waiting: Arc<AtomicUsize>,
    /// The number of the preview that is wanted.
    latest: Arc<AtomicU64>,
    /// How often the labels have changed.
    edits: Arc<AtomicU64>,
    /// What is being done, to be stopped.
    job: Arc<Mutex<Job>>,
    /// Whether that is a preview.
    previewing: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
}

/// How far something is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// What is being done; empty: nothing that takes long.
    pub name: String,
    /// Voxels done and to do.
    pub done: u64,
    /// See `done`.
    pub total: u64,
}

impl Board {
    /// A thread for labels; `wake` is called when there is news.
    pub fn new(labels: Arc<Labels>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (orders, wanted) = unbounded();
        let (send, news) = unbounded();
        let board = Self {
            labels: labels.clone(),
            orders,
            news,
            waiting: Arc::default(),
            latest: Arc::default(),
            edits: Arc::default(),
            job: Arc::new(Mutex::new(Job::silent())),
            previewing: Arc::default(),
            progress: Arc::default(),
        };
        let bench = Bench {
            labels,
            send,
            waiting: board.waiting.clone(),
            latest: board.latest.clone(),
            edits: board.edits.clone(),
            job: board.job.clone(),
            previewing: board.previewing.clone(),
            progress: board.progress.clone(),
            wake,
        };
        std::thread::spawn(move || bench.work(&wanted));
        board
    }

    fn order(&self, order: Order) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The thread ends only with the board.
        let _ = self.orders.send(order);
    }

    /// Adds to the stroke that is being drawn, or begins one.
    pub fn draw(&self, work: Work) {
        self.supersede();
        self.order(Order::Draw(work));
    }

    /// Ends the stroke: it can be taken back as a whole.
    pub fn lift(&self, name: &str) {
        self.order(Order::Lift(name.to_owned()));
    }

    /// Shows what something would do, instead of what was shown before.
    pub fn preview(&self, work: Work) {
        let number = self.supersede();
        self.order(Order::Preview(number, work));
    }

    /// Forgets the preview, or the stroke that is being drawn.
    pub fn forget(&self) {
        self.supersede();
        self.order(Order::Forget);
    }

    /// Does something as one edit; a preview is forgotten.
    pub fn whole(&self, name: &str, work: Work) {
        self.supersede();
        self.order(Order::Whole(name.to_owned(), work));
    }

    /// Takes the last edit back.
    pub fn undo(&self) {
        self.supersede();
        self.order(Order::Undo);
    }

    /// Makes an edit again that was taken back.
    pub fn redo(&self) {
        self.supersede();
        self.order(Order::Redo);
    }

    /// Takes over all voxels of an image; undo does not reach beyond that.
    pub fn take_over(&self, source: Arc<dyn ImageSource>, frame: Frame) {
        self.order(Order::TakeOver(source, frame));
    }

    /// How often the labels have changed, by edits and by taking them back.
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

    /// Whether something is being done.
    pub fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// What is being done, if it takes long.
    pub fn progress(&self) -> Progress {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came of orders since the last time.
    pub fn news(&self) -> Vec<News> {
        self.news.try_iter().collect()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.supersede();
        self.stop();
    }
}

/// The thread's side.
struct Bench {
    labels: Arc<Labels>,
    send: Sender<News>,
    waiting: Arc<AtomicUsize>,
    latest: Arc<AtomicU64>,
    edits: Arc<AtomicU64>,
    job: Arc<Mutex<Job>>,
    previewing: Arc<AtomicBool>,
    progress: Arc<Mutex<Progress>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// An edit that is under way.
enum Open {
    Stroke(Edit),
    Preview(Edit),
}

impl Bench {
    fn work(&self, orders: &Receiver<Order>) {
        if let Err(error) = self.labels.survey(&Job::silent()) {
            self.tell(News { regions: Vec::new(), says: None, error: Some(error.to_string()), rows: None });
        }
        self.tell(News { regions: Vec::new(), says: None, error: None, rows: self.rows() });
        let mut open: Option<Open> = None;
        for order in orders {
            self.do_one(order, &mut open);
            *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Progress::default();
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            (self.wake)();
        }
    }

    fn tell(&self, news: News) {
        // Nobody listens when the window has closed.
        let _ = self.send.send(news);
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

    fn do_one(&self, order: Order, open: &mut Option<Open>) {
        let mut news = News { regions: Vec::new(), says: None, error: None, rows: None };
        // All but the end of a stroke forgets the preview first.
        let outdated = match &order {
            Order::Preview(number, _) => *number == self.latest.load(Ordering::Relaxed),
            Order::Lift(_) => false,
            _ => true,
        };
        if outdated {
            match open.take() {
                Some(Open::Preview(edit)) => news.regions.extend(edit.cancel()),
                Some(Open::Stroke(edit)) if matches!(order, Order::Forget) => {
                    news.regions.extend(edit.cancel());
                }
                other => *open = other,
            }
        }
        let result: Result<()> = match order {
            Order::Draw(work) => self.draw(open, work, &mut news),
            Order::Lift(name) => match open.take() {
                Some(Open::Stroke(edit)) => self.finish(edit, &name, &mut news),
                other => {
                    *open = other;
                    Ok(())
                }
            },
            Order::Preview(number, work) => {
                if number == self.latest.load(Ordering::Relaxed) && open.is_none() {
                    let job = self.new_job("");
                    self.previewing.store(true, Ordering::Relaxed);
                    // What came in this moment is not waited for.
                    if number != self.latest.load(Ordering::Relaxed) {
                        job.cancel();
                    }
                    self.labels.edit().and_then(|mut edit| {
                        let done = work(&mut edit, &job);
                        self.previewing.store(false, Ordering::Relaxed);
                        *open = Some(Open::Preview(edit));
                        let done = done?;
                        news.regions.extend(done.regions);
                        news.says = done.says;
                        Ok(())
                    })
                } else {
                    Ok(())
                }
            }
            Order::Forget => Ok(()),
            Order::Whole(name, work) => self.stroke_done(open, &mut news).and_then(|()| {
                let job = self.new_job(&name);
                let mut edit = self.labels.edit()?;
                match work(&mut edit, &job) {
                    Ok(done) => {
                        news.says = done.says;
                        news.regions.extend(done.regions);
                        self.finish(edit, &name, &mut news)
                    }
                    Err(error) => {
                        news.regions.extend(edit.cancel());
                        Err(error)
                    }
                }
            }),
            Order::TakeOver(source, frame) => self.take_over(&*source, frame, &mut news),
            Order::Undo | Order::Redo => self.stroke_done(open, &mut news).and_then(|()| {
                let back = matches!(order, Order::Undo);
                let changed = if back { self.labels.undo()? } else { self.labels.redo()? };
                if let Some(changed) = changed {
                    self.edits.fetch_add(1, Ordering::Relaxed);
                    news.says =
                        Some(format!("{} {}", if back { "Took back:" } else { "Again:" }, changed.name));
                    news.regions.extend(changed.regions);
                    news.rows = self.rows();
                }
                Ok(())
            }),
        };
        match result {
            Ok(()) | Err(Error::Cancelled) => {}
            Err(error) => news.error = Some(error.to_string()),
        }
        if !news.regions.is_empty() || news.says.is_some() || news.error.is_some() || news.rows.is_some() {
            self.tell(news);
        }
    }

    fn take_over(&self, source: &dyn ImageSource, frame: Frame, news: &mut News) -> Result<()> {
        let job = self.new_job("Taking labels over");
        let (shape, mut edit) = (self.labels.shape(), self.labels.edit()?);
        job.stage("Taking labels over", shape.iter().map(|n| *n as u64).product());
        for tile in Region::whole(shape).tiles([64, 128, 128]) {
            job.check()?;
            let voxels = source.read(frame, tile)?.into_labels()?;
            news.regions.extend(edit.put(tile.start, voxels.view::<u32>().expect("just cast"))?);
            job.advance(tile.len() as u64);
        }
        edit.commit("Take over")?;
        self.labels.settle()?;
        news.rows = self.rows();
        Ok(())
    }

    fn draw(&self, open: &mut Option<Open>, work: Work, news: &mut News) -> Result<()> {
        if open.is_none() {
            *open = Some(Open::Stroke(self.labels.edit()?));
        }
        let Some(Open::Stroke(edit)) = open else { return Ok(()) };
        let done = work(edit, &Job::silent())?;
        news.regions.extend(done.regions);
        news.says = done.says;
        Ok(())
    }

    /// A stroke that was not ended is.
    fn stroke_done(&self, open: &mut Option<Open>, news: &mut News) -> Result<()> {
        match open.take() {
            Some(Open::Stroke(edit)) => self.finish(edit, "Paint", news),
            _ => Ok(()),
        }
    }

    fn finish(&self, edit: Edit, name: &str, news: &mut News) -> Result<()> {
        let touched = edit.touched();
        match edit.commit(name) {
            Ok(changed) => {
                if !changed.name.is_empty() {
                    self.edits.fetch_add(1, Ordering::Relaxed);
                }
                news.rows = self.rows();
                Ok(())
            }
            Err(error) => {
                // It is as it was before.
                news.regions.extend(touched);
                Err(error)
            }
        }
    }
}
