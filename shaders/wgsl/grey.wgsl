// Intensities of a brick.

@group(0) @binding(1) var atlas: texture_3d<f32>;
@group(0) @binding(2) var linear: sampler;

// The intensity in a brick at indices of its level, at most one voxel outside it.
fn value_in(found: Found, q: vec3<f32>) -> f32 {
    if found.flat_ {
        return bitcast<f32>(found.range.x);
    }
    let value = textureSampleLevel(atlas, linear, (q + found.shift) * image.texel, 0.0).r;
    return value * image.value_scale + image.value_offset;
}
