//! GPU kernels of the steps from each voxel to itself.

use super::number::{as_voxel, bitwise, calculated, tabled, to_double};
use crate::compute::graph::{Graph, Slot};
use voxelry_core::VoxelType;
use voxelry_core::blocks::Step;
use voxelry_core::ops::{Grid, Kind};

fn grid(step: &Step) -> Option<Grid> {
    step.inputs[0]
}

pub fn threshold(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let (min, max) = (step.args.float("min"), step.args.float("max"));
    tabled(graph, of, step).or_else(|| within(graph, of, min, max))
}

/// Marks what lies within a range. Both ends are moved inwards to values of the type.
pub fn within(graph: &mut Graph, of: Slot, min: f64, max: f64) -> Option<Slot> {
    let voxel = graph.voxel(of);
    let order = match voxel {
        VoxelType::F32 => "order(v)",
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => "v ^ 0x80000000u",
        _ => "v",
    };
    let (low, high) = ends(voxel, min, max);
    let nan = if voxel == VoxelType::F32 { "is_nan(v) || " } else { "" };
    let mut point = bitwise(
        VoxelType::U8,
        vec![low, high],
        &format!(
            "    let o = {order};\n    if {nan}o < table[TABLE] || o > table[TABLE + 1u] {{\n        return 0u;\n    }}\n    \
             return 1u;\n"
        ),
    );
    if voxel == VoxelType::F32 {
        // −0 is as great as +0.
        let order = "\nfn order(v: u32) -> u32 {\n    if (v & 0x7fffffffu) == 0u {\n        return 0x80000000u;\n    }\n    \
             return select(v | 0x80000000u, ~v, (v & 0x80000000u) != 0u);\n}\n";
        point.code = format!(
            "{}{}",
            order.replace("order", "order_POINT"),
            point.code.replace("order(", "order_POINT(")
        );
    }
    Some(graph.point(of, point))
}

/// The least and the greatest value of a type within a range, in an order of unsigned words; an empty range where
/// there is none.
fn ends(voxel: VoxelType, min: f64, max: f64) -> (u32, u32) {
    const EMPTY: (u32, u32) = (1, 0);
    if voxel == VoxelType::F32 {
        let low = not_below(min);
        let high = -not_below(-max);
        let order = |v: f32| {
            let bits = if v == 0.0 { 0 } else { v.to_bits() };
            if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
        };
        return (order(low), order(high));
    }
    let (least, most) = match voxel {
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => (0.0, f64::from(u32::MAX)),
    };
    if min > most || max < least {
        return EMPTY;
    }
    let (low, high) = (min.ceil().max(least), max.floor().min(most));
    if low > high {
        return EMPTY;
    }
    ((low - least) as u32, (high - least) as u32)
}

/// The least f32 that is not below a number.
fn not_below(bound: f64) -> f32 {
    let nearest = bound as f32;
    if f64::from(nearest) >= bound { nearest } else { nearest.next_up() }
}

pub fn clip(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let voxel = grid(step)?.voxel;
    let numbers = [step.args.float("min"), step.args.float("max")];
    tabled(graph, of, step).or_else(|| {
        let code = "    var r = v64;\n    if d_less(r, k0) {\n        r = k0;\n    }\n    if d_less(k1, r) {\n        \
                    r = k1;\n    }\n";
        Some(graph.point(of, calculated(voxel, voxel, &numbers, code)))
    })
}

pub fn cast(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let (from, made) = (grid(step)?.voxel, step.output.voxel);
    tabled(graph, of, step).or_else(|| {
        if step.args.bool("scale") {
            let ((a, b), (c, d)) = (range(from), range(made));
            let code = "    let r = d_add(k1, d_div(d_mul(d_sub(v64, k0), k2), k3));\n";
            return Some(graph.point(of, calculated(from, made, &[a, c, d - c, b - a], code)));
        }
        if from == made {
            return Some(graph.point(of, bitwise(made, vec![], "    return v;\n")));
        }
        Some(graph.point(of, calculated(from, made, &[], "    let r = v64;\n")))
    })
}

/// The whole range of an integer type; 0…1 for floats.
pub fn range(voxel: VoxelType) -> (f64, f64) {
    match voxel {
        VoxelType::U8 => (0.0, 255.0),
        VoxelType::I8 => (-128.0, 127.0),
        VoxelType::U16 => (0.0, 65535.0),
        VoxelType::I16 => (-32768.0, 32767.0),
        VoxelType::U32 => (0.0, f64::from(u32::MAX)),
        VoxelType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => (0.0, 1.0),
    }
}

pub fn logarithm(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    // Beyond 16 bits there is no logarithm of the same bits on the device.
    tabled(graph, of, step)
}

pub fn mask(graph: &mut Graph, of: Slot, step: &Step, others: &[Option<Slot>]) -> Option<Slot> {
    let (voxel, mask) = (grid(step)?.voxel, others[0]?);
    let value = as_voxel(step.args.float("value"), voxel);
    let inside = u32::from(step.args.text("keep") == "inside");
    let code = "    let inside = select(0u, 1u, OTHER_bits(at) != 0u);\n    \
                return select(table[TABLE], v, inside == table[TABLE + 1u]);\n";
    let mut point = bitwise(voxel, vec![value, inside], code);
    point.other = Some(mask);
    Some(graph.point(of, point))
}

pub fn arithmetic(graph: &mut Graph, of: Slot, step: &Step, others: &[Option<Slot>]) -> Option<Slot> {
    let (from, made) = (grid(step)?.voxel, step.output.voxel);
    let other = others.first().copied().flatten();
    if other.is_none()
        && let Some(slot) = tabled(graph, of, step)
    {
        return Some(slot);
    }
    let result = match step.args.text("operation") {
        "add" => "d_add(v64, o64)",
        "subtract" => "d_sub(v64, o64)",
        "multiply" => "d_mul(v64, o64)",
        "divide" => "d_div(v64, o64)",
        "min" => "select(o64, v64, d_less(v64, o64) || d_nan(v64))",
        "max" => "select(o64, v64, d_less(o64, v64) || d_nan(v64))",
        _ => "d_sub(v64, o64) & vec2<u32>(0xffffffffu, 0x7fffffffu)",
    };
    let (second, numbers) = match other {
        Some(other) => (format!("{}(OTHER_bits(at))", to_double(graph.voxel(other))), vec![]),
        None => ("k0".to_owned(), vec![step.args.maybe_float("value")?]),
    };
    let code = format!("    let o64 = {second};\n    let r = {result};\n");
    let mut point = calculated(from, made, &numbers, &code);
    point.other = other;
    Some(graph.point(of, point))
}

pub fn rescale(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let (Some(from), Some(to)) = (step.args.maybe_float("from"), step.args.maybe_float("to")) else {
        return None;
    };
    tabled(graph, of, step).or_else(|| stretched(graph, of, step, (from, to)))
}

/// The linear map of `rescale` in numbers of 64 bits.
pub fn stretched(graph: &mut Graph, of: Slot, step: &Step, (a, b): (f64, f64)) -> Option<Slot> {
    let made = step.output.voxel;
    let (first, last) = range(made);
    let low = step.args.maybe_float("low").unwrap_or(first);
    let high = step.args.maybe_float("high").unwrap_or(last);
    let (least, most) = if low < high { (low, high) } else { (high, low) };
    let width = b - a;
    let divisor = if width > 0.0 { width } else { f64::MIN_POSITIVE };
    let code = "    var t = d_div(d_sub(v64, k0), k1);\n    let one = vec2<u32>(0u, 0x3ff00000u);\n    \
                if d_less(one, t) {\n        t = one;\n    }\n    if d_less(t, vec2<u32>(0u)) {\n        \
                t = vec2<u32>(0u);\n    }\n    var r = d_add(k2, d_mul(t, k3));\n    if d_less(r, k4) {\n        \
                r = k4;\n    }\n    if d_less(k5, r) {\n        r = k5;\n    }\n";
    let numbers = [a, divisor, low, high - low, least, most];
    Some(graph.point(of, calculated(graph.voxel(of), made, &numbers, code)))
}

pub fn invert(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let grid = grid(step)?;
    match grid.kind {
        Kind::Labels => None,
        Kind::Mask => tabled(graph, of, step),
        Kind::Grey => tabled(graph, of, step).or_else(|| {
            let integer = grid.voxel != VoxelType::F32;
            integer.then(|| graph.point(of, bitwise(grid.voxel, vec![], "    return ~v;\n")))
        }),
    }
}

/// `a + b − v` in numbers of 64 bits.
pub fn mirrored(graph: &mut Graph, of: Slot, (a, b): (f64, f64)) -> Slot {
    let voxel = graph.voxel(of);
    graph.point(of, calculated(voxel, voxel, &[a + b], "    let r = d_sub(k0, v64);\n"))
}
