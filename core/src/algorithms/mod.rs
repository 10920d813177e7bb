//! Algorithms on arrays that several measurements and operators need: connected components, distances, local thickness,
//! hulls, nearest neighbours, exact sums. Nothing here declares an operator or makes a table.

pub mod components;
pub mod distance;
pub mod enclosing;
pub mod exact_sum;
pub mod hull;
pub mod kdtree;
pub mod linear;
pub mod relabel;
pub mod thickness;
