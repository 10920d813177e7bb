//! Live preview of a recipe, computed where it is looked at: at the level that is shown, of the bricks that
//! are wanted, each with the halo that the steps need. Only for recipes of local steps on one grid; what they
//! show is what the whole run would make, at that level.
//!
//! Bricks of one tile are made together, so that the halo is not calculated again for each of them. A tile is a
//! slab as thin as the plane that is looked at, or a cube where more than a plane is wanted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use voxelry_core::blocks::{Accelerator, Field, FileField, LocalField, Step};
use voxelry_core::io::browse::Browsed;
use voxelry_core::io::{Frame, ImageInfo, ImageSource};
use voxelry_core::ops::{Args, Kind, Mode, ParamType, Value};
use voxelry_core::recipe::{IMAGE, Plan, Recipe};
use voxelry_core::{Error, Geometry, Job, Region, Result, Unit, Volume};
use voxelry_shaders::compute::{Choice, Chosen};

/// Voxels along the edges of slabs, and of cubes.
const SLAB: usize = 256;
const CUBE: usize = 64;
/// A region of at most so many voxels along an axis, with those beside it, is a slab.
pub const THIN: usize = 8;
/// Bytes of tiles that are kept.
const KEPT: usize = 256 << 20;
/// Bytes of the buffers of a device that makes tiles.
const BUFFERS: u64 = 256 << 20;

/// Of the first `count` steps those that need more than what lies around a voxel, or change the grid: recipes with such
/// are not live.
pub fn whole_steps(plan: &Plan, count: usize) -> Vec<&str> {
    let first = plan.grids[0].shape;
    let local = |i: &usize| {
        let (step, grid) = (&plan.steps[*i], plan.grids[plan.sources + *i]);
        plan.makes_image(*i)
            && matches!(step.prepared.kernel.mode(), Mode::Local(_))
            && grid.shape == first
            && grid.geometry == plan.grids[0].geometry
    };
    (0..count).filter(|i| !local(i)).map(|i| plan.steps[i].op).collect()
}

/// An image that a recipe makes where it is looked at. The recipe can be exchanged.
pub struct Live {
    base: Arc<Browsed>,
    frame: Frame,
    kind: Kind,
    info: ImageInfo,
    device: Option<Arc<dyn Accelerator>>,
    now: Mutex<Arc<Version>>,
}

/// A recipe and what was made by it.
struct Version {
    /// Complete, for the finest level.
    recipe: Recipe,
    /// The result at each level, planned when it is asked for.
    levels: Vec<OnceLock<std::result::Result<Arc<dyn Field>, String>>>,
    tiles: Mutex<Tiles>,
    job: Job,
}

type Tile = Arc<OnceLock<std::result::Result<Arc<Volume>, String>>>;

#[derive(Default)]
struct Tiles {
    made: HashMap<(usize, [usize; 3], [usize; 3]), Tile>,
    order: VecDeque<((usize, [usize; 3], [usize; 3]), usize)>,
    bytes: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The device that makes tiles where it is faster. One for the whole program.
fn device() -> Option<Arc<dyn Accelerator>> {
    static DEVICE: OnceLock<Option<Arc<Chosen>>> = OnceLock::new();
    let chosen = DEVICE.get_or_init(|| Chosen::new(Choice::Auto, BUFFERS, |_| {}).ok().flatten());
    chosen.clone().map(|chosen| chosen as Arc<dyn Accelerator>)
}

impl Live {
    /// Image that `recipe` makes of a frame of an image taken as `kind`. `fast`: whether there is a hardware device.
    ///
    /// # Errors
    /// If the recipe doesn't fit its input, or has steps that need more than the neighbourhood of a voxel.
    pub fn new(recipe: &Recipe, base: Arc<Browsed>, frame: Frame, kind: Kind, fast: bool) -> Result<Self> {
        let (plan, version) = planned(recipe, &base, kind)?;
        let made = plan.grids[plan.grids.len() - 1];
        let mut info = base.info().clone();
        (info.format, info.voxel, info.labels) = ("preview", made.voxel, made.kind != Kind::Grey);
        info.channels.truncate(1);
        (info.times, info.time_step) = (1, None);
        let device = if fast { device() } else { None };
        Ok(Self { base, frame, kind, info, device, now: Mutex::new(Arc::new(version)) })
    }

    /// Takes another recipe, if its result is of the same kind; what is being made by the one before stops.
    ///
    /// # Errors
    /// As [`Live::new`]. `Ok(false)` if the result is of another kind.
    pub fn change(&self, recipe: &Recipe) -> Result<bool> {
        let (plan, version) = planned(recipe, &self.base, self.kind)?;
        let made = plan.grids[plan.grids.len() - 1];
        if (made.voxel, made.kind != Kind::Grey) != (self.info.voxel, self.info.labels) {
            return Ok(false);
        }
        let old = std::mem::replace(&mut *lock(&self.now), Arc::new(version));
        old.job.cancel();
        Ok(true)
    }

    /// Returns whether it shows this frame of this image.
    pub fn is_of(&self, base: &Arc<Browsed>, frame: Frame) -> bool {
        Arc::ptr_eq(&self.base, base) && self.frame == frame
    }

    fn field(&self, version: &Version, level: usize) -> Result<Arc<dyn Field>> {
        let make = || self.plan(version, level).map_err(|e| e.to_string());
        version.levels[level].get_or_init(make).clone().map_err(|e| Error::recipe(None, e))
    }

    /// The steps at a level, as fields that are computed where they are read.
    fn plan(&self, version: &Version, level: usize) -> Result<Arc<dyn Field>> {
        let frame = Frame { level, ..self.frame };
        let base: Arc<dyn Field> =
            Arc::new(FileField::new(self.base.clone() as Arc<dyn ImageSource>, frame, self.kind));
        let finest = self.base.info().geometry();
        let recipe = at_level(&version.recipe, &finest, &base.grid().geometry);
        let plan = Plan::new(&recipe, &[(IMAGE.to_owned(), base.grid())])?;
        let mut values = vec![base];
        for (step, resolved) in plan.steps.iter().zip(&plan.resolved.steps) {
            let inputs = step.inputs.iter().map(|v| v.map(|v| values[v].clone())).collect();
            let mut field = LocalField::new(step.prepared.clone(), inputs);
            if let Some(device) = &self.device {
                let args = Args::complete(resolved.op.spec(), resolved.given.clone());
                let step = Step {
                    op: step.op,
                    args: args.map_err(|e| Error::recipe(None, e))?,
                    inputs: step.inputs.iter().map(|v| v.map(|v| plan.grids[v])).collect(),
                    output: plan.grids[values.len()],
                };
                field = field.accelerated(step, device.clone());
            }
            values.push(Arc::new(field));
        }
        Ok(values.pop().expect("the image itself is there"))
    }

    fn tile(&self, version: &Version, level: usize, tile: Region) -> Result<Arc<Volume>> {
        let key = (level, tile.start, tile.shape);
        let cell = {
            let mut tiles = lock(&version.tiles);
            if let Some(cell) = tiles.made.get(&key) {
                cell.clone()
            } else {
                let bytes = tile.len() * self.info.voxel.size();
                tiles.bytes += bytes;
                tiles.order.push_back((key, bytes));
                while tiles.bytes > KEPT && tiles.order.len() > 1 {
                    let (oldest, bytes) = tiles.order.pop_front().expect("there are several");
                    tiles.made.remove(&oldest);
                    tiles.bytes -= bytes;
                }
                let cell = Tile::default();
                tiles.made.insert(key, cell.clone());
                cell
            }
        };
        let made = cell.get_or_init(|| {
            let field = self.field(version, level).map_err(|e| e.to_string())?;
            field.read(tile, &version.job).map_err(|e| e.to_string())
        });
        made.clone()
            .map_err(|e| if version.job.is_cancelled() { Error::Cancelled } else { Error::recipe(None, e) })
    }
}

/// The recipe, complete, and nothing made by it yet.
fn planned(recipe: &Recipe, base: &Browsed, kind: Kind) -> Result<(Plan, Version)> {
    let info = base.info();
    let grid = super::recipe_run::grid_of(info, kind);
    let plan = Plan::new(recipe, &[(IMAGE.to_owned(), grid)])?;
    let whole = whole_steps(&plan, plan.steps.len());
    if plan.steps.is_empty() || !whole.is_empty() {
        return Err(Error::Usage(format!("{} can't be shown as it is looked at", whole.join(", "))));
    }
    let levels = info.levels.iter().map(|_| OnceLock::new()).collect();
    let version =
        Version { recipe: plan.resolved.clone(), levels, tiles: Mutex::default(), job: Job::silent() };
    Ok((plan, version))
}

/// A complete recipe for a coarser level: lengths in voxels are as long there as they are in the finest.
pub fn at_level(recipe: &Recipe, finest: &Geometry, level: &Geometry) -> Recipe {
    let (fine, coarse) = (finest.spacing(), level.spacing());
    let mut recipe = recipe.clone();
    for step in &mut recipe.steps {
        for param in step.op.spec().params {
            let (ParamType::Length { min }, Some(Value::Length(length))) =
                (param.ty, step.given.get_mut(param.name))
            else {
                continue;
            };
            if length.unit == Unit::Voxel {
                length.value = std::array::from_fn(|a| (length.value[a] * fine[a] / coarse[a]).max(min));
            }
        }
    }
    recipe
}

/// The tile that a region belongs to.
fn tile_of(region: Region, shape: [usize; 3]) -> Region {
    let slab = (0..3).any(|a| region.shape[a] <= THIN && shape[a] > THIN);
    let edge = if slab { SLAB } else { CUBE };
    let mut start = region.start;
    let mut end = region.end();
    for a in 0..3 {
        if slab && region.shape[a] <= THIN {
            continue;
        }
        // Bricks reach one voxel beyond what is theirs.
        let own = (region.start[a] + usize::from(region.start[a] > 0)) / edge;
        start[a] = (own * edge).saturating_sub(1).min(region.start[a]);
        end[a] = ((own + 1) * edge + 1).min(shape[a]).max(region.end()[a]);
    }
    Region::new(start, std::array::from_fn(|a| end[a] - start[a]))
}

impl ImageSource for Live {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let version = lock(&self.now).clone();
        let tile = tile_of(region, self.info.levels[frame.level].shape);
        Ok(self.tile(&version, frame.level, tile)?.crop(region.relative_to(tile.start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use voxelry_core::blocks::MemoryField;
    use voxelry_core::io::browse::Cache;
    use voxelry_core::ops::Grid;
    use voxelry_core::recipe::{self, ExecutionMode};

    fn image() -> (Arc<Browsed>, Volume) {
        let shape = [70, 150, 330];
        let volume = Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| {
            ((z * 977 + y * 131 + x * x * 7) % 1009) as u16
        }));
        let info = ImageInfo::simple("test", shape, [64; 3], volume.voxel_type(), Geometry::default());
        struct Image(ImageInfo, Volume);
        impl ImageSource for Image {
            fn info(&self) -> &ImageInfo {
                &self.0
            }
            fn read(&self, _: Frame, region: Region) -> Result<Volume> {
                Ok(self.1.crop(region))
            }
        }
        let source = Arc::new(Image(info, volume.clone()));
        (Arc::new(Browsed::new(source, &Cache::new(1 << 28))), volume)
    }

    fn whole(recipe: &Recipe, base: &Browsed, level: usize) -> Volume {
        let voxels = base.read_all(Frame { level, ..Frame::default() }).unwrap();
        let at = &base.info().levels[level];
        let grid =
            Grid { shape: at.shape, voxel: base.info().voxel, kind: Kind::Grey, geometry: at.geometry };
        let recipe = at_level(recipe, &base.info().geometry(), &at.geometry);
        let plan = Plan::new(&recipe, &[(IMAGE.to_owned(), grid)]).unwrap();
        let field: Arc<dyn Field> = Arc::new(MemoryField::new(Arc::new(voxels), grid));
        let last = plan.last_image();
        let made = recipe::run(&plan, &[field], &[last], &ExecutionMode::Memory, &Job::silent()).unwrap();
        made.images[0].read_all(&Job::silent()).unwrap().as_ref().clone()
    }

    const TEXT: &str = "[[step]]\nop = \"gaussian\"\nsigma = 1.5\n[[step]]\nop = \"threshold\"\nmin = 480\n";

    #[test]
    fn what_is_looked_at_is_what_the_whole_run_makes_at_every_level() {
        let (base, _) = image();
        let recipe = Recipe::parse(TEXT).unwrap();
        let live = Live::new(&recipe, base.clone(), Frame::default(), Kind::Grey, false).unwrap();
        assert!(live.info().labels);
        let complete = lock(&live.now).recipe.clone();
        for level in 0..base.info().levels.len() {
            let all = whole(&complete, &base, level);
            assert!(level > 0 || all.as_bytes().contains(&1) && all.as_bytes().contains(&0));
            let layout = voxelry_shaders::bricks::Layout::new(&live.info().levels);
            let shape = live.info().levels[level].shape;
            for key in layout.touched(level, Region::whole(shape)) {
                let brick = layout.region(key);
                let frame = Frame { level, ..Frame::default() };
                assert_eq!(live.read(frame, brick).unwrap(), all.crop(brick), "{key:?}");
                for a in 0..3 {
                    let mut thin = brick;
                    (thin.start[a], thin.shape[a]) = (brick.start[a] + brick.shape[a] / 2, 1);
                    assert_eq!(live.read(frame, thin).unwrap(), all.crop(thin), "{key:?} {a}");
                }
            }
        }
    }

    #[test]
    fn another_recipe_of_the_same_kind_takes_its_place() {
        let (base, _) = image();
        let recipe = Recipe::parse(TEXT).unwrap();
        let live = Live::new(&recipe, base.clone(), Frame::default(), Kind::Grey, false).unwrap();
        let region = Region::new([10, 20, 30], [3, 34, 34]);
        let before = live.read(Frame::default(), region).unwrap();
        let other = Recipe::parse(&TEXT.replace("480", "500")).unwrap();
        assert!(live.change(&other).unwrap());
        let complete = lock(&live.now).recipe.clone();
        let after = live.read(Frame::default(), region).unwrap();
        assert_eq!(after, whole(&complete, &base, 0).crop(region));
        assert_ne!(after, before);
        let grey = Recipe::parse("[[step]]\nop = \"gaussian\"\nsigma = 1.5\n").unwrap();
        assert!(!live.change(&grey).unwrap());
        let label = Recipe::parse(&format!("{TEXT}[[step]]\nop = \"label\"\n")).unwrap();
        assert!(live.change(&label).is_err());
    }

    #[test]
    fn bricks_lie_in_the_tiles_that_they_belong_to() {
        for n in [20usize, 64, 65, 255, 256, 257, 1000] {
            let shape = [n, 300, n];
            let layout = Region::whole(shape);
            for start in layout.tiles([32; 3]) {
                let brick = start.grown([1; 3], shape);
                let tile = tile_of(brick, shape);
                assert_eq!(tile.intersection(&brick), brick);
                let thin = brick.shape.iter().any(|n| *n <= THIN);
                assert!(tile.len() <= (CUBE + 2).pow(3).max(usize::from(thin) * THIN * (SLAB + 2).pow(2)));
            }
        }
    }
}
