//! The GPU side of Voxelry.
//!
//! Every image reaches the GPU as bricks in an atlas with a page table ([`bricks`], [`atlas`],
//! [`image`], [`store`]), images in memory too: neither the limit of 3D textures nor the GPU's memory bounds
//! what can be looked at, and out-of-core is not a second renderer. What is drawn from them lies in
//! [`slice`] and [`volume`]; [`lookup`] has the colours of labels. Nothing here knows of a window: a renderer draws into any texture view.

pub mod atlas;
pub mod bricks;
pub mod compute;
mod draw;
pub mod gpu;
pub mod image;
pub mod lookup;
pub mod picture;
pub mod slice;
pub mod store;
pub mod volume;

pub use draw::{Blend, Depth, Draw, Drawing};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter, or none that will do.
    #[error("{0}")]
    NoAdapter(String),
    /// The device cannot do what was asked.
    #[error("the graphics device: {0}")]
    Device(String),
    /// The image could not be read.
    #[error(transparent)]
    Core(#[from] voxelry_core::Error),
}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
