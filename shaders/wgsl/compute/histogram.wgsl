// Finite voxels in each bin. `first`: invocations; `second`: bins; `third`: the key of bin 0, where bins are a
// value each. Else TABLE holds the key at which each bin begins. A key beyond the range does not occur.

fn bin(k: u32) -> u32 {
    if EDGES {
        var low = 0u;
        var high = p.second;
        // The last bin that does not begin above the key.
        while high - low > 1u {
            let middle = (low + high) / 2u;
            if table[middle] <= k {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }
    return k - p.third;
}

fn run(thread: u32) {
    if thread >= p.first {
        return;
    }
    // Runs of equal voxels are counted as one.
    var held = NOWHERE;
    var count = 0u;
    for (var i = thread; i < voxels(); i += p.first) {
        let v = a_at(i);
        if is_voxel(i) && is_finite(v) {
            let b = bin(key(v));
            if b != held {
                if count > 0u {
                    atomicAdd(&made[held], count);
                }
                held = b;
                count = 0u;
            }
            count += 1u;
        }
    }
    if count > 0u {
        atomicAdd(&made[held], count);
    }
}
