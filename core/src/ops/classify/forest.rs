//! A random forest: trees that each learn from a part of the samples.

use crate::io::atomic;
use crate::{Error, Job, Result, parallel};
use serde::{Deserialize, Serialize};
use std::path::Path;

const VERSION: u32 = 1;
const TREES: usize = 24;
const DEPTH: u32 = 12;
/// Places at which a feature may be parted, at most.
const CUTS: usize = 24;
/// More samples of a class than this do not make it better.
const MOST: usize = 20_000;

/// A voxel whose class is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its class, from 1.
    pub class: u32,
    /// What is known of it.
    pub features: Vec<f32>,
}

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Node {
    /// Less than `at`: the next node; else the one at `right`.
    Part { feature: u8, at: f32, right: u32 },
    /// Chances of the classes, from this place in the tree's list.
    Leaf { chances: u32 },
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Tree {
    nodes: Vec<Node>,
    chances: Vec<f32>,
}

/// A trained forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    version: u32,
    classes: Vec<u32>,
    features: usize,
    trees: Vec<Tree>,
}

/// Numbers that are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // Splitmix64 (Steele, Lea & Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

impl Forest {
    /// Learns from samples of at least two classes; the same samples make the same forest.
    ///
    /// # Errors
    /// If there are fewer classes, or the job was cancelled.
    pub fn train(samples: &[Sample], job: &Job) -> Result<Self> {
        let mut classes: Vec<u32> = samples.iter().map(|s| s.class).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 {
            return Err(Error::Usage("strokes of at least two classes are needed to learn from".into()));
        }
        let features = samples[0].features.len();
        let class = |s: &Sample| classes.binary_search(&s.class).expect("all classes are listed");
        // By class, at most so many of each, evenly.
        let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); classes.len()];
        samples.iter().enumerate().for_each(|(i, s)| by_class[class(s)].push(i as u32));
        for own in &mut by_class {
            let step = own.len().div_ceil(MOST).max(1);
            *own = own.iter().copied().step_by(step).collect();
        }
        let owners: Vec<u32> = samples.iter().map(|s| class(s) as u32).collect();
        let trees = parallel::map(TREES, job, &|tree| {
            let mut random = Random((tree as u64).wrapping_mul(0x2545_f491_4f6c_dd1d) + 1);
            // As many of every class, drawn with repetition: rare classes count as much.
            let each = by_class.iter().map(Vec::len).max().unwrap_or(1).min(MOST);
            let mut drawn: Vec<u32> = by_class
                .iter()
                .flat_map(|own| (0..each).map(|_| own[random.below(own.len())]).collect::<Vec<_>>())
                .collect();
            let mut made = Tree::default();
            let grow = Grow { samples, owners: &owners, classes: classes.len(), features };
            grow.node(&mut made, &mut drawn, 0, &mut random);
            Ok(made)
        })?;
        Ok(Self { version: VERSION, classes, features, trees })
    }

    /// The classes, rising.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// The class that a voxel most likely has.
    pub fn class_of(&self, features: &[f32]) -> u32 {
        let mut sums = [0.0f32; 64];
        let sums = &mut sums[..self.classes.len()];
        for tree in &self.trees {
            let mut at = 0;
            let leaf = loop {
                match tree.nodes[at] {
                    Node::Part { feature, at: value, right } => {
                        at = if features[usize::from(feature)] < value { at + 1 } else { right as usize };
                    }
                    Node::Leaf { chances } => break chances as usize,
                }
            };
            sums.iter_mut().zip(&tree.chances[leaf..]).for_each(|(sum, chance)| *sum += chance);
        }
        let best = (0..sums.len()).rev().max_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
        self.classes[best]
    }

    /// Reads a forest.
    ///
    /// # Errors
    /// If the file can't be read, or is none or a damaged one.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let forest: Self = serde_json::from_str(&text)
            .map_err(|e| Error::file(path, format!("is not a trained forest: {e}")))?;
        forest.check().map_err(|reason| Error::file(path, reason))?;
        Ok(forest)
    }

    /// Writes it, wholly or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(self).map_err(|e| Error::file(path, e.to_string()))?;
        atomic::write(path, text.as_bytes())
    }

    /// What is wrong with a forest that was read: nothing in it may lead astray.
    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("is a forest of version {}; this program reads {VERSION}", self.version));
        }
        if self.features != super::features::COUNT {
            return Err(format!("is a forest on {} features, not {}", self.features, super::features::COUNT));
        }
        if self.classes.len() < 2 || self.classes.len() > 64 || !self.classes.is_sorted_by(|a, b| a < b) {
            return Err("names no classes that can be told apart (2 to 64, rising)".into());
        }
        for tree in &self.trees {
            if tree.nodes.is_empty() {
                return Err("has a tree without nodes".into());
            }
            for (i, node) in tree.nodes.iter().enumerate() {
                let fits = match *node {
                    // Ways lead forwards only, so that every one ends.
                    Node::Part { feature, right, .. } => {
                        usize::from(feature) < self.features
                            && right as usize > i + 1
                            && (right as usize) < tree.nodes.len()
                    }
                    Node::Leaf { chances } => chances as usize + self.classes.len() <= tree.chances.len(),
                };
                if !fits {
                    return Err(format!("has a tree whose node {i} leads nowhere"));
                }
            }
        }
        if self.trees.is_empty() { Err("has no trees".into()) } else { Ok(()) }
    }
}

/// How a tree grows.
struct Grow<'a> {
    samples: &'a [Sample],
    /// The place of each sample's class in the list of classes.
    owners: &'a [u32],
    classes: usize,
    features: usize,
}

impl Grow<'_> {
    fn node(&self, tree: &mut Tree, drawn: &mut [u32], depth: u32, random: &mut Random) {
        let counts = self.counts(drawn);
        let pure = counts.iter().filter(|c| **c > 0).count() < 2;
        let best =
            if pure || depth >= DEPTH || drawn.len() < 4 { None } else { self.best(drawn, &counts, random) };
        let Some((feature, at)) = best else {
            let chances = tree.chances.len() as u32;
            tree.chances.extend(counts.iter().map(|c| *c as f32 / drawn.len().max(1) as f32));
            tree.nodes.push(Node::Leaf { chances });
            return;
        };
        let less = |i: &u32| self.samples[*i as usize].features[feature] < at;
        let mut middle = 0;
        for i in 0..drawn.len() {
            if less(&drawn[i]) {
                drawn.swap(i, middle);
                middle += 1;
            }
        }
        let here = tree.nodes.len();
        tree.nodes.push(Node::Part { feature: feature as u8, at, right: 0 });
        let (left, right) = drawn.split_at_mut(middle);
        self.node(tree, left, depth + 1, random);
        let beyond = tree.nodes.len() as u32;
        tree.nodes[here] = Node::Part { feature: feature as u8, at, right: beyond };
        self.node(tree, right, depth + 1, random);
    }

    fn counts(&self, drawn: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        drawn.iter().for_each(|i| counts[self.owners[*i as usize] as usize] += 1);
        counts
    }

    /// The feature and the place at which parting makes the classes purest (Gini), of a few features drawn at random.
    fn best(&self, drawn: &[u32], counts: &[usize], random: &mut Random) -> Option<(usize, f32)> {
        let tries = (self.features as f64).sqrt().ceil() as usize + 1;
        let mut best: Option<(f64, usize, f32)> = None;
        for _ in 0..tries {
            let feature = random.below(self.features);
            let value = |i: u32| self.samples[i as usize].features[feature];
            let mut cuts: Vec<f32> = (0..CUTS)
                .map(|_| value(drawn[random.below(drawn.len())]))
                .filter(|v| v.is_finite())
                .collect();
            cuts.sort_unstable_by(f32::total_cmp);
            cuts.dedup();
            if cuts.is_empty() {
                continue;
            }
            // How many of each class lie between neighbouring cuts.
            let mut bins = vec![0usize; (cuts.len() + 1) * self.classes];
            for i in drawn.iter().copied() {
                let v = value(i);
                // What is no number is not less than anything.
                let bin = if v.is_nan() { cuts.len() } else { cuts.partition_point(|c| *c <= v) };
                bins[bin * self.classes + self.owners[i as usize] as usize] += 1;
            }
            let mut left = vec![0usize; self.classes];
            for (bin, at) in cuts.iter().enumerate() {
                for c in 0..self.classes {
                    left[c] += bins[bin * self.classes + c];
                }
                let gini = |part: &dyn Fn(usize) -> usize| {
                    let all: usize = (0..self.classes).map(part).sum();
                    let squares: f64 = (0..self.classes).map(|c| (part(c) as f64).powi(2)).sum();
                    if all == 0 { 0.0 } else { all as f64 - squares / all as f64 }
                };
                let all_left: usize = left.iter().sum();
                if all_left == 0 || all_left == drawn.len() {
                    continue;
                }
                let score = gini(&|c| left[c]) + gini(&|c| counts[c] - left[c]);
                if best.is_none_or(|b| score < b.0) {
                    best = Some((score, feature, *at));
                }
            }
        }
        best.map(|(_, feature, at)| (feature, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(n: usize, seed: u64) -> Vec<Sample> {
        let mut random = Random(seed);
        let unit = |random: &mut Random| (random.next() >> 40) as f32 / (1u64 << 24) as f32;
        (0..n)
            .map(|_| {
                let features: Vec<f32> =
                    (0..super::super::features::COUNT).map(|_| unit(&mut random)).collect();
                // A ring in two of the features: no single cut tells it.
                let r = ((features[3] - 0.5).powi(2) + (features[7] - 0.5).powi(2)).sqrt();
                Sample { class: if r < 0.3 { 4 } else { 9 }, features }
            })
            .collect()
    }

    #[test]
    fn a_forest_learns_and_is_the_same_each_time_and_from_its_file() {
        let job = Job::silent();
        let forest = Forest::train(&samples(4000, 1), &job).unwrap();
        let unseen = samples(2000, 2);
        let right = unseen.iter().filter(|s| forest.class_of(&s.features) == s.class).count();
        assert!(right > 1840, "{right} of 2000");
        assert_eq!(Forest::train(&samples(4000, 1), &job).unwrap(), forest);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forest.json");
        forest.write(&path).unwrap();
        assert_eq!(Forest::read(&path).unwrap(), forest);
        assert!(Forest::train(&[Sample { class: 1, features: vec![0.0] }], &job).is_err());
    }

    #[test]
    fn what_is_no_forest_or_leads_astray_is_refused() {
        let forest = Forest::train(&samples(300, 1), &Job::silent()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forest.json");
        let refused = |forest: &Forest, why: &str| {
            forest.write(&path).unwrap();
            let error = Forest::read(&path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(&Forest { version: 9, ..forest.clone() }, "version 9");
        refused(&Forest { features: 3, ..forest.clone() }, "3 features");
        refused(&Forest { classes: vec![4], ..forest.clone() }, "classes");
        refused(&Forest { trees: vec![], ..forest.clone() }, "no trees");
        for node in [
            Node::Part { feature: 200, at: 0.0, right: 2 },
            Node::Part { feature: 0, at: 0.0, right: 0 },
            Node::Part { feature: 0, at: 0.0, right: u32::MAX },
            Node::Leaf { chances: u32::MAX - 8 },
        ] {
            let mut broken = forest.clone();
            broken.trees[1].nodes[0] = node;
            refused(&broken, "leads nowhere");
        }
        std::fs::write(&path, "{}").unwrap();
        assert!(Forest::read(&path).is_err());
    }
}
