//! Effects of tools where they are used on an image.

use super::object_actions::join;
use super::threshold::IntensityRange;
use super::{Tool, ToolState};
use crate::view::label_editor::{EditFn, EditOutcome};
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

/// Phase of a pointer gesture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerPhase {
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
pub struct ToolInput {
    /// Scene index.
    pub scene: usize,
    /// The axis of a straight plane; none in 3D and in turned planes.
    pub axis: Option<usize>,
    /// Indices `(x, y, z)` of the scene's grid.
    pub at: DVec3,
    /// The operator.
    pub phase: PointerPhase,
    /// True if Shift is held.
    pub shift: bool,
}

/// Number of voxels above which a flood counts as leaking.
const MOST: u64 = 400_000;

/// The intensities that tools look at.
#[derive(Clone)]
pub(super) struct IntensityImage {
    source: Arc<Browsed>,
    frame: Frame,
}

impl IntensityImage {
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

/// Writes a label into voxels, within what the editing mask allows.
#[derive(Clone)]
pub(super) struct LabelWriter {
    pub label: u32,
    pub mask: Mask,
    pub image: Option<IntensityImage>,
}

impl LabelWriter {
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

impl ToolState {
    fn brush(&self, labels: &Labels, axis: Option<usize>) -> Brush {
        let least = labels.spacing().into_iter().fold(f64::INFINITY, f64::min);
        let edges = labels.geometry().world_from_index.matrix3;
        Brush {
            radius: self.settings.radius * least,
            edges,
            disc: if self.settings.in_3d { None } else { axis },
        }
    }
}

fn zyx(v: DVec3) -> [f64; 3] {
    [v.z, v.y, v.x]
}

impl Viewer {
    /// Writer of the active label.
    pub(super) fn label_writer(&self) -> Option<LabelWriter> {
        let editing = self.tools.editing.as_ref()?;
        let label = if self.tools.tool == Tool::Erase { 0 } else { self.tools.label };
        Some(LabelWriter {
            label,
            mask: self.tools.mask.clone(),
            image: self.edited_image().map(IntensityImage::of),
        })
        .filter(|_| editing.layer > 0)
    }

    /// The intensities that tools look at.
    pub(super) fn edited_image(&self) -> Option<&Layer> {
        let editing = self.tools.editing.as_ref()?;
        let (s, _) = self.place_of(editing.layer)?;
        let shape = editing.editor.labels.shape();
        let fits = |l: &&Layer| l.content == Content::Grey && l.source.info().shape() == shape;
        let layers = &self.document.scenes[s].layers;
        layers.iter().filter(fits).find(|l| Some(l.id) == editing.image).or_else(|| layers.iter().find(fits))
    }

    /// Applies the active tool at the pointer.
    pub fn use_tool(&mut self, input: ToolInput) {
        if input.phase == PointerPhase::Press && self.tools.editing.is_none() && !self.ensure_labels() {
            return;
        }
        let Some(editing) = &self.tools.editing else { return };
        let Some((s, l)) = self.place_of(editing.layer).filter(|(s, _)| *s == input.scene) else {
            // Another image: its labels are edited once it is clicked.
            if input.phase == PointerPhase::Press {
                self.view.chosen = (input.scene, 0);
                self.ensure_labels();
            }
            return;
        };
        let layer = &self.document.scenes[s].layers[l];
        let world = self.document.scenes[s].geometry().world_from_index.transform_point3(input.at);
        let own = layer.source.info().geometry().world_from_index.inverse().transform_point3(world);
        let shape = editing.editor.labels.shape();
        let voxel = own.round();
        let inside = (0..3).all(|a| voxel[a] >= 0.0 && voxel[a] < shape[2 - a] as f64);
        let at = inside.then_some([voxel.z as usize, voxel.y as usize, voxel.x as usize]);
        match self.tools.tool {
            Tool::Look | Tool::Threshold => {}
            Tool::Paint | Tool::Erase => self.use_brush(input, own, at),
            Tool::Wand => self.use_wand(input, at),
            Tool::Lasso => self.use_lasso(input, own),
            Tool::Fill => self.use_fill(input, at),
            Tool::Split => self.use_split(input, at),
            Tool::Merge => self.use_merge(input, own),
        }
    }

    fn use_brush(&mut self, input: ToolInput, own: DVec3, at: Option<[usize; 3]>) {
        if input.phase == PointerPhase::Press && input.shift {
            if let Some(at) = at {
                self.pick(at);
            }
            return;
        }
        let Some(writer) = self.label_writer() else { return };
        let tools = &mut self.tools;
        let Some(editing) = &tools.editing else { return };
        match input.phase {
            PointerPhase::Hover => return,
            PointerPhase::Press => tools.gesture.path = vec![own, own],
            PointerPhase::Drag if tools.gesture.path.is_empty() => return,
            PointerPhase::Drag => {
                tools.gesture.path = vec![tools.gesture.path[tools.gesture.path.len() - 1], own];
            }
            PointerPhase::Release => {
                if !std::mem::take(&mut tools.gesture.path).is_empty() {
                    editing.editor.end_stroke(tools.tool.name());
                }
                return;
            }
        }
        let (from, to) = (zyx(tools.gesture.path[0]), zyx(tools.gesture.path[1]));
        let brush = tools.brush(&editing.editor.labels, input.axis);
        editing.editor.draw(Box::new(move |edit, _| {
            let Some((region, covered)) = brush.stroke(from, to, edit.labels().shape()) else {
                return Ok(EditOutcome::default());
            };
            Ok(writer.put(edit, region, &covered)?.into())
        }));
    }

    /// Activates the label of a voxel.
    fn pick(&mut self, at: [usize; 3]) {
        let Some(editing) = &self.tools.editing else { return };
        let layer = self.document.scenes.iter().flat_map(|s| &s.layers).find(|l| l.id == editing.layer);
        let Some(label) = layer.and_then(|l| l.source.peek(at.map(|v| v as i64), 0, 0)) else { return };
        self.tools.set_label(label as u32);
    }

    fn use_wand(&mut self, input: ToolInput, at: Option<[usize; 3]>) {
        let Some(at) = at else {
            self.forget_preview();
            return;
        };
        let (Some(writer), Some(image)) = (self.label_writer(), self.edited_image().map(IntensityImage::of))
        else {
            return;
        };
        if self.tools.settings.tolerance <= 0.0 {
            self.tools.settings.tolerance = self.edited_image().map_or(1.0, a_tenth);
        }
        let tools = &mut self.tools;
        let Some(editing) = &tools.editing else { return };
        let within =
            flat(editing.editor.labels.shape(), at, if tools.settings.in_3d { None } else { input.axis });
        let take = wand(writer, image, within, at, tools.settings.tolerance, MOST);
        match input.phase {
            PointerPhase::Hover => {
                let key = format!("{at:?} {} {within:?} {}", tools.settings.tolerance, tools.label);
                if tools.gesture.shown.as_ref() != Some(&key) {
                    (tools.gesture.shown, tools.gesture.preview) = (Some(key), true);
                    editing.editor.preview(take);
                }
            }
            PointerPhase::Press => {
                // All of it, however far it goes: that it runs away was shown.
                let Some(writer) = self.label_writer() else { return };
                let Some(image) = self.edited_image().map(IntensityImage::of) else { return };
                let take = wand(writer, image, within, at, self.tools.settings.tolerance, u64::MAX);
                let Some(editing) = &self.tools.editing else { return };
                editing.editor.apply("Wand", take);
                (self.tools.gesture.shown, self.tools.gesture.preview) = (None, false);
            }
            PointerPhase::Drag | PointerPhase::Release => {}
        }
    }

    fn forget_preview(&mut self) {
        self.tools.discard_preview();
        self.tools.status.clear();
    }

    fn use_lasso(&mut self, input: ToolInput, own: DVec3) {
        let Some(axis) = input.axis else {
            if input.phase == PointerPhase::Press {
                self.tools.status = "The lasso needs planes that aren't rotated (0 resets them)".into();
            }
            return;
        };
        let Some(writer) = self.label_writer() else { return };
        let tools = &mut self.tools;
        let Some(editing) = &tools.editing else { return };
        let near = |a: Option<&DVec3>, reach: f64| a.is_some_and(|a| a.distance(own) < reach);
        match input.phase {
            PointerPhase::Press if tools.gesture.corners && tools.gesture.axis == Some(axis) => {
                // A second click on the last corner, or one on the first, closes them.
                let closes = near(tools.gesture.path.last(), 1.0) || near(tools.gesture.path.first(), 2.0);
                if !closes {
                    tools.gesture.path.push(own);
                    return;
                }
            }
            PointerPhase::Press => {
                (tools.gesture.path, tools.gesture.axis, tools.gesture.corners) =
                    (vec![own], Some(axis), false);
                return;
            }
            PointerPhase::Drag if !tools.gesture.corners && !tools.gesture.path.is_empty() => {
                return tools.gesture.path.push(own);
            }
            // A click, not a drag: the first of the corners of a polygon.
            PointerPhase::Release
                if !tools.gesture.corners && tools.gesture.path.iter().all(|p| near(Some(p), 1.5)) =>
            {
                tools.gesture.path.truncate(1);
                tools.gesture.corners = !tools.gesture.path.is_empty();
                tools.status = "Click corners; double click to close".into();
                return;
            }
            PointerPhase::Release if !tools.gesture.corners => {}
            _ => return,
        }
        tools.gesture.corners = false;
        tools.status.clear();
        let way = std::mem::take(&mut tools.gesture.path);
        let Some(slice) = way.first().map(|p| p[2 - axis].round()) else { return };
        editing.editor.apply("Lasso", Box::new(move |edit, _| surround(edit, &writer, &way, axis, slice)));
    }

    fn use_fill(&mut self, input: ToolInput, at: Option<[usize; 3]>) {
        let (PointerPhase::Press, Some(at), Some(writer)) = (input.phase, at, self.label_writer()) else {
            return;
        };
        let Some(editing) = &self.tools.editing else { return };
        let within = flat(
            editing.editor.labels.shape(),
            at,
            if self.tools.settings.in_3d { None } else { input.axis },
        );
        let labels = editing.editor.labels.clone();
        editing.editor.apply(
            "Fill",
            Box::new(move |edit, job| {
                let old = labels.get(Region::new(at, [1; 3]))?[[0; 3]];
                let open = |region: Region| Ok(labels.get(region)?.mapv(|v| v == old));
                let flood = flood(within, at, u64::MAX, job, open)?;
                let regions = writer.put_flood(edit, &flood, within)?;
                Ok(EditOutcome { regions, message: Some(format!("Filled {}", amount(flood.count, &labels))) })
            }),
        );
    }

    fn use_split(&mut self, input: ToolInput, at: Option<[usize; 3]>) {
        let (PointerPhase::Press, Some(at)) = (input.phase, at) else { return };
        let Some(editing) = &self.tools.editing else { return };
        let (labels, depth) = (editing.editor.labels.clone(), self.tools.settings.distance.to_string());
        editing.editor.apply(
            "Split",
            Box::new(move |edit, job| {
                let label = labels.get(Region::new(at, [1; 3]))?[[0; 3]];
                if label == 0 {
                    return Ok(EditOutcome {
                        message: Some("There is no object here".into()),
                        ..EditOutcome::default()
                    });
                }
                if labels.info_of(label).is_some_and(|info| info.locked) {
                    return Ok(EditOutcome {
                        message: Some(format!("Object {label} is locked")),
                        ..EditOutcome::default()
                    });
                }
                let regions = tools::split(edit, label, &depth, job)?;
                let says = if regions.is_empty() {
                    format!("No neck that deep in object {label}; lower the neck depth")
                } else {
                    format!("Object {label} split; the parts have new labels")
                };
                Ok(EditOutcome { regions, message: Some(says) })
            }),
        );
    }

    fn use_merge(&mut self, input: ToolInput, own: DVec3) {
        let tools = &mut self.tools;
        match input.phase {
            PointerPhase::Hover => {}
            PointerPhase::Press => (tools.gesture.path, tools.gesture.axis) = (vec![own], input.axis),
            PointerPhase::Drag if tools.gesture.path.is_empty() => {}
            PointerPhase::Drag => tools.gesture.path.push(own),
            PointerPhase::Release => {
                let way = std::mem::take(&mut tools.gesture.path);
                let Some(editing) = &tools.editing else { return };
                let labels = editing.editor.labels.clone();
                editing.editor.apply("Merge", Box::new(move |edit, job| merge(edit, &labels, &way, job)));
            }
        }
    }

    /// Shows what the threshold would label, in the three planes of the crosshair.
    pub(super) fn preview_threshold(&mut self) {
        let (Some(taken), Some(writer)) = (self.tools.threshold.taken(), self.label_writer()) else { return };
        let Some(image) = self.edited_image().map(IntensityImage::of) else { return };
        let Some(editing) = &self.tools.editing else { return };
        let Some((s, _)) = self.place_of(editing.layer) else { return };
        let (scene, shape) = (&self.document.scenes[s], editing.editor.labels.shape());
        let world = scene.geometry().world_from_index.transform_point3(scene.index(scene.view.at));
        let own = editing.editor.labels.geometry().world_from_index.inverse().transform_point3(world).round();
        let at: [usize; 3] = std::array::from_fn(|a| (own[2 - a].max(0.0) as usize).min(shape[a] - 1));
        let key = format!("{taken:?} {at:?} {} {:?}", writer.label, writer.mask);
        if self.tools.gesture.shown.as_ref() == Some(&key) {
            return;
        }
        (self.tools.gesture.shown, self.tools.gesture.preview) = (Some(key), true);
        editing.editor.preview(Box::new(move |edit, job| {
            let mut regions = Vec::new();
            for axis in 0..3 {
                let slice = flat(shape, at, Some(axis));
                for tile in slice.tiles([256; 3]) {
                    job.check()?;
                    regions.extend(within_range(edit, &writer, &image, tile, taken)?.0);
                }
            }
            Ok(regions.into())
        }));
    }

    /// Labels all that lies within the range.
    pub(super) fn apply_threshold(&mut self) {
        let (Some(taken), Some(writer)) = (self.tools.threshold.taken(), self.label_writer()) else { return };
        let Some(image) = self.edited_image().map(IntensityImage::of) else { return };
        let Some(editing) = &self.tools.editing else { return };
        let shape = editing.editor.labels.shape();
        let (label, separate) = (writer.label, self.tools.threshold.separate);
        (self.tools.gesture.shown, self.tools.gesture.preview) = (None, false);
        editing.editor.apply(
            "Threshold",
            Box::new(move |edit, job| {
                let (mut regions, mut count) = (Vec::new(), 0);
                job.stage("Threshold", shape.iter().map(|n| *n as u64).product());
                for tile in Region::whole(shape).tiles([64, 128, 128]) {
                    job.check()?;
                    let (changed, within) = within_range(edit, &writer, &image, tile, taken)?;
                    regions.extend(changed);
                    count += within;
                    job.advance(tile.len() as u64);
                }
                let mut says = format!("{} labelled", amount(count, edit.labels()));
                if separate {
                    regions.extend(tools::separate(edit, label, Region::whole(shape), job)?);
                    says += ", connected parts separated";
                }
                Ok(EditOutcome { regions, message: Some(says) })
            }),
        );
    }
}

impl ToolState {
    /// Activates a label.
    pub fn set_label(&mut self, label: u32) {
        if label != self.label {
            (self.other, self.label) = (self.label, label);
            self.gesture.shown = None;
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

fn wand(
    writer: LabelWriter,
    image: IntensityImage,
    within: Region,
    at: [usize; 3],
    tolerance: f64,
    most: u64,
) -> EditFn {
    Box::new(move |edit, job| {
        let value = f64::from(image.at(at)?);
        let open =
            |region: Region| Ok(image.read(region)?.mapv(|v| (f64::from(v) - value).abs() <= tolerance));
        let found = flood(within, at, most, job, open)?;
        let mut says = amount(found.count, edit.labels());
        if found.runs_away {
            says = format!("Leaks: more than {says}");
        }
        let regions = writer.put_flood(edit, &found, within)?;
        Ok(EditOutcome { regions, message: Some(says) })
    })
}

fn surround(
    edit: &mut Edit,
    writer: &LabelWriter,
    way: &[DVec3],
    axis: usize,
    slice: f64,
) -> Result<EditOutcome> {
    let shape = edit.labels().shape();
    let [rows, columns] = [[1, 2], [0, 2], [0, 1]][axis];
    let points: Vec<DVec2> = way.iter().map(|p| DVec2::new(p[2 - columns], p[2 - rows])).collect();
    if slice < 0.0 || slice >= shape[axis] as f64 {
        return Ok(EditOutcome::default());
    }
    let Some((first, inside)) = polygon(&points, [shape[rows], shape[columns]]) else {
        return Ok(EditOutcome::default());
    };
    let mut region = Region::new([slice as usize; 3], [1; 3]);
    (region.start[rows], region.start[columns]) = (first[0], first[1]);
    (region.shape[rows], region.shape[columns]) = inside.dim();
    let covered = Array3::from_shape_vec(region.shape, inside.into_iter().collect());
    let covered = covered.expect("rows come before columns in either order of the axes");
    Ok(writer.put(edit, region, &covered)?.into())
}

/// All objects on a way become the first of them.
fn merge(edit: &mut Edit, labels: &Labels, way: &[DVec3], job: &Job) -> Result<EditOutcome> {
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
        return Ok(EditOutcome { message: Some("There is no object here".into()), ..EditOutcome::default() });
    };
    let regions = join(edit, labels, *first, others, job)?;
    let says = match others.len() {
        0 => "Drag from one object across others".into(),
        n => format!("{n} merged into object {first}"),
    };
    Ok(EditOutcome { regions, message: Some(says) })
}

/// Labels what lies within a range in a tile; where something is another now, and how many voxels lie in it.
fn within_range(
    edit: &mut Edit,
    writer: &LabelWriter,
    image: &IntensityImage,
    tile: Region,
    taken: IntensityRange,
) -> Result<(Vec<Region>, u64)> {
    let covered = image.read(tile)?.mapv(|v| taken.contains(f64::from(v)));
    let count = covered.iter().filter(|v| **v).count() as u64;
    let regions = if count > 0 { writer.put(edit, tile, &covered)? } else { Vec::new() };
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
