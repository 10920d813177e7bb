//! GPU kernels of the sums of separable kernels: along x, y and z, one pass each, in the operators' order of sums, so
//! that floats come out the same.

use super::border;
use super::number::{bitwise, calculated};
use crate::compute::graph::{Graph, Pass, Point, Slot};
use voxelry_core::VoxelType;
use voxelry_core::blocks::Step;
use voxelry_core::ops::{Call, Taps};

const SEPARABLE: &str = include_str!("../../../wgsl/compute/separable.wgsl");
const MAGNITUDE: &str = include_str!("../../../wgsl/compute/magnitude.wgsl");

/// Letters of the axes `[z, y, x]`.
pub const AXES: [&str; 3] = ["z", "y", "x"];

/// Whether the operators calculate with this type in f32.
fn is_narrow(voxel: VoxelType) -> bool {
    voxel.size() <= 2 || voxel == VoxelType::F32
}

fn voxels(step: &Step, name: &str) -> Option<[f64; 3]> {
    let call = Call { op: step.op, args: &step.args, inputs: &step.inputs };
    call.voxels(name).ok()
}

/// A sum along an axis, in f32.
fn along(graph: &mut Graph, of: Slot, axis: usize, taps: &Taps, rule: &str) -> Slot {
    let mut table = vec![taps.radius() as u32];
    table.extend(taps.weights.iter().map(|w| (*w as f32).to_bits()));
    let code = SEPARABLE.replace("NUMBER", "f32").replace("LOAD", "a_f32").replace("FIRST", "exact");
    line(graph, of, axis, code, if taps.odd { "-" } else { "+" }, taps.radius(), table, VoxelType::F32, rule)
}

/// A sum of whole numbers along an axis.
fn counted(graph: &mut Graph, of: Slot, axis: usize, radius: usize, rule: &str) -> Slot {
    let mut table = vec![radius as u32];
    table.extend(vec![1; radius + 1]);
    let code = SEPARABLE.replace("NUMBER", "i32").replace("LOAD", "a_whole").replace("FIRST", "");
    line(graph, of, axis, code, "+", radius, table, VoxelType::I32, rule)
}

fn line(
    graph: &mut Graph,
    of: Slot,
    axis: usize,
    code: String,
    sign: &str,
    radius: usize,
    table: Vec<u32>,
    made: VoxelType,
    rule: &str,
) -> Slot {
    let mut halo = [0; 3];
    halo[axis] = radius;
    graph.pass(Pass {
        name: "separable",
        code: border(rule).to_owned() + &code.replace("AXIS", AXES[axis]).replace("SIGN", sign),
        inputs: vec![of],
        halo,
        table,
        made,
        points: vec![],
        double: false,
    })
}

/// The values as f32.
fn as_float(graph: &mut Graph, of: Slot) -> Slot {
    match graph.voxel(of) {
        VoxelType::F32 => of,
        voxel => {
            let code = match voxel {
                VoxelType::I8 | VoxelType::I16 => "    return bitcast<u32>(f32(bitcast<i32>(v)));\n",
                _ => "    return bitcast<u32>(f32(v));\n",
            };
            graph.point(of, bitwise(VoxelType::F32, vec![], code))
        }
    }
}

/// A sum along an axis, left out where the kernel leaves the image as it is.
fn smoothed(graph: &mut Graph, of: Slot, axis: usize, taps: &Taps, rule: &str) -> Slot {
    if *taps == Taps::identity() { of } else { along(graph, of, axis, taps, rule) }
}

/// Rounds f32 half to even into another type.
fn rounded(made: VoxelType) -> Point {
    calculated(VoxelType::F32, made, &[], "    let r = v64;\n")
}

pub fn gaussian(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let voxel = step.inputs[0]?.voxel;
    if !is_narrow(voxel) {
        return None;
    }
    let (sigma, truncate) = (voxels(step, "sigma")?, step.args.float("truncate"));
    let rule = step.args.text("border");
    let mut at = of;
    for axis in [2, 1, 0] {
        at = smoothed(graph, at, axis, &Taps::gaussian(sigma[axis], truncate), rule);
    }
    at = as_float(graph, at);
    if step.output.voxel != VoxelType::F32 {
        at = graph.point(at, rounded(step.output.voxel));
    }
    Some(at)
}

pub fn mean(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let voxel = step.inputs[0]?.voxel;
    if !is_narrow(voxel) {
        return None;
    }
    let radius = voxels(step, "radius")?.map(|r| r.round() as usize);
    let count: usize = radius.iter().map(|r| 2 * r + 1).product();
    let (rule, made) = (step.args.text("border"), step.output.voxel);
    // Sums of whole numbers must stay whole numbers of 32 bits.
    if voxel != VoxelType::F32 && count > 1 << 15 {
        return None;
    }
    let mut at = of;
    for axis in [2, 1, 0] {
        if radius[axis] > 0 || voxel != VoxelType::F32 && axis == 0 {
            at = if voxel == VoxelType::F32 {
                along(graph, at, axis, &Taps::sum(radius[axis]), rule)
            } else {
                counted(graph, at, axis, radius[axis], rule)
            };
        }
    }
    let factor = 1.0 / count as f64;
    let code = if count == 1 { "    let r = v64;\n" } else { "    let r = d_mul(v64, k0);\n" };
    if voxel == VoxelType::F32 {
        at = graph.point(at, calculated(VoxelType::F32, made, &[factor], code));
    } else {
        at = graph.point(at, calculated(VoxelType::I32, made, &[factor], code));
    }
    Some(at)
}

pub fn gradient(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let grid = step.inputs[0]?;
    if !is_narrow(grid.voxel) {
        return None;
    }
    let (sigma, truncate) = (voxels(step, "sigma")?, step.args.float("truncate"));
    let rule = step.args.text("border");
    let [z, y, x] = sigma.map(|s| Taps::gaussian(s, truncate));
    let [dz, dy, dx] = sigma.map(|s| Taps::gaussian_slope(s, truncate));
    // As the operator: along x the kernel and its slope; of these along y; of those along z.
    let smooth_x = along(graph, of, 2, &x, rule);
    let slope_x = along(graph, of, 2, &dx, rule);
    let parts = [
        (along(graph, smooth_x, 1, &y, rule), &dz),
        (along(graph, smooth_x, 1, &dy, rule), &z),
        (along(graph, slope_x, 1, &y, rule), &z),
    ];
    let factors = grid.geometry.spacing().map(|s| 1.0 / s);
    let mut table = Vec::new();
    let mut weights: Vec<u32> = Vec::new();
    for (i, (_, taps)) in parts.iter().enumerate() {
        table.extend(super::number::words(factors[i]));
        table.extend([taps.radius() as u32, u32::from(taps.odd), 15 + weights.len() as u32]);
        weights.extend(taps.weights.iter().map(|w| (*w as f32).to_bits()));
    }
    table.extend(weights);
    Some(graph.pass(Pass {
        name: "gradient magnitude",
        code: border(rule).to_owned() + MAGNITUDE,
        inputs: parts.iter().map(|p| p.0).collect(),
        halo: [z.radius().max(dz.radius()), 0, 0],
        table,
        made: VoxelType::F32,
        points: vec![],
        double: true,
    }))
}
