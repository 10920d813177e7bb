// Labels of a brick.

@group(0) @binding(1) var atlas: texture_3d<u32>;

// A mixture of all bits: see label_index in core/src/picture/label_colors.rs.
fn mixed(label: u32) -> u32 {
    var bits = (label ^ (label >> 16u)) * 0x7feb352du;
    bits = (bits ^ (bits >> 15u)) * 0x846ca68bu;
    return bits ^ (bits >> 16u);
}

// The colour of a label: of its own texel, which begin in the second row, or of the first row, which large
// labels share.
fn colour_of(label: u32) -> vec4<f32> {
    let size = textureDimensions(colours);
    let index = label - 1u;
    let row = index / size.x + 1u;
    if row < size.y {
        return textureLoad(colours, vec2(index % size.x, row), 0);
    }
    return textureLoad(colours, vec2(select(mixed(label) % size.x, index, index < size.x), 0u), 0);
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
