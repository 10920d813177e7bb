// Sums over the voxels of each object, about the corner of a tile whose sides are below 4097 voxels. `first`: runs of
// a row; `second`: words of an object; `third`: the label of the first. Words of an object: voxels; the sums of z, y and x,
// two words each; the least z, y, x; one past the greatest; the sums of zz, yy, xx, zy, zx and yx, if they are asked for.

// To a number of two words, the lower first.
fn add(at: u32, n: u32) {
    let before = atomicAdd(&made[at], n);
    if before + n < before {
        atomicAdd(&made[at + 1u], 1u);
    }
}

// `n` voxels along x from a place on.
fn flush(label: u32, z: u32, y: u32, x: u32, n: u32) {
    let at = (label - p.third) * p.second;
    // Sums of the numbers below n and of their squares.
    let steps = n * (n - 1u) / 2u;
    let squares = steps * (2u * n - 1u) / 3u;
    let along = n * x + steps;
    atomicAdd(&made[at], n);
    add(at + 1u, n * z);
    add(at + 3u, n * y);
    add(at + 5u, along);
    atomicMin(&made[at + 7u], z);
    atomicMin(&made[at + 8u], y);
    atomicMin(&made[at + 9u], x);
    atomicMax(&made[at + 10u], z + 1u);
    atomicMax(&made[at + 11u], y + 1u);
    atomicMax(&made[at + 12u], x + n);
    if p.second > 13u {
        add(at + 13u, n * z * z);
        add(at + 15u, n * y * y);
        add(at + 17u, n * x * x + 2u * x * steps + squares);
        add(at + 19u, n * z * y);
        add(at + 21u, z * along);
        add(at + 23u, y * along);
    }
}
