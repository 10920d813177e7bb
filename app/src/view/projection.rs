//! From where one looks to what is drawn: the sheets and rays of every layer of a pane.

use super::document::{Content, Layer, Pane, Scene, Show};
use super::plane::Facing;
use glam::{DMat3, DMat4, DQuat, DVec2, DVec3, Vec3, Vec4};
use voxelry_core::io::ImageSource;
use voxelry_shaders::bricks::Layout;
use voxelry_shaders::slice::Sheet;
use voxelry_shaders::volume::Mode;
pub use voxelry_shaders::volume::View as Rays;

/// Placement of a plane in a pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    /// Orientation.
    pub facing: Facing,
    /// Indices `(x, y, z)` at the upper left corner of the pane.
    pub origin: DVec3,
    /// Indices from a pixel to the next one on the right.
    pub right: DVec3,
    /// Indices from a pixel to the next one below.
    pub down: DVec3,
    /// Indices of a length of one across it.
    pub across: DVec3,
    /// Length of a pixel in the world.
    pub pixel: f64,
}

impl Plane {
    /// The plane of a scene across an axis, in a pane of so many pixels.
    pub fn new(scene: &Scene, axis: usize, size: [f64; 2]) -> Self {
        let facing = scene.facing(axis);
        let geometry = scene.geometry();
        let length = |way: DVec3| {
            let l = geometry.world_from_index.transform_vector3(way).length();
            if l > 0.0 && l.is_finite() { l } else { 1.0 }
        };
        // All three planes have one scale: that at which the largest fits.
        let fit = |axis: usize| {
            let [wide, high] = scene.face(axis);
            (wide / size[0].max(1.0)).max(high / size[1].max(1.0))
        };
        let pixel = fit(0).max(fit(1)).max(fit(2)) * 1.04 / scene.view.zoom;
        // In the plane the pane's middle decides, across it the crosshair.
        let (middle, at) = (scene.index(scene.view.middle), scene.index(scene.view.at));
        let turned = scene.view.turns[axis] != DQuat::IDENTITY;
        if !turned && !scene.is_sheared() {
            let (across, along) = (length(facing.right()), length(facing.down()));
            let (right, down) = (facing.right() * pixel / across, facing.down() * pixel / along);
            let mut origin = middle - right * size[0] / 2.0 - down * size[1] / 2.0;
            origin[2 - axis] = at[2 - axis];
            let across = facing.across() / length(facing.across());
            return Self { facing, origin, right, down, across, pixel };
        }
        let ways = scene.ways(axis);
        let [right, down, across] = ways.map(|way| scene.index_way(way));
        let (mut right, mut down) = (right * pixel, down * pixel);
        if turned {
            let aside = geometry.world_from_index.transform_vector3(middle - at).dot(ways[2]);
            let origin = middle - across * aside - right * size[0] / 2.0 - down * size[1] / 2.0;
            return Self { facing, origin, right, down, across, pixel };
        }
        // A slice of a sheared grid, as it is in the world; it stays in the pane as others are leafed to.
        (right[2 - axis], down[2 - axis]) = (0.0, 0.0);
        let mut origin = middle - right * size[0] / 2.0 - down * size[1] / 2.0;
        origin[2 - axis] = at[2 - axis];
        Self { facing, origin, right, down, across, pixel }
    }

    /// Indices at a pixel.
    pub fn index(&self, pixel: DVec2) -> DVec3 {
        self.origin + self.right * pixel.x + self.down * pixel.y
    }

    /// The pixel of indices, across the plane.
    pub fn pixel_of(&self, index: DVec3) -> DVec2 {
        let ways = DMat3::from_cols(self.right, self.down, self.across);
        (ways.inverse() * (index - self.origin)).truncate()
    }
}

/// Placement of the tiles of a montage in a pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tiles {
    /// Orientation of each tile.
    pub facing: Facing,
    /// Number of elements.
    pub count: usize,
    /// Number of tiles in a row.
    pub columns: usize,
    /// Slices from one to the next.
    pub every: usize,
    /// Width and height of one, in pixels of the sheet.
    pub size: DVec2,
    /// From one to the next.
    pub pitch: DVec2,
    /// Scroll position: pixel of the sheet at the pane's upper left corner.
    pub scroll: DVec2,
    /// Pixels of the sheet that a pixel of the pane is.
    pub zoom: f64,
    /// Indices from a pixel of the sheet to the next.
    pub right: DVec3,
    /// See `right`.
    pub down: DVec3,
    /// Length of a pixel of the sheet in the world.
    pub pixel: f64,
}

impl Tiles {
    /// The montage of a scene in a pane of so many pixels.
    pub fn new(scene: &Scene, size: [f64; 2]) -> Self {
        let view = &scene.view.montage;
        let facing = scene.facing(view.axis);
        let spacing = scene.geometry().spacing();
        let step = |(axis, _): (usize, bool)| if spacing[axis] > 0.0 { spacing[axis] } else { 1.0 };
        let (across, along) = (step(facing.right), step(facing.down));
        // A pixel of the sheet is the smaller edge of a voxel.
        let pixel = across.min(along);
        let shape = scene.shape();
        let tile = DVec2::from(scene.face(view.axis)) / pixel;
        let (mut right, mut down) = (facing.right() * pixel / across, facing.down() * pixel / along);
        if scene.is_sheared() {
            let [x, y, _] = scene.straight_ways(view.axis);
            (right, down) = (scene.index_way(x) * pixel, scene.index_way(y) * pixel);
            (right[2 - view.axis], down[2 - view.axis]) = (0.0, 0.0);
        }
        let every = view.every.max(1);
        let count = shape[view.axis].div_ceil(every);
        let pitch = tile + (tile.max_element() * 0.03).max(1.0);
        // As many columns as make the sheet look like the pane.
        let ratio = size[0].max(1.0) / size[1].max(1.0) * pitch.y / pitch.x;
        let columns = ((count as f64 * ratio).sqrt().round() as usize).clamp(1, count);
        let rows = count.div_ceil(columns);
        let sheet = DVec2::new(columns as f64, rows as f64) * pitch;
        let fit = (sheet.x / size[0].max(1.0)).max(sheet.y / size[1].max(1.0)) * 1.02;
        let zoom = fit / view.zoom;
        let scroll = sheet * DVec2::from(view.middle) - DVec2::from(size) * zoom / 2.0 - (pitch - tile) / 2.0;
        Self { facing, count, columns, every, size: tile, pitch, scroll, zoom, right, down, pixel }
    }

    /// The whole sheet in its own pixels.
    pub fn sheet(&self) -> DVec2 {
        DVec2::new(self.columns as f64, self.count.div_ceil(self.columns) as f64) * self.pitch
    }

    /// The pane's pixel of a tile's upper left corner.
    pub fn corner(&self, tile: usize) -> DVec2 {
        let at = DVec2::new((tile % self.columns) as f64, (tile / self.columns) as f64);
        (at * self.pitch - self.scroll) / self.zoom
    }

    /// The slice of a tile.
    pub fn slice(&self, tile: usize) -> usize {
        tile * self.every
    }

    /// Indices of what a pixel of the pane shows.
    pub fn index(&self, pixel: DVec2, scene: &Scene) -> Option<DVec3> {
        let at = self.scroll + pixel * self.zoom;
        let tile = (at / self.pitch).floor();
        let inner = at - tile * self.pitch;
        if tile.min_element() < 0.0 || tile.x as usize >= self.columns || inner.cmpge(self.size).any() {
            return None;
        }
        let tile = tile.y as usize * self.columns + tile.x as usize;
        (tile < self.count).then(|| self.first(scene, tile) + self.right * inner.x + self.down * inner.y)
    }

    /// Indices at a tile's upper left corner.
    pub fn first(&self, scene: &Scene, tile: usize) -> DVec3 {
        let shape = scene.shape();
        let mut index = DVec3::ZERO;
        for (axis, reversed) in [self.facing.right, self.facing.down] {
            index[2 - axis] = if reversed { shape[axis] as f64 - 0.5 } else { -0.5 };
        }
        if scene.is_sheared() {
            // The tile is the box around the slice.
            let middle = scene.extent() / 2.0 - 0.5;
            index = middle - self.right * self.size.x / 2.0 - self.down * self.size.y / 2.0;
        }
        index[2 - self.facing.axis] = self.slice(tile) as f64;
        index
    }
}

/// A layer as a pane shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// On a sheet.
    Sheet(Sheet),
    /// Along rays.
    Rays(Rays),
}

/// Quality of three-dimensional rendering.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Voxels between samples.
    pub step: f32,
    /// Number of levels coarser than the picture could show.
    pub coarser: u32,
    /// True if hollows are darkened.
    pub occlusion: bool,
}

impl Quality {
    /// Quality at rest.
    pub const SHARP: Self = Self { step: 1.0, coarser: 0, occlusion: true };
    /// Quality while something moves.
    pub const QUICK: Self = Self { step: 1.5, coarser: 1, occlusion: false };
}

/// The edge of the squares of a checkerboard, in pixels.
const CHECKER: f32 = 48.0;

/// Projection of a layer in a pane of `size` pixels; none if the pane doesn't show it.
pub fn look(scene: &Scene, layer: &Layer, pane: Pane, size: [u32; 2], quality: Quality) -> Option<Look> {
    if !layer.display.visible {
        return None;
    }
    let window = match (layer.content, layer.display.window) {
        (Content::Labels, _) => [0.0, 1.0],
        (Content::Grey, Some(window)) => window.map(|v| v as f32),
        (Content::Grey, None) => return None,
    };
    let own = layer.source.info().geometry().world_from_index.inverse() * scene.geometry().world_from_index;
    let place = |index: DVec3| own.transform_point3(index).as_vec3();
    let way = |index: DVec3| own.transform_vector3(index).as_vec3();
    let dressed = |sheet: Sheet| {
        Look::Sheet(Sheet {
            window,
            interpolate: layer.display.interpolate,
            opacity: layer.display.opacity,
            checker: if layer.display.checker { CHECKER } else { 0.0 },
            marked: layer.marks.pointed,
            outline: if layer.content == Content::Labels && layer.display.outline { 1.5 } else { 0.0 },
            ..sheet
        })
    };
    let pixels = size.map(f64::from);
    Some(match pane {
        Pane::Plane(axis) => {
            let plane = Plane::new(scene, axis, pixels);
            let mut sheet = Sheet::plane(place(plane.origin), way(plane.right), way(plane.down), size);
            if scene.view.slab > 0.0 {
                let half = plane.across * scene.thickness() / 2.0;
                sheet.slab = Some((scene.view.across.slab(), way(half)));
            }
            dressed(sheet)
        }
        Pane::Montage => {
            let tiles = Tiles::new(scene, pixels);
            let view = [tiles.size.x.ceil() as u32, tiles.size.y.ceil() as u32];
            let mut sheet =
                Sheet::plane(place(tiles.first(scene, 0)), way(tiles.right), way(tiles.down), view);
            sheet.next = way(tiles.facing.across() * tiles.every as f64);
            (sheet.tiles, sheet.columns) = (tiles.count as u32, tiles.columns as u32);
            (sheet.size, sheet.pitch) = (tiles.size.as_vec2(), tiles.pitch.as_vec2());
            (sheet.scroll, sheet.zoom) = (tiles.scroll.as_vec2(), tiles.zoom as f32);
            dressed(sheet)
        }
        Pane::Volume => Look::Rays(rays(scene, layer, size, quality, window)),
    })
}

/// The world as a camera sees it: x and y from −1 to 1, z from 0 at the near plane to 1.
pub fn clip_from_world(scene: &Scene, size: [u32; 2]) -> DMat4 {
    let camera = &scene.view.camera;
    let diagonal = scene.diagonal().max(1e-12);
    let target = scene.geometry().world_from_index.transform_point3(scene.index(camera.target));
    let eye = target + camera.turn * DVec3::Z * (camera.distance * diagonal);
    let view = DMat4::from_rotation_translation(camera.turn, eye).inverse();
    let aspect = f64::from(size[0].max(1)) / f64::from(size[1].max(1));
    // What is narrower than high keeps the same angle across.
    let angle = 2.0 * (OPENING.tan() / aspect.min(1.0)).atan();
    let depths = scene.corners().map(|c| -view.transform_point3(c).z);
    let far = depths.iter().copied().fold(f64::MIN, f64::max).max(diagonal * 1e-3) * 1.01;
    let near = depths.iter().copied().fold(f64::MAX, f64::min).max(far * 1e-4) * 0.99;
    glam::dcamera::rh::proj::directx::perspective(angle, aspect, near, far) * view
}

/// Length of a pixel in the world at the distance of what the camera looks at.
pub fn pixel_at_target(scene: &Scene, size: [u32; 2]) -> f64 {
    let across = f64::from(size[0].min(size[1]).max(1));
    2.0 * OPENING.tan() * scene.view.camera.distance * scene.diagonal() / across
}

/// Half of the angle that a camera sees.
const OPENING: f64 = 0.3;

fn rays(scene: &Scene, layer: &Layer, size: [u32; 2], quality: Quality, window: [f32; 2]) -> Rays {
    let clip_from_world = clip_from_world(scene, size);
    let style = &layer.display.style;
    let mut rays = Rays::whole(&layer.layout, clip_from_world);
    if scene.is_cropped() {
        let [low, high] = cropped(scene, layer);
        (rays.low, rays.high) = (rays.low.max(low), rays.high.min(high));
    }
    let shape = layer.source.info().shape().map(|n| n as f64);
    let extent = DVec3::new(shape[2], shape[1], shape[0]);
    for (i, cut) in scene.view.cuts.iter().enumerate().filter(|(_, cut)| cut.on) {
        rays.planes.push((cut.normal, -cut.normal.dot(scene.cut_middle(i))));
    }
    rays.window = window;
    let level = window[0] + style.level * (window[1] - window[0]);
    rays.mode = match style.show {
        _ if layer.content == Content::Labels && style.mist => Mode::Composite,
        _ if layer.content == Content::Labels => Mode::Isosurface(0.0),
        Show::Composite => Mode::Composite,
        Show::Surface => Mode::Isosurface(level),
        Show::Maximum => Mode::Maximum,
        Show::Mean => Mode::Mean,
        Show::Minimum => Mode::Minimum,
        Show::Planes => Mode::Slices,
    };
    let flat = matches!(style.show, Show::Maximum | Show::Mean | Show::Minimum);
    (rays.shading, rays.opacity) = (if flat { 0.0 } else { style.shading }, layer.display.opacity);
    rays.occlusion = if quality.occlusion && !flat { style.occlusion } else { 0.0 };
    rays.step = quality.step;
    let alone = style.show == Show::Planes && layer.content == Content::Grey;
    if scene.view.slices || alone {
        rays.slices = Some(slices(scene, layer));
    }
    // An image looks as dense however many voxels it has.
    rays.path = (extent.max_element() / 128.0).max(1.0) as f32;
    rays.marked = layer.marks.pointed;
    rays.visible = visible(&style.opacity, window);
    rays
}

/// The crop box of a scene in the indices of a layer; where that lies aslant, the box around it.
fn cropped(scene: &Scene, layer: &Layer) -> [Vec3; 2] {
    let own = layer.source.info().geometry().world_from_index.inverse() * scene.geometry().world_from_index;
    let [low, high] = scene.view.crop.map(|part| scene.index(part));
    let corners = (0..8).map(|i| {
        let pick = |bit: usize| if i >> bit & 1 == 0 { low[bit] } else { high[bit] };
        own.transform_point3(DVec3::new(pick(0), pick(1), pick(2))).as_vec3()
    });
    corners.fold([Vec3::INFINITY, Vec3::NEG_INFINITY], |[a, b], p| [a.min(p), b.max(p)])
}

/// The three planes of a scene in the indices of a layer.
fn slices(scene: &Scene, layer: &Layer) -> [Vec4; 3] {
    let world_from_index = layer.source.info().geometry().world_from_index;
    let at = scene.index(scene.view.at);
    let place = world_from_index.inverse().transform_point3(
        scene.geometry().world_from_index.transform_point3(if scene.is_turned() { at } else { at.round() }),
    );
    std::array::from_fn(|axis| {
        // Normals are covectors.
        let normal = (world_from_index.matrix3.transpose() * normal(scene, axis)).normalize_or(DVec3::Z);
        normal.extend(-normal.dot(place)).as_vec4()
    })
}

/// Across the plane across an axis, in the world.
fn normal(scene: &Scene, axis: usize) -> DVec3 {
    if scene.view.turns[axis] == DQuat::IDENTITY {
        let facing = scene.facing(axis);
        let world = |way| scene.geometry().world_from_index.transform_vector3(way);
        return world(facing.right()).cross(world(facing.down())).normalize_or(DVec3::Z);
    }
    scene.ways(axis)[2]
}

/// Intensities outside of these are wholly transparent.
fn visible(opacity: &[[f32; 2]], window: [f32; 2]) -> [f32; 2] {
    let place = |x: f32| window[0] + x * (window[1] - window[0]);
    let mut seen = [f32::NEG_INFINITY, f32::INFINITY];
    if let Some(first) = opacity.iter().position(|p| p[1] > 0.0)
        && first > 0
    {
        seen[0] = place(opacity[first - 1][0]);
    }
    if let Some(last) = opacity.iter().rposition(|p| p[1] > 0.0)
        && last + 1 < opacity.len()
    {
        seen[1] = place(opacity[last + 1][0]);
    }
    if window[0] > window[1] { [seen[1], seen[0]] } else { seen }
}

/// The level that shows a look well: no finer than the pixels, and no more bricks than `most`.
pub fn level(
    scene: &Scene,
    layout: &Layout,
    look: &Look,
    size: [u32; 2],
    quality: Quality,
    most: usize,
) -> u32 {
    let last = layout.levels().len() as u32 - 1;
    match look {
        Look::Sheet(sheet) => {
            let mut level = sheet.level(layout);
            while level < last && sheet.wanted(layout, level, size).len() > most {
                level += 1;
            }
            level
        }
        Look::Rays(rays) => {
            // Pixels that the image's diagonal would take, were it wholly at the target's distance.
            let across = f64::from(size[0].min(size[1]));
            let seen = across / (2.0 * scene.view.camera.distance.max(1e-6) * OPENING.tan());
            let shape = layout.levels()[0].shape.map(|n| n as f64);
            let voxels = shape.iter().map(|n| n * n).sum::<f64>().sqrt();
            let mut level = 0;
            while level < last {
                let scale = f64::from(layout.levels()[level as usize].scale.max_element());
                let part = rays.high - rays.low;
                let whole: f32 = layout.levels()[0].shape.iter().map(|n| *n as f32).product();
                let bricks = layout.levels()[level as usize].bricks.iter().product::<usize>() as f64
                    * f64::from((part.x * part.y * part.z / whole).clamp(0.0, 1.0));
                if voxels * scale <= seen * 1.5 && bricks <= most as f64 {
                    break;
                }
                level += 1;
            }
            (level + quality.coarser).min(last)
        }
    }
}
