//! `voxelry contacts`: which objects touch which, and how that changes with time.

use super::common::{self, open_args, open_options};
use super::movie::{Movie, check_out};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::collections::BTreeMap;
use std::path::PathBuf;
use voxelry_analysis::foam::{self, Bubbles, Film, Rules};
use voxelry_core::io::{self, atomic::AtomicDir};
use voxelry_core::measure::{Table, films};
use voxelry_core::{Error, Job, error};

pub fn command() -> Command {
    let path = value_parser!(PathBuf);
    Command::new("contacts")
        .about("Follow who touches whom in a foam: films, contacts lost and gained, rearrangements (T1)")
        .after_help(
            "Objects keep their labels in time, as \"voxelry track\" leaves them. Published counts of rearrangements differ \
             by what is counted as a film and as a pair: docs/time.md has the definitions used here and their sources.",
        )
        .arg(
            Arg::new("labels")
                .value_name("LABELS")
                .required(true)
                .value_parser(path.clone())
                .help("Labels with time, or a folder of \"voxelry track\""),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("DIR")
                .value_parser(path)
                .help("The folder of results to make"),
        )
        .arg(
            Arg::new("min-film")
                .long("min-film")
                .value_name("AREA")
                .default_value("5%")
                .help("A film counts when its area exceeds this: a percentage of the movie's mean film, or an area in the image's unit"),
        )
        .arg(
            Arg::new("hysteresis")
                .long("hysteresis")
                .value_name("FACTOR")
                .value_parser(value_parser!(f64))
                .default_value("1.5")
                .help("A film that is there goes when its area falls below the least area divided by this"),
        )
        .arg(
            Arg::new("window")
                .long("window")
                .value_name("N")
                .value_parser(value_parser!(u32))
                .default_value("1")
                .help("Greatest number of frames between the film lost and the film gained of a rearrangement"),
        )
        .arg(
            Arg::new("film-area")
                .long("film-area")
                .value_name("METHOD")
                .value_parser(["auto", "polyhedra", "crofton"])
                .default_value("auto")
                .help("Area of films: of polyhedra that are fitted to objects which fill space, or by Crofton's formula; auto takes polyhedra where less than 2 % is background"),
        )
        .arg(common::overwrite_arg())
        .args(open_args())
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let path = matches.get_one::<PathBuf>("labels").expect("required");
    let out = matches.get_one::<PathBuf>("out").expect("required");
    check_out(out, "changes.csv", matches.get_flag("overwrite"))?;
    let hysteresis = *matches.get_one::<f64>("hysteresis").expect("default");
    if !(hysteresis >= 1.0 && hysteresis.is_finite()) {
        return Err(Error::Usage(format!("--hysteresis {hysteresis}: it is at least 1")).into());
    }
    let least = matches.get_one::<String>("min-film").expect("default");
    let least = least_film(least)?;
    let movie = Movie::open(path, &open_options(matches)?, 0)?;
    let seals = movie.seals()?;
    let method = matches.get_one::<String>("film-area").expect("default");
    let (films, bubbles) = films(&movie, method, &job)?;
    let mean = foam::mean_film(&films);
    let rules = Rules {
        least_area: match least {
            Least::Share(share) => share * mean,
            Least::Area(area) => area,
        },
        hysteresis,
        window: *matches.get_one("window").expect("default"),
    };
    let (contacts, changes) = foam::changes(&films, movie.frames() as u32, &rules);
    let t1 = foam::rearrangements(&contacts, &changes, rules.window);
    let events = foam::events(&bubbles, &contacts);
    let dir = AtomicDir::create(out)?;
    let tables = [
        ("films", foam::films_table(&films, movie.unit())),
        ("changes", foam::changes_table(&changes)),
        ("t1", foam::t1_table(&t1)),
        ("events", foam::events_table(&events)),
    ];
    for (name, batch) in tables {
        Table { name: name.to_owned(), batch }
            .write_with_units(&dir.path().join(format!("{name}.csv")), false)?;
    }
    seals.iter().try_for_each(io::Seal::check)?;
    dir.commit()?;
    progress.finish();
    progress.say(&format!(
        "{} changes of contact and {} T1 in {} frames; a film counts above {:.4} {}² (mean {:.4}): {}",
        changes.len(),
        t1.len(),
        movie.frames(),
        rules.least_area,
        movie.unit(),
        mean,
        out.display()
    ));
    Ok(())
}

/// The least film that counts.
enum Least {
    /// As a share of the mean film.
    Share(f64),
    /// As an area.
    Area(f64),
}

fn least_film(text: &str) -> Result<Least> {
    let wrong = || Error::Usage(format!("--min-film {text}: it is a percentage such as 5%, or an area"));
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| *v >= 0.0 && v.is_finite());
    match text.trim().strip_suffix('%') {
        Some(share) => Ok(Least::Share(number(share).ok_or_else(wrong)? / 100.0)),
        None => Ok(Least::Area(number(text).ok_or_else(wrong)?)),
    }
}

/// Bubbles below this diameter in voxels have films of which the smallest can't be told from chance.
const LEAST_DIAMETER: f64 = 12.0;

/// Greatest part of background in an image that objects fill.
const BACKGROUND: f64 = 0.02;

/// All films, by frame and labels, and the volumes of the bubbles of each frame.
fn films(movie: &Movie, method: &str, job: &Job) -> Result<(Vec<Film>, Vec<Bubbles>)> {
    let (mut all, mut bubbles) = (Vec::new(), Vec::new());
    job.stage("films", movie.frames() as u64);
    let geometry = movie.geometry();
    let mut polyhedra = method == "polyhedra";
    for time in 0..movie.frames() {
        job.check()?;
        let labels = movie.labels(time)?;
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for run in labels.as_slice().unwrap_or_default().chunk_by(|a, b| a == b) {
            *counts.entry(run[0]).or_insert(0) += run.len() as u64;
        }
        let background = counts.remove(&0).unwrap_or(0);
        if time == 0 && method == "auto" {
            // All frames are measured alike.
            polyhedra = (background as f64) < BACKGROUND * labels.len() as f64;
        }
        bubbles.push(counts.iter().map(|(label, n)| (*label, *n as f64 * geometry.voxel_volume())).collect());
        let film = |(pair, area)| Film { time: time as u32, pair, area };
        if polyhedra {
            all.extend(films::areas(&labels, &geometry, &job.part())?.into_iter().map(film));
        } else {
            all.extend(by_crofton(movie, time, job)?.into_iter().map(film));
        }
        job.advance(1);
    }
    job.note(format!("films are measured by {}", if polyhedra { "polyhedra" } else { "Crofton's formula" }));
    warn_of_small(movie, &bubbles, job);
    Ok((all, bubbles))
}

/// Areas between labels that share a voxel face.
fn by_crofton(movie: &Movie, time: usize, job: &Job) -> Result<Vec<((u32, u32), f64)>> {
    let tables = movie.measure(time, &["label".to_owned()], true, None, &job.part())?;
    let Some(touching) = tables.iter().find(|t| t.name == "contacts") else { return Ok(Vec::new()) };
    let column = |name: &str| -> error::Result<Vec<f64>> {
        touching.numbers(name).ok_or_else(|| Error::Usage(format!("the table has no column {name}")))
    };
    let (a, b) = (column("label_a")?, column("label_b")?);
    let (area, faces) = (column("contact_area")?, column("face_count")?);
    let real = (0..touching.rows()).filter(|&k| faces[k] > 0.0 && area[k] > 0.0);
    Ok(real.map(|k| ((a[k] as u32, b[k] as u32), area[k])).collect())
}

fn warn_of_small(movie: &Movie, bubbles: &[Bubbles], job: &Job) {
    let mut volumes: Vec<f64> = bubbles.iter().flat_map(|b| b.values().copied()).collect();
    volumes.sort_unstable_by(f64::total_cmp);
    let Some(median) = volumes.get(volumes.len() / 2) else { return };
    let diameter = (median / movie.geometry().voxel_volume() * 6.0 / std::f64::consts::PI).cbrt();
    if diameter < LEAST_DIAMETER && !movie.shape().contains(&1) {
        job.warn(format!(
            "half of the bubbles are smaller than {diameter:.1} voxels across; below {LEAST_DIAMETER:.0} voxels small films, \
             and so contacts lost and gained, are uncertain"
        ));
    }
}
