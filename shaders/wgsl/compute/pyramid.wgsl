// A voxel of a coarser level, of the up to eight below it. TABLE: factors along x, y, z. `image` is the shape of
// the finer level.

fn below(at: vec3<i32>, i: i32) -> vec3<i32> {
    let factor = vec3<i32>(vec3<u32>(table[0], table[1], table[2]));
    let d = vec3<i32>(i & 1, (i >> 1u) & 1, (i >> 2u) & 1);
    let q = at * factor + d;
    let there = all(d < factor) && all(q < p.image);
    return select(vec3<i32>(-1), q, there);
}

// Whole numbers: the mean, halves up.
fn mean_whole(at: vec3<i32>) -> u32 {
    var sum = 0;
    var count = 0u;
    for (var i = 0; i < 8; i++) {
        let q = below(at, i);
        if q.x >= 0 {
            sum += a_whole(q);
            count += 1u;
        }
    }
    // The count is a power of two.
    let bits = firstLeadingBit(count);
    return bitcast<u32>((sum + i32((1u << bits) >> 1u)) >> bits);
}

// The most frequent value, of several the first.
fn most_frequent(at: vec3<i32>) -> u32 {
    var best = 0u;
    var found = 0u;
    for (var i = 0; i < 8; i++) {
        let q = below(at, i);
        if q.x < 0 {
            continue;
        }
        let v = a_bits(q);
        var count = 0u;
        for (var j = i; j < 8; j++) {
            let r = below(at, j);
            count += select(0u, 1u, r.x >= 0 && a_bits(max(r, p.a.origin)) == v);
        }
        if count > best {
            best = count;
            found = v;
        }
    }
    return found;
}
