//! What the passes find: partial results of regions, and the state that they merge into.

use crate::measure::columns::Needs;
use crate::measure::columns::objects::{contacts_table, objects_table};
use crate::measure::image::distributions::{self, Chords, Correlation};
use crate::measure::image::intercepts::Intercepts;
use crate::measure::image::{self, ImageTable, Totals, foam};
use crate::measure::intensities::mode;
use crate::measure::intensities::percentiles::{Counts, Search};
use crate::measure::intensities::quality::Quality;
use crate::measure::passes::partitions::{self, LabelIndex, LabelPartition, MeasuredPartitions};
use crate::measure::passes::pass::{Body, Pass};
use crate::measure::passes::run::Measure;
use crate::measure::shape::balls::{self, BallCount, Innermost, ReferenceSums};
use crate::measure::shape::bits::BitVolume;
use crate::measure::shape::boundary::{self, BoundarySums};
use crate::measure::shape::boxes::{Paths, Places};
use crate::measure::shape::extras::{self, Corners, ExtraColumns, Found, RadiusSums};
use crate::measure::shape::regions::{self, Piece, Touch};
use crate::measure::shape::structure::BoxCounts;
use crate::measure::shape::voronoi;
use crate::measure::sums::Objects;
use crate::measure::sums::moments::MomentSums;
use crate::measure::sums::scan::RegionView;
use crate::program::{Block, Next, Partials, decode, encode};
use crate::table::Table;
use crate::{Job, Region, Result, Volume};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// What is known after some passes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The objects that are being measured.
    pub partition: LabelPartition,
    /// How many shares there are.
    pub partitions: usize,
    /// Shape of the blocks.
    pub block: [usize; 3],
    /// Least and greatest finite intensity by channel.
    pub ranges: Vec<(f64, f64)>,
    /// All sums.
    pub objects: Objects,
    /// The rest.
    pub found: Found,
    /// Where the objects are, once somebody asked.
    #[serde(skip)]
    places: OnceLock<Places>,
    /// All shares of the objects.
    #[serde(skip)]
    pub label_index: LabelIndex,
    /// Those that were measured.
    #[serde(skip)]
    pub done: Option<MeasuredPartitions>,
}

impl State {
    /// Where the objects are, which must not change any more.
    pub fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::of(&self.objects))
    }

    /// Before the passes over a share of the objects.
    pub fn forget_objects(&mut self) {
        (self.objects, self.found, self.places) = Default::default();
    }
}

/// Values by channel, each with the row of an object.
type ByRow<T> = Vec<Vec<(u32, T)>>;

/// What a pass found in a region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Partial {
    /// Only volumes.
    Nothing,
    /// The labels of a block.
    Labels(Vec<u32>),
    /// Least and greatest finite intensity by channel.
    Range(Vec<(f64, f64)>),
    /// Sums.
    Sums(Box<Objects>),
    /// Sums of distances.
    Radius(RadiusSums),
    /// Corners of hulls.
    Hull(Corners),
    /// Central moments by channel, with the rows of the objects.
    Moments(ByRow<MomentSums>),
    /// Percentiles and modes of objects seen as a whole.
    Near(ByRow<[f64; 5]>, ByRow<f64>),
    /// Sums over boundary voxels.
    Boundary(Vec<BoundarySums>),
    /// The innermost voxels.
    Innermost(Vec<Innermost>),
    /// The greatest squared radius of balls.
    Centres(u32),
    /// The largest balls.
    Balls(Body, Vec<BallCount>),
    /// Regions.
    Regions(Vec<Piece>),
    /// How they touch.
    Touching(Vec<(u64, u64, Touch)>),
    /// Skeletons and paths.
    Paths(Vec<(u32, Paths)>),
    /// Sums of distances from the reference.
    Reference(ReferenceSums),
    /// Box counts.
    Fractal(BoxCounts),
    /// Chords.
    Chords(Chords),
    /// The structure.
    Mask(BitVolume),
    /// Pairs by distance.
    Correlation(Correlation),
    /// Where lines meet surfaces.
    Intercepts(Intercepts),
    /// Counts of intensities of the image, by channel.
    Quality(Vec<Quality>),
    /// Counts of intensities of objects, by channel.
    ModeCounts(Vec<mode::Counts>),
    /// Labels and how many voxels are nearest to them.
    Voronoi(Vec<(u64, u64)>),
    /// Counts for the search for percentiles, by channel.
    Counts(Vec<Counts>),
}

/// What partial results add up to before they go into the state.
#[derive(Default)]
struct PassTotals {
    counts: Vec<Counts>,
    modes: Vec<mode::Tally>,
}

/// Puts values in their rows.
fn spread<T: Clone>(columns: &mut Vec<Vec<T>>, rows: usize, none: T, values: ByRow<T>) {
    columns.resize(values.len(), vec![none; rows]);
    for (column, values) in columns.iter_mut().zip(values) {
        for (row, value) in values {
            column[row as usize] = value;
        }
    }
}

impl Measure {
    /// Adds what a pass found in the regions of the image to the state; whether the pass is over.
    ///
    /// # Errors
    /// More regions than can be numbered.
    pub fn merge(
        &self,
        pass: Pass,
        state: &mut State,
        partials: impl IntoIterator<Item = Result<(Region, Partial)>>,
    ) -> Result<bool> {
        let mut totals = PassTotals::default();
        for partial in partials {
            let (block, partial) = partial?;
            if pass == Pass::Far && state.found.search.is_empty() {
                state.found.search = self.searches(state, block);
            }
            match partial {
                Partial::Labels(labels) => state.label_index.add(block, &labels, self.partition),
                partial => self.merge_one(state, partial, &mut totals),
            }
        }
        let (objects, found) = (&state.objects, &mut state.found);
        let rows = objects.labels.len();
        let take = |counts: &mut Vec<BallCount>| *counts = balls::added(std::mem::take(counts));
        match pass {
            Pass::LabelIndex => {
                state.partitions = state.label_index.partitions();
                if state.partitions > 1 {
                    state.partition = state.label_index.partition(0);
                }
            }
            Pass::Boundary => found.boundary = boundary::added(std::mem::take(&mut found.boundary)),
            Pass::Radius => found.radius = extras::added(std::mem::take(&mut found.radius)),
            Pass::Across(Body::Objects) => {
                found.innermost = balls::farthest(std::mem::take(&mut found.innermost));
            }
            Pass::Across(Body::Reference) => {
                found.reference = balls::summed(std::mem::take(&mut found.reference));
            }
            Pass::Voronoi => found.voronoi = voronoi::added(std::mem::take(&mut found.voronoi)),
            Pass::Balls(body) => {
                found.greatest = 0;
                take(&mut found.balls[body as usize]);
            }
            Pass::Touching => {
                found.parts = regions::figures(objects, &std::mem::take(&mut found.regions))?;
            }
            Pass::Correlation => found.mask = None,
            Pass::FarMode => {
                let counts = totals.modes.into_iter().map(mode::Tally::sum).enumerate();
                let modes = counts.map(|(c, n)| mode::modes(objects, c, self.channels[c], &n)).collect();
                spread(&mut found.modes, rows, f64::NAN, modes);
            }
            Pass::Far => return Ok(self.narrow(state, &totals.counts)),
            _ => {}
        }
        Ok(true)
    }

    /// Takes the search for percentiles a digit further; whether it is over.
    fn narrow(&self, state: &mut State, counts: &[Counts]) -> bool {
        let (objects, found) = (&state.objects, &mut state.found);
        for (search, counts) in found.search.iter_mut().zip(counts) {
            if !search.done() {
                search.narrow(counts);
            }
        }
        let done = found.search.iter().all(Search::done);
        if done {
            let searches = std::mem::take(&mut found.search).into_iter().enumerate();
            let percentiles =
                searches.map(|(c, search)| search.finish(objects, c, self.channels[c])).collect();
            spread(&mut found.percentiles, objects.labels.len(), [f64::NAN; 5], percentiles);
        }
        done
    }

    fn merge_one(&self, state: &mut State, partial: Partial, totals: &mut PassTotals) {
        let found = &mut state.found;
        match partial {
            Partial::Nothing | Partial::Labels(_) => {}
            Partial::Radius(sums) => found.radius.extend(sums),
            Partial::Hull(corners) => found.corners.extend(corners),
            Partial::Boundary(sums) => found.boundary.extend(sums),
            Partial::Innermost(voxels) => found.innermost.extend(voxels),
            Partial::Centres(greatest) => found.greatest = found.greatest.max(greatest),
            Partial::Balls(body, counts) => found.balls[body as usize].extend(counts),
            Partial::Regions(pieces) => found.regions.pieces.extend(pieces),
            Partial::Touching(touches) => found.regions.touches.extend(touches),
            Partial::Paths(paths) => found.paths.extend(paths),
            Partial::Reference(sums) => found.reference.extend(sums),
            Partial::Fractal(counts) => found.fractal.merge(&counts),
            Partial::Chords(chords) => found.chords.merge(&chords),
            Partial::Mask(bits) => {
                found.mask.get_or_insert_with(|| BitVolume::none(Region::whole(self.shape))).add(&bits);
            }
            Partial::Correlation(correlation) => found.correlation = correlation,
            Partial::Intercepts(more) => found.intercepts.merge(&more),
            Partial::Voronoi(cells) => found.voronoi.extend(cells),
            Partial::ModeCounts(more) => {
                totals.modes.resize_with(more.len(), mode::Tally::default);
                for (mine, theirs) in totals.modes.iter_mut().zip(more) {
                    mine.add(theirs);
                }
            }
            Partial::Quality(more) => {
                found.quality.resize(more.len(), Quality::default());
                for (mine, theirs) in found.quality.iter_mut().zip(&more) {
                    mine.merge(theirs);
                }
            }
            Partial::Moments(more) => {
                let rows = state.objects.labels.len();
                found.moments.resize(more.len(), Vec::new());
                for (mine, theirs) in found.moments.iter_mut().zip(more) {
                    if mine.is_empty() && !theirs.is_empty() {
                        mine.resize(rows, MomentSums::default());
                    }
                    theirs.iter().for_each(|(row, sums)| mine[*row as usize].merge(sums));
                }
            }
            Partial::Near(percentiles, modes) => {
                let rows = state.objects.labels.len();
                spread(&mut found.percentiles, rows, [f64::NAN; 5], percentiles);
                spread(&mut found.modes, rows, f64::NAN, modes);
            }
            Partial::Counts(more) => {
                if totals.counts.is_empty() {
                    totals.counts = more;
                } else {
                    for (mine, theirs) in totals.counts.iter_mut().zip(&more) {
                        mine.merge(theirs);
                    }
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
        let mut tables = self.tables_of_objects(state);
        if self.needs(Needs::Nearest) {
            let points = extras::centroids(&self.frame(None), &state.objects);
            let objects = partitions::with_nearest(tables.remove(0), &points);
            tables.insert(0, objects);
        }
        tables.extend(self.tables_of_image(state, &Totals::of(&state.objects), &state.found));
        tables
    }

    /// The table of objects, without the nearest ones, and that of contacts.
    pub(in crate::measure) fn tables_of_objects(&self, state: &State) -> Vec<Table> {
        let table = self.table();
        let frame = self.frame(table.as_ref());
        let (objects, found, local) = (&state.objects, &state.found, self.local());
        let mut extras = ExtraColumns {
            moments: &found.moments,
            percentiles: found.percentiles.clone(),
            modes: found.modes.clone(),
            ..ExtraColumns::default()
        };
        if self.needs(Needs::Radius) {
            extras.radius = extras::radii(&frame, objects, &found.radius);
        }
        if self.needs(Needs::Hull) || self.needs(Needs::Oriented) {
            let corners = extras::reduced(found.corners.clone());
            extras.hulls = extras::hulls(&frame, objects, &corners, self.needs(Needs::Oriented));
        }
        extras.fill_rows(&frame, objects, found, &local);
        let mut tables = vec![objects_table(&frame, objects, &extras, &self.columns)];
        if self.contacts {
            tables.push(contacts_table(&frame, objects, |label| state.partition.has(label)));
        }
        tables
    }

    /// The tables of the image.
    pub(in crate::measure) fn tables_of_image(
        &self,
        state: &State,
        totals: &Totals,
        found: &Found,
    ) -> Vec<Table> {
        let table = self.table();
        let (frame, local) = (self.frame(table.as_ref()), self.local());
        let mut tables = Vec::new();
        if self.image {
            let thickness = self.tables.contains(&ImageTable::Thickness);
            tables.push(image::table(&frame, totals, found, &local, thickness));
        }
        for table in &self.tables {
            tables.push(match table {
                ImageTable::Thickness => {
                    let phases = [Body::Structure, Body::Background].map(|body| found.thickness(body));
                    distributions::thickness_table(&frame, &local, phases)
                }
                ImageTable::Chords => distributions::chords_table(&frame, &found.chords),
                ImageTable::Correlation => distributions::correlation_table(&frame, &found.correlation),
                ImageTable::Foam => foam::table(&frame, &state.objects, &found.intercepts),
            });
        }
        tables
    }

    /// The tables of a run block by block.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn finish_blocks(&self, mut state: State) -> Result<Vec<Table>> {
        match state.done.take() {
            Some(done) => {
                state.forget_objects();
                self.finish_partitions(&state, done)
            }
            None => Ok(self.finish(&state)),
        }
    }
}

/// The passes as a program over blocks, whose partial results are bytes.
impl Measure {
    /// [`Measure::run`] of a phase.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn run_phase(
        &self,
        pass: Pass,
        state: &State,
        block: &Block,
        inputs: &[Option<Arc<Volume>>],
        job: &Job,
    ) -> Result<(Vec<Volume>, Vec<u8>)> {
        let volumes = inputs.iter().map(|v| v.as_deref().expect("given when prepared"));
        let parts: Vec<RegionView> =
            volumes.zip(&block.sources).map(|(volume, &region)| RegionView { volume, region }).collect();
        let (volumes, partial) = self.run(pass, state, block.out, &parts, job)?;
        Ok((volumes, encode(&partial)))
    }

    /// [`Measure::merge`] of a phase, and what comes next.
    ///
    /// # Errors
    /// As there, or if the bytes are no partial results.
    pub fn merge_phase(&self, pass: Pass, state: &mut State, partials: Partials) -> Result<Next> {
        if self.passes_of_blocks().first() == Some(&pass) {
            state.block = partials.cut();
        }
        let partials = partials.map(|partial| {
            let (region, bytes) = partial?;
            Ok((region, decode(&bytes)?))
        });
        let done = self.merge(pass, state, partials)?;
        Ok(if done { Next::Continue } else { Next::Repeat })
    }
}
