// Labels on a sheet, filled or outlined.

// The label at a pixel of the view; 0 where there is none.
fn label_at(pixel: vec2<f32>) -> u32 {
    let place = place_of(pixel);
    if !place.there || !inside(place.at) {
        return 0u;
    }
    let found = find(place.at, sheet.level);
    if found.level == image.count {
        return 0u;
    }
    return label_in(found, in_level(place.at, found.level));
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let label = label_at(position.xy);
    if label == 0u {
        discard;
    }
    if sheet.outline > 0.0 {
        var same = true;
        for (var i = 0u; i < 4u; i++) {
            let way = select(vec2(f32(i & 1u) * 2.0 - 1.0, 0.0), vec2(0.0, f32(i & 1u) * 2.0 - 1.0), i > 1u);
            same = same && label_at(position.xy + way * sheet.outline) == label;
        }
        if same {
            discard;
        }
    }
    let colour = textureLoad(colours, vec2((label - 1u) % textureDimensions(colours).x, 0u), 0);
    let alpha = colour.a * sheet.opacity;
    return vec4(colour.rgb * alpha, alpha);
}
