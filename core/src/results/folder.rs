//! Writes the folder of one sample.

use super::{ColumnSummary, Provenance, summarise};
use crate::error::PathContext;
use crate::io::{self, Frame, ImageSpec, Seal, WriteOptions};
use crate::picture::{MontageOptions, montage};
use crate::program::{Field, Kind};
use crate::recipe::Results;
use crate::table::Table;
use crate::{Error, Job, Region, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;
use std::str::FromStr;

/// The format of the label image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelsAs {
    /// OME-Zarr with a pyramid.
    #[default]
    OmeZarr,
    /// NIfTI, compressed.
    Nifti,
    /// TIFF.
    Tiff,
    /// NRRD, compressed.
    Nrrd,
}

impl LabelsAs {
    /// The names, as on the command line.
    pub const NAMES: [&'static str; 4] = ["ome-zarr", "nifti", "tiff", "nrrd"];

    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    fn ending(self) -> &'static str {
        [".ome.zarr", ".nii.gz", ".tif", ".nrrd"][self as usize]
    }
}

impl FromStr for LabelsAs {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        [Self::OmeZarr, Self::Nifti, Self::Tiff, Self::Nrrd]
            .into_iter()
            .find(|l| l.name() == s)
            .ok_or_else(|| format!("\"{s}\" is not one of {}", Self::NAMES.join(", ")))
    }
}

/// One sample's results, to be written.
pub struct Study<'a> {
    /// The image.
    pub image: &'a dyn Field,
    /// What the run made; its first image is the result.
    pub results: &'a Results,
    /// How it was made.
    pub provenance: &'a Provenance,
    /// What the user should know.
    pub warnings: &'a [String],
    /// Format of the label image.
    pub labels_as: LabelsAs,
}

#[derive(Serialize)]
struct Summary<'a> {
    sample: &'a str,
    shape_zyx: [usize; 3],
    spacing_zyx: [f64; 3],
    unit: &'a str,
    voxel_type: &'a str,
    result: &'a str,
    found: &'a std::collections::BTreeMap<String, f64>,
    warnings: &'a [String],
    tables: Vec<TableSummary>,
}

#[derive(Serialize)]
struct TableSummary {
    table: String,
    rows: usize,
    columns: Vec<ColumnSummary>,
}

/// Writes labels, tables, montage, summary and provenance into `folder`, which exists and is not
/// yet where the user looks.
///
/// # Errors
/// If the disk is full, the image can't be read again, or the job is cancelled.
pub fn write(folder: &Path, study: &Study, job: &Job) -> Result<()> {
    let result = study.results.images.first();
    let mut outlines = None;
    if let Some(field) = result {
        let grid = field.grid();
        let stem = match grid.kind {
            Kind::Labels => "labels",
            Kind::Mask => "mask",
            Kind::Grey => "image",
        };
        save(
            &folder.join(format!("{stem}{}", study.labels_as.ending())),
            &**field,
            &WriteOptions::default(),
            &[],
            job,
        )?;
        if grid.kind != Kind::Grey && grid.shape == study.image.grid().shape {
            outlines = Some(&**field);
        }
    }
    for (name, table) in named(study.results) {
        table.write(&folder.join(format!("{name}.parquet")))?;
        table.write(&folder.join(format!("{name}.csv")))?;
        table.write_units(&folder.join(format!("{name}.units.csv")))?;
    }
    for (title, mesh) in &study.results.meshes {
        io::mesh::write(folder.join(format!("{title}.ply")), mesh)?;
    }
    montage(study.image, outlines, &MontageOptions::default(), job)?.save_png(&folder.join("montage.png"))?;
    let grid = study.image.grid();
    let summary = Summary {
        sample: &study.provenance.record.sample,
        shape_zyx: grid.shape,
        spacing_zyx: grid.geometry.spacing(),
        unit: grid.geometry.unit.symbol(),
        voxel_type: grid.voxel.name(),
        result: result.map_or("none", |f| f.grid().kind.name()),
        found: &study.provenance.record.found,
        warnings: study.warnings,
        tables: named(study.results)
            .into_iter()
            .map(|(table, t)| TableSummary { table, rows: t.batch.num_rows(), columns: summarise(t) })
            .collect(),
    };
    let path = folder.join("summary.json");
    let text = serde_json::to_string_pretty(&summary).map_err(|e| Error::file(&path, e.to_string()))?;
    std::fs::write(&path, text + "\n").at(&path)?;
    let path = folder.join("provenance.toml");
    std::fs::write(&path, study.provenance.to_toml()).at(&path)
}

/// The tables with the names of their files: `objects`, and `objects-2` for a second one.
pub fn named(results: &Results) -> Vec<(String, &Table)> {
    let mut named: Vec<(String, &Table)> = Vec::new();
    for (_, table) in &results.tables {
        let before = named.iter().filter(|(_, t)| t.name == table.name).count();
        let name = if before == 0 { table.name.clone() } else { format!("{}-{}", table.name, before + 1) };
        named.push((name, table));
    }
    named
}

/// Streams a field into an image file. `seals` are of what it is made of.
///
/// # Errors
/// If the format can't hold it, the disk is full, one of the images that it is made of has changed, or the job is cancelled.
pub fn save(path: &Path, field: &dyn Field, options: &WriteOptions, seals: &[Seal], job: &Job) -> Result<()> {
    let grid = field.grid();
    let spec = ImageSpec::volume(grid.shape, grid.voxel, grid.geometry, grid.kind != Kind::Grey);
    let sink = io::create(path, &spec, options)?;
    let tiles = Region::whole(grid.shape).tiles(sink.block());
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    job.stage(format!("write {name}"), Region::whole(grid.shape).len() as u64);
    let part = job.part();
    let deliver = |tile: &Region| {
        job.check()?;
        sink.write(Frame::default(), tile.start, &*field.read(*tile, &part)?)?;
        job.advance(tile.len() as u64);
        Ok(())
    };
    if sink.any_order() {
        tiles.par_iter().try_for_each(deliver)?;
    } else {
        tiles.iter().try_for_each(deliver)?;
    }
    seals.iter().try_for_each(Seal::check)?;
    sink.finish(job)
}
