//! Still pictures of volumes, without a window: montages with label outlines and plots, as PNG. The viewer's
//! own rendering is in `shaders`; this is what the command line leaves beside its results.

mod canvas;
mod montage;
mod plot;

pub use canvas::{Canvas, label_color};
pub use montage::{MontageOptions, montage};
pub use plot::{Line, Plot};
