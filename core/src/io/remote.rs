//! Images at addresses (`https://host/image.zarr`, `s3://bucket/image.zarr`).
//!
//! This crate knows no network. A program that has one installs an opener when it starts; from then
//! on an address is opened wherever a file is. An address travels as a [`Path`] that is never
//! normalised, so that messages, sessions and provenance show it as it was given.

use crate::{Error, Result};
use std::path::Path;
use std::sync::OnceLock;

pub use zarrs::storage::ReadableStorage as Storage;

/// Makes a store of an address, or says in one sentence why that cannot be.
pub type Opener = fn(&str) -> Result<Storage, String>;

static OPENER: OnceLock<Opener> = OnceLock::new();

/// Installs what opens addresses, for the whole program. The first one stays.
pub fn install(opener: Opener) {
    // A second call in the same program would install the same.
    let _ = OPENER.set(opener);
}

/// The address that a path is, if it is one: a scheme of two letters or more (one is a drive), and `://`.
pub fn address(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, rest) = text.split_once("://")?;
    let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    (scheme.len() > 1 && letters && !rest.is_empty()).then_some(text)
}

/// The store at an address.
pub(super) fn storage(path: &Path, address: &str) -> Result<Storage> {
    let opener =
        OPENER.get().ok_or_else(|| Error::file(path, "is an address, and this program opens files only"))?;
    opener(address).map_err(|reason| Error::file(path, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for (path, is) in [
            ("http://host:80/a.zarr", true),
            ("s3://bucket/a/b.zarr", true),
            ("/data/a.zarr", false),
            ("a://b", false),
            ("C://data/a.tif", false),
            ("http:/host/a.zarr", false),
            ("folder/http://x", false),
            ("https://", false),
        ] {
            assert_eq!(address(Path::new(path)), is.then_some(path), "{path}");
        }
    }

    #[test]
    fn an_address_survives_being_a_path() {
        let path = Path::new("https://host/a.zarr").join("0").join("zarr.json");
        assert_eq!(path.display().to_string(), "https://host/a.zarr/0/zarr.json");
    }
}
