//! Which operators have GPU kernels on the device, and how their arguments become passes. An operator that is not in
//! [`GPU_KERNELS`], or whose arguments a GPU kernel does not know, runs on the processor.

mod bilateral;
mod boundaries;
mod components;
mod distance;
mod flat;
mod intensity;
mod number;
mod rank;
mod separable;
mod statistics;

pub use statistics::uniforms as uniforms_of_whole;

use super::bricks::{Image, Limits};
use super::device::{Device, Failure};
use super::graph::{Graph, Slot};
use std::sync::Arc;
use voxelry_core::blocks::Step;
use voxelry_core::{Job, VoxelType};

/// How far a GPU kernel may be from its operator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The same bits (any NaN is as good as another).
    Exact,
    /// Floats: `|kernel − operator| ≤ bound · (greatest finite |v| of the image)`.
    Within(f64),
}

/// Makes passes of a step that needs only the surroundings of each voxel; `None` for arguments or types of voxels
/// that have no GPU kernel.
pub type Local = fn(&mut Graph, Slot, &Step, &[Option<Slot>]) -> Option<Slot>;

/// A step that needs the whole image.
pub struct Global {
    /// Whether it can do it for these arguments and an image of this size.
    pub takes: fn(&Step, &Limits) -> bool,
    /// Does it.
    pub run: fn(&Arc<Device>, &Step, &Image, &[Option<Image>], &Limits, &Job) -> Result<Image, Failure>,
}

/// An operator's GPU kernel.
pub struct GpuKernel {
    /// The operator.
    pub op: &'static str,
    /// How it runs brick by brick, fused with the steps around it.
    pub local: Option<Local>,
    /// How it runs on the whole image, where it can't brick by brick.
    pub global: Option<Global>,
    /// How close it is.
    pub bound: Bound,
}

const fn local(op: &'static str, local: Local) -> GpuKernel {
    GpuKernel { op, local: Some(local), global: None, bound: Bound::Exact }
}

const fn either(op: &'static str, local: Local, global: Global) -> GpuKernel {
    GpuKernel { op, local: Some(local), global: Some(global), bound: Bound::Exact }
}

const fn global(op: &'static str, global: Global) -> GpuKernel {
    GpuKernel { op, local: None, global: Some(global), bound: Bound::Exact }
}

/// All GPU kernels.
pub static GPU_KERNELS: &[GpuKernel] = &[
    local("threshold", intensity::threshold),
    local("clip", intensity::clip),
    local("cast", intensity::cast),
    local("mask", intensity::mask),
    local("arithmetic", intensity::arithmetic),
    local("logarithm", intensity::logarithm),
    either("rescale", intensity::rescale, statistics::RESCALE),
    either("invert", intensity::invert, statistics::INVERT),
    global("normalise", statistics::NORMALISE),
    local("gaussian", separable::gaussian),
    local("mean", separable::mean),
    local("median", rank::median),
    local("percentile", rank::percentile),
    local("gradient-magnitude", separable::gradient),
    GpuKernel {
        op: "bilateral",
        local: Some(bilateral::bilateral),
        global: None,
        bound: Bound::Within(1e-5),
    },
    local("erode", flat::erode),
    local("dilate", flat::dilate),
    local("open", flat::open),
    local("close", flat::close),
    local("boundaries", boundaries::boundaries),
    global("otsu", statistics::AUTOMATIC),
    global("li", statistics::AUTOMATIC),
    global("yen", statistics::AUTOMATIC),
    global("triangle", statistics::AUTOMATIC),
    global("isodata", statistics::AUTOMATIC),
    global("label", components::LABEL),
    global("distance", distance::DISTANCE),
    global("grow", components::GROW),
];

/// The GPU kernel of an operator.
pub fn find(op: &str) -> Option<&'static GpuKernel> {
    GPU_KERNELS.iter().find(|t| t.op == op)
}

/// The shaders of kernels on whole images, for tests, with what they are called.
pub fn whole_shaders(voxel: VoxelType) -> Vec<(&'static str, String)> {
    [statistics::shaders(voxel), components::shaders(voxel)].concat()
}

/// Passes of steps that need the whole image in one brick, for tests.
pub fn passes_of_whole(graph: &mut Graph, of: Slot, step: &Step) -> Option<Slot> {
    if step.op == "distance" { distance::passes(graph, of, step) } else { None }
}

/// Whether voxels of this type go to the device.
pub fn holds(voxel: VoxelType) -> bool {
    voxel.size() <= 4
}

/// Offsets, each axis plus 128 in a byte, as `rank.wgsl` reads them.
fn packed([z, y, x]: [isize; 3]) -> u32 {
    ((x + 128) | (y + 128) << 8 | (z + 128) << 16) as u32
}

/// The WGSL of a border rule: the index inside `0..n` that stands for `i`.
fn border(name: &str) -> &'static str {
    match name {
        "reflect" => {
            "\nfn border(i: i32, n: i32) -> i32 {\n    if i >= 0 && i < n {\n        return i;\n    }\n    \
             let k = ((i % (2 * n)) + 2 * n) % (2 * n);\n    return min(k, 2 * n - 1 - k);\n}\n"
        }
        "mirror" => {
            "\nfn border(i: i32, n: i32) -> i32 {\n    if i >= 0 && i < n {\n        return i;\n    }\n    \
             if n == 1 {\n        return 0;\n    }\n    let k = ((i % (2 * n - 2)) + 2 * n - 2) % (2 * n - 2);\n    \
             return min(k, 2 * n - 2 - k);\n}\n"
        }
        _ => "\nfn border(i: i32, n: i32) -> i32 {\n    return clamp(i, 0, n - 1);\n}\n",
    }
}
