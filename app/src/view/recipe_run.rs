//! Recipes that run on a thread beside the window.

use super::document::{Content, Layer};
use super::live;
use crossbeam_channel::{Receiver, bounded};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tempfile::TempDir;
use voxelry_core::blocks::{Engine, Field, FileField, MemoryField, block_for, physical_memory};
use voxelry_core::io::{self, Frame, ImageInfo, ImageSource};
use voxelry_core::jobs::Event;
use voxelry_core::labels::Version;
use voxelry_core::measure::Table;
use voxelry_core::ops::{Grid, Kind};
use voxelry_core::recipe::{self, ExecutionMode, IMAGE, Plan, Recipe};
use voxelry_core::volume::apart;
use voxelry_core::{Error, Job, Region, Result, Volume};

/// An image that is not in a file: what a recipe made.
pub struct ResultImage {
    field: Arc<dyn Field>,
    info: ImageInfo,
    /// Folder of its blocks, if they are not in memory.
    _scratch: Option<Arc<TempDir>>,
}

impl ResultImage {
    fn new(field: Arc<dyn Field>, scratch: Option<Arc<TempDir>>) -> Self {
        let grid = field.grid();
        let mut info = ImageInfo::simple("result", grid.shape, [64; 3], grid.voxel, grid.geometry);
        info.labels = grid.kind != Kind::Grey;
        Self { field, info, _scratch: scratch }
    }
}

impl ImageSource for ResultImage {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        if frame != Frame::default() {
            return Err(Error::Usage("a result has one frame".into()));
        }
        Ok(self.field.read(region, &Job::silent())?.as_ref().clone())
    }
}

/// Results of a recipe.
pub struct RunResult {
    /// The last image, if the recipe makes one.
    pub image: Option<Arc<ResultImage>>,
    /// Tables with the titles of their steps.
    pub tables: Vec<(String, Table)>,
    /// Values that were found on the way, such as thresholds.
    pub facts: Vec<(String, f64)>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Progress of a recipe.
#[derive(Debug, Clone)]
pub struct Status {
    /// Name of the current stage.
    pub stage: String,
    /// Voxels done and to do in this stage.
    pub done: u64,
    /// See `done`.
    pub total: u64,
    /// Begin of the stage.
    pub stage_begun: Instant,
    facts: Vec<(String, f64)>,
    warnings: Vec<String>,
}

/// A recipe that is running.
pub struct RunningRecipe {
    job: Job,
    status: Arc<Mutex<Status>>,
    result: Receiver<Result<RunResult>>,
}

impl RunningRecipe {
    /// Progress so far.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Stops it as soon as can be.
    pub fn cancel(&self) {
        self.job.cancel();
    }

    /// Results, once it has ended.
    pub fn ended(&self) -> Option<Result<RunResult>> {
        self.result.try_recv().ok()
    }
}

impl Drop for RunningRecipe {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

fn lock(status: &Mutex<Status>) -> MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resolves a recipe against a layer, and further ones by the recipe's names for them.
///
/// # Errors
/// If the recipe doesn't fit its inputs.
pub fn plan(recipe: &Recipe, layer: &Layer, others: &[(String, &Layer)]) -> Result<Plan> {
    let inputs = inputs(recipe, layer, others, None);
    Plan::new(recipe, &inputs.iter().map(|i| (i.name.clone(), i.grid)).collect::<Vec<_>>())
}

/// A layer, and others on its grid where they lie on it.
fn inputs(
    recipe: &Recipe,
    layer: &Layer,
    others: &[(String, &Layer)],
    part: Option<ImagePart>,
) -> Vec<Input> {
    let first = (layer.name.as_str(), layer.source.info());
    let other = |(name, other): &(String, &Layer)| {
        let as_it_is = || Input::of(name, other, None);
        let for_its_grid = recipe.steps.iter().any(|step| step.takes_grid_of(name));
        if for_its_grid {
            as_it_is()
        } else {
            Input::on_grid_of(name, other, first).unwrap_or_else(|_| as_it_is())
        }
    };
    std::iter::once(Input::of(IMAGE, layer, part)).chain(others.iter().map(other)).collect()
}

/// Kind its voxels are taken as.
pub fn kind(layer: &Layer) -> Kind {
    match layer.content {
        Content::Grey => Kind::Grey,
        Content::Labels => Kind::Labels,
    }
}

fn grid(layer: &Layer) -> Grid {
    grid_of(layer.source.info(), kind(layer))
}

/// The grid of the finest level of an image that is taken as `kind`.
pub fn grid_of(info: &ImageInfo, kind: Kind) -> Grid {
    Grid { shape: info.shape(), voxel: info.voxel, kind, geometry: info.geometry() }
}

/// An image that a recipe runs on.
pub(super) struct Input {
    name: String,
    source: Arc<voxelry_core::io::browse::Browsed>,
    frame: Frame,
    grid: Grid,
    /// Source to read instead: a version of one that may change, or one resampled onto the grid of another image.
    instead: Option<(Arc<dyn ImageSource>, Frame)>,
}

impl Input {
    pub(super) fn of(name: &str, layer: &Layer, part: Option<ImagePart>) -> Self {
        let mut grid = grid(layer);
        let mut frame = Frame::new(layer.channel, layer.time);
        if let Some(ImagePart { level, region }) = part {
            let at = &layer.source.info().levels[level];
            (frame.level, grid.shape) = (level, region.shape);
            grid.geometry = at.geometry.cropped(region.start.map(|n| n as f64));
        }
        Self { name: name.to_owned(), source: layer.source.clone(), frame, grid, instead: None }
    }

    /// The whole of a layer on the grid of another image, by its name and what is known of it.
    ///
    /// # Errors
    /// If it lies elsewhere.
    pub(super) fn on_grid_of(name: &str, layer: &Layer, (other, to): (&str, &ImageInfo)) -> Result<Self> {
        let mut input = Self::of(name, layer, None);
        let Some(on) = io::on_grid(layer.source.source(), input.frame, (to, 0), false) else {
            let (a, b) = (input.grid, &to.levels[0]);
            let reason = apart(other, (a.shape, &a.geometry), (b.shape, &b.geometry));
            return Err(Error::Usage(format!("{} {reason}", layer.name)));
        };
        let level = &on.source.info().levels[on.frame.level];
        (input.grid.shape, input.grid.geometry) = (level.shape, level.geometry);
        input.instead = Some((on.source, on.frame));
        Ok(input)
    }

    pub(super) fn field(self, region: Option<Region>) -> Result<Arc<dyn Field>> {
        let Self { source, frame, grid, instead, .. } = self;
        if let Some((source, frame)) = instead {
            return Ok(Arc::new(FileField::new(source, frame, grid.kind)));
        }
        let Some(region) = region else {
            return Ok(Arc::new(FileField::new(source.source().clone(), frame, grid.kind)));
        };
        // What is looked at is in memory already.
        let mut voxels = source.read(frame, region)?;
        if grid.kind == Kind::Labels {
            voxels = voxels.cast(grid.voxel);
        }
        Ok(Arc::new(MemoryField::new(Arc::new(voxels), grid)))
    }
}

/// A part of a level of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImagePart {
    /// The level.
    pub level: usize,
    /// Its voxels.
    pub region: Region,
}

/// Runs a recipe on a layer, with further ones by the recipe's names for them, or, complete, on a part of it as a preview.
/// `wake` is called as it advances.
pub fn run(
    recipe: &Recipe,
    layer: &Layer,
    others: &[(String, &Layer)],
    part: Option<ImagePart>,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> RunningRecipe {
    let inputs = inputs(recipe, layer, others, part);
    let finest = layer.source.info().geometry();
    let at = part.map(|part| layer.source.info().levels[part.level].geometry);
    let recipe = at.map_or(recipe.clone(), |at| live::at_level(recipe, &finest, &at));
    begin(&recipe, inputs, part.map(|part| part.region), wake)
}

/// Returns whether intensities of a layer can be measured in the objects of another.
///
/// # Errors
/// If it lies on another grid.
pub fn fits(grey: &Layer, labels: &Layer) -> Result<()> {
    Input::on_grid_of("grey", grey, (&labels.name, labels.source.info())).map(|_| ())
}

/// The recipe that measures an image of labels, with the intensities of the image `grey` in them where there are some.
///
/// # Errors
/// Never: it is one that is right.
pub fn measuring(intensities: bool) -> Result<Recipe> {
    let intensity = if intensities { "intensity = \"grey\"\n" } else { "" };
    Recipe::parse(&format!("[[step]]\nop = \"measure\"\nlabels = \"image\"\n{intensity}"))
}

/// Measures the objects of a layer of labels, with the intensities of another on the same grid; of labels that are
/// edited, those of a version.
///
/// # Errors
/// If they can't be measured.
pub fn measure(
    labels: &Layer,
    version: Option<Arc<Version>>,
    grey: Option<&Layer>,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> Result<RunningRecipe> {
    let recipe = measuring(grey.is_some())?;
    let mut inputs = vec![Input::of(IMAGE, labels, None)];
    if let Some(grey) = grey {
        inputs.push(Input::on_grid_of("grey", grey, (&labels.name, labels.source.info()))?);
    }
    inputs[0].instead = version.map(|version| (version as Arc<dyn ImageSource>, Frame::default()));
    Ok(begin(&recipe, inputs, None, wake))
}

fn begin(
    recipe: &Recipe,
    inputs: Vec<Input>,
    region: Option<Region>,
    wake: Arc<dyn Fn() + Send + Sync>,
) -> RunningRecipe {
    let recipe = recipe.clone();
    let status = Status {
        stage: "waiting".to_owned(),
        done: 0,
        total: 0,
        stage_begun: Instant::now(),
        facts: Vec::new(),
        warnings: Vec::new(),
    };
    let status = Arc::new(Mutex::new(status));
    let (heard, waker) = (status.clone(), wake.clone());
    let job = Job::new(move |event| {
        let mut status = lock(&heard);
        match event {
            Event::Stage { name, total } => {
                (status.stage, status.done, status.total) = (name, 0, total);
                status.stage_begun = Instant::now();
            }
            Event::Progress { done, total } => (status.done, status.total) = (done, total),
            Event::Warning(text) | Event::Caution(text) => status.warnings.push(text),
            Event::Fact { name, value } => status.facts.push((name, value)),
            Event::Note(_) => {}
        }
        waker();
    });
    let (send, result) = bounded(1);
    let running = RunningRecipe { job: job.clone(), status: status.clone(), result };
    std::thread::spawn(move || {
        let grids: Vec<(String, Grid)> = inputs.iter().map(|i| (i.name.clone(), i.grid)).collect();
        let plan = Plan::new(&recipe, &grids);
        let made = plan.and_then(|plan| work(&plan, inputs, region, &job)).map(|mut made| {
            let status = lock(&status);
            (made.facts, made.warnings) = (status.facts.clone(), status.warnings.clone());
            made
        });
        // Nobody listens when the window has closed or another preview has begun.
        let _ = send.send(made);
        wake();
    });
    running
}

fn work(plan: &Plan, inputs: Vec<Input>, region: Option<Region>, job: &Job) -> Result<RunResult> {
    let fields: Result<Vec<Arc<dyn Field>>> = inputs.into_iter().map(|input| input.field(region)).collect();
    let last = plan.last_image();
    let keep: &[usize] = if last < plan.sources { &[] } else { &[last] };
    let budget = physical_memory() / 2;
    let (how, scratch) = if plan.memory(keep) <= budget {
        (ExecutionMode::Memory, None)
    } else {
        let folder = TempDir::with_prefix("voxelry").map_err(|e| Error::io(std::env::temp_dir(), e))?;
        let path: PathBuf = folder.path().to_owned();
        (ExecutionMode::Blocks(Engine::in_scratch(block_for(budget), path)), Some(Arc::new(folder)))
    };
    let results = recipe::run(plan, &fields?, keep, &how, job)?;
    let image = results.images.into_iter().next().map(|field| Arc::new(ResultImage::new(field, scratch)));
    Ok(RunResult { image, tables: results.tables, facts: Vec::new(), warnings: Vec::new() })
}
