// What kernels on whole images share: an invocation is a voxel, rows are padded to quads. What is made may be
// changed by many at once.

struct Whole {
    shape: vec3<i32>,
    // Voxels from row to row.
    stride: u32,
    // Workgroups along x of the dispatch.
    groups: u32,
    // What differs from kernel to kernel.
    first: u32,
    second: u32,
    third: u32,
}

@group(0) @binding(0) var<uniform> p: Whole;
@group(0) @binding(1) var<storage, read_write> made: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> a_words: array<u32>;
@group(0) @binding(4) var<storage, read> b_words: array<u32>;
@group(0) @binding(5) var<storage, read> c_words: array<u32>;

const NOWHERE = 0xffffffffu;

fn is_nan(bits: u32) -> bool {
    return (bits & 0x7fffffffu) > 0x7f800000u;
}

fn place(i: u32) -> vec3<i32> {
    let row = i / p.stride;
    let rows = u32(p.shape.y);
    return vec3<i32>(i32(i % p.stride), i32(row % rows), i32(row / rows));
}

fn voxels() -> u32 {
    return p.stride * u32(p.shape.y) * u32(p.shape.z);
}

// Whether it is a voxel of the image, and not what a row is padded with.
fn is_voxel(i: u32) -> bool {
    return i < voxels() && i32(i % p.stride) < p.shape.x;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    run((group.y * p.groups + group.x) * 64u + lane);
}
