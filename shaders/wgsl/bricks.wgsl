// An image as bricks: see src/bricks.rs and src/image.rs. What a texel is, grey.wgsl and labels.wgsl say.

const CORE: f32 = 32.0;
const EDGE: f32 = 34.0;
const ABSENT: u32 = 0u;
const FLAT: u32 = 1u;
const FIRST: u32 = 2u;

struct Level {
    scale: vec3<f32>,
    first: u32,
    offset: vec3<f32>,
    shape: vec3<u32>,
    bricks: vec3<u32>,
}

struct Image {
    levels: array<Level, 16>,
    slots: vec3<u32>,
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

// Where the texels of a brick begin in the atlas.
fn slot_origin(slot: u32) -> vec3<u32> {
    let s = image.slots;
    return vec3(slot % s.x, (slot / s.x) % s.y, slot / (s.x * s.y)) * u32(EDGE);
}

// A brick that is there, at a place; the level is image.count if there is none.
struct Found {
    level: u32,
    entry: u32,
    range: vec2<u32>,
    // Where its voxels of its level begin.
    first: vec3<f32>,
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
            return Found(l, table[at], ranges[at], vec3<f32>(brick) * CORE);
        }
    }
    return Found(image.count, ABSENT, vec2(0u), vec3(0.0));
}
