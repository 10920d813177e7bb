//! Which folders and addresses jobs may name.

use std::path::{Component, Path, PathBuf};

/// Folders that jobs may read from and write to, and what addresses that they may read must begin with.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    folders: Vec<PathBuf>,
    addresses: Vec<String>,
}

impl Roots {
    /// Roots as they were given: folders, and beginnings of addresses.
    ///
    /// # Errors
    /// In a sentence, if a folder isn't there.
    pub fn new<'a>(given: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut roots = Self::default();
        for text in given {
            if text.contains("://") {
                let end = if text.ends_with('/') { "" } else { "/" };
                roots.addresses.push(format!("{text}{end}"));
            } else {
                let folder = std::fs::canonicalize(text).map_err(|e| format!("--root {text}: {e}"))?;
                roots.folders.push(folder);
            }
        }
        Ok(roots)
    }

    /// Whether a job may name this.
    ///
    /// # Errors
    /// In a sentence, if it may not.
    pub fn check(&self, path: &Path) -> Result<(), String> {
        let refused =
            || Err(format!("{}: is outside of what this pool may use (its --root)", path.display()));
        if let Some(address) = path.to_str().filter(|p| p.contains("://")) {
            if voxelry_core::sample::is_address(address) {
                // It is made, not read.
                return Ok(());
            }
            let steps_out = address
                .split(['/', '?', '#'])
                .any(|part| part == ".." || part.to_ascii_lowercase().contains("%2e"));
            let within = self.addresses.iter().any(|root| address.starts_with(root));
            return if within && !steps_out { Ok(()) } else { refused() };
        }
        if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
            return Err(format!("{}: should be an absolute path", path.display()));
        }
        // What is there is taken where links lead to; the rest has its name in it.
        let mut there = path;
        while !there.exists() {
            let Some(parent) = there.parent() else { return refused() };
            there = parent;
        }
        let real = std::fs::canonicalize(there).map_err(|e| format!("{}: {e}", path.display()))?;
        if self.folders.iter().any(|root| real.starts_with(root)) { Ok(()) } else { refused() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_refused_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        for f in [&inside, &outside] {
            std::fs::create_dir(f).unwrap();
        }
        std::fs::write(outside.join("a.tif"), "x").unwrap();
        let roots = Roots::new([inside.to_str().unwrap(), "https://host/data", "s3://bucket/a/"]).unwrap();
        for fine in ["b.tif", "not/yet/there"] {
            assert!(roots.check(&inside.join(fine)).is_ok(), "{fine}");
        }
        for address in ["https://host/data/a.zarr", "s3://bucket/a/b.zarr", "sample://foam?size=64"] {
            assert!(roots.check(Path::new(address)).is_ok(), "{address}");
        }
        for address in [
            "https://host/database/a.zarr",
            "https://host/data/../b.zarr",
            "https://host/data/%2e%2e/b.zarr",
            "http://host/data/a.zarr",
            "s3://bucket/ab.zarr",
        ] {
            assert!(roots.check(Path::new(address)).is_err(), "{address}");
        }
        assert!(roots.check(&outside.join("a.tif")).is_err());
        assert!(roots.check(&inside.join("../out/a.tif")).is_err());
        assert!(roots.check(Path::new("in/b.tif")).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
            assert!(roots.check(&inside.join("link/a.tif")).is_err());
            assert!(roots.check(&inside.join("link/new/b")).is_err());
        }
    }
}
