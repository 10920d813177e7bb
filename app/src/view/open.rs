//! Opening images without anybody waiting.

use super::colours::{CHANNELS, Map};
use super::document::{Content, Display, Layer, Marks};
use super::stats::Stats;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::io::browse::{Browsed, Cache, MUCH};
use voxelry_core::io::{Frame, ImageInfo, ImageSource, OpenOptions, in_unit, on_grid, open};
use voxelry_core::{Region, Result, Volume, VoxelType};
use voxelry_shaders::bricks::Layout;

/// Voxels along an axis of what is looked at first, before all of the image was.
const GLANCE: usize = 48;
/// Voxels of the level that the histogram is made of, at most.
const ENOUGH: usize = 4 << 20;

/// Layers of an image, one for each channel.
///
/// # Errors
/// If it cannot be read.
pub fn layers(path: &Path, options: &OpenOptions, cache: &Arc<Cache>) -> Result<Vec<Layer>> {
    let source: Arc<dyn ImageSource> = Arc::from(open(path, options)?);
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    let mut layers = layers_of(source, &name, Some(path.to_owned()), cache);
    let provenance = provenance(path);
    for layer in &mut layers {
        layer.options.clone_from(options);
        layer.provenance.clone_from(&provenance);
    }
    Ok(layers)
}

/// Path of the recipe that made an image, beside it.
pub fn recipe_beside(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    path.with_file_name(format!("{name}.recipe.toml"))
}

/// Recipe that made the image, if it is the result of a run.
fn provenance(path: &Path) -> Option<Arc<str>> {
    let name = path.file_name()?.to_string_lossy();
    let whole = path.with_file_name("provenance.toml");
    let text = std::fs::read_to_string(recipe_beside(path))
        .or_else(|e| if name.starts_with("labels.") { std::fs::read_to_string(whole) } else { Err(e) });
    text.ok().map(Arc::from)
}

/// Layers of an open image.
pub fn layers_of(
    source: Arc<dyn ImageSource>,
    name: &str,
    path: Option<PathBuf>,
    cache: &Arc<Cache>,
) -> Vec<Layer> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let source = Arc::new(Browsed::new(source, cache));
    let info = source.info();
    let layout = Layout::new(&info.levels);
    let content = if info.labels && !info.voxel.is_float() { Content::Labels } else { Content::Grey };
    let several = info.channels.len() > 1;
    let channels = info.channels.iter().enumerate();
    channels
        .map(|(i, channel)| {
            let mut display = Display::default();
            if several {
                display.map = Map::Tint(channel.color.unwrap_or(CHANNELS[i % CHANNELS.len()]));
                display.add = i > 0;
            }
            let name = match (several, channel.name.as_str()) {
                (false, _) => name.to_owned(),
                (true, "") => format!("{name} · channel {}", i + 1),
                (true, channel) => format!("{name} · {channel}"),
            };
            Layer {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                name,
                path: path.clone(),
                options: OpenOptions::default(),
                source: source.clone(),
                layout: layout.clone(),
                channel: i,
                minus: None,
                time: 0,
                content,
                display,
                stats: None,
                provenance: None,
                marks: Marks::default(),
                live: None,
                broken: None,
            }
        })
        .collect()
}

/// A layer as it lies over another image in one scene: in the unit of that image, and, where one of the two files says
/// nothing of places, voxel by voxel.
pub fn over(layer: Layer, first: &ImageInfo, cache: &Arc<Cache>) -> Layer {
    let source = layer.source.source();
    let on = on_grid(source, Frame::new(layer.channel, layer.time), (first, 0), false);
    let placed = match on {
        // Turned axes lie in the world as they are.
        Some(on) if on.turn.is_none() && on.frame.level == 0 => on.source,
        _ => in_unit(source.clone(), first.geometry().unit),
    };
    if Arc::ptr_eq(&placed, source) {
        return layer;
    }
    let source = Arc::new(Browsed::new(placed, cache));
    Layer { layout: Layout::new(&source.info().levels), source, ..layer }
}

/// A layer whose numbers mean something else than its file says: its coarser levels are made otherwise. Those of the
/// file are made for what it says, so that they are left aside.
pub fn meant(layer: &Layer, content: Content, cache: &Arc<Cache>) -> Layer {
    let mut info = layer.source.info().clone();
    info.levels.truncate(1);
    info.labels = content == Content::Labels;
    if info.labels && info.voxel.is_float() {
        info.voxel = VoxelType::U32;
    }
    let source = Meant { source: layer.source.source().clone(), info };
    let made = layers_of(Arc::new(source), &layer.name, None, cache).swap_remove(layer.channel);
    let marks = Marks::default();
    Layer { id: made.id, source: made.source, layout: made.layout, content, marks, ..layer.clone() }
}

/// See [`meant`].
struct Meant {
    source: Arc<dyn ImageSource>,
    info: ImageInfo,
}

/// Guess of what an image holds whose file doesn't say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// Intensities.
    Grey,
    /// Labels, by its voxels.
    Labels,
    /// Labels, by its voxels and its name.
    Named,
}

/// Voxels that are looked at to tell labels from intensities, at most.
const TELLING: usize = 4 << 20;

/// Tells labels from intensities: labels are whole numbers from 0 on, and beside a voxel of an object there is nearly
/// always another one of it.
///
/// # Errors
/// If the image cannot be read.
pub fn guess(source: &Browsed, name: &str) -> Result<Guess> {
    let info = source.info();
    if info.labels || info.channels.len() != 1 {
        return Ok(Guess::Grey);
    }
    // Coarser levels of the file itself may be means; slices of the finest aren't.
    let [depth, height, width] = info.shape();
    let slices = (TELLING / (height * width).max(1)).clamp(1, depth.min(16));
    let mut runs = Runs::default();
    for i in 0..slices {
        let z = (2 * i + 1) * depth / (2 * slices);
        let voxels = source.read(Frame::default(), Region::new([z, 0, 0], [1, height, width]))?;
        if !runs.add(&voxels) {
            return Ok(Guess::Grey);
        }
    }
    if !runs.are_of_labels() {
        return Ok(Guess::Grey);
    }
    let name = name.to_lowercase();
    let named = ["mask", "label", "seg", "annot", "roi", "gt", "truth", "atlas", "parc"];
    Ok(if named.iter().any(|word| name.contains(word)) { Guess::Named } else { Guess::Labels })
}

/// Neighbours along x of which at least one belongs to an object.
#[derive(Default)]
struct Runs {
    background: bool,
    pairs: u64,
    equal: u64,
}

impl Runs {
    /// Adds a slice; whether its voxels can be labels.
    fn add(&mut self, voxels: &Volume) -> bool {
        voxelry_core::with_volume!(voxels, |a| {
            for row in a.rows() {
                let mut last = None;
                for v in row {
                    let v = voxelry_core::Voxel::to_f64(*v);
                    if !(v >= 0.0 && v <= f64::from(u32::MAX) && v.fract() == 0.0) {
                        return false;
                    }
                    self.background |= v == 0.0;
                    if let Some(last) = last.replace(v)
                        && (last != 0.0 || v != 0.0)
                    {
                        self.pairs += 1;
                        self.equal += u64::from(last == v);
                    }
                }
            }
            true
        })
    }

    fn are_of_labels(&self) -> bool {
        self.background && self.pairs > 0 && self.equal as f64 >= 0.7 * self.pairs as f64
    }
}

impl ImageSource for Meant {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        let voxels = self.source.read(frame, region)?;
        Ok(if voxels.voxel_type() == self.info.voxel { voxels } else { voxels.cast(self.info.voxel) })
    }

    fn is_direct(&self) -> bool {
        self.source.is_direct()
    }
}

/// A first idea of the intensities, from a box in the middle.
///
/// # Errors
/// If it cannot be read.
pub fn glance(source: &Browsed, channel: usize, time: usize) -> Result<Stats> {
    let level = source.given() - 1;
    let shape = source.info().levels[level].shape;
    let size = shape.map(|n| n.min(GLANCE));
    let start = std::array::from_fn(|a| (shape[a] - size[a]) / 2);
    let voxels = source.read(Frame { level, channel, time }, Region::new(start, size))?;
    Ok(Stats::of(&voxels, usize::MAX))
}

/// The intensities of the finest level that isn't too large to look at wholly; where making it of a file takes long, of
/// one voxel of each box that it is made of.
///
/// # Errors
/// If it cannot be read.
pub fn survey(source: &Browsed, channel: usize, time: usize) -> Result<Stats> {
    let levels = &source.info().levels;
    let small = |l: &voxelry_core::io::Level| l.shape.iter().product::<usize>() <= ENOUGH;
    let level = levels.iter().position(small).unwrap_or(levels.len() - 1);
    let (frame, whole) = (Frame { level, channel, time }, Region::whole(levels[level].shape));
    let is_dear = source.cost(frame, whole, MUCH) >= MUCH;
    let sampled = if is_dear { source.sampled(frame, whole) } else { None };
    Ok(Stats::of(&sampled.unwrap_or_else(|| source.read_all(frame))?, level))
}

/// The intensities of a part of the finest level, from the finest level at which it isn't too large.
///
/// # Errors
/// If it cannot be read.
pub fn survey_part(source: &Browsed, channel: usize, time: usize, part: Region) -> Result<Stats> {
    let levels = &source.info().levels;
    let at = |level: usize| {
        let scale: [f64; 3] =
            std::array::from_fn(|a| levels[level].shape[a] as f64 / levels[0].shape[a] as f64);
        let start: [usize; 3] = std::array::from_fn(|a| {
            ((part.start[a] as f64 * scale[a]).round() as usize).min(levels[level].shape[a] - 1)
        });
        let end: [usize; 3] = std::array::from_fn(|a| {
            ((part.end()[a] as f64 * scale[a]).round() as usize).clamp(start[a] + 1, levels[level].shape[a])
        });
        Region { start, shape: std::array::from_fn(|a| end[a] - start[a]) }
    };
    let level = (0..levels.len()).find(|l| at(*l).len() <= 4 * ENOUGH).unwrap_or(levels.len() - 1);
    Ok(Stats::of(&source.read(Frame { level, channel, time }, at(level))?, level))
}

/// Result of a request to open or survey an image.
pub enum OpenEvent {
    /// Layers of an image, and which opening it was.
    Opened(u64, Result<Vec<Layer>>),
    /// Stats of a layer, by its number.
    Stats(u64, Arc<Stats>),
    /// A layer, by its number, seems to hold labels.
    Seems(u64, Guess),
    /// A layer, by its number, can't be read.
    Broken(u64, String),
}

/// Opens images and surveys them on threads of its own.
pub struct Opener {
    cache: Arc<Cache>,
    send: Sender<OpenEvent>,
    receive: Receiver<OpenEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Opener {
    /// `wake` is called when something is done.
    pub fn new(cache: Arc<Cache>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (send, receive) = unbounded();
        Self { cache, send, receive, wake }
    }

    /// Blocks that are shared by all images.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Opens an image; `order` says which opening it is.
    pub fn open(&self, order: u64, path: PathBuf, options: OpenOptions) {
        self.make(order, move |cache| layers(&path, &options, cache));
    }

    /// Opens what is not in a file of its own; `order` says which opening it is.
    pub fn make(&self, order: u64, make: impl FnOnce(&Arc<Cache>) -> Result<Vec<Layer>> + Send + 'static) {
        let (cache, send, wake) = (self.cache.clone(), self.send.clone(), self.wake.clone());
        std::thread::spawn(move || {
            let layers = make(&cache);
            // Nobody listens when the window has closed.
            let _ = send.send(OpenEvent::Opened(order, layers));
            wake();
        });
    }

    /// Looks at the intensities of a layer: first at some, then at all.
    pub fn survey(&self, layer: &Layer) {
        let (id, source, channel, time) = (layer.id, layer.source.clone(), layer.channel, layer.time);
        let (send, wake) = (self.send.clone(), self.wake.clone());
        std::thread::spawn(move || {
            for look in [glance, survey] {
                let done = match look(&source, channel, time) {
                    Ok(stats) => OpenEvent::Stats(id, Arc::new(stats)),
                    Err(error) => OpenEvent::Broken(id, error.to_string()),
                };
                let failed = matches!(done, OpenEvent::Broken(..));
                let _ = send.send(done);
                wake();
                if failed {
                    return;
                }
            }
        });
    }

    /// Tells labels from intensities in a layer that was opened.
    pub fn guess(&self, layer: &Layer) {
        let (id, source, name) = (layer.id, layer.source.clone(), layer.name.clone());
        let (send, wake) = (self.send.clone(), self.wake.clone());
        std::thread::spawn(move || {
            // What can't be read is told by the survey.
            if let Ok(guess) = guess(&source, &name)
                && guess != Guess::Grey
            {
                // Nobody listens when the window has closed.
                let _ = send.send(OpenEvent::Seems(id, guess));
                wake();
            }
        });
    }

    /// Results since the last call.
    pub fn done(&self) -> impl Iterator<Item = OpenEvent> + '_ {
        self.receive.try_iter()
    }
}
