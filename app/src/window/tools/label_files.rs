//! Labels go into files: only what has changed, where the format and the file allow it.

use crate::view::open::recipe_beside;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use voxelry_core::blocks::{Field, FileField, physical_memory};
use voxelry_core::io::atomic;
use voxelry_core::io::convert::{ConvertOptions, update_beside, write_beside};
use voxelry_core::io::{Frame, OpenOptions, by_extension, open};
use voxelry_core::labels::{Labels, Version};
use voxelry_core::ops::Kind;
use voxelry_core::recipe::{self, ExecutionMode, IMAGE, Plan, Recipe};
use voxelry_core::{Error, Job, Result};

/// State of labels as last saved in a file.
#[derive(Clone)]
pub struct SavedFile {
    path: PathBuf,
    version: Arc<Version>,
    /// Time of its last write.
    written: SystemTime,
}

impl SavedFile {
    /// A file that holds a version of labels now; none if it can't be looked at or is of a format that isn't written.
    pub fn now(path: &Path, version: Arc<Version>) -> Option<Self> {
        by_extension(path).ok()?;
        Some(Self { path: path.to_owned(), version, written: written(path)? })
    }

    /// The file's path, if labels may be written into it again.
    ///
    /// # Errors
    /// If somebody else has written or removed it.
    pub fn to_write_again(&self) -> Result<PathBuf> {
        if !self.is_untouched() {
            let reason =
                "was changed by another program since the labels were saved: save them as another file";
            return Err(Error::file(&self.path, reason));
        }
        Ok(self.path.clone())
    }

    /// Returns whether it is the file of that name.
    pub fn is_at(&self, path: &Path) -> bool {
        same(&self.path, path)
    }

    /// Returns whether nobody has written it since.
    fn is_untouched(&self) -> bool {
        written(&self.path) == Some(self.written)
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|about| about.modified()).ok()
}

/// Writes the surfaces of objects of labels as a mesh, in the format that the ending names, and beside it the recipe
/// that makes them. `wanted` tells of which labels. Returns what [`voxelry_core::io::mesh::write`] has to say.
///
/// # Errors
/// If they don't fit into memory, or can't be written.
pub fn write_surfaces(
    version: Arc<Version>,
    wanted: &dyn Fn(u32) -> bool,
    path: &Path,
) -> Result<Option<String>> {
    let recipe = Recipe::parse("[[step]]\nop = \"mesh\"\n")?;
    let labels: Arc<dyn Field> = Arc::new(FileField::new(version, Frame::default(), Kind::Labels));
    let plan = Plan::new(&recipe, &[(IMAGE.to_owned(), labels.grid())])?;
    let (needed, most) = (plan.memory(&[]), physical_memory() / 2);
    if needed > most {
        let reason =
            format!("surfaces of these labels need {needed} bytes of memory, and {most} may be used");
        return Err(Error::Memory(reason));
    }
    let made = recipe::run(&plan, &[labels], &[], &ExecutionMode::Memory, &Job::silent())?;
    let Some((_, mut mesh)) = made.meshes.into_iter().next() else {
        return Err(Error::file(path, "there is no surface to write"));
    };
    mesh.keep(wanted);
    let note = voxelry_core::io::mesh::write(path, &mesh)?;
    atomic::write(recipe_beside(path), plan.resolved.to_toml().as_bytes())?;
    Ok(note)
}

/// The OME-Zarr that a path lies in: dialogs for files enter the folder that one is.
pub fn image_around(path: &Path) -> Option<&Path> {
    let is = |folder: &&Path| folder.extension().is_some_and(|e| e.eq_ignore_ascii_case("zarr"));
    path.ancestors().skip(1).find(|folder| is(folder) && folder.is_dir())
}

/// Returns whether two names are of one file.
pub fn same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// Writes a version of labels to a file, over what it held `before`. `base` tells whether the labels were read from
/// it and still need what it holds.
///
/// # Errors
/// If it can't be written; it is then as it was.
pub fn write(
    labels: &Labels,
    version: &Arc<Version>,
    before: Option<&SavedFile>,
    base: bool,
    path: &Path,
) -> Result<Option<SavedFile>> {
    let job = Job::silent();
    if base {
        let image = open(path, &OpenOptions::default())?;
        let info = image.info();
        if info.channels.len() * info.times > 1 {
            let reason =
                "has more channels or time frames than are edited, which would be lost: choose another name";
            return Err(Error::file(path, reason));
        }
    }
    let mut written = None;
    if let Some(before) = before.filter(|before| before.is_at(path) && before.is_untouched()) {
        let changed = version.changed_since(&before.version);
        written = update_beside(&**version, path, true, &changed, &job)?;
    }
    let written = match written {
        Some(written) => written,
        None => {
            let options = ConvertOptions { labels: Some(true), ..ConvertOptions::default() };
            write_beside(&**version, path, &options, &job)?
        }
    };
    if base {
        labels.replace_base(|| {
            written.commit(&job)?;
            Ok((Arc::from(open(path, &OpenOptions::default())?), Frame::default()))
        })?;
    } else {
        written.commit(&job)?;
    }
    Ok(SavedFile::now(path, version.clone()))
}
