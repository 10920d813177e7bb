// The steps around the union: each voxel its own tree; each voxel under its root; roots counted in blocks of 1024
// voxels; roots numbered from the number that TABLE gives for their block; voxels numbered as their roots.

fn begin(i: u32) {
    if i < voxels() {
        atomicStore(&made[i], select(NOWHERE, i, is_voxel(i) && a_at(i) != 0u));
    }
}

fn flatten(i: u32) {
    if i >= voxels() {
        return;
    }
    var at = atomicLoad(&made[i]);
    if at == NOWHERE {
        return;
    }
    loop {
        let next = atomicLoad(&made[at]);
        if next == at {
            break;
        }
        at = next;
    }
    atomicStore(&made[i], at);
}

// Here `b` is the forest.
fn count(block: u32) {
    let end = min((block + 1u) * 1024u, voxels());
    var n = 0u;
    for (var i = block * 1024u; i < end; i++) {
        n += select(0u, 1u, b_words[i] == i);
    }
    if block * 1024u < voxels() {
        atomicStore(&made[block], n);
    }
}

fn number(block: u32) {
    if block * 1024u >= voxels() {
        return;
    }
    let end = min((block + 1u) * 1024u, voxels());
    var n = table[block];
    for (var i = block * 1024u; i < end; i++) {
        if b_words[i] == i {
            n += 1u;
            atomicStore(&made[i], n);
        }
    }
}

fn spread(i: u32) {
    if i >= voxels() {
        return;
    }
    let root = b_words[i];
    if root == NOWHERE {
        atomicStore(&made[i], 0u);
    } else if root != i {
        atomicStore(&made[i], atomicLoad(&made[root]));
    }
}

fn run(i: u32) {
    STEP(i);
}
