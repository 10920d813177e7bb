//! An image in three dimensions, by casting a ray through every pixel.
//!
//! Rays go from brick to brick: those that can't be seen are passed in one step, and samples lie at
//! whole numbers of steps along the ray wherever bricks begin, so that bricks do not show.

use crate::bricks::{CORE, Key, Layout, Texels};
use crate::draw::{Blend, Depth, Draw, Pipelines};
use crate::gpu::Gpu;
use crate::image::GpuImage;
use bytemuck::{Pod, Zeroable};
use glam::{DAffine3, DMat4, DVec3, Vec3, Vec3Swizzles, Vec4};
use wgpu::util::DeviceExt;

/// What is shown of the intensities along a ray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Colours and opacities from front to back; labels are mist.
    Composite,
    /// The greatest.
    Maximum,
    /// The mean.
    Mean,
    /// The least.
    Minimum,
    /// The first place where the intensity reaches a level; the surface of every label.
    Isosurface(f32),
    /// Nothing but the planes that stand in it.
    Slices,
}

/// How the image is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Clip coordinates from the world; z is 0 at the near plane and 1 at the far one.
    pub clip_from_world: DMat4,
    /// What is drawn, as indices `(x, y, z)` of the finest level; a voxel reaches half a voxel around.
    pub low: Vec3,
    /// See `low`.
    pub high: Vec3,
    /// Planes in the world: what has a negative `normal · place + distance` is cut away; at most three.
    pub planes: Vec<(DVec3, f64)>,
    /// What is shown.
    pub mode: Mode,
    /// Intensities of the first and the last colour.
    pub window: [f32; 2],
    /// Least and greatest intensity that isn't wholly transparent.
    pub visible: [f32; 2],
    /// How much surfaces are shaded, from 0 to 1.
    pub shading: f32,
    /// How much hollows are darkened, from 0 to 1.
    pub occlusion: f32,
    /// How much of what lies behind is covered.
    pub opacity: f32,
    /// Planes that stand in the volume: `(normal, distance)` of places `p`, as indices, with
    /// `normal · p + distance = 0`.
    pub slices: Option<[Vec4; 3]>,
    /// Voxels of the level between samples.
    pub step: f32,
    /// Opacities are those of a path of this many voxels of the finest level.
    pub path: f32,
    /// Of labels: the one that is pointed at; 0 is none.
    pub marked: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ViewUniform {
    index_from_clip: [f32; 16],
    world_gradient: [[f32; 4]; 3],
    low: [f32; 3],
    level: u32,
    high: [f32; 3],
    marked: u32,
    planes: [[f32; 4]; 3],
    light: [f32; 3],
    step: f32,
    window: [f32; 2],
    visible: [f32; 2],
    size: [f32; 2],
    level_value: f32,
    shading: f32,
    path: f32,
    plane_count: u32,
    first_pixel: [f32; 2],
    occlusion: f32,
    opacity: f32,
    pad: [f32; 2],
    slices: [[f32; 4]; 3],
}

/// Fields of the uniform and where they lie, for the test that holds the shaders to them.
#[doc(hidden)]
pub const UNIFORM_FIELDS: &[(&str, usize)] = &[
    ("index_from_clip", std::mem::offset_of!(ViewUniform, index_from_clip)),
    ("world_gradient", std::mem::offset_of!(ViewUniform, world_gradient)),
    ("low", std::mem::offset_of!(ViewUniform, low)),
    ("level", std::mem::offset_of!(ViewUniform, level)),
    ("high", std::mem::offset_of!(ViewUniform, high)),
    ("marked", std::mem::offset_of!(ViewUniform, marked)),
    ("planes", std::mem::offset_of!(ViewUniform, planes)),
    ("light", std::mem::offset_of!(ViewUniform, light)),
    ("step", std::mem::offset_of!(ViewUniform, step)),
    ("window", std::mem::offset_of!(ViewUniform, window)),
    ("visible", std::mem::offset_of!(ViewUniform, visible)),
    ("size", std::mem::offset_of!(ViewUniform, size)),
    ("level_value", std::mem::offset_of!(ViewUniform, level_value)),
    ("shading", std::mem::offset_of!(ViewUniform, shading)),
    ("path", std::mem::offset_of!(ViewUniform, path)),
    ("plane_count", std::mem::offset_of!(ViewUniform, plane_count)),
    ("first_pixel", std::mem::offset_of!(ViewUniform, first_pixel)),
    ("occlusion", std::mem::offset_of!(ViewUniform, occlusion)),
    ("opacity", std::mem::offset_of!(ViewUniform, opacity)),
    ("pad", std::mem::offset_of!(ViewUniform, pad)),
    ("slices", std::mem::offset_of!(ViewUniform, slices)),
];
/// Bytes of the uniform.
#[doc(hidden)]
pub const UNIFORM_SIZE: usize = size_of::<ViewUniform>();

/// What a pipeline is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Variant {
    mode: u32,
    occlusion: bool,
    sliced: bool,
    part: Part,
}

/// What of an image is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it.
    Whole,
    /// What is in front of solid things.
    Before,
    /// What is behind solid things, where there are any.
    Behind,
    /// Where it begins, as a solid thing.
    Depth,
    /// Which place of it is seen.
    Pick,
}

impl View {
    fn variant(&self, part: Part) -> Variant {
        let mode = match self.mode {
            Mode::Composite => 0,
            Mode::Maximum => 1,
            Mode::Mean => 2,
            Mode::Minimum => 3,
            Mode::Isosurface(_) => 4,
            Mode::Slices => 5,
        };
        let occlusion = self.occlusion > 0.0 && (mode == 0 || mode == 4);
        Variant { mode, occlusion, sliced: self.slices.is_some(), part }
    }

    /// Whether what is shown has a depth, so that other things can be in front of it and behind it.
    pub fn is_deep(&self) -> bool {
        matches!(self.mode, Mode::Composite | Mode::Isosurface(_) | Mode::Slices)
    }

    /// All of an image.
    pub fn whole(layout: &Layout, clip_from_world: DMat4) -> Self {
        let shape = Vec3::from(layout.levels()[0].shape.map(|n| n as f32)).zyx();
        Self {
            clip_from_world,
            low: Vec3::splat(-0.5),
            high: shape - 0.5,
            planes: Vec::new(),
            mode: Mode::Composite,
            window: [0.0, 1.0],
            visible: [f32::NEG_INFINITY, f32::INFINITY],
            shading: 1.0,
            occlusion: 0.0,
            opacity: 1.0,
            slices: None,
            step: 1.0,
            path: 1.0,
            marked: 0,
        }
    }

    /// The bricks of a level that may be seen, the nearest to the eye first.
    pub fn wanted(&self, layout: &Layout, level: u32, world_from_index: DAffine3) -> Vec<Key> {
        let here = &layout.levels()[level as usize];
        let clip_from_index = self.clip_from_world * DMat4::from(world_from_index);
        let index = |brick: Vec3| ((brick * CORE as f32 - 0.5 - here.offset) / here.scale).as_dvec3();
        let [nz, ny, nx] = here.bricks;
        let mut found: Vec<(f64, Key)> = Vec::new();
        for (z, y, x) in (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| (z, y, x)))) {
            let at = Vec3::new(x as f32, y as f32, z as f32);
            let (first, last) = (index(at), index(at + 1.0));
            if last.as_vec3().cmplt(self.low).any() || first.as_vec3().cmpgt(self.high).any() {
                continue;
            }
            let corners: [_; 8] = std::array::from_fn(|i| {
                let pick = |bit: usize, a: f64, b: f64| if i >> bit & 1 == 0 { a } else { b };
                let p =
                    DVec3::new(pick(0, first.x, last.x), pick(1, first.y, last.y), pick(2, first.z, last.z));
                clip_from_index * p.extend(1.0)
            });
            // All corners beyond one side of what is in view.
            let beyond = |f: fn(glam::DVec4) -> bool| corners.iter().all(|c| f(*c));
            if beyond(|c| c.x < -c.w)
                || beyond(|c| c.x > c.w)
                || beyond(|c| c.y < -c.w)
                || beyond(|c| c.y > c.w)
            {
                continue;
            }
            if beyond(|c| c.z < 0.0) || beyond(|c| c.z > c.w) {
                continue;
            }
            let depth = corners.iter().map(|c| c.z / c.w.abs().max(1e-12)).sum::<f64>();
            found.push((depth, Key { level, at: [z as u32, y as u32, x as u32] }));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.into_iter().map(|(_, key)| key).collect()
    }

    fn uniform(
        &self,
        level: u32,
        size: [u32; 2],
        first_pixel: [u32; 2],
        world_from_index: DAffine3,
    ) -> ViewUniform {
        let index_from_clip = (self.clip_from_world * DMat4::from(world_from_index)).inverse();
        // Gradients are covectors.
        let gradient = world_from_index.matrix3.inverse().transpose();
        let level_value = if let Mode::Isosurface(value) = self.mode { value } else { 0.0 };
        let mut planes = [[0.0; 4]; 3];
        for (to, (normal, distance)) in planes.iter_mut().zip(&self.planes) {
            let n = world_from_index.matrix3.transpose() * *normal;
            *to = n.extend(normal.dot(world_from_index.translation) + distance).as_vec4().to_array();
        }
        // The light is where the eye is.
        let world_from_clip = self.clip_from_world.inverse();
        let (near, far) =
            (world_from_clip.project_point3(DVec3::ZERO), world_from_clip.project_point3(DVec3::Z));
        ViewUniform {
            index_from_clip: index_from_clip.as_mat4().to_cols_array(),
            world_gradient: std::array::from_fn(|i| gradient.col(i).as_vec3().extend(0.0).to_array()),
            low: self.low.to_array(),
            level,
            high: self.high.to_array(),
            marked: self.marked,
            planes,
            light: (near - far).normalize_or_zero().as_vec3().to_array(),
            step: self.step,
            window: self.window,
            visible: self.visible,
            size: size.map(|n| n as f32),
            level_value,
            shading: self.shading,
            path: self.path,
            plane_count: self.planes.len().min(3) as u32,
            first_pixel: first_pixel.map(|n| n as f32),
            occlusion: self.occlusion,
            opacity: self.opacity,
            pad: [0.0; 2],
            slices: self.slices.unwrap_or_default().map(|plane| plane.to_array()),
        }
    }
}

/// The shader for intensities.
pub const GREY: &str = concat!(
    include_str!("../wgsl/bricks.wgsl"),
    include_str!("../wgsl/grey.wgsl"),
    include_str!("../wgsl/rays.wgsl"),
    include_str!("../wgsl/volume.wgsl")
);
/// The shader for labels.
pub const LABELS: &str = concat!(
    include_str!("../wgsl/bricks.wgsl"),
    include_str!("../wgsl/labels.wgsl"),
    include_str!("../wgsl/rays.wgsl"),
    include_str!("../wgsl/volume_labels.wgsl")
);

/// Draws views of images with one kind of texels into targets of one format; colours are multiplied by
/// their opacity.
#[derive(Clone)]
pub struct VolumeRenderer {
    texels: Texels,
    target: wgpu::ColorTargetState,
    pipelines: Pipelines<Variant>,
    bindings: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    /// For parts that nothing bounds.
    unbounded: Depth,
}

impl VolumeRenderer {
    /// A renderer.
    pub fn new(gpu: &Gpu, texels: Texels, target: wgpu::TextureFormat, blend: Blend) -> Self {
        Self {
            texels,
            target: blend.target(target),
            pipelines: Pipelines::new(),
            bindings: crate::draw::bindings(gpu),
            sampler: crate::draw::sampler(gpu),
            unbounded: Depth::new(gpu, [1, 1]),
        }
    }

    /// Makes the pipeline of a variant.
    fn maker(&self, gpu: &Gpu, variant: Variant) -> impl FnOnce() -> wgpu::RenderPipeline + Send + use<> {
        let (gpu, texels, bindings) = (gpu.clone(), self.texels, self.bindings.clone());
        let target = self.target.clone();
        move || {
            let source = if texels.labels() { LABELS } else { GREY };
            let number = |on: bool| f64::from(u8::from(on));
            let constants = [
                ("MODE", f64::from(variant.mode)),
                ("OCCLUSION", number(variant.occlusion)),
                ("PICK", number(variant.part == Part::Pick)),
                ("BEFORE", number(variant.part == Part::Before)),
                ("BEHIND", number(variant.part == Part::Behind)),
                ("SLICED", number(variant.sliced)),
            ];
            // Labels are surfaces or mist.
            let labelled = [constants[0], constants[5]];
            let constants = if texels.labels() { &labelled[..] } else { &constants[..] };
            let (image, depth) = (GpuImage::bindings(&gpu, texels), Depth::bindings(&gpu));
            let groups = [Some(&image), Some(&bindings), Some(&depth)];
            let groups = if texels.labels() { &groups[..2] } else { &groups[..] };
            let (entry, target) = match variant.part {
                Part::Pick => ("pick", Some(PLACE.into())),
                Part::Depth => ("depth", None),
                _ => ("fragment", Some(target)),
            };
            crate::draw::pipeline(&gpu, "volume", source, (entry, constants), groups, target)
        }
    }

    /// Whether a part of a view can be readied without waiting; if not, that begins, and `then` is called
    /// when it can.
    pub fn is_ready(&self, gpu: &Gpu, view: &View, part: Part, then: impl FnOnce() + Send + 'static) -> bool {
        let variant = view.variant(part);
        self.pipelines.begin(variant, self.maker(gpu, variant), then)
    }

    /// Readies a part of a view of `size` pixels; `colours` is a texture one texel high, or that of a
    /// [`crate::lookup::Lookup`] for labels. What is before or
    /// behind solid things needs their `depth`.
    pub fn prepare(
        &self,
        gpu: &Gpu,
        image: &GpuImage,
        view: &View,
        (part, depth): (Part, Option<&Depth>),
        level: u32,
        size: [u32; 2],
        world_from_index: DAffine3,
        colours: &wgpu::TextureView,
    ) -> Draw {
        let uniform = view.uniform(level, size, [0; 2], world_from_index);
        self.ready(gpu, view.variant(part), image.group(), &uniform, depth, colours)
    }

    fn ready(
        &self,
        gpu: &Gpu,
        variant: Variant,
        image: &wgpu::BindGroup,
        uniform: &ViewUniform,
        depth: Option<&Depth>,
        colours: &wgpu::TextureView,
    ) -> Draw {
        let uniform = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("view"),
            contents: bytemuck::bytes_of(uniform),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let view = crate::draw::group(gpu, &self.bindings, &uniform, colours, &self.sampler);
        let pipeline = self.pipelines.get(variant, self.maker(gpu, variant));
        let depth = depth.unwrap_or(&self.unbounded).group().clone();
        let depth = (!self.texels.labels()).then_some(depth);
        Draw { pipeline, image: image.clone(), view, depth }
    }

    /// Finds what a pixel of a view of `size` pixels shows: indices `(x, y, z)` of the finest level, and how
    /// far it is between the near plane and the far one, from 0 to 1. Waits for the device.
    pub fn pick(
        &self,
        gpu: &Gpu,
        image: &wgpu::BindGroup,
        view: &View,
        level: u32,
        (size, pixel): ([u32; 2], [u32; 2]),
        world_from_index: DAffine3,
        colours: &wgpu::TextureView,
    ) -> Option<(Vec3, f32)> {
        self.places(gpu, image, view, level, (size, pixel, [1, 1]), world_from_index, colours)?.pop()?
    }

    /// The same for all pixels from `corner` on, `count` along x and y, row by row; none if the device fails.
    pub fn places(
        &self,
        gpu: &Gpu,
        image: &wgpu::BindGroup,
        view: &View,
        level: u32,
        (size, corner, count): ([u32; 2], [u32; 2], [u32; 2]),
        world_from_index: DAffine3,
        colours: &wgpu::TextureView,
    ) -> Option<Vec<Option<(Vec3, f32)>>> {
        let uniform = view.uniform(level, size, corner, world_from_index);
        let draw = self.ready(gpu, view.variant(Part::Pick), image, &uniform, None, colours);
        let bytes = crate::picture::read(gpu, count, PLACE, wgpu::Color::TRANSPARENT, &draw.into()).ok()?;
        let place = |texel: &[u8]| {
            let [x, y, z, far] = bytemuck::pod_read_unaligned::<[f32; 4]>(texel);
            (far > 0.0).then(|| (Vec3::new(x, y, z), far))
        };
        Some(bytes.chunks_exact(16).map(place).collect())
    }
}

/// Format of the places that are seen.
const PLACE: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Float;
