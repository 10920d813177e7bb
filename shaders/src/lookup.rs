//! The colour of every label as a texture: a row for labels that have none of their own, then theirs.

use crate::gpu::Gpu;
use crate::picture::FORMAT;
use wgpu::util::DeviceExt;

/// Colours of labels on the device.
pub struct Lookup {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    width: usize,
}

impl Lookup {
    /// Colours in rows of `width`; rows beyond what the device can hold are left out.
    pub fn new(gpu: &Gpu, width: usize, texels: &[[u8; 4]]) -> Self {
        let rows = rows(gpu, width, texels);
        let texture = gpu.device.create_texture_with_data(
            &gpu.queue,
            &wgpu::TextureDescriptor {
                label: Some("lookup"),
                size: wgpu::Extent3d { width: width as u32, height: rows as u32, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            },
            wgpu::util::TextureDataOrder::LayerMajor,
            bytemuck::cast_slice(&texels[..rows * width]),
        );
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self { texture, view, width }
    }

    /// What renderers are given.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Changes the rows in which new colours differ from those of before; whether they fit.
    pub fn update(&self, gpu: &Gpu, before: &[[u8; 4]], after: &[[u8; 4]]) -> bool {
        if before.len() != after.len() || rows(gpu, self.width, after) != self.texture.height() as usize {
            return false;
        }
        let differ = |row: usize| {
            let row = row * self.width..(row + 1) * self.width;
            before[row.clone()] != after[row]
        };
        let rows = self.texture.height() as usize;
        let mut row = 0;
        while row < rows {
            let Some(first) = (row..rows).find(|row| differ(*row)) else { break };
            row = (first..rows).find(|row| !differ(*row)).unwrap_or(rows);
            gpu.queue.write_texture(
                wgpu::TexelCopyTextureInfo {
                    origin: wgpu::Origin3d { x: 0, y: first as u32, z: 0 },
                    ..self.texture.as_image_copy()
                },
                bytemuck::cast_slice(&after[first * self.width..row * self.width]),
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(self.width as u32 * 4),
                    rows_per_image: None,
                },
                wgpu::Extent3d {
                    width: self.width as u32,
                    height: (row - first) as u32,
                    depth_or_array_layers: 1,
                },
            );
        }
        true
    }
}

fn rows(gpu: &Gpu, width: usize, texels: &[[u8; 4]]) -> usize {
    (texels.len() / width).min(gpu.device.limits().max_texture_dimension_2d as usize)
}
