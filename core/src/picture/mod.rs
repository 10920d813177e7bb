//! Still pictures of volumes, without a window: montages with label outlines and plots, as PNG.

mod canvas;
mod label_colors;
mod montage;
mod plot;

pub use canvas::{Canvas, check_name};
pub use label_colors::{DISTINCT, label_color, label_index};
pub use montage::{MontageOptions, montage};
pub use plot::{Line, Plot};
