// Labels of a brick.

@group(0) @binding(1) var atlas: texture_3d<u32>;

// The colour of a label: of its own texel, which begin in the second row, or of the first row, which begins
// anew where it ends.
fn colour_of(label: u32) -> vec4<f32> {
    let size = textureDimensions(colours);
    let index = label - 1u;
    let row = index / size.x + 1u;
    return textureLoad(colours, vec2(index % size.x, select(0u, row, row < size.y)), 0);
}

// Whether a label of a colour is selected: such colours have an even opacity.
fn is_selected(colour: vec4<f32>) -> bool {
    let code = u32(round(colour.a * 255.0));
    return code != 0u && (code & 1u) == 0u;
}

// The label in a brick at indices of its level, at most one voxel outside it.
fn label_in(found: Found, q: vec3<f32>) -> u32 {
    if found.flat_ {
        return found.range.x;
    }
    return textureLoad(atlas, vec3<i32>(floor(q + found.shift)), 0).r;
}
