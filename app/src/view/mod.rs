//! What is looked at and how, without a window: documents, planes and cameras, and what paints them.
//! The window and the commands that make pictures stand on this alike.

pub mod anew;
pub mod board;
pub mod colours;
pub mod difference;
pub mod document;
pub mod figure;
pub mod live;
pub mod loader;
pub mod movie;
pub mod names;
pub mod objects;
pub mod open;
pub mod pace;
pub mod painter;
pub mod plane;
pub mod profile;
pub mod reel;
pub mod roi;
pub mod ruling;
pub mod shot;
pub mod stats;
#[cfg(test)]
mod tests;
pub mod work;

pub use document::{Content, Display, Document, Layer, Pane, Scene, Show, Style, View};
pub use painter::Painter;
