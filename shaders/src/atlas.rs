//! One 3D texture full of bricks, shared by all images with the same texels.

use crate::bricks::{EDGE, Key};
use crate::gpu::Gpu;
use std::collections::{BTreeSet, HashMap};
use wgpu::{Extent3d, Origin3d, TextureFormat};

/// Whose brick lies in a slot: the image's number and the brick.
pub type Owner = (u64, Key);

/// The texture and who is in it.
pub struct Atlas {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    format: TextureFormat,
    /// Slots along x, y and z.
    slots: [u32; 3],
    owners: Vec<Option<Owner>>,
    /// When each slot was last drawn from.
    used: Vec<u64>,
    /// Slots by that, the longest unused first.
    order: BTreeSet<(u64, u32)>,
    places: HashMap<Owner, u32>,
    /// Bricks that it was to hold.
    asked: usize,
}

/// Slots along x, y and z for `bricks` bricks, as even as can be with at most `edge` along each; no more than `most` in
/// all.
fn slots_for(bricks: usize, most: usize, edge: usize) -> [usize; 3] {
    let side = |n: f64| (n.ceil() as usize).clamp(1, edge);
    let x = side((bricks as f64).cbrt());
    let y = side((bricks as f64 / x as f64).sqrt());
    let z = bricks.div_ceil(x * y).min(most / (x * y)).min(edge);
    if z == 0 { [most.clamp(1, edge), 1, 1] } else { [x, y, z] }
}

impl Atlas {
    /// An empty atlas for `bricks` bricks, or somewhat more, but for no more than `most` and within the limits of the
    /// device; it has at least one slot.
    pub fn new(gpu: &Gpu, format: TextureFormat, bricks: usize, most: usize) -> Self {
        // Page tables have ten bits for a place along an axis.
        let edge = (gpu.device.limits().max_texture_dimension_3d / EDGE as u32).min(1023);
        let slots = slots_for(bricks, most, edge as usize).map(|n| n as u32);
        let size = slots.map(|s| s * EDGE as u32);
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("bricks"),
            size: Extent3d { width: size[0], height: size[1], depth_or_array_layers: size[2] },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D3,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let count = slots.iter().product::<u32>();
        Self {
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
            texture,
            format,
            slots,
            owners: vec![None; count as usize],
            used: vec![0; count as usize],
            order: (0..count).map(|slot| (0, slot)).collect(),
            places: HashMap::new(),
            asked: bricks,
        }
    }

    /// What shaders read.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Slots along x, y and z.
    pub fn slots(&self) -> [u32; 3] {
        self.slots
    }

    /// Where a slot lies along x, y and z.
    pub fn place(&self, slot: u32) -> [u32; 3] {
        let [sx, sy, _] = self.slots;
        [slot % sx, slot / sx % sy, slot / (sx * sy)]
    }

    /// The slot at a place.
    pub fn slot(&self, [x, y, z]: [u32; 3]) -> u32 {
        let [sx, sy, _] = self.slots;
        (z * sy + y) * sx + x
    }

    /// How many bricks it was to hold.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// How many bricks fit.
    pub fn capacity(&self) -> usize {
        self.owners.len()
    }

    /// Bytes of the texture.
    pub fn bytes(&self) -> u64 {
        let texel = u64::from(self.format.block_copy_size(None).expect("a format of one aspect"));
        self.capacity() as u64 * texel * (EDGE * EDGE * EDGE) as u64
    }

    /// Writes a brick, or a part of it (its first texel and how many, `[z, y, x]`), into the slot that was longest unused, but none that was used at `now`. Returns
    /// the slot and who was there, or nothing if all slots are in use.
    pub fn put(
        &mut self,
        gpu: &Gpu,
        owner: Owner,
        texels: &[u8],
        [first, count]: [[usize; 3]; 2],
        now: u64,
    ) -> Option<(u32, Option<Owner>)> {
        let slot = match self.places.get(&owner) {
            Some(slot) => *slot,
            None => {
                self.order
                    .first()
                    .filter(|(used, slot)| *used < now || self.owners[*slot as usize].is_none())?
                    .1
            }
        };
        let evicted = self.owners[slot as usize].replace(owner).filter(|old| *old != owner);
        if let Some(old) = &evicted {
            self.places.remove(old);
        }
        self.places.insert(owner, slot);
        self.touch(slot, now);
        let at = self.place(slot).map(|i| i * EDGE as u32);
        let at: [u32; 3] = std::array::from_fn(|a| at[a] + first[2 - a] as u32);
        let [deep, high, wide] = count.map(|n| n as u32);
        let texel = texels.len() as u32 / (deep * high * wide).max(1);
        gpu.queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                texture: &self.texture,
                mip_level: 0,
                origin: Origin3d { x: at[0], y: at[1], z: at[2] },
                aspect: wgpu::TextureAspect::All,
            },
            texels,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(wide * texel),
                rows_per_image: Some(high),
            },
            Extent3d { width: wide, height: high, depth_or_array_layers: deep },
        );
        Some((slot, evicted))
    }

    /// Notes that a slot is drawn from at `now`.
    pub fn touch(&mut self, slot: u32, now: u64) {
        let used = &mut self.used[slot as usize];
        if *used != now {
            self.order.remove(&(*used, slot));
            *used = now;
            self.order.insert((now, slot));
        }
    }

    /// Gives the slots of an image back.
    pub fn release(&mut self, image: u64) {
        for slot in 0..self.owners.len() {
            if let Some(owner) = self.owners[slot].filter(|o| o.0 == image) {
                self.owners[slot] = None;
                self.places.remove(&owner);
                self.touch(slot as u32, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::slots_for;

    #[test]
    fn there_is_a_slot_for_every_brick_that_was_asked_for() {
        for bricks in 1..4000 {
            let slots: usize = slots_for(bricks, 1 << 20, 60).iter().product();
            assert!(slots >= bricks && slots <= bricks * 3 / 2 + 2, "{bricks}: {slots}");
            for most in [1, 2, 3, 5, 17, 100, 1000] {
                let slots: usize = slots_for(bricks.min(most), most, 60).iter().product();
                assert!((1..=most).contains(&slots), "{bricks}, at most {most}: {slots}");
                assert!(slots * 2 >= bricks.min(most), "{bricks}, at most {most}: {slots}");
            }
        }
        assert_eq!(slots_for(1 << 30, 1 << 30, 60), [60; 3]);
    }
}
