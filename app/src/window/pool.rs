//! Jobs of a pool of workers: what they do, giving one a recipe, calling it off, and opening what it made.

use super::app::Viewer;
use super::events::AppEvent;
use super::theme::WRONG;
use crate::cli::pool;
use crate::cli::run::stem;
use crate::view::{Content, Layer, open};
use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};
use egui::{Context, RichText, ScrollArea, Ui};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use voxelry_core::Error;
use voxelry_core::io::browse::Cache;
use voxelry_core::io::{Frame, OpenOptions};
use voxelry_core::recipe::IMAGE;
use voxelry_core::results::{JOB_SPEC_FILE, JobSpec, LabelsAs, PartialResult};
use voxelry_stores::pool::{JobInfo, State, Submission};

/// Interval between requests for the jobs while they are shown.
const LOOK: Duration = Duration::from_millis(500);
/// Time without being drawn after which a window counts as hidden.
const AWAY: Duration = Duration::from_secs(2);

/// Request to the pool.
enum PoolRequest {
    Submit(Box<Submission>),
    Cancel(String),
    Look,
}

/// State of the pool.
#[derive(Default)]
struct PoolState {
    /// Its name, as it was typed.
    pool: String,
    /// None: it was not asked yet.
    jobs: Option<Vec<JobInfo>>,
    workers: usize,
    error: Option<String>,
    /// Result of the last request.
    said: Option<Result<String, String>>,
    drawn: Option<Instant>,
}

/// The window of the jobs of a pool.
pub struct PoolPanel {
    /// True if it is shown.
    pub shown: bool,
    pool: String,
    /// Folder for the next job's results.
    out: String,
    overwrite: bool,
    seen: Arc<Mutex<PoolState>>,
    asks: Option<Sender<PoolRequest>>,
}

impl Default for PoolPanel {
    fn default() -> Self {
        Self {
            shown: false,
            pool: "local".into(),
            out: String::new(),
            overwrite: false,
            seen: Arc::default(),
            asks: None,
        }
    }
}

fn lock(seen: &Mutex<PoolState>) -> MutexGuard<'_, PoolState> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PoolPanel {
    /// Asks the pool, on a thread of its own.
    fn ask(&mut self, ask: PoolRequest, wake: Arc<dyn Fn() + Send + Sync>) {
        let asks = self.asks.get_or_insert_with(|| {
            let (send, asked) = unbounded();
            let seen = self.seen.clone();
            std::thread::spawn(move || {
                loop {
                    let ask = match asked.recv_timeout(LOOK) {
                        Ok(ask) => ask,
                        Err(RecvTimeoutError::Timeout) => PoolRequest::Look,
                        Err(RecvTimeoutError::Disconnected) => return,
                    };
                    answer(ask, &seen, &*wake);
                }
            });
            send
        });
        // The thread ends with this.
        let _ = asks.send(ask);
    }
}

/// Does what was asked, and looks what became of the jobs.
fn answer(ask: PoolRequest, seen: &Mutex<PoolState>, wake: &(dyn Fn() + Send + Sync)) {
    let (name, drawn) = {
        let seen = lock(seen);
        (seen.pool.clone(), seen.drawn)
    };
    if matches!(ask, PoolRequest::Look) && drawn.is_none_or(|drawn| drawn.elapsed() > AWAY) {
        return;
    }
    let plain = |e: anyhow::Error| e.to_string();
    let pool = pool::of(&name).map_err(plain);
    let said = pool.as_ref().map_err(Clone::clone).and_then(|pool| match ask {
        PoolRequest::Submit(submission) => {
            pool.submit(&submission).map(|info| Some(format!("{} was submitted", info.id)))
        }
        PoolRequest::Cancel(id) => pool.cancel(&id).map(|_| None),
        PoolRequest::Look => Ok(None),
    });
    let found = pool.and_then(|pool| Ok((pool.jobs()?, pool.workers()?.len())));
    let mut seen = lock(seen);
    if seen.pool != name {
        return;
    }
    let said = said.transpose();
    let changed = said.is_some();
    if changed {
        seen.said = said;
    }
    let (jobs, workers, error) = match found {
        Ok((jobs, workers)) => (jobs, workers, None),
        Err(error) => (Vec::new(), 0, Some(error)),
    };
    let same = seen.jobs.as_ref() == Some(&jobs) && (seen.workers, &seen.error) == (workers, &error);
    (seen.jobs, seen.workers, seen.error) = (Some(jobs), workers, error);
    drop(seen);
    if changed || !same {
        wake();
    }
}

/// The order of a recipe on the layer that is worked on; in a sentence why there can't be one.
pub(super) fn spec(viewer: &Viewer) -> Result<JobSpec, String> {
    let layer = viewer.layer_to_work_on().ok_or("Open an image to run a recipe on")?;
    if !viewer.recipe_editor.is_ready() {
        return Err("Build or open a recipe in the Recipe panel".into());
    }
    let path = layer.path.clone().filter(|_| layer.minus.is_none() && layer.content == Content::Grey);
    let path = path.ok_or("Save this layer to a file first")?;
    let recipe = viewer.recipe_editor.recipe().map_err(|e| e.to_string())?;
    let mut inputs = vec![(IMAGE.to_owned(), path.clone())];
    for (name, layer) in super::recipe::taken(viewer, &recipe) {
        let path = layer.path.clone().filter(|_| layer.minus.is_none());
        inputs.push((name.clone(), path.ok_or_else(|| format!("Save {name} to a file first"))?));
    }
    Ok(JobSpec {
        sample: stem(&path),
        recipe,
        inputs,
        expected: Vec::new(),
        options: layer.options.clone(),
        frame: Frame::new(layer.channel, layer.time),
        kind: None,
        ignore_geometry: false,
        labels_as: LabelsAs::OmeZarr,
    })
}

/// Default folder for the results of an image.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}-results", stem(path)))
}

/// Shows the window of jobs.
pub fn show(viewer: &mut Viewer, ctx: &Context) {
    if !viewer.pool.shown {
        return;
    }
    let mut shown = true;
    let (wake, spec) = (viewer.waker(), spec(viewer));
    let mut asks = Vec::new();
    let mut open = None;
    let jobs = &mut viewer.pool;
    if lock(&jobs.seen).drawn.is_none_or(|drawn| drawn.elapsed() > AWAY) {
        asks.push(PoolRequest::Look);
    }
    {
        let mut seen = lock(&jobs.seen);
        seen.drawn = Some(Instant::now());
        if seen.pool != jobs.pool {
            *seen = PoolState { pool: jobs.pool.clone(), drawn: seen.drawn, ..PoolState::default() };
            asks.push(PoolRequest::Look);
        }
    }
    egui::Window::new("Worker pool jobs")
        .open(&mut shown)
        .default_size([560.0, 420.0])
        .default_pos([240.0, 90.0])
        .show(ctx, |ui| {
            ui.horizontal(|ui| {
                ui.label("Pool");
                let hint = "local, or its URL with its token in VOXELRY_POOL_TOKEN";
                let edit = egui::TextEdit::singleline(&mut jobs.pool).desired_width(240.0).hint_text("local");
                ui.add(edit).on_hover_text(hint).accessible_name("Pool");
                let seen = lock(&jobs.seen);
                match (&seen.error, &seen.jobs) {
                    (Some(_), _) => ui.colored_label(WRONG, "not reached"),
                    (None, None) => ui.weak("…"),
                    (None, Some(_)) => ui.weak(match seen.workers {
                        1 => "1 worker".to_owned(),
                        n => format!("{n} workers"),
                    }),
                };
            });
            if let Some(error) = &lock(&jobs.seen).error {
                ui.label(RichText::new(error).color(WRONG).small());
            }
            ui.separator();
            submit(jobs, &spec, ui, &mut asks);
            ui.separator();
            let seen = lock(&jobs.seen);
            let list = seen.jobs.as_deref().unwrap_or_default();
            if list.is_empty() && seen.error.is_none() && seen.jobs.is_some() {
                ui.weak("There are no jobs");
            }
            ScrollArea::vertical().auto_shrink([false, true]).show(ui, |ui| {
                for job in list {
                    ui.push_id(&job.id, |ui| row(job, ui, &mut asks, &mut open));
                    ui.add_space(6.0);
                }
            });
        });
    jobs.shown = shown;
    for ask in asks {
        jobs.ask(ask, wake.clone());
    }
    ctx.request_repaint_after(LOOK);
    if let Some(job) = open {
        if job.state == State::Done {
            viewer.open_results(ctx, &job);
        } else {
            viewer.watch_results(ctx, job);
        }
    }
}

/// The form of a new job.
fn submit(jobs: &mut PoolPanel, spec: &Result<JobSpec, String>, ui: &mut Ui, asks: &mut Vec<PoolRequest>) {
    match spec {
        Err(reason) => {
            ui.weak(reason);
        }
        Ok(spec) => {
            let path = &spec.inputs[0].1;
            if jobs.out.is_empty() {
                jobs.out = beside(path).display().to_string();
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let steps = spec.recipe.steps.len();
            let plural = if steps == 1 { "step" } else { "steps" };
            ui.label(format!("The recipe ({steps} {plural}) on {name}, with results in"));
            ui.horizontal(|ui| {
                let edit =
                    egui::TextEdit::singleline(&mut jobs.out).desired_width(ui.available_width() - 190.0);
                ui.add(edit)
                    .on_hover_text("A folder that all machines of the pool can reach at this path")
                    .accessible_name("Folder of the results");
                ui.checkbox(&mut jobs.overwrite, "Replace").on_hover_text("Replace an earlier result there");
                if ui.button("Submit").clicked() {
                    let (out, overwrite) = (Path::new(jobs.out.trim()), jobs.overwrite);
                    match pool::submission(spec, out, overwrite, None) {
                        Ok(submission) => asks.push(PoolRequest::Submit(Box::new(submission))),
                        Err(error) => lock(&jobs.seen).said = Some(Err(error.to_string())),
                    }
                }
            });
        }
    }
    match &lock(&jobs.seen).said {
        Some(Ok(text)) => {
            ui.label(RichText::new(text).small().weak());
        }
        Some(Err(error)) => {
            ui.label(RichText::new(error).small().color(WRONG));
        }
        None => {}
    }
}

/// A job: what it is, how far it is, and what can be done with it.
fn row(job: &JobInfo, ui: &mut Ui, asks: &mut Vec<PoolRequest>, open: &mut Option<JobInfo>) {
    ui.horizontal(|ui| {
        ui.strong(&job.sample);
        let state = RichText::new(job.state.name());
        ui.label(if job.state == State::Failed { state.color(WRONG) } else { state });
        ui.weak(&job.id);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (word, hint) = if job.state.is_over() {
                ("Forget", "Removes it from the list; its results stay")
            } else {
                ("Cancel", "Cancel this job")
            };
            if ui.small_button(word).on_hover_text(hint).clicked() {
                asks.push(PoolRequest::Cancel(job.id.clone()));
            }
            let hint = match job.state {
                State::Done => "Opens its result",
                State::Running => "Opens its result, which fills in as blocks are finished",
                _ => return,
            };
            if ui.small_button("Open").on_hover_text(hint).clicked() {
                *open = Some(job.clone());
            }
        });
    });
    if job.state == State::Running {
        let part = if job.total > 0 { job.done as f32 / job.total as f32 } else { 0.0 };
        ui.add(egui::ProgressBar::new(part).desired_height(6.0));
        ui.label(RichText::new(pool::doing(job)).small());
    }
    for warning in &job.warnings {
        ui.label(RichText::new(warning).small().weak());
    }
    if let Some(error) = &job.error {
        ui.label(RichText::new(error).small().color(WRONG));
    }
    ui.label(RichText::new(job.out.display().to_string()).small().weak());
}

/// The image among the results in a folder, if there is one that this machine sees.
fn image_in(out: &Path) -> Option<PathBuf> {
    let names = ["labels.ome.zarr", "mask.ome.zarr", "image.ome.zarr"];
    names.iter().map(|name| out.join(name)).find(|path| path.exists())
}

/// The image that a job made, if it is done.
fn result_of(job: &JobInfo, pool: &str, cache: &Arc<Cache>) -> Option<Layer> {
    let jobs = pool::of(pool).ok()?.jobs().ok()?;
    jobs.iter().find(|j| j.id == job.id && j.state == State::Done)?;
    let mut layers = open::layers(&image_in(&job.out)?, &OpenOptions::default(), cache).ok()?;
    Some(layers.swap_remove(0))
}

impl Viewer {
    /// Opens the image that a job made, once it is known where it is: its folder may be slow.
    fn open_results(&self, ctx: &Context, job: &JobInfo) {
        let (send, ctx, out) = (self.jobs.events.0.clone(), ctx.clone(), job.out.clone());
        std::thread::spawn(move || {
            let answer = match image_in(&out) {
                Some(path) => AppEvent::Open(vec![path]),
                None => AppEvent::Tell(format!("{}: no image that this machine can read", out.display())),
            };
            // Nobody listens when the window has closed.
            let _ = send.send(answer);
            ctx.request_repaint();
        });
    }

    /// Opens the image that a job makes, as far as it is there; then the result in its place.
    fn watch_results(&mut self, ctx: &Context, job: JobInfo) {
        self.jobs.opening += 1;
        self.jobs.requested += 1;
        let (send, ctx, pool) = (self.jobs.events.0.clone(), ctx.clone(), self.pool.pool.clone());
        self.jobs.opener.make(self.jobs.requested, move |cache| {
            let path = job.folder.join(JOB_SPEC_FILE);
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
            let partial_result = PartialResult::new(&JobSpec::parse(&text)?.open()?, &job.folder);
            let partial_result = partial_result.ok_or_else(|| {
                Error::Usage(format!("{}: no result yet; the image is written last", job.sample))
            })?;
            let (partial_result, mut seen) = (Arc::new(partial_result), BTreeSet::new());
            let layers = open::layers_of(partial_result.clone(), &format!("{} …", job.sample), None, cache);
            let (layer, partial_result, cache) =
                (layers[0].id, Arc::downgrade(&partial_result), cache.clone());
            std::thread::spawn(move || {
                // Until the layer is closed, or what lay between the job's steps is gone.
                while let Some(partial_result) = partial_result.upgrade() {
                    let answer = match partial_result.there() {
                        Ok(there) => {
                            let parts: Vec<_> =
                                there.difference(&seen).map(|i| partial_result.parts()[*i]).collect();
                            seen = there;
                            (!parts.is_empty()).then_some(AppEvent::Grown(layer, parts))
                        }
                        Err(_) => Some(match result_of(&job, &pool, &cache) {
                            Some(result) => AppEvent::Became(layer, Box::new(result)),
                            None => {
                                AppEvent::Say(format!("{}: the job is over; no result was found", job.sample))
                            }
                        }),
                    };
                    drop(partial_result);
                    if let Some(answer) = answer {
                        let over = !matches!(answer, AppEvent::Grown(..));
                        // Nobody listens when the window has closed.
                        if send.send(answer).is_err() {
                            return;
                        }
                        ctx.request_repaint();
                        if over {
                            return;
                        }
                    }
                    std::thread::sleep(LOOK);
                }
            });
            Ok(layers)
        });
    }
}
