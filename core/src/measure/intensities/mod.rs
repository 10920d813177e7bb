//! Passes over intensities that are more than sums: distributions, histograms, image quality.

pub mod distribution;
pub mod histogram;
pub mod mode;
pub mod percentiles;
pub mod quality;
pub mod slices;
