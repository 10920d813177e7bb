//! `voxelry score`: labels and tracks against a truth.

use super::common::{self, open_args, open_options};
use super::movie::Movie;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::BTreeMap;
use std::path::PathBuf;
use voxelry_analysis::tracks::agreement::{Agreement, Overlap};
use voxelry_analysis::tracks::score::{Graph, Vertex, mistakes_table, tracking};
use voxelry_core::measure::{Table, overlap};
use voxelry_core::{Error, Job};

pub fn command() -> Command {
    let path = value_parser!(PathBuf);
    Command::new("score")
        .about("Compare labels and tracks with a truth")
        .after_help(
            "Of images with time, or folders of the Cell Tracking Challenge, tracks are compared too: those of tracks.csv or \
             a text file beside the labels; without one, a label is a track. The measures are explained in docs/time.md.",
        )
        .arg(
            Arg::new("result")
                .value_name("RESULT")
                .required(true)
                .value_parser(path.clone())
                .help("Labels, a folder of \"voxelry track\", or a folder of the Cell Tracking Challenge"),
        )
        .arg(
            Arg::new("truth")
                .value_name("TRUTH")
                .required(true)
                .value_parser(path.clone())
                .help("The same of what should have been found"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print one JSON object, with null for what can't be measured"),
        )
        .arg(
            Arg::new("errors")
                .long("errors")
                .value_name("FILE")
                .value_parser(path)
                .help("Write a table of all mistakes of tracking, .csv or .parquet"),
        )
        .arg(common::overwrite_arg())
        .args(open_args())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let errors = matches.get_one::<PathBuf>("errors");
    if let Some(path) = errors {
        Table::check_name(path)?;
        common::can_write(matches, path)?;
    }
    let options = open_options(matches)?;
    let open = |name: &str| Movie::open(matches.get_one::<PathBuf>(name).expect("required"), &options, 0);
    let (result, truth) = (open("result")?, open("truth")?);
    if (result.frames(), result.shape()) != (truth.frames(), truth.shape()) {
        let about = |m: &Movie| format!("{} frames of {:?} voxels", m.frames(), m.shape());
        let reason = format!("has {}, {} has {}", about(&result), truth.path.display(), about(&truth));
        return Err(Error::file(&result.path, reason).into());
    }
    let (mut measures, mistakes) = compare(&result, &truth, &job)?;
    progress.finish();
    if let (Some(path), Some(batch)) = (errors, mistakes) {
        Table { name: "errors".to_owned(), batch }.write_with_units(path, false)?;
    } else if errors.is_some() {
        return Err(Error::Usage("--errors: a single frame has no tracks".into()).into());
    }
    if matches.get_flag("json") {
        // Numbers that there are none of are null.
        let object: serde_json::Map<_, _> =
            measures.drain(..).map(|(name, value)| (name, serde_json::Value::from(value))).collect();
        return common::print(&(serde_json::to_string_pretty(&object)? + "\n"));
    }
    let width = measures.iter().map(|m| m.0.chars().count()).max().unwrap_or(0);
    let lines = measures.iter().map(|(name, value)| {
        let value = if value.is_nan() { "-".to_owned() } else { format!("{value:.6}") };
        format!("{name:width$}  {value}\n")
    });
    common::print(&lines.collect::<String>())
}

type Measures = Vec<(String, f64)>;

/// All measures, and the mistakes of tracking if there are several frames.
fn compare(
    result: &Movie,
    truth: &Movie,
    job: &Job,
) -> Result<(Measures, Option<arrow::record_batch::RecordBatch>)> {
    let frames = truth.frames();
    let mut agreement = Agreement::default();
    let (mut greatest, mut means, mut percentiles) = (f64::NAN, Vec::new(), f64::NAN);
    let mut matched: BTreeMap<Vertex, Vertex> = BTreeMap::new();
    let mut labels = [Vec::new(), Vec::new()];
    job.stage("compare", frames as u64);
    for time in 0..frames {
        job.check()?;
        let (a, b) = (result.labels(time)?, truth.labels(time)?);
        let shared = Overlap { shared: overlap::shared(&a, &b, job)? };
        agreement.add(&shared);
        if let Some(found) = overlap::surface_distances(&a, &b, &truth.geometry(), &job.part())? {
            greatest = found.greatest.max(greatest);
            percentiles = found.percentile_95.max(percentiles);
            means.push(found.mean);
        }
        let vertex = |label: u32| (time as u32, label);
        matched.extend(shared.matches().into_iter().map(|(t, r)| (vertex(t), vertex(r))));
        for (labels, sizes) in labels.iter_mut().zip([shared.result(), shared.truth()]) {
            labels.push(sizes.into_keys().filter(|l| *l != 0).collect::<Vec<u32>>());
        }
        job.advance(1);
    }
    let mut measures = agreement.measures();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    measures.push(("hausdorff".to_owned(), greatest));
    measures.push(("hausdorff95".to_owned(), percentiles));
    measures.push(("mean_surface_distance".to_owned(), mean));
    if frames == 1 {
        return Ok((measures, None));
    }
    let graph = |movie: &Movie, labels: &[Vec<u32>]| -> Result<Graph> {
        let tracks = movie.tracks()?;
        if tracks.is_none() {
            job.warn(format!(
                "{}: no file of tracks lies beside it: each label is one",
                movie.path.display()
            ));
        }
        Ok(Graph::new(labels, &tracks.unwrap_or_default()))
    };
    let scores = tracking(&graph(result, &labels[0])?, &graph(truth, &labels[1])?, &matched);
    measures.extend(scores.measures);
    Ok((measures, Some(mistakes_table(&scores.mistakes))))
}
