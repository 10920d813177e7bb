//! `voxelry track`: objects followed through time.

use super::common::{self, open_args, open_options};
use super::movie::{self, Movie, TRACKED};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use voxelry_analysis::tracks::{
    self, Detections, Lineage, Link, Motion, Overlap, Scale, Settings, ctc, trackmate,
};
use voxelry_core::error::PathContext;
use voxelry_core::io::atomic::AtomicDir;
use voxelry_core::io::{self, Frame, ImageSpec, WriteOptions};
use voxelry_core::measure::{Table, csv, overlap, parquet};
use voxelry_core::{Error, Job, Region, Volume, VoxelType, error};

pub fn command() -> Command {
    let path = value_parser!(PathBuf);
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let arg = text(name, "NUMBER", help).value_parser(value_parser!(f64));
        arg.default_value(default)
    };
    Command::new("track")
        .about("Follow objects through time: labels of a movie, or a table of detections")
        .after_help(
            "Detections are linked from frame to frame at the least sum of squared distances; then gaps are closed, and \
             tracks split and merge where that is asked for. A plain number is a length in voxels along x, or in the unit \
             of a table. The method and every column are explained in docs/time.md.",
        )
        .arg(
            Arg::new("input")
                .value_name("LABELS|TABLE")
                .required(true)
                .value_parser(path.clone())
                .help("Labels with time, a table (.csv or .parquet) with the columns id, time, z, y, x, or a file of TrackMate (.xml), whose links are kept"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("DIR")
                .value_parser(path.clone())
                .help("The folder of results to make"),
        )
        .arg(
            Arg::new("image")
                .long("image")
                .value_name("FILE")
                .value_parser(path)
                .help("Intensities of the labels, for penalties such as intensity_mean=1"),
        )
        .arg(text("link-distance", "LENGTH", "Greatest distance of a link between frames [default: the median distance of an object to its nearest neighbour]"))
        .arg(
            text("gap-frames", "N", "Greatest difference of frames over which a gap is closed; 1 closes none over a missing frame")
                .value_parser(value_parser!(u32))
                .default_value("2"),
        )
        .arg(text("gap-distance", "LENGTH", "Greatest distance over a gap, 0 for none [default: that of links]"))
        .arg(text("split-distance", "LENGTH", "Greatest distance of an object to one that it splits from; without, nothing splits"))
        .arg(text("merge-distance", "LENGTH", "Greatest distance of an object to one that it merges with; without, nothing merges"))
        .arg(number("cost-percentile", "0.9", "Percentile of all costs, 0 to 1, from which the cost of leaving a gap open follows"))
        .arg(number("cost-factor", "1.05", "Factor of the costs of being linked to nothing"))
        .arg(
            text("penalty", "COLUMN=WEIGHT", "Makes links costly between objects that differ in a column, such as volume=1")
                .action(ArgAction::Append),
        )
        .arg(
            text("cost", "WHAT", "What links between frames cost: the distance, or how little labels overlap")
                .value_parser(["distance", "overlap"])
                .default_value("distance"),
        )
        .arg(
            text("motion", "MODEL", "Expected motion: none, the velocity of each object, or the drift of all")
                .value_parser(Motion::NAMES)
                .default_value("none"),
        )
        .arg(
            text("as", "FORMAT", "Also write files of other programs: ctc (Cell Tracking Challenge) or trackmate; more than once for both")
                .value_parser(["ctc", "trackmate"])
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("channel")
                .long("channel")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .default_value("1")
                .help("Channel of the labels, from 1"),
        )
        .arg(common::overwrite_arg())
        .args(open_args())
}

/// Images or tables that are tracked.
struct Input {
    movie: Option<Movie>,
    detections: Detections,
    scale: Scale,
    /// Radius of each detection, as of a ball of its volume.
    radii: Vec<f64>,
    /// Links that come with the detections.
    links: Option<Vec<Link>>,
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let path = matches.get_one::<PathBuf>("input").expect("required");
    let out = matches.get_one::<PathBuf>("out").expect("required");
    movie::check_out(out, "tracks.csv", matches.get_flag("overwrite"))?;
    let penalties = penalties(matches)?;
    let input = read(matches, path, &penalties, &job)?;
    let links = match &input.links {
        Some(links) => links.clone(),
        None => {
            let settings = settings(matches, &input, penalties.iter().map(|p| p.1).collect())?;
            progress
                .say(&format!("links are at most {:.4} {} long", settings.link_distance, input.scale.unit));
            let overlaps = match (matches.get_one::<String>("cost").map(String::as_str), &input.movie) {
                (Some("overlap"), Some(movie)) => Some(overlaps(movie, &input.detections, &job)?),
                (Some("overlap"), None) => {
                    return Err(Error::Usage(
                        "--cost overlap: only labels overlap, not rows of a table".into(),
                    )
                    .into());
                }
                _ => None,
            };
            tracks::link(&input.detections, &settings, overlaps.as_deref())
        }
    };
    let lineage = Lineage::new(input.detections.len(), &links);
    let dir = AtomicDir::create(out)?;
    let write = || write(dir.path(), matches, &input, &links, &lineage, &job);
    write().map_err(|e| match e.downcast::<Error>() {
        Ok(e) => dir.named(e).into(),
        Err(e) => e,
    })?;
    dir.commit()?;
    progress.finish();
    progress.say(&format!(
        "{} tracks of {} detections in {} frames: {}",
        lineage.tracks.len(),
        input.detections.len(),
        input.detections.frames(),
        out.display()
    ));
    Ok(())
}

fn penalties(matches: &ArgMatches) -> Result<Vec<(String, f64)>> {
    let parse = |text: &String| {
        let parts =
            text.split_once('=').map(|(name, weight)| (name.trim().to_owned(), weight.trim().parse::<f64>()));
        match parts {
            Some((name, Ok(weight))) if weight >= 0.0 && !name.is_empty() => Ok((name, weight)),
            _ => {
                Err(Error::Usage(format!("--penalty {text}: it should read COLUMN=WEIGHT, such as volume=1"))
                    .into())
            }
        }
    };
    matches.get_many::<String>("penalty").into_iter().flatten().map(parse).collect()
}

/// Columns of the objects of labels: where they are.
const PLACE: [&str; 5] = ["label", "volume", "centroid_world_z", "centroid_world_y", "centroid_world_x"];

fn read(matches: &ArgMatches, path: &Path, penalties: &[(String, f64)], job: &Job) -> Result<Input> {
    let names: Vec<String> = penalties.iter().map(|p| p.0.clone()).collect();
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let wrong = |reason: String| Error::file(path, reason);
    let no_image = || match matches.get_one::<PathBuf>("image") {
        Some(image) => Err(Error::Usage(format!("--image {}: only labels have an image", image.display()))),
        None => Ok(()),
    };
    match ending.as_str() {
        "csv" | "parquet" => {
            no_image()?;
            let table = if ending == "csv" {
                let text: error::Result<String> = std::fs::read_to_string(path).at(path);
                csv::read(&text?, "detections").map_err(|e| wrong(e.to_string()))?
            } else {
                parquet::read(path, "detections")?
            };
            let detections = Detections::read(&table.batch, &names).map_err(wrong)?;
            let unit = ["x", "centroid_world_x"].into_iter().map(|x| table.unit(x)).find(|u| !u.is_empty());
            let scale = Scale { unit: unit.unwrap_or_default().to_owned(), time_step: None };
            let radii = vec![1.0; detections.len()];
            Ok(Input { movie: None, detections, scale, radii, links: None })
        }
        "xml" => {
            no_image()?;
            let text: error::Result<String> = std::fs::read_to_string(path).at(path);
            let (detections, links, scale) = trackmate::read(&text?).map_err(wrong)?;
            let radii = vec![1.0; detections.len()];
            Ok(Input { movie: None, detections, scale, radii, links: Some(links) })
        }
        _ => of_labels(matches, path, names, job),
    }
}

fn of_labels(matches: &ArgMatches, path: &Path, names: Vec<String>, job: &Job) -> Result<Input> {
    let channel = *matches.get_one::<u32>("channel").expect("default") as usize - 1;
    let movie = Movie::open(path, &open_options(matches)?, channel)?;
    let open = |image: &PathBuf| Movie::open(image, &common::completeness(matches), 0);
    let image = matches.get_one::<PathBuf>("image").map(open).transpose()?;
    if let Some(image) = image.as_ref().filter(|i| i.shape() != movie.shape() || i.frames() != movie.frames())
    {
        let reason = format!("has another shape or number of frames than {}", path.display());
        return Err(Error::file(&image.path, reason).into());
    }
    let mut columns = PLACE.map(str::to_owned).to_vec();
    columns.extend(names.iter().filter(|n| !PLACE.contains(&n.as_str())).cloned());
    let mut detections = Detections {
        labelled: true,
        features: names.iter().map(|name| (name.clone(), Vec::new())).collect(),
        ..Detections::default()
    };
    let mut radii = Vec::new();
    job.stage("measure", movie.frames() as u64);
    for time in 0..movie.frames() {
        job.check()?;
        let table = movie.measure(time, &columns, false, image.as_ref(), &job.part())?.swap_remove(0);
        let column = |name: &str| {
            let reason = || Error::Usage(format!("--penalty {name}: the column holds no numbers"));
            table.numbers(name).ok_or_else(reason)
        };
        let place = PLACE.into_iter().map(column).collect::<error::Result<Vec<_>>>()?;
        let features = names.iter().map(|name| column(name)).collect::<error::Result<Vec<_>>>()?;
        detections.push_frame((0..table.rows()).map(|row| {
            let values = features.iter().map(|f| f[row]).collect();
            (place[0][row] as i64, [place[2][row], place[3][row], place[4][row]], values)
        }));
        let flat = movie.shape().contains(&1);
        radii.extend(place[1].iter().map(|v| {
            if flat { (v / std::f64::consts::PI).sqrt() } else { (v * 0.238_732_414_637_843).cbrt() }
        }));
        job.advance(1);
    }
    let scale = Scale { unit: movie.unit().to_owned(), time_step: movie.time_step() };
    Ok(Input { movie: Some(movie), detections, scale, radii, links: None })
}

fn settings(matches: &ArgMatches, input: &Input, penalties: Vec<f64>) -> Result<Settings> {
    let length = |name: &str| -> Result<Option<f64>> {
        let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
        if text.trim() == "0" {
            return Ok(Some(0.0));
        }
        if let Some(movie) = &input.movie {
            return Ok(Some(movie::length(name, text, &movie.geometry())?));
        }
        match text.trim().parse::<f64>() {
            Ok(v) if v > 0.0 && v.is_finite() => Ok(Some(v)),
            _ => Err(Error::Usage(format!(
                "--{name} {text}: of a table, a length is a number above 0 in its unit"
            ))
            .into()),
        }
    };
    let link_distance = match length("link-distance")? {
        Some(0.0) => return Err(Error::Usage("--link-distance: 0 is not above 0".into()).into()),
        Some(distance) => distance,
        None => tracks::typical_distance(&input.detections).ok_or_else(|| {
            Error::Usage("no frame has two objects from whose distance that of links would follow; give --link-distance".into())
        })?,
    };
    let some = |distance: Option<f64>| distance.filter(|d| *d > 0.0);
    let (percentile, factor) = (
        *matches.get_one::<f64>("cost-percentile").expect("default"),
        *matches.get_one::<f64>("cost-factor").expect("default"),
    );
    if !(0.0..=1.0).contains(&percentile) {
        return Err(Error::Usage(format!("--cost-percentile {percentile}: it lies between 0 and 1")).into());
    }
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(Error::Usage(format!("--cost-factor {factor}: it is above 0")).into());
    }
    Ok(Settings {
        link_distance,
        gap_frames: *matches.get_one("gap-frames").expect("default"),
        gap_distance: some(Some(length("gap-distance")?.unwrap_or(link_distance))),
        split_distance: some(length("split-distance")?),
        merge_distance: some(length("merge-distance")?),
        cost_percentile: percentile,
        cost_factor: factor,
        penalties,
        motion: matches.get_one::<String>("motion").expect("default").parse().map_err(Error::Usage)?,
    })
}

/// Overlaps of the labels of each frame with those of the next.
fn overlaps(movie: &Movie, detections: &Detections, job: &Job) -> Result<Vec<Overlap>> {
    let mut found = Vec::new();
    let mut before = movie.labels(0)?;
    job.stage("overlaps", movie.frames() as u64);
    for time in 1..movie.frames() {
        job.check()?;
        let after = movie.labels(time)?;
        let shared =
            voxelry_analysis::tracks::agreement::Overlap { shared: overlap::shared(&before, &after, job)? };
        let (a, b) = (shared.result(), shared.truth());
        let number = |time: usize, label: u32| {
            let range = detections.frame(time);
            let at = detections.ids[range.clone()].binary_search(&i64::from(label)).ok()?;
            Some((range.start + at) as u32)
        };
        let pairs = shared.shared.iter().filter(|((p, q), _)| *p != 0 && *q != 0);
        found.extend(pairs.filter_map(|(&(p, q), &n)| {
            let iou = n as f64 / (a[&p] + b[&q] - n) as f64;
            Some(Overlap { source: number(time - 1, p)?, target: number(time, q)?, iou })
        }));
        before = after;
        job.advance(1);
    }
    Ok(found)
}

fn write(
    dir: &Path,
    matches: &ArgMatches,
    input: &Input,
    links: &[Link],
    lineage: &Lineage,
    job: &Job,
) -> Result<()> {
    let tables = [
        ("tracks", tracks::tracks_table(&input.detections, lineage, &input.scale)),
        ("links", tracks::links_table(&input.detections, links, lineage)),
        ("track_objects", tracks::objects_table(&input.detections, lineage)),
    ];
    for (name, batch) in tables {
        Table { name: name.to_owned(), batch }.write_with_units(&dir.join(format!("{name}.csv")), false)?;
    }
    if let Some(movie) = &input.movie {
        let seals = movie.seals()?;
        let numbers: Vec<u32> = lineage.track_of.clone();
        let spec = ImageSpec {
            times: movie.frames(),
            time_step: movie.time_step(),
            ..ImageSpec::volume(movie.shape(), VoxelType::U32, movie.geometry(), true)
        };
        let sink = io::create(dir.join(TRACKED), &spec, &WriteOptions::default())?;
        job.stage("relabel", movie.frames() as u64);
        for time in 0..movie.frames() {
            job.check()?;
            let volume = relabelled(movie, time, &input.detections, &numbers)?;
            for tile in Region::whole(volume.shape()).tiles(sink.block()) {
                sink.write_part(Frame::new(0, time), tile.start, &volume, tile)?;
            }
            job.advance(1);
        }
        sink.finish(job)?;
        seals.iter().try_for_each(io::Seal::check)?;
    }
    for format in matches.get_many::<String>("as").into_iter().flatten() {
        match format.as_str() {
            "trackmate" => {
                let text = trackmate::write(&input.detections, links, lineage, &input.scale, &input.radii);
                io::atomic::write(dir.join("tracks.xml"), text.as_bytes())?;
            }
            _ => write_ctc(&dir.join("ctc"), input, lineage, job)?,
        }
    }
    Ok(())
}

/// The layout of the Cell Tracking Challenge: `res_track.txt`, and a mask for each frame where there are labels.
fn write_ctc(dir: &Path, input: &Input, lineage: &Lineage, job: &Job) -> Result<()> {
    let (lines, labels) = ctc::of_lineage(&input.detections, lineage);
    let made: error::Result<()> = std::fs::create_dir_all(dir).at(dir);
    made?;
    io::atomic::write(dir.join("res_track.txt"), ctc::text(&lines).as_bytes())?;
    let Some(movie) = &input.movie else { return Ok(()) };
    let voxel = if lines.len() < 1 << 16 { VoxelType::U16 } else { VoxelType::U32 };
    let digits = if movie.frames() > 1000 { 4 } else { 3 };
    for time in 0..movie.frames() {
        job.check()?;
        let volume = relabelled(movie, time, &input.detections, &labels)?.cast(voxel);
        let path = dir.join(format!("mask{time:0digits$}.tif"));
        io::write_volume(&path, &volume, movie.geometry(), true, &WriteOptions::default())?;
    }
    Ok(())
}

/// The labels of a frame with other numbers, one for each detection.
fn relabelled(movie: &Movie, time: usize, detections: &Detections, numbers: &[u32]) -> Result<Volume> {
    let mut labels = movie.labels(time)?;
    let new: HashMap<u32, u32> =
        detections.frame(time).map(|i| (detections.ids[i] as u32, numbers[i])).collect();
    let mut last = (0, 0);
    for v in &mut labels {
        if *v != last.0 {
            last = (*v, new.get(v).copied().unwrap_or(0));
        }
        *v = last.1;
    }
    Ok(Volume::from(labels))
}
