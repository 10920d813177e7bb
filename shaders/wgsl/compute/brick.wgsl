// What every kernel on bricks shares. A brick is a box of an image, rows padded to whole quads of four
// voxels. An invocation makes one quad, so that voxels of 8 and 16 bits are written as whole words.

struct Brick {
    // First voxel, in indices of the image (x, y, z).
    origin: vec3<i32>,
    // Voxels from row to row.
    stride: u32,
    shape: vec3<i32>,
    unused: u32,
}

struct Params {
    made: Brick,
    a: Brick,
    b: Brick,
    c: Brick,
    // Shape of the whole image.
    image: vec3<i32>,
    // Workgroups along x of the dispatch.
    groups: u32,
    // Always 0; what a compiler can't know.
    zero: u32,
    unused_0: u32,
    unused_1: u32,
    unused_2: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> made_words: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> a_words: array<u32>;
@group(0) @binding(4) var<storage, read> b_words: array<u32>;
@group(0) @binding(5) var<storage, read> c_words: array<u32>;

// A product that no compiler may fuse with an addition.
fn exact(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) ^ p.zero);
}

fn is_nan(bits: u32) -> bool {
    return (bits & 0x7fffffffu) > 0x7f800000u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quad = (group.y * p.groups + group.x) * 64u + lane;
    let quads = p.made.stride / 4u;
    let row = quad / quads;
    let rows = u32(p.made.shape.y);
    let at = vec3<i32>(i32(quad % quads) * 4, i32(row % rows), i32(row / rows));
    if at.z >= p.made.shape.z {
        return;
    }
    var v = vec4<u32>(0u);
    for (var k = 0; k < 4; k++) {
        if at.x + k < p.made.shape.x {
            v[k] = finished(p.made.origin + at + vec3<i32>(k, 0, 0));
        }
    }
    store(quad, v);
}
