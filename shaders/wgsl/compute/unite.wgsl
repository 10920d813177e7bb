// Connected voxels united in a forest whose roots are their first voxels (Komura 2015,
// doi:10.1016/j.cpc.2015.04.015). TABLE: number of neighbours that come before a voxel, then their offsets, each
// axis plus 128 in a byte.

fn root(start: u32) -> u32 {
    var i = start;
    loop {
        let next = atomicLoad(&made[i]);
        if next == i {
            break;
        }
        i = next;
    }
    return i;
}

fn unite(one: u32, other: u32) {
    var a = one;
    var b = other;
    loop {
        a = root(a);
        b = root(b);
        if a == b {
            return;
        }
        if a < b {
            let lesser = a;
            a = b;
            b = lesser;
        }
        // Somebody may have given it another parent, which then is one of the same tree.
        let old = atomicMin(&made[a], b);
        if old == a {
            return;
        }
        a = old;
    }
}

fn run(i: u32) {
    if !is_voxel(i) {
        return;
    }
    let own = a_at(i);
    if own == 0u {
        return;
    }
    let at = place(i);
    for (var n = 0u; n < table[0]; n++) {
        let packed = table[1u + n];
        let d = vec3<i32>(vec3<u32>(packed & 0xffu, (packed >> 8u) & 0xffu, packed >> 16u)) - 128;
        let q = at + d;
        if all(q >= vec3<i32>(0)) && all(q < p.shape) {
            let j = u32(q.z * p.shape.y + q.y) * p.stride + u32(q.x);
            if SAME {
                unite(i, j);
            }
        }
    }
}
