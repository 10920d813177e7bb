//! The GPU kernel of the exact Euclidean distance: squares in whole numbers where voxels are cubes, else in f32, and the
//! root in numbers of 64 bits, as the operator takes it.

use super::Global;
use super::number::words;
use super::separable::AXES;
use super::statistics::finished;
use crate::compute::bricks::{Image, Limits, bytes, upload};
use crate::compute::device::{Device, Failure};
use crate::compute::graph::{Graph, Pass, Point, Slot};
use std::sync::Arc;
use voxelry_core::algorithms::distance::Metric;
use voxelry_core::blocks::Step;
use voxelry_core::{Job, VoxelType};

const LINE: &str = include_str!("../../../wgsl/compute/distance.wgsl");

pub const DISTANCE: Global = Global { takes: fits, run: distance };

fn fits(step: &Step, limits: &Limits) -> bool {
    step.inputs[0].is_some_and(|g| {
        let squares = bytes(g.shape, VoxelType::U32);
        squares <= limits.buffer && 8 * squares <= limits.total
    })
}

fn distance(
    device: &Arc<Device>,
    step: &Step,
    image: &Image,
    _: &[Option<Image>],
    limits: &Limits,
    job: &Job,
) -> Result<Image, Failure> {
    let on = upload(device, image)?;
    let made = finished(device, &Image::Device(on), limits, job, |graph, of| passes(graph, of, step))?;
    job.advance(step.output.shape.iter().product::<usize>() as u64);
    Ok(made)
}

/// The passes of a step, which need the whole image at once.
pub fn passes(graph: &mut Graph, of: Slot, step: &Step) -> Option<Slot> {
    let grid = step.inputs[0]?;
    let metric = match step.args.text("unit") {
        "voxel" => Metric::voxels(grid.shape),
        _ => Metric::new(grid.shape, &grid.geometry),
    };
    let mut squares = |inside: bool| {
        let mut at = of;
        for axis in [2, 1, 0] {
            at = along(graph, at, axis, grid.shape, metric, (at == of).then_some(inside));
        }
        at
    };
    Some(match step.args.text("side") {
        "inside" => {
            let at = squares(true);
            graph.point(at, root(step, metric, None))
        }
        "outside" => {
            let at = squares(false);
            graph.point(at, root(step, metric, None))
        }
        _ => {
            let outside = squares(false);
            let inside = squares(true);
            graph.point(inside, root(step, metric, Some(outside)))
        }
    })
}

/// Squared distances along one more axis; the first of which begins at a side of the mask.
fn along(
    graph: &mut Graph,
    of: Slot,
    axis: usize,
    shape: [usize; 3],
    metric: Metric,
    begins: Option<bool>,
) -> Slot {
    let squares = |d: usize| match metric {
        Metric::Isotropic(_) => (d * d) as u32,
        Metric::Anisotropic(spacing) => ((spacing[axis] * spacing[axis] * (d * d) as f64) as f32).to_bits(),
    };
    let (made, number, far) = match metric {
        Metric::Isotropic(_) => (VoxelType::U32, "u32", "0x80000000u"),
        Metric::Anisotropic(_) => (VoxelType::F32, "f32", "bitcast<f32>(0x7f800000u ^ p.zero)"),
    };
    let mut code = LINE.replace("AXIS", AXES[axis]).replace("NUMBER", number).replace("FAR", far);
    match begins {
        Some(inside) => {
            code = code.replace("FOUND", "begun");
            code += &format!(
                "\nfn begun(at: vec3<i32>) -> {number} {{\n    return select({number}(0), {far}, (a_bits(at) != 0u) == {inside});\n}}\n"
            );
        }
        None if made == VoxelType::F32 => code = code.replace("FOUND", "a_f32"),
        None => code = code.replace("FOUND", "a_bits"),
    }
    let mut halo = [0; 3];
    halo[axis] = shape[axis] - 1;
    graph.pass(Pass {
        name: "distance",
        code,
        inputs: vec![of],
        halo,
        table: (0..shape[axis]).map(squares).collect(),
        made,
        points: vec![],
        double: false,
    })
}

/// The distance, or its square, from what was counted; with a second image, that on the other side, negative.
fn root(step: &Step, metric: Metric, other: Option<Slot>) -> Point {
    let squared = step.args.bool("squared");
    let (number, edge) = match metric {
        Metric::Isotropic(edge) => {
            ("select(d_of_u32(s), vec2<u32>(0u, 0x7ff00000u), s == 0x80000000u)", Some(edge))
        }
        Metric::Anisotropic(_) => ("d_of_f32(s)", None),
    };
    let value = match (squared, edge) {
        (true, Some(_)) => "d_mul(v64, k0)",
        (true, None) => "v64",
        (false, Some(_)) => "d_mul(d_sqrt(v64), k0)",
        (false, None) => "d_sqrt(v64)",
    };
    let factor = edge.map_or(1.0, |e| if squared { e * e } else { e });
    let choice = match other {
        None => "    let s = v;\n    let sign = 0u;\n",
        Some(_) => {
            "    let o = OTHER_bits(at);\n    let outside = (o & 0x7fffffffu) != 0u || o == 0x80000000u;\n    \
             let s = select(v, o, outside);\n    let sign = select(0u, 0x80000000u, outside);\n"
        }
    };
    Point {
        code: format!(
            "\nfn POINT(v: u32, at: vec3<i32>) -> u32 {{\n    let k0 = vec2<u32>(table[TABLE], table[TABLE + 1u]);\n\
             {choice}    let v64 = {number};\n    let r = {value};\n    return d_to_f32(r) ^ sign;\n}}\n"
        ),
        table: words(factor).to_vec(),
        made: VoxelType::F32,
        other,
        double: true,
        values: None,
    }
}
