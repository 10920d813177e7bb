// Sums over the intensities of each object, about the corner of a tile whose sides are below 4097 voxels. Intensities u
// are those of 8 or 16 bits less the least that their type has. `first`: runs of a row; `second`: 0 to sum, then 1 to find
// the places of the extremes; `third`: the label of the first object. Words of an object: one more than the greatest of
// 65535 − u; one more than the greatest u; the greatest of NOWHERE − place, for the first places of the least and the
// greatest u; the sums of u and u², two words each; of u³ and u⁴, three; of uz, uy, ux, two; of u times zz, yy, xx, zy, zx,
// yx, three.

const WORDS = 38u;

// To a number of three words, the lowest first.
fn add_three(at: u32, n: vec3<u32>) {
    var carried = 0u;
    let low = atomicAdd(&made[at], n.x);
    let middle = atomicAdd(&made[at + 1u], n.y);
    if middle + n.y < middle {
        carried += 1u;
    }
    if low + n.x < low && atomicAdd(&made[at + 1u], 1u) == NOWHERE {
        carried += 1u;
    }
    let high = n.z + carried;
    if high != 0u {
        atomicAdd(&made[at + 2u], high);
    }
}

fn add_two(at: u32, n: vec2<u32>) {
    let low = atomicAdd(&made[at], n.x);
    let high = n.y + select(0u, 1u, low + n.x < low);
    if high != 0u {
        atomicAdd(&made[at + 1u], high);
    }
}

fn add_wide(at: u32, n: vec2<u32>) {
    add_three(at, vec3<u32>(n, 0u));
}

// Voxels of an object along x from a place on.
fn flush(label: u32, z: u32, y: u32, x: u32, n: u32) {
    let at = (label - p.third) * WORDS;
    let row = (z * u32(p.shape.y) + y);
    let place = row * u32(p.shape.x) + x;
    if p.second == 1u {
        let least = 65536u - atomicLoad(&made[at]);
        let greatest = atomicLoad(&made[at + 1u]) - 1u;
        for (var i = 0u; i < n; i++) {
            let u = intensity_of(b_at(row * p.stride + x + i));
            if u == least {
                atomicMax(&made[at + 2u], NOWHERE - (place + i));
            }
            if u == greatest {
                atomicMax(&made[at + 3u], NOWHERE - (place + i));
            }
        }
        return;
    }
    var least = 65535u;
    var greatest = 0u;
    var s1 = 0u;
    var i1 = 0u;
    // The sum of i²u, of both bytes of u.
    var i2 = vec2<u32>(0u);
    var s2 = vec2<u32>(0u);
    var s3 = vec2<u32>(0u);
    var s4 = vec3<u32>(0u);
    for (var i = 0u; i < n; i++) {
        let u = intensity_of(b_at(row * p.stride + x + i));
        least = min(least, u);
        greatest = max(greatest, u);
        s1 += u;
        i1 += i * u;
        i2 += i * i * vec2<u32>(u & 0xffu, u >> 8u);
        let square = u * u;
        s2 = add64(s2, vec2<u32>(square, 0u));
        s3 = add64(s3, wide(square, u));
        let fourth = wide(square, square);
        let sum = add64(s4.xy, fourth);
        s4 = vec3<u32>(sum, s4.z + select(0u, 1u, less64(sum, fourth)));
    }
    atomicMax(&made[at], 65536u - least);
    atomicMax(&made[at + 1u], greatest + 1u);
    add_two(at + 4u, vec2<u32>(s1, 0u));
    add_two(at + 6u, s2);
    add_wide(at + 8u, s3);
    add_three(at + 11u, s4);
    let along = add64(wide(x, s1), vec2<u32>(i1, 0u));
    add_two(at + 14u, wide(z, s1));
    add_two(at + 16u, wide(y, s1));
    add_two(at + 18u, along);
    add_wide(at + 20u, wide(z * z, s1));
    add_wide(at + 23u, wide(y * y, s1));
    let squares = add64(vec2<u32>(i2.x, 0u), vec2<u32>(i2.y << 8u, i2.y >> 24u));
    add_wide(at + 26u, add64(add64(wide(x * x, s1), wide(2u * x, i1)), squares));
    add_wide(at + 29u, wide(z * y, s1));
    let zx = wide(z, along.x);
    add_wide(at + 32u, vec2<u32>(zx.x, zx.y + z * along.y));
    let yx = wide(y, along.x);
    add_wide(at + 35u, vec2<u32>(yx.x, yx.y + y * along.y));
}
