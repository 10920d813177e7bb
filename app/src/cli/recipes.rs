//! `voxelry recipes`: the recipes that come with the program, and checks of one's own.

use super::common::print_line;
use anyhow::Result;
use clap::{Arg, ArgMatches, Command};
use std::path::Path;
use voxelry_core::error::{PathContext, suggestion};
use voxelry_core::recipe::Recipe;
use voxelry_core::{Error, error};

/// Recipes that come with the program, by name.
pub static BUILT_IN: &[(&str, &str)] = &[
    ("foam", include_str!("../../../assets/recipes/foam.toml")),
    ("bone", include_str!("../../../assets/recipes/bone.toml")),
    ("cells", include_str!("../../../assets/recipes/cells.toml")),
    ("measure", include_str!("../../../assets/recipes/measure.toml")),
    ("granules", include_str!("../../../assets/recipes/granules.toml")),
];

pub fn command() -> Command {
    Command::new("recipes")
        .about("List the recipes that come with Voxelry, print one, or check your own")
        .arg(Arg::new("recipe").help("A name from the list, to print it, or a file, to check it"))
}

pub fn run(matches: &ArgMatches) -> Result<()> {
    let Some(name) = matches.get_one::<String>("recipe") else {
        for (name, text) in BUILT_IN {
            print_line!("{name:<12} {}", Recipe::parse(text)?.title.unwrap_or_default())?;
        }
        return Ok(());
    };
    if let Some((_, text)) = BUILT_IN.iter().find(|(n, _)| n == name) {
        super::common::print(text)?;
    } else {
        let recipe = load(name)?;
        print_line!("{name}: {} steps, nothing wrong", recipe.steps.len())?;
    }
    Ok(())
}

/// A recipe by name or from a file.
///
/// # Errors
/// If it can't be found, read or parsed.
pub fn load(name: &str) -> Result<Recipe> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(n, _)| *n == name) {
        return Ok(Recipe::parse(text)?);
    }
    let path = Path::new(name);
    if !path.exists() && !name.contains(['/', '\\', '.']) {
        let known = suggestion(name, BUILT_IN.iter().map(|(n, _)| *n));
        return Err(Error::Usage(format!("there is no file and no built-in recipe \"{name}\"{known}")).into());
    }
    let text: error::Result<String> = std::fs::read_to_string(path).at(path);
    Ok(Recipe::parse(&text?).map_err(|error| error.of_recipe(path))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipes_that_come_along_parse() {
        for (name, text) in BUILT_IN {
            let recipe = Recipe::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(recipe.title.is_some(), "{name} has no title");
        }
    }
}
