// A mean of the neighbours that are near in place and intensity, in the operator's order of sums: rows before the
// voxel's own, from the last voxel of each to the first; its own row; rows after it. TABLE: reach along x, y, z,
// factor, then the binary logarithms of the weights in space, in C order.

fn power_of_two(power: f32) -> f32 {
    let least = select(-126.0, power, power > -126.0 && !is_nan(bitcast<u32>(power)));
    let rounded = exact(least + 12582912.0);
    let f = least - exact(rounded - 12582912.0);
    var v = fma(0.00132765, f, 0.00967554);
    v = fma(v, f, 0.05550713);
    v = fma(v, f, 0.2402212);
    v = fma(v, f, 0.69314697);
    v = fma(v, f, 1.00000007);
    return bitcast<f32>(bitcast<u32>(v) + (bitcast<u32>(rounded) << 23u));
}

// Within its own row a voxel takes what is before it first, from the nearest outwards.
fn shift_of(i: i32, own: bool, reach: i32) -> i32 {
    let n = i + reach;
    return select(i, select(n / 2, -(n + 1) / 2, (n & 1) == 1), own);
}

fn voxel(at: vec3<i32>) -> u32 {
    let reach = vec3<i32>(vec3<u32>(table[TABLE], table[TABLE + 1u], table[TABLE + 2u]));
    let factor = bitcast<f32>(table[TABLE + 3u]);
    let across = 2 * reach + 1;
    let own = a_f32(at);
    var sum = own;
    var total = 1.0;
    for (var z = -reach.z; z <= reach.z; z++) {
        for (var y = -reach.y; y <= reach.y; y++) {
            let line = ((z + reach.z) * across.y + y + reach.y) * across.x + reach.x;
            let before = z < 0 || (z == 0 && y < 0);
            for (var i = -reach.x; i <= reach.x; i++) {
                let x = select(shift_of(i, z == 0 && y == 0, reach.x), -i, before);
                if z == 0 && y == 0 && x == 0 {
                    continue;
                }
                let q = at + vec3<i32>(x, y, z);
                let v = a_f32(vec3<i32>(
                    border(q.x, p.image.x), border(q.y, p.image.y), border(q.z, p.image.z)));
                let d = v - own;
                let w = power_of_two(fma(exact(d * d), factor, bitcast<f32>(table[TABLE + 4u + u32(line + x)])));
                sum = fma(w, v, sum);
                total += w;
            }
        }
    }
    return bitcast<u32>(sum / total);
}
