//! Images, how they are shown, and where one looks.

use super::colours::Map;
use super::live::Live;
use super::objects::Lookup;
use super::plane::Facing;
use super::ruler::Ruler;
use super::stats::Stats;
use glam::{DQuat, DVec2, DVec3};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::io::browse::Browsed;
use voxelry_core::io::{ImageSource, OpenOptions};
use voxelry_core::{Geometry, Region};
use voxelry_shaders::Blend;
use voxelry_shaders::bricks::Layout;
use voxelry_shaders::slice::Slab;

/// Everything that is open.
#[derive(Default)]
pub struct Document {
    /// Data sets; each has layers that lie over each other.
    pub scenes: Vec<Scene>,
}

/// Images that lie over each other in the world. The first one's grid is that of the planes.
#[derive(Clone)]
pub struct Scene {
    /// Images, the lowest first; at least one.
    pub layers: Vec<Layer>,
    /// The view.
    pub view: View,
    /// Number of the request that opened it: scenes stand in this order, whichever is ready first.
    pub order: u64,
    /// The group whose views move together; 0 is none.
    pub group: usize,
    /// Rulers drawn in its planes.
    pub rulers: Vec<Ruler>,
}

/// Meaning of the voxels of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Intensities.
    Grey,
    /// Numbers of objects.
    Labels,
}

/// A channel of an image.
#[derive(Clone)]
pub struct Layer {
    /// Tells layers apart while the program runs.
    pub id: u64,
    /// Name shown to the user.
    pub name: String,
    /// File it was read from; none for results that have not been saved.
    pub path: Option<PathBuf>,
    /// Options it was opened with.
    pub options: OpenOptions,
    /// Its voxels.
    pub source: Arc<Browsed>,
    /// The levels in bricks.
    pub layout: Layout,
    /// Channel index.
    pub channel: usize,
    /// For a difference: the file and the channel that are subtracted from this layer's file, and which
    /// channel of that they are subtracted from.
    pub minus: Option<Subtraction>,
    /// Index of the time frame.
    pub time: usize,
    /// Meaning of its voxels.
    pub content: Content,
    /// Display settings.
    pub display: Display,
    /// Statistics of its intensities.
    pub stats: Option<Arc<Stats>>,
    /// The recipe that made it, as text.
    pub provenance: Option<Arc<str>>,
    /// Highlighting of its objects.
    pub marks: Marks,
    /// Live source of its voxels, for previews.
    pub live: Option<Arc<Live>>,
    /// Why it can't be read, if it can't.
    pub broken: Option<Arc<str>>,
}

/// Highlighting of the objects of a label layer.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// The colours of its objects, where their table says something about them.
    pub lookup: Option<Arc<Lookup>>,
    /// The label that is pointed at; 0 is none.
    pub pointed: u32,
}

impl Layer {
    /// The window that shows such intensities well: for differences, zero is in the middle.
    pub fn window_of(&self, stats: &Stats) -> [f64; 2] {
        let [low, high] = stats.window;
        if self.display.map != Map::Balance {
            return [low, high];
        }
        let far = low.abs().max(high.abs());
        if far > 0.0 { [-far, far] } else { [-1.0, 1.0] }
    }
}

/// Operands of a difference, so that it can be computed again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtraction {
    /// The channel of the layer's file from which is subtracted.
    pub channel: usize,
    /// The file that is subtracted.
    pub path: PathBuf,
    /// Its channel.
    pub other: usize,
    /// Options of opening it, if not the defaults ([`OpenOptions::to_record`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, String>,
}

/// Display settings of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Display {
    /// True if it is.
    pub visible: bool,
    /// Intensities of the first and the last colour; none until they are known.
    pub window: Option<[f64; 2]>,
    /// Colours of intensities.
    pub map: Map,
    /// From 0 to 1.
    pub opacity: f32,
    /// True if its light is added to what lies below.
    pub add: bool,
    /// True if every other square of planes shows what lies below, to compare with it.
    pub checker: bool,
    /// True if voxels are interpolated in planes.
    pub interpolate: bool,
    /// True if labels are outlined in planes; otherwise they are filled.
    pub outline: bool,
    /// Style in three dimensions.
    pub style: Style,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            visible: true,
            window: None,
            map: Map::Grey,
            opacity: 1.0,
            add: false,
            checker: false,
            interpolate: true,
            outline: true,
            style: Style::default(),
        }
    }
}

impl Display {
    /// Blending with the layers below.
    pub fn blend(&self) -> Blend {
        if self.add { Blend::Add } else { Blend::Over }
    }
}

/// Visible box in three dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// Colours and opacities from front to back.
    Composite,
    /// The surface at a level.
    Surface,
    /// The greatest intensity.
    Maximum,
    /// The mean intensity.
    Mean,
    /// The least intensity.
    Minimum,
    /// Only the planes of the crosshair.
    Planes,
}

impl Show {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Composite, "Composite"),
        (Self::Surface, "Surface"),
        (Self::Maximum, "Maximum"),
        (Self::Mean, "Mean"),
        (Self::Minimum, "Minimum"),
        (Self::Planes, "Planes"),
    ];
}

/// Display settings of a layer in three dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Style {
    /// The view in this pane.
    pub show: Show,
    /// Opacity by place in the window, both from 0 to 1, the places rising.
    pub opacity: Vec<[f32; 2]>,
    /// Level of the surface in the window of intensities, from 0 to 1.
    pub level: f32,
    /// Strength of shading.
    pub shading: f32,
    /// Strength of ambient occlusion.
    pub occlusion: f32,
    /// True if labels are coloured mist instead of surfaces.
    pub mist: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            show: Show::Composite,
            opacity: vec![[0.0, 0.0], [0.35, 0.0], [0.65, 0.35], [1.0, 0.9]],
            level: 0.5,
            shading: 1.0,
            occlusion: 0.5,
            mist: false,
        }
    }
}

impl Style {
    /// The opacity at a place in the window.
    pub fn opacity_at(&self, place: f32) -> f32 {
        let points = &self.opacity;
        let Some(next) = points.iter().position(|p| p[0] >= place) else {
            return points.last().map_or(1.0, |p| p[1]);
        };
        if next == 0 {
            return points[0][1];
        }
        let ([x0, y0], [x1, y1]) = (points[next - 1], points[next]);
        if x1 > x0 { y0 + (y1 - y0) * (place - x0) / (x1 - x0) } else { y1 }
    }
}

/// A camera that looks at a place. Lengths are parts of the diagonal of the image's box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Turns the axes of the camera (right, up, towards the eye) into the world.
    pub turn: DQuat,
    /// Target, as a fraction of the image along each axis `(x, y, z)`.
    pub target: DVec3,
    /// From there to the eye.
    pub distance: f64,
}

/// View of a scene. Places are fractions of the image along each axis `(x, y, z)`, from 0 to 1, so that
/// views can be shared by images of different sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// The crosshair.
    pub at: DVec3,
    /// The middle of the planes.
    pub middle: DVec3,
    /// Zoom of planes relative to the size that fits.
    pub zoom: f64,
    /// Rotations of the planes across z, y and x in the world, about the crosshair.
    pub turns: [DQuat; 3],
    /// Thickness of planes, as a part of the image's longest side, and what is shown of it.
    pub slab: f64,
    /// See `slab`.
    pub across: Across,
    /// The camera in three dimensions.
    pub camera: Camera,
    /// The montage.
    pub montage: Montage,
    /// True if planes show in three dimensions.
    pub slices: bool,
    /// The corners of what is shown in three dimensions.
    pub crop: [DVec3; 2],
    /// True if the box of what is shown can be dragged.
    pub boxed: bool,
    /// Clipping planes in three dimensions.
    pub cuts: [ClippingPlane; 3],
}

/// A plane that cuts away what lies on one side of it, in three dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClippingPlane {
    /// True if it does.
    pub on: bool,
    /// Unit vector in the world, away from what is cut away.
    pub normal: DVec3,
    /// Offset along its normal from the centre of the image, as a fraction of the box's diagonal.
    pub at: f64,
}

/// Projection of a thick plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Across {
    /// The greatest intensity.
    Maximum,
    /// The mean.
    Mean,
    /// The least.
    Minimum,
}

impl Across {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Maximum, "Maximum"), (Self::Mean, "Mean"), (Self::Minimum, "Minimum")];

    /// For the renderer.
    pub fn slab(self) -> Slab {
        match self {
            Self::Maximum => Slab::Maximum,
            Self::Mean => Slab::Mean,
            Self::Minimum => Slab::Minimum,
        }
    }
}

/// View of the montage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Montage {
    /// The axis across which it is cut: 0, 1, 2 for z, y, x.
    pub axis: usize,
    /// Every which slice is shown.
    pub every: usize,
    /// Zoom relative to the size that fits.
    pub zoom: f64,
    /// Centre of the view, as a fraction of the sheet.
    pub middle: [f64; 2],
}

impl Default for Montage {
    fn default() -> Self {
        Self { axis: 0, every: 1, zoom: 1.0, middle: [0.5; 2] }
    }
}

impl Default for View {
    fn default() -> Self {
        let middle = DVec3::splat(0.5);
        Self {
            at: middle,
            middle,
            zoom: 1.0,
            turns: [DQuat::IDENTITY; 3],
            slab: 0.0,
            across: Across::Maximum,
            camera: Camera { turn: DQuat::IDENTITY, target: middle, distance: 1.9 },
            montage: Montage::default(),
            slices: false,
            crop: [DVec3::ZERO, DVec3::ONE],
            boxed: false,
            cuts: [ClippingPlane { on: false, normal: DVec3::Z, at: 0.0 }; 3],
        }
    }
}

/// View of a scene in a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pane {
    /// The plane across an axis: 0, 1, 2 for z, y, x.
    Plane(usize),
    /// A sheet of slices.
    Montage,
    /// Three dimensions.
    Volume,
}

impl Scene {
    /// A scene of layers, of which there must be one.
    pub fn new(layers: Vec<Layer>) -> Self {
        let mut scene = Self { layers, view: View::default(), order: 0, group: 1, rulers: Vec::new() };
        let geometry = scene.geometry();
        scene.view.camera.turn = upright(&geometry);
        scene.view.at = scene.snapped(scene.view.at);
        scene
    }

    /// Voxels of the planes' grid, `[z, y, x]`.
    pub fn shape(&self) -> [usize; 3] {
        self.layers[0].source.info().shape()
    }

    /// Geometry of the planes' grid.
    pub fn geometry(&self) -> Geometry {
        self.layers[0].source.info().geometry()
    }

    /// Voxels along each axis `(x, y, z)`.
    pub fn extent(&self) -> DVec3 {
        let [z, y, x] = self.shape().map(|n| n as f64);
        DVec3::new(x, y, z)
    }

    /// Indices `(x, y, z)` of a part of the image.
    pub fn index(&self, part: DVec3) -> DVec3 {
        part * self.extent() - 0.5
    }

    /// The part of the image that indices are.
    pub fn part(&self, index: DVec3) -> DVec3 {
        (index + 0.5) / self.extent()
    }

    /// The middle of the voxel at a part of the image, within the image.
    pub fn snapped(&self, part: DVec3) -> DVec3 {
        let index = self.index(part).round().clamp(DVec3::ZERO, self.extent() - 1.0);
        self.part(index)
    }

    /// The voxel of the crosshair, `[z, y, x]`.
    pub fn voxel(&self) -> [usize; 3] {
        let index = self.index(self.view.at).round().clamp(DVec3::ZERO, self.extent() - 1.0);
        [index.z as usize, index.y as usize, index.x as usize]
    }

    /// Moves the crosshair across a plane (0, 1, 2 for z, y, x) by slices.
    pub fn step(&mut self, axis: usize, by: i64) {
        if self.is_turned() {
            let far = self.geometry().spacing()[axis] * by as f64;
            let moved = self.index(self.view.at) + self.index_way(self.ways(axis)[2] * far);
            self.look_at(self.part(moved));
            return;
        }
        let mut at = self.view.at;
        at[2 - axis] += by as f64 / self.extent()[2 - axis];
        self.view.at = self.snapped(at);
    }

    /// Puts the crosshair on a part of the image: on the middle of a voxel, unless planes are turned and
    /// lie between voxels anyway.
    pub fn look_at(&mut self, part: DVec3) {
        self.view.at =
            if self.is_turned() { part.clamp(DVec3::ZERO, DVec3::ONE) } else { self.snapped(part) };
    }

    /// Returns whether any of the planes is turned.
    pub fn is_turned(&self) -> bool {
        self.view.turns != [DQuat::IDENTITY; 3]
    }

    /// Returns whether the grid's axes are not at right angles.
    pub fn is_sheared(&self) -> bool {
        self.geometry().shear(self.shape()).is_some()
    }

    /// To the right, down and across in the plane across an axis as it is turned: unit vectors in the world.
    pub fn ways(&self, axis: usize) -> [DVec3; 3] {
        self.straight_ways(axis).map(|way| self.view.turns[axis] * way)
    }

    /// The same as it isn't turned.
    pub fn straight_ways(&self, axis: usize) -> [DVec3; 3] {
        let (geometry, facing) = (self.geometry(), self.facing(axis));
        let world =
            |way: DVec3| geometry.world_from_index.transform_vector3(way).try_normalize().unwrap_or(way);
        let right = world(facing.right());
        // A sheared grid is straightened.
        let down = world(facing.down()).reject_from_normalized(right).normalize_or(world(facing.down()));
        let mut across = right.cross(down);
        if across.dot(world(facing.across())) < 0.0 {
            across = -across;
        }
        [right, down, across]
    }

    /// Width and height in the world of the slices across an axis, to the right and down.
    pub fn face(&self, axis: usize) -> [f64; 2] {
        let (geometry, facing, extent) = (self.geometry(), self.facing(axis), self.extent());
        let steps = [facing.right(), facing.down()];
        let world = |way: DVec3| geometry.world_from_index.transform_vector3(way);
        if !self.is_sheared() {
            return steps.map(|way| {
                let length = world(way).length();
                way.abs().dot(extent) * if length > 0.0 && length.is_finite() { length } else { 1.0 }
            });
        }
        let [right, down, _] = self.straight_ways(axis);
        [right, down].map(|way| steps.iter().map(|s| world(*s).dot(way).abs() * s.abs().dot(extent)).sum())
    }

    /// Distance between neighbouring slices across an axis.
    pub fn gap(&self, axis: usize) -> f64 {
        let step = self.geometry().world_from_index.matrix3.col(2 - axis);
        if self.is_sheared() { step.dot(self.straight_ways(axis)[2]).abs() } else { step.length() }
    }

    /// Indices of a way in the world.
    pub fn index_way(&self, world: DVec3) -> DVec3 {
        self.geometry().world_from_index.matrix3.inverse() * world
    }

    /// Turns the planes that are seen from their edge in the plane across an axis, clockwise on the screen.
    pub fn turn(&mut self, axis: usize, angle: f64) {
        let [right, down, _] = self.ways(axis);
        let turn = DQuat::from_axis_angle(right.cross(down), angle);
        for other in (0..3).filter(|other| *other != axis) {
            self.view.turns[other] = (turn * self.view.turns[other]).normalize();
        }
    }

    /// The other planes as lines in the plane across an axis: unit vectors to the right and down.
    pub fn cuts(&self, axis: usize) -> [(usize, DVec2); 2] {
        let [right, down, across] = self.ways(axis);
        let facing = self.facing(axis);
        [facing.right.0, facing.down.0].map(|other| {
            let line = across.cross(self.ways(other)[2]);
            (other, DVec2::new(line.dot(right), line.dot(down)).normalize_or(DVec2::X))
        })
    }

    /// The letters at the left, right, upper and lower edge of the plane across an axis as it is turned.
    pub fn letters(&self, axis: usize) -> Option<[String; 4]> {
        self.facing(axis).letters?;
        let [right, down, _] = self.ways(axis);
        Some([-right, right, -down, down].map(Geometry::letters))
    }

    /// The angle in degrees between the plane across an axis, untilted, and the nearest anatomical plane; none if that
    /// is nothing to speak of, or the file gives no orientation.
    pub fn obliqueness(&self, axis: usize) -> Option<f64> {
        let across = self.straight_ways(axis)[2];
        let angle = across.abs().max_element().min(1.0).acos().to_degrees();
        (self.geometry().oriented && angle > Geometry::OBLIQUE).then_some(angle)
    }

    /// Thickness of planes in the world.
    pub fn thickness(&self) -> f64 {
        let spacing = self.geometry().spacing().into_iter().fold(f64::INFINITY, f64::min);
        self.view.slab * self.extent().max_element() * spacing
    }

    /// Position of a slice along its axis: in the world where the file gives an orientation,
    /// otherwise from the first slice on.
    pub fn position(&self, axis: usize, slice: usize) -> f64 {
        let geometry = self.geometry();
        if !geometry.oriented {
            return slice as f64 * geometry.spacing()[axis];
        }
        let mut index = self.index(self.view.at);
        index[2 - axis] = slice as f64;
        let way = geometry.world_from_index.matrix3.col(2 - axis);
        let main = (0..3).max_by(|a, b| way[*a].abs().total_cmp(&way[*b].abs())).unwrap_or(0);
        geometry.world_from_index.transform_point3(index)[main]
    }

    /// Orientation of the plane across an axis on the screen.
    pub fn facing(&self, axis: usize) -> Facing {
        Facing::of(&self.geometry(), axis)
    }

    /// Name shown to the user.
    pub fn name(&self) -> &str {
        &self.layers[0].name
    }

    /// The corners of the image's box in the world.
    pub fn corners(&self) -> [DVec3; 8] {
        let (geometry, extent) = (self.geometry(), self.extent());
        std::array::from_fn(|i| {
            let pick = |bit: usize| if i >> bit & 1 == 0 { 0.0 } else { 1.0 };
            let index = DVec3::new(pick(0), pick(1), pick(2)) * extent - 0.5;
            geometry.world_from_index.transform_point3(index)
        })
    }

    /// Returns whether only a part is shown in three dimensions.
    pub fn is_cropped(&self) -> bool {
        self.view.crop != [DVec3::ZERO, DVec3::ONE]
    }

    /// The part of the image in the crop box.
    pub fn boxed(&self) -> Region {
        let [low, high] = self.view.crop.map(|part| (part * self.extent()).round());
        let start = low.clamp(DVec3::ZERO, self.extent() - 1.0);
        let size = (high - start).max(DVec3::ONE);
        let zyx = |v: DVec3| [v.z as usize, v.y as usize, v.x as usize];
        Region::new(zyx(start), zyx(size))
    }

    /// The place on a cut that is nearest to the image's middle, in the world.
    pub fn cut_middle(&self, i: usize) -> DVec3 {
        let cut = self.view.cuts[i];
        let middle = self.geometry().world_from_index.transform_point3(self.index(DVec3::splat(0.5)));
        middle + cut.normal * cut.at * self.diagonal()
    }

    /// Shows all of the volume again.
    pub fn uncut(&mut self) {
        let fresh = View::default();
        (self.view.crop, self.view.cuts) = (fresh.crop, fresh.cuts);
    }

    /// Cuts away the half that is nearer to the eye, if there is a cut left.
    pub fn cut_open(&mut self) {
        let normal = self.view.camera.turn * DVec3::NEG_Z;
        if let Some(cut) = self.view.cuts.iter_mut().find(|cut| !cut.on) {
            *cut = ClippingPlane { on: true, normal, at: 0.0 };
        }
    }

    /// The length of the box's diagonal in the world.
    pub fn diagonal(&self) -> f64 {
        let corners = self.corners();
        (corners[7] - corners[0]).length()
    }
}

/// From a little above and to the side: superior is up where the file says so, otherwise the first
/// slice, as a stack lies on a table.
fn upright(geometry: &Geometry) -> DQuat {
    let (up, front) = if geometry.oriented { (DVec3::Z, DVec3::Y) } else { (DVec3::NEG_Z, DVec3::Y) };
    let right = front.cross(up);
    let away = -front;
    let base = DQuat::from_mat3(&glam::DMat3::from_cols(right, up, away));
    base * DQuat::from_rotation_y(0.6) * DQuat::from_rotation_x(-0.45)
}
