// Intensities along rays.

fn gradient_in(found: Found, q: vec3<f32>) -> vec3<f32> {
    let h = 0.5;
    return vec3(
        value_in(found, q + vec3(h, 0.0, 0.0)) - value_in(found, q - vec3(h, 0.0, 0.0)),
        value_in(found, q + vec3(0.0, h, 0.0)) - value_in(found, q - vec3(0.0, h, 0.0)),
        value_in(found, q + vec3(0.0, 0.0, h)) - value_in(found, q - vec3(0.0, 0.0, h)),
    ) * image.levels[found.level].scale;
}

fn colour_of(value: f32) -> vec4<f32> {
    let shade = clamp((value - view.window.x) / (view.window.y - view.window.x), 0.0, 1.0);
    let width = f32(textureDimensions(colours).x);
    return textureSampleLevel(colours, colour_sampler, vec2((shade * (width - 1.0) + 0.5) / width, 0.5), 0.0);
}

// How open a place is: the less there is around it on its bright side, at coarser levels, the more.
fn openness(p: vec3<f32>, normal: vec3<f32>) -> f32 {
    var shut = 0.0;
    var reach = 3.0;
    for (var i = 1u; i <= 3u; i++) {
        let at = p + normal * reach / image.levels[view.level].scale;
        let found = find(at, min(view.level + i, image.count - 1u));
        if inside(at) && found.level != image.count {
            let value = value_in(found, in_level(at, found.level));
            if MODE == ISOSURFACE {
                shut += select(0.0, 1.0, value >= view.level_value);
            } else {
                shut += colour_of(value).a;
            }
        }
        reach *= 2.0;
    }
    return 1.0 - view.occlusion * min(shut / 3.0, 1.0);
}

// Brightness and shine of the intensities around a place of a brick. Where they hardly change there is no surface.
fn lit(found: Found, q: vec3<f32>, p: vec3<f32>) -> vec2<f32> {
    let gradient = gradient_in(found, q);
    let steep = length(gradient) / max(abs(view.window.y - view.window.x), 1e-30);
    let normal = view.world_gradient * gradient;
    let size = length(normal);
    if size <= 0.0 {
        return vec2(1.0, 0.0);
    }
    let surface = smoothstep(0.0, 0.05, steep) * view.shading;
    let light = light_on(normal / size);
    var open = 1.0;
    if OCCLUSION {
        open = openness(p, -gradient / length(gradient));
    }
    return vec2(mix(1.0, light.x, surface) * open, light.y * surface * open);
}

// Brightness and shine of the wall or cut through which a ray comes in: it is flat, whatever it cuts through.
fn lit_face(ray: Ray) -> vec2<f32> {
    let light = light_on(normalize(view.world_gradient * ray.face));
    return vec2(mix(1.0, light.x, view.shading), 0.0);
}

// Whether a place along a ray lies on such a face.
fn on_face(ray: Ray, place: f32, pace: f32) -> bool {
    return place < ray.near + FACE * pace && any(ray.face != vec3(0.0));
}

// Whether a brick can be passed at once.
fn is_empty(found: Found) -> bool {
    let range = bitcast<vec2<f32>>(found.range);
    return found.level == image.count || range.x > range.y;
}

// A ray meets no more bricks than this.
const BRICKS: u32 = 4096u;
// How many samples the face of a cut is thick.
const FACE: f32 = 3.0;
// What is less opaque is not lit for itself.
const FAINT: f32 = 0.015;

// Colours and opacities from front to back. Programs that run many rays in step take both ways of every
// branch, but go round a loop only while a ray needs it: so loops look for what is worth its light.
fn composite(ray: Ray, pace: f32, noise: f32) -> Seen {
    var sum = vec4(0.0);
    var place = vec4(0.0);
    var light = vec2(0.7, 0.0);
    let density = pace / view.path;
    var k = ceil(ray.near / pace) + noise;
    let last = ray.far / pace;
    for (var guard = 0u; guard < BRICKS && k <= last; guard++) {
        let found = find(ray.origin + ray.direction * (k * pace), view.level);
        let part = stretch(ray, found, k, pace, last);
        let range = bitcast<vec2<f32>>(found.range);
        if is_empty(found) || range.y < view.visible.x || range.x > view.visible.y {
            k = part.end + 1.0;
            continue;
        }
        while k <= part.end {
            var colour = vec4(0.0);
            var alpha = 0.0;
            for (; k <= part.end; k += 1.0) {
                colour = colour_of(value_in(found, part.origin + part.way * (k * pace)));
                alpha = 1.0 - pow(1.0 - min(colour.a, 0.9999), density);
                if alpha > FAINT {
                    break;
                }
                let add = (1.0 - sum.a) * alpha;
                sum += vec4((colour.rgb * light.x + light.y) * add, add);
            }
            if k > part.end {
                break;
            }
            let at = ray.origin + ray.direction * (k * pace);
            light = lit(found, part.origin + part.way * (k * pace), at);
            if on_face(ray, k * pace, pace) {
                light = lit_face(ray);
            }
            let add = (1.0 - sum.a) * alpha;
            if sum.a < 0.5 && sum.a + add >= 0.5 {
                place = vec4(at, 1.0);
            }
            sum += vec4((colour.rgb * light.x + light.y) * add, add);
            if sum.a > 0.98 {
                return Seen(vec4(sum.rgb / sum.a, 1.0), place);
            }
            k += 1.0;
        }
    }
    return Seen(sum, place);
}

// The first place where the intensity reaches the level.
fn surface(ray: Ray, pace: f32) -> Seen {
    // The intensity above the level at the sample before; y is 0 before the first one.
    var before = vec2(0.0);
    var hit = -1.0;
    // Samples lie at whole numbers of steps, wherever bricks begin.
    var k = ceil(ray.near / pace);
    let last = floor(ray.far / pace);
    for (var guard = 0u; guard < BRICKS && k <= last && hit < 0.0; guard++) {
        let found = find(ray.origin + ray.direction * (k * pace), view.level);
        let part = stretch(ray, found, k, pace, last);
        let range = bitcast<vec2<f32>>(found.range);
        if is_empty(found) || range.y < view.level_value || (range.x >= view.level_value && before.y > 0.0) {
            if found.level != image.count {
                before = vec2(range.x - view.level_value, 1.0);
            }
            k = part.end + 1.0;
            continue;
        }
        for (; k <= part.end; k += 1.0) {
            let above = value_in(found, part.origin + part.way * (k * pace)) - view.level_value;
            if above >= 0.0 {
                // Between this sample and the one before, by their intensities.
                hit = k - select(0.0, above / (above - before.x), before.y > 0.0 && before.x < 0.0);
                break;
            }
            before = vec2(above, 1.0);
        }
    }
    if hit < 0.0 {
        return Seen(vec4(0.0), vec4(0.0));
    }
    let at = ray.origin + ray.direction * (hit * pace);
    let found = find(at, view.level);
    var light = lit(found, in_level(at, found.level), at);
    // Nothing lies before it: the face of a cut.
    if before.y == 0.0 && on_face(ray, hit * pace, pace) {
        light = lit_face(ray);
    }
    return Seen(vec4(colour_of(view.level_value).rgb * light.x + light.y, 1.0), vec4(at, 1.0));
}

// The greatest, mean or least intensity.
fn projection(ray: Ray, pace: f32) -> Seen {
    var best = select(-3.4e38, 3.4e38, MODE == MINIMUM);
    var best_at = 0.0;
    var total = 0.0;
    var count = 0.0;
    var k = ceil(ray.near / pace);
    let last = floor(ray.far / pace);
    for (var guard = 0u; guard < BRICKS && k <= last; guard++) {
        let found = find(ray.origin + ray.direction * (k * pace), view.level);
        let part = stretch(ray, found, k, pace, last);
        let range = bitcast<vec2<f32>>(found.range);
        let better = (MODE == MAXIMUM && range.y > best) || (MODE == MINIMUM && range.x < best) || MODE == MEAN;
        if is_empty(found) || !better {
            k = part.end + 1.0;
            continue;
        }
        if found.flat_ {
            let samples = part.end - k + 1.0;
            total += range.x * samples;
            count += samples;
            best_at = select(best_at, k, range.x != best);
            best = select(max(best, range.x), min(best, range.x), MODE == MINIMUM);
            k = part.end + 1.0;
            continue;
        }
        // Texels as they are stored, at places in the atlas: intensities follow once for all.
        let start = (part.origin + found.shift) * image.texel;
        let way = part.way * pace * image.texel;
        let stored = (best - image.value_offset) / image.value_scale;
        var here = stored;
        var sum = 0.0;
        let first = k;
        for (; k <= part.end; k += 1.0) {
            let texel = textureSampleLevel(atlas, linear, start + way * k, 0.0).r;
            if MODE == MEAN {
                sum += texel;
            } else if MODE == MAXIMUM {
                if PICK {
                    best_at = select(best_at, k, texel > here);
                }
                here = max(here, texel);
            } else {
                if PICK {
                    best_at = select(best_at, k, texel < here);
                }
                here = min(here, texel);
            }
        }
        count += k - first;
        total += sum * image.value_scale + image.value_offset * (k - first);
        best = select(best, here * image.value_scale + image.value_offset, here != stored);
        // What lies beyond the window all looks alike.
        let least = min(view.window.x, view.window.y);
        let most = max(view.window.x, view.window.y);
        if !PICK && ((MODE == MAXIMUM && best >= most) || (MODE == MINIMUM && best <= least)) {
            break;
        }
    }
    if count == 0.0 {
        return Seen(vec4(0.0), vec4(0.0));
    }
    let value = select(best, total / count, MODE == MEAN);
    let at = ray.origin + ray.direction * (best_at * pace);
    return Seen(vec4(colour_of(value).rgb, 1.0), vec4(at, select(1.0, 0.0, MODE == MEAN)));
}

fn trace_volume(ray: Ray, noise: f32) -> Seen {
    let pace = view.step / length(ray.direction * image.levels[view.level].scale);
    if MODE == COMPOSITE {
        // Rays begin at different places, so that steps do not show as rings.
        return composite(ray, pace, noise);
    }
    if MODE == ISOSURFACE {
        return surface(ray, pace);
    }
    return projection(ray, pace);
}

// The volume, and behind what is seen of it the nearest slice.
fn trace(ray: Ray, noise: f32) -> Seen {
    var far = ray.far + 1.0;
    if SLICED {
        far = slice_on(ray);
    }
    if far > ray.far {
        if MODE == SLICES {
            return Seen(vec4(0.0), vec4(0.0));
        }
        return trace_volume(ray, noise);
    }
    var seen = Seen(vec4(0.0), vec4(0.0));
    if MODE != SLICES {
        seen = trace_volume(Ray(ray.origin, ray.direction, ray.near, far, ray.reach, ray.face), noise);
    }
    let at = ray.origin + ray.direction * far;
    let found = find(at, view.level);
    if found.level == image.count {
        return seen;
    }
    let colour = colour_of(value_in(found, in_level(at, found.level)));
    let place = select(vec4(at, 1.0), seen.place, seen.place.w > 0.0);
    return Seen(vec4(seen.colour.rgb + (1.0 - seen.colour.a) * colour.rgb, 1.0), place);
}

@group(2) @binding(0) var solids: texture_depth_2d;

// The part of the ray that is before or behind what is solid.
fn bounded(ray: Ray, position: vec2<f32>) -> Ray {
    var part = ray;
    if BEFORE || BEHIND {
        let depth = textureLoad(solids, vec2<i32>(floor(position)), 0);
        if BEFORE {
            part.far = min(part.far, depth * ray.reach);
        } else if depth < 1.0 {
            part.face = select(part.face, vec3(0.0), depth * ray.reach > part.near);
            part.near = max(part.near, depth * ray.reach);
        } else {
            part.far = part.near;
        }
    }
    return part;
}
