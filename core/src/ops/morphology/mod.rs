//! Mathematical morphology on masks and grey images: flat erosion and dilation and what is built
//! of them, reconstruction, and the operators on whole components of a mask.
//!
//! What lives here knows masks as packed bits ([`bits`]) and intensities as ordered keys ([`lane`]);
//! both are lattices, and the kernels are written once for any lattice.

mod bits;
#[cfg(test)]
mod check;
mod component_filter;
mod components;
mod dilate;
mod element;
mod flat;
#[cfg(test)]
mod golden;
mod grow;
mod lane;
mod reconstruct;

pub use components::{ClearBorder, FillHoles, KeepLargest, RemoveSmall};
pub use element::{Element, Shape};
pub use flat::{BlackTopHat, Close, Dilate, Erode, Gradient, Open, WhiteTopHat};
pub use grow::{HMaxima, HMinima, Reconstruct};
