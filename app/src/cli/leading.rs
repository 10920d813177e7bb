//! Options that stand before the command: `voxelry --memory 2G run …` is `voxelry run --memory 2G …`.

use clap::Command;
use std::ffi::OsString;

/// Puts options that stand before a command behind it, if they are that command's. Everything else stays, for the
/// parser to read or to refuse.
pub fn behind_command(program: &Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    // The first is the program itself.
    let commands = (1..arguments.len()).filter_map(|at| {
        let mut command = program.find_subcommand(arguments[at].to_str()?)?;
        let mut end = at + 1;
        // `op gaussian`: options are those of the innermost command.
        while let Some(inner) = arguments.get(end).and_then(|a| command.find_subcommand(a.to_str()?)) {
            command = inner;
            end += 1;
        }
        are_options(program, command, &arguments[1..at]).then_some((at, end))
    });
    if let Some((at, end)) = commands.min()
        && at > 1
    {
        arguments[1..end].rotate_left(at - 1);
    }
    arguments
}

/// Returns whether all arguments are options, with their values.
fn are_options(program: &Command, command: &Command, arguments: &[OsString]) -> bool {
    let known = || command.get_arguments().chain(program.get_arguments().filter(|arg| arg.is_global_set()));
    let mut rest = arguments.iter().map(|argument| argument.to_str());
    while let Some(argument) = rest.next() {
        let Some(argument) = argument else { return false };
        let (name, has_value) = match argument.split_once('=') {
            Some((name, _)) => (name, true),
            None => (argument, false),
        };
        let option = known().find(|arg| match (name.strip_prefix("--"), name.strip_prefix('-')) {
            (Some(long), _) => arg.get_long() == Some(long),
            (None, Some(short)) => arg.get_short().is_some_and(|own| short.chars().eq([own])),
            (None, None) => false,
        });
        let Some(option) = option else { return false };
        if option.get_action().takes_values() && !has_value {
            let values = option.get_num_args().map_or(1, |range| range.min_values());
            if (0..values).any(|_| rest.next().is_none()) {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_before_a_command_are_its_own() {
        let check = |given: &str, wanted: &str| {
            let arguments = given.split(' ').map(OsString::from).collect();
            let mut program = super::super::program();
            program.build();
            let read: Vec<_> = behind_command(&program, arguments);
            let read: Vec<_> = read.iter().map(|a| a.to_str().unwrap()).collect();
            assert_eq!(read.join(" "), wanted);
        };
        check("voxelry -q info x", "voxelry info -q x");
        check("voxelry --memory 2G run -r foam x", "voxelry run --memory 2G -r foam x");
        check("voxelry --memory=2G -v run x", "voxelry run --memory=2G -v x");
        check("voxelry --threads 2 op gaussian a b", "voxelry op gaussian --threads 2 a b");
        check("voxelry --sigma 2 op gaussian a b", "voxelry op gaussian --sigma 2 a b");
        check("voxelry --dataset info info x", "voxelry info --dataset info x");
        // No options of the command, or images for the window.
        check("voxelry --dataset info x.h5", "voxelry --dataset info x.h5");
        check("voxelry x.tif info", "voxelry x.tif info");
        check("voxelry --memory 2G info x", "voxelry --memory 2G info x");
        check("voxelry run x", "voxelry run x");
    }
}
