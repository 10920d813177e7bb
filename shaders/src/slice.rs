//! Planes of an image: one, at any angle and thickness, or a sheet of many beside each other.

use crate::bricks::{CORE, Key, Layout, Texels};
use crate::draw::{Blend, Draw, Pipelines};
use crate::gpu::Gpu;
use crate::image::GpuImage;
use bytemuck::{Pod, Zeroable};
use glam::{Vec2, Vec3, Vec3Swizzles};
use std::collections::BTreeSet;
use wgpu::util::DeviceExt;

/// What a plane with a thickness shows of the intensities across it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slab {
    /// The greatest.
    Maximum = 1,
    /// The mean.
    Mean = 2,
    /// The least.
    Minimum = 3,
}

/// Tiles on a sheet, and the part of it that is in view. Lengths on the sheet are in its own pixels,
/// of which a pixel of the view may be several; places in the image are indices `(x, y, z)` of the
/// finest level.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The image at the first corner of tile 0.
    pub origin: Vec3,
    /// From a pixel to the next one to the right.
    pub right: Vec3,
    /// From a pixel to the next one below.
    pub down: Vec3,
    /// From a tile to the next one.
    pub next: Vec3,
    /// How many tiles there are.
    pub tiles: u32,
    /// How many are in a row.
    pub columns: u32,
    /// Width and height of a tile.
    pub size: Vec2,
    /// From a tile to the one beside it and the one below it.
    pub pitch: Vec2,
    /// Where on the sheet the view begins.
    pub scroll: Vec2,
    /// Pixels of the sheet that a pixel of the view is.
    pub zoom: f32,
    /// What is shown across half the thickness, which is this vector.
    pub slab: Option<(Slab, Vec3)>,
    /// Intensities of the first and the last colour.
    pub window: [f32; 2],
    /// Whether voxels are interpolated.
    pub interpolate: bool,
    /// How much of what lies below is covered.
    pub opacity: f32,
    /// Of labels: how thick their outlines are, in pixels of the view; 0 fills them.
    pub outline: f32,
    /// The edge, in pixels of the view, of the squares of a checkerboard of which every other one shows
    /// nothing; 0 shows all.
    pub checker: f32,
    /// Of labels: the one that is pointed at; 0 is none.
    pub marked: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct SheetUniform {
    origin: [f32; 3],
    columns: u32,
    right: [f32; 3],
    tiles: u32,
    down: [f32; 3],
    level: u32,
    next: [f32; 3],
    mode: u32,
    slab: [f32; 3],
    steps: u32,
    pitch: [f32; 2],
    size: [f32; 2],
    scroll: [f32; 2],
    zoom: f32,
    interpolate: u32,
    window: [f32; 2],
    opacity: f32,
    outline: f32,
    checker: f32,
    marked: u32,
    pad: [u32; 2],
}

/// Fields of the uniform and where they lie, for the test that holds the shaders to them.
#[doc(hidden)]
pub const UNIFORM_FIELDS: &[(&str, usize)] = &[
    ("origin", std::mem::offset_of!(SheetUniform, origin)),
    ("columns", std::mem::offset_of!(SheetUniform, columns)),
    ("right", std::mem::offset_of!(SheetUniform, right)),
    ("tiles", std::mem::offset_of!(SheetUniform, tiles)),
    ("down", std::mem::offset_of!(SheetUniform, down)),
    ("level", std::mem::offset_of!(SheetUniform, level)),
    ("next", std::mem::offset_of!(SheetUniform, next)),
    ("mode", std::mem::offset_of!(SheetUniform, mode)),
    ("slab", std::mem::offset_of!(SheetUniform, slab)),
    ("steps", std::mem::offset_of!(SheetUniform, steps)),
    ("pitch", std::mem::offset_of!(SheetUniform, pitch)),
    ("size", std::mem::offset_of!(SheetUniform, size)),
    ("scroll", std::mem::offset_of!(SheetUniform, scroll)),
    ("zoom", std::mem::offset_of!(SheetUniform, zoom)),
    ("interpolate", std::mem::offset_of!(SheetUniform, interpolate)),
    ("window", std::mem::offset_of!(SheetUniform, window)),
    ("opacity", std::mem::offset_of!(SheetUniform, opacity)),
    ("outline", std::mem::offset_of!(SheetUniform, outline)),
    ("checker", std::mem::offset_of!(SheetUniform, checker)),
    ("marked", std::mem::offset_of!(SheetUniform, marked)),
    ("pad", std::mem::offset_of!(SheetUniform, pad)),
];
/// Bytes of the uniform.
#[doc(hidden)]
pub const UNIFORM_SIZE: usize = size_of::<SheetUniform>();

impl Sheet {
    /// One plane. `right` and `down` are the steps of a pixel of the view.
    pub fn plane(origin: Vec3, right: Vec3, down: Vec3, view: [u32; 2]) -> Self {
        let size = Vec2::new(view[0] as f32, view[1] as f32);
        Self {
            origin,
            right,
            down,
            next: Vec3::ZERO,
            tiles: 1,
            columns: 1,
            size,
            pitch: size,
            scroll: Vec2::ZERO,
            zoom: 1.0,
            slab: None,
            window: [0.0, 1.0],
            interpolate: true,
            opacity: 1.0,
            outline: 0.0,
            checker: 0.0,
            marked: 0,
        }
    }

    /// The coarsest level that still has a voxel for every pixel of the view.
    pub fn level(&self, layout: &Layout) -> u32 {
        let enough = |scale: Vec3| {
            let step = |v: Vec3| (v * scale).length() * self.zoom;
            step(self.right) >= 1.0 - 1e-3 && step(self.down) >= 1.0 - 1e-3
        };
        (1..layout.levels().len()).rev().find(|l| enough(layout.levels()[*l].scale)).unwrap_or(0) as u32
    }

    /// The bricks of a level that a view of so many pixels shows, the ones nearest to its middle first.
    pub fn wanted(&self, layout: &Layout, level: u32, view: [u32; 2]) -> Vec<Key> {
        let here = &layout.levels()[level as usize];
        let most = Vec3::from(here.bricks.map(|n| n as f32 - 1.0)).zyx();
        let across = self.slab.map_or(Vec3::ZERO, |(_, half)| half);
        let mut found = BTreeSet::new();
        let end = self.scroll + Vec2::new(view[0] as f32, view[1] as f32) * self.zoom;
        let (first, last) = ((self.scroll / self.pitch).floor().max(Vec2::ZERO), (end / self.pitch).floor());
        for row in first.y as u32..=last.y.max(0.0) as u32 {
            for column in first.x as u32..=(last.x.max(0.0) as u32).min(self.columns.saturating_sub(1)) {
                let number = row * self.columns + column;
                if number >= self.tiles {
                    break;
                }
                let corner = Vec2::new(column as f32, row as f32) * self.pitch;
                let low = (self.scroll - corner).max(Vec2::ZERO);
                let high = (end - corner).min(self.size);
                if low.cmpge(high).any() {
                    continue;
                }
                let origin = self.origin + self.next * number as f32;
                let place =
                    |x: f32, y: f32| (origin + self.right * x + self.down * y) * here.scale + here.offset;
                let corners =
                    [place(low.x, low.y), place(high.x, low.y), place(low.x, high.y), place(high.x, high.y)];
                let across = (across * here.scale).abs() + 1.0;
                let least = corners.iter().copied().fold(Vec3::INFINITY, Vec3::min) - across;
                let greatest = corners.iter().copied().fold(Vec3::NEG_INFINITY, Vec3::max) + across;
                let shape = Vec3::from(here.shape.map(|n| n as f32)).zyx();
                if greatest.cmplt(Vec3::ZERO).any() || least.cmpgt(shape).any() {
                    continue;
                }
                let edge = Vec3::splat(CORE as f32);
                let from = (least / edge).floor().clamp(Vec3::ZERO, most).as_uvec3();
                let to = (greatest / edge).floor().clamp(Vec3::ZERO, most).as_uvec3();
                // Bricks in the box around an oblique plane that it misses are left out.
                let normal = (self.right * here.scale).cross(self.down * here.scale).normalize_or_zero();
                let reach = normal.abs().dot(edge / 2.0 + across);
                let middle = (low + high) / 2.0;
                for z in from.z..=to.z {
                    for y in from.y..=to.y {
                        for x in from.x..=to.x {
                            let centre = (Vec3::new(x as f32, y as f32, z as f32) + 0.5) * edge;
                            if (centre - corners[0]).dot(normal).abs() <= reach {
                                let away = centre.distance(place(middle.x, middle.y));
                                found.insert((away.to_bits(), Key { level, at: [z, y, x] }));
                            }
                        }
                    }
                }
            }
        }
        let mut seen = BTreeSet::new();
        found.into_iter().map(|(_, key)| key).filter(|key| seen.insert(*key)).collect()
    }

    fn uniform(&self, level: u32, layout: &Layout) -> SheetUniform {
        let (mode, slab) = self.slab.map_or((0, Vec3::ZERO), |(slab, half)| (slab as u32, half));
        let scale = layout.levels()[level as usize].scale;
        SheetUniform {
            origin: self.origin.to_array(),
            columns: self.columns,
            right: self.right.to_array(),
            tiles: self.tiles,
            down: self.down.to_array(),
            level,
            next: self.next.to_array(),
            mode,
            slab: slab.to_array(),
            // A step is half a voxel of the level.
            steps: ((slab * scale).length() * 2.0).ceil() as u32,
            pitch: self.pitch.to_array(),
            size: self.size.to_array(),
            scroll: self.scroll.to_array(),
            zoom: self.zoom,
            interpolate: u32::from(self.interpolate),
            window: self.window,
            opacity: self.opacity,
            outline: self.outline,
            checker: self.checker,
            marked: self.marked,
            pad: [0; 2],
        }
    }
}

/// The shader for intensities.
pub const GREY: &str = concat!(
    include_str!("../wgsl/bricks.wgsl"),
    include_str!("../wgsl/grey.wgsl"),
    include_str!("../wgsl/slice.wgsl"),
    include_str!("../wgsl/slice_grey.wgsl")
);
/// The shader for labels.
pub const LABELS: &str = concat!(
    include_str!("../wgsl/bricks.wgsl"),
    include_str!("../wgsl/labels.wgsl"),
    include_str!("../wgsl/slice.wgsl"),
    include_str!("../wgsl/slice_labels.wgsl")
);

/// Draws sheets of images with one kind of texels into targets of one format; colours are multiplied by
/// their opacity.
pub struct SheetRenderer {
    texels: Texels,
    target: wgpu::ColorTargetState,
    pipelines: Pipelines<()>,
    bindings: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
}

impl SheetRenderer {
    /// A renderer.
    pub fn new(gpu: &Gpu, texels: Texels, target: wgpu::TextureFormat, blend: Blend) -> Self {
        Self {
            texels,
            target: blend.target(target),
            pipelines: Pipelines::new(),
            bindings: crate::draw::bindings(gpu),
            sampler: crate::draw::sampler(gpu),
        }
    }

    fn maker(&self, gpu: &Gpu) -> impl FnOnce() -> wgpu::RenderPipeline + Send + use<> {
        let (gpu, texels, bindings) = (gpu.clone(), self.texels, self.bindings.clone());
        let target = Some(self.target.clone());
        move || {
            let source = if texels.labels() { LABELS } else { GREY };
            let groups = [Some(&GpuImage::bindings(&gpu, texels)), Some(&bindings)];
            crate::draw::pipeline(&gpu, "slice", source, ("fragment", &[]), &groups, target)
        }
    }

    /// Whether sheets can be readied without waiting; if not, that begins, and `then` is called when they
    /// can.
    pub fn is_ready(&self, gpu: &Gpu, then: impl FnOnce() + Send + 'static) -> bool {
        self.pipelines.begin((), self.maker(gpu), then)
    }

    /// Readies a sheet; `colours` is a texture one texel high, or that of a [`crate::lookup::Lookup`] for labels.
    pub fn prepare(
        &self,
        gpu: &Gpu,
        image: &GpuImage,
        sheet: &Sheet,
        level: u32,
        colours: &wgpu::TextureView,
    ) -> Draw {
        let uniform = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("sheet"),
            contents: bytemuck::bytes_of(&sheet.uniform(level, image.layout())),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let view = crate::draw::group(gpu, &self.bindings, &uniform, colours, &self.sampler);
        let pipeline = self.pipelines.get((), self.maker(gpu));
        Draw { pipeline, image: image.group().clone(), view, depth: None }
    }
}
