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
    if view.occlusion <= 0.0 {
        return 1.0;
    }
    var shut = 0.0;
    var reach = 3.0;
    for (var i = 1u; i <= 3u; i++) {
        let at = p + normal * reach / image.levels[view.level].scale;
        let found = find(at, min(view.level + i, image.count - 1u));
        if inside(at) && found.level != image.count {
            let value = value_in(found, in_level(at, found.level));
            if view.mode == ISOSURFACE {
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
    let open = openness(p, -gradient / length(gradient));
    return vec2(mix(1.0, light.x, surface) * open, light.y * surface * open);
}

fn trace_volume(ray: Ray, noise: f32) -> Seen {
    var sum = vec4(0.0);
    var place = vec4(0.0);
    var best = 0.0;
    var total = 0.0;
    var count = 0.0;
    var before = vec2(0.0);
    // Samples lie at whole numbers of steps, wherever bricks begin.
    let pace = view.step / length(ray.direction * image.levels[view.level].scale);
    // Clouds have no surface to find: rays begin at different places, so that steps do not show as rings.
    var k = ceil(ray.near / pace) + select(0.0, noise, view.mode == COMPOSITE);
    let last = floor(ray.far / pace);
    // A ray meets no more bricks than this.
    for (var guard = 0u; guard < 4096u && k <= last; guard++) {
        let p = ray.origin + ray.direction * (k * pace);
        let found = find(p, view.level);
        let part = stretch(ray, found, k, pace, last);
        let end = part.end;
        let range = bitcast<vec2<f32>>(found.range);
        var skip = found.level == image.count || range.x > range.y;
        if view.mode == COMPOSITE {
            skip = skip || range.y < view.visible.x || range.x > view.visible.y;
        } else if view.mode == MAXIMUM {
            skip = skip || (count > 0.0 && range.y <= best);
        } else if view.mode == MINIMUM {
            skip = skip || (count > 0.0 && range.x >= best);
        } else if view.mode == ISOSURFACE {
            skip = skip || range.y < view.level_value || (range.x >= view.level_value && before.y > 0.0);
        }
        if skip {
            if view.mode == ISOSURFACE && found.level != image.count {
                before = vec2(range.x - view.level_value, 1.0);
            }
            k = end + 1.0;
            continue;
        }
        for (; k <= end; k += 1.0) {
            let at = ray.origin + ray.direction * (k * pace);
            let inside_at = part.origin + part.way * (k * pace);
            let value = value_in(found, inside_at);
            if view.mode == COMPOSITE {
                let colour = colour_of(value);
                if colour.a > 0.0 {
                    let alpha = 1.0 - pow(1.0 - min(colour.a, 0.9999), pace / view.path);
                    let light = lit(found, inside_at, at);
                    let shaded = colour.rgb * light.x + light.y;
                    let add = (1.0 - sum.a) * alpha;
                    if sum.a < 0.5 && sum.a + add >= 0.5 {
                        place = vec4(at, 1.0);
                    }
                    sum += vec4(shaded * add, add);
                    if sum.a > 0.99 {
                        return Seen(vec4(sum.rgb / sum.a, 1.0), place);
                    }
                }
            } else if view.mode == ISOSURFACE {
                let above = value - view.level_value;
                if above >= 0.0 {
                    // Between this sample and the one before, by their intensities.
                    let back = select(0.0, above / (above - before.x), before.y > 0.0 && before.x < 0.0);
                    let hit = at - ray.direction * (pace * back);
                    let light = lit(found, part.origin + part.way * (k - back) * pace, hit);
                    let colour = colour_of(view.level_value);
                    return Seen(vec4(colour.rgb * light.x + light.y, 1.0), vec4(hit, 1.0));
                }
                before = vec2(above, 1.0);
            } else {
                if view.mode == MEAN {
                    total += value;
                } else if count == 0.0 || (view.mode == MAXIMUM && value > best) || (view.mode == MINIMUM && value < best) {
                    best = value;
                    place = vec4(at, 1.0);
                }
                count += 1.0;
            }
        }
    }
    if view.mode == COMPOSITE || view.mode == ISOSURFACE || count == 0.0 {
        return Seen(sum, place);
    }
    let value = select(best, total / count, view.mode == MEAN);
    return Seen(vec4(colour_of(value).rgb, 1.0), place);
}

// The volume, and behind what is seen of it the nearest slice.
fn trace(ray: Ray, noise: f32) -> Seen {
    let far = slice_on(ray);
    if far > ray.far {
        if view.mode == SLICES {
            return Seen(vec4(0.0), vec4(0.0));
        }
        return trace_volume(ray, noise);
    }
    var seen = Seen(vec4(0.0), vec4(0.0));
    if view.mode != SLICES {
        seen = trace_volume(Ray(ray.origin, ray.direction, ray.near, far), noise);
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
