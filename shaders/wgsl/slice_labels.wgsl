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

// Whether a pixel is nearer than so many pixels to where its label ends.
fn is_edge(pixel: vec2<f32>, label: u32, wide: f32) -> bool {
    var same = true;
    for (var i = 0u; i < 4u; i++) {
        let way = select(vec2(f32(i & 1u) * 2.0 - 1.0, 0.0), vec2(0.0, f32(i & 1u) * 2.0 - 1.0), i > 1u);
        same = same && label_at(pixel + way * wide) == label;
    }
    return !same;
}

// Outlines of what is selected or pointed at are at least so wide.
const BOLD: f32 = 2.5;

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let label = label_at(position.xy);
    if label == 0u {
        discard;
    }
    let colour = colour_of(label);
    if colour.a == 0.0 {
        discard;
    }
    let marked = label == sheet.marked;
    if marked || is_selected(colour) {
        if is_edge(position.xy, label, max(sheet.outline, BOLD)) {
            return vec4(1.0);
        }
        // Filled, though one can look through.
        let fill = select(0.35, max(sheet.opacity, 0.35), sheet.outline == 0.0);
        return vec4(mix(colour.rgb, vec3(1.0), select(0.0, 0.3, marked)) * fill, fill);
    }
    if sheet.outline > 0.0 && !is_edge(position.xy, label, sheet.outline) {
        discard;
    }
    let alpha = colour.a * sheet.opacity;
    return vec4(colour.rgb * alpha, alpha);
}
