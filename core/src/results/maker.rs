//! Tiles of a run that is kept in a folder, made by any process that sees it.

use super::Ready;
use crate::blocks::kept::{self, Note};
use crate::blocks::{Accelerator, Field, Keep, LocalField, Work, tiles};
use crate::ops::{AnyProgram, AnyState, Grid, Mode};
use crate::recipe::PlannedStep;
use crate::{Error, Job, Region, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes tiles of a run.
pub struct Maker {
    ready: Ready,
    folder: PathBuf,
    device: Option<Arc<dyn Accelerator>>,
    /// What was read last, by the folder of its round.
    last: Mutex<Option<(PathBuf, Arc<Noted>)>>,
}

/// What the folder of a round says.
pub struct Noted {
    note: Note,
    state: AnyState,
}

impl Maker {
    /// For the run of an opened order in a folder. A device may run local steps.
    pub fn new(ready: Ready, folder: &Path, device: Option<Arc<dyn Accelerator>>) -> Self {
        Self { ready, folder: folder.to_owned(), device, last: Mutex::default() }
    }

    /// What the folder of a round says.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn note(&self, round: &Path) -> Result<Arc<Noted>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, noted)) = last.as_ref().filter(|(folder, _)| folder == round) {
            return Ok(noted.clone());
        }
        let note = Note::read(round)?;
        let state = match self.step(&note)?.prepared.kernel.mode() {
            Mode::Program(program) if !note.keeps && note.folds.is_none() => program.read(&note.state)?,
            _ => Box::new(()),
        };
        let noted = Arc::new(Noted { note, state });
        *last = Some((round.to_owned(), noted.clone()));
        Ok(noted)
    }

    fn wrong(&self, what: &str) -> Error {
        Error::file(&self.folder, format!("{what} of a round that the recipe doesn't have"))
    }

    fn step(&self, note: &Note) -> Result<&PlannedStep> {
        self.ready.plan.steps.get(note.round.step).ok_or_else(|| self.wrong("holds the note"))
    }

    /// Makes a tile of a round, unless it is there: which part of the image it is.
    ///
    /// # Errors
    /// What the operator cannot do, what can't be read, a full disk, or [`Error::Cancelled`].
    pub fn make(&self, Noted { note, state }: &Noted, tile: usize, job: &Job) -> Result<Region> {
        let plan = &self.ready.plan;
        let step = self.step(note)?;
        let grid = plan.grids[plan.sources + note.round.step];
        let keep = Keep(grid.voxel);
        let (program, inputs): (&dyn AnyProgram, Vec<_>) = match step.prepared.kernel.mode() {
            _ if note.keeps => (&keep, vec![Some(self.made(note.round.step, note))]),
            Mode::Program(program) => {
                (program, step.inputs.iter().map(|v| v.map(|v| self.value(v, note))).collect())
            }
            Mode::Local(_) => return Err(self.wrong("holds the note")),
        };
        let of = program.phases().into_iter().nth(note.round.phase);
        let in_parts = of.is_some_and(|phase| phase.tiling.in_parts());
        let whole = match note.folds {
            Some(count) => [count, 1, 1],
            None if in_parts => [program.parts(note.round.phase, state), 1, 1],
            None => grid.shape,
        };
        let region = *Region::whole(whole)
            .tiles(note.tile)
            .get(tile)
            .ok_or_else(|| self.wrong("is asked for a tile"))?;
        let path = tiles::path_of(&self.folder.join(note.name()), tile);
        if path.exists() {
            return Ok(region);
        }
        if note.folds.is_some() {
            let fold = program.fold(note.round.phase).ok_or_else(|| self.wrong("folds results"))?;
            tiles::write(&path, &kept::fold(&self.folder, note.round, region, fold, job)?, &[])?;
            return Ok(region);
        }
        let fields: Vec<Arc<dyn Field>> = program
            .fields()
            .iter()
            .zip(&note.fields)
            .map(|(of, written)| kept::field(&self.folder, Grid { voxel: of.voxel, ..grid }, *written))
            .collect();
        let (folder, scratch) = (&self.folder, std::env::temp_dir());
        let around = &kept::There { folder, round: note.round, inputs: &inputs, scratch };
        let work = Work { program, phase: note.round.phase, state, inputs: &inputs, fields: &fields, around };
        let (volumes, partial) = work.make(grid.shape, region, job)?;
        tiles::write(&path, &partial, &volumes)?;
        Ok(region)
    }

    /// A value of the plan: a source, a result that is kept, or one that is computed where it is read.
    fn value(&self, value: usize, note: &Note) -> Arc<dyn Field> {
        let plan = &self.ready.plan;
        let Some(step) = value.checked_sub(plan.sources) else { return self.ready.fields[value].clone() };
        match note.results.get(&step) {
            Some(written) => kept::field(&self.folder, plan.grids[value], Some(*written)),
            None => self.made(step, note),
        }
    }

    /// The result of a local step, computed where it is read.
    fn made(&self, number: usize, note: &Note) -> Arc<dyn Field> {
        let plan = &self.ready.plan;
        let step = &plan.steps[number];
        let inputs = step.inputs.iter().map(|v| v.map(|v| self.value(v, note))).collect();
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
    use crate::blocks::{Engine, Kept, Place, Runner};
    use crate::io::ImageSource;
    use crate::io::{Frame, OpenOptions, WriteOptions, write_volume};
    use crate::recipe::{How, Recipe};
    use crate::results::{LabelsAs, Order, Watched};
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

    fn order(folder: &Path, recipe: &str) -> Order {
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
        Order {
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
    fn run(order: &Order, how: &How, device: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let out = tempfile::tempdir_in(device).unwrap();
        let job = Job::silent();
        let ready = order.open()?;
        order.run(&ready, order.identify(&ready, &job)?, out.path(), how, None, "test", &job)?;
        let files = std::fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().path());
        Ok(files
            .map(|p| (p.strip_prefix(out.path()).unwrap().to_owned(), std::fs::read(&p).unwrap()))
            .collect())
    }

    fn kept(folder: &Path, block: [usize; 3], runner: Option<Arc<dyn Runner>>) -> How {
        let place = Place::Kept(Kept::new(folder, "about", runner).unwrap());
        How::Blocks(Engine { block, place, within: None })
    }

    /// Makes tiles from what the folder says alone, the last first; fails when it has made so many.
    struct Elsewhere {
        order: Order,
        left: AtomicUsize,
    }

    impl Runner for Elsewhere {
        fn run(&self, folder: &Path, todo: &[(usize, Region)], job: &Job) -> Result<()> {
            for (tile, region) in todo.iter().rev() {
                if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
                    return Err(Error::Usage("stopped".into()));
                }
                let maker = Maker::new(self.order.open()?, folder.parent().unwrap(), None);
                let note = maker.note(folder)?;
                assert_eq!(maker.make(&note, *tile, job)?, *region);
                job.advance(region.len() as u64);
            }
            Ok(())
        }
    }

    #[test]
    fn tiles_made_anywhere_and_in_any_order_give_the_result_of_memory() {
        let folder = tempfile::tempdir().unwrap();
        for (number, recipe) in RECIPES.iter().enumerate() {
            let order = order(folder.path(), recipe);
            let expected = run(&order, &How::Memory, folder.path()).unwrap();
            assert!(expected.len() > 3);
            let mut folded = 0;
            for block in [[64; 3], [16; 3], [9, 31, 12]] {
                let here = folder.path().join(format!("here-{number}-{block:?}"));
                assert_eq!(
                    run(&order, &kept(&here, block, None), folder.path()).unwrap(),
                    expected,
                    "{block:?}"
                );
                let there = folder.path().join(format!("there-{number}-{block:?}"));
                let left = AtomicUsize::new(usize::MAX);
                let elsewhere: Arc<dyn Runner> = Arc::new(Elsewhere { order: order.clone(), left });
                let how = kept(&there, block, Some(elsewhere));
                assert_eq!(run(&order, &how, folder.path()).unwrap(), expected, "{block:?}");
                let rounds = std::fs::read_dir(&there).unwrap().map(|e| e.unwrap().file_name());
                folded += rounds.filter(|name| name.to_str().unwrap().ends_with("-folded")).count();
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
        let mut order = order(folder.path(), recipe);
        let there = Geometry::from_spacing([2.0, 1.0, 1.0], crate::Unit::Micrometre);
        let image = crate::io::open(&order.inputs[0].1, &OpenOptions::default()).unwrap();
        let voxels = image.read_all(Frame::default()).unwrap();
        let write = |name: &str, volume: &Volume, geometry| {
            let path = folder.path().join(name);
            write_volume(&path, volume, geometry, false, &WriteOptions::default()).unwrap();
            path
        };
        order.inputs[0].1 = write("first.nrrd", &voxels, there);
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
            order.inputs.truncate(1);
            order.inputs.push(("twin".into(), path));
            results.push(labels(&order));
            let ready = order.open().unwrap();
            let between = folder.path().join(format!("between-{}", results.len()));
            let left = AtomicUsize::new(usize::MAX);
            let elsewhere: Arc<dyn Runner> = Arc::new(Elsewhere { order: order.clone(), left });
            let how = kept(&between, [9, 16, 12], Some(elsewhere));
            let ran = crate::recipe::run(&ready.plan, &ready.fields, &ready.keep(), &how, &Job::silent());
            results.push((*ran.unwrap().images[0].read_all(&Job::silent()).unwrap()).clone());
        }
        assert!(results[0].as_bytes().iter().any(|b| *b > 0));
        assert!(results.iter().all(|result| *result == results[0]));
    }

    /// The image that a run makes.
    fn labels(order: &Order) -> Volume {
        let ready = order.open().unwrap();
        let made =
            crate::recipe::run(&ready.plan, &ready.fields, &ready.keep(), &How::Memory, &Job::silent())
                .unwrap();
        (*made.images[0].read_all(&Job::silent()).unwrap()).clone()
    }

    #[test]
    fn a_run_that_is_stopped_anywhere_goes_on_to_the_same_result() {
        let folder = tempfile::tempdir().unwrap();
        let order = order(folder.path(), RECIPES[0]);
        let expected = run(&order, &How::Memory, folder.path()).unwrap();
        let (block, mut seen) = ([16; 3], 0);
        for step in [1, 5, 17, 60] {
            let between = folder.path().join(format!("between-{step}"));
            let mut stops = 0;
            let (whole, mut last) = (labels(&order), None);
            let result = loop {
                let left = AtomicUsize::new(step);
                let elsewhere: Arc<dyn Runner> = Arc::new(Elsewhere { order: order.clone(), left });
                match run(&order, &kept(&between, block, Some(elsewhere)), folder.path()) {
                    Ok(result) => break result,
                    Err(error) => assert!(error.to_string().contains("stopped"), "{error}"),
                }
                stops += 1;
                // What is there of the result is what it will be.
                let Some(new) = Watched::new(&order.open().unwrap(), &between) else { continue };
                let watched = last.insert(new);
                let there = watched.there().unwrap();
                seen += there.len();
                for (number, &part) in watched.parts().iter().enumerate() {
                    let read = watched.read(Frame::default(), part).unwrap();
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
                Arc::new(Elsewhere { order: order.clone(), left: AtomicUsize::new(0) });
            assert_eq!(run(&order, &kept(&between, block, Some(nobody)), folder.path()).unwrap(), expected);
            // A run of something else begins anew.
            Kept::new(&between, "another", None).unwrap();
            assert!(!between.join("0-0-0").exists() && !between.join("1-0-0").exists());
            let gone = last.is_none_or(|w: Watched| w.read(Frame::default(), w.parts()[0]).is_err());
            assert!(gone, "what is gone is not read as 0");
        }
        assert!(seen > 20, "{seen} parts were seen before the end");
    }
}
