// Whether a voxel's value differs from that of a neighbour in the image. TABLE: whether objects and background are
// marked, the number of neighbours, then the offsets, each axis plus 128 in a byte.

fn voxel(at: vec3<i32>) -> u32 {
    let own = a_bits(at);
    if table[select(TABLE, TABLE + 1u, own == 0u)] == 0u {
        return 0u;
    }
    for (var i = 0u; i < table[TABLE + 2u]; i++) {
        let packed = table[TABLE + 3u + i];
        let d = vec3<i32>(vec3<u32>(packed & 0xffu, (packed >> 8u) & 0xffu, packed >> 16u)) - 128;
        let q = at + d;
        if all(q >= vec3<i32>(0)) && all(q < p.image) && a_bits(q) != own {
            return 1u;
        }
    }
    return 0u;
}
