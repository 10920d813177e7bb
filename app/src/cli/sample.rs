//! `voxelry sample`: realistic images with known truth.

use super::common::{self, bytes};
use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::path::{Path, PathBuf};
use voxelry_core::Error;
use voxelry_core::io::options::parse_shape;
use voxelry_core::io::{self, WriteOptions};
use voxelry_core::sample::{self, KINDS, Options};

pub fn command() -> Command {
    let kinds: Vec<String> =
        KINDS.iter().map(|k| format!("{}: {} Truth: {}", k.name, k.summary, k.truth)).collect();
    let number = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("NUMBER")
            .value_parser(value_parser!(f64))
            .default_value(value)
            .help(help)
    };
    Command::new("sample")
        .about("Make a realistic image with a truth label image and a truth table beside it")
        .after_help(kinds.join("\n"))
        .arg(
            Arg::new("kind")
                .value_name("KIND")
                .required(true)
                .help("What to make; see below")
                .value_parser(KINDS.iter().map(|k| k.name).collect::<Vec<_>>()),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .short('o')
                .required(true)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The image to write"),
        )
        .arg(
            Arg::new("size")
                .long("size")
                .value_name("N or Z,Y,X")
                .default_value("256")
                .help("Voxels along each axis"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("1")
                .help("Another seed makes another sample"),
        )
        .arg(number("noise", "0.1", "Standard deviation of the noise, as a fraction of the contrast"))
        .arg(number("blur", "1", "Standard deviation of the blur in voxels"))
        .arg(number("rings", "0", "Ring artefacts, as a fraction of the contrast"))
        .arg(common::overwrite_arg())
        .arg(number("beam-hardening", "0", "How much darker the middle is than the edge, as a fraction"))
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (progress, job) = common::job(matches);
    let number = |name: &str| *matches.get_one::<f64>(name).expect("default");
    let size = parse_shape(matches.get_one::<String>("size").expect("default"));
    let options = Options {
        size: size.map_err(|e| Error::Usage(format!("--size: {e}")))?,
        seed: *matches.get_one("seed").expect("default"),
        noise: number("noise"),
        blur: number("blur"),
        rings: number("rings"),
        beam_hardening: number("beam-hardening"),
    };
    let out = matches.get_one::<PathBuf>("out").expect("required");
    let write = WriteOptions::default();
    let (truth, table) = (beside(out, "truth", None)?, beside(out, "truth", Some("csv"))?);
    for image in [out, &truth] {
        common::can_write_image(matches, image, &write)?;
    }
    common::can_write(matches, &table)?;
    let kind = sample::find(matches.get_one::<String>("kind").expect("required"))?;
    let made = sample::generate(kind, &options, &job)?;
    job.stage("write", 0);
    io::write_volume(out, &made.image, made.geometry, false, &write)?;
    io::write_volume(&truth, &made.truth, made.geometry, true, &write)?;
    made.table.write(&table)?;
    progress.finish();
    let size = bytes(made.image.byte_len() as u64);
    progress.say(&format!(
        "{}: {} with {} objects, {size}; truth in {} and {}",
        out.display(),
        kind.name,
        made.table.rows(),
        truth.display(),
        table.display()
    ));
    Ok(())
}

/// `foam.nii.gz` → `foam.truth.nii.gz`, or `foam.truth.csv`.
fn beside(path: &Path, word: &str, ending: Option<&str>) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default();
    let name = name.to_str().ok_or_else(|| Error::file(path, "the name of a sample must be text (UTF-8)"))?;
    let (stem, own) = name.split_once('.').unwrap_or((name, ""));
    Ok(path.with_file_name(format!("{stem}.{word}.{}", ending.unwrap_or(own))))
}
