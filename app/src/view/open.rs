//! Opening images without anybody waiting.

use super::colours::{CHANNELS, Map};
use super::document::{Content, Display, Layer, Marks};
use super::stats::Stats;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::io::browse::{Browsed, Cache, MUCH};
use voxelry_core::io::{Frame, ImageInfo, ImageSource, OpenOptions, open};
use voxelry_core::{Region, Result, Volume};
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

/// Where the recipe that made an image lies beside it.
pub fn recipe_beside(path: &Path) -> PathBuf {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    path.with_file_name(format!("{name}.recipe.toml"))
}

/// How an image came about, if it is the result of a run.
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
            }
        })
        .collect()
}

/// A layer whose numbers mean something else than its file says: its coarser levels are made otherwise. Those of the
/// file are made for what it says, so that they are left aside.
pub fn meant(layer: &Layer, content: Content, cache: &Arc<Cache>) -> Layer {
    let mut info = layer.source.info().clone();
    info.levels.truncate(1);
    info.labels = content == Content::Labels;
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

impl ImageSource for Meant {
    fn info(&self) -> &ImageInfo {
        &self.info
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.source.read(frame, region)
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

/// What came of something that was asked for.
pub enum Done {
    /// Layers of an image, and which opening it was.
    Opened(u64, Result<Vec<Layer>>),
    /// Stats of a layer, by its number.
    Stats(u64, Arc<Stats>),
    /// A message for the user.
    Failed(String),
}

/// Opens images and surveys them on threads of its own.
pub struct Opener {
    cache: Arc<Cache>,
    send: Sender<Done>,
    receive: Receiver<Done>,
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
            let _ = send.send(Done::Opened(order, layers));
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
                    Ok(stats) => Done::Stats(id, Arc::new(stats)),
                    Err(error) => Done::Failed(error.to_string()),
                };
                let failed = matches!(done, Done::Failed(_));
                let _ = send.send(done);
                wake();
                if failed {
                    return;
                }
            }
        });
    }

    /// What was done since the last time.
    pub fn done(&self) -> impl Iterator<Item = Done> + '_ {
        self.receive.try_iter()
    }
}
