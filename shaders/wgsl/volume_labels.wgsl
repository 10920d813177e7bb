// Labels along rays: each object as a coloured surface, or as a mist.

// The label at indices of level 0.
fn label_at(p: vec3<f32>) -> u32 {
    if !inside(p) {
        return 0u;
    }
    let found = find(p, view.level);
    if found.level == image.count {
        return 0u;
    }
    return label_in(found, in_level(p, found.level));
}

// Away from the voxels of a label around a place.
fn normal_at(p: vec3<f32>, label: u32) -> vec3<f32> {
    let voxel = 1.0 / image.levels[view.level].scale;
    var sum = vec3(0.0);
    for (var i = 0; i < 27; i++) {
        let way = vec3(f32(i % 3), f32((i / 3) % 3), f32(i / 9)) - 1.0;
        if label_at(p + way * voxel) == label {
            sum -= way / max(dot(way, way), 1.0);
        }
    }
    return sum;
}

// The colour of an object: brighter where it is selected or pointed at.
fn lit_colour(colour: vec4<f32>, label: u32) -> vec3<f32> {
    let selected = is_selected(colour);
    let white = select(select(0.0, 0.3, label == view.marked), 0.4, selected);
    return mix(colour.rgb, vec3(1.0), white);
}

// How much of an outline is over a surface that is selected or pointed at, whose normal is of length 1.
fn rim(colour: vec4<f32>, label: u32, normal: vec3<f32>) -> f32 {
    let chosen = label == view.marked || is_selected(colour);
    return select(0.0, 1.0 - smoothstep(0.25, 0.6, abs(dot(normal, view.light))), chosen);
}

// Each object as a mist of its colour.
fn mist(ray: Ray, noise: f32) -> Seen {
    var sum = vec4(0.0);
    var place = vec4(0.0);
    let pace = view.step / length(ray.direction * image.levels[view.level].scale);
    let last = min(ray.far, select(ray.far, slice_on(ray), SLICED)) / pace;
    // Opaque after about a quarter of the way through the image.
    let clear = pow(0.02, 4.0 * pace / (view.path * 128.0));
    var k = ceil(ray.near / pace) + noise;
    for (var guard = 0u; guard < 4096u && k <= last; guard++) {
        let found = find(ray.origin + ray.direction * (k * pace), view.level);
        let part = stretch(ray, found, k, pace, last);
        if found.level == image.count || (found.flat_ && found.range.x == 0u) {
            k = part.end + 1.0;
            continue;
        }
        for (; k <= part.end; k += 1.0) {
            let label = label_in(found, part.origin + part.way * (k * pace));
            if label == 0u {
                continue;
            }
            let colour = colour_of(label);
            let add = (1.0 - sum.a) * (1.0 - clear) * colour.a;
            if sum.a < 0.5 && sum.a + add >= 0.5 {
                place = vec4(ray.origin + ray.direction * (k * pace), 1.0);
            }
            sum += vec4(lit_colour(colour, label) * add, add);
            if sum.a > 0.99 {
                return Seen(vec4(sum.rgb / sum.a, 1.0), place);
            }
        }
    }
    return Seen(sum, place);
}

fn trace(ray: Ray, noise: f32) -> Seen {
    if MODE == COMPOSITE {
        return mist(ray, noise);
    }
    return surfaces(ray);
}

fn surfaces(ray: Ray) -> Seen {
    var sum = vec4(0.0);
    var place = vec4(0.0);
    var before = 0u;
    let pace = view.step / length(ray.direction * image.levels[view.level].scale);
    var k = ceil(ray.near / pace);
    var far = ray.far;
    if SLICED {
        // What lies behind a slice is hidden by it.
        far = min(far, slice_on(ray));
    }
    let last = floor(far / pace);
    for (var guard = 0u; guard < 4096u && k <= last; guard++) {
        let found = find(ray.origin + ray.direction * (k * pace), view.level);
        let part = stretch(ray, found, k, pace, last);
        // What is all one label shows no surface but where it begins.
        let flat = found.level == image.count || (found.flat_ && found.range.x == before);
        if flat {
            before = select(before, 0u, found.level == image.count);
            k = part.end + 1.0;
            continue;
        }
        for (; k <= part.end; k += 1.0) {
            let label = label_in(found, part.origin + part.way * (k * pace));
            if label == before {
                continue;
            }
            before = label;
            if label == 0u {
                continue;
            }
            let colour = colour_of(label);
            if colour.a == 0.0 {
                continue;
            }
            // Where between this sample and the one before the label begins.
            var inner = k * pace;
            var outer = inner - pace;
            for (var i = 0; i < 4; i++) {
                let middle = 0.5 * (inner + outer);
                if label_at(ray.origin + ray.direction * middle) == label {
                    inner = middle;
                } else {
                    outer = middle;
                }
            }
            let hit = ray.origin + ray.direction * inner;
            let normal = view.world_gradient * normal_at(hit, label);
            let size = length(normal);
            var light = vec2(1.0, 0.0);
            var edge = 0.0;
            if size > 0.0 {
                light = mix(light, light_on(normal / size), view.shading);
                edge = rim(colour, label, normal / size);
            }
            let add = (1.0 - sum.a) * colour.a;
            if place.w == 0.0 {
                place = vec4(hit, 1.0);
            }
            let seen = mix(lit_colour(colour, label) * light.x + light.y, vec3(1.0), edge);
            sum += vec4(seen * add, add);
            if sum.a > 0.99 {
                return Seen(vec4(sum.rgb / sum.a, 1.0), place);
            }
        }
    }
    return Seen(sum, place);
}

// Labels are what is solid.
fn bounded(ray: Ray, position: vec2<f32>) -> Ray {
    return ray;
}
