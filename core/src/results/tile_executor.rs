//! Tiles of a run that is kept in a folder, made by any process that sees it.

use super::OpenedJob;
use crate::blocks::checkpoint::{self, PhaseManifest};
use crate::blocks::{CopyProgram, TileTask, tiles};
use crate::program::{Accelerator, AnyProgram, AnyState, Field, Grid, LocalField, Mode};
use crate::recipe::PlannedStep;
use crate::{Error, Job, Region, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes tiles of a run.
pub struct TileExecutor {
    opened: OpenedJob,
    folder: PathBuf,
    device: Option<Arc<dyn Accelerator>>,
    /// What was read last, by the folder of its round.
    last: Mutex<Option<(PathBuf, Arc<LoadedPhase>)>>,
}

/// What the folder of a round says.
pub struct LoadedPhase {
    manifest: PhaseManifest,
    state: AnyState,
}

impl TileExecutor {
    /// For the run of an opened order in a folder. A device may run local steps.
    pub fn new(opened: OpenedJob, folder: &Path, device: Option<Arc<dyn Accelerator>>) -> Self {
        Self { opened, folder: folder.to_owned(), device, last: Mutex::default() }
    }

    /// What the folder of a round says.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn manifest(&self, iteration: &Path) -> Result<Arc<LoadedPhase>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, loaded)) = last.as_ref().filter(|(folder, _)| folder == iteration) {
            return Ok(loaded.clone());
        }
        let manifest = PhaseManifest::read(iteration)?;
        let state = match self.step(&manifest)?.prepared.kernel.mode() {
            Mode::Program(program) if !manifest.keeps && manifest.folds.is_none() => {
                program.read(&manifest.state)?
            }
            _ => Box::new(()),
        };
        let loaded = Arc::new(LoadedPhase { manifest, state });
        *last = Some((iteration.to_owned(), loaded.clone()));
        Ok(loaded)
    }

    fn wrong(&self, what: &str) -> Error {
        Error::file(&self.folder, format!("{what} of a round that the recipe doesn't have"))
    }

    fn step(&self, manifest: &PhaseManifest) -> Result<&PlannedStep> {
        self.opened.plan.steps.get(manifest.iteration.step).ok_or_else(|| self.wrong("holds the manifest"))
    }

    /// Makes a tile of a round, unless it is there: which part of the image it is.
    ///
    /// # Errors
    /// What the operator cannot do, what can't be read, a full disk, or [`Error::Cancelled`].
    pub fn make(
        &self,
        LoadedPhase { manifest, state }: &LoadedPhase,
        tile: usize,
        job: &Job,
    ) -> Result<Region> {
        let plan = &self.opened.plan;
        let step = self.step(manifest)?;
        let grid = plan.grids[plan.sources + manifest.iteration.step];
        let keep = CopyProgram(grid.voxel);
        let (program, inputs): (&dyn AnyProgram, Vec<_>) = match step.prepared.kernel.mode() {
            _ if manifest.keeps => (&keep, vec![Some(self.made(manifest.iteration.step, manifest))]),
            Mode::Program(program) => {
                (program, step.inputs.iter().map(|v| v.map(|v| self.value(v, manifest))).collect())
            }
            Mode::Local(_) => return Err(self.wrong("holds the manifest")),
        };
        let of = program.phases().into_iter().nth(manifest.iteration.phase);
        let is_reduce = of.is_some_and(|phase| phase.tiling.is_reduce());
        let whole = match manifest.folds {
            Some(count) => [count, 1, 1],
            None if is_reduce => [program.parts(manifest.iteration.phase, state), 1, 1],
            None => grid.shape,
        };
        let region = *Region::whole(whole)
            .tiles(manifest.tile)
            .get(tile)
            .ok_or_else(|| self.wrong("is asked for a tile"))?;
        let path = tiles::path_of(&self.folder.join(manifest.name()), tile);
        if path.exists() {
            return Ok(region);
        }
        if manifest.folds.is_some() {
            let fold = program.fold(manifest.iteration.phase).ok_or_else(|| self.wrong("folds results"))?;
            tiles::write(
                &path,
                &checkpoint::fold(&self.folder, manifest.iteration, region, fold, job)?,
                &[],
            )?;
            return Ok(region);
        }
        let fields: Vec<Arc<dyn Field>> = program
            .fields()
            .iter()
            .zip(&manifest.fields)
            .map(|(of, written)| checkpoint::field(&self.folder, Grid { voxel: of.voxel, ..grid }, *written))
            .collect();
        let (folder, scratch) = (&self.folder, std::env::temp_dir());
        let context =
            &checkpoint::RemoteContext { folder, iteration: manifest.iteration, inputs: &inputs, scratch };
        let work = TileTask {
            program,
            phase: manifest.iteration.phase,
            state,
            inputs: &inputs,
            fields: &fields,
            context,
        };
        let (volumes, partial) = work.make(grid.shape, region, job)?;
        tiles::write(&path, &partial, &volumes)?;
        Ok(region)
    }

    /// A value of the plan: a source, a result that is kept, or one that is computed where it is read.
    fn value(&self, value: usize, manifest: &PhaseManifest) -> Arc<dyn Field> {
        let plan = &self.opened.plan;
        let Some(step) = value.checked_sub(plan.sources) else { return self.opened.fields[value].clone() };
        match manifest.results.get(&step) {
            Some(written) => checkpoint::field(&self.folder, plan.grids[value], Some(*written)),
            None => self.made(step, manifest),
        }
    }

    /// The result of a local step, computed where it is read.
    fn made(&self, number: usize, manifest: &PhaseManifest) -> Arc<dyn Field> {
        let plan = &self.opened.plan;
        let step = &plan.steps[number];
        let inputs = step.inputs.iter().map(|v| v.map(|v| self.value(v, manifest))).collect();
        let field = LocalField::new(step.prepared.clone(), inputs);
        Arc::new(match &self.device {
            Some(device) => field.accelerated(plan.step(number), device.clone()),
            None => field,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{Checkpoint, Engine, Runner, Storage};
    use crate::io::{Frame, ImageSource, OpenOptions, WriteOptions, write_volume};
    use crate::recipe::{ExecutionMode, Recipe};
    use crate::results::{JobSpec, LabelsAs, PartialResult};
    use crate::{Geometry, Volume};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const RECIPES: [&str; 5] = [
        // Fused steps, one that is read twice, phases that repeat, and tables.
        r#"
[[step]]
op = "gaussian"
sigma = "1 px"
name = "smooth"
[[step]]
op = "otsu"
[[step]]
op = "fill-holes"
[[step]]
op = "split"
name = "objects"
[[step]]
op = "boundaries"
[[step]]
op = "measure"
labels = "objects"
intensity = "smooth"
columns = ["volume", "surface_area", "intensity_mean", "thickness_max"]
"#,
        r#"
[[step]]
op = "median"
[[step]]
op = "threshold"
min = 9000
[[step]]
op = "label"
[[step]]
op = "measure"
"#,
        "[[step]]\nop = \"mean\"\nradius = \"2 px\"\n",
        // What is found in blocks is folded.
        r#"
[[step]]
op = "normalise"
name = "even"
[[step]]
op = "normalise"
method = "mean"
name = "centred"
[[step]]
op = "otsu"
input = "even"
[[step]]
op = "label"
[[step]]
op = "relabel"
[[step]]
op = "local-maxima"
input = "centred"
[[step]]
op = "slice-stats"
input = "centred"
[[step]]
op = "histogram"
input = "even"
"#,
        // Labels are sorted among parts of rows, in pieces; of some objects only rows are left.
        r#"
[[step]]
op = "local-maxima"
min_distance = "3 px"
name = "tops"
[[step]]
op = "keep-largest"
input = "tops"
count = 20
[[step]]
op = "relabel"
name = "twenty"
[[step]]
op = "remove-small"
input = "tops"
min_size = 2
[[step]]
op = "filter-objects"
condition = "volume > 2"
[[step]]
op = "watershed"
input = "image"
markers = "twenty"
name = "basins"
[[step]]
op = "measure"
columns = ["volume"]
"#,
    ];

    fn spec(folder: &Path, recipe: &str) -> JobSpec {
        let mut state = 1u32;
        let image = ndarray::Array3::from_shape_fn([23, 31, 37], |(z, y, x)| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let wave = |i: usize, n: f32| (i as f32 / n).sin();
            let blob = wave(z, 3.0) + wave(y, 3.5) + wave(x, 4.0);
            ((blob + 3.0) * 3000.0) as u16 + (state >> 22) as u16
        });
        let path = folder.join("image.nrrd");
        write_volume(&path, &Volume::from(image), Geometry::default(), false, &WriteOptions::default())
            .unwrap();
        JobSpec {
            sample: "image".into(),
            recipe: Recipe::parse(recipe).unwrap(),
            inputs: vec![("image".into(), path)],
            expected: Vec::new(),
            options: OpenOptions::default(),
            frame: Frame::default(),
            kind: None,
            ignore_geometry: false,
            labels_as: LabelsAs::Nrrd,
        }
    }

    /// All files of a run's results.
    fn run(spec: &JobSpec, execution: &ExecutionMode, device: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let out = tempfile::tempdir_in(device).unwrap();
        let job = Job::silent();
        let opened = spec.open()?;
        spec.run(&opened, spec.identify(&opened, &job)?, out.path(), execution, None, "test", &job)?;
        let files = std::fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().path());
        Ok(files
            .map(|p| (p.strip_prefix(out.path()).unwrap().to_owned(), std::fs::read(&p).unwrap()))
            .collect())
    }

    fn checkpointed(folder: &Path, block: [usize; 3], runner: Option<Arc<dyn Runner>>) -> ExecutionMode {
        let storage = Storage::Checkpoint(Checkpoint::new(folder, "about", runner).unwrap());
        ExecutionMode::Blocks(Engine { block, storage, within: None })
    }

    /// Makes tiles from what the folder says alone, the last first; fails when it has made so many.
    struct Elsewhere {
        spec: JobSpec,
        left: AtomicUsize,
    }

    impl Runner for Elsewhere {
        fn run(&self, folder: &Path, todo: &[(usize, Region)], job: &Job) -> Result<()> {
            for (tile, region) in todo.iter().rev() {
                if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
                    return Err(Error::Usage("stopped".into()));
                }
                let executor = TileExecutor::new(self.spec.open()?, folder.parent().unwrap(), None);
                let manifest = executor.manifest(folder)?;
                assert_eq!(executor.make(&manifest, *tile, job)?, *region);
                job.advance(region.len() as u64);
            }
            Ok(())
        }
    }

    #[test]
    fn tiles_made_anywhere_and_in_any_order_give_the_result_of_memory() {
        let folder = tempfile::tempdir().unwrap();
        for (number, recipe) in RECIPES.iter().enumerate() {
            let spec = spec(folder.path(), recipe);
            let expected = run(&spec, &ExecutionMode::Memory, folder.path()).unwrap();
            assert!(expected.len() > 3);
            let mut folded = 0;
            for block in [[64; 3], [16; 3], [9, 31, 12]] {
                let here = folder.path().join(format!("here-{number}-{block:?}"));
                assert_eq!(
                    run(&spec, &checkpointed(&here, block, None), folder.path()).unwrap(),
                    expected,
                    "{block:?}"
                );
                let there = folder.path().join(format!("there-{number}-{block:?}"));
                let left = AtomicUsize::new(usize::MAX);
                let elsewhere: Arc<dyn Runner> = Arc::new(Elsewhere { spec: spec.clone(), left });
                let execution = checkpointed(&there, block, Some(elsewhere));
                assert_eq!(run(&spec, &execution, folder.path()).unwrap(), expected, "{block:?}");
                let iterations = std::fs::read_dir(&there).unwrap().map(|e| e.unwrap().file_name());
                folded += iterations.filter(|name| name.to_str().unwrap().ends_with("-folded")).count();
            }
            assert!(folded >= [2, 0, 0, 14, 0][number], "{number}: {folded}");
        }
    }

    /// Further images are laid on the grid of the first wherever tiles are made.
    #[test]
    fn tiles_made_elsewhere_read_further_images_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = "[[step]]\nop = \"arithmetic\"\noperation = \"subtract\"\nother = \"twin\"\n\
                      [[step]]\nop = \"normalise\"\n[[step]]\nop = \"otsu\"\n[[step]]\nop = \"label\"\n";
        let mut spec = spec(folder.path(), recipe);
        let there = Geometry::from_spacing([2.0, 1.0, 1.0], crate::Unit::Micrometre);
        let image = crate::io::open(&spec.inputs[0].1, &OpenOptions::default()).unwrap();
        let voxels = image.read_all(Frame::default()).unwrap();
        let write = |name: &str, volume: &Volume, geometry| {
            let path = folder.path().join(name);
            write_volume(&path, volume, geometry, false, &WriteOptions::default()).unwrap();
            path
        };
        spec.inputs[0].1 = write("first.nrrd", &voxels, there);
        let twin = Volume::zeros(voxels.voxel_type(), voxels.shape());
        let mut straight = twin.clone();
        straight.paste([3, 4, 5], &voxels.crop(Region::new([0; 3], [9, 20, 25])));
        let turn = crate::volume::Turn { axes: [2, 0, 1], reversed: [true, false, true] };
        let turned = turn.apply(&straight, &Job::silent()).unwrap();
        let mut results = Vec::new();
        for path in [
            write("straight.nrrd", &straight, there),
            write("turned.nrrd", &turned, turn.geometry(&there, voxels.shape())),
        ] {
            spec.inputs.truncate(1);
            spec.inputs.push(("twin".into(), path));
            results.push(labels(&spec));
            let opened = spec.open().unwrap();
            let between = folder.path().join(format!("between-{}", results.len()));
            let left = AtomicUsize::new(usize::MAX);
            let elsewhere: Arc<dyn Runner> = Arc::new(Elsewhere { spec: spec.clone(), left });
            let execution = checkpointed(&between, [9, 16, 12], Some(elsewhere));
            let ran =
                crate::recipe::run(&opened.plan, &opened.fields, &opened.keep(), &execution, &Job::silent());
            results.push((*ran.unwrap().images[0].read_all(&Job::silent()).unwrap()).clone());
        }
        assert!(results[0].as_bytes().iter().any(|b| *b > 0));
        assert!(results.iter().all(|result| *result == results[0]));
    }

    /// The image that a run makes.
    fn labels(spec: &JobSpec) -> Volume {
        let opened = spec.open().unwrap();
        let made = crate::recipe::run(
            &opened.plan,
            &opened.fields,
            &opened.keep(),
            &ExecutionMode::Memory,
            &Job::silent(),
        )
        .unwrap();
        (*made.images[0].read_all(&Job::silent()).unwrap()).clone()
    }

    #[test]
    fn a_run_that_is_stopped_anywhere_goes_on_to_the_same_result() {
        let folder = tempfile::tempdir().unwrap();
        let spec = spec(folder.path(), RECIPES[0]);
        let expected = run(&spec, &ExecutionMode::Memory, folder.path()).unwrap();
        let (block, mut seen) = ([16; 3], 0);
        for step in [1, 5, 17, 60] {
            let between = folder.path().join(format!("between-{step}"));
            let mut stops = 0;
            let (whole, mut last) = (labels(&spec), None);
            let result = loop {
                let left = AtomicUsize::new(step);
                let elsewhere: Arc<dyn Runner> = Arc::new(Elsewhere { spec: spec.clone(), left });
                match run(&spec, &checkpointed(&between, block, Some(elsewhere)), folder.path()) {
                    Ok(result) => break result,
                    Err(error) => assert!(error.to_string().contains("stopped"), "{error}"),
                }
                stops += 1;
                // What is there of the result is what it will be.
                let Some(new) = PartialResult::new(&spec.open().unwrap(), &between) else { continue };
                let partial_result = last.insert(new);
                let there = partial_result.there().unwrap();
                seen += there.len();
                for (number, &part) in partial_result.parts().iter().enumerate() {
                    let read = partial_result.read(Frame::default(), part).unwrap();
                    let expected = if there.contains(&number) {
                        whole.crop(part)
                    } else {
                        Volume::zeros(whole.voxel_type(), part.shape)
                    };
                    assert_eq!(read, expected);
                }
            };
            assert_eq!(result, expected, "{step}");
            assert!(stops >= 3, "{step}: {stops}");
            // All of it is there: nothing is made again.
            let nobody: Arc<dyn Runner> =
                Arc::new(Elsewhere { spec: spec.clone(), left: AtomicUsize::new(0) });
            assert_eq!(
                run(&spec, &checkpointed(&between, block, Some(nobody)), folder.path()).unwrap(),
                expected
            );
            // A run of something else begins anew.
            Checkpoint::new(&between, "another", None).unwrap();
            assert!(!between.join("0-0-0").exists() && !between.join("1-0-0").exists());
            let gone = last.is_none_or(|w: PartialResult| w.read(Frame::default(), w.parts()[0]).is_err());
            assert!(gone, "what is gone is not read as 0");
        }
        assert!(seen > 20, "{seen} parts were seen before the end");
    }
}
