// Least sum of a squared distance found so far and that of a step along one axis, outwards from each voxel until
// steps alone are longer. TABLE: squares of the steps, which rise.

fn voxel(at: vec3<i32>) -> u32 {
    var best = FOUND(at);
    let n = p.image.AXIS;
    for (var k = 1; k < n; k++) {
        let square = bitcast<NUMBER>(table[TABLE + u32(k)]);
        if square >= best {
            break;
        }
        var q = at;
        if at.AXIS - k >= 0 {
            q.AXIS = at.AXIS - k;
            best = min(best, FOUND(q) + square);
        }
        if at.AXIS + k < n {
            q.AXIS = at.AXIS + k;
            best = min(best, FOUND(q) + square);
        }
    }
    return bitcast<u32>(min(best, FAR));
}
