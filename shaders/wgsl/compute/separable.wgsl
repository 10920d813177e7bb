// A sum along one axis over a kernel that is even or odd about its middle, in the order of the operator: the
// middle, then pair by pair outwards. TABLE: radius, then the weights from the middle on.

fn tap(at: vec3<i32>, d: i32) -> NUMBER {
    var q = at;
    q.AXIS = border(at.AXIS + d, p.image.AXIS);
    return LOAD(q);
}

fn voxel(at: vec3<i32>) -> u32 {
    let radius = i32(table[TABLE]);
    var sum = FIRST(bitcast<NUMBER>(table[TABLE + 1u]) * tap(at, 0));
    for (var k = 1; k <= radius; k++) {
        let pair = tap(at, k) SIGN tap(at, -k);
        sum += FIRST(bitcast<NUMBER>(table[TABLE + 1u + u32(k)]) * pair);
    }
    return bitcast<u32>(sum);
}
