//! Still pictures of volumes, without a window: montages with label outlines and plots, as PNG.

mod canvas;
mod montage;
mod plot;

pub use canvas::{Canvas, check_name, label_color};
pub use montage::{MontageOptions, montage};
pub use plot::{Line, Plot};
