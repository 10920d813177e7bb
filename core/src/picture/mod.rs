//! Still pictures of volumes, without a window: montages with label outlines, as PNG. The viewer's
//! own rendering is in `shaders`; this is what the command line leaves beside its results.

mod canvas;
mod montage;

pub use canvas::{Canvas, label_color};
pub use montage::{MontageOptions, montage};
