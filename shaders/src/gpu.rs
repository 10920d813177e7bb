//! The device that everything runs on.

use crate::{Error, Result};
use wgpu::{Adapter, AdapterInfo, Device, DeviceDescriptor, Features, Queue};

/// A device with what is known of it.
#[derive(Clone)]
pub struct Gpu {
    /// The device.
    pub device: Device,
    /// Its queue.
    pub queue: Queue,
    /// What it is called, and whether it is software.
    pub info: AdapterInfo,
}

/// Features that are used where an adapter has them; what is drawn does not depend on them.
const WELCOME: Features =
    Features::TEXTURE_FORMAT_16BIT_NORM.union(Features::FLOAT32_FILTERABLE).union(Features::TIMESTAMP_QUERY);

impl Gpu {
    /// How a device is asked for: the limits of the WebGPU baseline, larger textures and buffers where
    /// the adapter offers them. A window asks for its device with the same.
    pub fn wanted(adapter: &Adapter) -> DeviceDescriptor<'static> {
        let (offered, mut limits) = (adapter.limits(), wgpu::Limits::default());
        limits.max_texture_dimension_3d = offered.max_texture_dimension_3d;
        limits.max_texture_dimension_2d = offered.max_texture_dimension_2d;
        limits.max_buffer_size = offered.max_buffer_size;
        limits.max_storage_buffer_binding_size = offered.max_storage_buffer_binding_size;
        DeviceDescriptor {
            label: Some("voxelry"),
            required_features: adapter.features() & WELCOME,
            required_limits: limits,
            ..DeviceDescriptor::default()
        }
    }

    /// A device without a window.
    ///
    /// # Errors
    /// If there is no adapter or it refuses.
    pub fn headless() -> Result<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends = BACKENDS;
        let instance = wgpu::Instance::new(descriptor);
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::from_env()
                .unwrap_or(wgpu::PowerPreference::HighPerformance),
            ..wgpu::RequestAdapterOptions::default()
        };
        let adapter = pollster::block_on(instance.request_adapter(&options))
            .map_err(|e| Error::NoAdapter(format!("{NO_ADAPTER} ({e})")))?;
        Self::of(&adapter)
    }

    /// A device of an adapter.
    ///
    /// # Errors
    /// If it refuses.
    pub fn of(adapter: &Adapter) -> Result<Self> {
        let (device, queue) = pollster::block_on(adapter.request_device(&Self::wanted(adapter)))
            .map_err(|e| Error::Device(format!("{} refuses: {e}", adapter.get_info().name)))?;
        Ok(Self { device, queue, info: adapter.get_info() })
    }

    /// Whether the device has a feature.
    pub fn has(&self, feature: Features) -> bool {
        self.device.features().contains(feature)
    }
}

/// What is drawn with: those that keep the promises of WebGPU.
pub const BACKENDS: wgpu::Backends = wgpu::Backends::PRIMARY;

/// What to say where there is no adapter.
pub const NO_ADAPTER: &str = "there is no graphics adapter for Vulkan, Metal or DirectX 12; a software one comes with \
                          Debian's and Ubuntu's package mesa-vulkan-drivers";
