//! Images at addresses (`https://host/image.zarr`, `s3://bucket/image.zarr`).
//!
//! This crate knows no network. A program that has one installs an opener when it starts; from then
//! on an address is opened wherever a file is. An address travels as a [`Path`] that is never
//! normalised, so that messages, sessions and provenance show it as it was given.

use super::{Frame, ImageInfo, ImageSource, Seal};
use crate::{Error, Job, Region, Result, Volume};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

pub use zarrs::storage::ReadableStorage as Storage;

/// Asks a store whether what was read of it is what it was; if not, the answer is a sentence.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Makes a store of an address, or says in one sentence why that cannot be.
pub type Opener = fn(&str) -> Result<(Storage, Check), String>;

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
pub(super) fn storage(path: &Path, address: &str) -> Result<(Storage, Check)> {
    let opener =
        OPENER.get().ok_or_else(|| Error::file(path, "is an address, and this program opens files only"))?;
    opener(address).map_err(|reason| Error::file(path, reason))
}

/// An image that is read over a network.
pub(super) struct Distant {
    source: Box<dyn ImageSource>,
    path: PathBuf,
    check: Check,
}

impl Distant {
    /// The image at an address.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub(super) fn open(
        path: &Path,
        address: &str,
        open: impl FnOnce(Storage) -> Result<Box<dyn ImageSource>>,
    ) -> Result<Self> {
        let (storage, check) = storage(path, address)?;
        Ok(Self { source: open(storage)?, path: path.to_owned(), check })
    }
}

impl ImageSource for Distant {
    fn info(&self) -> &ImageInfo {
        self.source.info()
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        self.source.read(frame, region)
    }

    fn read_all(&self, frame: Frame) -> Result<Volume> {
        self.source.read_all(frame)
    }

    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        self.source.is_stored(frame, region)
    }

    fn absent(&self) -> u64 {
        self.source.absent()
    }

    fn waits(&self) -> bool {
        true
    }

    fn seal(&self) -> Result<Seal> {
        let (path, check) = (self.path.clone(), self.check.clone());
        Ok(Seal::asking(Arc::new(move || check().map_err(|reason| Error::file(&path, reason)))))
    }
}

/// Threads that wait for networks. They are others than those that work, which must not all wait for what one of them
/// has to do.
static WAITING: LazyLock<Option<rayon::ThreadPool>> = LazyLock::new(|| {
    let name = |i| format!("network {i}");
    rayon::ThreadPoolBuilder::new().num_threads(16).thread_name(name).build().ok()
});
/// How often it is looked whether somebody who waits was told to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Reads from an image; where that waits for a network, another thread does, which is left alone with it once the job is
/// told to stop.
///
/// # Errors
/// As `read` says, or [`Error::Cancelled`].
pub fn cancellable<T: Send + 'static>(
    source: &Arc<dyn ImageSource>,
    job: &Job,
    read: impl FnOnce(&dyn ImageSource) -> Result<T> + Send + 'static,
) -> Result<T> {
    job.check()?;
    let Some(threads) = WAITING.as_ref().filter(|_| source.waits()) else { return read(&**source) };
    let (send, made) = channel();
    let source = source.clone();
    // Nobody hears it if the job was told to stop.
    threads.spawn(move || drop(send.send(read(&*source))));
    loop {
        match made.recv_timeout(LOOK) {
            Ok(made) => return made,
            Err(RecvTimeoutError::Timeout) => job.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Usage("what read from a network gave up".into()));
            }
        }
    }
}

/// An image that is read [`cancellable`] on behalf of a job, for what reads images but knows nothing of networks.
pub struct Patient {
    source: Arc<dyn ImageSource>,
    job: Job,
}

impl Patient {
    /// The image, of which reading stops when the job is told to.
    pub fn new(source: Arc<dyn ImageSource>, job: &Job) -> Self {
        Self { source, job: job.clone() }
    }
}

impl ImageSource for Patient {
    fn info(&self) -> &ImageInfo {
        self.source.info()
    }

    fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
        cancellable(&self.source, &self.job, move |source| source.read(frame, region))
    }

    fn read_into(&self, frame: Frame, region: Region, volume: &mut Volume) -> Result<()> {
        if !self.waits() {
            return self.source.read_into(frame, region, volume);
        }
        *volume = self.read(frame, region)?;
        Ok(())
    }

    fn read_all(&self, frame: Frame) -> Result<Volume> {
        cancellable(&self.source, &self.job, move |source| source.read_all(frame))
    }

    fn is_stored(&self, frame: Frame, region: Region) -> Result<bool> {
        cancellable(&self.source, &self.job, move |source| source.is_stored(frame, region))
    }

    fn absent(&self) -> u64 {
        self.source.absent()
    }

    fn is_direct(&self) -> bool {
        self.source.is_direct()
    }

    fn waits(&self) -> bool {
        self.source.waits()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    fn seal(&self) -> Result<Seal> {
        cancellable(&self.source, &self.job, |source| source.seal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::OpenOptions;
    use crate::io::convert::{ConvertOptions, convert};
    use std::time::Instant;

    /// A store that answers after a while.
    struct Slow(Box<dyn ImageSource>, Duration);

    impl ImageSource for Slow {
        fn info(&self) -> &ImageInfo {
            self.0.info()
        }

        fn read(&self, frame: Frame, region: Region) -> Result<Volume> {
            std::thread::sleep(self.1);
            self.0.read(frame, region)
        }

        fn waits(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_job_that_waits_for_a_network_stops_when_it_is_told_to() {
        let image = || crate::io::open("sample://foam?size=16", &OpenOptions::default()).unwrap();
        let read = |source: &dyn ImageSource| source.read_all(Frame::default());
        let expected = image().read_all(Frame::default()).unwrap();
        let quick: Arc<dyn ImageSource> = Arc::new(Slow(image(), Duration::from_millis(1)));
        assert_eq!(cancellable(&quick, &Job::silent(), read).unwrap(), expected);
        let slow: Arc<dyn ImageSource> = Arc::new(Slow(image(), Duration::from_secs(30)));
        let (job, begun) = (Job::silent(), Instant::now());
        let other = job.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            other.cancel();
        });
        assert!(matches!(cancellable(&slow, &job, read), Err(Error::Cancelled)));
        let folder = tempfile::tempdir().unwrap();
        for ending in ["a.nrrd", "a.ome.zarr"] {
            let (job, other) = (Job::silent(), slow.clone());
            let stop = job.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                stop.cancel();
            });
            let target = folder.path().join(ending);
            let converted = convert(&Patient::new(other, &job), &target, &ConvertOptions::default(), &job);
            assert!(matches!(converted, Err(Error::Cancelled)) && !target.exists());
        }
        assert!(begun.elapsed() < Duration::from_secs(2));
    }

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
