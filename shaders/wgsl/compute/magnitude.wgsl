// The length of a gradient whose parts are sums along z of three images. TABLE: for each part its factor (two
// words), radius and sign (1 for odd kernels), and where its weights begin.

fn sum_a(at: vec3<i32>, part: u32) -> f32 {
    let base = TABLE + 5u * part;
    let radius = i32(table[base + 2u]);
    let odd = table[base + 3u] == 1u;
    let weights = TABLE + table[base + 4u];
    var sum = exact(bitcast<f32>(table[weights]) * value(at, part));
    for (var k = 1; k <= radius; k++) {
        let before = value(vec3<i32>(at.xy, border(at.z - k, p.image.z)), part);
        let after = value(vec3<i32>(at.xy, border(at.z + k, p.image.z)), part);
        let pair = select(after + before, after - before, odd);
        sum += exact(bitcast<f32>(table[weights + u32(k)]) * pair);
    }
    return sum;
}

fn value(at: vec3<i32>, part: u32) -> f32 {
    if part == 0u {
        return a_f32(at);
    }
    if part == 1u {
        return b_f32(at);
    }
    return c_f32(at);
}

fn voxel(at: vec3<i32>) -> u32 {
    var total = vec2<u32>(0u);
    for (var part = 0u; part < 3u; part++) {
        let base = TABLE + 5u * part;
        let v = d_mul(d_of_f32(bitcast<u32>(sum_a(at, part))), vec2<u32>(table[base], table[base + 1u]));
        let square = d_mul(v, v);
        if part == 0u {
            total = square;
        } else {
            total = d_add(total, square);
        }
    }
    return d_to_f32(d_sqrt(total));
}
