//! Kernels on the device: pipelines, buffers that are used again, and errors that are kept from the program.

use crate::gpu::Gpu;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use wgpu::{Buffer, BufferUsages};

/// Why the device did not do it. The operators of the core do it then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The device is gone, for good.
    #[error("the device is lost")]
    Lost,
    /// It refused, most likely for want of memory.
    #[error("{0}")]
    Refused(String),
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Bindings of a kernel: uniforms, what it makes, its numbers, and images that it reads.
pub const BINDINGS: usize = 6;

/// Bytes that buffers kept for later may take.
const KEPT: u64 = 512 << 20;

/// A device with its pipelines and spare buffers.
pub struct Device {
    /// The device.
    pub gpu: Gpu,
    layout: wgpu::BindGroupLayout,
    pipeline_layout: wgpu::PipelineLayout,
    pipelines: Mutex<HashMap<String, wgpu::ComputePipeline>>,
    spare: Mutex<HashMap<u64, Vec<Buffer>>>,
    lost: Arc<AtomicBool>,
}

/// A buffer in use; it is kept for the next of its size when it is dropped.
pub struct Held {
    buffer: Option<Buffer>,
    device: Arc<Device>,
}

impl std::ops::Deref for Held {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        self.buffer.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            let mut spare = locked(&self.device.spare);
            let kept: u64 = spare.iter().map(|(size, buffers)| size * buffers.len() as u64).sum();
            if kept + buffer.size() <= KEPT {
                spare.entry(buffer.size()).or_default().push(buffer);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Kernels on a device.
    pub fn new(gpu: Gpu) -> Arc<Self> {
        let entry = |binding: u32, ty: wgpu::BufferBindingType| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
        let entries: Vec<_> = (0..BINDINGS as u32)
            .map(|i| match i {
                0 => entry(i, wgpu::BufferBindingType::Uniform),
                1 => entry(i, storage(false)),
                _ => entry(i, storage(true)),
            })
            .collect();
        let layout = gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("bricks"),
            entries: &entries,
        });
        let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("bricks"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        Arc::new(Self {
            gpu,
            layout,
            pipeline_layout,
            pipelines: Mutex::default(),
            spare: Mutex::default(),
            lost: Arc::default(),
        })
    }

    /// Whether the device is gone.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Marks the device as gone.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// Bytes that one buffer may have to be bound.
    pub fn largest(&self) -> u64 {
        let limits = self.gpu.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Runs something and hears of what the device refuses.
    ///
    /// # Errors
    /// What the device refused, or that it is lost.
    pub fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        if self.is_lost() {
            return Err(Failure::Lost);
        }
        let device = &self.gpu.device;
        let scopes =
            [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
                .map(|filter| device.push_error_scope(filter));
        let result = work();
        // The last that was opened is closed first.
        let errors: Vec<_> = scopes.into_iter().rev().map(|s| pollster::block_on(s.pop())).collect();
        match errors.into_iter().flatten().next() {
            Some(_) if self.is_lost() => Err(Failure::Lost),
            Some(error) => Err(Failure::Refused(error.to_string())),
            None => result,
        }
    }

    /// A buffer of at least this size; what it holds is left from before.
    pub fn buffer(self: &Arc<Self>, bytes: u64) -> Held {
        let size = bytes.max(256).next_multiple_of(if bytes > 1 << 20 { 1 << 20 } else { 4096 });
        let spare = locked(&self.spare).get_mut(&size).and_then(Vec::pop);
        let buffer = spare.unwrap_or_else(|| {
            self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("brick"),
                size,
                usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        });
        Held { buffer: Some(buffer), device: self.clone() }
    }

    /// A buffer with these words.
    pub fn words(self: &Arc<Self>, words: &[u32]) -> Held {
        let buffer = self.buffer(4 * words.len() as u64);
        if !words.is_empty() {
            self.gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        }
        buffer
    }

    /// The pipeline of a shader's entry point `main`, made once.
    pub fn pipeline(&self, name: &str, shader: &str) -> wgpu::ComputePipeline {
        let mut pipelines = locked(&self.pipelines);
        if let Some(pipeline) = pipelines.get(shader) {
            return pipeline.clone();
        }
        let module = self.gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(shader.into()),
        });
        let pipeline = self.gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&self.pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        pipelines.insert(shader.to_owned(), pipeline.clone());
        pipeline
    }

    /// Records a run of a pipeline over `threads` invocations, 64 a workgroup. `uniforms` is given the number of
    /// workgroups along x. Bindings from 1 on; those that are lacking are filled with a spare buffer.
    pub fn record(
        self: &Arc<Self>,
        encoder: &mut wgpu::CommandEncoder,
        pipeline: &wgpu::ComputePipeline,
        uniforms: impl FnOnce(u32) -> Vec<u32>,
        bound: &[&Buffer],
        threads: u64,
    ) {
        let groups = threads.div_ceil(64);
        let across = groups.min(32768) as u32;
        let down = groups.div_ceil(u64::from(across.max(1))) as u32;
        let device = &self.gpu.device;
        let words = uniforms(across);
        let uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            size: 4 * words.len() as u64,
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.gpu.queue.write_buffer(&uniform, 0, bytemuck::cast_slice(&words));
        let dummy = self.buffer(16);
        let entries: Vec<_> = (0..BINDINGS)
            .map(|i| wgpu::BindGroupEntry {
                binding: i as u32,
                resource: match i {
                    0 => uniform.as_entire_binding(),
                    _ => {
                        bound.get(i - 1).map_or_else(|| dummy.as_entire_binding(), |b| b.as_entire_binding())
                    }
                },
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("bricks"),
            layout: &self.layout,
            entries: &entries,
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(across, down, 1);
    }

    /// A list of commands.
    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Submits commands that copy `bytes` of a buffer to where they can be read; [`Coming::wait`] reads them.
    pub fn fetch(&self, mut encoder: wgpu::CommandEncoder, buffer: &Buffer, bytes: u64) -> Coming {
        let staging = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("coming down"),
            size: bytes.next_multiple_of(4).max(4),
            usage: BufferUsages::COPY_DST | BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes.next_multiple_of(4));
        let index = self.gpu.queue.submit([encoder.finish()]);
        let (send, mapped) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody waits for it if the run has failed.
            let _ = send.send(result.is_ok());
        });
        Coming { staging, index, mapped }
    }

    /// Submits commands and waits until they are done.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn finish(&self, encoder: wgpu::CommandEncoder) -> Result<(), Failure> {
        let index = self.gpu.queue.submit([encoder.finish()]);
        let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
        self.gpu.device.poll(wait).map(|_| ()).map_err(|_| self.gone())
    }

    fn gone(&self) -> Failure {
        self.lose();
        Failure::Lost
    }
}

/// Bytes on their way down.
pub struct Coming {
    staging: Buffer,
    index: wgpu::SubmissionIndex,
    mapped: mpsc::Receiver<bool>,
}

impl Coming {
    /// Waits for the bytes and lets them be read.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn wait<T>(self, device: &Device, read: impl FnOnce(&[u8]) -> T) -> Result<T, Failure> {
        let wait = wgpu::PollType::Wait { submission_index: Some(self.index), timeout: None };
        device.gpu.device.poll(wait).map_err(|_| device.gone())?;
        // Another thread that polls may be the one that calls back.
        if !self.mapped.recv().unwrap_or(false) {
            return Err(device.gone());
        }
        let bytes = self.staging.get_mapped_range(..).map_err(|_| device.gone())?;
        Ok(read(&bytes))
    }
}
