//! GPU kernels of median and percentile: a network of minima and maxima for a window of 3 × 3 × 3, counting bit by
//! bit for others. Ranks are those of keys, so every type comes out the same.

use super::{border, packed};
use crate::compute::graph::{Graph, Pass, Slot};
use std::fmt::Write;
use voxelry_core::VoxelType;
use voxelry_core::blocks::Step;
use voxelry_core::ops::{Call, Window};

const RANK: &str = include_str!("../../../wgsl/compute/rank.wgsl");

/// The most voxels of a window that is worth a pass.
const MOST: usize = 4096;

pub fn median(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    ranked(graph, of, step, |count| count / 2)
}

pub fn percentile(graph: &mut Graph, of: Slot, step: &Step, _: &[Option<Slot>]) -> Option<Slot> {
    let percentile = step.args.float("percentile");
    ranked(graph, of, step, |count| ((count as f64 * percentile / 100.0) as usize).min(count - 1))
}

fn ranked(graph: &mut Graph, of: Slot, step: &Step, rank: impl Fn(usize) -> usize) -> Option<Slot> {
    let voxel = step.inputs[0]?.voxel;
    let call = Call { op: step.op, args: &step.args, inputs: &step.inputs };
    let radius = call.voxels("radius").ok()?;
    let window = match step.args.text("shape") {
        "ball" => Window::Ball(radius),
        _ => Window::Box(radius.map(|r| r.round() as usize)),
    };
    let (count, reach) = (window.len(), window.reach());
    if count > MOST || reach.iter().any(|r| *r > 100) {
        return None;
    }
    let rank = rank(count);
    let small = window == Window::Box([1; 3]);
    let (code, table) = if small {
        (network(27, rank), vec![])
    } else {
        let mut table = vec![count as u32, rank as u32];
        for (z, y, half) in window.rows() {
            let half = half as isize;
            table.extend((-half..=half).map(|x| packed([z, y, x])));
        }
        (RANK.replace("BITS", &format!("{}u", 8 * voxel.size())), table)
    };
    Some(graph.pass(Pass {
        name: "rank",
        code: border(step.args.text("border")).to_owned() + &keys(voxel) + &code,
        inputs: vec![of],
        halo: reach,
        table,
        made: voxel,
        points: vec![],
        double: false,
    }))
}

/// Unsigned numbers in the order of the values; NaN is the greatest, −0 below +0.
fn keys(voxel: VoxelType) -> String {
    let (key, of_key) = match voxel {
        VoxelType::F32 => (
            "select(select(v | 0x80000000u, ~v, (v & 0x80000000u) != 0u), 0xffffffffu, is_nan(v))",
            "select(select(~k, k ^ 0x80000000u, (k & 0x80000000u) != 0u), 0x7fc00000u, k == 0xffffffffu)",
        ),
        VoxelType::I8 => ("(v + 128u) & 0xffu", "k - 128u"),
        VoxelType::I16 => ("(v + 32768u) & 0xffffu", "k - 32768u"),
        VoxelType::I32 => ("v ^ 0x80000000u", "k ^ 0x80000000u"),
        _ => ("v", "k"),
    };
    format!(
        "\nfn key(v: u32) -> u32 {{\n    return {key};\n}}\n\nfn of_key(k: u32) -> u32 {{\n    return {of_key};\n}}\n"
    )
}

/// Exchanges `(i, j)`, after each of which `i` holds the lesser: those of odd–even merge sort (Batcher 1968,
/// doi:10.1145/1468075.1468121) on which place `wanted` of `n` depends.
fn exchanges(n: usize, wanted: usize) -> Vec<(usize, usize)> {
    let size = n.next_power_of_two();
    let mut all = Vec::new();
    let mut p = 1;
    while p < size {
        let mut k = p;
        while k >= 1 {
            for j in (k % p..size - k).step_by(2 * k) {
                for i in 0..k.min(size - j - k) {
                    // What lies beyond is greater than anything.
                    if (i + j) / (2 * p) == (i + j + k) / (2 * p) && i + j + k < n {
                        all.push((i + j, i + j + k));
                    }
                }
            }
            k /= 2;
        }
        p *= 2;
    }
    let mut needed = vec![false; n];
    needed[wanted] = true;
    let mut kept: Vec<_> = all
        .into_iter()
        .rev()
        .filter(|&(i, j)| {
            let here = needed[i] || needed[j];
            needed[i] |= here;
            needed[j] |= here;
            here
        })
        .collect();
    kept.reverse();
    kept
}

/// The value of a rank of the window of 3 × 3 × 3, without a branch.
fn network(n: usize, rank: usize) -> String {
    let mut code = "\nfn voxel(at: vec3<i32>) -> u32 {\n".to_owned();
    for axis in ["x", "y", "z"] {
        let _ = writeln!(
            code,
            "    let {axis} = vec3<i32>(border(at.{axis} - 1, p.image.{axis}), at.{axis}, border(at.{axis} + 1, p.image.{axis}));"
        );
    }
    for i in 0..n {
        let (z, y, x) = (i / 9, i / 3 % 3, i % 3);
        let _ = writeln!(code, "    var v{i} = key(a_bits(vec3<i32>(x[{x}], y[{y}], z[{z}])));");
    }
    code += "    var t = 0u;\n";
    for (i, j) in exchanges(n, rank) {
        let _ = writeln!(code, "    t = min(v{i}, v{j});\n    v{j} = max(v{i}, v{j});\n    v{i} = t;");
    }
    let _ = writeln!(code, "    return of_key(v{rank});\n}}");
    code
}

#[cfg(test)]
mod tests {
    use super::exchanges;

    #[test]
    fn every_rank_is_that_of_a_sort() {
        let mut state = 7u64;
        for n in [5, 27, 32] {
            for rank in 0..n {
                let steps = exchanges(n, rank);
                for _ in 0..20 {
                    let mut v: Vec<u64> = (0..n)
                        .map(|_| {
                            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                            state >> 60
                        })
                        .collect();
                    let mut sorted = v.clone();
                    sorted.sort_unstable();
                    for &(i, j) in &steps {
                        (v[i], v[j]) = (v[i].min(v[j]), v[i].max(v[j]));
                    }
                    assert_eq!(v[rank], sorted[rank], "{n} {rank}");
                }
            }
        }
    }
}
