use super::*;

/// A generator for tests: xorshift64*.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn shape(&mut self, most: usize) -> [usize; 3] {
        let mut shape = [0; 3];
        for n in &mut shape {
            *n = if self.below(4) == 0 { 1 } else { 1 + self.below(most) };
        }
        shape
    }
}

/// Components by flooding, one voxel after the other.
pub(crate) fn flood(labels: &[u32], shape: [usize; 3], connectivity: Connectivity) -> Vec<u32> {
    let mut out = vec![0; labels.len()];
    let mut count = 0;
    for start in 0..labels.len() {
        if labels[start] == 0 || out[start] != 0 {
            continue;
        }
        count += 1;
        out[start] = count;
        let mut stack = vec![start];
        while let Some(at) = stack.pop() {
            let p = [at / (shape[1] * shape[2]), at / shape[2] % shape[1], at % shape[2]];
            for step in connectivity.neighbours() {
                let q: [isize; 3] = std::array::from_fn(|a| p[a] as isize + step[a]);
                if (0..3).any(|a| q[a] < 0 || q[a] >= shape[a] as isize) {
                    continue;
                }
                let to = (q[0] as usize * shape[1] + q[1] as usize) * shape[2] + q[2] as usize;
                if labels[to] == labels[at] && out[to] == 0 {
                    out[to] = count;
                    stack.push(to);
                }
            }
        }
    }
    out
}

const ALL: [Connectivity; 3] = [Connectivity::Six, Connectivity::Eighteen, Connectivity::TwentySix];

#[test]
fn masks_agree_with_flooding() {
    let mut random = Random(1);
    let job = Job::silent();
    for case in 0..150 {
        let mut shape = random.shape(13);
        if case % 5 == 0 {
            shape[2] = 60 + random.below(80);
        }
        let density = 1 + random.below(9);
        let mask: Vec<u8> =
            (0..shape.iter().product()).map(|_| u8::from(random.below(10) < density)).collect();
        for connectivity in ALL {
            for part in [Part::Inside, Part::Outside] {
                let c = Components::of_mask(&mask, shape, connectivity, part, &job).unwrap();
                let seen: Vec<u32> =
                    mask.iter().map(|v| u32::from((*v != 0) == (part == Part::Inside))).collect();
                let expected = flood(&seen, shape, connectivity);
                let labels = c.labels(&job).unwrap();
                assert_eq!(labels.as_slice().unwrap(), expected, "{shape:?} {connectivity:?} {part:?}");
                let mut sizes = vec![0; c.count() as usize];
                let mut firsts = vec![u64::MAX; c.count() as usize];
                for (i, l) in expected.iter().enumerate().filter(|(_, l)| **l > 0) {
                    sizes[*l as usize - 1] += 1;
                    firsts[*l as usize - 1] = firsts[*l as usize - 1].min(i as u64);
                }
                assert_eq!(c.sizes(), sizes);
                assert_eq!(c.first_voxels(), firsts);
            }
        }
    }
}

#[test]
fn equal_labels_agree_with_flooding() {
    let mut random = Random(2);
    for _ in 0..150 {
        let shape = random.shape(11);
        let kinds = 2 + random.below(3);
        let labels: Vec<u32> = (0..shape.iter().product()).map(|_| random.below(kinds) as u32 * 7).collect();
        for connectivity in ALL {
            let job = Job::silent();
            let c = Components::of_labels(&labels, shape, connectivity, &job).unwrap();
            assert_eq!(c.labels(&job).unwrap().as_slice().unwrap(), flood(&labels, shape, connectivity));
        }
    }
}

#[test]
fn border_components_are_known() {
    let shape = [3, 3, 5];
    let mut mask = vec![0u8; 45];
    mask[15 + 5 + 2] = 1;
    mask[4] = 1;
    let c = Components::of_mask(&mask, shape, Connectivity::Six, Part::Inside, &Job::silent()).unwrap();
    assert_eq!(c.touching_border(), [true, false]);
}

#[test]
fn empty_images_have_no_components() {
    for shape in [[0, 3, 3], [3, 0, 3], [3, 3, 0]] {
        let c = Components::of_mask(&[], shape, Connectivity::Six, Part::Inside, &Job::silent()).unwrap();
        assert_eq!(c.count(), 0);
        assert_eq!(c.labels(&Job::silent()).unwrap().dim(), (shape[0], shape[1], shape[2]));
    }
}
