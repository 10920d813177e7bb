// Least and greatest finite value, as keys. `first` is the number of invocations, each of which takes every
// `first`th voxel.

fn run(thread: u32) {
    if thread >= p.first {
        return;
    }
    var least = 0xffffffffu;
    var most = 0u;
    for (var i = thread; i < voxels(); i += p.first) {
        if is_voxel(i) && is_finite(a_at(i)) {
            let k = key(a_at(i));
            least = min(least, k);
            most = max(most, k);
        }
    }
    atomicMin(&made[0], least);
    atomicMax(&made[1], most);
}
