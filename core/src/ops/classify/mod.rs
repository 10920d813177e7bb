//! Classes of voxels, learned from strokes: a random forest on a bank of filters at several scales.

mod features;
mod forest;

pub use features::{features, halo};
pub use forest::{Forest, Sample};

use super::Operator;
use crate::program::{Block, Call, Default, Group, Local, Param, ParamType, Prepared, Produces, Spec};
use crate::{Job, Region, Result, Volume, parallel};
use ndarray::Array3;
use std::path::Path;
use std::sync::Arc;

/// The operator.
pub struct Classify;

static SPEC: Spec = Spec {
    id: "classify",
    group: Group::Threshold,
    summary: "Gives each voxel the class that a forest, which was trained on strokes, finds likeliest.",
    details: "A random forest (Breiman 2001) on the intensity and, at scales of 1, 2 and 4 voxels, its Gaussian, \
        gradient magnitude and Laplacian of Gaussian. The viewer trains and saves the model (Segment, Classes from \
        strokes). Ties go to the lower class. Where a feature is not a number the voxel takes the right branch. \
        Exact block by block.",
    inputs: super::filter::GREY,
    output: Produces::Image(crate::program::Kind::Labels),
    params: &[Param {
        name: "model",
        ty: ParamType::Text,
        default: Default::Required,
        help: "The file of the trained forest.",
    }],
};

impl Operator for Classify {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn prepare(&self, call: &Call) -> Result<Prepared> {
        let forest = Forest::read(Path::new(call.args.text("model")))?;
        let mut prepared = Prepared::local(call.grid().labels(), Classes { forest, halo: halo() });
        // The features, and what filters need on the way.
        prepared.scratch = 4.0 * features::COUNT as f64 + 16.0;
        Ok(prepared)
    }
}

struct Classes {
    forest: Forest,
    halo: usize,
}

impl Local for Classes {
    fn halo(&self) -> [usize; 3] {
        [self.halo; 3]
    }

    fn block(&self, block: &Block, inputs: Vec<Option<Arc<Volume>>>, job: &Job) -> Result<Volume> {
        let input = inputs[0].as_ref().expect("the first input is required");
        let part = block.out.relative_to(block.sources[0].start);
        Ok(Volume::U32(self.forest.classify(&features(input, part, job)?, part.shape, job)?))
    }
}

impl Forest {
    /// The class of each voxel of a region, by its features.
    ///
    /// # Errors
    /// That the job was cancelled.
    pub fn classify(&self, features: &[Array3<f32>], shape: [usize; 3], job: &Job) -> Result<Array3<u32>> {
        let mut classes = Array3::<u32>::zeros(shape);
        let slices: Vec<&[f32]> =
            features.iter().map(|f| f.as_slice().expect("features are in C order")).collect();
        let row = shape[2].max(1);
        let all = classes.as_slice_mut().expect("just made");
        parallel::items(all.chunks_mut(row), job, &|i, row| {
            let mut values = vec![0.0; slices.len()];
            for (x, class) in row.iter_mut().enumerate() {
                let at = i * shape[2] + x;
                values.iter_mut().zip(&slices).for_each(|(value, feature)| *value = feature[at]);
                *class = self.class_of(&values);
            }
            Ok(())
        })?;
        Ok(classes)
    }
}

/// The features of the voxels of a region that were given a class, for training. `image` covers `region` grown by
/// [`halo`] as far as the image reaches; `strokes` covers `region`, 0 where there is no stroke.
///
/// # Errors
/// That the job was cancelled.
pub fn samples(image: &Volume, part: Region, strokes: &Array3<u32>, job: &Job) -> Result<Vec<Sample>> {
    let features = features(image, part, job)?;
    let drawn = strokes.indexed_iter().filter(|(_, class)| **class != 0);
    Ok(drawn
        .map(|((z, y, x), class)| Sample {
            class: *class,
            features: features.iter().map(|f| f[[z, y, x]]).collect(),
        })
        .collect())
}
