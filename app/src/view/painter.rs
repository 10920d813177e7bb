//! Draws panes: keeps the images' bricks on the GPU, asks for those that are wanted, and records the
//! draws. Reads nothing and waits for nothing itself.

use super::colours;
use super::document::{Content, Layer, Pane, Scene};
use super::live::{Live, THIN};
use super::loader::{Loader, Request, Thin};
use super::objects;
use super::projection::{Look, Quality, Rays, level, look};
use glam::{DAffine3, Vec3};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use voxelry_core::io::ImageSource;
use voxelry_core::io::browse::{Browsed, scaled};
use voxelry_core::{Error, Region};
use voxelry_shaders::bricks::{CORE, Key, Layout, Texels};
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::lookup::Lookup;
use voxelry_shaders::picture::{self, FORMAT};
use voxelry_shaders::slice::{Sheet, SheetRenderer, Slab};
use voxelry_shaders::store::Store;
use voxelry_shaders::volume::{Mode, Part, VolumeRenderer};
use voxelry_shaders::{Blend, Depth, Drawing};

/// Bricks that are taken in between two frames.
const UPLOADS: usize = 128;
/// Time frames of a layer that stay on the GPU.
const TIMES: usize = 32;
/// The share of the atlas that one layer of one pane may want.
const SHARE: usize = 3;

/// Owner of the bricks on the GPU, and their renderer.
pub struct Painter {
    store: Store,
    loader: Loader,
    /// By layer and time frame.
    residents: HashMap<(u64, usize), Resident>,
    frame: u64,
    sheets: HashMap<(Texels, Blend), SheetRenderer>,
    volumes: HashMap<(Texels, Blend), VolumeRenderer>,
    palettes: Vec<(Palette, wgpu::TextureView)>,
    /// Colours of objects by their layer.
    lookups: HashMap<u64, (Arc<objects::Lookup>, Lookup)>,
    wanted: Vec<Request>,
    /// Prefetch requests: neighbours of visible bricks.
    spare: Vec<Request>,
    asked: Vec<(u64, Key)>,
    failed: HashSet<(u64, Key)>,
    /// Bricks whose voxels have changed since they were asked for, and when; they are shown until there are others.
    stale: HashMap<(u64, Key), u64>,
    changes: u64,
    /// Bricks of which only some planes are there.
    thin: HashMap<(u64, Key), Thin>,
    /// Bricks that are made of some of their voxels.
    sampled: HashSet<(u64, Key)>,
    /// True if nothing is drawn before all that it shows is there.
    is_patient: bool,
    /// Layers that are made where they are looked at, and lacked something in a plane in the last two frames.
    unsettled: [HashSet<u64>; 2],
    errors: Vec<String>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// A layer that is on the GPU.
struct Resident {
    image: u64,
    /// The frame of the window that showed it last.
    shown: u64,
    source: Arc<Browsed>,
    layout: Arc<Layout>,
    texels: Texels,
    live: Option<Arc<Live>>,
}

#[derive(Debug, Clone)]
enum Palette {
    Labels,
    /// Labels with colours of their own.
    Objects(Arc<objects::Lookup>),
    Texels(Vec<[u8; 4]>),
}

impl Palette {
    fn is_of_labels(&self) -> bool {
        matches!(self, Self::Labels | Self::Objects(_))
    }
}

impl PartialEq for Palette {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Labels, Self::Labels) => true,
            (Self::Objects(a), Self::Objects(b)) => a.version == b.version,
            (Self::Texels(a), Self::Texels(b)) => a == b,
            _ => false,
        }
    }
}

impl Shot {
    /// The same in a picture with fewer pixels, which are so many of this one's; only of planes, as rays fit any.
    pub fn shrunk(&self, pixels: f32) -> Self {
        let mut shot = self.clone();
        if let Look::Sheet(sheet) = &mut shot.look {
            sheet.zoom *= pixels;
            sheet.checker /= pixels;
            sheet.outline = if sheet.outline > 0.0 { (sheet.outline / pixels).max(0.75) } else { 0.0 };
        }
        shot
    }

    /// Returns whether it differs from another one only in the appearance of voxels or objects, not in the view.
    pub fn is_seen_as(&self, other: &Self) -> bool {
        let plain = |shot: &Self| {
            let mut look = shot.look.clone();
            match &mut look {
                Look::Sheet(sheet) => sheet.marked = 0,
                Look::Rays(rays) => rays.marked = 0,
            }
            look
        };
        let colours =
            self.palette == other.palette || (self.palette.is_of_labels() && other.palette.is_of_labels());
        self.layer == other.layer && self.blend == other.blend && colours && plain(self) == plain(other)
    }

    /// The image that it is of, which is another one at another time.
    pub fn image(&self) -> u64 {
        self.image
    }
}

/// Parameters of drawing a layer in a pane; equal shots make equal pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    layer: u64,
    image: u64,
    look: Look,
    /// The level that it shows.
    pub level: u32,
    palette: Palette,
    blend: Blend,
    world_from_index: DAffine3,
    /// Number of times the bricks of the image have changed.
    version: u64,
    /// True if some of it is made of some of its voxels, until all of them were read.
    pub sampled: bool,
}

impl Shot {
    /// The layer, and how it is seen in three dimensions, if it is.
    pub fn in_depth(&self) -> Option<(u64, &Rays)> {
        if let Look::Rays(rays) = &self.look { Some((self.layer, rays)) } else { None }
    }
}

impl Painter {
    /// A painter that keeps at most `budget` bytes for each kind of voxel on the GPU. `wake` is called
    /// when there is something new to draw.
    pub fn new(gpu: Gpu, budget: u64, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            store: Store::new(gpu, budget),
            loader: Loader::new(wake.clone()),
            residents: HashMap::new(),
            frame: 0,
            sheets: HashMap::new(),
            volumes: HashMap::new(),
            palettes: Vec::new(),
            lookups: HashMap::new(),
            wanted: Vec::new(),
            spare: Vec::new(),
            asked: Vec::new(),
            failed: HashSet::new(),
            stale: HashMap::new(),
            changes: 0,
            thin: HashMap::new(),
            sampled: HashSet::new(),
            is_patient: false,
            unsettled: Default::default(),
            errors: Vec::new(),
            wake,
        }
    }

    /// For pictures that are drawn once all that they show is there: nothing else is read, and all of that.
    pub fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.store.gpu()
    }

    /// Bytes on the GPU, and how many there may be for a kind of voxel.
    pub fn memory(&self) -> [u64; 2] {
        [self.store.bytes(), self.store.budget()]
    }

    /// Returns whether bricks are being read.
    pub fn is_busy(&self) -> bool {
        self.loader.is_busy()
    }

    /// Errors of reading since the last call.
    pub fn errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.errors)
    }

    /// A frame begins: takes in what was read. Whether there may be more at once.
    pub fn begin(&mut self) -> bool {
        self.store.begin();
        self.frame += 1;
        self.unsettled.swap(0, 1);
        self.unsettled[1].clear();
        let loaded = self.loader.loaded(UPLOADS);
        let more = loaded.len() == UPLOADS;
        if !loaded.is_empty() {
            // What came may have pushed out what was asked for before.
            self.asked.clear();
        }
        for brick in loaded {
            let place = (brick.image, brick.key);
            if self.stale.get(&place).is_some_and(|since| brick.stamp >= *since) {
                self.stale.remove(&place);
            }
            match brick.brick {
                Ok(voxels) => {
                    match brick.thin {
                        Some(thin) => self.thin.insert(place, thin),
                        None => self.thin.remove(&place),
                    };
                    if brick.sampled {
                        self.sampled.insert(place);
                    } else {
                        self.sampled.remove(&place);
                    }
                    self.store.put(brick.image, brick.key, &voxels);
                }
                // Another recipe is there: it is asked for again.
                Err(Error::Cancelled) => {}
                Err(error) => {
                    if self.failed.insert((brick.image, brick.key)) && self.errors.len() < 3 {
                        self.errors.push(error.to_string());
                    }
                }
            }
        }
        self.store.flush();
        more
    }

    /// A frame ends: asks for what it lacked.
    pub fn end(&mut self) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.append(&mut self.spare);
        let keys: Vec<(u64, Key)> = wanted.iter().map(|r| (r.image, r.key)).collect();
        if keys != self.asked {
            self.asked = keys;
            self.loader.want(wanted);
        }
        self.palettes.truncate(256);
    }

    /// Lets layers go that are no longer there.
    pub fn keep(&mut self, there: impl Fn(u64) -> bool) {
        let gone: Vec<(u64, usize)> = self.residents.keys().copied().filter(|(id, _)| !there(*id)).collect();
        gone.into_iter().for_each(|key| self.let_go(key));
        self.lookups.retain(|id, _| there(*id));
    }

    fn let_go(&mut self, key: (u64, usize)) {
        if let Some(resident) = self.residents.remove(&key) {
            self.store.remove(resident.image);
            self.stale.retain(|(image, _), _| *image != resident.image);
            self.failed.retain(|(image, _)| *image != resident.image);
            self.thin.retain(|(image, _), _| *image != resident.image);
            self.sampled.retain(|(image, _)| *image != resident.image);
        }
    }

    /// Takes note that voxels of a layer have changed, in parts of its finest level.
    pub fn changed(&mut self, layer: u64, regions: &[Region]) {
        self.changes += 1;
        self.asked.clear();
        let failed = &mut self.failed;
        for resident in self.residents.iter().filter(|(key, _)| key.0 == layer).map(|(_, r)| r) {
            let levels = resident.layout.levels();
            for region in regions {
                for (level, there) in levels.iter().enumerate() {
                    // Bricks reach one voxel beyond what is theirs.
                    let part = scaled(*region, levels[0].shape, there.shape).grown([1; 3], there.shape);
                    for key in resident.layout.touched(level, part) {
                        self.stale.insert((resident.image, key), self.changes);
                        // What could not be made before may be now.
                        failed.remove(&(resident.image, key));
                    }
                }
            }
        }
    }

    /// Returns whether all that planes show of a layer that is made where it is looked at is there.
    pub fn is_settled(&self, layer: u64) -> bool {
        !self.unsettled.iter().any(|lacking| lacking.contains(&layer))
    }

    fn resident(&mut self, layer: &Layer) -> Option<&Resident> {
        let key = (layer.id, layer.time);
        if !self.residents.contains_key(&key) {
            let labels = layer.content == Content::Labels;
            let texels = Texels::of(layer.source.info().voxel, labels, self.gpu().device.features());
            let image = match self.store.add(layer.layout.clone(), texels) {
                Ok(image) => image,
                Err(error) => {
                    self.errors.push(error.to_string());
                    return None;
                }
            };
            let (source, layout) = (layer.source.clone(), Arc::new(layer.layout.clone()));
            self.residents
                .insert(key, Resident { image, shown: 0, source, layout, texels, live: layer.live.clone() });
            // Some time frames of a layer stay, so that they can be played again.
            let mut times: Vec<(u64, (u64, usize))> =
                self.residents.iter().filter(|(k, _)| k.0 == layer.id).map(|(k, r)| (r.shown, *k)).collect();
            times.retain(|(_, k)| *k != key);
            times.sort_unstable();
            for (_, old) in times.iter().take((times.len() + 1).saturating_sub(TIMES)) {
                self.let_go(*old);
            }
        }
        let resident = self.residents.get_mut(&key)?;
        resident.shown = self.frame;
        Some(resident)
    }

    /// Shots of a pane of `size` pixels, the lowest layer first, and true if all their bricks are resident.
    /// Missing bricks are requested at the end of the frame.
    pub fn shots(
        &mut self,
        scene: &Scene,
        pane: Pane,
        size: [u32; 2],
        quality: Quality,
    ) -> (Vec<Shot>, bool) {
        let (mut shots, mut complete) = (Vec::new(), true);
        if size.contains(&0) {
            return (shots, complete);
        }
        for layer in &scene.layers {
            let Some(look) = look(scene, layer, pane, size, quality) else {
                complete &= !layer.display.visible;
                continue;
            };
            let Some(resident) = self.resident(layer) else { continue };
            let (image, texels) = (resident.image, resident.texels);
            let (layout, source) = (resident.layout.clone(), resident.source.clone());
            let live = resident.live.clone();
            let capacity = self.store.share(image, SHARE);
            let level = level(scene, &layout, &look, size, quality, capacity);
            let world_from_index = layer.source.info().geometry().world_from_index;
            let wanted = |level: u32| match &look {
                Look::Sheet(sheet) => sheet.wanted(&layout, level, size),
                Look::Rays(rays) => rays.wanted(&layout, level, world_from_index),
            };
            // The coarsest level stands in where others are missing.
            let last = layout.levels().len() as u32 - 1;
            let seen = wanted(level);
            let mut missing = self.store.missing(image, &seen);
            if !self.stale.is_empty() {
                let there: HashSet<Key> = missing.iter().copied().collect();
                let stale = |key: &Key| self.stale.contains_key(&(image, *key)) && !there.contains(key);
                missing.extend(seen.iter().copied().filter(stale));
            }
            // Of what is made where it is looked at, planes suffice for a plane, and of a picture that shows nothing else.
            let is_made = live.is_some() || self.is_patient && source.source().is_direct();
            let planes = if is_made { thin(&look, &layout, level) } else { None };
            if is_made && !self.thin.is_empty() {
                let there: HashSet<Key> = missing.iter().copied().collect();
                let lacks = |key: &&Key| {
                    let part = self.thin.get(&(image, **key));
                    !there.contains(*key) && part.is_some_and(|t| planes.is_none_or(|p| !t.holds(&p)))
                };
                missing.extend(seen.iter().filter(lacks).copied());
            }
            if live.is_some() && !missing.is_empty() && matches!(look, Look::Sheet(_)) {
                self.unsettled[1].insert(layer.id);
            }
            complete &= missing.iter().all(|key| self.failed.contains(&(image, *key)));
            if level < last && !missing.is_empty() && !self.is_patient {
                let mut coarse = Vec::new();
                for stand_in in (level + 1..=last).rev().filter(|l| (last - l).is_multiple_of(2)) {
                    coarse.extend(self.store.missing(image, &wanted(stand_in)));
                }
                coarse.append(&mut missing);
                missing = coarse;
            }
            let sampled: Vec<Key> =
                seen.iter().copied().filter(|key| self.sampled.contains(&(image, *key))).collect();
            let mut near = Vec::new();
            if !self.is_patient
                && let (Look::Sheet(sheet), true, None) = (&look, missing.is_empty(), &live)
            {
                near = neighbours(sheet, &layout, level, size, (capacity, source.given()));
                near = self.store.missing(image, &near);
            }
            near.extend(sampled.iter().copied().filter(|key| !missing.contains(key)));
            let request = |key: Key| Request {
                image,
                key,
                source: source.clone(),
                layout: layout.clone(),
                texels,
                channel: layer.channel,
                time: layer.time,
                stamp: self.changes,
                live: live.clone(),
                // What another plane needs of the same brick makes it whole.
                thin: planes.filter(|p| {
                    p.planes[1] - p.planes[0] <= THIN
                        && key.level == level
                        && self.thin.get(&(image, key)).is_none_or(|there| there.axis == p.axis)
                }),
                draft: !self.is_patient && !self.sampled.contains(&(image, key)),
            };
            let failed = |key: &Key| self.failed.contains(&(image, *key));
            self.wanted.extend(missing.into_iter().filter(|key| !failed(key)).map(request));
            self.spare.extend(near.into_iter().filter(|key| !failed(key)).map(request));
            let palette = match (layer.content, pane) {
                (Content::Labels, _) => layer.marks.lookup.clone().map_or(Palette::Labels, Palette::Objects),
                (Content::Grey, Pane::Volume) => Palette::Texels(colours::volume(&layer.display)),
                (Content::Grey, _) => Palette::Texels(colours::plane(&layer.display)),
            };
            let version = self.store.image(image).map_or(0, |i| i.version());
            let blend = layer.display.blend();
            shots.push(Shot {
                layer: layer.id,
                image,
                look,
                level,
                palette,
                blend,
                world_from_index,
                version,
                sampled: !sampled.is_empty(),
            });
        }
        (shots, complete)
    }

    /// The colours of a shot. Those of objects are changed where they are, so that a selection costs no more
    /// than the rows that it changes.
    fn palette(&mut self, shot: &Shot) -> wgpu::TextureView {
        let palette = match &shot.palette {
            Palette::Objects(lookup) => return self.lookup(shot.layer, lookup),
            palette => palette,
        };
        if let Some(at) = self.palettes.iter().position(|(p, _)| p == palette) {
            // Those in use stay at the front.
            self.palettes[..=at].rotate_right(1);
            return self.palettes[0].1.clone();
        }
        let texels = match palette {
            Palette::Texels(texels) => texels.clone(),
            _ => colours::labels(),
        };
        let view = picture::colours(self.gpu(), &texels);
        self.palettes.insert(0, (palette.clone(), view.clone()));
        view
    }

    fn lookup(&mut self, layer: u64, wanted: &Arc<objects::Lookup>) -> wgpu::TextureView {
        let gpu = self.store.gpu();
        if let Some((there, lookup)) = self.lookups.get_mut(&layer) {
            let same = there.version == wanted.version;
            if same || lookup.update(gpu, &there.texels, &wanted.texels) {
                *there = wanted.clone();
                return lookup.view().clone();
            }
        }
        let lookup = Lookup::new(gpu, objects::WIDTH, &wanted.texels);
        let view = lookup.view().clone();
        self.lookups.insert(layer, (wanted.clone(), lookup));
        view
    }

    /// Returns whether shots can be readied without waiting. What they need is begun otherwise, and there is a call
    /// when it is done.
    pub fn is_ready(&mut self, shots: &[Shot]) -> bool {
        let mut ready = true;
        for (shot, part) in parts(shots) {
            let gpu = self.store.gpu();
            let Some(image) = self.store.image(shot.image) else { continue };
            let (kind, wake) = ((image.texels(), shot.blend), self.wake.clone());
            ready &= match &shot.look {
                Look::Sheet(_) => {
                    let new = || SheetRenderer::new(gpu, kind.0, FORMAT, kind.1);
                    self.sheets.entry(kind).or_insert_with(new).is_ready(gpu, move || wake())
                }
                Look::Rays(rays) => {
                    let new = || VolumeRenderer::new(gpu, kind.0, FORMAT, kind.1);
                    let renderer = self.volumes.entry(kind).or_insert_with(new);
                    renderer.is_ready(gpu, rays, part, move || wake())
                }
            };
        }
        ready
    }

    /// Readies shots for a target of so many pixels, the lowest first; waits where they aren't ready.
    /// Labels are solid: what has a depth is drawn before and behind them.
    pub fn prepare(&mut self, shots: &[Shot], size: [u32; 2]) -> Drawing {
        let (mut drawing, mut solids) = (Drawing::default(), Vec::new());
        let parts = parts(shots);
        let bounded = parts.iter().any(|(_, part)| *part == Part::Depth);
        let depth = bounded.then(|| Depth::new(self.store.gpu(), size));
        for (shot, part) in parts {
            let colours = self.palette(shot);
            let gpu = self.store.gpu();
            let Some(image) = self.store.image(shot.image) else { continue };
            let kind = (image.texels(), shot.blend);
            match &shot.look {
                Look::Sheet(sheet) => {
                    let new = || SheetRenderer::new(gpu, kind.0, FORMAT, kind.1);
                    let renderer = self.sheets.entry(kind).or_insert_with(new);
                    drawing.draws.push(renderer.prepare(gpu, image, sheet, shot.level, &colours));
                }
                Look::Rays(rays) => {
                    let new = || VolumeRenderer::new(gpu, kind.0, FORMAT, kind.1);
                    let renderer = self.volumes.entry(kind).or_insert_with(new);
                    let (level, world) = (shot.level, shot.world_from_index);
                    let what = (part, depth.as_ref());
                    let draw = renderer.prepare(gpu, image, rays, what, level, size, world, &colours);
                    if part == Part::Depth { &mut solids } else { &mut drawing.draws }.push(draw);
                }
            }
        }
        drawing.solids = depth.map(|depth| (depth, solids));
        drawing
    }

    /// Finds what pixels of a pane in three dimensions show, on a thread: `count` of them along x and y from `corner`
    /// on, of `size` in all. `found` gets for each, row by row, the layer and indices `(x, y, z)` of its finest level.
    pub fn pick(
        &mut self,
        shots: &[Shot],
        size: [u32; 2],
        [corner, count]: [[u32; 2]; 2],
        found: impl FnOnce(Vec<Picked>) + Send + 'static,
    ) {
        let mut looks = Vec::new();
        for shot in shots {
            let colours = self.palette(shot);
            let (Look::Rays(rays), Some(image)) = (&shot.look, self.store.image(shot.image)) else {
                continue;
            };
            let Some(renderer) = self.volumes.get(&(image.texels(), shot.blend)) else { continue };
            looks.push((shot.clone(), rays.clone(), renderer.clone(), image.group().clone(), colours));
        }
        let gpu = self.store.gpu().clone();
        std::thread::spawn(move || {
            let pixels = (count[0] * count[1]) as usize;
            let mut nearest: Vec<Option<(u64, Vec3, f32)>> = vec![None; pixels];
            for (shot, rays, renderer, image, colours) in &looks {
                let (level, world) = (shot.level, shot.world_from_index);
                let places = renderer.places(&gpu, image, rays, level, (size, corner, count), world, colours);
                for (best, place) in nearest.iter_mut().zip(places.into_iter().flatten()) {
                    // The nearest to the eye is the one that is seen.
                    if let Some((place, far)) = place
                        && best.is_none_or(|b| far < b.2)
                    {
                        *best = Some((shot.layer, place, far));
                    }
                }
            }
            found(nearest.into_iter().map(|n| n.map(|(layer, place, _)| (layer, place))).collect());
        });
    }
}

/// The layer that a pixel shows, and where: indices `(x, y, z)` of its finest level. None: nothing is there.
pub type Picked = Option<(u64, Vec3)>;

/// Bricks beside a plane and of the next finer level, which may be wanted next: as many as fit beside what is
/// seen, and only of levels that the file has.
fn neighbours(
    sheet: &Sheet,
    layout: &Layout,
    level: u32,
    size: [u32; 2],
    (capacity, given): (usize, usize),
) -> Vec<Key> {
    if sheet.tiles != 1 || level as usize >= given {
        return Vec::new();
    }
    let scale = layout.levels()[level as usize].scale;
    let across = (sheet.right * scale).cross(sheet.down * scale).normalize_or_zero() * CORE as f32 / scale;
    let half = sheet.slab.map_or(across, |(_, half)| half + across * half.dot(across).signum());
    let thick = Sheet { slab: Some((Slab::Mean, half)), ..sheet.clone() };
    let mut found = thick.wanted(layout, level, size);
    if level > 0 {
        found.extend(sheet.wanted(layout, level - 1, size));
    }
    if found.len() <= capacity { found } else { Vec::new() }
}

/// The planes of a level that a plane needs, if it lies across an axis of the image.
fn thin(look: &Look, layout: &Layout, level: u32) -> Option<Thin> {
    let Look::Sheet(sheet) = look else { return None };
    if sheet.tiles != 1 {
        return None;
    }
    let here = &layout.levels()[level as usize];
    let [right, down] = [sheet.right * sheet.size.x, sheet.down * sheet.size.y];
    let corners =
        [Vec3::ZERO, right, down, right + down].map(|c| (sheet.origin + c) * here.scale + here.offset);
    let half = sheet.slab.map_or(Vec3::ZERO, |(_, half)| (half * here.scale).abs());
    let low = corners.iter().copied().fold(Vec3::INFINITY, Vec3::min) - half;
    let high = corners.iter().copied().fold(Vec3::NEG_INFINITY, Vec3::max) + half;
    let axis = (0..3).find(|a| high[*a] - low[*a] - 2.0 * half[*a] < 1e-3)?;
    let shape = here.shape[2 - axis];
    let first = (low[axis] - 1e-3).floor().clamp(0.0, shape as f32 - 1.0) as usize;
    let end = (high[axis] + 1e-3).ceil().clamp(first as f32, shape as f32 - 1.0) as usize + 1;
    Some(Thin { axis: 2 - axis, planes: [first, end] })
}

/// Parts of shots in drawing order.
fn parts(shots: &[Shot]) -> Vec<(&Shot, Part)> {
    let deep = |shot: &Shot| matches!(&shot.look, Look::Rays(rays) if rays.is_deep());
    let labels = |shot: &Shot| shot.palette.is_of_labels();
    let surface =
        |shot: &Shot| matches!(&shot.look, Look::Rays(rays) if labels(shot) && rays.mode != Mode::Composite);
    let mist: Vec<&Shot> = shots.iter().filter(|s| deep(s) && !labels(s)).collect();
    let solid: Vec<&Shot> = shots.iter().filter(|s| surface(s)).collect();
    if mist.is_empty() || solid.is_empty() {
        return shots.iter().map(|shot| (shot, Part::Whole)).collect();
    }
    let opacity = |shot: &Shot| if let Look::Rays(rays) = &shot.look { rays.opacity } else { 1.0 };
    let clear = solid.iter().any(|shot| opacity(shot) < 1.0);
    let mut parts: Vec<(&Shot, Part)> = solid.iter().map(|shot| (*shot, Part::Depth)).collect();
    if clear {
        parts.extend(mist.iter().map(|shot| (*shot, Part::Behind)));
    }
    parts.extend(shots.iter().filter(|s| !deep(s) || labels(s)).map(|shot| (shot, Part::Whole)));
    parts.extend(mist.iter().map(|shot| (*shot, Part::Before)));
    parts
}
