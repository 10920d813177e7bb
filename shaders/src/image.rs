//! An image on the GPU: its page table, the range of each brick, and what is known of its levels.

use crate::atlas::{Atlas, Owner};
use crate::bricks::{Brick, EDGE, Key, Layout, Texels};
use crate::gpu::Gpu;
use bytemuck::{Pod, Zeroable};
use std::ops::Range;

/// Most levels of an image; 2¹⁶ bricks along an axis at the finest.
pub const LEVELS: usize = 16;

/// An entry of the page table: the brick has not been read.
const ABSENT: u32 = 0;
/// All voxels of the brick are equal to the least of its range.
const FLAT: u32 = 1;
/// The brick lies in a slot, of which the entry has ten bits along x, y and z.
const THERE: u32 = 1 << 31;

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct LevelUniform {
    scale: [f32; 3],
    first: u32,
    offset: [f32; 3],
    pad: u32,
    shape: [u32; 3],
    pad_shape: u32,
    bricks: [u32; 3],
    pad_bricks: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct ImageUniform {
    levels: [LevelUniform; LEVELS],
    texel: [f32; 3],
    count: u32,
    value_scale: f32,
    value_offset: f32,
    pad: [u32; 2],
}

/// Fields of the uniform and where they lie, for the test that holds the shaders to them.
#[doc(hidden)]
pub const UNIFORM_FIELDS: &[(&str, usize)] = &[
    ("levels", std::mem::offset_of!(ImageUniform, levels)),
    ("texel", std::mem::offset_of!(ImageUniform, texel)),
    ("count", std::mem::offset_of!(ImageUniform, count)),
    ("value_scale", std::mem::offset_of!(ImageUniform, value_scale)),
    ("value_offset", std::mem::offset_of!(ImageUniform, value_offset)),
    ("pad", std::mem::offset_of!(ImageUniform, pad)),
];
/// Bytes of the uniform.
#[doc(hidden)]
pub const UNIFORM_SIZE: usize = size_of::<ImageUniform>();

/// An image of which bricks can be drawn.
pub struct GpuImage {
    id: u64,
    layout: Layout,
    texels: Texels,
    table: Vec<u32>,
    ranges: Vec<[u32; 2]>,
    /// Entries that the GPU does not know yet.
    changed: Range<usize>,
    table_buffer: wgpu::Buffer,
    range_buffer: wgpu::Buffer,
    group: wgpu::BindGroup,
    version: u64,
}

impl GpuImage {
    /// What a shader is given of an image: see `bricks.wgsl`.
    pub fn bindings(gpu: &Gpu, texels: Texels) -> wgpu::BindGroupLayout {
        let stages = wgpu::ShaderStages::FRAGMENT | wgpu::ShaderStages::COMPUTE;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility: stages, ty, count: None };
        let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
        let storage = wgpu::BufferBindingType::Storage { read_only: true };
        let sample_type = if texels.labels() {
            wgpu::TextureSampleType::Uint
        } else {
            wgpu::TextureSampleType::Float { filterable: true }
        };
        let texture = wgpu::BindingType::Texture {
            sample_type,
            view_dimension: wgpu::TextureViewDimension::D3,
            multisampled: false,
        };
        gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("image"),
            entries: &[
                entry(0, buffer(wgpu::BufferBindingType::Uniform)),
                entry(1, texture),
                entry(2, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
                entry(3, buffer(storage)),
                entry(4, buffer(storage)),
            ],
        })
    }

    /// An image of which no brick is there yet. `id` tells images in one atlas apart.
    pub fn new(gpu: &Gpu, id: u64, layout: Layout, texels: Texels, atlas: &Atlas) -> Self {
        let mut uniform = ImageUniform::zeroed();
        uniform.texel = atlas.slots().map(|n| 1.0 / (n as f32 * EDGE as f32));
        uniform.count = layout.levels().len().min(LEVELS) as u32;
        uniform.value_scale = f32::from(texels.scale);
        uniform.value_offset = f32::from(texels.offset);
        for (to, level) in uniform.levels.iter_mut().zip(layout.levels()) {
            let xyz = |v: [usize; 3]| [v[2] as u32, v[1] as u32, v[0] as u32];
            *to = LevelUniform {
                scale: level.scale.to_array(),
                first: level.first as u32,
                offset: level.offset.to_array(),
                shape: xyz(level.shape),
                bricks: xyz(level.bricks),
                ..LevelUniform::zeroed()
            };
        }
        let buffer = |label, size: usize, usage| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: size as u64,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let count = layout.len().max(1);
        let uniforms = buffer("image", size_of::<ImageUniform>(), wgpu::BufferUsages::UNIFORM);
        gpu.queue.write_buffer(&uniforms, 0, bytemuck::bytes_of(&uniform));
        let table_buffer = buffer("page table", 4 * count, wgpu::BufferUsages::STORAGE);
        let range_buffer = buffer("ranges of bricks", 8 * count, wgpu::BufferUsages::STORAGE);
        let sampler = gpu.device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("bricks"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..wgpu::SamplerDescriptor::default()
        });
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("image"),
            layout: &Self::bindings(gpu, texels),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: uniforms.as_entire_binding() },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::TextureView(atlas.view()),
                },
                wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(&sampler) },
                wgpu::BindGroupEntry { binding: 3, resource: table_buffer.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 4, resource: range_buffer.as_entire_binding() },
            ],
        });
        Self {
            id,
            table: vec![ABSENT; count],
            ranges: vec![[0; 2]; count],
            changed: 0..count,
            layout,
            texels,
            table_buffer,
            range_buffer,
            group,
            version: 0,
        }
    }

    /// How it is cut.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How its voxels are kept.
    pub fn texels(&self) -> Texels {
        self.texels
    }

    /// What shaders are given.
    pub fn group(&self) -> &wgpu::BindGroup {
        &self.group
    }

    /// Whether a brick is there; if so it counts as used at `now`.
    pub fn has(&self, key: Key, atlas: &mut Atlas, now: u64) -> bool {
        let entry = self.table[self.layout.entry(key)];
        if entry >= THERE {
            atlas.touch(atlas.slot([entry & 1023, entry >> 10 & 1023, entry >> 20 & 1023]), now);
        }
        entry != ABSENT
    }

    /// Takes a brick in. Returns whose brick had to go, and whether there was room at all.
    pub fn put(
        &mut self,
        gpu: &Gpu,
        atlas: &mut Atlas,
        key: Key,
        brick: &Brick,
        now: u64,
    ) -> (Option<Owner>, bool) {
        let at = self.layout.entry(key);
        let (entry, evicted) = match &brick.texels {
            None => (FLAT, None),
            Some(texels) => match atlas.put(gpu, (self.id, key), texels, brick.part, now) {
                Some((slot, evicted)) => {
                    let [x, y, z] = atlas.place(slot);
                    (THERE | x | y << 10 | z << 20, evicted)
                }
                None => return (None, false),
            },
        };
        self.set(at, entry);
        self.ranges[at] = brick.range;
        (evicted, true)
    }

    /// Takes note that a brick's slot was given away.
    pub fn forget(&mut self, key: Key) {
        self.set(self.layout.entry(key), ABSENT);
    }

    /// How often what is there has changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn set(&mut self, at: usize, entry: u32) {
        self.version += 1;
        self.table[at] = entry;
        let Range { start, end } = self.changed;
        self.changed = if start == end { at..at + 1 } else { start.min(at)..end.max(at + 1) };
    }

    /// Tells the GPU what changed since the last time.
    pub fn flush(&mut self, gpu: &Gpu) {
        let changed = std::mem::take(&mut self.changed);
        if changed.start == changed.end {
            return;
        }
        let table = bytemuck::cast_slice(&self.table[changed.clone()]);
        let ranges = bytemuck::cast_slice(&self.ranges[changed.clone()]);
        gpu.queue.write_buffer(&self.table_buffer, 4 * changed.start as u64, table);
        gpu.queue.write_buffer(&self.range_buffer, 8 * changed.start as u64, ranges);
    }
}
