//! Images with time: a file of several frames, or a folder with a file for each as the Cell Tracking Challenge has them.

use super::common;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_analysis::tracks::ctc::{self, Line};
use voxelry_core::blocks::{Field, FileField};
use voxelry_core::error::PathContext;
use voxelry_core::io::{self, Frame, ImageSource, OpenOptions, Seal};
use voxelry_core::measure::{Table, csv};
use voxelry_core::ops::{self, Kind, ParamType, Value};
use voxelry_core::recipe::{self, ExecutionMode, IMAGE, Plan, Recipe, Step};
use voxelry_core::{Error, Geometry, Job, Volume, error};

/// Beginnings of the names of files in a folder of the Cell Tracking Challenge, each with its text file.
const SEQUENCES: [(&str, &str); 3] =
    [("man_track", "man_track.txt"), ("mask", "res_track.txt"), ("man_seg", "man_track.txt")];

/// Name of the labels that `voxelry track` leaves.
pub const TRACKED: &str = "tracked.ome.zarr";

/// Frames of one shape, in time.
pub struct Movie {
    /// Its path.
    pub path: PathBuf,
    frames: Vec<(Arc<dyn ImageSource>, Frame)>,
    /// A file that says which tracks there are, if there is one.
    lineage: Option<PathBuf>,
}

impl Movie {
    /// Opens a file, a folder that `voxelry track` made, or a folder of the Cell Tracking Challenge.
    ///
    /// # Errors
    /// If it can't be read, or frames differ in shape.
    pub fn open(path: &Path, options: &OpenOptions, channel: usize) -> Result<Self> {
        if let Some(movie) = Self::sequence(path, options)? {
            return Ok(movie);
        }
        let tracked = path.join(TRACKED);
        let image = if tracked.is_dir() { &tracked } else { path };
        let source = common::open(image, options)?;
        Frame::new(channel, 0).check(source.info())?;
        let frames = (0..source.info().times).map(|t| (source.clone(), Frame::new(channel, t))).collect();
        let beside = |name: &str| image.parent().map(|folder| folder.join(name)).filter(|p| p.is_file());
        let lineage = if image.file_name().is_some_and(|n| n == TRACKED) {
            beside("tracks.csv")
        } else {
            Some(image.with_extension("txt")).filter(|p| p.is_file() && p != image)
        };
        Ok(Self { path: path.to_owned(), frames, lineage })
    }

    /// A folder with a file for each frame, if it is one.
    fn sequence(path: &Path, options: &OpenOptions) -> Result<Option<Self>> {
        for folder in [path.to_owned(), path.join("TRA")] {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut names: Vec<String> =
                entries.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned())).collect();
            names.sort();
            for (prefix, text) in SEQUENCES {
                let numbered = |name: &&String| {
                    let rest = name.strip_prefix(prefix).and_then(|r| r.split_once(".tif"));
                    rest.is_some_and(|(number, _)| {
                        !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
                    })
                };
                let files: Vec<PathBuf> = names.iter().filter(numbered).map(|n| folder.join(n)).collect();
                if files.is_empty() {
                    continue;
                }
                let open = |file: &PathBuf| Ok((common::open(file, options)?, Frame::default()));
                let frames: Vec<_> = files.iter().map(open).collect::<Result<_>>()?;
                let shape = frames[0].0.info().shape();
                if let Some(k) = (0..files.len()).find(|&k| frames[k].0.info().shape() != shape) {
                    let reason = format!("has another shape than {}", files[0].display());
                    return Err(Error::file(&files[k], reason).into());
                }
                let lineage = Some(folder.join(text)).filter(|p| p.is_file());
                return Ok(Some(Self { path: path.to_owned(), frames, lineage }));
            }
        }
        Ok(None)
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Shape of each frame.
    pub fn shape(&self) -> [usize; 3] {
        self.frames[0].0.info().shape()
    }

    /// Geometry of the voxels.
    pub fn geometry(&self) -> Geometry {
        self.frames[0].0.info().geometry()
    }

    /// Unit of lengths, as tables have it.
    pub fn unit(&self) -> &'static str {
        self.geometry().unit.symbol()
    }

    /// Seconds between frames, if the file says.
    pub fn time_step(&self) -> Option<f64> {
        self.frames[0].0.info().time_step
    }

    /// The labels of a frame.
    ///
    /// # Errors
    /// If it can't be read, or holds something else than labels.
    pub fn labels(&self, time: usize) -> Result<ndarray::Array3<u32>> {
        let (source, frame) = &self.frames[time];
        let volume =
            source.read_all(*frame)?.into_labels().map_err(|e| Error::file(&self.path, e.to_string()))?;
        let Volume::U32(labels) = volume else { unreachable!("labels are u32") };
        Ok(labels)
    }

    /// A frame for operators.
    pub fn field(&self, time: usize, kind: Kind) -> Arc<dyn Field> {
        let (source, frame) = self.frames[time].clone();
        Arc::new(FileField::new(source, frame, kind))
    }

    /// Its sources, to be checked before results get their names.
    ///
    /// # Errors
    /// If it has changed.
    pub fn seals(&self) -> error::Result<Vec<Seal>> {
        let all = self.frames.iter().map(|(source, _)| source);
        let mut seen: Vec<&Arc<dyn ImageSource>> = Vec::new();
        for source in all {
            if !seen.last().is_some_and(|last| Arc::ptr_eq(last, source)) {
                seen.push(source);
            }
        }
        seen.into_iter().map(|source| source.seal()).collect()
    }

    /// Tables of the objects of a frame, as the operator `measure` makes them.
    ///
    /// # Errors
    /// If a column is not known, or the frame can't be read.
    pub fn measure(
        &self,
        time: usize,
        columns: &[String],
        contacts: bool,
        image: Option<&Self>,
        job: &Job,
    ) -> Result<Vec<Table>> {
        let mut step = Step::new(ops::find("measure").expect("an operator of this name"), BTreeMap::new());
        step.given.insert("columns", Value::Words(columns.to_vec()));
        step.given.insert("contacts", Value::Bool(contacts));
        step.given.insert("image", Value::Bool(false));
        let mut names = vec![IMAGE.to_owned()];
        let mut fields = vec![self.field(time, Kind::Labels)];
        if let Some(image) = image {
            step.inputs.insert("intensity", "intensity".to_owned());
            names.push("intensity".to_owned());
            fields.push(image.field(time, Kind::Grey));
        }
        let grids: Vec<_> = names.into_iter().zip(fields.iter().map(|f| f.grid())).collect();
        let plan = Plan::new(&Recipe { title: None, steps: vec![step] }, &grids)?;
        let ran = recipe::run_on(&plan, &fields, &[], &ExecutionMode::Memory, None, job)?;
        Ok(ran.tables.into_iter().map(|(_, table)| table).collect())
    }

    /// The tracks that a file beside the labels names; none if there is no such file.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn tracks(&self) -> Result<Option<Vec<Line>>> {
        let Some(path) = &self.lineage else { return Ok(None) };
        let text: error::Result<String> = std::fs::read_to_string(path).at(path);
        let wrong = |reason: String| Error::file(path, reason);
        if path.extension().is_some_and(|e| e == "txt") {
            return Ok(Some(ctc::parse(&text?).map_err(wrong)?));
        }
        let table = csv::read(&text?, "tracks").map_err(|e| wrong(e.to_string()))?;
        let column = |name: &str| {
            let values =
                table.numbers(name).ok_or_else(|| wrong(format!("has no column of numbers \"{name}\"")))?;
            Ok::<_, Error>(values.into_iter().map(|v| v as u32).collect::<Vec<u32>>())
        };
        let (track, parent, start, end) =
            (column("track")?, column("parent")?, column("start")?, column("end")?);
        let line = |k: usize| Line { label: track[k], begin: start[k], end: end[k], parent: parent[k] };
        Ok(Some((0..track.len()).map(line).collect()))
    }
}

/// A length such as `15`, in voxels along x, or `3um`, in the unit of an image.
///
/// # Errors
/// If it can't be read, is not above 0, or the image has no physical size.
pub fn length(name: &str, text: &str, geometry: &Geometry) -> Result<f64> {
    let wrong = |reason: String| Error::Usage(format!("--{name}: {reason}"));
    let Value::Length(length) = Value::parse(&ParamType::Length { min: 0.0 }, text).map_err(wrong)? else {
        unreachable!("a length was parsed");
    };
    let [.., x] = length.physical(geometry).map_err(wrong)?;
    if x > 0.0 && x.is_finite() { Ok(x) } else { Err(wrong(format!("{text} is not above 0")).into()) }
}

/// Refuses a folder of results that is there already, unless it may be written over and holds such results.
///
/// # Errors
/// If so.
pub fn check_out(out: &Path, table: &str, overwrite: bool) -> Result<()> {
    common::can_hold(out)?;
    io::target::check_free(out, overwrite)?;
    let taken = out.exists() && !std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if taken && !out.join(table).is_file() {
        return Err(
            Error::file(out, "holds something else than an earlier result; it won't be overwritten").into()
        );
    }
    Ok(())
}
