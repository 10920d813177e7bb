//! `voxelry ops`: what operators there are.

use super::common::print_line;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use voxelry_core::Error;
use voxelry_core::error::suggestion;
use voxelry_core::ops::{self, Default, Group, Mode, OPERATORS, Operator, Produces};

pub fn command() -> Command {
    Command::new("ops")
        .about("List the operators, or explain one")
        .arg(Arg::new("operator").help("Explain this one"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let chosen: Vec<&dyn Operator> = match matches.get_one::<String>("operator") {
        Some(id) => vec![find(id)?],
        None => OPERATORS.to_vec(),
    };
    if matches.get_flag("json") {
        let list: Vec<Value> = chosen.iter().map(|op| describe(*op)).collect();
        print_line!("{}", serde_json::to_string_pretty(&list)?)?;
    } else if matches.contains_id("operator") {
        explain(chosen[0])?;
    } else {
        list()?;
    }
    Ok(())
}

/// The operator with this id.
///
/// # Errors
/// If there is none; suggests the nearest.
pub fn find(id: &str) -> Result<&'static dyn Operator> {
    ops::find(id).ok_or_else(|| {
        let known = suggestion(id, OPERATORS.iter().map(|o| o.spec().id));
        Error::Usage(format!("unknown operator \"{id}\"{known}")).into()
    })
}

fn list() -> Result<()> {
    for group in Group::ALL {
        let members: Vec<_> = OPERATORS.iter().filter(|o| o.spec().group == group).collect();
        if members.is_empty() {
            continue;
        }
        print_line!("{}", group.title())?;
        for op in members {
            print_line!("  {:<26} {}", op.spec().id, op.spec().summary)?;
        }
        print_line!("")?;
    }
    print_line!("\"voxelry ops NAME\" explains one; \"voxelry op NAME … IN OUT\" runs it on a file.")
}

fn explain(op: &dyn Operator) -> Result<()> {
    let spec = op.spec();
    print_line!("{}: {}\n\n{}\n", spec.id, spec.summary, spec.details)?;
    print_line!("Inputs")?;
    for input in spec.inputs {
        let kinds = input.kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(" or ");
        let optional = if input.optional { ", optional" } else { "" };
        print_line!("  {:<22} {kinds}{optional}. {}", input.name, input.help)?;
    }
    print_line!("Makes\n  {}", produces(spec.output))?;
    if !spec.params.is_empty() {
        print_line!("Parameters")?;
    }
    for param in spec.params {
        let default = match param.default {
            Default::Required => "required".to_owned(),
            Default::Absent => "not set".to_owned(),
            Default::Value(v) => v.to_owned(),
        };
        print_line!("  {:<22} {} [{}; default: {default}]", param.name, param.help, param.ty.describe())?;
    }
    Ok(())
}

fn produces(output: Produces) -> &'static str {
    match output {
        Produces::Same => "an image of the same kind",
        Produces::Image(kind) => kind.name(),
        Produces::Tables => "tables",
        Produces::Mesh => "a surface mesh",
    }
}

fn describe(op: &dyn Operator) -> Value {
    let spec = op.spec();
    json!({
        "id": spec.id,
        "group": spec.group.title(),
        "summary": spec.summary,
        "details": spec.details,
        "inputs": spec.inputs.iter().map(|i| json!({
            "name": i.name,
            "kinds": i.kinds.iter().map(|k| k.name()).collect::<Vec<_>>(),
            "optional": i.optional,
            "help": i.help,
        })).collect::<Vec<_>>(),
        "makes": produces(spec.output),
        "parameters": spec.params.iter().map(|p| json!({
            "name": p.name,
            "type": p.ty.describe(),
            "default": match p.default {
                Default::Value(v) => Value::from(v),
                Default::Required | Default::Absent => Value::Null,
            },
            "required": p.default == Default::Required,
            "help": p.help,
        })).collect::<Vec<_>>(),
        "reach": reach(op),
    })
}

/// Halo of the operator with its defaults on a large isotropic image.
fn reach(op: &dyn Operator) -> Value {
    let spec = op.spec();
    match ops::prepare_default(op) {
        Some(prepared) => match prepared.kernel.mode() {
            Mode::Local(local) => match local.halo() {
                [0, 0, 0] => json!("pointwise or by region"),
                halo => json!({ "halo": halo }),
            },
            Mode::Program(program) => {
                json!({ "phases": program.phases().iter().map(|p| p.name).collect::<Vec<_>>() })
            }
        },
        None => json!(format!("depends on the parameters of {}", spec.id)),
    }
}
