//! The one error type of the engine. Each message is a sentence that a user can act on: it names
//! the path, the field and the value.

use std::path::{Path, PathBuf};

/// What can go wrong. `Usage` and `Recipe` are the caller's to mend (exit code 2), the rest is bad
/// input or a bad day (exit code 1).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file says something that cannot be true, or that Voxelry does not read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The field, its value and why it cannot be.
        reason: String,
    },
    /// A recipe that cannot be run as written.
    #[error("{}: {reason}", location(file.as_deref(), *line))]
    Recipe {
        /// Where the recipe is from, where that is known.
        file: Option<PathBuf>,
        /// Line in the recipe, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong, and the nearest right name.
        reason: String,
    },
    /// A wrong argument.
    #[error("{0}")]
    Usage(String),
    /// An operator cannot do what was asked on this image.
    #[error("{op}: {reason}")]
    Operator {
        /// The operator's id.
        op: &'static str,
        /// Why not.
        reason: String,
    },
    /// More memory would be needed than there is or than was allowed.
    #[error("not enough memory: {0}")]
    Memory(String),
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
}

fn location(file: Option<&Path>, line: Option<usize>) -> String {
    let file = file.map_or("recipe".into(), |f| f.display().to_string());
    line.map_or(file.clone(), |line| format!("{file}, line {line}"))
}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A file that says something wrong.
    pub fn file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// A recipe that cannot be run as written.
    pub fn recipe(line: Option<usize>, reason: impl Into<String>) -> Self {
        Self::Recipe { file: None, line, reason: reason.into() }
    }

    /// Says where the recipe is from, if the error is about one.
    #[must_use]
    pub fn of_recipe(self, path: impl AsRef<Path>) -> Self {
        match self {
            Self::Recipe { line, reason, .. } => {
                Self::Recipe { file: Some(path.as_ref().into()), line, reason }
            }
            other => other,
        }
    }

    /// An operating-system error with the path that it is about.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }

    /// The exit code of a program that ends with this error: 2 for bad usage, 130 for an
    /// interrupt, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Recipe { .. } => 2,
            Self::Cancelled => 130,
            _ => 1,
        }
    }
}

/// Adds the path to an operating-system error.
pub trait PathContext<T> {
    /// Names the file that the error is about.
    ///
    /// # Errors
    /// The same error, as [`Error::Io`].
    fn at(self, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> PathContext<T> for std::io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::io(path, source))
    }
}

/// The candidate nearest to `word` by edit distance, if it is near enough to be a slip.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.len().min(word.len()) / 3 && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "; did you mean …?" for the nearest candidate, or nothing.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or(String::new(), |c| format!("; did you mean \"{c}\"?"))
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_right_name() {
        let names = ["gaussian", "median", "otsu"];
        assert_eq!(nearest("gausian", names), Some("gaussian"));
        assert_eq!(nearest("ostu", names), Some("otsu"));
        assert_eq!(nearest("watershed", names), None);
        assert_eq!(nearest("7", ["6", "18", "26"]), None);
    }
}
