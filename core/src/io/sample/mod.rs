//! Samples with known truth: images made from a size and a seed, to try, teach, test and time with.
//! One slice, [`KINDS`], lists them.
//!
//! Architecture invariant: a voxel is a pure function of kind, options and position, so a region
//! made by itself equals that region of the whole, on any platform with any number of threads. Only
//! operations that IEEE 754 defines to the last bit are used on the way.

mod detector;
mod ellipsoids;
mod foam;
mod lattice;
mod random;
mod scene;
mod source;
mod waves;

pub use source::SampleSource;

use crate::io::options::parse_shape;
use crate::io::{ImageSource, pyramid};
use crate::table::Table;
use crate::table::builder::{Builder, Values};
use crate::{Error, Geometry, Job, Region, Result, Unit, Volume};
use detector::Detector;
use lattice::Lattice;
use ndarray::{Array3, ArrayViewMut3, Axis};
use rayon::prelude::*;
use scene::{Patch, Scene};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A kind of sample.
#[derive(Debug)]
pub struct Kind {
    /// Name on the command line.
    pub name: &'static str,
    /// What it shows, in one sentence.
    pub summary: &'static str,
    /// What its truth is, in one sentence.
    pub truth: &'static str,
    /// Spacing `[z, y, x]` in µm.
    pub spacing: [f64; 3],
    dark: f32,
    contrast: f32,
    photons: bool,
    scene: fn(seed: u64, extent: [f64; 3]) -> SceneParts,
}

/// A scene, and the lattice whose labels have to fit.
type SceneParts = (Box<dyn Scene>, Option<Lattice>);

/// All kinds.
pub static KINDS: &[Kind] = &[
    Kind {
        name: "foam",
        summary: "Wet liquid foam as X-ray tomography shows it: dark bubbles between bright Plateau borders.",
        truth: "One label a bubble; liquid is 0. Bubbles touch across films that are too thin to be seen.",
        spacing: [10.0; 3],
        dark: 8000.0,
        contrast: 16000.0,
        photons: false,
        scene: |seed, extent| {
            let lattice = Lattice::new(seed, 360.0, 0.15, extent);
            (Box::new(foam::Foam { lattice, border: 50.0 }), Some(lattice))
        },
    },
    Kind {
        name: "bone",
        summary: "Trabecular bone as micro-CT shows it: a network of struts and plates that fills a quarter.",
        truth: "Label 1 for bone.",
        spacing: [6.0; 3],
        dark: 6000.0,
        contrast: 20000.0,
        photons: false,
        scene: |seed, _| (Box::new(waves::Bone::new(seed, BONE_FRACTION, 300.0)), None),
    },
    Kind {
        name: "cells",
        summary: "Stained nuclei as a confocal microscope shows them: uneven, touching, coarser along z.",
        truth: "One label a nucleus.",
        spacing: [0.5, 0.2, 0.2],
        dark: 300.0,
        contrast: 6000.0,
        photons: true,
        scene: |seed, extent| {
            let lattice = Lattice::new(seed, 10.0, 0.12, extent);
            let texture = Some((waves::Waves::new(seed, 6, 24, 2.0, [1.0; 3]), 0.22));
            let scene = ellipsoids::Ellipsoids {
                lattice,
                taken: 0.7,
                radius: [3.2, 4.8],
                eccentricity: 0.2,
                brightness: [0.5, 1.1],
                texture,
            };
            (Box::new(scene), Some(lattice))
        },
    },
    Kind {
        name: "granules",
        summary: "A packing of granules of many sizes as micro-CT shows it: bright, rounded, in contact.",
        truth: "One label a granule.",
        spacing: [5.0; 3],
        dark: 7000.0,
        contrast: 18000.0,
        photons: false,
        scene: |seed, extent| {
            let lattice = Lattice::new(seed, 150.0, 0.12, extent);
            let scene = ellipsoids::Ellipsoids {
                lattice,
                taken: 1.0,
                radius: [42.0, 74.0],
                eccentricity: 0.15,
                brightness: [0.85, 1.0],
                texture: None,
            };
            (Box::new(scene), Some(lattice))
        },
    },
];

/// The share of the volume that bone fills.
const BONE_FRACTION: f64 = 0.25;

/// The kind of this name.
///
/// # Errors
/// Which kinds there are.
pub fn find(name: &str) -> Result<&'static Kind> {
    KINDS.iter().find(|k| k.name == name).ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|k| k.name).collect();
        Error::Usage(format!(
            "there is no sample \"{name}\": use one of {}{}",
            names.join(", "),
            crate::error::suggestion(name, names.iter().copied())
        ))
    })
}

/// What to make of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Shape `[z, y, x]`.
    pub size: [usize; 3],
    /// Another seed is another sample of the same kind.
    pub seed: u64,
    /// Standard deviation of the noise, as a fraction of the contrast between background and objects.
    pub noise: f64,
    /// Standard deviation of the blur, in voxels.
    pub blur: f64,
    /// Strength of ring artefacts, as a fraction of the contrast.
    pub rings: f64,
    /// How much darker beam hardening makes the middle than the edge, as a fraction.
    pub beam_hardening: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { size: [256; 3], seed: 1, noise: 0.1, blur: 1.0, rings: 0.0, beam_hardening: 0.0 }
    }
}

/// An image and what was put into it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The image, `u16`.
    pub image: Volume,
    /// True labels, `u32`, 0 for background. They are unique, with gaps for objects outside.
    pub truth: Volume,
    /// Objects that show, by label: voxels, volume, whether they touch the border, and what they
    /// were made from.
    pub table: Table,
    /// Where both lie.
    pub geometry: Geometry,
}

/// A sample of which regions can be made by themselves; it may be larger than any disk.
pub struct Virtual {
    /// The kind.
    pub kind: &'static Kind,
    /// The options.
    pub options: Options,
    scene: Box<dyn Scene>,
    levels: Vec<Exposure>,
}

/// A level of a sample: its scene as a detector of coarser pixels sees it, not made of finer levels.
struct Exposure {
    /// How many voxels of the finest level a voxel is as long as, along each axis.
    factor: [usize; 3],
    detector: Detector,
    weights: Vec<f32>,
}

impl Exposure {
    fn new(kind: &Kind, o: &Options, factor: [usize; 3]) -> Self {
        let [_, fy, fx] = factor.map(|f| f as f32);
        let [_, ny, nx] = o.size.map(|n| n as f32);
        let detector = Detector {
            dark: kind.dark,
            contrast: kind.contrast,
            noise: o.noise as f32 / factor.map(|f| f as f32).iter().product::<f32>().sqrt(),
            photons: kind.photons,
            rings: o.rings as f32 / fx,
            beam_hardening: o.beam_hardening as f32,
            seed: o.seed,
            axis: [(ny / fy - 1.0) / 2.0, (nx / fx - 1.0) / 2.0],
            radius: (ny / fy).min(nx / fx) / 2.0,
        };
        // A coarse pixel has seen what lies around its centre.
        let coarse = if factor == [1; 3] { 0.0 } else { 0.5 };
        let sigma = (o.blur / f64::from(fx)).hypot(coarse);
        Self { factor, detector, weights: detector::gaussian(sigma) }
    }

    /// Voxels of the level, of a kind of this spacing.
    fn patch(&self, spacing: [f64; 3], origin: [i64; 3], shape: [usize; 3]) -> Patch {
        let of = |f: &dyn Fn(f64) -> f64| std::array::from_fn(|a| f(self.factor[a] as f64) * spacing[a]);
        Patch { origin, shape, zero: of(&|f| (f - 1.0) / 2.0), spacing: of(&|f| f) }
    }
}

/// Voxels along each axis of the coarsest level, at most.
const COARSEST: usize = 32;

/// Voxels along z and y that are made at once; x is taken whole up to a limit.
const TILE: [usize; 3] = [64, 64, 512];

impl Virtual {
    /// Prepares a sample.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn new(kind: &'static Kind, options: &Options) -> Result<Self> {
        let o = options;
        let check = |name: &str, value: f64, most: f64| {
            if (0.0..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::Usage(format!("{name} = {value} is out of range: it must be 0…{most}")))
        };
        check("noise", o.noise, 10.0)?;
        check("blur", o.blur, 20.0)?;
        check("rings", o.rings, 10.0)?;
        check("beam hardening", o.beam_hardening, 1.0)?;
        let extent = std::array::from_fn(|a| o.size[a] as f64 * kind.spacing[a]);
        let (scene, lattice) = (kind.scene)(o.seed, extent);
        if o.size.contains(&0) || lattice.is_some_and(|l| !l.fits()) {
            return Err(Error::Usage(format!("a sample can't have the size {:?}", o.size)));
        }
        let mut factor = [1; 3];
        let mut levels = vec![Exposure::new(kind, o, factor)];
        for step in pyramid::plan(o.size, kind.spacing, [COARSEST; 3]) {
            factor = std::array::from_fn(|a| factor[a] * step[a]);
            levels.push(Exposure::new(kind, o, factor));
        }
        Ok(Self { kind, options: options.clone(), scene, levels })
    }

    /// Where the sample lies.
    pub fn geometry(&self) -> Geometry {
        Geometry::from_spacing(self.kind.spacing, Unit::Micrometre)
    }

    /// The shape of each level and where it lies, the finest first.
    pub fn levels(&self) -> impl Iterator<Item = ([usize; 3], Geometry)> {
        self.levels.iter().map(|level| {
            let shape = pyramid::coarser(self.options.size, level.factor);
            (shape, self.geometry().binned(level.factor.map(|f| f as f64)))
        })
    }

    /// Makes a region of a level: the image (`u16`) and the truth (`u32`).
    pub fn region(&self, level: usize, region: Region) -> (Volume, Volume) {
        let (mut image, mut truth) = (Array3::zeros(region.shape), Array3::zeros(region.shape));
        let none = Job::silent();
        self.fill(level, region.start, image.view_mut(), truth.view_mut(), &none, &|_, _| ())
            .expect("nobody cancels this job");
        (Volume::U16(image), Volume::U32(truth))
    }

    /// One channel of the sample as an image that regions are read of.
    pub fn source(self: &Arc<Self>, truth: bool) -> SampleSource {
        SampleSource::new(self.clone(), truth)
    }

    /// Makes the tiles of a region in parallel and shows each to `seen`.
    fn fill(
        &self,
        level: usize,
        start: [usize; 3],
        mut image: ArrayViewMut3<u16>,
        mut truth: ArrayViewMut3<u32>,
        job: &Job,
        seen: &(dyn Fn([usize; 3], ArrayViewMut3<u32>) + Sync),
    ) -> Result<()> {
        let slabs = image
            .axis_chunks_iter_mut(Axis(0), TILE[0])
            .into_par_iter()
            .zip(truth.axis_chunks_iter_mut(Axis(0), TILE[0]));
        slabs.enumerate().try_for_each(|(i, (mut image, mut truth))| {
            let rows = image
                .axis_chunks_iter_mut(Axis(1), TILE[1])
                .into_par_iter()
                .zip(truth.axis_chunks_iter_mut(Axis(1), TILE[1]));
            rows.enumerate().try_for_each(|(j, (mut image, mut truth))| {
                let parts = image
                    .axis_chunks_iter_mut(Axis(2), TILE[2])
                    .zip(truth.axis_chunks_iter_mut(Axis(2), TILE[2]));
                for (k, (mut image, mut truth)) in parts.enumerate() {
                    job.check()?;
                    let at = [i, j, k];
                    let origin = std::array::from_fn(|a| start[a] + at[a] * TILE[a]);
                    self.tile(&self.levels[level], origin, &mut image, &mut truth);
                    job.advance(truth.len() as u64);
                    seen(origin, truth);
                }
                Ok(())
            })
        })
    }

    fn tile(
        &self,
        level: &Exposure,
        start: [usize; 3],
        image: &mut ArrayViewMut3<u16>,
        truth: &mut ArrayViewMut3<u32>,
    ) {
        let (shape, spacing) = (<[usize; 3]>::from(image.dim()), self.kind.spacing);
        let halo = level.weights.len() - 1;
        let inner = level.patch(spacing, start.map(|s| s as i64), shape);
        let around = inner.origin.map(|o| o - halo as i64);
        let patch = level.patch(spacing, around, shape.map(|n| n + 2 * halo));
        let (mut grey, mut labels) = (vec![0.0f32; patch.len()], vec![0u32; patch.len()]);
        self.scene.fill(&patch, &mut grey, &mut labels);
        let labels = Array3::from_shape_vec(patch.shape, labels).expect("one label a voxel");
        let end = |a: usize| halo + shape[a];
        truth.assign(&labels.slice(ndarray::s![halo..end(0), halo..end(1), halo..end(2)]));
        let grey = detector::blur(grey, patch.shape, &level.weights);
        let mut exposed = vec![0u16; inner.len()];
        level.detector.expose(&inner, &grey, &mut exposed);
        image.assign(&Array3::from_shape_vec(shape, exposed).expect("one grey level a voxel"));
    }
}

/// What addresses of samples begin with.
const SCHEME: &str = "sample://";

/// Whether an address is that of a sample that is made where it is read: `sample://foam?size=4096&seed=2`, or with
/// `size=512,1024,1024` (`z, y, x`) and `truth=1` for its true labels.
pub fn is_address(address: &str) -> bool {
    address.starts_with(SCHEME)
}

/// Opens the sample at an address.
///
/// # Errors
/// In a sentence, if it names none.
pub fn open(address: &str) -> Result<Box<dyn ImageSource>, String> {
    let rest = address.strip_prefix(SCHEME).unwrap_or(address);
    let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kind = find(name).map_err(|e| e.to_string())?;
    let (mut options, mut truth) = (Options::default(), false);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = || format!("{pair} can't be read");
        let number = || value.parse::<f64>().map_err(|_| wrong());
        match key {
            "size" => options.size = parse_shape(value)?,
            "seed" => options.seed = value.parse().map_err(|_| wrong())?,
            "noise" => options.noise = number()?,
            "blur" => options.blur = number()?,
            "rings" => options.rings = number()?,
            "beam-hardening" => options.beam_hardening = number()?,
            "truth" => truth = value == "1",
            _ => {
                return Err(format!(
                    "{key} is none of size, seed, noise, blur, rings, beam-hardening and truth"
                ));
            }
        }
    }
    let sample = Virtual::new(kind, &options).map_err(|e| e.to_string())?;
    Ok(Box::new(Arc::new(sample).source(truth)))
}

/// Makes a whole sample.
///
/// # Errors
/// If an option is out of its range or the job is cancelled.
pub fn generate(kind: &'static Kind, options: &Options, job: &Job) -> Result<Sample> {
    let sample = Virtual::new(kind, options)?;
    let size = options.size;
    job.stage(format!("make {}", kind.name), size.iter().map(|&n| n as u64).product());
    let (mut image, mut truth) = (Array3::zeros(size), Array3::zeros(size));
    let objects = std::sync::Mutex::new(BTreeMap::<u32, LabelTruth>::new());
    sample.fill(0, [0; 3], image.view_mut(), truth.view_mut(), job, &|start, labels| {
        let seen = survey(start, size, &labels);
        let mut all = objects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (label, s) in seen {
            let entry = all.entry(label).or_default();
            entry.voxels += s.voxels;
            entry.border |= s.border;
        }
    })?;
    let objects = objects.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Sample {
        image: Volume::U16(image),
        truth: Volume::U32(truth),
        table: table(&sample, &objects),
        geometry: sample.geometry(),
    })
}

/// What shows of an object.
#[derive(Default, Clone, Copy)]
struct LabelTruth {
    voxels: u64,
    border: bool,
}

fn survey(start: [usize; 3], size: [usize; 3], labels: &ArrayViewMut3<u32>) -> BTreeMap<u32, LabelTruth> {
    let mut seen = BTreeMap::<u32, LabelTruth>::new();
    let on_face = |a: usize, i: usize| start[a] + i == 0 || start[a] + i + 1 == size[a];
    for (z, plane) in labels.outer_iter().enumerate() {
        for (y, line) in plane.outer_iter().enumerate() {
            let mut x = 0;
            while x < line.len() {
                let label = line[x];
                let first = x;
                while x < line.len() && line[x] == label {
                    x += 1;
                }
                if label > 0 {
                    let s = seen.entry(label).or_default();
                    s.voxels += (x - first) as u64;
                    s.border |= on_face(0, z) || on_face(1, y) || on_face(2, first) || on_face(2, x - 1);
                }
            }
        }
    }
    seen
}

fn table(sample: &Virtual, objects: &BTreeMap<u32, LabelTruth>) -> Table {
    let voxel_volume = sample.kind.spacing.iter().product::<f64>();
    let volume = |s: &LabelTruth| s.voxels as f64 * voxel_volume;
    let mut table = Builder::default();
    let labels = objects.keys().map(|&label| i64::from(label)).collect();
    table.column("label", "", "The object's number in the truth label image.", Values::Int(labels));
    let counts = objects.values().map(|s| s.voxels as i64).collect();
    table.column("voxel_count", "1", "Number of voxels.", Values::Int(counts));
    let volumes = objects.values().map(volume).collect();
    table.column("volume", "µm³", "Number of voxels × volume of a voxel.", Values::Real(volumes));
    let cut = objects.values().map(|s| s.border).collect();
    table.column("touches_border", "", "Whether a voxel lies on a face of the image.", Values::Flag(cut));
    let made: Vec<Vec<f64>> = objects.keys().map(|&label| sample.scene.object(label)).collect();
    for (i, (name, unit)) in sample.scene.columns().iter().enumerate() {
        let values = made.iter().map(|values| values[i]).collect();
        table.column(*name, unit, "As the object was made.", Values::Real(values));
    }
    table.finish("objects")
}

#[cfg(test)]
mod tests;
