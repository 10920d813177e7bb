//! `voxelry op NAME …`: one operator on one file. Its arguments follow from its declaration.

use super::common::{self, bytes, open, open_args, open_options};
use super::{montage, ops};
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voxelry_core::blocks::{Engine, Field, FileField, overhead};
use voxelry_core::io::verify::check_complete;
use voxelry_core::io::{self, Frame, ImageInfo, ImageSource, OpenOptions, Seal, WriteOptions, target};
use voxelry_core::measure::{self, Table};
use voxelry_core::ops::{Default, Input, KIND_WORDS, Kind, OPERATORS, Operator, ParamType, Produces, Value};
use voxelry_core::recipe::{self, ExecutionMode, IMAGE, Plan, Recipe, Step};
use voxelry_core::results;
use voxelry_core::{Error, Job};

pub fn command() -> Command {
    Command::new("op")
        .about("Run one operator on a file")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(OPERATORS.iter().map(|op| operator(*op)))
}

/// The command of one operator.
pub fn operator(op: &dyn Operator) -> Command {
    let spec = op.spec();
    let path = value_parser!(PathBuf);
    let out = match spec.output {
        Produces::Tables => "A .csv or .parquet file; further tables and units are written beside it",
        Produces::Mesh => "A .stl, .ply or .glb file",
        _ => "The image to write",
    };
    let mut command = Command::new(spec.id)
        .about(spec.summary)
        .after_help(spec.details)
        .arg(
            Arg::new("in")
                .value_name("IN")
                .required(true)
                .value_parser(path.clone())
                .help(spec.inputs[0].help),
        )
        .arg(Arg::new("out").value_name("OUT").required(true).value_parser(path.clone()).help(out))
        .arg(
            Arg::new("as")
                .long("as")
                .value_name("KIND")
                .value_parser(KIND_WORDS)
                .help("What the first image means, if its file doesn't say so"),
        );
    if spec.inputs.len() > 1 {
        command = command.arg(common::ignore_geometry_arg());
    }
    for input in &spec.inputs[1..] {
        let arg = Arg::new(input.name).long(dashed(input.name)).value_name("FILE").value_parser(path.clone());
        command = command.arg(arg.required(!input.optional).help(input.help));
    }
    for param in spec.params {
        let help = match param.ty {
            // Their words are listed anyway.
            ParamType::Choice(_) => param.help.to_owned(),
            _ => format!("{} [{}]", param.help, param.ty.describe()),
        };
        let arg = Arg::new(param.name).long(dashed(param.name)).value_name(value_name(&param.ty));
        let mut arg = arg.allow_hyphen_values(true).help(help);
        match param.default {
            Default::Required => arg = arg.required(true),
            Default::Absent => {}
            Default::Value(value) => arg = arg.default_value(value),
        }
        if let ParamType::Choice(words) = param.ty {
            arg = arg.value_parser(words.to_vec());
        }
        command = command.arg(arg);
    }
    command = command.arg(common::overwrite_arg());
    if spec.output == Produces::Tables {
        command = command.arg(
            Arg::new("units-row")
                .long("units-row")
                .action(ArgAction::SetTrue)
                .help("Put the units below the header of the .csv; they are in a file beside it anyway"),
        );
    }
    let taken: Vec<String> = command.get_arguments().map(|a| a.get_id().to_string()).collect();
    let free = |a: &Arg| !taken.iter().any(|t| t == a.get_id().as_str());
    let common = common::engine_args().into_iter().chain(montage::frame_args()).chain(open_args());
    command.args(common.filter(free).collect::<Vec<_>>())
}

fn value_name(ty: &ParamType) -> &'static str {
    match ty {
        ParamType::Bool => "TRUE|FALSE",
        ParamType::Int { .. } => "N",
        ParamType::Float { .. } => "NUMBER",
        ParamType::Length { .. } => "LENGTH",
        ParamType::Choice(_) => "WHICH",
        ParamType::Text => "TEXT",
        ParamType::Numbers => "NUMBERS",
        ParamType::Words => "NAMES",
    }
}

fn dashed(name: &'static str) -> String {
    name.replace('_', "-")
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let (id, matches) = matches.subcommand().expect("required");
    run_operator(id, matches).map(|_| ())
}

/// Runs an operator as its arguments say, and returns the tables that it wrote.
///
/// # Errors
/// If an argument is wrong, a file can't be read or written, or the operator can't do it.
pub fn run_operator(id: &str, matches: &ArgMatches) -> Result<Vec<Table>> {
    let (progress, job) = common::job(matches);
    let out = matches.get_one::<PathBuf>("out").expect("required");
    let Setup { plan, fields, seals } = set_up(id, matches, &job)?;
    let image = plan.makes_image(0);
    check_out(matches, out, plan.steps[0].produces)?;
    let keep = [plan.sources];
    let keep = if image { &keep[..] } else { &keep[..0] };
    let units_row = matches.try_get_one::<bool>("units-row").ok().flatten().is_some_and(|asked| *asked);
    if units_row {
        Table::check_units_row(out)?;
    }
    let scratch = common::near(out);
    let device = common::device(matches, &job)?;
    let needed = plan.memory(keep) + overhead(device.is_some());
    let execution = match common::block(matches, needed)? {
        Some(block) => {
            progress.say(&format!("block by block within {}", bytes(common::memory(matches)?)));
            ExecutionMode::Blocks(Engine::in_scratch(block, scratch))
        }
        None => ExecutionMode::Memory,
    };
    plan.costs().for_each(|cost| progress.say(cost));
    let ran = recipe::run_on(&plan, &fields, keep, &execution, device.as_ref(), &job)?;
    match ran.images.first() {
        Some(field) => results::save(out, &**field, &WriteOptions::default(), &seals, &job)?,
        None => seals.iter().try_for_each(Seal::check)?,
    }
    for (number, (_, table)) in ran.tables.iter().enumerate() {
        let path = if number == 0 { out.clone() } else { beside(out, &table.name) };
        table.write_with_units(&path, units_row)?;
    }
    for (_, mesh) in &ran.meshes {
        if let Some(note) = io::mesh::write(out, mesh)? {
            progress.say(&note);
        }
    }
    let heard = progress.finish();
    for (name, value) in &heard.facts {
        progress.say(&format!("{name} = {value}"));
    }
    Ok(ran.tables.into_iter().map(|(_, table)| table).collect())
}

/// Checks that what an operator makes can be written.
fn check_out(matches: &ArgMatches, out: &Path, produces: Produces) -> Result<()> {
    match produces {
        Produces::Tables => {
            Table::check_name(out)?;
            common::can_write(matches, out)?;
            // Further tables, of those that this operator may make.
            let further = measure::image::TABLES.iter().map(|(name, _)| *name).chain(["contacts", "image"]);
            for path in further.map(|name| beside(out, name)).chain([out.to_owned()]) {
                let units = path.with_extension("units.csv");
                for path in [path, units].iter().filter(|path| *path != out) {
                    target::check_free(path, matches.get_flag("overwrite"))?;
                }
            }
        }
        Produces::Mesh => {
            io::mesh::check_name(out)?;
            common::can_write(matches, out)?;
        }
        _ => common::can_write_image(matches, out, &WriteOptions::default())?,
    }
    Ok(())
}

/// One operator on its files, ready to run.
pub struct Setup {
    /// A plan of one step.
    pub plan: Plan,
    /// Its sources.
    pub fields: Vec<Arc<dyn Field>>,
    /// Source they are read from.
    pub seals: Vec<Seal>,
}

/// Opens the files and resolves the parameters that the arguments of an operator's command give.
///
/// # Errors
/// If an argument is wrong or a file can't be read.
pub fn set_up(id: &str, matches: &ArgMatches, job: &Job) -> Result<Setup> {
    let op = ops::find(id)?;
    let spec = op.spec();
    let mut step = Step::new(op, BTreeMap::new());
    for param in spec.params {
        if let Some(text) = matches.get_one::<String>(param.name) {
            let value = Value::parse(&param.ty, text)
                .map_err(|e| Error::Usage(format!("--{}: {e}", dashed(param.name))))?;
            step.given.insert(param.name, value);
        }
    }
    let path = matches.get_one::<PathBuf>("in").expect("required");
    let options = open_options_of(op, matches)?;
    let source = open(path, &options)?;
    let word = matches.get_one::<String>("as").map(String::as_str);
    let kind = word.map(str::parse).transpose().map_err(Error::Usage)?;
    let kind = kind_for(&spec.inputs[0], source.info(), kind);
    let further: Vec<_> = (spec.inputs.iter().enumerate().skip(1))
        .filter_map(|(i, input)| Some((i, input, matches.get_one::<PathBuf>(input.name)?)))
        .collect();
    // A level of its own is something else than the file's.
    let level = if spec.param("level").is_none() { matches.get_one("level").copied() } else { None };
    let asked = Frame { level: level.unwrap_or(0), ..montage::channel_and_time(matches) };
    // Where a further image has several channels or time frames, that is what was chosen from.
    let frame = if further.is_empty() { asked } else { asked.of_further(source.info()) };
    frame.check(source.info())?;
    common::tell(path, source.info(), frame, matches, job);
    tell_absent(&*source, path, &options, frame)?;
    let info = source.info().clone();
    let mut names = vec![IMAGE.to_owned()];
    let mut seals = vec![source.seal()?];
    let mut fields: Vec<Arc<dyn Field>> = vec![Arc::new(FileField::new(source, frame, kind))];
    let mut used = frame;
    for (i, input, other) in further {
        let (source, own) = if op.takes_grid_alone(i) {
            let source = open(other, &common::completeness(matches))?;
            let own = Frame { level: 0, ..common::further_frame(other, source.info(), asked)? };
            (source, own)
        } else {
            let first = (path.as_path(), &info, Frame { level: frame.level, ..asked });
            let (source, own) = common::open_further(other, first, matches, job)?;
            tell_absent(&*source, other, &common::completeness(matches), own)?;
            (source, own)
        };
        let kind = kind_for(input, source.info(), None);
        used = Frame { channel: used.channel.max(own.channel), time: used.time.max(own.time), ..used };
        names.push(input.name.to_owned());
        seals.push(source.seal()?);
        step.inputs.insert(input.name, input.name.to_owned());
        fields.push(Arc::new(FileField::new(source, own, kind)));
    }
    if (used.channel, used.time) != (asked.channel, asked.time) {
        asked.check(&info)?;
    }
    let grids: Vec<_> = names.into_iter().zip(fields.iter().map(|f| f.grid())).collect();
    let recipe = Recipe { title: None, steps: vec![step] };
    Ok(Setup { plan: Plan::new(&recipe, &grids)?, fields, seals })
}

fn open_options_of(op: &dyn Operator, matches: &ArgMatches) -> Result<OpenOptions> {
    // An operator with a parameter of the same name (crop's shape, say) keeps it for itself.
    let names = ["shape", "dtype", "byte-order", "offset", "spacing", "unit", "dataset"];
    if names.iter().any(|n| op.spec().param(n).is_some()) {
        Ok(common::completeness(matches))
    } else {
        open_options(matches)
    }
}

/// Refuses an image of which something is missing, and says how many chunks the fill value stands for.
fn tell_absent(source: &dyn ImageSource, path: &Path, options: &OpenOptions, frame: Frame) -> Result<()> {
    if let Some(note) = check_complete(source, path, options, frame.time..frame.time + 1)? {
        crate::progress::tell(&format!("warning: {}: {note}", path.display()));
    }
    Ok(())
}

/// `table.csv` → `table.contacts.csv`.
fn beside(path: &Path, name: &str) -> PathBuf {
    let ending = path.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
    path.with_extension(format!("{name}{ending}"))
}

/// Kind an image is taken as, for an operator's input.
fn kind_for(input: &Input, info: &ImageInfo, asked: Option<Kind>) -> Kind {
    match asked {
        Some(kind) => kind,
        None if info.labels && input.kinds.contains(&Kind::Labels) => Kind::Labels,
        None if input.kinds.contains(&Kind::Grey) => Kind::Grey,
        None => input.kinds[0],
    }
}
