// Labels of a brick.

@group(0) @binding(1) var atlas: texture_3d<u32>;

// The label in a brick at indices of its level, at most one voxel outside it.
fn label_in(found: Found, q: vec3<f32>) -> u32 {
    if found.flat_ {
        return found.range.x;
    }
    return textureLoad(atlas, vec3<i32>(floor(q + found.shift)), 0).r;
}
