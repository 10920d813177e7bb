//! How the measurements run: passes over a region of the image, whose partial results merge into a
//! state, and the tables that follow from it. In memory the region is the whole image; block by
//! block it is each block, and partial results and state travel as bytes.

use super::Table;
use super::bits::Bits;
use super::boundary::{self, BoundarySums};
use super::boxes::{self, BoxFigures, ReferenceSums};
use super::columns::{Chosen, Needs};
use super::crofton;
use super::distributions::{self, Chords, Correlation};
use super::extras::{self, Corners, ExtraColumns, Found, RadiusSums};
use super::foam;
use super::image::{self, ImageTable};
use super::intensity::{self, Scale};
use super::intercepts::{self, Intercepts};
use super::mode;
use super::object::Frame;
use super::objects::{contacts_table, objects_table};
use super::percentiles::{self, Counts, Search};
use super::quality::{self, Quality};
use super::scan::{self, Part, Plan};
use super::structure::{self, StructureFigures};
use super::sums::Objects;
use super::voronoi;
use crate::ops::distance::Metric;
use crate::ops::thickness::LocalThickness;
use crate::ops::{Phase, Source, Tiling};
use crate::{Geometry, Job, Region, Result, Volume, Voxel, VoxelType, with_volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What is to be measured.
#[derive(Clone)]
pub struct Measure {
    /// Shape of the image, `[z, y, x]`.
    pub shape: [usize; 3],
    /// Where it lies.
    pub geometry: Geometry,
    /// Types of the intensity channels.
    pub channels: Vec<VoxelType>,
    /// Columns of the object table.
    pub columns: Vec<Chosen>,
    /// Whether to make the table of contacts.
    pub contacts: bool,
    /// Whether to make the table of the image.
    pub image: bool,
    /// Further tables of the image.
    pub tables: Vec<ImageTable>,
    /// Whether distances from a reference mask can be measured: the mask comes last among the
    /// channels, in that pass alone.
    pub reference: bool,
}

/// A pass over the voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Range of the intensities that are wider than 16 bits.
    Range,
    /// All sums.
    Sums,
    /// Distances from centroids.
    Radius,
    /// Convex hulls.
    Hull,
    /// Percentiles of intensities.
    Percentiles,
    /// Boundary voxels and their gradients.
    Boundary,
    /// Inscribed balls, parts, cavities and thickness; over the whole image at once.
    Boxes,
    /// Distances from the reference mask; over the whole image at once.
    Reference,
    /// Figures of the structure; over the whole image at once.
    Structure,
    /// Chords; over the whole image at once.
    Chords,
    /// Two-point correlation; over the whole image at once.
    Correlation,
    /// Where lines meet surfaces.
    Intercepts,
    /// Figures of the intensities of the whole image.
    Quality,
    /// The most frequent intensities.
    Mode,
    /// What is nearest to each object; over the whole image at once.
    Voronoi,
}

impl Pass {
    /// What it does, for progress.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range of intensities",
            Self::Sums => "measure objects",
            Self::Radius => "radii of objects",
            Self::Hull => "convex hulls",
            Self::Percentiles => "percentiles of intensities",
            Self::Boundary => "boundaries of objects",
            Self::Boxes => "balls and cavities of objects",
            Self::Reference => "distances from the reference",
            Self::Structure => "thickness of the structure",
            Self::Chords => "chords of the structure",
            Self::Correlation => "two-point correlation",
            Self::Intercepts => "intercepts of the structure",
            Self::Quality => "intensities of the image",
            Self::Mode => "most frequent intensities",
            Self::Voronoi => "Voronoi cells",
        }
    }

    /// How far around a region it looks at labels.
    pub fn halo(self) -> [usize; 3] {
        match self {
            Self::Sums | Self::Boundary => [1; 3],
            Self::Intercepts => [intercepts::REACH; 3],
            _ => [0; 3],
        }
    }

    /// How far around a region it looks at intensities.
    fn channel_halo(self) -> [usize; 3] {
        if matches!(self, Self::Boundary | Self::Quality) { [1; 3] } else { [0; 3] }
    }

    /// Whether it needs the whole image at once.
    fn spanning(self) -> bool {
        matches!(
            self,
            Self::Boxes
                | Self::Reference
                | Self::Structure
                | Self::Chords
                | Self::Correlation
                | Self::Voronoi
        )
    }
}

/// What is known after some passes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    ranges: Vec<(f64, f64)>,
    objects: Objects,
    found: Found,
}

/// What a pass found in a region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Partial {
    /// Least and greatest finite intensity by channel.
    Range(Vec<(f64, f64)>),
    /// Sums.
    Sums(Box<Objects>),
    /// Sums of distances.
    Radius(RadiusSums),
    /// Corners of hulls.
    Hull(Corners),
    /// All percentiles, by channel and object.
    Percentiles(Vec<Vec<[f64; 5]>>),
    /// Sums over boundary voxels.
    Boundary(Vec<BoundarySums>),
    /// Figures of boxes.
    Boxes(Vec<(u32, BoxFigures)>),
    /// Sums of distances from the reference.
    Reference(ReferenceSums),
    /// Figures of the structure.
    Structure(Box<StructureFigures>),
    /// Chords.
    Chords(Chords),
    /// Pairs by distance.
    Correlation(Correlation),
    /// Where lines meet surfaces.
    Intercepts(Intercepts),
    /// Counts of intensities of the image, by channel.
    Quality(Vec<Quality>),
    /// Counts of intensities of the objects, by channel.
    Mode(Vec<mode::Counts>),
    /// Labels and how many voxels are nearest to them.
    Voronoi(Vec<(u64, u64)>),
    /// Counts for the search for percentiles, by channel.
    Counts(Vec<Counts>),
}

impl Measure {
    /// The passes, in order.
    pub fn passes(&self) -> Vec<Pass> {
        let mut passes = Vec::new();
        if self.channels.iter().any(|&c| Scale::of_type(c).is_none()) {
            passes.push(Pass::Range);
        }
        passes.push(Pass::Sums);
        let needs = |needs| self.needs(needs);
        let table = |table| self.tables.contains(&table);
        // The state travels to every block of the passes that follow: those that add much come last.
        for (wanted, pass) in [
            (needs(Needs::Radius), Pass::Radius),
            (self.image || table(ImageTable::Foam), Pass::Intercepts),
            (needs(Needs::Boundary), Pass::Boundary),
            (needs(Needs::Percentiles), Pass::Percentiles),
            (needs(Needs::Hull) || needs(Needs::Oriented), Pass::Hull),
            (self.image && !self.channels.is_empty(), Pass::Quality),
            (needs(Needs::Mode), Pass::Mode),
            (
                [Needs::Boxes, Needs::Thickness, Needs::Skeleton, Needs::Geodesic].into_iter().any(needs),
                Pass::Boxes,
            ),
            (needs(Needs::Reference), Pass::Reference),
            (needs(Needs::Voronoi), Pass::Voronoi),
            (self.image || table(ImageTable::Thickness), Pass::Structure),
            (table(ImageTable::Chords), Pass::Chords),
            (table(ImageTable::Correlation), Pass::Correlation),
        ] {
            if wanted {
                passes.push(pass);
            }
        }
        passes
    }

    /// The passes as phases over blocks that read the labels from input 0 and the channels from
    /// `inputs`, and the reference mask from input `reference`.
    pub fn phases(&self, inputs: &[usize], reference: usize) -> Vec<Phase> {
        self.passes()
            .into_iter()
            .map(|pass| Phase {
                name: pass.name(),
                tiling: if pass.spanning() { Tiling::Spanning([true; 3]) } else { Tiling::Blocks },
                reads: std::iter::once(Source::Input(0, pass.halo()))
                    .chain(inputs.iter().map(|&i| Source::Input(i, pass.channel_halo())))
                    .chain((pass == Pass::Reference).then_some(Source::Input(reference, [0; 3])))
                    .collect(),
                writes: Vec::new(),
            })
            .collect()
    }

    fn needs(&self, needs: Needs) -> bool {
        self.columns.iter().any(|c| c.column.needs == needs)
    }

    fn table(&self) -> Option<crofton::Table> {
        let cells = self.contacts
            || self.image
            || self.tables.contains(&ImageTable::Foam)
            || self.needs(Needs::Cells)
            || self.needs(Needs::Contacts)
            || self.needs(Needs::Boxes);
        cells.then(|| crofton::Table::new(self.geometry.world_from_index.matrix3))
    }

    fn scales(&self, state: &State) -> Vec<Scale> {
        let range = |i: usize| state.ranges.get(i).copied().unwrap_or((1.0, 0.0));
        self.channels
            .iter()
            .enumerate()
            .map(|(i, &ty)| Scale::of_type(ty).unwrap_or_else(|| Scale::of_range(ty, range(i).0, range(i).1)))
            .collect()
    }

    /// Runs a pass on region `out`.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn run(
        &self,
        pass: Pass,
        state: &State,
        out: Region,
        labels: Part,
        channels: &[Part],
        job: &Job,
    ) -> Result<Partial> {
        let all = channels;
        let channels = &all[..self.channels.len()];
        match pass {
            Pass::Range => {
                let ranges = channels
                    .iter()
                    .zip(&self.channels)
                    .map(|(part, &ty)| {
                        if Scale::of_type(ty).is_some() {
                            Ok((f64::INFINITY, f64::NEG_INFINITY))
                        } else {
                            range(part, out, job)
                        }
                    })
                    .collect::<Result<_>>()?;
                Ok(Partial::Range(ranges))
            }
            Pass::Sums => {
                let plan = Plan { image: self.shape, table: self.table(), scales: self.scales(state) };
                scan::scan(&plan, out, labels, channels, job).map(|o| Partial::Sums(Box::new(o)))
            }
            Pass::Radius => {
                let frame = self.frame(state, None);
                extras::radius_pass(&frame, &state.objects, &labels, out, job).map(Partial::Radius)
            }
            Pass::Hull => extras::hull_pass(&state.objects, &labels, out, job).map(Partial::Hull),
            Pass::Boundary => boundary::boundary(
                &state.objects,
                self.shape,
                self.geometry.spacing(),
                &labels,
                channels,
                &self.scales(state),
                out,
                job,
            )
            .map(Partial::Boundary),
            Pass::Boxes => {
                let wanted = boxes::Wanted {
                    boxes: self.needs(Needs::Boxes),
                    thickness: self.needs(Needs::Thickness),
                    skeleton: self.needs(Needs::Skeleton),
                    geodesic: self.needs(Needs::Geodesic),
                };
                boxes::figures(&self.frame(state, None), &state.objects, &labels, wanted, job)
                    .map(Partial::Boxes)
            }
            Pass::Reference => {
                let mask = all[self.channels.len()].volume;
                boxes::to_reference(&self.frame(state, None), &state.objects, &labels, mask, job)
                    .map(Partial::Reference)
            }
            Pass::Structure => {
                let mask = mask(&labels);
                let mut figures = structure::structure(&mask, self.shape);
                if self.tables.contains(&ImageTable::Thickness) {
                    figures.thickness = Some(structure::thickness(&mask, self.shape, self.metric(), job)?);
                }
                Ok(Partial::Structure(Box::new(figures)))
            }
            Pass::Chords => distributions::chords(&mask(&labels), self.shape, job).map(Partial::Chords),
            Pass::Correlation => {
                distributions::correlation(&Bits::of(&labels), self.shape, self.geometry.spacing(), job)
                    .map(Partial::Correlation)
            }
            Pass::Intercepts => {
                let objects = self.tables.contains(&ImageTable::Foam);
                intercepts::intercepts(&labels, out, self.shape, objects, job).map(Partial::Intercepts)
            }
            Pass::Mode => channels
                .iter()
                .enumerate()
                .map(|(c, part)| mode::count(&state.objects, c, &labels, part, out, job))
                .collect::<Result<_>>()
                .map(Partial::Mode),
            Pass::Voronoi => voronoi::cells(&labels, self.geometry.spacing(), job).map(Partial::Voronoi),
            Pass::Quality => {
                let bits = Bits::of(&labels);
                channels
                    .iter()
                    .zip(self.scales(state))
                    .enumerate()
                    .map(|(c, (part, scale))| {
                        let range = state.ranges.get(c).copied().unwrap_or((0.0, 0.0));
                        quality::quality(&bits, part, &scale, range, out, self.shape, job)
                    })
                    .collect::<Result<_>>()
                    .map(Partial::Quality)
            }
            Pass::Percentiles if out == Region::whole(self.shape) => (0..self.channels.len())
                .map(|c| percentiles::whole(&state.objects, c, &labels, &channels[c], out, job))
                .collect::<Result<_>>()
                .map(Partial::Percentiles),
            Pass::Percentiles => (0..self.channels.len())
                .map(|c| {
                    let first;
                    let search = match state.found.search.get(c) {
                        Some(search) => search,
                        None => {
                            first = Search::new(&state.objects, c, self.channels[c]);
                            &first
                        }
                    };
                    if search.done() {
                        return Ok(Counts::default());
                    }
                    search.count(&state.objects, &labels, &channels[c], out, job)
                })
                .collect::<Result<_>>()
                .map(Partial::Counts),
        }
    }

    /// Adds what a pass found in the regions of the image to the state; whether the pass is over.
    pub fn merge(&self, state: &mut State, partials: impl IntoIterator<Item = Partial>) -> bool {
        let mut counts: Vec<Counts> = Vec::new();
        for partial in partials {
            self.merge_one(state, partial, &mut counts);
        }
        state.found.boundary = boundary::added(std::mem::take(&mut state.found.boundary));
        state.found.radius = extras::added(std::mem::take(&mut state.found.radius));
        if counts.is_empty() {
            return true;
        }
        if state.found.search.is_empty() {
            state.found.search =
                (0..counts.len()).map(|c| Search::new(&state.objects, c, self.channels[c])).collect();
        }
        for (search, counts) in state.found.search.iter_mut().zip(&counts) {
            if !search.done() {
                search.narrow(counts);
            }
        }
        let done = state.found.search.iter().all(Search::done);
        if done {
            state.found.percentiles = state
                .found
                .search
                .iter()
                .enumerate()
                .map(|(c, search)| search.finish(&state.objects, c, self.channels[c]))
                .collect();
            state.found.search.clear();
        }
        done
    }

    fn merge_one(&self, state: &mut State, partial: Partial, counts: &mut Vec<Counts>) {
        match partial {
            Partial::Radius(sums) => state.found.radius.extend(sums),
            Partial::Hull(corners) => state.found.corners.extend(corners),
            Partial::Boundary(sums) => state.found.boundary.extend(sums),
            Partial::Boxes(figures) => state.found.boxes.extend(figures),
            Partial::Reference(sums) => state.found.reference.extend(sums),
            Partial::Structure(figures) => state.found.structure = Some(*figures),
            Partial::Chords(chords) => state.found.chords = chords,
            Partial::Correlation(correlation) => state.found.correlation = correlation,
            Partial::Intercepts(more) => state.found.intercepts.merge(&more),
            Partial::Voronoi(cells) => state.found.voronoi = cells,
            Partial::Mode(more) => {
                state.found.modes.resize(more.len(), mode::Counts::new());
                for (mine, theirs) in state.found.modes.iter_mut().zip(more) {
                    mine.extend(theirs);
                }
            }
            Partial::Quality(more) => {
                state.found.quality.resize(more.len(), Quality::default());
                for (mine, theirs) in state.found.quality.iter_mut().zip(&more) {
                    mine.merge(theirs);
                }
            }
            Partial::Percentiles(percentiles) => state.found.percentiles = percentiles,
            Partial::Counts(more) => {
                counts.resize(more.len(), Counts::default());
                for (mine, theirs) in counts.iter_mut().zip(&more) {
                    mine.merge(theirs);
                }
            }
            Partial::Range(ranges) => {
                state.ranges.resize(ranges.len(), (f64::INFINITY, f64::NEG_INFINITY));
                for (mine, theirs) in state.ranges.iter_mut().zip(ranges) {
                    *mine = (mine.0.min(theirs.0), mine.1.max(theirs.1));
                }
            }
            Partial::Sums(objects) => {
                if state.objects.labels.is_empty() && state.objects.channels.is_empty() {
                    state.objects = *objects;
                } else {
                    state.objects.merge(&objects);
                }
            }
        }
    }

    /// The tables.
    pub fn finish(&self, state: &State) -> Vec<Table> {
        let table = self.table();
        let frame = self.frame(state, table.as_ref());
        let objects = &state.objects;
        let found = &state.found;
        let mut extras = ExtraColumns { percentiles: found.percentiles.clone(), ..ExtraColumns::default() };
        if self.needs(Needs::Radius) {
            extras.radius = extras::radii(&frame, objects, &found.radius);
        }
        if self.needs(Needs::Hull) || self.needs(Needs::Oriented) {
            let corners = extras::reduced(found.corners.clone());
            extras.hulls = extras::hulls(&frame, objects, &corners, self.needs(Needs::Oriented));
        }
        extras.modes = (found.modes.iter().enumerate())
            .map(|(c, counts)| mode::modes(objects, c, self.channels[c], &mode::added(counts.clone())))
            .collect();
        if self.needs(Needs::Nearest) {
            extras.nearest = extras::nearest(&frame, objects);
        }
        extras.fill_rows(&frame, objects, found, self.geometry.spacing());
        let mut tables = vec![objects_table(&frame, objects, &extras, &self.columns)];
        if self.contacts {
            tables.push(contacts_table(&frame, objects));
        }
        let local = LocalThickness::new(self.shape, self.metric());
        if self.image {
            tables.push(image::table(&frame, objects, found, &local));
        }
        for table in &self.tables {
            tables.push(match table {
                ImageTable::Thickness => {
                    let found = found.structure.as_ref().and_then(|s| s.thickness.as_ref());
                    distributions::thickness_table(&frame, &local, found)
                }
                ImageTable::Chords => distributions::chords_table(&frame, &found.chords),
                ImageTable::Correlation => distributions::correlation_table(&frame, &found.correlation),
                ImageTable::Foam => foam::table(&frame, objects, &found.intercepts),
            });
        }
        tables
    }

    fn metric(&self) -> Metric {
        Metric::new(self.shape, &self.geometry)
    }

    fn frame(&self, state: &State, table: Option<&crofton::Table>) -> Frame {
        Frame::new(self.shape, self.geometry, table, self.scales(state))
    }
}

/// What is not background, of a whole image.
fn mask(labels: &Part) -> Vec<u8> {
    with_volume!(labels.volume, |a| a.iter().map(|v| u8::from(v.to_f64() != 0.0)).collect())
}

fn range(part: &Part, out: Region, job: &Job) -> Result<(f64, f64)> {
    let [d, h, w] = out.shape;
    let [_, ph, pw] = part.region.shape;
    let start: [usize; 3] = std::array::from_fn(|a| out.start[a] - part.region.start[a]);
    with_volume!(part.volume, |a| {
        let values = a.as_slice().expect("volumes are in C order");
        (0..d)
            .into_par_iter()
            .map(|z| {
                job.check()?;
                let mut found = (f64::INFINITY, f64::NEG_INFINITY);
                for y in 0..h {
                    let from = ((z + start[0]) * ph + y + start[1]) * pw + start[2];
                    let row = intensity::range(&values[from..from + w]);
                    found = (found.0.min(row.0), found.1.max(row.1));
                }
                job.advance((h * w) as u64);
                Ok(found)
            })
            .try_reduce(|| (f64::INFINITY, f64::NEG_INFINITY), |a, b| Ok((a.0.min(b.0), a.1.max(b.1))))
    })
}

/// Runs all passes on whole volumes in memory.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn passes_whole(what: &Measure, labels: &Volume, channels: &[&Volume], job: &Job) -> Result<State> {
    let region = Region::whole(what.shape);
    let part = |volume| Part { volume, region };
    let channels: Vec<Part> = channels.iter().map(|&v| part(v)).collect();
    let mut state = State::default();
    for pass in what.passes() {
        job.stage(pass.name(), region.len() as u64);
        let partial = what.run(pass, &state, region, part(labels), &channels, job)?;
        what.merge(&mut state, [partial]);
    }
    Ok(state)
}

/// The tables of whole volumes in memory.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn measure(what: &Measure, labels: &Volume, channels: &[&Volume], job: &Job) -> Result<Vec<Table>> {
    Ok(what.finish(&passes_whole(what, labels, channels, job)?))
}
