// Numbers of 64 bits (IEEE 754, round half to even) on devices that have none of their own: low word, high word.
// Operators calculate with them, so their GPU kernels must.

// ±significand / 2⁶² · 2^(exponent − 1023).
struct Double {
    sign: u32,
    exponent: i32,
    // Leading bit at 62 for `FINITE`.
    significand: vec2<u32>,
    what: u32,
}

const ZERO = 0u;
const FINITE = 1u;
const INFINITE = 2u;
const NONE = 3u;
const D_NAN = vec2<u32>(0u, 0x7ff80000u);

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let x = a.x + b.x;
    return vec2<u32>(x, a.y + b.y + select(0u, 1u, x < a.x));
}

fn sub64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn left64(v: vec2<u32>, n: u32) -> vec2<u32> {
    if n == 0u {
        return v;
    }
    if n >= 32u {
        return vec2<u32>(0u, v.x << (n - 32u));
    }
    return vec2<u32>(v.x << n, (v.y << n) | (v.x >> (32u - n)));
}

// To the right; the lowest bit remembers whether anything fell out.
fn right64(v: vec2<u32>, n: u32) -> vec2<u32> {
    if n == 0u {
        return v;
    }
    if n >= 64u {
        return vec2<u32>(select(0u, 1u, (v.x | v.y) != 0u), 0u);
    }
    if n == 32u {
        return vec2<u32>(v.y | select(0u, 1u, v.x != 0u), 0u);
    }
    if n > 32u {
        let lost = v.x | (v.y << (64u - n));
        return vec2<u32>((v.y >> (n - 32u)) | select(0u, 1u, lost != 0u), 0u);
    }
    let lost = v.x << (32u - n);
    return vec2<u32>((v.x >> n) | (v.y << (32u - n)) | select(0u, 1u, lost != 0u), v.y >> n);
}

fn leading64(v: vec2<u32>) -> u32 {
    return select(countLeadingZeros(v.y), 32u + countLeadingZeros(v.x), v.y == 0u);
}

// The product of two words.
fn wide(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    let middle = ah * bl + (low >> 16u);
    let cross = al * bh + (middle & 0xffffu);
    return vec2<u32>((cross << 16u) | (low & 0xffffu), ah * bh + (middle >> 16u) + (cross >> 16u));
}

fn taken_apart(v: vec2<u32>) -> Double {
    var d: Double;
    d.sign = v.y & 0x80000000u;
    d.exponent = i32((v.y >> 20u) & 0x7ffu);
    let fraction = vec2<u32>(v.x, v.y & 0xfffffu);
    let empty = (fraction.x | fraction.y) == 0u;
    if d.exponent == 0x7ff {
        d.what = select(NONE, INFINITE, empty);
        return d;
    }
    if d.exponent == 0 {
        d.what = select(FINITE, ZERO, empty);
        if !empty {
            let shift = leading64(fraction) - 1u;
            d.significand = left64(fraction, shift);
            d.exponent = 11 - i32(shift);
        }
        return d;
    }
    d.what = FINITE;
    d.significand = left64(vec2<u32>(fraction.x, fraction.y | 0x100000u), 10u);
    return d;
}

// Normalised and rounded; the significand may lead anywhere and is not 0.
fn put_together(sign: u32, exponent: i32, significand: vec2<u32>) -> vec2<u32> {
    var s = significand;
    var e = exponent;
    let leading = leading64(s);
    if leading == 0u {
        s = right64(s, 1u);
        e += 1;
    } else {
        s = left64(s, leading - 1u);
        e -= i32(leading) - 1;
    }
    if e >= 0x7ff {
        return vec2<u32>(0u, sign | 0x7ff00000u);
    }
    // What is below the least normal number loses digits.
    var base = e - 1;
    if e < 1 {
        s = right64(s, u32(1 - e));
        base = 0;
    }
    let rest = s.x & 0x3ffu;
    var q = right64(vec2<u32>(s.x & ~0x3ffu, s.y), 10u);
    if rest > 0x200u || (rest == 0x200u && (q.x & 1u) == 1u) {
        q = add64(q, vec2<u32>(1u, 0u));
    }
    // The leading bit, or a carry, counts the exponent up.
    return vec2<u32>(q.x, sign | ((u32(base) << 20u) + q.y));
}

fn d_add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    var u = taken_apart(a);
    var v = taken_apart(b);
    if u.what == NONE || v.what == NONE || (u.what == INFINITE && v.what == INFINITE && u.sign != v.sign) {
        return D_NAN;
    }
    if u.what == INFINITE {
        return a;
    }
    if v.what == INFINITE {
        return b;
    }
    if u.what == ZERO {
        if v.what == ZERO {
            return vec2<u32>(0u, u.sign & v.sign);
        }
        return b;
    }
    if v.what == ZERO {
        return a;
    }
    if u.exponent < v.exponent {
        let swapped = u;
        u = v;
        v = swapped;
    }
    // Both halves, so that a sum has room.
    let s = right64(v.significand, u32(u.exponent - v.exponent));
    if u.sign == v.sign {
        return put_together(u.sign, u.exponent, add64(u.significand, s));
    }
    if all(u.significand == s) {
        return vec2<u32>(0u, 0u);
    }
    if less64(u.significand, s) {
        return put_together(v.sign, u.exponent, sub64(s, u.significand));
    }
    return put_together(u.sign, u.exponent, sub64(u.significand, s));
}

fn d_sub(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return d_add(a, vec2<u32>(b.x, b.y ^ 0x80000000u));
}

fn d_mul(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let u = taken_apart(a);
    let v = taken_apart(b);
    let sign = u.sign ^ v.sign;
    let least = min(u.what, v.what);
    let most = max(u.what, v.what);
    if most == NONE || (most == INFINITE && least == ZERO) {
        return D_NAN;
    }
    if most == INFINITE {
        return vec2<u32>(0u, sign | 0x7ff00000u);
    }
    if least == ZERO {
        return vec2<u32>(0u, sign);
    }
    let low = wide(u.significand.x, v.significand.x);
    let one = add64(wide(u.significand.x, v.significand.y), vec2<u32>(low.y, 0u));
    let two = add64(wide(u.significand.y, v.significand.x), vec2<u32>(one.x, 0u));
    var high = add64(wide(u.significand.y, v.significand.y), add64(vec2<u32>(one.y, 0u), vec2<u32>(two.y, 0u)));
    high.x |= select(0u, 1u, (low.x | two.x) != 0u);
    return put_together(sign, u.exponent + v.exponent - 1023 + 2, high);
}

fn d_div(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let u = taken_apart(a);
    let v = taken_apart(b);
    let sign = u.sign ^ v.sign;
    if u.what == NONE || v.what == NONE || (u.what == v.what && u.what != FINITE) {
        return D_NAN;
    }
    if u.what == INFINITE || v.what == ZERO {
        return vec2<u32>(0u, sign | 0x7ff00000u);
    }
    if u.what == ZERO || v.what == INFINITE {
        return vec2<u32>(0u, sign);
    }
    var rest = u.significand;
    var quotient = vec2<u32>(0u);
    for (var i = 0; i < 57; i++) {
        quotient = left64(quotient, 1u);
        if !less64(rest, v.significand) {
            rest = sub64(rest, v.significand);
            quotient.x |= 1u;
        }
        rest = left64(rest, 1u);
    }
    quotient.x |= select(0u, 1u, (rest.x | rest.y) != 0u);
    return put_together(sign, u.exponent - v.exponent + 1023 + 6, quotient);
}

fn d_sqrt(a: vec2<u32>) -> vec2<u32> {
    let u = taken_apart(a);
    if u.what == ZERO || (u.what == INFINITE && u.sign == 0u) {
        return a;
    }
    if u.what == NONE || u.sign != 0u {
        return D_NAN;
    }
    // Two digits at a time, of which the first are 01 to 11.
    let power = u.exponent - 1023;
    var digits = left64(u.significand, u32(power & 1));
    var root = vec2<u32>(0u);
    var rest = vec2<u32>(0u);
    for (var i = 0; i < 56; i++) {
        rest = left64(rest, 2u);
        rest.x |= digits.y >> 30u;
        digits = left64(digits, 2u);
        let trial = left64(root, 2u) | vec2<u32>(1u, 0u);
        root = left64(root, 1u);
        if !less64(rest, trial) {
            rest = sub64(rest, trial);
            root.x |= 1u;
        }
    }
    root = left64(root, 7u);
    root.x |= select(0u, 1u, (rest.x | rest.y) != 0u);
    return put_together(0u, (power >> 1u) + 1023, root);
}

// False where either is NaN.
fn d_less(a: vec2<u32>, b: vec2<u32>) -> bool {
    if d_nan(a) || d_nan(b) {
        return false;
    }
    if ((a.x | b.x) == 0u) && ((a.y | b.y) & 0x7fffffffu) == 0u {
        return false;
    }
    if ((a.y ^ b.y) & 0x80000000u) != 0u {
        return (a.y & 0x80000000u) != 0u;
    }
    if (a.y & 0x80000000u) != 0u {
        return less64(b, a);
    }
    return less64(a, b);
}

fn d_nan(a: vec2<u32>) -> bool {
    return less64(vec2<u32>(0u, 0x7ff00000u), vec2<u32>(a.x, a.y & 0x7fffffffu));
}

fn d_of_u32(v: u32) -> vec2<u32> {
    if v == 0u {
        return vec2<u32>(0u);
    }
    return put_together(0u, 1023 + 62, vec2<u32>(v, 0u));
}

fn d_of_i32(bits: u32) -> vec2<u32> {
    if (bits & 0x80000000u) == 0u {
        return d_of_u32(bits);
    }
    return put_together(0x80000000u, 1023 + 62, vec2<u32>(0u - bits, 0u));
}

fn d_of_f32(bits: u32) -> vec2<u32> {
    let sign = bits & 0x80000000u;
    let e = (bits >> 23u) & 0xffu;
    let fraction = bits & 0x7fffffu;
    if e == 0xffu {
        if fraction != 0u {
            return D_NAN;
        }
        return vec2<u32>(0u, sign | 0x7ff00000u);
    }
    if e == 0u {
        if fraction == 0u {
            return vec2<u32>(0u, sign);
        }
        // fraction · 2⁻¹⁴⁹.
        return put_together(sign, 1023 + 62 - 149, vec2<u32>(fraction, 0u));
    }
    return vec2<u32>(fraction << 29u, sign | ((e + 896u) << 20u) | (fraction >> 3u));
}

fn d_to_f32(a: vec2<u32>) -> u32 {
    let u = taken_apart(a);
    if u.what == NONE {
        return 0x7fc00000u;
    }
    if u.what == ZERO {
        return u.sign;
    }
    var e = u.exponent - 896;
    if u.what == INFINITE || e >= 0xff {
        return u.sign | 0x7f800000u;
    }
    // The leading bit of 24 counts the exponent up, as above.
    var s = u.significand;
    var base = e - 1;
    if e < 1 {
        s = right64(s, u32(1 - e));
        base = 0;
    }
    let cut = right64(s, 32u);
    // Seven bits are left below the 24; the lowest of them remembers the others.
    let rest = cut.x & 0x7fu;
    var q = cut.x >> 7u;
    if rest > 0x40u || (rest == 0x40u && (q & 1u) == 1u) {
        q += 1u;
    }
    return u.sign | ((u32(base) << 23u) + q);
}

// To a whole number between `least` and `most`, half to even; NaN becomes 0. Magnitudes below 2³².
fn d_to_whole(a: vec2<u32>, least: i32, most: u32) -> u32 {
    let u = taken_apart(a);
    if u.what == NONE || u.what == ZERO {
        return 0u;
    }
    let power = u.exponent - 1023;
    var magnitude = 0xffffffffu;
    var over = true;
    if u.what == FINITE && power < 32 {
        over = false;
        // Two digits below the point, of which the last stands for all the others.
        let t = right64(u.significand, u32(clamp(60 - power, 0, 64)));
        let whole = right64(vec2<u32>(t.x & ~3u, t.y), 2u);
        let rest = t.x & 3u;
        var q = whole;
        if rest > 2u || (rest == 2u && (whole.x & 1u) == 1u) {
            q = add64(q, vec2<u32>(1u, 0u));
        }
        over = q.y != 0u;
        magnitude = select(q.x, 0xffffffffu, over);
    }
    if u.sign == 0u {
        return min(magnitude, most);
    }
    // `least` is never above 0.
    let bound = u32(-(least + 1)) + 1u;
    let limit = select(bound, 0u, least == 0);
    return 0u - min(magnitude, limit);
}
