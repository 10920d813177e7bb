//! GPU kernels of erosion, dilation, opening and closing by a flat structuring element, as maxima of keys.

use super::separable::AXES;
use crate::compute::graph::{Graph, Pass, Slot};
use voxelry_core::VoxelType;
use voxelry_core::blocks::Step;
use voxelry_core::ops::morphology::{Element, Shape};
use voxelry_core::ops::{Call, Kind};

const FLAT: &str = include_str!("../../../wgsl/compute/flat.wgsl");
const LINE: &str = include_str!("../../../wgsl/compute/flat_line.wgsl");

/// The most voxels of an element that is not a box, and the longest line, that are worth a pass.
const MOST: usize = 4096;

pub fn erode(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    run(graph, of, step, &[true])
}

pub fn dilate(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    run(graph, of, step, &[false])
}

pub fn open(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    run(graph, of, step, &[true, false])
}

pub fn close(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    run(graph, of, step, &[false, true])
}

fn run(graph: &mut Graph, of: Slot, step: &Step, erosions: &[bool]) -> Option<Slot> {
    let grid = step.inputs[0]?;
    if grid.kind == Kind::Labels {
        return None;
    }
    let element = Element::of(&Call { op: step.op, args: &step.args, inputs: &step.inputs }).ok()?;
    let mut at = of;
    for &erode in erosions {
        at = spread(graph, at, &element, erode, grid.kind == Kind::Mask)?;
    }
    Some(at)
}

fn spread(graph: &mut Graph, of: Slot, element: &Element, erode: bool, mask: bool) -> Option<Slot> {
    let voxel = graph.voxel(of);
    let keys = keys(voxel, erode, mask);
    let pass = |code: String, of: Slot, halo: [usize; 3], table: Vec<u32>| Pass {
        name: "flat",
        code: keys.clone() + &code,
        inputs: vec![of],
        halo,
        table,
        made: voxel,
        points: vec![],
        double: false,
    };
    if element.shape == Shape::Box {
        let mut at = of;
        for axis in [2, 1, 0] {
            let half = element.half[axis];
            if half > MOST {
                return None;
            }
            if half > 0 || axis == 0 && at == of {
                let mut halo = [0; 3];
                halo[axis] = half;
                at = graph.pass(pass(LINE.replace("AXIS", AXES[axis]), at, halo, vec![half as u32]));
            }
        }
        return Some(at);
    }
    let mut table = vec![0];
    let mut voxels = 0;
    for group in &element.groups {
        for row in &group.rows {
            table.extend([row.dz as i32 as u32, row.dy as i32 as u32, group.half_width as u32]);
            table[0] += 1;
            voxels += 2 * group.half_width + 1;
        }
    }
    (voxels <= MOST).then(|| graph.pass(pass(FLAT.to_owned(), of, element.half, table)))
}

/// Unsigned numbers in the order of the values, or in the opposite one for erosion; NaN is the least either way.
fn keys(voxel: VoxelType, erode: bool, mask: bool) -> String {
    let (key, of_key) = match voxel {
        _ if mask => {
            let flip = u32::from(erode);
            (format!("select(0u, 1u, v != 0u) ^ {flip}u"), format!("k ^ {flip}u"))
        }
        VoxelType::F32 => {
            let flip = if erode { "0xffffffffu" } else { "0u" };
            (
                format!(
                    "select(select(v | 0x80000000u, ~v, (v & 0x80000000u) != 0u) ^ {flip}, 0u, is_nan(v))"
                ),
                format!(
                    "select(select(~(k ^ {flip}), (k ^ {flip}) ^ 0x80000000u, ((k ^ {flip}) & 0x80000000u) != 0u), \
                     0x7fc00000u, k == 0u)"
                ),
            )
        }
        _ => {
            let bits = 8 * voxel.size();
            let all = if bits == 32 { u32::MAX } else { (1 << bits) - 1 };
            let signed = matches!(voxel, VoxelType::I8 | VoxelType::I16 | VoxelType::I32);
            let flip = if signed { 1u32 << (bits - 1) } else { 0 } ^ if erode { all } else { 0 };
            (format!("(v & {all}u) ^ {flip}u"), format!("k ^ {flip}u"))
        }
    };
    // Steps that follow take signed voxels with their sign extended.
    let extended = match voxel {
        VoxelType::I8 => format!("bitcast<u32>(extractBits(bitcast<i32>({of_key}), 0u, 8u))"),
        VoxelType::I16 => format!("bitcast<u32>(extractBits(bitcast<i32>({of_key}), 0u, 16u))"),
        _ => of_key,
    };
    format!(
        "\nfn key(v: u32) -> u32 {{\n    return {key};\n}}\n\nfn of_key(k: u32) -> u32 {{\n    return {extended};\n}}\n"
    )
}
