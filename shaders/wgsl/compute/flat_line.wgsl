// The same over a line along one axis. TABLE: half the length.

fn voxel(at: vec3<i32>) -> u32 {
    var best = 0u;
    let half = bitcast<i32>(table[TABLE]);
    var q = at;
    for (var i = max(at.AXIS - half, 0); i <= min(at.AXIS + half, p.image.AXIS - 1); i++) {
        q.AXIS = i;
        best = max(best, key(a_bits(q)));
    }
    return of_key(best);
}
