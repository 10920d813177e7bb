//! What the renderers share: a triangle over the whole target, a uniform, colours, and pipelines that are made
//! beside the window.

use crate::gpu::Gpu;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How an image covers what was drawn before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blend {
    /// It lies over it.
    Over,
    /// Its light is added, as that of channels is.
    Add,
}

impl Blend {
    /// For colours that are multiplied by their opacity.
    pub(crate) fn target(self, format: wgpu::TextureFormat) -> wgpu::ColorTargetState {
        let add = wgpu::BlendComponent {
            src_factor: wgpu::BlendFactor::One,
            dst_factor: wgpu::BlendFactor::One,
            operation: wgpu::BlendOperation::Add,
        };
        let blend = match self {
            Self::Over => wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING,
            Self::Add => wgpu::BlendState { color: add, alpha: add },
        };
        wgpu::ColorTargetState { format, blend: Some(blend), write_mask: wgpu::ColorWrites::ALL }
    }
}

/// A draw that is ready: it can be recorded at any time, on any thread, as often as wanted.
#[derive(Clone)]
pub struct Draw {
    pub(crate) pipeline: wgpu::RenderPipeline,
    pub(crate) image: wgpu::BindGroup,
    pub(crate) view: wgpu::BindGroup,
    /// Where solid things begin, for what is before and behind them.
    pub(crate) depth: Option<wgpu::BindGroup>,
}

impl Draw {
    /// Draws over what the pass already holds.
    pub(crate) fn record(&self, pass: &mut wgpu::RenderPass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.image, &[]);
        pass.set_bind_group(1, &self.view, &[]);
        if let Some(depth) = &self.depth {
            pass.set_bind_group(2, depth, &[]);
        }
        pass.draw(0..3, 0..1);
    }
}

/// All draws of a picture, the lowest first.
#[derive(Clone, Default)]
pub struct Drawing {
    /// Draws.
    pub draws: Vec<Draw>,
    /// Draws that find out where solid things begin, before all others.
    pub solids: Option<(Depth, Vec<Draw>)>,
}

impl Drawing {
    /// Records rows of a picture `width` pixels wide; with the first row all of the target becomes the
    /// background.
    pub fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        background: wgpu::Color,
        (width, rows): (u32, Range<u32>),
    ) {
        if let Some((depth, solids)) = &self.solids {
            let load = if rows.start == 0 { wgpu::LoadOp::Clear(1.0) } else { wgpu::LoadOp::Load };
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("solids"),
                depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                    view: &depth.view,
                    depth_ops: Some(wgpu::Operations { load, store: wgpu::StoreOp::Store }),
                    stencil_ops: None,
                }),
                ..wgpu::RenderPassDescriptor::default()
            });
            pass.set_scissor_rect(0, rows.start, width, rows.end - rows.start);
            solids.iter().for_each(|draw| draw.record(&mut pass));
        }
        let load = if rows.start == 0 { wgpu::LoadOp::Clear(background) } else { wgpu::LoadOp::Load };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("picture"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: target,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
            })],
            ..wgpu::RenderPassDescriptor::default()
        });
        pass.set_scissor_rect(0, rows.start, width, rows.end - rows.start);
        self.draws.iter().for_each(|draw| draw.record(&mut pass));
    }
}

impl From<Draw> for Drawing {
    fn from(draw: Draw) -> Self {
        Self { draws: vec![draw], solids: None }
    }
}

/// Where solid things begin along the rays of a picture: 0 at the near plane, 1 at the far one.
#[derive(Clone)]
pub struct Depth {
    view: wgpu::TextureView,
    group: wgpu::BindGroup,
}

/// Format of depths.
pub(crate) const DEPTH: wgpu::TextureFormat = wgpu::TextureFormat::Depth32Float;

impl Depth {
    /// Room for the depths of a picture of so many pixels.
    pub fn new(gpu: &Gpu, size: [u32; 2]) -> Self {
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("depth"),
            size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: DEPTH,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("depth"),
            layout: &Self::bindings(gpu),
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::TextureView(&view),
            }],
        });
        Self { view, group }
    }

    pub(crate) fn group(&self) -> &wgpu::BindGroup {
        &self.group
    }

    pub(crate) fn bindings(gpu: &Gpu) -> wgpu::BindGroupLayout {
        gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("depth"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::FRAGMENT,
                ty: wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Depth,
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
                count: None,
            }],
        })
    }
}

/// Pipelines by what they are made for. Making one can take longer than a frame, so threads do it.
#[derive(Clone)]
pub(crate) struct Pipelines<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    /// None while one is being made.
    made: Mutex<HashMap<K, Option<wgpu::RenderPipeline>>>,
    changed: Condvar,
}

impl<K> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Option<wgpu::RenderPipeline>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash + Send + 'static> Pipelines<K> {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::new(Shared { made: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Whether a pipeline is there; if nobody makes it yet, a thread begins and calls `then` in the end.
    pub(crate) fn begin(
        &self,
        key: K,
        make: impl FnOnce() -> wgpu::RenderPipeline + Send + 'static,
        then: impl FnOnce() + Send + 'static,
    ) -> bool {
        let mut made = self.shared.lock();
        if let Some(found) = made.get(&key) {
            return found.is_some();
        }
        made.insert(key, None);
        drop(made);
        let shared = self.shared.clone();
        std::thread::spawn(move || {
            let pipeline = make();
            shared.lock().insert(key, Some(pipeline));
            shared.changed.notify_all();
            then();
        });
        false
    }

    /// The pipeline, made here or waited for if it isn't there.
    pub(crate) fn get(&self, key: K, make: impl FnOnce() -> wgpu::RenderPipeline) -> wgpu::RenderPipeline {
        let mut made = self.shared.lock();
        loop {
            match made.get(&key) {
                Some(Some(pipeline)) => return pipeline.clone(),
                Some(None) => made = self.shared.changed.wait(made).unwrap_or_else(PoisonError::into_inner),
                None => break,
            }
        }
        made.insert(key, None);
        drop(made);
        let pipeline = make();
        self.shared.lock().insert(key, Some(pipeline.clone()));
        self.shared.changed.notify_all();
        pipeline
    }
}

/// What a renderer is given beside the image: a uniform, colours and how to sample them.
pub(crate) fn bindings(gpu: &Gpu) -> wgpu::BindGroupLayout {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty,
        count: None,
    };
    let uniform = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let colours = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: true },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
    gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("view"),
        entries: &[entry(0, uniform), entry(1, colours), entry(2, sampler)],
    })
}

/// The same, filled.
pub(crate) fn group(
    gpu: &Gpu,
    layout: &wgpu::BindGroupLayout,
    uniform: &wgpu::Buffer,
    colours: &wgpu::TextureView,
    sampler: &wgpu::Sampler,
) -> wgpu::BindGroup {
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("view"),
        layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(colours) },
            wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(sampler) },
        ],
    })
}

/// A sampler that interpolates and repeats the outermost texel.
pub(crate) fn sampler(gpu: &Gpu) -> wgpu::Sampler {
    gpu.device.create_sampler(&wgpu::SamplerDescriptor {
        label: Some("linear"),
        mag_filter: wgpu::FilterMode::Linear,
        min_filter: wgpu::FilterMode::Linear,
        ..wgpu::SamplerDescriptor::default()
    })
}

/// A pipeline of the entry points `vertex` and the one named; without a target it finds depths.
pub(crate) fn pipeline(
    gpu: &Gpu,
    label: &str,
    source: &str,
    (fragment, constants): (&str, &[(&str, f64)]),
    groups: &[Option<&wgpu::BindGroupLayout>],
    target: Option<wgpu::ColorTargetState>,
) -> wgpu::RenderPipeline {
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(label),
        bind_group_layouts: groups,
        immediate_size: 0,
    });
    let depth_stencil = target.is_none().then(|| wgpu::DepthStencilState {
        format: DEPTH,
        depth_write_enabled: Some(true),
        depth_compare: Some(wgpu::CompareFunction::Less),
        stencil: wgpu::StencilState::default(),
        bias: wgpu::DepthBiasState::default(),
    });
    let targets = [target.clone()];
    gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(label),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vertex"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some(fragment),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                ..wgpu::PipelineCompilationOptions::default()
            },
            targets: if target.is_some() { &targets } else { &[] },
        }),
        multiview_mask: None,
        cache: None,
    })
}
