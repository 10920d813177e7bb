// Intensities on a sheet.

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let place = place_of(position.xy);
    if !place.there {
        discard;
    }
    var value = 0.0;
    var count = 0.0;
    var missing = true;
    let steps = i32(sheet.steps);
    for (var i = -steps; i <= steps; i++) {
        let p = place.at + sheet.slab * (f32(i) / f32(max(steps, 1)));
        if !inside(p) {
            continue;
        }
        let found = find(p, sheet.level);
        if found.level == image.count {
            continue;
        }
        let q = in_level(p, found.level);
        let sampled = value_in(found, select(floor(q + 0.5), q, sheet.interpolate != 0u));
        missing = false;
        if count == 0.0 {
            value = sampled;
        } else if sheet.mode == 1u {
            value = max(value, sampled);
        } else if sheet.mode == 2u {
            value += sampled;
        } else if sheet.mode == 3u {
            value = min(value, sampled);
        }
        count += 1.0;
    }
    if missing {
        discard;
    }
    if sheet.mode == 2u {
        value /= count;
    }
    let shade = clamp((value - sheet.window.x) / (sheet.window.y - sheet.window.x), 0.0, 1.0);
    // The first colour is for 0, the last for 1.
    let width = f32(textureDimensions(colours).x);
    let colour = textureSampleLevel(colours, colour_sampler, vec2((shade * (width - 1.0) + 0.5) / width, 0.5), 0.0);
    let alpha = colour.a * sheet.opacity;
    return vec4(colour.rgb * alpha, alpha);
}
