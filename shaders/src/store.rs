//! All images on the GPU, within one budget.

use crate::Result;
use crate::atlas::Atlas;
use crate::bricks::{Brick, EDGE, Key, Layout, Texels};
use crate::gpu::Gpu;
use crate::image::GpuImage;
use std::collections::HashMap;
use wgpu::TextureFormat;

/// Images, and an atlas for every kind of texels.
pub struct Store {
    gpu: Gpu,
    budget: u64,
    atlases: HashMap<TextureFormat, Atlas>,
    images: HashMap<u64, GpuImage>,
    now: u64,
    next: u64,
}

impl Store {
    /// An empty store whose atlases take at most `budget` bytes together.
    pub fn new(gpu: Gpu, budget: u64) -> Self {
        Self { gpu, budget, atlases: HashMap::new(), images: HashMap::new(), now: 1, next: 1 }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Bytes that all atlases may take.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Bytes that all atlases take.
    pub fn bytes(&self) -> u64 {
        self.atlases.values().map(Atlas::bytes).sum()
    }

    /// Takes an image in, of which no brick is there yet. Returns its number.
    ///
    /// # Errors
    /// If its page table is more than the device can bind.
    pub fn add(&mut self, layout: Layout, texels: Texels) -> Result<u64> {
        let most = self.gpu.device.limits().max_storage_buffer_binding_size;
        if 8 * layout.len() as u64 > most {
            let bricks = layout.len();
            return Err(crate::Error::Device(format!(
                "an image of {bricks} bricks needs a larger page table than this device allows ({most} bytes)"
            )));
        }
        let brick = (texels.size() * EDGE * EDGE * EDGE) as u64;
        let others = self.images.values().filter(|i| i.texels().format == texels.format);
        let bricks: usize = others.map(|i| i.layout().len()).sum::<usize>() + layout.len();
        let most = (self.budget / brick).max(1) as usize;
        let there = self.atlases.get(&texels.format).map_or([0; 2], |a| [a.capacity(), a.asked()]);
        if there[0] < bricks && (there[0] == 0 || there[1] < most) {
            let room = (self.room(texels.format) / brick).max(1) as usize;
            if room > there[0] {
                self.renew(texels.format, bricks.next_power_of_two().min(room), room);
                self.share_out(texels.format);
            }
        }
        let id = self.next;
        self.next += 1;
        let image = GpuImage::new(&self.gpu, id, layout, texels, &self.atlases[&texels.format]);
        self.images.insert(id, image);
        Ok(id)
    }

    /// Bytes that the atlas of a format may take: what the others leave, and at least an equal share.
    fn room(&self, format: TextureFormat) -> u64 {
        let others = self.atlases.iter().filter(|(f, _)| **f != format);
        let (count, taken) = others.fold((1, 0), |(count, taken), (_, a)| (count + 1, taken + a.bytes()));
        self.budget.saturating_sub(taken).max(self.budget / count)
    }

    /// Where the atlas of a format has made all of them more than the budget, larger ones become smaller.
    fn share_out(&mut self, format: TextureFormat) {
        let share = self.budget / self.atlases.len().max(1) as u64;
        let large = |(f, a): (&TextureFormat, &Atlas)| (*f != format && a.bytes() > share).then_some(*f);
        let others: Vec<TextureFormat> = self.atlases.iter().filter_map(large).collect();
        if self.bytes() > self.budget {
            for other in others {
                let texel = u64::from(other.block_copy_size(None).expect("a format of one aspect"));
                let bricks = (share / (texel * (EDGE * EDGE * EDGE) as u64)).max(1) as usize;
                self.renew(other, bricks, bricks);
            }
        }
    }

    /// Makes the atlas of a format anew. It is empty: its images are told, and ask for their bricks again.
    fn renew(&mut self, format: TextureFormat, bricks: usize, most: usize) {
        let atlas = Atlas::new(&self.gpu, format, bricks, most);
        for (id, image) in &mut self.images {
            if image.texels().format == format {
                *image = GpuImage::new(&self.gpu, *id, image.layout().clone(), image.texels(), &atlas);
            }
        }
        self.atlases.insert(format, atlas);
    }

    /// Lets an image go.
    pub fn remove(&mut self, id: u64) {
        let Some(image) = self.images.remove(&id) else { return };
        if let Some(atlas) = self.atlases.get_mut(&image.texels().format) {
            atlas.release(id);
        }
    }

    /// An image.
    pub fn image(&self, id: u64) -> Option<&GpuImage> {
        self.images.get(&id)
    }

    /// How many bricks an image may have there at once, if it is to leave `shares − 1` others as much;
    /// all, while every image fits.
    pub fn share(&self, id: u64, shares: usize) -> usize {
        let Some(format) = self.images.get(&id).map(|i| i.texels().format) else { return 0 };
        let capacity = self.atlases.get(&format).map_or(0, Atlas::capacity);
        let of_kind = self.images.values().filter(|i| i.texels().format == format);
        let all: usize = of_kind.map(|i| i.layout().len()).sum();
        if all <= capacity { all } else { capacity / shares.max(1) }
    }

    /// A frame begins: what it asks for is not given away while it lasts.
    pub fn begin(&mut self) {
        self.now += 1;
    }

    /// Which of the bricks are not there; the others count as used in this frame. What does not fit
    /// into the atlas beside the others is left out.
    pub fn missing(&mut self, id: u64, wanted: &[Key]) -> Vec<Key> {
        let Some(image) = self.images.get(&id) else { return Vec::new() };
        let Some(atlas) = self.atlases.get_mut(&image.texels().format) else { return Vec::new() };
        let wanted = &wanted[..wanted.len().min(atlas.capacity())];
        wanted.iter().copied().filter(|key| !image.has(*key, atlas, self.now)).collect()
    }

    /// Takes a brick in; whether there was room.
    pub fn put(&mut self, id: u64, key: Key, brick: &Brick) -> bool {
        let Some(image) = self.images.get_mut(&id) else { return false };
        let Some(atlas) = self.atlases.get_mut(&image.texels().format) else { return false };
        let (evicted, there) = image.put(&self.gpu, atlas, key, brick, self.now);
        if let Some((owner, old)) = evicted
            && let Some(image) = self.images.get_mut(&owner)
        {
            image.forget(old);
        }
        there
    }

    /// Tells the GPU what changed.
    pub fn flush(&mut self) {
        for image in self.images.values_mut() {
            image.flush(&self.gpu);
        }
    }
}
