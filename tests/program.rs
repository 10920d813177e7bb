//! Runs the program itself, and reads what it leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program that `cargo build` made beside this test.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let folder = test.ancestors().nth(2).expect("a test lies in deps").to_owned();
    let program = folder.join(format!("voxelry{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not there: cargo build --workspace", program.display());
    program
}

/// A command of the program, run in `folder`; the arguments are parted by spaces.
pub fn voxelry(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(program());
    command.args(arguments.split_whitespace()).current_dir(folder).env_remove("RUST_BACKTRACE");
    command
}

/// What the program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program speaks UTF-8")
}

/// Runs a command that must succeed.
#[track_caller]
pub fn succeeds(folder: &Path, arguments: &str) -> Output {
    let output = voxelry(folder, arguments).output().expect("the program starts");
    assert!(output.status.success(), "voxelry {arguments}: {}", text(&output.stderr));
    output
}

/// Runs a command that must fail with this exit code, and returns what it said: one message.
#[track_caller]
pub fn fails(folder: &Path, arguments: &str, code: i32) -> String {
    let output = voxelry(folder, arguments).output().expect("the program starts");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "voxelry {arguments}: {said}");
    assert_eq!(said.matches("voxelry: ").count(), 1, "voxelry {arguments}: {said}");
    said[said.find("voxelry: ").expect("counted") + 9..].trim_end().to_owned()
}

/// All files below a folder with their bytes.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(root, &path, files);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    add(folder, folder, &mut files);
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// Holds two result folders equal, byte for byte.
#[track_caller]
pub fn assert_same_files(a: &Path, b: &Path) {
    let (a, b) = (tree(a), tree(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{} differs", name.display());
    }
}

/// Names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A CSV table without quoted cells.
pub struct Csv {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut lines = text.lines().map(|l| l.split(',').map(str::to_owned).collect::<Vec<_>>());
        let header = lines.next().expect("a header");
        let rows: Vec<_> = lines.collect();
        assert!(rows.iter().all(|r| r.len() == header.len()), "{} is ragged", path.display());
        Self { header, rows }
    }

    /// A column.
    pub fn texts(&self, column: &str) -> Vec<&str> {
        let at = self.header.iter().position(|h| h == column).unwrap_or_else(|| panic!("no column {column}"));
        self.rows.iter().map(|r| r[at].as_str()).collect()
    }

    /// A column of numbers; what is none is NaN.
    pub fn numbers(&self, column: &str) -> Vec<f64> {
        self.texts(column).iter().map(|c| c.parse().unwrap_or(f64::NAN)).collect()
    }
}
