//! Settings kept from one start to the next, and the session kept for recovery after a crash.

use super::session::Session;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use voxelry_core::blocks::physical_memory;
use voxelry_core::io::{atomic, remote};

/// Images and sessions that are remembered.
const RECENT: usize = 12;
/// The ending of a file beside sessions that were kept when the system ended the program.
const ENDED: &str = "ended";
/// Interval between saves for recovery after a crash.
const OFTEN: Duration = Duration::from_secs(10);

/// Settings kept between starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// True if the window is light.
    pub light: bool,
    /// Scale of the user interface.
    pub scale: f32,
    /// Megabytes of images in memory.
    pub memory: u64,
    /// Megabytes on the graphics device, for each kind of voxel.
    pub device: u64,
    /// Recently opened files, the latest first.
    pub recent: Vec<PathBuf>,
    /// True if the list of images on the left is shown.
    pub left: bool,
    /// True if the panels on the right are shown.
    pub right: bool,
    /// Width of the list of images.
    pub left_width: f32,
    /// Width of the panels on the right.
    pub right_width: f32,
    /// Height of the tables.
    pub table_height: f32,
    /// Path of the settings file; none in tests.
    #[serde(skip)]
    path: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        let memory = physical_memory() >> 20;
        let device = (memory / 16).clamp(128, 1024);
        Self {
            light: false,
            scale: 1.0,
            memory: (memory / 4).max(256),
            device,
            recent: Vec::new(),
            left: true,
            right: true,
            left_width: 210.0,
            right_width: 290.0,
            table_height: 250.0,
            path: None,
        }
    }
}

/// A folder of this program, where the system keeps such things.
fn folder(which: impl Fn(&directories::ProjectDirs) -> PathBuf) -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "voxelry").map(|dirs| which(&dirs))
}

fn file() -> Option<PathBuf> {
    Some(folder(|dirs| dirs.config_dir().to_owned())?.join("settings.toml"))
}

impl Settings {
    /// Reads the settings; the defaults where there are none or they can't be read.
    pub fn load() -> Self {
        let text = file().and_then(|path| std::fs::read_to_string(path).ok());
        let mut settings: Self = text.and_then(|t| toml::from_str(&t).ok()).unwrap_or_default();
        settings.scale = settings.scale.clamp(0.5, 3.0);
        settings.memory = settings.memory.max(64);
        settings.device = settings.device.clamp(16, 65_536);
        settings.path = file();
        settings
    }

    /// Remembers; a system that doesn't let it is no reason to stop.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        if let (Some(parent), Ok(text)) = (path.parent(), toml::to_string(self)) {
            let _ = std::fs::create_dir_all(parent);
            let _ = atomic::write(path, text.as_bytes());
        }
    }

    /// Remembers that something was opened.
    pub fn opened(&mut self, path: &Path) {
        // Addresses are as they are.
        let here = |path: &Path| std::path::absolute(path).ok();
        let Some(path) = remote::address(path).map_or_else(|| here(path), |a| Some(a.into())) else { return };
        self.recent.retain(|p| *p != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
        self.save();
    }
}

/// Keeps what is open while the program runs. A file that nobody holds any more is what a crash left.
pub struct Autosave {
    path: PathBuf,
    /// Locked as long as the program runs.
    _lock: File,
    kept: String,
    when: Instant,
    stays: bool,
}

/// A session that was left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSession {
    /// Position.
    pub path: PathBuf,
    /// True if the system has ended the program, which has kept it on purpose.
    pub ended: bool,
    /// Files that were open.
    pub what: Vec<String>,
}

impl Autosave {
    /// Begins; nothing where the system has no place for it.
    pub fn new() -> Option<Self> {
        Self::in_folder(&folder(|dirs| dirs.data_local_dir().join("open"))?)
    }

    /// Begins in a folder.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).ok()?;
        let path = folder.join(format!("{}.voxelry", std::process::id()));
        let lock = File::create(path.with_extension("lock")).ok()?;
        lock.try_lock().ok()?;
        Some(Self { path, _lock: lock, kept: String::new(), when: Instant::now(), stays: false })
    }

    /// Path of the session kept for recovery.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether it is time to keep what is open.
    pub fn is_due(&self) -> bool {
        self.when.elapsed() >= OFTEN
    }

    /// Keeps a session.
    pub fn keep(&mut self, text: String) {
        self.when = Instant::now();
        if text != self.kept && atomic::write(&self.path, text.as_bytes()).is_ok() {
            self.kept = text;
        }
    }

    /// Keeps the saved session when the program ends, for the next start.
    pub fn stay(&mut self) {
        self.stays = true;
        // Without it, the next start says that the program has crashed.
        let _ = std::fs::write(self.path.with_extension(ENDED), "");
    }

    /// Returns whether it stays.
    pub fn stays(&self) -> bool {
        self.stays
    }

    /// Sessions that crashes left, without those of programs that still run.
    pub fn left(&self) -> Vec<LostSession> {
        let entries = self.path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let paths = entries.into_iter().flatten().flatten().map(|e| e.path());
        let sessions = paths.filter(|p| p.extension().is_some_and(|e| e == "voxelry") && *p != self.path);
        let free = sessions.filter(|p| !is_held(&p.with_extension("lock")));
        free.map(|path| {
            let what = Session::read(&path).map(|s| s.names()).unwrap_or_default();
            LostSession { ended: path.with_extension(ENDED).exists(), what, path }
        })
        .collect()
    }

    /// Forgets a session that a crash left.
    pub fn forget(path: &Path) {
        let _ = std::fs::remove_file(path);
        let _ = std::fs::remove_file(path.with_extension("lock"));
        let _ = std::fs::remove_file(path.with_extension(ENDED));
    }
}

impl Drop for Autosave {
    fn drop(&mut self) {
        // A panic is a crash, after which there is something to offer.
        if !std::thread::panicking() && !self.stays {
            Self::forget(&self.path);
        }
    }
}

fn is_held(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_leaves_its_session_and_a_program_that_runs_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut autosave = Autosave::in_folder(folder.path()).unwrap();
        autosave.keep("mine".to_owned());
        let crashed = folder.path().join("0.voxelry");
        std::fs::write(&crashed, "left").unwrap();
        File::create(crashed.with_extension("lock")).unwrap();
        let running = folder.path().join("1.voxelry");
        std::fs::write(&running, "in use").unwrap();
        let lock = File::create(running.with_extension("lock")).unwrap();
        lock.try_lock().unwrap();
        assert_eq!(autosave.left(), [LostSession { path: crashed.clone(), ended: false, what: Vec::new() }]);
        Autosave::forget(&crashed);
        assert!(autosave.left().is_empty());
        // A program that the system has ended says so.
        let other = folder.path().join("2.voxelry");
        let session = "version = 1\n[[scene]]\n[scene.view]\n[[scene.layer]]\npath = \"a/scan.nii.gz\"\n\
                       channel = 0\ntime = 0\ncontent = \"grey\"\n[scene.layer.display]\n";
        std::fs::write(&other, session).unwrap();
        std::fs::write(other.with_extension(ENDED), "").unwrap();
        let left = autosave.left();
        assert_eq!(
            (left.len(), left[0].ended, &left[0].what[..]),
            (1, true, &["scan.nii.gz".to_owned()][..])
        );
        Autosave::forget(&left[0].path);
        assert!(autosave.left().is_empty());
        let path = autosave.path().to_owned();
        drop(autosave);
        assert!(!path.exists());
        let crashing = std::thread::spawn(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut autosave = Autosave::in_folder(folder.path()).unwrap();
            autosave.keep("mine".to_owned());
            (
                folder.keep(),
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let _keeper = autosave;
                    std::panic::resume_unwind(Box::new("a crash"));
                })),
            )
        });
        let (left, crash) = crashing.join().unwrap();
        assert!(crash.is_err());
        assert!(left.join(format!("{}.voxelry", std::process::id())).exists());
        std::fs::remove_dir_all(left).unwrap();
    }
}
