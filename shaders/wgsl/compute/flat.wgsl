// The maximum of keys over a structuring element made of rows along x; what lies outside the image is not there.
// TABLE: number of rows, then for each row its offsets along z and y, and its half-width.

fn voxel(at: vec3<i32>) -> u32 {
    var best = 0u;
    for (var i = 0u; i < table[TABLE]; i++) {
        let row = TABLE + 1u + 3u * i;
        let z = at.z + bitcast<i32>(table[row]);
        let y = at.y + bitcast<i32>(table[row + 1u]);
        let half = bitcast<i32>(table[row + 2u]);
        if z < 0 || z >= p.image.z || y < 0 || y >= p.image.y {
            continue;
        }
        for (var x = max(at.x - half, 0); x <= min(at.x + half, p.image.x - 1); x++) {
            best = max(best, key(a_bits(vec3<i32>(x, y, z))));
        }
    }
    return of_key(best);
}
