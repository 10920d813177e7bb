// The value of a rank in a window: bit by bit, from the highest, by counting what is not greater. TABLE: number
// of voxels, rank, then the offsets, each axis plus 128 in a byte.

fn voxel(at: vec3<i32>) -> u32 {
    let count = table[TABLE];
    let rank = table[TABLE + 1u];
    var found = 0u;
    for (var bit = BITS; bit > 0u; bit--) {
        let least = found | ((1u << (bit - 1u)) - 1u);
        var below = 0u;
        for (var i = 0u; i < count; i++) {
            let packed = table[TABLE + 2u + i];
            let d = vec3<i32>(vec3<u32>(packed & 0xffu, (packed >> 8u) & 0xffu, packed >> 16u)) - 128;
            let q = at + d;
            let inside = vec3<i32>(
                border(q.x, p.image.x), border(q.y, p.image.y), border(q.z, p.image.z));
            below += select(0u, 1u, key(a_bits(inside)) <= least);
        }
        if below <= rank {
            found |= 1u << (bit - 1u);
        }
    }
    return of_key(found);
}
