//! What is to be run on an image, as data: the same whether this program runs it or a pool does.

use super::{Identity, LabelsAs, Provenance, Record, Study, write};
use crate::io::verify::{absent_note, check_complete};
use crate::io::{self, FileField, Frame, ImageInfo, ImageSource, OpenOptions, Seal};
use crate::program::{Accelerator, Field, Kind};
use crate::recipe::{self, ExecutionMode, IMAGE, Plan, Recipe, Results};
use crate::{Error, Event, Job, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A recipe and the images that it is run on.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// The sample's name in tables.
    pub sample: String,
    /// The recipe.
    pub recipe: Recipe,
    /// Images by name: the first is the one that the recipe is run on.
    pub inputs: Vec<(String, PathBuf)>,
    /// What the images must be, where an earlier result is made again.
    pub expected: Vec<Identity>,
    /// How the first image is opened.
    pub options: OpenOptions,
    /// Its channel and time; those of further images, where they have several.
    pub frame: Frame,
    /// What its voxels mean, if the file doesn't say so or says it wrongly.
    pub kind: Option<Kind>,
    /// Whether further images are laid on the first by their indices, wherever their files say that they lie.
    pub ignore_geometry: bool,
    /// Format of the label image.
    pub labels_as: LabelsAs,
}

/// What an order reads, and what is done with it.
pub struct OpenedJob {
    /// The sources of the plan.
    pub fields: Vec<Arc<dyn Field>>,
    /// The images, in the order of the inputs.
    sources: Vec<Arc<dyn ImageSource>>,
    /// What they are read from.
    seals: Vec<Seal>,
    /// The recipe, resolved.
    pub plan: Plan,
    /// What the user should know of the image.
    pub warnings: Vec<String>,
}

impl OpenedJob {
    /// The values of the plan that are kept.
    pub fn keep(&self) -> Vec<usize> {
        let last = self.plan.last_image();
        if last < self.plan.sources { Vec::new() } else { vec![last] }
    }

    /// After a run, how many chunks behind a network weren't there, as a sentence; files are looked through before.
    pub fn absent(&self) -> Option<String> {
        let missing = self.sources.iter().filter(|source| source.waits()).map(|source| source.absent()).sum();
        (missing > 0).then(|| absent_note(missing, None))
    }

    /// A sentence for each part of the work that may dominate the run.
    pub fn costs(&self) -> impl Iterator<Item = &str> {
        self.plan.costs()
    }

    /// Refuses images that aren't what they were when they were opened.
    ///
    /// # Errors
    /// If one isn't.
    pub fn check(&self) -> Result<()> {
        self.seals.iter().try_for_each(Seal::check)
    }

    /// Bytes that a run in memory needs.
    pub fn memory(&self) -> u64 {
        self.plan.memory(&self.keep())
    }
}

impl JobSpec {
    /// Makes an earlier result again.
    ///
    /// # Errors
    /// If its record can't be read.
    pub fn again(Provenance { recipe, record }: Provenance) -> Result<Self> {
        let wrong = |e: String| Error::Usage(format!("[provenance.open]: {e}"));
        let options = OpenOptions::of_record(&record.open).map_err(wrong)?;
        Ok(Self {
            sample: record.sample,
            recipe,
            inputs: record.input.iter().map(|input| (input.name.clone(), input.path.clone())).collect(),
            options,
            frame: Frame::new(record.channel.saturating_sub(1), record.time.saturating_sub(1)),
            kind: record.taken_as.as_deref().map(str::parse).transpose().map_err(wrong)?,
            ignore_geometry: record.ignore_geometry,
            labels_as: record.labels_as.parse().map_err(Error::Usage)?,
            expected: record.input,
        })
    }

    /// The order as TOML: the provenance of what it will make, as far as it is known before.
    pub fn to_toml(&self) -> String {
        let given = |(name, path): &(String, PathBuf)| Identity {
            name: name.clone(),
            path: path.clone(),
            bytes: 0,
            blake3: String::new(),
        };
        let input = match &self.expected[..] {
            [] => self.inputs.iter().map(given).collect(),
            expected => expected.to_vec(),
        };
        self.provenance("", BTreeMap::new(), input, self.recipe.clone()).to_toml()
    }

    /// Reads what [`Order::to_toml`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut spec = Self::again(Provenance::parse(text)?)?;
        if spec.expected.iter().all(|e| e.blake3.is_empty()) {
            spec.expected.clear();
        }
        Ok(spec)
    }

    fn provenance(
        &self,
        program: &str,
        found: BTreeMap<String, f64>,
        input: Vec<Identity>,
        recipe: Recipe,
    ) -> Provenance {
        let record = Record {
            program: program.to_owned(),
            sample: self.sample.clone(),
            channel: self.frame.channel + 1,
            time: self.frame.time + 1,
            labels_as: self.labels_as.name().to_owned(),
            taken_as: self.kind.map(|kind| kind.word().to_owned()),
            ignore_geometry: self.ignore_geometry,
            open: self.options.to_record(),
            found,
            input,
        };
        Provenance { recipe, record }
    }

    /// Opens the images and plans the recipe.
    ///
    /// # Errors
    /// If an image can't be opened, or the recipe doesn't fit.
    pub fn open(&self) -> Result<OpenedJob> {
        let source: Arc<dyn ImageSource> = Arc::from(io::open(&self.inputs[0].1, &self.options)?);
        let info = source.info().clone();
        self.frame.check(&info)?;
        let mut warnings = info.notes.clone();
        let times = self.frame.time..self.frame.time + 1;
        warnings.extend(check_complete(&*source, &self.inputs[0].1, &self.options, times)?);
        warnings.extend(self.frame.choices(&info).into_iter().map(|(_, text)| text));
        let kind = self.kind.unwrap_or(if info.labels { Kind::Labels } else { Kind::Grey });
        let mut names = vec![IMAGE.to_owned()];
        let mut sources = vec![source.clone()];
        let mut fields: Vec<Arc<dyn Field>> =
            vec![Arc::new(FileField::new(source.clone(), self.frame, kind))];
        for channel in (0..info.channels.len()).filter(|c| *c != self.frame.channel) {
            let frame = Frame { channel, ..self.frame };
            names.push(format!("{IMAGE}:{}", channel + 1));
            fields.push(Arc::new(FileField::new(source.clone(), frame, Kind::Grey)));
        }
        for (name, path) in &self.inputs[1..] {
            let (source, field, said) = self.further(name, path, &info)?;
            warnings.extend(said.into_iter().map(|text| format!("{name}: {text}")));
            sources.push(source);
            names.push(name.clone());
            fields.push(Arc::new(field));
        }
        let grids: Vec<_> = names.into_iter().zip(fields.iter().map(|f| f.grid())).collect();
        let plan = Plan::new(&self.recipe, &grids)?;
        let seals = sources.iter().map(|source| source.seal()).collect::<Result<_>>()?;
        Ok(OpenedJob { fields, sources, seals, plan, warnings })
    }

    /// A further image on the grid of the first, and what the user should know of it. One that lies elsewhere is left
    /// there, for a step whose image does, too.
    fn further(
        &self,
        name: &str,
        path: &Path,
        first: &ImageInfo,
    ) -> Result<(Arc<dyn ImageSource>, FileField, Vec<String>)> {
        let options = OpenOptions {
            accept_damaged: self.options.accept_damaged,
            require_all_chunks: self.options.require_all_chunks,
            ..OpenOptions::default()
        };
        let source: Arc<dyn ImageSource> = Arc::from(io::open(path, &options)?);
        let info = source.info();
        let kind = if info.labels { Kind::Labels } else { Kind::Grey };
        let frame = self.frame.of_further(info);
        frame.check(info).map_err(|e| Error::file(path, e.to_string()))?;
        let mut said = info.notes.clone();
        if self.recipe.steps.iter().any(|step| step.takes_grid_of(name)) {
            let field = FileField::new(source.clone(), frame, kind);
            return Ok((source, field, said));
        }
        said.extend(check_complete(&*source, path, &options, frame.time..frame.time + 1)?);
        said.extend(frame.choices(info).into_iter().map(|(_, text)| text));
        let field = match io::on_grid(&source, frame, (first, self.frame.level), self.ignore_geometry) {
            Some(on) => {
                said.extend(on.turn.map(|turn| turn.said()));
                FileField::new(on.source, on.frame, kind)
            }
            None => FileField::new(source.clone(), frame, kind),
        };
        Ok((source, field, said))
    }

    /// Which images these are.
    ///
    /// # Errors
    /// If one can't be read, or is another than expected.
    pub fn identify(&self, opened: &OpenedJob, job: &Job) -> Result<Vec<Identity>> {
        let identify = |((name, path), source): (&(String, PathBuf), &Arc<dyn ImageSource>)| {
            job.stage(format!("hash {}", path.display()), 0);
            Identity::of(name, path, source, job)
        };
        let identities = self.inputs.iter().zip(&opened.sources).map(identify).collect::<Result<Vec<_>>>()?;
        for (identity, expected) in identities.iter().zip(&self.expected) {
            if identity.blake3 != expected.blake3 {
                let reason = "is not the image that the earlier result was made from (its hash differs)";
                return Err(Error::file(&identity.path, reason));
            }
        }
        Ok(identities)
    }

    /// All that the blocks of a run depend on: two runs of which this is the same make the same blocks.
    pub fn about(&self, identities: &[Identity], block: [usize; 3], program: &str) -> String {
        let [z, y, x] = block;
        let record = self.provenance(program, BTreeMap::new(), identities.to_vec(), self.recipe.clone());
        format!("# blocks of {z} × {y} × {x}\n{}", record.to_toml())
    }

    /// Runs the recipe and writes everything that it makes into `folder`, which exists. `identities` are those of the
    /// images; `program` is the name and version of who does it.
    ///
    /// # Errors
    /// What an operator cannot do, an unreadable image, a full disk, or [`Error::Cancelled`].
    pub fn run(
        &self,
        opened: &OpenedJob,
        identities: Vec<Identity>,
        folder: &Path,
        execution: &ExecutionMode,
        device: Option<&Arc<dyn Accelerator>>,
        program: &str,
        job: &Job,
    ) -> Result<Results> {
        let heard: Arc<Mutex<(BTreeMap<String, f64>, Vec<String>)>> = Arc::default();
        let listening = heard.clone();
        let job = &job.overheard(move |event| {
            let mut heard = listening.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Fact { name, value } => {
                    heard.0.insert(name.clone(), *value);
                }
                Event::Warning(text) => heard.1.push(text.clone()),
                _ => {}
            }
        });
        for warning in &opened.warnings {
            job.warn(format!("{}: {warning}", self.sample));
        }
        let results = recipe::run_on(&opened.plan, &opened.fields, &opened.keep(), execution, device, job)?;
        let (found, warnings) = {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut heard.0), std::mem::take(&mut heard.1))
        };
        // A result that is made again from an image that has moved is still the same result.
        let input = if self.expected.is_empty() { identities } else { self.expected.clone() };
        let provenance = self.provenance(program, found, input, opened.plan.resolved.clone());
        let study = Study {
            image: &*opened.fields[0],
            results: &results,
            provenance: &provenance,
            warnings: &warnings,
            labels_as: self.labels_as,
        };
        write(folder, &study, job)?;
        // The hash that was taken before is of what was read.
        opened.check()?;
        job.check()?;
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_back() {
        let spec = JobSpec {
            sample: "a \"b\"".into(),
            recipe: Recipe::parse("[[step]]\nop = \"threshold\"\nmin = 3\n").unwrap(),
            inputs: vec![("image".into(), "a/b.raw".into()), ("flat".into(), "s3://bucket/flat.zarr".into())],
            expected: Vec::new(),
            options: OpenOptions { shape: Some([1, 2, 3]), ..OpenOptions::default() },
            frame: Frame::new(1, 2),
            kind: Some(Kind::Labels),
            ignore_geometry: true,
            labels_as: LabelsAs::default(),
        };
        let text = spec.to_toml();
        let back = JobSpec::parse(&text).unwrap();
        assert_eq!(back.to_toml(), text);
        assert_eq!((back.inputs, back.options, back.frame), (spec.inputs, spec.options, spec.frame));
        assert_eq!((back.kind, back.ignore_geometry), (spec.kind, true));
        assert!(back.expected.is_empty());
        assert!(JobSpec::parse("[[step]]\nop = \"threshold\"\nmin = 3\n").is_err());
    }
}
