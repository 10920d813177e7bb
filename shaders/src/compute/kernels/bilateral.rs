//! The GPU kernel of the bilateral filter. Its sums are in the operator's order, but its fused multiplications are as
//! the device has them, which may not be fused: within 10⁻⁵ of the greatest intensity. Images that are rounded to
//! whole numbers could then differ by one, so these have no GPU kernel.

use super::border;
use crate::compute::graph::{Graph, Pass, Slot};
use std::f64::consts::LOG2_E;
use voxelry_core::VoxelType;
use voxelry_core::blocks::Step;
use voxelry_core::ops::Call;

const BILATERAL: &str = include_str!("../../../wgsl/compute/bilateral.wgsl");

pub fn bilateral(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    if step.output.voxel != VoxelType::F32 {
        return None;
    }
    let call = Call { op: step.op, args: &step.args, inputs: &step.inputs };
    let (sigma, truncate) = (call.voxels("sigma").ok()?, step.args.float("truncate"));
    let reach = sigma.map(|s| (truncate * s).ceil() as usize);
    let factor = (-0.5 * LOG2_E / step.args.float("range").powi(2)) as f32;
    let mut table = vec![reach[2] as u32, reach[1] as u32, reach[0] as u32, factor.to_bits()];
    let part = |a: usize| {
        let r = reach[a] as isize;
        (-r..=r).map(move |d| if d == 0 { 0.0 } else { (d as f64 / sigma[a]).powi(2) })
    };
    for z in part(0) {
        for y in part(1) {
            table.extend(part(2).map(|x| ((-0.5 * LOG2_E * (z + y + x)) as f32).to_bits()));
        }
    }
    Some(graph.pass(Pass {
        name: "bilateral",
        code: border(step.args.text("border")).to_owned() + BILATERAL,
        inputs: vec![of],
        halo: reach,
        table,
        made: VoxelType::F32,
        points: vec![],
        double: false,
    }))
}
