//! Any image as a pyramid that can be looked through: levels that a file does not have are made of the
//! finer ones when they are asked for, and blocks that were read stay in memory within a budget.
//!
//! The block is the unit of reading and of keeping. Two threads that need a block wait for one reading.

use super::{Frame, ImageInfo, ImageSource, Level, pyramid};
use crate::{Region, Result, Volume, with_volume};
use ndarray::Array3;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Edge of blocks, where the file does not suggest others.
const EDGE: usize = 64;
/// Most voxels of a block.
const MOST: usize = 4 << 20;

/// Voxels of a file that take long to read.
pub const MUCH: u64 = 16 << 20;

/// Which block: image, frame, place of its first voxel.
type Key = (u64, Frame, [usize; 3]);

/// Blocks in memory, shared by all images that are open.
#[derive(Debug)]
pub struct Cache {
    budget: AtomicU64,
    state: Mutex<CacheState>,
    made: Condvar,
}

#[derive(Debug, Default)]
struct CacheState {
    blocks: HashMap<Key, CachedBlock>,
    /// Blocks by the time until which they are worth keeping.
    order: BTreeSet<(u64, Key)>,
    bytes: u64,
    clock: u64,
    /// How often voxels of an image have changed.
    changes: HashMap<u64, u64>,
}

#[derive(Debug)]
enum CachedBlock {
    Making,
    Ready(Arc<Volume>, u64),
}

impl Cache {
    /// An empty cache of at most `budget` bytes; a block that is larger is kept alone.
    pub fn new(budget: u64) -> Arc<Self> {
        Arc::new(Self { budget: AtomicU64::new(budget), state: Mutex::default(), made: Condvar::new() })
    }

    /// Bytes that it may hold.
    pub fn budget(&self) -> u64 {
        self.budget.load(Ordering::Relaxed)
    }

    /// Changes what it may hold; a lower budget is reached with the next block.
    pub fn set_budget(&self, budget: u64) {
        self.budget.store(budget, Ordering::Relaxed);
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, key: &Key) -> bool {
        matches!(self.lock().blocks.get(key), Some(CachedBlock::Ready(..)))
    }

    /// The block, made by `make` if it isn't there.
    fn get(&self, key: Key, make: impl FnOnce() -> Result<Volume>) -> Result<Arc<Volume>> {
        let mut state = self.lock();
        loop {
            match state.blocks.get(&key) {
                Some(CachedBlock::Ready(volume, _)) => {
                    let volume = volume.clone();
                    state.touch(key);
                    return Ok(volume);
                }
                Some(CachedBlock::Making) => {
                    state = self.made.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        state.blocks.insert(key, CachedBlock::Making);
        let before = state.changes.get(&key.0).copied();
        drop(state);
        let unmade = Unmade { cache: self, key };
        let volume = Arc::new(make()?);
        std::mem::forget(unmade);
        let mut state = self.lock();
        if state.changes.get(&key.0).copied() != before {
            // It may be made of what was there before the change.
            state.blocks.remove(&key);
            drop(state);
            self.made.notify_all();
            return Ok(volume);
        }
        state.bytes += volume.byte_len() as u64;
        state.blocks.insert(key, CachedBlock::Ready(volume.clone(), 0));
        state.touch(key);
        while state.bytes > self.budget() && state.order.len() > 1 {
            let (_, oldest) = state.order.pop_first().expect("there are several");
            state.drop_block(&oldest);
        }
        drop(state);
        self.made.notify_all();
        Ok(volume)
    }

    fn forget(&self, image: u64) {
        let mut state = self.lock();
        state.changes.remove(&image);
        let gone: Vec<(u64, Key)> = state.order.iter().filter(|(_, k)| k.0 == image).copied().collect();
        for entry in gone {
            state.order.remove(&entry);
            state.drop_block(&entry.1);
        }
    }
}

/// Lets others try when making a block failed, by an error or a panic.
struct Unmade<'a> {
    cache: &'a Cache,
    key: Key,
}

impl Drop for Unmade<'_> {
    fn drop(&mut self) {
        self.cache.lock().blocks.remove(&self.key);
        self.cache.made.notify_all();
    }
}

impl CacheState {
    /// Coarse blocks are kept longer: what they are made of is eight times more a level.
    fn touch(&mut self, key: Key) {
        self.clock += 1;
        let until = self.clock + (64 << (3 * key.1.level.min(8)));
        if let Some(CachedBlock::Ready(_, old)) = self.blocks.get_mut(&key) {
            self.order.remove(&(*old, key));
            *old = until;
            self.order.insert((until, key));
        }
    }

    fn drop_block(&mut self, key: &Key) {
        if let Some(CachedBlock::Ready(volume, _)) = self.blocks.remove(key) {
            self.bytes -= volume.byte_len() as u64;
        }
    }
}

/// An image with all levels down to one of at most 32 voxels along each axis.
pub struct Browsed {
    id: u64,
    source: Arc<dyn ImageSource>,
    info: ImageInfo,
    /// How many levels the source itself has.
    given: usize,
    /// From each level to the next coarser one.
    factors: Vec<[usize; 3]>,
    cache: Arc<Cache>,
}

impl Browsed {
    /// An image whose blocks are kept in `cache`.
    pub fn new(source: Arc<dyn ImageSource>, cache: &Arc<Cache>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut info = source.info().clone();
        let given = info.levels.len();
        let last = info.levels[given - 1].clone();
        let (mut shape, mut geometry) = (last.shape, last.geometry);
        let factors = pyramid::plan(shape, geometry.spacing(), [EDGE / 2; 3]);
        for factor in &factors {
            shape = pyramid::coarser(shape, *factor);
            geometry = geometry.binned(factor.map(|f| f as f64));
            info.levels.push(Level { shape, geometry, chunk: [EDGE; 3] });
        }
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), source, info, given, factors, cache: cache.clone() }
    }

    /// The image itself.
    pub fn source(&self) -> &Arc<dyn ImageSource> {
        &self.source
    }

    /// Takes note that voxels of the finest level have changed: what was read of them is read again, at all levels.
    /// Only for sources of one level.
    pub fn changed(&self, regions: &[Region]) {
        let shapes: Vec<[usize; 3]> = self.info.levels.iter().map(|l| l.shape).collect();
        let blocks: Vec<[usize; 3]> = (0..shapes.len()).map(|level| self.block(level)).collect();
        let mut state = self.cache.lock();
        *state.changes.entry(self.id).or_default() += 1;
        let mut gone = BTreeSet::new();
        for region in regions {
            for (level, (shape, block)) in shapes.iter().zip(&blocks).enumerate() {
                let part = scaled(*region, shapes[0], *shape);
                let first: [usize; 3] = std::array::from_fn(|a| part.start[a] / block[a] * block[a]);
                let around =
                    Region { start: first, shape: std::array::from_fn(|a| part.end()[a] - first[a]) };
                gone.extend(around.tiles(*block).into_iter().map(|tile| (level, tile.start)));
            }
        }
        let here = |key: &Key| key.0 == self.id && gone.contains(&(key.1.level, key.2));
        let old: Vec<(u64, Key)> = state.order.iter().filter(|(_, key)| here(key)).copied().collect();
        for entry in old {
            state.order.remove(&entry);
            state.drop_block(&entry.1);
        }
    }

    /// How many levels the file has; the others are made.
    pub fn given(&self) -> usize {
        self.given
    }

    /// The shape of a level's blocks.
    fn block(&self, level: usize) -> [usize; 3] {
        let Level { shape, chunk, .. } = &self.info.levels[level];
        let mut block: [usize; 3] = std::array::from_fn(|a| {
            let chunk = chunk[a].clamp(1, shape[a].max(1));
            if chunk >= EDGE { chunk } else { EDGE.next_multiple_of(chunk) }
        });
        while block.iter().product::<usize>() > MOST {
            // Rows stay whole while they can: they lie together in the file.
            let Some(a) = (0..2).filter(|a| block[*a] > EDGE).max_by_key(|a| block[*a]) else {
                if block[2] <= EDGE {
                    break;
                }
                block[2] = block[2].div_ceil(2);
                continue;
            };
            block[a] = block[a].div_ceil(2);
        }
        block
    }

    /// The blocks of a level that a region touches.
    fn touched(&self, level: usize, region: Region) -> Vec<Region> {
        let (block, shape) = (self.block(level), self.info.levels[level].shape);
        let first: [usize; 3] = std::array::from_fn(|a| region.start[a] / block[a] * block[a]);
        let end = region.end();
        let around = Region { start: first, shape: std::array::from_fn(|a| end[a] - first[a]) };
        let whole = |tile: Region| std::array::from_fn(|a| block[a].min(shape[a] - tile.start[a]));
        let tiles = around.tiles(block).into_iter();
        tiles.map(|tile| Region { start: tile.start, shape: whole(tile) }).collect()
    }

    fn tile(&self, frame: Frame, tile: Region) -> Result<Arc<Volume>> {
        self.cache.get((self.id, frame, tile.start), || {
            if frame.level < self.given {
                return self.source.read(frame, tile);
            }
            let (finer, below, factor) = self.below(frame, tile);
            Ok(pyramid::downsample(&self.read(finer, below)?, factor, self.info.labels))
        })
    }

    /// The region of a level as [`ImageSource::read`] gives it, of what it is made of alone: blocks are neither read whole nor
    /// kept. For a part that is much thinner than blocks, of an image that is [direct](ImageSource::is_direct).
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_direct(&self, frame: Frame, region: Region) -> Result<Volume> {
        if frame.level < self.given {
            return self.source.read(frame, region);
        }
        let (finer, below, factor) = self.below(frame, region);
        Ok(pyramid::downsample(&self.read_direct(finer, below)?, factor, self.info.labels))
    }

    /// A first look at a region of a level that the file doesn't have: of each box of voxels that it is made of, one in
    /// the middle. Nothing where that is no quicker than making the level.
    pub fn sampled(&self, frame: Frame, region: Region) -> Option<Result<Volume>> {
        if frame.level < self.given || !self.source.is_direct() {
            return None;
        }
        let base = Frame { level: self.given - 1, ..frame };
        let shape = self.info.levels[base.level].shape;
        let made = &self.factors[..=frame.level - self.given];
        let factor: [usize; 3] = std::array::from_fn(|a| made.iter().map(|f| f[a]).product());
        let at = |a: usize, i: usize| ((region.start[a] + i) * factor[a] + factor[a] / 2).min(shape[a] - 1);
        let from = at(2, 0);
        let mut sampled = Volume::zeros(self.info.voxel, region.shape);
        for z in 0..region.shape[0] {
            for y in 0..region.shape[1] {
                let end = at(2, region.shape[2] - 1) + 1;
                let row = Region::new([at(0, z), at(1, y), from], [1, 1, end - from]);
                let row = match self.source.read(base, row) {
                    Ok(row) => row,
                    Err(error) => return Some(Err(error)),
                };
                sampled.paste([z, y, 0], &every(&row, factor[2], region.shape[2]));
            }
        }
        Some(Ok(sampled))
    }

    /// The region of the next finer level that a region of a level is made of, and by which factor.
    fn below(&self, frame: Frame, region: Region) -> (Frame, Region, [usize; 3]) {
        let finer = Frame { level: frame.level - 1, ..frame };
        let factor = self.factors[frame.level - self.given];
        (finer, pyramid::finer_region(region, factor, self.info.levels[finer.level].shape), factor)
    }

    /// The voxel `[z, y, x]` of the finest level, if its block is in memory; reads nothing.
    pub fn peek(&self, voxel: [i64; 3], channel: usize, time: usize) -> Option<f64> {
        let shape = self.info.levels[0].shape;
        if (0..3).any(|a| voxel[a] < 0 || voxel[a] >= shape[a] as i64) {
            return None;
        }
        let (voxel, block) = (voxel.map(|v| v as usize), self.block(0));
        let start: [usize; 3] = std::array::from_fn(|a| voxel[a] / block[a] * block[a]);
        let state = self.cache.lock();
        match state.blocks.get(&(self.id, Frame::new(channel, time), start)) {
            Some(CachedBlock::Ready(volume, _)) => volume.get(std::array::from_fn(|a| voxel[a] - start[a])),
            _ => None,
        }
    }

    /// How many voxels of the file must be read to have a region; counting stops at `enough`.
    pub fn cost(&self, frame: Frame, region: Region, enough: u64) -> u64 {
        let mut sum = 0;
        for tile in self.touched(frame.level, region) {
            if self.cache.has(&(self.id, frame, tile.start)) {
                continue;
            }
            sum += if frame.level < self.given {
                tile.len() as u64
            } else {
                let (finer, below, _) = self.below(frame, tile);
                self.cost(finer, below, enough - sum)
            };
            if sum >= enough {
                break;
            }
        }
        sum
    }
}

/// Voxels of a row, each a number of steps after the one before; the last one where there are no more.
fn every(row: &Volume, step: usize, count: usize) -> Volume {
    with_volume!(row, |a| {
        let row = a.as_slice().expect("volumes are in C order");
        let voxel = |(_, _, x): (usize, usize, usize)| row[(x * step).min(row.len() - 1)];
        Volume::from(Array3::from_shape_fn((1, 1, count), voxel))
    })
}

/// The voxels of a coarser level that are made of a region of the finest, and those next to them.
pub fn scaled(region: Region, finest: [usize; 3], level: [usize; 3]) -> Region {
    let scale = |v: usize, a: usize| v as f64 * level[a] as f64 / finest[a].max(1) as f64;
    let start: [usize; 3] = std::array::from_fn(|a| {
        (scale(region.start[a], a).floor() as usize).saturating_sub(1).min(level[a] - 1)
    });
    let end: [usize; 3] = std::array::from_fn(|a| {
        (scale(region.end()[a], a).ceil() as usize + 1).clamp(start[a] + 1, level[a])
    });
    Region { start, shape: std::array::from_fn(|a| end[a] - start[a]) }
}

impl ImageSource for Browsed {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let tiles = self.touched(frame.level, region);
        if let [tile] = tiles[..]
            && tile == region
        {
            return Ok(self.tile(frame, tile)?.as_ref().clone());
        }
        let mut volume = Volume::zeros(self.info.voxel, region.shape);
        for tile in tiles {
            let voxels = self.tile(frame, tile)?;
            let part = tile.intersection(&region);
            let start = part.relative_to(region.start).start;
            volume.paste(start, &voxels.crop(part.relative_to(tile.start)));
        }
        Ok(volume)
    }
}

impl Drop for Browsed {
    fn drop(&mut self) {
        self.cache.forget(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, VoxelType};
    use std::sync::atomic::AtomicUsize;

    /// An image in memory that counts what is read of it and can fail.
    struct Counted {
        info: ImageInfo,
        volume: Volume,
        reads: AtomicUsize,
        voxels: AtomicUsize,
    }

    impl ImageSource for Counted {
        fn info(&self) -> &ImageInfo {
            &self.info
        }

        fn read(&self, _: Frame, region: Region) -> Result<Volume> {
            self.voxels.fetch_add(region.len(), Ordering::Relaxed);
            if self.reads.fetch_add(1, Ordering::Relaxed) == 0 && self.info.format == "failing" {
                return Err(crate::Error::Cancelled);
            }
            Ok(self.volume.crop(region))
        }
    }

    fn counted(shape: [usize; 3], chunk: [usize; 3], format: &'static str) -> Arc<Counted> {
        let volume = Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| (z * 31 + y * 7 + x * x) as u16));
        let info = ImageInfo::simple(format, shape, chunk, VoxelType::U16, Geometry::default());
        Arc::new(Counted { info, volume, reads: AtomicUsize::new(0), voxels: AtomicUsize::new(0) })
    }

    #[test]
    fn levels_are_those_of_the_whole_and_every_voxel_is_read_once() {
        let shape = [70, 130, 201];
        let source = counted(shape, [1, 130, 201], "counted");
        let browsed = Browsed::new(source.clone(), &Cache::new(1 << 30));
        assert_eq!(browsed.given(), 1);
        let mut whole = source.volume.clone();
        let last = browsed.info().levels.len() - 1;
        assert!(
            browsed.cost(Frame { level: last, ..Frame::default() }, Region::new([0; 3], [1; 3]), u64::MAX)
                > 0
        );
        for (level, description) in browsed.info().levels.iter().enumerate().rev() {
            let frame = Frame { level, ..Frame::default() };
            let all = browsed.read_all(frame).unwrap();
            assert_eq!(all.shape(), description.shape);
            let part =
                Region::new(description.shape.map(|n| n / 3), description.shape.map(|n| (n / 2).max(1)));
            assert_eq!(browsed.read(frame, part).unwrap(), all.crop(part));
            assert_eq!(browsed.cost(frame, part, u64::MAX), 0);
        }
        assert_eq!(source.voxels.load(Ordering::Relaxed), shape.iter().product::<usize>());
        for level in 0..=last {
            let frame = Frame { level, ..Frame::default() };
            assert_eq!(browsed.read_all(frame).unwrap(), whole, "level {level}");
            if level < last {
                whole = pyramid::downsample(&whole, browsed.factors[level], false);
            }
        }
        assert!(whole.shape().iter().all(|n| *n <= 32));
    }

    #[test]
    fn the_budget_is_kept_and_an_image_leaves_nothing() {
        let source = counted([128, 128, 256], [64; 3], "counted");
        let budget = 3 * 64 * 64 * 64 * 2;
        let cache = Cache::new(budget);
        let browsed = Browsed::new(source.clone(), &cache);
        let frame = Frame::default();
        assert_eq!(browsed.read_all(frame).unwrap(), source.volume);
        assert!(cache.bytes() <= budget, "{}", cache.bytes());
        assert_eq!(browsed.read_all(frame).unwrap(), source.volume);
        drop(browsed);
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn what_has_changed_is_read_again_at_all_levels_and_nothing_else() {
        struct Changing(ImageInfo, Mutex<Volume>, AtomicUsize);
        impl ImageSource for Changing {
            fn info(&self) -> &ImageInfo {
                &self.0
            }
            fn read(&self, _: Frame, region: Region) -> Result<Volume> {
                self.2.fetch_add(region.len(), Ordering::Relaxed);
                Ok(self.1.lock().unwrap().crop(region))
            }
        }
        let shape = [70, 200, 131];
        let mut info = ImageInfo::simple("changing", shape, [32; 3], VoxelType::U32, Geometry::default());
        info.labels = true;
        let changing = Arc::new(Changing(info, Mutex::new(Volume::zeros(VoxelType::U32, shape)), 0.into()));
        let browsed = Browsed::new(changing.clone(), &Cache::new(1 << 30));
        let levels = browsed.info().levels.len();
        let read = |level: usize| browsed.read_all(Frame { level, ..Frame::default() }).unwrap();
        (0..levels).for_each(|level| drop(read(level)));
        let before = changing.2.load(Ordering::Relaxed);
        let region = Region::new([60, 100, 40], [7, 30, 50]);
        changing.1.lock().unwrap().paste(region.start, &Volume::from(Array3::from_elem(region.shape, 9u32)));
        browsed.changed(&[region]);
        let fresh = Browsed::new(changing.clone(), &Cache::new(1 << 30));
        for level in 0..levels {
            let frame = Frame { level, ..Frame::default() };
            assert_eq!(browsed.read_all(frame).unwrap(), fresh.read_all(frame).unwrap(), "level {level}");
        }
        let whole: usize = shape.iter().product();
        let again = changing.2.load(Ordering::Relaxed) - before - whole;
        assert!(again < whole, "{again} of {whole} voxels were read again");
    }

    #[test]
    fn a_block_that_failed_can_be_had_later_and_threads_share_a_reading() {
        let source = counted([64; 3], [64; 3], "failing");
        let browsed = Browsed::new(source.clone(), &Cache::new(1 << 30));
        assert!(browsed.read_all(Frame::default()).is_err());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(browsed.read_all(Frame::default()).unwrap(), source.volume));
            }
        });
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }
}
