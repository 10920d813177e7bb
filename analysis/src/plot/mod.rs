//! Plots as SVG, in colours that the colour-blind can tell apart, with units on their axes.

pub mod axis;
pub mod genome;
pub mod groups;
pub mod svg;

/// Colours of Okabe and Ito (2008), without the yellow that is lost on white.
pub const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555"];
