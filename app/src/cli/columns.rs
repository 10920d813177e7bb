//! `voxelry columns`: what can be measured of each object.

use super::common::print_line;
use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};
use voxelry_core::Unit;
use voxelry_core::measure::columns::COLUMNS;

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
                    "per_channel": c.per_channel(),
                    "description": c.doc,
                })
            })
            .collect();
        print_line!("{}", serde_json::to_string_pretty(&list)?)?;
        return Ok(());
    }
    for c in COLUMNS {
        let unit = c.unit.text(Unit::Voxel);
        print_line!("{:<28} {:<16} {}", c.name, if unit.is_empty() { "–" } else { &unit }, c.doc)?;
    }
    print_line!("\nLengths are in the image's unit; \"voxelry op measure --columns NAME,NAME …\" chooses.")?;
    Ok(())
}
