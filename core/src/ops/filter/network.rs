//! Selection by networks of minima and maxima, which run on many voxels at once without a branch.
//!
//! A network is planned once for a window and a rank: sorted lists are merged by odd–even merging
//! (Batcher 1968, doi:10.1145/1468075.1468121), the rank is taken from two sorted lists as the least
//! of the maxima of complementary pairs, and what the result doesn't need is left out.

use super::key::Key;
use multiversion::multiversion;

/// One step on two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first becomes the lesser, the second the greater.
    Both(u16, u16),
    /// The first becomes the lesser; the second is not needed any more.
    Least(u16, u16),
    /// The second becomes the greater; the first is not needed any more.
    Greatest(u16, u16),
}

/// Steps, and the slots in which the results stand in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// In order.
    pub steps: Vec<Step>,
    /// Where the results are.
    pub results: Vec<u16>,
}

impl Network {
    /// Merges lists of slots, each sorted already, into one.
    pub fn sorting(lists: Vec<Vec<u16>>) -> Self {
        let mut steps = Vec::new();
        let results = merge_all(lists, &mut steps);
        Self::pruned(steps, results)
    }

    /// Finds the value of rank `rank`, from 0, among lists of slots, each sorted already.
    pub fn selecting(mut lists: Vec<Vec<u16>>, rank: usize) -> Self {
        let mut steps = Vec::new();
        lists.retain(|l| !l.is_empty());
        let second = lists.split_off(lists.len() / 2);
        let (a, b) = (merge_all(lists, &mut steps), merge_all(second, &mut steps));
        // With i of the lesser values from `a` and the other rank + 1 − i from `b`, the greatest of
        // them is not below the wanted one, and for one i it is that.
        let mut candidates = Vec::new();
        for i in (rank + 1).saturating_sub(b.len())..=(rank + 1).min(a.len()) {
            let (last_a, last_b) = (i.checked_sub(1), rank.checked_sub(i));
            match (last_a.map(|j| a[j]), last_b.map(|j| b[j])) {
                (Some(a), Some(b)) => {
                    steps.push(Step::Both(a, b));
                    candidates.push(b);
                }
                (Some(one), None) | (None, Some(one)) => candidates.push(one),
                (None, None) => {}
            }
        }
        let result = candidates[0];
        for other in &candidates[1..] {
            steps.push(Step::Both(result, *other));
        }
        Self::pruned(steps, vec![result])
    }

    fn pruned(steps: Vec<Step>, results: Vec<u16>) -> Self {
        let slots = steps
            .iter()
            .map(|s| match *s {
                Step::Both(a, b) | Step::Least(a, b) | Step::Greatest(a, b) => a.max(b),
            })
            .chain(results.iter().copied())
            .max()
            .unwrap_or(0);
        let mut needed = vec![false; usize::from(slots) + 1];
        results.iter().for_each(|r| needed[usize::from(*r)] = true);
        let mut kept = Vec::new();
        for step in steps.into_iter().rev() {
            let Step::Both(a, b) = step else { unreachable!("only pruning narrows steps") };
            let step = match (needed[usize::from(a)], needed[usize::from(b)]) {
                (true, true) => step,
                (true, false) => Step::Least(a, b),
                (false, true) => Step::Greatest(a, b),
                (false, false) => continue,
            };
            needed[usize::from(a)] = true;
            needed[usize::from(b)] = true;
            kept.push(step);
        }
        kept.reverse();
        Self { steps: kept, results }
    }
}

fn merge_all(mut lists: Vec<Vec<u16>>, steps: &mut Vec<Step>) -> Vec<u16> {
    lists.retain(|l| !l.is_empty());
    while lists.len() > 1 {
        // The two shortest, so that sizes stay even.
        lists.sort_by_key(|l| std::cmp::Reverse(l.len()));
        let (a, b) = (lists.pop(), lists.pop());
        lists.push(merge(&a.unwrap_or_default(), &b.unwrap_or_default(), steps));
    }
    lists.pop().unwrap_or_default()
}

/// Batcher's odd–even merge of two sorted lists of any lengths; returns the slots in order.
fn merge(a: &[u16], b: &[u16], steps: &mut Vec<Step>) -> Vec<u16> {
    if a.is_empty() || b.is_empty() {
        return [a, b].concat();
    }
    if a.len() == 1 && b.len() == 1 {
        steps.push(Step::Both(a[0], b[0]));
        return vec![a[0], b[0]];
    }
    let every_other =
        |list: &[u16], from: usize| list.iter().skip(from).step_by(2).copied().collect::<Vec<_>>();
    let even = merge(&every_other(a, 0), &every_other(b, 0), steps);
    let odd = merge(&every_other(a, 1), &every_other(b, 1), steps);
    let mut merged = vec![even[0]];
    for i in 0..odd.len().max(even.len() - 1) {
        match (odd.get(i), even.get(i + 1)) {
            (Some(o), Some(e)) => {
                steps.push(Step::Both(*o, *e));
                merged.extend([*o, *e]);
            }
            (Some(one), None) | (None, Some(one)) => merged.push(*one),
            (None, None) => {}
        }
    }
    merged
}

/// Keys side by side in one slot: 128 bytes of them.
pub trait Lanes: Key {
    /// A slot.
    type Slot: Copy + Send + Sync + AsRef<[Self]> + AsMut<[Self]>;
    /// Keys in a slot.
    const WIDTH: usize;
    /// A slot of the least key.
    const EMPTY: Self::Slot;
    /// Runs the steps on all lanes of the slots.
    fn run(steps: &[Step], slots: &mut [Self::Slot]);
}

macro_rules! lanes {
    ($($t:ident $width:literal $run:ident),*) => { $(
        #[multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "x86_64+avx2+fma+bmi1+bmi2+popcnt+lzcnt",
            "aarch64+neon"
        ))]
        fn $run(steps: &[Step], slots: &mut [[$t; $width]]) {
            for step in steps {
                match *step {
                    Step::Both(i, j) => {
                        let (a, b) = (slots[usize::from(i)], slots[usize::from(j)]);
                        let mut least = a;
                        let mut greatest = b;
                        for l in 0..$width {
                            least[l] = a[l].min(b[l]);
                            greatest[l] = a[l].max(b[l]);
                        }
                        slots[usize::from(i)] = least;
                        slots[usize::from(j)] = greatest;
                    }
                    Step::Least(i, j) => {
                        let b = slots[usize::from(j)];
                        let a = &mut slots[usize::from(i)];
                        for l in 0..$width {
                            a[l] = a[l].min(b[l]);
                        }
                    }
                    Step::Greatest(i, j) => {
                        let a = slots[usize::from(i)];
                        let b = &mut slots[usize::from(j)];
                        for l in 0..$width {
                            b[l] = a[l].max(b[l]);
                        }
                    }
                }
            }
        }

        impl Lanes for $t {
            type Slot = [$t; $width];
            const WIDTH: usize = $width;
            const EMPTY: Self::Slot = [0; $width];
            fn run(steps: &[Step], slots: &mut [Self::Slot]) {
                $run(steps, slots);
            }
        }
    )* };
}
lanes!(u8 128 run_u8, u16 64 run_u16, u32 32 run_u32, u64 16 run_u64);

#[cfg(test)]
mod tests {
    use super::super::testing::Random;
    use super::*;

    fn slots(values: &[u16]) -> Vec<[u16; 64]> {
        values.iter().map(|v| [*v; 64]).collect()
    }

    #[test]
    fn merges_of_any_lengths_sort() {
        let mut random = Random(5);
        for lengths in
            [vec![1], vec![2, 3], vec![3, 3, 3], vec![5; 5], vec![1; 19], vec![7, 0, 2, 1], vec![25, 25]]
        {
            let (mut next, mut lists) = (0, Vec::new());
            for l in lengths {
                lists.push((next..next + l).collect::<Vec<u16>>());
                next += l;
            }
            let network = Network::sorting(lists.clone());
            for rank in 0..usize::from(next) {
                let selecting = Network::selecting(lists.clone(), rank);
                // All 0-1 inputs would prove it; random ones with many ties find any wrong pair.
                for most in [2, 3, 60000] {
                    let mut values: Vec<u16> = (0..next).map(|_| random.below(most) as u16).collect();
                    for l in &lists {
                        if let (Some(a), Some(b)) = (l.first(), l.last()) {
                            values[usize::from(*a)..=usize::from(*b)].sort_unstable();
                        }
                    }
                    let mut s = slots(&values);
                    u16::run(&network.steps, &mut s);
                    let seen: Vec<u16> = network.results.iter().map(|r| s[usize::from(*r)][7]).collect();
                    let mut s = slots(&values);
                    u16::run(&selecting.steps, &mut s);
                    values.sort_unstable();
                    assert_eq!(seen, values);
                    assert_eq!(
                        s[usize::from(selecting.results[0])][63],
                        values[rank],
                        "rank {rank} of {lists:?}"
                    );
                }
            }
        }
    }
}
