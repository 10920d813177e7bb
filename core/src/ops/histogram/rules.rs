//! Where to cut a histogram. Each rule gives the centre of the last bin of the lower class.

use super::bins::Histogram;

/// Otsu 1979 (doi:10.1109/TSMC.1979.4310076): the cut with the greatest variance between classes,
/// the lowest of equals.
pub fn otsu(h: &Histogram) -> f64 {
    let total: u64 = h.counts.iter().sum();
    let sum: f64 = h.counts.iter().zip(&h.centres).map(|(&n, &c)| n as f64 * c).sum();
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
