// The mean of f32, summed in numbers of 64 bits; NaN counts as missing.

fn mean_float(at: vec3<i32>) -> u32 {
    var sum = vec2<u32>(0u);
    var count = 0u;
    for (var pass_ = 0; pass_ < 2; pass_++) {
        sum = vec2<u32>(0u);
        count = 0u;
        for (var i = 0; i < 8; i++) {
            let q = below(at, i);
            if q.x >= 0 && (pass_ == 0 || !is_nan(a_bits(q))) {
                sum = d_add(sum, d_of_f32(a_bits(q)));
                count += 1u;
            }
        }
        if !d_nan(sum) {
            break;
        }
    }
    return d_to_f32(d_div(sum, d_of_u32(count)));
}
