//! Labels against labels, from the numbers of voxels that they share.

use super::assign::{Pair, assign};
use std::collections::BTreeMap;

/// Voxels of the labels of two images of one shape, of a frame. Label 0 is background.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Voxels of each pair of a label of the result and one of the truth, background among them.
    pub shared: BTreeMap<(u32, u32), u64>,
}

impl Overlap {
    /// Voxels of each label of the result, background too.
    pub fn result(&self) -> BTreeMap<u32, u64> {
        self.sizes(|(result, _)| result)
    }

    /// Voxels of each label of the truth, background too.
    pub fn truth(&self) -> BTreeMap<u32, u64> {
        self.sizes(|(_, truth)| truth)
    }

    fn sizes(&self, of: impl Fn((u32, u32)) -> u32) -> BTreeMap<u32, u64> {
        let mut sizes = BTreeMap::new();
        for (&pair, &n) in &self.shared {
            *sizes.entry(of(pair)).or_insert(0) += n;
        }
        sizes
    }

    /// Each label of the truth with that of the result that has more than half of its voxels.
    pub fn matches(&self) -> BTreeMap<u32, u32> {
        let sizes = self.truth();
        let most = |&(&(result, truth), &n): &(&(u32, u32), &u64)| {
            result != 0 && truth != 0 && 2 * n > sizes[&truth]
        };
        self.shared.iter().filter(most).map(|(&(result, truth), _)| (truth, result)).collect()
    }
}

/// Least overlaps (intersection over union) at which objects are matched.
const THRESHOLDS: [f64; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// Sums over frames from which the measures follow.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    foreground: [u64; 3],
    seg: (f64, u64),
    frames: u64,
    rand: [f64; 2],
    information: [f64; 2],
    matched: [u64; THRESHOLDS.len()],
    objects: [u64; 2],
    quality: (f64, u64),
}

impl Agreement {
    /// Adds a frame.
    pub fn add(&mut self, overlap: &Overlap) {
        let (result, truth) = (overlap.result(), overlap.truth());
        let all: u64 = result.values().sum();
        let background = |sizes: &BTreeMap<u32, u64>| sizes.get(&0).copied().unwrap_or(0);
        let neither = overlap.shared.get(&(0, 0)).copied().unwrap_or(0);
        let (a, b) = (all - background(&result), all - background(&truth));
        let both = a + b + neither - all;
        for (sum, n) in self.foreground.iter_mut().zip([both, a, b]) {
            *sum += n;
        }
        self.frames += 1;
        self.add_objects(overlap, &result, &truth);
        self.add_rand(overlap, &truth);
        let [split, merge] = information(overlap, &result, &truth, all as f64);
        self.information = [self.information[0] + split, self.information[1] + merge];
    }

    fn add_objects(&mut self, overlap: &Overlap, result: &BTreeMap<u32, u64>, truth: &BTreeMap<u32, u64>) {
        let count = |sizes: &BTreeMap<u32, u64>| sizes.keys().filter(|l| **l != 0).count();
        let iou = |(r, t): (u32, u32), n: u64| n as f64 / (result[&r] + truth[&t] - n) as f64;
        self.objects[0] += count(result) as u64;
        self.objects[1] += count(truth) as u64;
        self.seg.1 += count(truth) as u64;
        for (&t, &r) in &overlap.matches() {
            self.seg.0 += iou((r, t), overlap.shared[&(r, t)]);
        }
        let number = |sizes: &BTreeMap<u32, u64>| -> BTreeMap<u32, u32> {
            sizes.keys().filter(|l| **l != 0).copied().zip(0..).collect()
        };
        let (rows, columns) = (number(result), number(truth));
        let pairs = overlap.shared.iter().filter(|((r, t), _)| *r != 0 && *t != 0);
        let pairs: Vec<(Pair, f64)> = pairs
            .map(|(&(r, t), &n)| (Pair { row: rows[&r], column: columns[&t], cost: 0.0 }, iou((r, t), n)))
            .collect();
        for (k, least) in THRESHOLDS.into_iter().enumerate() {
            // First as many as can be, then those that overlap most.
            let limit = 2.0 * rows.len().min(columns.len()).max(1) as f64;
            let cost = |iou: f64| if iou >= least { -1.0 - iou / limit } else { 0.0 };
            let pairs: Vec<Pair> = pairs.iter().map(|(p, iou)| Pair { cost: cost(*iou), ..*p }).collect();
            let chosen = assign(rows.len(), columns.len(), &pairs);
            self.matched[k] += chosen.len() as u64;
        }
        // Above a half no object has two partners.
        for (_, iou) in pairs.iter().filter(|(_, iou)| *iou > 0.5) {
            self.quality = (self.quality.0 + iou, self.quality.1 + 1);
        }
    }

    /// Precision and recall of pairs of voxels, of those that the truth has in objects.
    fn add_rand(&mut self, overlap: &Overlap, truth: &BTreeMap<u32, u64>) {
        let square = |n: u64| (n as f64).powi(2);
        let inside = overlap.shared.iter().filter(|((_, t), _)| *t != 0);
        let together: f64 = inside.clone().map(|(_, &n)| square(n)).sum();
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        for ((r, _), n) in inside {
            *sizes.entry(*r).or_insert(0) += n;
        }
        let in_truth: f64 = truth.iter().filter(|(t, _)| **t != 0).map(|(_, &n)| square(n)).sum();
        let in_result: f64 = sizes.values().map(|&n| square(n)).sum();
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 1.0 };
        self.rand = [self.rand[0] + ratio(together, in_result), self.rand[1] + ratio(together, in_truth)];
    }

    /// Names and values; NaN where there is nothing to measure. Adapted Rand error and variation of information are means
    /// over frames, the rest is of all frames together.
    pub fn measures(&self) -> Vec<(String, f64)> {
        let [both, a, b] = self.foreground.map(|n| n as f64);
        let frames = self.frames as f64;
        let (precision, recall) = (self.rand[0] / frames, self.rand[1] / frames);
        let [split, merge] = self.information.map(|v| v / frames);
        let objects = (self.objects[0] + self.objects[1]) as f64;
        let mut measures = vec![
            ("dice".to_owned(), 2.0 * both / (a + b)),
            ("jaccard".to_owned(), both / (a + b - both)),
            ("seg".to_owned(), self.seg.0 / self.seg.1 as f64),
            ("adapted_rand_error".to_owned(), 1.0 - 2.0 * precision * recall / (precision + recall)),
            ("adapted_rand_precision".to_owned(), precision),
            ("adapted_rand_recall".to_owned(), recall),
            ("variation_of_information".to_owned(), split + merge),
            ("variation_split".to_owned(), split),
            ("variation_merge".to_owned(), merge),
        ];
        let f1 = self.matched.map(|n| 2.0 * n as f64 / objects);
        measures.extend(THRESHOLDS.iter().zip(f1).map(|(t, f1)| (format!("f1@{t}"), f1)));
        measures.push(("f1_mean".to_owned(), f1.iter().sum::<f64>() / f1.len() as f64));
        let (sum, n) = (self.quality.0, self.quality.1 as f64);
        measures.push(("panoptic_quality".to_owned(), 2.0 * sum / objects));
        measures.push(("segmentation_quality".to_owned(), sum / n));
        measures.push(("recognition_quality".to_owned(), 2.0 * n / objects));
        measures
    }
}

/// Conditional entropies in bits, of the result where the truth is known and the other way round.
fn information(
    overlap: &Overlap,
    result: &BTreeMap<u32, u64>,
    truth: &BTreeMap<u32, u64>,
    all: f64,
) -> [f64; 2] {
    let mut entropies = [0.0; 2];
    for ((r, t), &n) in &overlap.shared {
        let n = n as f64;
        entropies[0] -= n / all * (n / truth[t] as f64).log2();
        entropies[1] -= n / all * (n / result[r] as f64).log2();
    }
    entropies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(agreement: &Agreement, name: &str) -> f64 {
        agreement.measures().iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn measures_are_those_of_a_case_worked_out_by_hand() {
        // Truth: 1 of 10 voxels, 2 of 6. Result: 1 has 8 of 1, 2 has 4 of 2 and 2 of 1, 3 has 2 of background.
        let shared = [((1, 1), 8), ((2, 1), 2), ((2, 2), 4), ((0, 2), 2), ((3, 0), 2), ((0, 0), 14)];
        let mut agreement = Agreement::default();
        agreement.add(&Overlap { shared: shared.into_iter().collect() });
        for (name, expected) in [
            ("dice", 28.0 / 32.0),
            ("jaccard", 14.0 / 18.0),
            ("seg", 0.65),
            ("f1@0.5", 4.0 / 5.0),
            ("f1@0.55", 2.0 / 5.0),
            ("f1@0.8", 2.0 / 5.0),
            ("f1@0.85", 0.0),
            ("panoptic_quality", 2.0 * 0.8 / 5.0),
            // Pairs of voxels: 64 + 4 + 16 + 4 together, 64 + 36 + 4 in the result, 100 + 36 in the truth.
            ("adapted_rand_precision", 88.0 / 104.0),
            ("adapted_rand_recall", 88.0 / 136.0),
        ] {
            let got = value(&agreement, name);
            assert!((got - expected).abs() < 1e-12, "{name}: {got} and not {expected}");
        }
        let mut same = Agreement::default();
        same.add(&Overlap { shared: [((1, 1), 5), ((0, 0), 3)].into_iter().collect() });
        assert_eq!(
            (value(&same, "variation_of_information"), value(&same, "adapted_rand_error")),
            (0.0, 0.0)
        );
    }
}
