//! Documents, planes, cameras and their painter, without a window.
//! The window and the commands that make pictures stand on this alike.

pub mod colours;
pub mod difference;
pub mod document;
pub mod figure;
pub mod frame_budget;
pub mod label_editor;
pub mod label_names;
pub mod live;
pub mod loader;
pub mod movie;
pub mod movie_writer;
pub mod objects;
pub mod open;
pub mod painter;
pub mod plane;
pub mod profile;
pub mod projection;
pub mod recipe_run;
pub mod region_stats;
pub mod remeasure;
pub mod ruler;
pub mod stats;
pub mod study;
#[cfg(test)]
mod tests;

pub use document::{Content, Display, Document, Layer, Pane, Scene, Show, Style, View};
pub use painter::Painter;
