//! What tools do where they touch an image.

use super::deeds::join;
use super::threshold::Taken;
use super::{Kit, Tool};
use crate::view::board::{Done, Work};
use crate::view::plane::short;
use crate::view::{Content, Layer};
use crate::window::app::Viewer;
use glam::{DVec2, DVec3};
use ndarray::Array3;
use std::sync::Arc;
use voxelry_core::io::browse::Browsed;
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::labels::shapes::{Brush, polygon};
use voxelry_core::labels::tools::{self, Flood, flood};
use voxelry_core::labels::{Edit, Labels, Mask};
use voxelry_core::{Job, Region, Result, Unit, VoxelType};

/// What the pointer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is over the image.
    Hover,
    /// The button goes down.
    Press,
    /// It moves with the button held.
    Drag,
    /// The button goes up.
    Release,
}

/// The pointer in a pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Touch {
    /// Which scene.
    pub scene: usize,
    /// The axis of a straight plane; none in 3D and in turned planes.
    pub axis: Option<usize>,
    /// Indices `(x, y, z)` of the scene's grid.
    pub at: DVec3,
    /// What it does.
    pub phase: Phase,
    /// Whether Shift is held.
    pub shift: bool,
}

/// How many voxels a flood may take before it is said to run away.
const MOST: u64 = 400_000;

/// The intensities that tools look at.
#[derive(Clone)]
pub(super) struct Image {
    source: Arc<Browsed>,
    frame: Frame,
}

impl Image {
    pub(super) fn of(layer: &Layer) -> Self {
        Self { source: layer.source.clone(), frame: Frame::new(layer.channel, layer.time) }
    }

    pub(super) fn read(&self, region: Region) -> Result<Array3<f32>> {
        let volume = self.source.read(self.frame, region)?.cast(VoxelType::F32);
        Ok(volume.view::<f32>().expect("just cast").to_owned())
    }

    fn at(&self, voxel: [usize; 3]) -> Result<f32> {
        Ok(self.read(Region::new(voxel, [1; 3]))?[[0; 3]])
    }
}

/// What everything that draws needs.
#[derive(Clone)]
pub(super) struct Ink {
    pub label: u32,
    pub mask: Mask,
    pub image: Option<Image>,
}

impl Ink {
    /// Puts the label where `covered` says, within what the mask allows.
    pub fn put(&self, edit: &mut Edit, region: Region, covered: &Array3<bool>) -> Result<Vec<Region>> {
        let old = edit.labels().get(region)?;
        let mut new = old.clone();
        ndarray::Zip::from(&mut new).and(covered).for_each(|new, covered| {
            if *covered {
                *new = self.label;
            }
        });
        self.put_labels(edit, region, &old, new)
    }

    /// Puts labels, within what the mask allows.
    pub fn put_labels(
        &self,
        edit: &mut Edit,
        region: Region,
        old: &Array3<u32>,
        mut new: Array3<u32>,
    ) -> Result<Vec<Region>> {
        let image = match (&self.image, self.mask.intensities) {
            (Some(image), Some(_)) => Some(image.read(region)?),
            _ => None,
        };
        let image = image.as_ref().map(|i| i.view());
        self.mask.keep(region.start, old.view(), &mut new, image, &edit.labels().infos());
        edit.put(region.start, new.view())
    }

    fn put_flood(&self, edit: &mut Edit, flood: &Flood, within: Region) -> Result<Vec<Region>> {
        let mut regions = Vec::new();
        for (tile, covered) in &flood.tiles {
            let region = Region { start: Flood::start(*tile), shape: [tools::TILE; 3] }.intersection(&within);
            regions.extend(self.put(edit, region, covered)?);
        }
        Ok(regions)
    }
}

/// Voxels and their volume, for people.
pub(super) fn amount(voxels: u64, labels: &Labels) -> String {
    let unit = labels.geometry().unit;
    let plural = if voxels == 1 { "voxel" } else { "voxels" };
    match unit.metres() {
        Some(_) => {
            format!(
                "{voxels} {plural} · {} {}³",
                short(voxels as f64 * labels.geometry().voxel_volume()),
                unit
            )
        }
        None => format!("{voxels} {plural}"),
    }
}

impl Kit {
    fn brush(&self, labels: &Labels, axis: Option<usize>) -> Brush {
        let least = labels.spacing().into_iter().fold(f64::INFINITY, f64::min);
        let edges = labels.geometry().world_from_index.matrix3;
        Brush { radius: self.radius * least, edges, disc: if self.deep { None } else { axis } }
    }
}

fn zyx(v: DVec3) -> [f64; 3] {
    [v.z, v.y, v.x]
}

impl Viewer {
    /// What tools draw with.
    pub(super) fn ink(&self) -> Option<Ink> {
        let desk = self.kit.desk.as_ref()?;
        let label = if self.kit.tool == Tool::Erase { 0 } else { self.kit.label };
        Some(Ink { label, mask: self.kit.mask.clone(), image: self.image_of_desk().map(Image::of) })
            .filter(|_| desk.layer > 0)
    }

    /// The intensities that tools look at.
    pub(super) fn image_of_desk(&self) -> Option<&Layer> {
        let desk = self.kit.desk.as_ref()?;
        let (s, _) = self.place_of(desk.layer)?;
        let shape = desk.board.labels.shape();
        let fits = |l: &&Layer| l.content == Content::Grey && l.source.info().shape() == shape;
        let layers = &self.document.scenes[s].layers;
        layers.iter().filter(fits).find(|l| Some(l.id) == desk.image).or_else(|| layers.iter().find(fits))
    }

    /// Does what the tool in hand does where the pointer is.
    pub fn touch(&mut self, touch: Touch) {
        if touch.phase == Phase::Press && self.kit.desk.is_none() && !self.take_labels() {
            return;
        }
        let Some(desk) = &self.kit.desk else { return };
        let Some((s, l)) = self.place_of(desk.layer).filter(|(s, _)| *s == touch.scene) else {
            // Another image: its labels come to the desk when it is clicked.
            if touch.phase == Phase::Press {
                self.chosen = (touch.scene, 0);
                self.take_labels();
            }
            return;
        };
        let layer = &self.document.scenes[s].layers[l];
        let world = self.document.scenes[s].geometry().world_from_index.transform_point3(touch.at);
        let own = layer.source.info().geometry().world_from_index.inverse().transform_point3(world);
        let shape = desk.board.labels.shape();
        let voxel = own.round();
        let inside = (0..3).all(|a| voxel[a] >= 0.0 && voxel[a] < shape[2 - a] as f64);
        let at = inside.then_some([voxel.z as usize, voxel.y as usize, voxel.x as usize]);
        match self.kit.tool {
            Tool::Look | Tool::Threshold => {}
            Tool::Paint | Tool::Erase => self.touch_with_brush(touch, own, at),
            Tool::Wand => self.touch_with_wand(touch, at),
            Tool::Lasso => self.touch_with_lasso(touch, own),
            Tool::Fill => self.touch_to_fill(touch, at),
            Tool::Split => self.touch_to_split(touch, at),
            Tool::Merge => self.touch_to_merge(touch, own),
        }
    }

    fn touch_with_brush(&mut self, touch: Touch, own: DVec3, at: Option<[usize; 3]>) {
        if touch.phase == Phase::Press && touch.shift {
            if let Some(at) = at {
                self.pick(at);
            }
            return;
        }
        let Some(ink) = self.ink() else { return };
        let kit = &mut self.kit;
        let Some(desk) = &kit.desk else { return };
        match touch.phase {
            Phase::Hover => return,
            Phase::Press => kit.way = vec![own, own],
            Phase::Drag if kit.way.is_empty() => return,
            Phase::Drag => kit.way = vec![kit.way[kit.way.len() - 1], own],
            Phase::Release => {
                if !std::mem::take(&mut kit.way).is_empty() {
                    desk.board.lift(kit.tool.name());
                }
                return;
            }
        }
        let (from, to) = (zyx(kit.way[0]), zyx(kit.way[1]));
        let brush = kit.brush(&desk.board.labels, touch.axis);
        desk.board.draw(Box::new(move |edit, _| {
            let Some((region, covered)) = brush.stroke(from, to, edit.labels().shape()) else {
                return Ok(Done::default());
            };
            Ok(ink.put(edit, region, &covered)?.into())
        }));
    }

    /// Takes the label of a voxel in hand.
    fn pick(&mut self, at: [usize; 3]) {
        let Some(desk) = &self.kit.desk else { return };
        let layer = self.document.scenes.iter().flat_map(|s| &s.layers).find(|l| l.id == desk.layer);
        let Some(label) = layer.and_then(|l| l.source.peek(at.map(|v| v as i64), 0, 0)) else { return };
        self.kit.take(label as u32);
    }

    fn touch_with_wand(&mut self, touch: Touch, at: Option<[usize; 3]>) {
        let Some(at) = at else {
            self.forget_preview();
            return;
        };
        let (Some(ink), Some(image)) = (self.ink(), self.image_of_desk().map(Image::of)) else { return };
        if self.kit.tolerance <= 0.0 {
            self.kit.tolerance = self.image_of_desk().map_or(1.0, a_tenth);
        }
        let kit = &mut self.kit;
        let Some(desk) = &kit.desk else { return };
        let within = flat(desk.board.labels.shape(), at, if kit.deep { None } else { touch.axis });
        let take = wand(ink, image, within, at, kit.tolerance, MOST);
        match touch.phase {
            Phase::Hover => {
                let key = format!("{at:?} {} {within:?} {}", kit.tolerance, kit.label);
                if kit.shown.as_ref() != Some(&key) {
                    (kit.shown, kit.preview) = (Some(key), true);
                    desk.board.preview(take);
                }
            }
            Phase::Press => {
                // All of it, however far it goes: that it runs away was shown.
                let Some(ink) = self.ink() else { return };
                let Some(image) = self.image_of_desk().map(Image::of) else { return };
                let take = wand(ink, image, within, at, self.kit.tolerance, u64::MAX);
                let Some(desk) = &self.kit.desk else { return };
                desk.board.whole("Wand", take);
                (self.kit.shown, self.kit.preview) = (None, false);
            }
            Phase::Drag | Phase::Release => {}
        }
    }

    fn forget_preview(&mut self) {
        self.kit.put_away();
        self.kit.says.clear();
    }

    fn touch_with_lasso(&mut self, touch: Touch, own: DVec3) {
        let Some(axis) = touch.axis else {
            if touch.phase == Phase::Press {
                self.kit.says =
                    "In planes the lasso draws where they are not turned (0 straightens them)".into();
            }
            return;
        };
        let Some(ink) = self.ink() else { return };
        let kit = &mut self.kit;
        let Some(desk) = &kit.desk else { return };
        let near = |a: Option<&DVec3>, reach: f64| a.is_some_and(|a| a.distance(own) < reach);
        match touch.phase {
            Phase::Press if kit.corners && kit.axis == Some(axis) => {
                // A second click on the last corner, or one on the first, closes them.
                let closes = near(kit.way.last(), 1.0) || near(kit.way.first(), 2.0);
                if !closes {
                    kit.way.push(own);
                    return;
                }
            }
            Phase::Press => {
                (kit.way, kit.axis, kit.corners) = (vec![own], Some(axis), false);
                return;
            }
            Phase::Drag if !kit.corners && !kit.way.is_empty() => return kit.way.push(own),
            // A click, not a drag: the first of the corners of a polygon.
            Phase::Release if !kit.corners && kit.way.iter().all(|p| near(Some(p), 1.5)) => {
                kit.way.truncate(1);
                kit.corners = !kit.way.is_empty();
                kit.says = "Click on corners; twice on one closes them".into();
                return;
            }
            Phase::Release if !kit.corners => {}
            _ => return,
        }
        kit.corners = false;
        kit.says.clear();
        let way = std::mem::take(&mut kit.way);
        let Some(slice) = way.first().map(|p| p[2 - axis].round()) else { return };
        desk.board.whole("Lasso", Box::new(move |edit, _| surround(edit, &ink, &way, axis, slice)));
    }

    fn touch_to_fill(&mut self, touch: Touch, at: Option<[usize; 3]>) {
        let (Phase::Press, Some(at), Some(ink)) = (touch.phase, at, self.ink()) else { return };
        let Some(desk) = &self.kit.desk else { return };
        let within = flat(desk.board.labels.shape(), at, if self.kit.deep { None } else { touch.axis });
        let labels = desk.board.labels.clone();
        desk.board.whole(
            "Fill",
            Box::new(move |edit, job| {
                let old = labels.get(Region::new(at, [1; 3]))?[[0; 3]];
                let open = |region: Region| Ok(labels.get(region)?.mapv(|v| v == old));
                let flood = flood(within, at, u64::MAX, job, open)?;
                let regions = ink.put_flood(edit, &flood, within)?;
                Ok(Done { regions, says: Some(format!("Filled {}", amount(flood.count, &labels))) })
            }),
        );
    }

    fn touch_to_split(&mut self, touch: Touch, at: Option<[usize; 3]>) {
        let (Phase::Press, Some(at)) = (touch.phase, at) else { return };
        let Some(desk) = &self.kit.desk else { return };
        let (labels, depth) = (desk.board.labels.clone(), self.kit.reach.to_string());
        desk.board.whole(
            "Split",
            Box::new(move |edit, job| {
                let label = labels.get(Region::new(at, [1; 3]))?[[0; 3]];
                if label == 0 {
                    return Ok(Done { says: Some("There is no object here".into()), ..Done::default() });
                }
                if labels.info_of(label).is_some_and(|info| info.locked) {
                    return Ok(Done { says: Some(format!("Object {label} is locked")), ..Done::default() });
                }
                let regions = tools::split(edit, label, &depth, job)?;
                let says = if regions.is_empty() {
                    format!("No neck that deep in object {label}; lower the neck depth")
                } else {
                    format!("Object {label} split; the parts have new labels")
                };
                Ok(Done { regions, says: Some(says) })
            }),
        );
    }

    fn touch_to_merge(&mut self, touch: Touch, own: DVec3) {
        let kit = &mut self.kit;
        match touch.phase {
            Phase::Hover => {}
            Phase::Press => (kit.way, kit.axis) = (vec![own], touch.axis),
            Phase::Drag if kit.way.is_empty() => {}
            Phase::Drag => kit.way.push(own),
            Phase::Release => {
                let way = std::mem::take(&mut kit.way);
                let Some(desk) = &kit.desk else { return };
                let labels = desk.board.labels.clone();
                desk.board.whole("Merge", Box::new(move |edit, job| merge(edit, &labels, &way, job)));
            }
        }
    }

    /// Shows what the threshold would label, in the three planes of the crosshair.
    pub(super) fn preview_threshold(&mut self) {
        let (Some(taken), Some(ink)) = (self.kit.threshold.taken(), self.ink()) else { return };
        let Some(image) = self.image_of_desk().map(Image::of) else { return };
        let Some(desk) = &self.kit.desk else { return };
        let Some((s, _)) = self.place_of(desk.layer) else { return };
        let (scene, shape) = (&self.document.scenes[s], desk.board.labels.shape());
        let world = scene.geometry().world_from_index.transform_point3(scene.index(scene.view.at));
        let own = desk.board.labels.geometry().world_from_index.inverse().transform_point3(world).round();
        let at: [usize; 3] = std::array::from_fn(|a| (own[2 - a].max(0.0) as usize).min(shape[a] - 1));
        let key = format!("{taken:?} {at:?} {} {:?}", ink.label, ink.mask);
        if self.kit.shown.as_ref() == Some(&key) {
            return;
        }
        (self.kit.shown, self.kit.preview) = (Some(key), true);
        desk.board.preview(Box::new(move |edit, job| {
            let mut regions = Vec::new();
            for axis in 0..3 {
                let slice = flat(shape, at, Some(axis));
                for tile in slice.tiles([256; 3]) {
                    job.check()?;
                    regions.extend(within_range(edit, &ink, &image, tile, taken)?.0);
                }
            }
            Ok(regions.into())
        }));
    }

    /// Labels all that lies within the range.
    pub(super) fn apply_threshold(&mut self) {
        let (Some(taken), Some(ink)) = (self.kit.threshold.taken(), self.ink()) else { return };
        let Some(image) = self.image_of_desk().map(Image::of) else { return };
        let Some(desk) = &self.kit.desk else { return };
        let shape = desk.board.labels.shape();
        let (label, separate) = (ink.label, self.kit.threshold.separate);
        (self.kit.shown, self.kit.preview) = (None, false);
        desk.board.whole(
            "Threshold",
            Box::new(move |edit, job| {
                let (mut regions, mut count) = (Vec::new(), 0);
                job.stage("Threshold", shape.iter().map(|n| *n as u64).product());
                for tile in Region::whole(shape).tiles([64, 128, 128]) {
                    job.check()?;
                    let (changed, within) = within_range(edit, &ink, &image, tile, taken)?;
                    regions.extend(changed);
                    count += within;
                    job.advance(tile.len() as u64);
                }
                let mut says = format!("{} taken", amount(count, edit.labels()));
                if separate {
                    regions.extend(tools::separate(edit, label, Region::whole(shape), job)?);
                    says += ", connected parts separated";
                }
                Ok(Done { regions, says: Some(says) })
            }),
        );
    }
}

impl Kit {
    /// Takes a label in hand.
    pub fn take(&mut self, label: u32) {
        if label != self.label {
            (self.other, self.label) = (self.label, label);
            self.shown = None;
        }
    }
}

/// A tenth of the window of an image, the first tolerance of the wand.
fn a_tenth(layer: &Layer) -> f64 {
    let window = layer.stats.as_ref().map_or([0.0, 10.0], |s| s.window);
    ((window[1] - window[0]).abs() / 10.0).max(f64::MIN_POSITIVE)
}

/// All of an image, or a slice of it through a voxel.
fn flat(shape: [usize; 3], at: [usize; 3], axis: Option<usize>) -> Region {
    let mut region = Region::whole(shape);
    if let Some(axis) = axis {
        (region.start[axis], region.shape[axis]) = (at[axis], 1);
    }
    region
}

fn wand(ink: Ink, image: Image, within: Region, at: [usize; 3], tolerance: f64, most: u64) -> Work {
    Box::new(move |edit, job| {
        let value = f64::from(image.at(at)?);
        let open =
            |region: Region| Ok(image.read(region)?.mapv(|v| (f64::from(v) - value).abs() <= tolerance));
        let found = flood(within, at, most, job, open)?;
        let mut says = amount(found.count, edit.labels());
        if found.runs_away {
            says = format!("Leaks: more than {says}");
        }
        let regions = ink.put_flood(edit, &found, within)?;
        Ok(Done { regions, says: Some(says) })
    })
}

fn surround(edit: &mut Edit, ink: &Ink, way: &[DVec3], axis: usize, slice: f64) -> Result<Done> {
    let shape = edit.labels().shape();
    let [rows, columns] = [[1, 2], [0, 2], [0, 1]][axis];
    let points: Vec<DVec2> = way.iter().map(|p| DVec2::new(p[2 - columns], p[2 - rows])).collect();
    if slice < 0.0 || slice >= shape[axis] as f64 {
        return Ok(Done::default());
    }
    let Some((first, inside)) = polygon(&points, [shape[rows], shape[columns]]) else {
        return Ok(Done::default());
    };
    let mut region = Region::new([slice as usize; 3], [1; 3]);
    (region.start[rows], region.start[columns]) = (first[0], first[1]);
    (region.shape[rows], region.shape[columns]) = inside.dim();
    let covered = Array3::from_shape_vec(region.shape, inside.into_iter().collect());
    let covered = covered.expect("rows come before columns in either order of the axes");
    Ok(ink.put(edit, region, &covered)?.into())
}

/// All objects on a way become the first of them.
fn merge(edit: &mut Edit, labels: &Labels, way: &[DVec3], job: &Job) -> Result<Done> {
    let shape = labels.shape();
    let mut met: Vec<u32> = Vec::new();
    for pair in way.windows(2).map(|w| (w[0], w[1])).chain(way.first().map(|p| (*p, *p))) {
        let steps = (pair.1 - pair.0).abs().max_element().ceil().max(1.0);
        for i in 0..=steps as usize {
            let p = pair.0.lerp(pair.1, i as f64 / steps).round();
            if (0..3).all(|a| p[a] >= 0.0 && p[a] < shape[2 - a] as f64) {
                let at = [p.z as usize, p.y as usize, p.x as usize];
                let label = labels.get(Region::new(at, [1; 3]))?[[0; 3]];
                if label != 0 && !met.contains(&label) {
                    met.push(label);
                }
            }
        }
    }
    let locked: Vec<u32> = labels.infos().iter().filter(|(_, i)| i.locked).map(|(l, _)| *l).collect();
    met.retain(|l| !locked.contains(l));
    let [first, others @ ..] = &met[..] else {
        return Ok(Done { says: Some("There is no object here".into()), ..Done::default() });
    };
    let regions = join(edit, labels, *first, others, job)?;
    let says = match others.len() {
        0 => "Drag from one object over others".into(),
        n => format!("{n} became part of object {first}"),
    };
    Ok(Done { regions, says: Some(says) })
}

/// Labels what lies within a range in a tile; where something is another now, and how many voxels lie in it.
fn within_range(
    edit: &mut Edit,
    ink: &Ink,
    image: &Image,
    tile: Region,
    taken: Taken,
) -> Result<(Vec<Region>, u64)> {
    let covered = image.read(tile)?.mapv(|v| taken.takes(f64::from(v)));
    let count = covered.iter().filter(|v| **v).count() as u64;
    let regions = if count > 0 { ink.put(edit, tile, &covered)? } else { Vec::new() };
    Ok((regions, count))
}

/// A unit for lengths of brushes.
pub(super) fn radius_text(radius: f64, labels: Option<&Labels>) -> String {
    let Some(labels) = labels.filter(|l| l.geometry().unit != Unit::Voxel) else {
        return String::new();
    };
    let least = labels.spacing().into_iter().fold(f64::INFINITY, f64::min);
    crate::view::plane::length(radius * least, labels.geometry().unit)
}
