//! Tracks against a truth: the acyclic oriented graph matching (P. Matula et al. 2015, doi:10.1371/journal.pone.0144959)
//! with the weights of the Cell Tracking Challenge, from which DET, LNK and TRA follow, and divisions found.

use super::ctc::Line;
use super::table::Builder;
use arrow::record_batch::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};

/// Weights: a vertex to be split, missing, too much; an edge too much, missing, of the wrong kind.
const WEIGHTS: [f64; 6] = [5.0, 10.0, 1.0, 1.0, 1.5, 1.0];

/// A vertex: frame and label.
pub type Vertex = (u32, u32);

/// Tracks as a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    vertices: BTreeSet<Vertex>,
    /// Edges, and whether they lead from a parent to a child.
    edges: BTreeMap<(Vertex, Vertex), bool>,
    /// Vertices by track, in time.
    tracks: BTreeMap<u32, Vec<Vertex>>,
    /// Tracks of several children.
    divisions: BTreeMap<u32, Vec<u32>>,
}

impl Graph {
    /// The graph of labels by frame, which tracks connect. Without tracks a label is one, in all frames that have it.
    pub fn new(labels: &[Vec<u32>], tracks: &[Line]) -> Self {
        let mut graph = Self::default();
        for (frame, labels) in labels.iter().enumerate() {
            for &label in labels {
                let vertex = (frame as u32, label);
                graph.vertices.insert(vertex);
                graph.tracks.entry(label).or_default().push(vertex);
            }
        }
        for vertices in graph.tracks.values() {
            graph.edges.extend(vertices.windows(2).map(|w| ((w[0], w[1]), false)));
        }
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for line in tracks.iter().filter(|line| line.parent != 0) {
            let (Some(parent), Some(child)) = (graph.tracks.get(&line.parent), graph.tracks.get(&line.label))
            else {
                continue;
            };
            graph.edges.insert((parent[parent.len() - 1], child[0]), true);
            children.entry(line.parent).or_default().push(line.label);
        }
        graph.divisions = children.into_iter().filter(|(_, children)| children.len() > 1).collect();
        graph
    }
}

/// A difference between result and truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mistake {
    /// Frame, that of the target of an edge.
    pub frame: u32,
    /// Kind of mistake.
    pub kind: &'static str,
    /// Labels in the result, of source and target of an edge, or of a vertex; 0 for none.
    pub result: [u32; 2],
    /// Labels in the truth.
    pub truth: [u32; 2],
}

/// Measures of tracks, and the mistakes that they count.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracking {
    /// Names and values; NaN where the truth has nothing to find.
    pub measures: Vec<(String, f64)>,
    /// All differences.
    pub mistakes: Vec<Mistake>,
}

/// Compares tracks. `matches` are the vertices of the truth, each with that of the result that has more than half of its
/// voxels, if one has.
pub fn tracking(result: &Graph, truth: &Graph, matches: &BTreeMap<Vertex, Vertex>) -> Tracking {
    let mut found: BTreeMap<Vertex, Vec<Vertex>> = BTreeMap::new();
    for (&truth, &result) in matches {
        found.entry(result).or_default().push(truth);
    }
    let mut mistakes = Vec::new();
    let of_vertex = |kind, result: Option<Vertex>, truth: Option<Vertex>| Mistake {
        frame: result.or(truth).map_or(0, |v| v.0),
        kind,
        result: [result.map_or(0, |v| v.1), 0],
        truth: [truth.map_or(0, |v| v.1), 0],
    };
    for &vertex in truth.vertices.iter().filter(|v| !matches.contains_key(v)) {
        mistakes.push(of_vertex("object missing", None, Some(vertex)));
    }
    for &vertex in &result.vertices {
        match found.get(&vertex).map(Vec::as_slice) {
            None => mistakes.push(of_vertex("object too much", Some(vertex), None)),
            Some([_, more @ ..]) => {
                mistakes.extend(more.iter().map(|&t| of_vertex("objects not split", Some(vertex), Some(t))));
            }
            Some([]) => {}
        }
    }
    // Edges count between vertices that stand for one of the truth.
    let only = |result: &Vertex| found.get(result).filter(|t| t.len() == 1).map(|t| t[0]);
    let of_edge = |kind, result: [u32; 2], truth: [u32; 2], frame| Mistake { frame, kind, result, truth };
    let mut there = BTreeSet::new();
    for (&(a, b), &child) in &result.edges {
        let (Some(p), Some(q)) = (only(&a), only(&b)) else { continue };
        match truth.edges.get(&(p, q)) {
            None => mistakes.push(of_edge("link too much", [a.1, b.1], [p.1, q.1], b.0)),
            Some(&own) => {
                there.insert((p, q));
                if own != child {
                    mistakes.push(of_edge("link of another kind", [a.1, b.1], [p.1, q.1], b.0));
                }
            }
        }
    }
    for &(p, q) in truth.edges.keys().filter(|edge| !there.contains(edge)) {
        let label = |v| matches.get(v).map_or(0, |m: &Vertex| m.1);
        mistakes.push(of_edge("link missing", [label(&p), label(&q)], [p.1, q.1], q.0));
    }
    mistakes.sort_by_key(|m| (m.frame, m.kind, m.truth, m.result));
    let mut measures = graph_measures(truth, &mistakes);
    for tolerance in [0, 1] {
        let name =
            if tolerance == 0 { "division_f1".to_owned() } else { format!("division_f1±{tolerance}") };
        measures.push((name, divisions(result, truth, matches, tolerance)));
    }
    Tracking { measures, mistakes }
}

fn graph_measures(truth: &Graph, mistakes: &[Mistake]) -> Vec<(String, f64)> {
    let count = |kind: &str| mistakes.iter().filter(|m| m.kind == kind).count() as f64;
    let counts = [
        count("objects not split"),
        count("object missing"),
        count("object too much"),
        count("link too much"),
        count("link missing"),
        count("link of another kind"),
    ];
    let costs: [f64; 6] = std::array::from_fn(|k| counts[k] * WEIGHTS[k]);
    let (objects, links): (f64, f64) = (costs[..3].iter().sum(), costs[3..].iter().sum());
    let no_objects = truth.vertices.len() as f64 * WEIGHTS[1];
    let no_links = truth.edges.len() as f64 * WEIGHTS[4];
    // Against making nothing at all, which is never better than 0.
    let score =
        |cost: f64, nothing: f64| if nothing > 0.0 { 1.0 - cost.min(nothing) / nothing } else { f64::NAN };
    let mut measures = vec![
        ("det".to_owned(), score(objects, no_objects)),
        ("tra".to_owned(), score(objects + links, no_objects + no_links)),
        ("lnk".to_owned(), score(links, no_links)),
        ("aogm".to_owned(), objects + links),
    ];
    let names = ["aogm_ns", "aogm_fn", "aogm_fp", "aogm_ed", "aogm_ea", "aogm_ec"];
    measures.extend(names.into_iter().zip(counts).map(|(name, n)| (name.to_owned(), n)));
    measures
}

/// F1 of the divisions: one is found if the result has one at most `tolerance` frames apart of the same object into the
/// same two.
fn divisions(result: &Graph, truth: &Graph, matches: &BTreeMap<Vertex, Vertex>, tolerance: u32) -> f64 {
    let total = result.divisions.len() + truth.divisions.len();
    if total == 0 {
        return f64::NAN;
    }
    let mut taken = BTreeSet::new();
    for (parent, children) in &truth.divisions {
        let end = end_of(truth, *parent);
        let found = result.divisions.iter().find(|(other, others)| {
            let theirs = end_of(result, **other);
            if taken.contains(*other) || theirs.abs_diff(end) > tolerance {
                return false;
            }
            // Where both have not divided yet, and where both have.
            let before = end.min(theirs);
            let begins = children.iter().map(|c| (truth, c)).chain(others.iter().map(|c| (result, c)));
            let after = begins.map(|(graph, child)| graph.tracks[child][0].0).max().unwrap_or(end);
            let same = |a: u32, b: u32, frame| matches.get(&(frame, a)) == Some(&(frame, b));
            same(*parent, **other, before)
                && children.iter().all(|child| others.iter().any(|other| same(*child, *other, after)))
        });
        if let Some((other, _)) = found {
            taken.insert(*other);
        }
    }
    2.0 * taken.len() as f64 / total as f64
}

fn end_of(graph: &Graph, track: u32) -> u32 {
    graph.tracks[&track].last().map_or(0, |v| v.0)
}

/// A row for each mistake: `time, kind, result_source, result_target, truth_source, truth_target`; of an object, its label
/// is the source.
pub fn mistakes_table(mistakes: &[Mistake]) -> RecordBatch {
    let labels = |of: fn(&Mistake) -> u32| mistakes.iter().map(move |m| i64::from(of(m)));
    Builder::default()
        .int("time", "Frame.", labels(|m| m.frame))
        .text("kind", "Kind of mistake.", mistakes.iter().map(|m| m.kind))
        .int("result_source", "Label in the result; 0 if none.", labels(|m| m.result[0]))
        .int("result_target", "Label that it is linked to.", labels(|m| m.result[1]))
        .int("truth_source", "Label in the truth; 0 if none.", labels(|m| m.truth[0]))
        .int("truth_target", "Label that it is linked to.", labels(|m| m.truth[1]))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(scores: &Tracking, name: &str) -> f64 {
        scores.measures.iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn each_mistake_costs_its_weight() {
        // Object 1 divides into 2 and 3 after frame 1; object 4 stays.
        let labels = [vec![1, 4], vec![1, 4], vec![2, 3, 4]];
        let line = |label, begin, end, parent| Line { label, begin, end, parent };
        let lines = [line(1, 0, 1, 0), line(2, 2, 2, 1), line(3, 2, 2, 1), line(4, 0, 2, 0)];
        let truth = Graph::new(&labels, &lines);
        let same: BTreeMap<Vertex, Vertex> = truth.vertices.iter().map(|v| (*v, *v)).collect();
        let perfect = tracking(&truth, &truth, &same);
        assert_eq!(perfect.mistakes, []);
        for name in ["det", "tra", "lnk", "division_f1"] {
            assert_eq!(value(&perfect, name), 1.0, "{name}");
        }
        let orphans = Graph::new(&labels, &[]);
        let scores = tracking(&orphans, &truth, &same);
        assert_eq!((value(&scores, "aogm"), value(&scores, "aogm_ea")), (3.0, 2.0));
        assert_eq!((value(&scores, "det"), value(&scores, "division_f1")), (1.0, 0.0));
        assert_eq!(value(&scores, "lnk"), 1.0 - 3.0 / 7.5);
        assert_eq!(value(&scores, "tra"), 1.0 - 3.0 / (70.0 + 7.5));
        // Object 4 is missing in the last frame, and 2 and 3 are one.
        let worse = Graph::new(&[vec![1, 4], vec![1, 4], vec![2]], &lines[..2]);
        let mut matches = same.clone();
        matches.remove(&(2, 4));
        matches.insert((2, 3), (2, 2));
        let scores = tracking(&worse, &truth, &matches);
        let counts = ["aogm_ns", "aogm_fn", "aogm_fp", "aogm_ed", "aogm_ea"].map(|name| value(&scores, name));
        assert_eq!(counts, [1.0, 1.0, 0.0, 0.0, 3.0]);
    }
}
