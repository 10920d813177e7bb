//! The error type of the analysis: each message is a sentence with the path, the line and the value.

use std::path::{Path, PathBuf};

/// Something that stands in the way of an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A table that says something that cannot be read.
    #[error("{}: {reason}", place(path, *line))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Line of a text file, from 1, where it is known.
        line: Option<u64>,
        /// The field, its value and why it cannot be read.
        reason: String,
    },
    /// A wrong argument: a column that isn't there, say.
    #[error("{0}")]
    Usage(String),
    /// A question that these tables cannot answer.
    #[error("{0}")]
    Data(String),
    /// More memory would be needed than was allowed.
    #[error("not enough memory: {0}")]
    Memory(String),
    /// The work was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn place(path: &Path, line: Option<u64>) -> String {
    line.map_or(path.display().to_string(), |line| format!("{}, line {line}", path.display()))
}

impl Error {
    /// An operating-system error with the path that it is about.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_owned(), source }
    }

    /// A file that cannot be read as a table.
    pub fn file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_owned(), line: None, reason: reason.into() }
    }

    /// A line of a text file that cannot be read.
    pub fn line(path: impl AsRef<Path>, line: u64, reason: impl Into<String>) -> Self {
        Self::File { path: path.as_ref().to_owned(), line: Some(line), reason: reason.into() }
    }

    /// Exit code of a program that ends with this error: 2 for bad usage, 130 for an interrupt, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Cancelled => 130,
            _ => 1,
        }
    }
}

/// "; did you mean …?" for the candidate nearest to `word` by edit distance, or nothing if none is near.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let folded = word.to_lowercase();
    let nearest = candidates
        .into_iter()
        .map(|candidate| (edit_distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance);
    nearest.map_or(String::new(), |(_, candidate)| format!("; did you mean \"{candidate}\"?"))
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
    fn messages_name_the_path_and_the_line() {
        assert_eq!(Error::line("a.csv", 3, "has 2 fields").to_string(), "a.csv, line 3: has 2 fields");
        assert_eq!(suggestion("volum", ["label", "volume"]), "; did you mean \"volume\"?");
        assert_eq!(suggestion("genotype", ["label", "volume"]), "");
    }
}
