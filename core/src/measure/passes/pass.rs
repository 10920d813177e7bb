//! The passes over an image: what each reads and writes, and how it cuts the image.

use crate::VoxelType;
use crate::measure::image::intercepts;
use crate::measure::passes::run::Measure;
use crate::program::{FieldSpec, Phase, Source, Tiling};
use serde::{Deserialize, Serialize};

/// What distances and balls are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Each object by itself; outside the image is not the object.
    Objects,
    /// All that is not background; the border of the image bounds nothing.
    Structure,
    /// What is not on the structure's mid-axes.
    MidAxes,
    /// The background.
    Background,
    /// Distances from the reference mask.
    Reference,
}

/// A pass over the voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Which labels are in which block.
    LabelIndex,
    /// Range of the intensities that are wider than 16 bits, for the image's histogram.
    Range,
    /// All sums.
    Sums,
    /// Central moments of the intensities that are wider than 16 bits.
    Moments,
    /// Distances from centroids.
    Radius,
    /// Convex hulls.
    Hull,
    /// Distribution of the intensities of small objects, each seen as a whole.
    Near,
    /// Percentiles of the intensities of the other objects.
    Far,
    /// The most frequent intensities of the other objects.
    FarMode,
    /// Boundary voxels and their gradients.
    Boundary,
    /// Squared distances within slices.
    Within(Body),
    /// Squared distances across slices.
    Across(Body),
    /// The balls that no other ball contains.
    Centres(Body),
    /// How many voxels each ball is the largest of.
    Balls(Body),
    /// Regions of one label and of background.
    Regions,
    /// Which regions touch: parts and cavities.
    Touching,
    /// Skeletons and paths; each object is seen as a whole.
    Boxes,
    /// Box counts.
    Fractal,
    /// Chords along an axis.
    Chords(usize),
    /// The structure, a bit for each voxel.
    Mask,
    /// Two-point correlation, of those bits.
    Correlation,
    /// Where lines meet surfaces.
    Intercepts,
    /// Figures of the intensities of the whole image.
    Quality,
    /// The nearest object within slices.
    Nearest,
    /// The nearest object.
    Voronoi,
    /// All of it for the objects of a share.
    Partition,
}

/// Scratch fields: squared distances.
const SQUARED: usize = 0;
/// Names of regions.
const NAMES: usize = 1;
/// Labels of the nearest objects.
const NEAREST: usize = 2;
/// What is not on the mid-axes.
const BETWEEN: usize = 3;
/// Squared radii on the centres of the balls that no other ball contains.
const CENTRES: usize = 4;
/// How many fields there are.
pub const FIELDS: usize = 5;

impl Pass {
    /// What it does, for progress.
    pub fn name(self) -> &'static str {
        match self {
            Self::LabelIndex => "index of labels",
            Self::Range => "range of intensities",
            Self::Sums => "measure objects",
            Self::Moments => "moments of intensities",
            Self::Radius => "radii",
            Self::Hull => "convex hulls",
            Self::Near => "percentiles and modes",
            Self::Far => "percentiles of large objects",
            Self::FarMode => "modes of large objects",
            Self::Boundary => "boundaries",
            Self::Within(Body::Objects) | Self::Across(Body::Objects) => "inscribed balls",
            Self::Within(Body::Reference) | Self::Across(Body::Reference) => "distances to the reference",
            Self::Within(Body::MidAxes) | Self::Across(Body::MidAxes) => "distances of mid-axes",
            Self::Within(_) | Self::Across(_) => "distance map",
            Self::Centres(_) => "maximal balls",
            Self::Balls(Body::Objects | Body::Structure) => "local thickness",
            Self::Balls(Body::MidAxes) => "distance of mid-axes",
            Self::Balls(_) => "separation",
            Self::Regions => "connected parts",
            Self::Touching => "parts and cavities",
            Self::Boxes => "skeletons and geodesic diameters",
            Self::Fractal => "fractal dimension",
            Self::Chords(_) => "chords",
            Self::Mask => "structure",
            Self::Correlation => "two-point correlation",
            Self::Intercepts => "mean intercept lengths",
            Self::Quality => "entropy and noise",
            Self::Nearest | Self::Voronoi => "Voronoi cells",
            Self::Partition => "objects, part by part",
        }
    }

    /// How far around a region it looks at labels, if it does.
    fn labels(self) -> Option<[usize; 3]> {
        match self {
            Self::Sums | Self::Boundary | Self::Touching => Some([1; 3]),
            Self::Intercepts => Some([intercepts::REACH; 3]),
            Self::Within(Body::MidAxes | Body::Reference)
            | Self::Across(Body::Structure | Body::MidAxes | Body::Background)
            | Self::Centres(_)
            | Self::Balls(Body::Structure | Body::MidAxes | Body::Background)
            | Self::Correlation
            | Self::Voronoi
            | Self::Partition => None,
            _ => Some([0; 3]),
        }
    }

    /// How far around a region it looks at intensities, if it does.
    fn channels(self) -> Option<[usize; 3]> {
        match self {
            Self::Range | Self::Sums | Self::Moments | Self::Near | Self::Far | Self::FarMode => Some([0; 3]),
            Self::Boundary | Self::Quality => Some([1; 3]),
            _ => None,
        }
    }

    fn fields(self) -> Vec<Source> {
        let field = |field, halo| Source::Field(field, [halo; 3]);
        match self {
            Self::Within(Body::MidAxes) => vec![field(BETWEEN, 0)],
            Self::Across(_) => vec![field(SQUARED, 0)],
            Self::Centres(_) => vec![field(SQUARED, 1)],
            Self::Balls(Body::Structure) => vec![field(CENTRES, 0), field(SQUARED, 1)],
            Self::Balls(_) => vec![field(CENTRES, 0), field(SQUARED, 0)],
            Self::Touching => vec![field(NAMES, 1)],
            Self::Voronoi => vec![field(SQUARED, 0), field(NEAREST, 0)],
            _ => Vec::new(),
        }
    }

    /// The fields that it writes.
    pub fn writes(self) -> Vec<usize> {
        match self {
            Self::Across(Body::Reference) => Vec::new(),
            Self::Within(_) | Self::Across(_) => vec![SQUARED],
            Self::Centres(_) => vec![CENTRES],
            Self::Balls(Body::Structure) => vec![BETWEEN],
            Self::Regions => vec![NAMES],
            Self::Nearest => vec![SQUARED, NEAREST],
            _ => Vec::new(),
        }
    }

    fn tiling(self) -> Tiling {
        match self {
            Self::Within(_) | Self::Nearest => Tiling::Spanning([false, true, true]),
            Self::Across(_) | Self::Voronoi => Tiling::Spanning([true, false, false]),
            Self::Chords(axis) => Tiling::Spanning([0, 1, 2].map(|a| a == axis)),
            Self::Correlation => Tiling::Spanning([true; 3]),
            Self::Partition => Tiling::SerialReduce,
            _ => Tiling::Blocks,
        }
    }
}

impl Measure {
    /// What a pass reads: input 0 is the labels, then come the channels and the reference mask.
    pub fn reads(&self, pass: Pass) -> Vec<Source> {
        let channels = self.channels.len();
        // Neighbourhoods are looked at where surfaces or contacts are asked for.
        let alone = pass == Pass::Sums && self.table().is_none();
        let labels = pass.labels().map(|halo| if alone { [0; 3] } else { halo });
        let mut reads: Vec<Source> = labels.map(|halo| Source::Input(0, halo)).into_iter().collect();
        if let Some(halo) = pass.channels() {
            reads.extend((1..=channels).map(|i| Source::Input(i, halo)));
        }
        if pass == Pass::Within(Body::Reference) {
            reads.push(Source::Input(channels + 1, [0; 3]));
        }
        reads.extend(pass.fields());
        reads
    }

    /// The scratch fields of the passes.
    pub fn fields(&self) -> Vec<FieldSpec> {
        let voxels: [VoxelType; FIELDS] =
            [VoxelType::U32, VoxelType::U64, VoxelType::U32, VoxelType::U8, VoxelType::U32];
        voxels.into_iter().map(|voxel| FieldSpec { voxel }).collect()
    }

    /// A pass as a phase over blocks that reads the labels from input 0 and the channels from
    /// `inputs`, and the reference mask from input `reference`.
    pub fn declare(&self, pass: Pass, inputs: &[usize], reference: usize) -> Phase {
        let input = |i: usize| match i {
            0 => 0,
            _ => inputs.get(i - 1).copied().unwrap_or(reference),
        };
        Phase {
            name: pass.name(),
            tiling: pass.tiling(),
            reads: (self.reads(pass).into_iter())
                .map(|read| match read {
                    Source::Input(i, halo) => Source::Input(input(i), halo),
                    field @ Source::Field(..) => field,
                })
                .collect(),
            writes: pass.writes(),
        }
    }
}
