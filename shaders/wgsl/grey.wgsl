// Intensities of a brick.

@group(0) @binding(1) var atlas: texture_3d<f32>;
@group(0) @binding(2) var linear: sampler;

// The intensity in a brick at indices of its level, at most one voxel outside it.
fn value_in(found: Found, q: vec3<f32>) -> f32 {
    if found.entry == FLAT {
        return bitcast<f32>(found.range.x);
    }
    // Texel 0 is the voxel before the brick's first.
    let texel = vec3<f32>(slot_origin(found.entry - FIRST)) + clamp(q - found.first, vec3(-1.0), vec3(CORE)) + 1.5;
    let value = textureSampleLevel(atlas, linear, texel / (vec3<f32>(image.slots) * EDGE), 0.0).r;
    return value * image.value_scale + image.value_offset;
}
