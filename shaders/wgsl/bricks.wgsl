// An image as bricks: see src/bricks.rs and src/image.rs. What a texel is, grey.wgsl and labels.wgsl say.

const CORE: f32 = 32.0;
const EDGE: f32 = 34.0;
const ABSENT: u32 = 0u;
const FLAT: u32 = 1u;

struct Level {
    scale: vec3<f32>,
    first: u32,
    offset: vec3<f32>,
    shape: vec3<u32>,
    bricks: vec3<u32>,
}

struct Image {
    levels: array<Level, 16>,
    // One over the atlas's texels along x, y and z.
    texel: vec3<f32>,
    count: u32,
    value_scale: f32,
    value_offset: f32,
}

@group(0) @binding(0) var<uniform> image: Image;
@group(0) @binding(3) var<storage, read> table: array<u32>;
// Least and greatest of each brick: labels, or the bits of intensities.
@group(0) @binding(4) var<storage, read> ranges: array<vec2<u32>>;

// Whether indices of level 0 lie in the image; a voxel reaches half a voxel around its centre.
fn inside(p: vec3<f32>) -> bool {
    return all(p >= vec3(-0.5)) && all(p < vec3<f32>(image.levels[0].shape) - 0.5);
}

// Where the texels of a brick begin in the atlas: the slot along x, y and z, ten bits each.
fn slot_origin(entry: u32) -> vec3<f32> {
    return vec3<f32>(vec3(entry, entry >> 10u, entry >> 20u) & vec3(1023u)) * EDGE;
}

// A brick that is there, at a place; the level is image.count if there is none.
struct Found {
    level: u32,
    // Whether all of its voxels are equal.
    flat_: bool,
    range: vec2<u32>,
    // From indices of its level to texels of the atlas; texel 0 is the voxel before the brick's first.
    shift: vec3<f32>,
}

// The indices of a level, within it, at indices of level 0.
fn in_level(p: vec3<f32>, level: u32) -> vec3<f32> {
    let here = image.levels[level];
    return clamp(p * here.scale + here.offset, vec3(0.0), vec3<f32>(here.shape) - 1.0);
}

// The brick at indices of level 0: of the finest level that is there, but none finer than `level`.
fn find(p: vec3<f32>, level: u32) -> Found {
    for (var l = level; l < image.count; l++) {
        let bricks = image.levels[l].bricks;
        let brick = min(vec3<u32>((in_level(p, l) + 0.5) / CORE), bricks - 1u);
        let at = image.levels[l].first + (brick.z * bricks.y + brick.y) * bricks.x + brick.x;
        if table[at] != ABSENT {
            let entry = table[at];
            return Found(l, entry == FLAT, ranges[at], slot_origin(entry) - vec3<f32>(brick) * CORE + 1.5);
        }
    }
    return Found(image.count, true, vec2(0u), vec3(0.0));
}
