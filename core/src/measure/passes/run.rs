//! How the measurements run: passes over regions of the image, whose partial results merge into a
//! state, and the tables that follow from it. In memory the region is the whole image; block by
//! block it is each block, and partial results and state travel as bytes.

use crate::algorithms::distance::Metric;
use crate::algorithms::thickness::LocalThickness;
use crate::measure::columns::object::Frame;
use crate::measure::columns::{self, Chosen, Cost, Needs};
use crate::measure::image::{ImageTable, distributions, intercepts};
use crate::measure::intensities::percentiles::{Counts, Search};
use crate::measure::intensities::{distribution, mode, quality};
use crate::measure::passes::partitions;
use crate::measure::passes::pass::{Body, FIELDS, Pass};
use crate::measure::passes::state::{Partial, State};
use crate::measure::shape::bits::BitVolume;
use crate::measure::shape::{balls, boundary, boxes, extras, regions, structure, voronoi};
use crate::measure::sums::scan::{self, Plan, RegionView};
use crate::measure::sums::{Objects, crofton, intensity, moments};
use crate::program::{Accelerator, Source};
use crate::{Geometry, Job, Region, Result, Volume, VoxelType, parallel, with_volume};

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
    /// Block by block, about so many objects are measured at once.
    pub partition: usize,
}

impl Measure {
    /// The passes, in order.
    pub fn passes(&self) -> Vec<Pass> {
        let needs = |needs| self.needs(needs);
        let table = |table| self.tables.contains(&table);
        let path = needs(Needs::Skeleton) || needs(Needs::Geodesic);
        let distribution = needs(Needs::Percentiles) || needs(Needs::Mode);
        let wide = self.channels.iter().any(|&c| intensity::offset(c).is_none());
        let balls =
            |body| vec![Pass::Within(body), Pass::Across(body), Pass::Centres(body), Pass::Balls(body)];
        let thickness = table(ImageTable::Thickness);
        let with_balls = needs(Needs::Thickness);
        let of_objects = balls(Body::Objects).into_iter().take(if with_balls { 4 } else { 2 }).collect();
        // The state travels to every block of the passes that follow: those that add much come last.
        [
            (wide && self.image, vec![Pass::Range]),
            (true, vec![Pass::Sums]),
            (needs(Needs::Radius), vec![Pass::Radius]),
            (self.image || table(ImageTable::Foam), vec![Pass::Intercepts]),
            (needs(Needs::Boundary), vec![Pass::Boundary]),
            (wide && needs(Needs::Deviations), vec![Pass::Moments]),
            (distribution, vec![Pass::Near]),
            (needs(Needs::Percentiles), vec![Pass::Far]),
            (needs(Needs::Mode), vec![Pass::FarMode]),
            (self.image && !self.channels.is_empty(), vec![Pass::Quality]),
            (self.image, vec![Pass::Fractal]),
            (needs(Needs::Reference), vec![Pass::Within(Body::Reference), Pass::Across(Body::Reference)]),
            (needs(Needs::Voronoi), vec![Pass::Nearest, Pass::Voronoi]),
            (table(ImageTable::Chords), [0, 1, 2].map(Pass::Chords).to_vec()),
            (table(ImageTable::Correlation), vec![Pass::Mask, Pass::Correlation]),
            (needs(Needs::Topology), vec![Pass::Regions, Pass::Touching]),
            (path, vec![Pass::Boxes]),
            (needs(Needs::Hull) || needs(Needs::Oriented), vec![Pass::Hull]),
            (needs(Needs::Inscribed) || with_balls, of_objects),
            (thickness, balls(Body::Structure)),
            (thickness, balls(Body::MidAxes)),
            (thickness, balls(Body::Background)),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .flat_map(|(_, passes)| passes)
        .collect()
    }

    /// The passes of a run block by block, in order.
    pub fn passes_of_blocks(&self) -> Vec<Pass> {
        let passes = self.passes().into_iter();
        if self.is_divisible() {
            [Pass::LabelIndex].into_iter().chain(passes).chain([Pass::Partition]).collect()
        } else {
            passes.collect()
        }
    }

    /// Whether objects can be measured share by share: not if a figure depends on what is far away, or the image's on all
    /// of them.
    fn is_divisible(&self) -> bool {
        self.partition < usize::MAX
            && !self.needs(Needs::Reference)
            && !self.needs(Needs::Voronoi)
            && !self.tables.contains(&ImageTable::Foam)
    }

    /// What is asked for that only a grid at right angles has: columns and tables by name, in a sentence; none if
    /// nothing is.
    pub fn by_distance(&self) -> Option<String> {
        let columns = self.columns.iter().filter(|c| c.column.is_by_distance()).map(|c| c.column.name);
        let thickness = self.tables.contains(&ImageTable::Thickness).then_some("the table thickness");
        let names: Vec<&str> = columns.chain(thickness).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Whether nearest neighbours are asked for.
    pub fn wants_nearest(&self) -> bool {
        self.needs(Needs::Nearest)
    }

    /// Whether a phase of a run block by block runs on a block.
    pub fn visits(&self, pass: Pass, state: &State, out: Region) -> bool {
        let partition = &state.partition;
        partition.is_first()
            || match pass {
                // A neighbourhood is summed with the last of its voxels.
                Pass::Sums => partition.is_in(out, 1),
                Pass::Radius | Pass::Moments | Pass::Hull | Pass::Boundary | Pass::Far | Pass::FarMode => {
                    partition.is_in(out, 0)
                }
                // A box may begin, and a cavity be, where no voxel of its object is.
                Pass::Near | Pass::Boxes => !state.places().beginning(&state.objects, out).is_empty(),
                Pass::Regions | Pass::Touching => state.places().has_box_in(out),
                Pass::Within(body) | Pass::Across(body) | Pass::Centres(body) | Pass::Balls(body) => {
                    body == Body::Objects && state.places().has_box_in(out)
                }
                Pass::Partition => true,
                _ => false,
            }
    }

    pub(in crate::measure) fn needs(&self, needs: Needs) -> bool {
        self.columns.iter().any(|c| c.column.needs == needs)
    }

    pub(in crate::measure) fn table(&self) -> Option<crofton::Table> {
        let cells = self.contacts
            || self.image
            || self.tables.contains(&ImageTable::Foam)
            || self.needs(Needs::Cells)
            || self.needs(Needs::Contacts)
            || self.needs(Needs::Topology);
        cells.then(|| crofton::Table::new(self.geometry.world_from_index.matrix3))
    }

    /// A sentence for each group of columns and table that may dominate a run.
    pub fn costs(&self) -> Vec<String> {
        let voxels: u64 = self.shape.iter().map(|&n| n as u64).product();
        let mut costs: Vec<Cost> = Vec::new();
        let table = self.tables.contains(&ImageTable::Thickness).then_some(columns::THICKNESS_TABLE);
        for cost in self.columns.iter().filter_map(|c| c.column.needs.cost()).chain(table) {
            if !costs.contains(&cost) {
                costs.push(cost);
            }
        }
        costs.iter().map(|cost| cost.estimate(voxels, rayon::current_num_threads())).collect()
    }

    /// Working memory of a run in memory, in bytes per voxel.
    pub fn scratch(&self) -> f64 {
        let has = |pass| self.passes().contains(&pass);
        match () {
            // Distances and labels, as fields and side by side.
            () if has(Pass::Voronoi) => 20.0,
            // Names of regions, labels with one for background, and runs.
            () if has(Pass::Regions) => 20.0,
            // Distances, centres, the balls painted and what is between mid-axes.
            () if has(Pass::Within(Body::Objects)) || has(Pass::Within(Body::Structure)) => 13.0,
            () if has(Pass::Within(Body::Reference)) => 8.0,
            () => 2.0,
        }
    }

    pub(in crate::measure) fn local(&self) -> LocalThickness {
        LocalThickness::new(self.shape, Metric::new(self.shape, &self.geometry))
    }

    pub(in crate::measure) fn frame(&self, table: Option<&crofton::Table>) -> Frame {
        Frame::new(self.shape, self.geometry, table)
    }

    /// Whether [`Pass::Near`] sees each object as a whole, as it does in a run that goes through such a block.
    fn all_near(&self, block: Region) -> bool {
        block == Region::whole(self.shape)
    }

    /// The objects that a pass looks at in a block.
    fn rows(&self, pass: Pass, state: &State, block: Region) -> Vec<usize> {
        let (objects, all) = (&state.objects, self.all_near(block));
        let beginning = || state.places().beginning(objects, block).into_iter();
        let region = |row: &usize| objects.voxels.region(*row);
        match pass {
            Pass::Near => beginning().filter(|row| all || boxes::is_near(region(row))).collect(),
            Pass::Boxes => beginning().collect(),
            _ if all => Vec::new(),
            _ => {
                let meets = |row: &usize| !region(row).intersection(&block).is_empty();
                state.places().far().iter().copied().filter(meets).collect()
            }
        }
    }

    /// The region that a pass sees for a block: where objects are seen as a whole, those that begin in
    /// the block.
    pub fn region(&self, pass: Pass, state: &State, block: Region) -> Region {
        let rows = match pass {
            Pass::Near | Pass::Boxes | Pass::Far | Pass::FarMode => self.rows(pass, state, block),
            // Balls reach into the block from as far as the greatest radius.
            Pass::Balls(_) => return block.grown(self.local().reach(state.found.greatest), self.shape),
            _ => return block,
        };
        match pass {
            Pass::Far | Pass::FarMode if !rows.is_empty() => block,
            _ => boxes::around(&state.objects, &rows, block),
        }
    }

    /// Whether second moments are asked for.
    fn moments(&self) -> bool {
        let needs = [Needs::Moments, Needs::Intensity, Needs::Radius].map(|n| self.needs(n));
        self.tables.contains(&ImageTable::Foam) || needs.contains(&true) || !self.channels.is_empty()
    }

    /// Runs a pass on block `out`: the volumes that it writes, and its partial result. `parts` are what
    /// it [reads](Self::reads).
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub fn run(
        &self,
        pass: Pass,
        state: &State,
        out: Region,
        parts: &[RegionView],
        job: &Job,
    ) -> Result<(Vec<Volume>, Partial)> {
        let objects = &state.objects;
        let metric = self.local().metric;
        let written = |volume| (vec![volume], Partial::Nothing);
        Ok(match pass {
            Pass::Within(body) => written(balls::within(body, &parts[parts.len() - 1], metric, job)?),
            Pass::Across(body @ (Body::Objects | Body::Reference)) => {
                let [labels, field] = [&parts[0], &parts[1]];
                let bounded = (body == Body::Objects).then_some(labels);
                let squared = balls::across(bounded, field, metric, job)?;
                let frame = self.frame(None);
                if body == Body::Reference {
                    let sums = balls::to_reference(&frame, objects, labels, &squared, &self.local(), job)?;
                    return Ok((Vec::new(), Partial::Reference(sums)));
                }
                let innermost = balls::innermost(&frame, objects, labels, &squared, job)?;
                (vec![squared], Partial::Innermost(innermost))
            }
            Pass::Across(_) => written(balls::across(None, &parts[0], metric, job)?),
            Pass::Balls(body) => {
                let [field, squared] = [0, 1].map(|i| &parts[i + usize::from(body == Body::Objects)]);
                let centres = balls::marked(field, self.shape);
                let radii =
                    self.local().largest(&centres, balls::within_block(squared, out), out, &job.part())?;
                let labels = (body == Body::Objects).then(|| &parts[0]);
                let counts = Partial::Balls(body, balls::counts(objects, labels, &radii, out, job)?);
                let between = (body == Body::Structure)
                    .then(|| balls::between(&self.local(), squared, &centres, &radii, out, self.shape));
                (between.into_iter().collect(), counts)
            }
            Pass::Centres(_) => {
                let (marked, greatest) = balls::centres(&self.local(), &parts[0], out, self.shape);
                (vec![marked], Partial::Centres(greatest))
            }
            Pass::Regions => {
                let (names, pieces) = regions::name(&parts[0], self.shape, job)?;
                (vec![names], Partial::Regions(pieces))
            }
            Pass::Nearest => {
                let near = voronoi::within(&parts[0], self.geometry.spacing(), job)?;
                (near.into(), Partial::Nothing)
            }
            _ => (Vec::new(), self.found(pass, state, out, parts, job)?),
        })
    }

    /// What a pass finds that writes nothing.
    fn found(
        &self,
        pass: Pass,
        state: &State,
        out: Region,
        parts: &[RegionView],
        job: &Job,
    ) -> Result<Partial> {
        let objects = &state.objects;
        let channels = || parts[1..].iter().zip(&self.channels).enumerate();
        let spacing = self.geometry.spacing();
        match pass {
            Pass::LabelIndex => {
                job.advance(out.len() as u64);
                Ok(Partial::Labels(partitions::labels_in(&parts[0], out)))
            }
            Pass::Range => channels()
                .map(|(_, (part, &ty))| match intensity::offset(ty) {
                    Some(_) => Ok((f64::INFINITY, f64::NEG_INFINITY)),
                    None => range(part, out, job),
                })
                .collect::<Result<_>>()
                .map(Partial::Range),
            Pass::Sums => {
                let foam = self.tables.contains(&ImageTable::Foam);
                let plan = Plan {
                    image: self.shape,
                    table: self.table(),
                    moments: self.moments(),
                    pairs: foam || self.contacts || self.needs(Needs::Contacts),
                };
                let sums = scan::scan(&plan, out, parts[0], &parts[1..], job)?;
                let sums = match state.partition.labels() {
                    Some(_) => sums.only(|label| state.partition.has(label)),
                    None => sums,
                };
                Ok(Partial::Sums(Box::new(sums)))
            }
            Pass::Radius => {
                let frame = self.frame(None);
                extras::radius_pass(&frame, objects, &parts[0], out, job).map(Partial::Radius)
            }
            Pass::Hull => extras::hull_pass(objects, &parts[0], out, job).map(Partial::Hull),
            Pass::Boundary => {
                boundary::boundary(objects, self.shape, &self.geometry, &parts[0], &parts[1..], out, job)
                    .map(Partial::Boundary)
            }
            Pass::Touching => Ok(Partial::Touching(regions::touching(&parts[0], &parts[1], out))),
            Pass::Boxes => {
                let wanted = boxes::Wanted {
                    skeleton: self.needs(Needs::Skeleton),
                    geodesic: self.needs(Needs::Geodesic),
                };
                let (frame, rows) = (self.frame(None), self.rows(pass, state, out));
                boxes::figures(&frame, objects, rows, &parts[0], wanted, job).map(Partial::Paths)
            }
            Pass::Fractal => {
                job.advance(out.len() as u64);
                Ok(Partial::Fractal(structure::boxes(&parts[0], self.shape)))
            }
            Pass::Chords(axis) => distributions::chords(&parts[0], axis, job).map(Partial::Chords),
            Pass::Mask => Ok(Partial::Mask(BitVolume::of(&parts[0]))),
            Pass::Correlation => {
                let bits = state.found.mask.as_ref().expect("the pass before made them");
                distributions::correlation(bits, self.shape, &self.geometry, job).map(Partial::Correlation)
            }
            Pass::Intercepts => {
                let foam = self.tables.contains(&ImageTable::Foam);
                intercepts::intercepts(&parts[0], out, self.shape, foam, job).map(Partial::Intercepts)
            }
            Pass::Voronoi => {
                voronoi::cells(parts[0].volume, parts[1].volume, spacing, job).map(Partial::Voronoi)
            }
            Pass::Quality => {
                let bits = BitVolume::of(&parts[0]);
                channels()
                    .map(|(c, (part, _))| {
                        let range = state.ranges.get(c).copied().unwrap_or((0.0, 0.0));
                        quality::quality(&bits, part, range, out, self.shape, job)
                    })
                    .collect::<Result<_>>()
                    .map(Partial::Quality)
            }
            Pass::Moments => {
                let of = |(c, (part, &ty)): (usize, (&RegionView, &VoxelType))| match intensity::offset(ty) {
                    Some(_) => Ok(Vec::new()),
                    None => moments::moments(objects, c, &parts[0], part, out, job),
                };
                channels().map(of).collect::<Result<_>>().map(Partial::Moments)
            }
            Pass::Near => self.near(state, out, parts, job),
            Pass::FarMode => {
                let rows = self.rows(pass, state, out);
                let counted = |c, part| {
                    if rows.is_empty() {
                        return Ok(mode::Counts::new());
                    }
                    mode::count(objects, &rows, c, &parts[0], part, out, job)
                };
                channels()
                    .map(|(c, (part, _))| counted(c, part))
                    .collect::<Result<_>>()
                    .map(Partial::ModeCounts)
            }
            Pass::Far => {
                let first;
                let searches = match &state.found.search {
                    none if none.is_empty() => {
                        first = self.searches(state, out);
                        &first
                    }
                    searches => searches,
                };
                let none = self.rows(pass, state, out).is_empty();
                let counted = |search: &Search, part| {
                    if none || search.done() {
                        return Ok(Counts::default());
                    }
                    search.count(objects, &parts[0], part, out, job)
                };
                let counts = channels().map(|(c, (part, _))| counted(&searches[c], part));
                counts.collect::<Result<_>>().map(Partial::Counts)
            }
            _ => unreachable!("the others write"),
        }
    }

    /// The searches for percentiles before anything was counted, by channel.
    pub(in crate::measure) fn searches(&self, state: &State, block: Region) -> Vec<Search> {
        let rows = if self.all_near(block) { &[] } else { state.places().far() };
        let channels = self.channels.iter().enumerate();
        channels.map(|(c, &ty)| Search::new(&state.objects, rows, c, ty)).collect()
    }

    /// Percentiles and modes of the objects that begin in a block and are seen as a whole.
    fn near(&self, state: &State, out: Region, parts: &[RegionView], job: &Job) -> Result<Partial> {
        let (objects, labels, region) = (&state.objects, &parts[0], parts[0].region);
        let rows = self.rows(Pass::Near, state, out);
        let wanted = [Needs::Percentiles, Needs::Mode].map(|needs| self.needs(needs));
        let (mut all, mut modes) = (Vec::new(), Vec::new());
        for (c, part) in parts[1..].iter().enumerate() {
            let mut found = distribution::Found::default();
            if !rows.is_empty() {
                found = distribution::whole(objects, &rows, c, (labels, part), region, wanted, job)?;
            }
            all.push(found.percentiles);
            modes.push(found.modes);
        }
        Ok(Partial::Near(all, modes))
    }
}

fn range(part: &RegionView, out: Region, job: &Job) -> Result<(f64, f64)> {
    let [d, h, w] = out.shape;
    let [_, ph, pw] = part.region.shape;
    let start: [usize; 3] = std::array::from_fn(|a| out.start[a] - part.region.start[a]);
    with_volume!(part.volume, |a| {
        let values = a.as_slice().expect("volumes are in C order");
        let planes = parallel::map(d, job, &|z| {
            let mut found = (f64::INFINITY, f64::NEG_INFINITY);
            for y in 0..h {
                let from = ((z + start[0]) * ph + y + start[1]) * pw + start[2];
                let row = intensity::range(&values[from..from + w]);
                found = (found.0.min(row.0), found.1.max(row.1));
            }
            job.advance((h * w) as u64);
            Ok(found)
        })?;
        Ok(planes.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1))))
    })
}

/// Runs all passes on whole volumes in memory; the reference mask, if there is one, comes last among
/// the channels. An accelerator may find the sums over voxels, where nothing else is asked for of them.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn passes_whole(
    what: &Measure,
    labels: &Volume,
    channels: &[&Volume],
    accelerator: Option<&dyn Accelerator>,
    job: &Job,
) -> Result<State> {
    let accelerator = accelerator.filter(|_| what.table().is_none());
    let region = Region::whole(what.shape);
    let mut fields: [Option<Volume>; FIELDS] = Default::default();
    let mut state = State::default();
    let passes = what.passes();
    for (number, &pass) in passes.iter().enumerate() {
        job.stage(pass.name(), region.len() as u64);
        loop {
            let parts: Vec<RegionView> = (what.reads(pass).into_iter())
                .map(|read| match read {
                    Source::Input(0, _) => labels,
                    Source::Input(i, _) => channels[i - 1],
                    Source::Field(i, _) => fields[i].as_ref().expect("a pass before wrote it"),
                })
                .map(|volume| RegionView { volume, region })
                .collect();
            let elsewhere = accelerator.filter(|_| pass == Pass::Sums).and_then(|accelerator| {
                let channels: Vec<_> = parts[1..].iter().map(|part| part.volume).collect();
                accelerator.sums(labels, &channels, what.moments(), job)
            });
            let (volumes, partial) = match elsewhere {
                Some(sums) => (Vec::new(), Partial::Sums(Objects::of_device(sums?))),
                None => what.run(pass, &state, region, &parts, job)?,
            };
            for (field, volume) in pass.writes().into_iter().zip(volumes) {
                fields[field] = Some(volume);
            }
            if what.merge(pass, &mut state, [Ok((region, partial))])? {
                break;
            }
        }
        let later = |field| {
            passes[number + 1..]
                .iter()
                .flat_map(|p| what.reads(*p))
                .any(|r| matches!(r, Source::Field(i, _) if i == field))
        };
        for (i, field) in fields.iter_mut().enumerate() {
            if !later(i) {
                *field = None;
            }
        }
    }
    Ok(state)
}
