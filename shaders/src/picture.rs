//! Pictures without a window.

use crate::draw::Drawing;
use crate::gpu::Gpu;
use crate::{Error, Result};
use std::sync::mpsc;
use wgpu::util::DeviceExt;

/// Format of the pictures.
pub const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Draws a picture of `size` pixels and reads it back: red, green, blue and alpha, row by row.
///
/// # Errors
/// If the device is lost or has too little memory.
pub fn picture(gpu: &Gpu, size: [u32; 2], background: wgpu::Color, drawing: &Drawing) -> Result<Vec<u8>> {
    let most = gpu.device.limits().max_texture_dimension_2d;
    if size.iter().any(|n| *n == 0 || *n > most) {
        return Err(Error::Device(format!(
            "a picture of {} × {} pixels; the most is {most}",
            size[0], size[1]
        )));
    }
    read(gpu, size, FORMAT, background, drawing)
}

/// Draws into a target of `size` pixels and waits for its bytes.
pub(crate) fn read(
    gpu: &Gpu,
    size: [u32; 2],
    format: wgpu::TextureFormat,
    background: wgpu::Color,
    drawing: &Drawing,
) -> Result<Vec<u8>> {
    let extent = wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 };
    let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: extent,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let texel = format.block_copy_size(None).expect("a format of one aspect");
    let row = (size[0] * texel).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("picture"),
        size: u64::from(row) * u64::from(size[1]),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let view = target.create_view(&wgpu::TextureViewDescriptor::default());
    drawing.record(&mut encoder, &view, background, (size[0], 0..size[1]));
    encoder.copy_texture_to_buffer(
        target.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: &buffer,
            layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None },
        },
        extent,
    );
    let submitted = gpu.queue.submit([encoder.finish()]);
    let (send, receive) = mpsc::channel();
    let mapped = buffer.clone();
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        let bytes = result.ok().and_then(|()| mapped.get_mapped_range(..).ok()).map(|bytes| {
            let rows = bytes.chunks_exact(row as usize);
            rows.flat_map(|r| r[..(size[0] * texel) as usize].iter().copied()).collect()
        });
        // Nobody waits for it if polling failed.
        let _ = send.send(bytes);
    });
    let wait = wgpu::PollType::Wait { submission_index: Some(submitted), timeout: None };
    gpu.device.poll(wait).map_err(|e| Error::Device(e.to_string()))?;
    // Another thread that polls may be the one that calls back.
    let bytes = receive.recv().ok().flatten();
    bytes.ok_or_else(|| Error::Device("a picture could not be read back".to_owned()))
}

/// A texture of colours, one texel high.
pub fn colours(gpu: &Gpu, colours: &[[u8; 4]]) -> wgpu::TextureView {
    let size = wgpu::Extent3d { width: colours.len() as u32, height: 1, depth_or_array_layers: 1 };
    let texture = gpu.device.create_texture_with_data(
        &gpu.queue,
        &wgpu::TextureDescriptor {
            label: Some("colours"),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        },
        wgpu::util::TextureDataOrder::LayerMajor,
        bytemuck::cast_slice(colours),
    );
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}
