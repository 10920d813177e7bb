//! The GPU kernel of label boundaries.

use super::packed;
use crate::compute::graph::{Graph, Pass, Slot};
use voxelry_core::VoxelType;
use voxelry_core::algorithms::components::Connectivity;
use voxelry_core::blocks::Step;

const BOUNDARIES: &str = include_str!("../../../wgsl/compute/boundaries.wgsl");

pub fn boundaries(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let mode = step.args.text("mode");
    let steps = Connectivity::of(&step.args, "connectivity").neighbours();
    let mut table = vec![u32::from(mode != "outer"), u32::from(mode != "inner"), steps.len() as u32];
    table.extend(steps.into_iter().map(packed));
    Some(graph.pass(Pass {
        name: "boundaries",
        code: BOUNDARIES.to_owned(),
        inputs: vec![of],
        halo: [1; 3],
        table,
        made: VoxelType::U8,
        points: vec![],
        double: false,
    }))
}
