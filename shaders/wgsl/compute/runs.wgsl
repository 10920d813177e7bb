// Walks along runs of rows, `first` of them a row, and gives `flush` what is of one object.

const RUN = 64u;

fn run(thread: u32) {
    let row = thread / p.first;
    let rows = u32(p.shape.y);
    if row >= rows * u32(p.shape.z) {
        return;
    }
    let begin = (thread % p.first) * RUN;
    let end = min(begin + RUN, u32(p.shape.x));
    var held = 0u;
    var since = begin;
    for (var x = begin; x < end; x++) {
        let label = label_of(a_at(row * p.stride + x));
        if label != held {
            if held != 0u {
                flush(held, row / rows, row % rows, since, x - since);
            }
            held = label;
            since = x;
        }
    }
    if held != 0u && end > since {
        flush(held, row / rows, row % rows, since, end - since);
    }
}
