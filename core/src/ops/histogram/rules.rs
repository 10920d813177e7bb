//! Where to cut a histogram. Each rule gives the centre of the last bin of the lower class; a
//! histogram of one bin is cut there.

use super::bins::Histogram;

/// Otsu 1979 (doi:10.1109/TSMC.1979.4310076): the cut with the greatest variance between classes,
/// the lowest of equals.
pub fn otsu(h: &Histogram) -> f64 {
    let (total, sum) = (h.total(), h.sum());
    let (mut below, mut sum_below) = (0u64, 0.0);
    let mut best = (f64::NEG_INFINITY, 0);
    for (i, (&n, &c)) in h.counts.iter().zip(&h.centres).enumerate().take(h.counts.len() - 1) {
        below += n;
        sum_below += n as f64 * c;
        let above = total - below;
        let difference = sum_below / below as f64 - (sum - sum_below) / above as f64;
        let between = below as f64 * above as f64 * difference * difference;
        // Empty bins leave the variance as it is: the first of them is kept.
        if n > 0 && between > best.0 {
            best = (between, i);
        }
    }
    h.centres[best.1]
}

/// Liao, Chen & Chung 2001 (a fast algorithm for multilevel thresholding): the cuts into `classes`
/// with the greatest variance between them, found exactly by dynamic programming over bins.
///
/// The score of a class, (sum²)/(count), has the monotone property that lets each row be found by
/// divide and conquer (Galil & Park 1992, doi:10.1016/0304-3975(92)90135-3), so 65536 bins are quick.
pub fn multi_otsu(h: &Histogram, classes: usize) -> Result<Vec<f64>, String> {
    // Only occupied bins can end a class: the lowest of equal cuts does.
    let bins: Vec<usize> = (0..h.counts.len()).filter(|&i| h.counts[i] > 0).collect();
    if bins.len() < classes {
        return Err(format!(
            "the image has only {} different values (or bins), too few for {classes} classes",
            bins.len()
        ));
    }
    // Sums from a value in the middle keep the squares small.
    let shift = h.sum() / h.total() as f64;
    let mut counts = vec![0.0];
    let mut sums = vec![0.0];
    for &i in &bins {
        counts.push(counts[counts.len() - 1] + h.counts[i] as f64);
        sums.push(sums[sums.len() - 1] + h.counts[i] as f64 * (h.centres[i] - shift));
    }
    let score = |from: usize, to: usize| {
        let (n, s) = (counts[to] - counts[from], sums[to] - sums[from]);
        s * s / n
    };
    let m = bins.len();
    // best[j]: greatest score of the first j bins in the classes so far; cut[k][j]: where the last began.
    let mut best: Vec<f64> = (0..=m).map(|j| if j == 0 { f64::NEG_INFINITY } else { score(0, j) }).collect();
    let mut cuts: Vec<Vec<usize>> = Vec::new();
    for k in 2..=classes {
        let (mut next, mut cut) = (vec![f64::NEG_INFINITY; m + 1], vec![0; m + 1]);
        // (bins from, to; cuts from, to), all inclusive.
        let mut tasks = vec![(k, m, k - 1, m - 1)];
        while let Some((low, high, first, last)) = tasks.pop() {
            if low > high {
                continue;
            }
            let middle = usize::midpoint(low, high);
            let mut found = (f64::NEG_INFINITY, first);
            for c in first..=last.min(middle - 1) {
                let value = best[c] + score(c, middle);
                if value > found.0 {
                    found = (value, c);
                }
            }
            (next[middle], cut[middle]) = found;
            tasks.push((low, middle - 1, first, found.1));
            tasks.push((middle + 1, high, found.1, last));
        }
        best = next;
        cuts.push(cut);
    }
    let mut at = m;
    let mut thresholds: Vec<f64> = cuts
        .iter()
        .rev()
        .map(|cut| {
            at = cut[at];
            h.centres[bins[at - 1]]
        })
        .collect();
    thresholds.reverse();
    Ok(thresholds)
}

/// Li & Tam 1998 (doi:10.1016/S0167-8655(98)00057-9): iterates to the cut of least cross entropy,
/// from the mean; values are counted from the least one.
pub fn li(h: &Histogram) -> f64 {
    let least = h.centres[0];
    let values: Vec<f64> = h.centres.iter().map(|c| c - least).collect();
    // As fine as the bins are: half a bin.
    let tolerance = h.width() / 2.0;
    let mean = |bins: std::ops::Range<usize>| {
        let n: u64 = h.counts[bins.clone()].iter().sum();
        bins.map(|i| h.counts[i] as f64 * values[i]).sum::<f64>() / n as f64
    };
    let mut next = mean(0..values.len());
    let mut current = -2.0 * tolerance;
    while (next - current).abs() > tolerance {
        current = next;
        let cut = values.partition_point(|&v| v <= current);
        if cut == values.len() {
            break;
        }
        let (below, above) = (mean(0..cut), mean(cut..values.len()));
        // The logarithm of 0 is not defined: everything but the least value is above.
        if below == 0.0 {
            break;
        }
        next = (below - above) / (below.ln() - above.ln());
    }
    next + least
}

/// Yen, Chang & Chang 1995 (doi:10.1109/83.366472): the cut of greatest correlation.
pub fn yen(h: &Histogram) -> f64 {
    let total = h.total() as f64;
    let share = |n: u64| n as f64 / total;
    let squares: f64 = h.counts.iter().map(|&n| share(n) * share(n)).sum();
    let (mut below, mut squares_below) = (0.0, 0.0);
    let mut best = (f64::NEG_INFINITY, 0);
    for (i, &n) in h.counts.iter().enumerate().take(h.counts.len() - 1) {
        below += share(n);
        squares_below += share(n) * share(n);
        let spread = below * (1.0 - below);
        // The logarithm, which doesn't change the order, is left out.
        let value = spread * spread / (squares_below * (squares - squares_below));
        if n > 0 && value > best.0 {
            best = (value, i);
        }
    }
    h.centres[best.1]
}

/// Zack, Rogers & Latt 1977 (doi:10.1177/25.7.70454): the bin farthest below the line from the peak
/// to the end of the longer tail.
pub fn triangle(h: &Histogram) -> f64 {
    let last = h.counts.len() - 1;
    let peak = (0..=last).rev().max_by_key(|&i| h.counts[i]).unwrap_or(0);
    // The tail runs away from the peak; seen from its end.
    let flip = peak < last - peak;
    let (width, at) = if flip { (last - peak, last) } else { (peak, 0) };
    let bin = |i: usize| if flip { at - i } else { at + i };
    let height = h.counts[peak] as f64;
    let mut best = (f64::NEG_INFINITY, 0);
    for i in 0..width {
        let depth = height * i as f64 - width as f64 * h.counts[bin(i)] as f64;
        if depth > best.0 {
            best = (depth, i);
        }
    }
    h.centres[bin(best.1)]
}

/// Ridler & Calvard 1978 (doi:10.1109/TSMC.1978.4310039): the lowest cut that lies, within a bin,
/// halfway between the means of the classes that it makes.
pub fn isodata(h: &Histogram) -> f64 {
    let (total, sum) = (h.total(), h.sum());
    let (mut below, mut sum_below) = (0u64, 0.0);
    for (&n, &c) in h.counts.iter().zip(&h.centres).take(h.counts.len() - 1) {
        below += n;
        sum_below += n as f64 * c;
        let halfway = 0.5 * (sum_below / below as f64 + (sum - sum_below) / (total - below) as f64);
        if halfway >= c && halfway - c < h.width() {
            return c;
        }
    }
    h.centres[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cuts of every choice, to hold the dynamic programme against.
    fn exhaustive(h: &Histogram, classes: usize) -> f64 {
        fn go(h: &Histogram, from: usize, classes: usize, mean: f64) -> f64 {
            let score = |from: usize, to: usize| {
                let n: u64 = h.counts[from..to].iter().sum();
                let s: f64 = (from..to).map(|i| h.counts[i] as f64 * (h.centres[i] - mean)).sum();
                if n == 0 { 0.0 } else { s * s / n as f64 }
            };
            if classes == 1 {
                return score(from, h.counts.len());
            }
            (from + 1..h.counts.len())
                .map(|c| score(from, c) + go(h, c, classes - 1, mean))
                .fold(f64::NEG_INFINITY, f64::max)
        }
        go(h, 0, classes, h.sum() / h.total() as f64)
    }

    fn score(h: &Histogram, cuts: &[f64]) -> f64 {
        let mean = h.sum() / h.total() as f64;
        let mut edges = vec![f64::NEG_INFINITY];
        edges.extend(cuts);
        edges.push(f64::INFINITY);
        edges
            .windows(2)
            .map(|e| {
                let inside = |i: &usize| h.centres[*i] > e[0] && h.centres[*i] <= e[1];
                let n: u64 = (0..h.counts.len()).filter(inside).map(|i| h.counts[i]).sum();
                let s: f64 = (0..h.counts.len())
                    .filter(inside)
                    .map(|i| h.counts[i] as f64 * (h.centres[i] - mean))
                    .sum();
                s * s / n as f64
            })
            .sum()
    }

    #[test]
    fn many_classes_are_cut_at_the_optimum() {
        for seed in 0..40u64 {
            let counts: Vec<u64> = (0..14u64).map(|i| (seed * 77 + i * i * 31 + i * seed) % 9).collect();
            let mut counts = counts;
            counts[0] = 1;
            counts[13] = 2;
            let h = Histogram { centres: (0..14).map(f64::from).collect(), counts };
            for classes in 2..=5 {
                let Ok(cuts) = multi_otsu(&h, classes) else { continue };
                let (ours, best) = (score(&h, &cuts), exhaustive(&h, classes));
                assert!((ours - best).abs() <= 1e-9 * best.abs().max(1.0), "{seed} {classes}: {ours} {best}");
            }
            assert_eq!(multi_otsu(&h, 2).unwrap(), [otsu(&h)]);
        }
    }

    #[test]
    fn one_value_is_its_own_threshold() {
        let h = Histogram { counts: vec![9], centres: vec![4.0] };
        for rule in [otsu, li, yen, triangle, isodata] {
            assert_eq!(rule(&h), 4.0);
        }
        assert!(multi_otsu(&h, 2).is_err());
    }
}
