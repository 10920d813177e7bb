// One step of seeds that grow. What is made: labels, then the step at which each voxel was reached (from 1),
// then whether anything was reached. A voxel takes the first of its neighbours, in C order, that was reached
// before this step. `a` is the region; TABLE: number of neighbours, then their offsets, each axis plus 128 in a
// byte. `first`: the step.

fn run(i: u32) {
    let n = voxels();
    if !is_voxel(i) || atomicLoad(&made[n + i]) != 0u || a_at(i) == 0u {
        return;
    }
    let at = place(i);
    for (var k = 0u; k < table[0]; k++) {
        let packed = table[1u + k];
        let d = vec3<i32>(vec3<u32>(packed & 0xffu, (packed >> 8u) & 0xffu, packed >> 16u)) - 128;
        let q = at + d;
        if all(q >= vec3<i32>(0)) && all(q < p.shape) {
            let j = u32(q.z * p.shape.y + q.y) * p.stride + u32(q.x);
            let reached = atomicLoad(&made[n + j]);
            if reached != 0u && reached < p.first {
                atomicStore(&made[i], atomicLoad(&made[j]));
                atomicStore(&made[n + i], p.first);
                atomicStore(&made[2u * n], 1u);
                return;
            }
        }
    }
}
