//! Commands that are killed, interrupted, or meet on one target.

use super::{Random, content, hidden, long, remove, start, time};
use std::path::Path;
use std::time::Duration;
use voxelry_tests::program::{names, program, succeeds, text};

/// A command that writes, with `IN` for its image; what it makes; and whether it leaves what the same command resumes.
const COMMANDS: [(&str, &str, bool); 9] = [
    ("convert IN out.ome.zarr --overwrite", "out.ome.zarr", true),
    ("convert IN out.nii.gz --overwrite", "out.nii.gz", false),
    ("convert IN out.tif --overwrite", "out.tif", false),
    ("run -q -r granules IN --out out --overwrite", "out", false),
    ("run -q -r granules IN --out out --overwrite --block 24", "out", true),
    ("op gaussian IN smooth.ome.zarr --overwrite", "smooth.ome.zarr", false),
    ("montage IN -o out.png --overwrite", "out.png", false),
    ("histogram IN out.csv --overwrite", "out.csv", false),
    ("slice-stats IN out.parquet --overwrite", "out.parquet", false),
];

fn images(folder: &Path) {
    for seed in 1..=2 {
        succeeds(folder, &format!("sample granules --size 40 --seed {seed} -o {seed}.nrrd"));
    }
}

fn send(signal: &str, process: u32) {
    // It may be over.
    let _ = std::process::Command::new("kill").args([signal, &process.to_string()]).output();
}

/// Whatever moment a program is killed at, its target is what it was or what it was to be, and the next command leaves
/// nothing but that.
#[test]
#[cfg(unix)]
fn a_command_that_is_killed_leaves_the_old_or_the_new() {
    let mut random = Random(7);
    for (command, target, stays) in COMMANDS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        images(at);
        let [old, new] = [1, 2].map(|seed| command.replace("IN", &format!("{seed}.nrrd")));
        time(at, &new);
        let expected = content(&at.join(target)).unwrap();
        remove(&at.join(target));
        time(at, &old);
        let before = content(&at.join(target)).unwrap();
        let visible = names(at);
        assert_eq!(hidden(at), [""; 0], "{command}");
        // Over what is there, which takes longer than over nothing.
        let takes = time(at, &old);
        let moments = if long() { 200 } else { 6 };
        for moment in 0..moments {
            let mut child = start(at, &new);
            // Half of the moments towards the end, where names change.
            let part = random.next() * if moment % 2 == 0 { 1.0 } else { 0.3 };
            let part = if moment % 2 == 0 { part } else { 0.8 + part };
            std::thread::sleep(takes.mul_f64(part));
            child.kill().unwrap();
            child.wait().unwrap();
            let found = content(&at.join(target)).unwrap_or_else(|| panic!("{command}: gone at {part}"));
            assert!(found == before || found == expected, "{command}: neither old nor new at {part}");
            if found == expected && moment + 1 < moments {
                time(at, &old);
            }
            assert!(stays || hidden(at).len() <= 4, "{command}: {:?}", hidden(at));
        }
        time(at, &new);
        assert!(content(&at.join(target)).unwrap() == expected, "{command}");
        assert_eq!(names(at), visible, "{command}");
    }
}

/// A signal at any moment leaves the old or the new, and nothing beside it but what can be resumed.
#[test]
#[cfg(unix)]
fn a_command_that_is_interrupted_tidies_up() {
    let mut random = Random(11);
    for (command, target, stays) in COMMANDS.into_iter().take(6) {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        images(at);
        let command = command.replace("IN", "1.nrrd");
        let takes = time(at, &command);
        let expected = content(&at.join(target)).unwrap();
        let visible = names(at);
        for _ in 0..if long() { 200 } else { 3 } {
            remove(&at.join(target));
            let mut child = start(at, &command);
            std::thread::sleep(takes.mul_f64(random.next()));
            let asked = std::time::Instant::now();
            send("-INT", child.id());
            let status = child.wait().unwrap();
            // Before it listens it is ended by the system.
            assert!(matches!(status.code(), Some(0 | 130) | None), "{command}: {status}");
            assert!(!long() || asked.elapsed() < Duration::from_millis(100 + 150), "{:?}", asked.elapsed());
            assert!(content(&at.join(target)).is_none_or(|found| found == expected), "{command}");
            assert!(stays || status.code().is_none() || hidden(at).is_empty(), "{command}: {:?}", hidden(at));
        }
        time(at, &command);
        assert_eq!(names(at), visible, "{command}");
    }
}

/// Two programs on one target at once: it is what one of them made, and nothing is beside it.
#[test]
fn two_commands_on_one_target_leave_what_one_of_them_made() {
    for (command, target, _) in COMMANDS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        images(at);
        let commands = [1, 2].map(|seed| command.replace("IN", &format!("{seed}.nrrd")));
        let made = commands.each_ref().map(|command| {
            time(at, command);
            content(&at.join(target)).unwrap()
        });
        let visible = names(at);
        for there in [true, false] {
            if !there {
                remove(&at.join(target));
            }
            let both = commands.each_ref().map(|command| start(at, command));
            let ended = both.map(|mut child| child.wait().unwrap().success());
            assert_eq!(ended, [true, true], "{command}");
            assert!(made.contains(&content(&at.join(target)).unwrap()), "{command}");
            assert_eq!(names(at), visible, "{command}");
        }
    }
}

/// Files that may not grow beyond a tenth, two tenths … of the largest that is made, which is what a full disk looks
/// like to the program.
#[test]
#[cfg(unix)]
fn a_disk_that_fills_at_any_moment_leaves_the_old() {
    for (command, target, stays) in COMMANDS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        images(at);
        let [old, new] = [1, 2].map(|seed| command.replace("IN", &format!("{seed}.nrrd")));
        time(at, &new);
        let expected = content(&at.join(target)).unwrap();
        let largest = expected.values().map(Vec::len).max().unwrap();
        time(at, &old);
        let before = content(&at.join(target)).unwrap();
        let visible = names(at);
        let tenths = if long() { (0..=10).collect() } else { vec![0, 4, 9] };
        for tenth in tenths {
            // In blocks of 512 bytes.
            let blocks = largest * tenth / 10 / 512;
            let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec '{}' {new}", program().display());
            let output =
                std::process::Command::new("sh").args(["-c", &limited]).current_dir(at).output().unwrap();
            let (said, found) = (text(&output.stderr), content(&at.join(target)).unwrap());
            if output.status.success() {
                // What lies between is larger than what is made, or smaller than was thought.
                assert!(found == expected, "{command} with {blocks} blocks");
                time(at, &old);
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{command} with {blocks} blocks: {said}");
            assert!(said.contains(&format!("voxelry: {target}")), "{command} with {blocks} blocks: {said}");
            assert!(found == before, "{command} with {blocks} blocks");
            assert!(stays || names(at) == visible, "{command} with {blocks} blocks: {:?}", names(at));
        }
        time(at, &new);
        assert_eq!(names(at), visible, "{command}");
    }
}

/// What programs that were killed left is removed by the next that writes there, unless its own program is at it.
#[test]
#[cfg(unix)]
fn leftovers_of_the_dead_are_swept_and_those_of_the_living_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("slow.toml"), "[[step]]\nop = \"non-local-means\"\nh = 500\nsearch = 9\n")
        .unwrap();
    succeeds(at, "sample granules --size 96 -o g.nrrd");
    let slow = ["run -q -r slow.toml g.nrrd --out dead", "run -q -r slow.toml g.nrrd --out living"];
    let children = slow.map(|command| start(at, command));
    while hidden(at).iter().filter(|name| name.ends_with("partial")).count() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let [mut dead, mut living] = children;
    dead.kill().unwrap();
    dead.wait().unwrap();
    succeeds(at, "montage g.nrrd -o montage.png");
    let left = hidden(at);
    assert!(left.len() == 2 && left.iter().all(|name| name.starts_with(".living.")), "{left:?}");
    living.kill().unwrap();
    living.wait().unwrap();
    succeeds(at, "montage g.nrrd -o montage.png --overwrite");
    assert_eq!(hidden(at), [""; 0]);
}
