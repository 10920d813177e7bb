//! Point steps that calculate as the operators do: in a table of all values where there are at most 65536, else
//! in numbers of 64 bits.

use crate::compute::graph::{Graph, Point, Slot};
use std::sync::Arc;
use voxelry_core::blocks::Step;
use voxelry_core::ops::{Call, Mode, Output, find};
use voxelry_core::{Job, Volume, VoxelType, with_volume};

/// WGSL from the bits of a voxel (of 32, signed types extended) to a number of 64 bits.
pub fn to_double(voxel: VoxelType) -> &'static str {
    match voxel {
        VoxelType::F32 => "d_of_f32",
        VoxelType::I8 | VoxelType::I16 | VoxelType::I32 => "d_of_i32",
        _ => "d_of_u32",
    }
}

/// WGSL from a number of 64 bits to the bits of a voxel: rounded half to even and limited.
pub fn from_double(voxel: VoxelType, value: &str) -> String {
    let (least, most) = match voxel {
        VoxelType::F32 => return format!("d_to_f32({value})"),
        VoxelType::U8 => ("0", u32::from(u8::MAX)),
        VoxelType::I8 => ("-128", i8::MAX as u32),
        VoxelType::U16 => ("0", u32::from(u16::MAX)),
        VoxelType::I16 => ("-32768", i16::MAX as u32),
        VoxelType::I32 => ("i32(-2147483647 - 1)", i32::MAX as u32),
        _ => ("0", u32::MAX),
    };
    format!("d_to_whole({value}, {least}, {most}u)")
}

/// The two words of a number of 64 bits, as the table holds it.
pub fn words(value: f64) -> [u32; 2] {
    let bits = value.to_bits();
    [bits as u32, (bits >> 32) as u32]
}

/// A step in numbers of 64 bits: `code` makes `r` of `v64` (and of `o64`, the second image) with the numbers
/// `k0`, `k1` …
pub fn calculated(from: VoxelType, made: VoxelType, numbers: &[f64], code: &str) -> Point {
    let constants: String = (0..numbers.len())
        .map(|i| {
            let at = 2 * i;
            format!("    let k{i} = vec2<u32>(table[TABLE + {at}u], table[TABLE + {}u]);\n", at + 1)
        })
        .collect();
    Point {
        code: format!(
            "\nfn POINT(v: u32, at: vec3<i32>) -> u32 {{\n{constants}    let v64 = {}(v);\n{code}    return {};\n}}\n",
            to_double(from),
            from_double(made, "r")
        ),
        table: numbers.iter().flat_map(|n| words(*n)).collect(),
        made,
        other: None,
        double: true,
        values: None,
    }
}

/// A step in the bits of voxels.
pub fn bitwise(made: VoxelType, table: Vec<u32>, code: &str) -> Point {
    Point {
        code: format!("\nfn POINT(v: u32, at: vec3<i32>) -> u32 {{\n{code}}}\n"),
        table,
        made,
        other: None,
        double: false,
        values: None,
    }
}

/// The bits of each voxel, signed types extended to 32.
pub fn bits(volume: &Volume) -> Vec<u32> {
    match volume {
        Volume::U8(a) => a.iter().map(|v| u32::from(*v)).collect(),
        Volume::I8(a) => a.iter().map(|v| i32::from(*v) as u32).collect(),
        Volume::U16(a) => a.iter().map(|v| u32::from(*v)).collect(),
        Volume::I16(a) => a.iter().map(|v| i32::from(*v) as u32).collect(),
        Volume::U32(a) => a.iter().copied().collect(),
        Volume::I32(a) => a.iter().map(|v| *v as u32).collect(),
        Volume::F32(a) => a.iter().map(|v| v.to_bits()).collect(),
        other => with_volume!(other, |a| unreachable!("{} voxels have no GPU kernel", a.len())),
    }
}

/// Every value of a type of up to 16 bits, in the order of its bits.
pub fn all_values(voxel: VoxelType) -> Volume {
    let count = 1usize << (8 * voxel.size());
    let mut volume = Volume::zeros(voxel, [1, count / 256, 256]);
    for (i, value) in volume.as_bytes_mut().chunks_exact_mut(voxel.size()).enumerate() {
        value.copy_from_slice(&(i as u64).to_ne_bytes()[..voxel.size()]);
    }
    volume
}

/// The step by a table of what the operator itself makes of all values; `None` if there are too many.
pub fn tabled(graph: &mut Graph, of: Slot, step: &Step) -> Option<Slot> {
    let operator = find(step.op)?;
    table_of(graph, of, step.output.voxel, |values| {
        let grid = voxelry_core::ops::Grid { shape: values.shape(), ..step.inputs[0]? };
        let mut inputs = vec![None; step.inputs.len()];
        inputs[0] = Some(grid);
        let prepared =
            operator.prepare(&Call { op: operator.spec().id, args: &step.args, inputs: &inputs }).ok()?;
        if !matches!(prepared.kernel.mode(), Mode::Local(_)) {
            return None;
        }
        let mut volumes = vec![None; step.inputs.len()];
        volumes[0] = Some(Arc::new(values.clone()));
        match prepared.kernel.whole(volumes, &Job::silent()).ok()? {
            Output::Volume(volume) => Some(volume),
            _ => None,
        }
    })
}

/// A table of what `function` makes of all values. Where the last step is a table already, its values go on.
pub fn table_of(
    graph: &mut Graph,
    of: Slot,
    made: VoxelType,
    function: impl FnOnce(&Volume) -> Option<Volume>,
) -> Option<Slot> {
    if let Some(values) = graph.last_table(of) {
        let point = table(function(values)?);
        graph.replace_point(of, point);
        return Some(of);
    }
    let voxel = graph.voxel(of);
    if voxel.size() > 2 {
        return None;
    }
    let values = function(&all_values(voxel))?;
    debug_assert_eq!(values.voxel_type(), made);
    Some(graph.point(of, table(values)))
}

/// A table has 256 or 65536 values.
fn table(values: Volume) -> Point {
    let code = format!("    return table[TABLE + (v & {}u)];\n", values.len() - 1);
    Point { values: Some(Arc::new(values.clone())), ..bitwise(values.voxel_type(), bits(&values), &code) }
}

/// The bits of a number as a voxel of a type: rounded and limited.
pub fn as_voxel(value: f64, voxel: VoxelType) -> u32 {
    let mut one = Volume::zeros(VoxelType::F64, [1; 3]);
    one.as_bytes_mut().copy_from_slice(&value.to_ne_bytes());
    bits(&one.cast(voxel))[0]
}
