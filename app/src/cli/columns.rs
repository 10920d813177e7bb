//! `voxelry columns`: what can be measured of each object.

use super::common::print_line;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use voxelry_core::Unit;
use voxelry_core::measure::columns::{COLUMNS, Needs};

pub fn command() -> Command {
    Command::new("columns")
        .about("List the columns of the object table: units, methods and sources")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("As JSON"))
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    if matches.get_flag("json") {
        let list: Vec<Value> = COLUMNS
            .iter()
            .map(|c| {
                json!({
                    "name": c.name,
                    "unit": c.unit.text(Unit::Voxel),
                    "additive": c.needs.additive(),
                    "group": c.needs.group(),
                    "default": c.needs.cost().is_none(),
                    "per_channel": c.per_channel(),
                    "description": c.doc,
                })
            })
            .collect();
        print_line!("{}", serde_json::to_string_pretty(&list)?)?;
        return Ok(());
    }
    let mut groups: Vec<Needs> = Vec::new();
    for needs in COLUMNS.iter().map(|c| c.needs) {
        if groups.iter().all(|g| g.group() != needs.group()) {
            groups.push(needs);
        }
    }
    for needs in groups {
        let note = match needs.cost() {
            _ if needs == Needs::Reference => ", with a reference mask".to_owned(),
            Some(cost) => format!(", not by default: {}", cost.what),
            None => String::new(),
        };
        print_line!("{}{note}", needs.group())?;
        for c in COLUMNS.iter().filter(|c| c.needs.group() == needs.group()) {
            let unit = c.unit.text(Unit::Voxel);
            print_line!("  {:<28} {:<16} {}", c.name, if unit.is_empty() { "–" } else { &unit }, c.doc)?;
        }
    }
    print_line!(
        "\nLengths are in the image's unit. \"voxelry op measure --columns NAME,NAME …\" chooses columns or groups; \
         \"default,thickness\" adds a group to those that are made anyway, \"all\" makes all."
    )?;
    Ok(())
}
