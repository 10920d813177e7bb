// Labels of a brick.

@group(0) @binding(1) var atlas: texture_3d<u32>;

// The label in a brick at indices of its level, at most one voxel outside it.
fn label_in(found: Found, q: vec3<f32>) -> u32 {
    if found.entry == FLAT {
        return found.range.x;
    }
    let texel = vec3<i32>(floor(clamp(q - found.first, vec3(-1.0), vec3(CORE)) + 1.5));
    return textureLoad(atlas, vec3<i32>(slot_origin(found.entry - FIRST)) + texel, 0).r;
}
