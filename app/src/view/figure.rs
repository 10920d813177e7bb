//! Panes as pictures, without a window: every brick that a pane shows is read first.

use super::document::{Content, Pane, Scene};
use super::frame_budget::FrameBudget;
use super::open;
use super::painter::{Painter, Shot};
use super::projection::Quality;
use anyhow::Result;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use voxelry_core::picture::Canvas;
use voxelry_core::{Error, Job};
use voxelry_shaders::gpu::Gpu;
use voxelry_shaders::picture::FORMAT;
use wgpu::{CommandEncoder, Texture, TextureView};

/// Bytes for each kind of voxel on the graphics device.
pub const BUDGET: u64 = 1 << 30;
/// Bytes of a picture that are read back at a time.
const READ: u32 = 16 << 20;

/// Gives layers of intensities that have none yet a window that shows them well.
///
/// # Errors
/// If they cannot be read.
pub fn survey(scene: &mut Scene) -> Result<()> {
    for layer in &mut scene.layers {
        if layer.content == Content::Grey && layer.stats.is_none() {
            let stats = open::survey(&layer.source, layer.channel, layer.time)?;
            layer.display.window = layer.display.window.or(Some(layer.window_of(&stats)));
            layer.stats = Some(Arc::new(stats));
        }
    }
    Ok(())
}

/// Picture of a pane, once all its bricks are resident.
///
/// # Errors
/// If the image can't be read.
pub fn load(
    painter: &mut Painter,
    scene: &Scene,
    pane: Pane,
    size: [u32; 2],
    quality: Quality,
    job: &Job,
) -> Result<Vec<Shot>> {
    loop {
        job.check()?;
        painter.begin();
        let (shots, complete) = painter.shots(scene, pane, size, quality);
        if let Some(error) = painter.errors().into_iter().next() {
            anyhow::bail!(error);
        }
        if complete {
            return Ok(shots);
        }
        painter.end();
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether a device can draw a pane of so many pixels, which are `scale` times those asked for.
///
/// # Errors
/// Largest scale factor.
pub fn fits(size: [u32; 2], scale: f64, most: u32) -> voxelry_core::Result<()> {
    let [width, height] = size;
    let long = width.max(height);
    if long <= most {
        return Ok(());
    }
    let largest = scale * f64::from(most) / f64::from(long);
    // Rounded down: what is said must work.
    let largest = if largest >= 1.0 { largest.floor() } else { (largest * 100.0).floor() / 100.0 };
    let reason = format!(
        "{width} × {height} pixels are more than this device draws, which is {most} along a side; \
         the largest scale is {largest}"
    );
    Err(Error::Usage(reason))
}

/// Draws pictures of panes one after the other; what they share is read once.
pub struct FigureRenderer {
    painter: Painter,
    pace: FrameBudget,
    background: wgpu::Color,
}

impl FigureRenderer {
    /// A press that keeps at most `budget` bytes for each kind of voxel on the device.
    pub fn new(gpu: Gpu, budget: u64, background: [u8; 3]) -> Self {
        let [r, g, b] = background.map(|c| f64::from(c) / 255.0);
        Self {
            painter: Painter::new(gpu, budget, Arc::new(|| ())).patient(),
            pace: FrameBudget::default(),
            background: wgpu::Color { r, g, b, a: 1.0 },
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.painter.gpu()
    }

    /// Draws a pane of so many pixels, and what `over` records over it. It is drawn in strips, so that a window
    /// that shares the device isn't held up; the job advances by its pixels.
    ///
    /// # Errors
    /// If it is too large, the image can't be read, or the device fails.
    pub fn pane(
        &mut self,
        scene: &Scene,
        pane: Pane,
        size: [u32; 2],
        job: &Job,
        over: impl FnOnce(&Gpu, &mut CommandEncoder, &TextureView),
    ) -> Result<Canvas> {
        fits(size, 1.0, self.gpu().device.limits().max_texture_dimension_2d)?;
        let shots = load(&mut self.painter, scene, pane, size, Quality::SHARP, job)?;
        let gpu = self.gpu().clone();
        let target = target(&gpu, size);
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        self.strips(&shots, size, &view, job)?;
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        over(&gpu, &mut encoder, &view);
        gpu.queue.submit([encoder.finish()]);
        read(&gpu, &target, size, job)
    }

    fn strips(&mut self, shots: &[Shot], size: [u32; 2], view: &TextureView, job: &Job) -> Result<()> {
        let drawing = self.painter.prepare(shots, size);
        let gpu = self.gpu();
        let mut row = 0;
        while row < size[1] {
            job.check()?;
            let rows = (self.pace.pixels() / f64::from(size[0])).clamp(1.0, f64::from(size[1])) as u32;
            let end = (row + rows.next_multiple_of(4)).min(size[1]);
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            drawing.record(&mut encoder, view, self.background, (size[0], row..end));
            let begun = Instant::now();
            let index = gpu.queue.submit([encoder.finish()]);
            let waited =
                gpu.device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None });
            waited.map_err(|e| anyhow::anyhow!("the device failed: {e}"))?;
            let pixels = u64::from(end - row) * u64::from(size[0]);
            self.pace.learn(begun.elapsed(), pixels);
            job.advance(pixels);
            row = end;
        }
        Ok(())
    }
}

fn target(gpu: &Gpu, size: [u32; 2]) -> Texture {
    gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("figure"),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    })
}

/// Reads a picture back, some rows at a time.
fn read(gpu: &Gpu, target: &Texture, size: [u32; 2], job: &Job) -> Result<Canvas> {
    let [width, height] = size;
    let row = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let most = (READ / row).clamp(1, height);
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("figure"),
        size: u64::from(row) * u64::from(most),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let lost = || anyhow::anyhow!("the device failed while a picture was read back");
    let mut canvas = Canvas { width: width as usize, height: height as usize, pixels: Vec::new() };
    canvas.pixels.reserve_exact(canvas.width * canvas.height * 3);
    let mut first = 0;
    while first < height {
        job.check()?;
        let rows = most.min(height - first);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        encoder.copy_texture_to_buffer(
            wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d { x: 0, y: first, z: 0 },
                ..target.as_image_copy()
            },
            wgpu::TexelCopyBufferInfo { buffer: &buffer, layout },
            wgpu::Extent3d { width, height: rows, depth_or_array_layers: 1 },
        );
        let index = gpu.queue.submit([encoder.finish()]);
        let (send, receive) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody waits for it if polling failed.
            let _ = send.send(result.is_ok());
        });
        gpu.device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None })?;
        // Another thread that waits for the device may be the one that hears of it.
        if !receive.recv_timeout(Duration::from_secs(10)).unwrap_or(false) {
            return Err(lost());
        }
        {
            let bytes = buffer.get_mapped_range(..).map_err(|_| lost())?;
            for line in bytes.chunks_exact(row as usize).take(rows as usize) {
                let pixels = line[..canvas.width * 4].chunks_exact(4);
                canvas.pixels.extend(pixels.flat_map(|p| [p[0], p[1], p[2]]));
            }
        }
        buffer.unmap();
        first += rows;
    }
    Ok(canvas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused_with_the_largest_scale() {
        assert!(fits([8192, 100], 4.0, 8192).is_ok());
        let refused = |size, scale| fits(size, scale, 8192).unwrap_err().to_string();
        assert!(refused([10_240, 6400], 8.0).ends_with("the largest scale is 6"));
        assert!(refused([20_000, 20_000], 1.0).ends_with("the largest scale is 0.4"));
    }
}
