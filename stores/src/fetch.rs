//! Reading objects of a store: with repeats, in parallel, by way of the cache.

use crate::Options;
use crate::cache::Cache;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;
use zarrs_storage::byte_range::{ByteRange, ByteRangeIterator};
use zarrs_storage::{Bytes, MaybeBytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

/// Ranges of one object that are asked for at once.
const AT_ONCE: usize = 16;
/// Objects whose versions are remembered.
const MAX_KNOWN: usize = 1 << 20;
/// The first pause before a request is repeated; every further one is twice as long, up to the last.
const PAUSE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(4)];

/// What the server said of an object.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    /// What changes when the object does; none if the server doesn't say.
    version: Option<String>,
    size: u64,
}

impl Known {
    fn of(meta: &ObjectMeta) -> Self {
        let changed = meta.last_modified.timestamp();
        let version = match &meta.e_tag {
            Some(tag) => Some(format!("{tag} {}", meta.size)),
            // The epoch stands for a server that gives no time.
            None => (changed != 0).then(|| format!("{changed} {}", meta.size)),
        };
        Self { version, size: meta.size }
    }
}

enum Failure {
    /// There is no such object.
    Missing,
    /// The server gives whole objects only.
    WholeOnly,
    /// May go well the next time.
    Passing(String),
    /// Will not.
    Lasting(String),
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;
        match &error {
            Error::NotFound { .. } => Self::Missing,
            Error::NotSupported { .. } => Self::WholeOnly,
            Error::Generic { .. } => Self::Passing(cause(&error)),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                Self::Lasting(format!("the store refuses access: {}", cause(&error)))
            }
            _ => Self::Lasting(cause(&error)),
        }
    }
}

/// What is at the bottom of an error.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A store that is read.
pub(crate) struct Store {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// What tells its objects from those of other stores in the cache.
    name: String,
    cache: Option<Cache>,
    patience: Duration,
    silence: Duration,
    runtime: Handle,
    whole_only: AtomicBool,
    known: Mutex<HashMap<String, Known>>,
}

impl Store {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: String,
        name: String,
        cache: Option<Cache>,
        options: &Options,
        runtime: Handle,
    ) -> Self {
        let (patience, silence) = (options.patience, options.silence);
        let (whole_only, known) = (AtomicBool::new(false), Mutex::default());
        Self { store, prefix, name, cache, patience, silence, runtime, whole_only, known }
    }

    fn location(&self, key: &StoreKey) -> Result<Path, Failure> {
        let text = if self.prefix.is_empty() { key.to_string() } else { format!("{}/{key}", self.prefix) };
        Path::parse(&text).map_err(|e| Failure::Lasting(e.to_string()))
    }

    fn known(&self, key: &StoreKey) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key.as_str()).cloned()
    }

    /// Remembers what an object is; an error if it is not what it was.
    fn learn(&self, key: &StoreKey, new: &Known, partial: bool) -> Result<(), Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        match known.insert(key.as_str().to_owned(), new.clone()) {
            // Parts of two versions make no whole.
            Some(old) if partial && old != *new => {
                Err(Failure::Lasting("changed while it was read; open the image again".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// One request, to the last byte.
    async fn once(&self, at: &Path, range: Option<GetRange>, head: bool) -> Result<(Known, Bytes), Failure> {
        let silent = || Failure::Passing(format!("no answer for {} s", self.silence.as_secs_f32()));
        let options = GetOptions { range, head, ..GetOptions::default() };
        let answer =
            timeout(self.silence, self.store.get_opts(at, options)).await.map_err(|_| silent())??;
        let known = Known::of(&answer.meta);
        if head {
            return Ok((known, Bytes::new()));
        }
        let length = answer.range.end - answer.range.start;
        let mut bytes = Vec::new();
        let mut stream = answer.into_stream();
        while let Some(part) = timeout(self.silence, stream.next()).await.map_err(|_| silent())? {
            bytes.extend_from_slice(&part?);
        }
        if bytes.len() as u64 != length {
            return Err(Failure::Passing(format!("{} bytes came instead of {length}", bytes.len())));
        }
        Ok((known, bytes.into()))
    }

    /// A request, repeated as long as patience lasts.
    async fn request(
        &self,
        at: &Path,
        range: Option<GetRange>,
        head: bool,
    ) -> Result<(Known, Bytes), Failure> {
        let end = Instant::now() + self.patience;
        let mut pause = PAUSE[0];
        loop {
            match self.once(at, range.clone(), head).await {
                Err(Failure::Passing(reason)) if Instant::now() + pause >= end => {
                    let tried = self.patience.as_secs();
                    return Err(Failure::Lasting(format!(
                        "the store cannot be read ({reason}); it was tried for {tried} s"
                    )));
                }
                Err(Failure::Passing(_)) => tokio::time::sleep(pause).await,
                done => return done,
            }
            pause = (pause * 2).min(PAUSE[1]);
        }
    }

    /// What the cache holds of an object, if that is what the store holds.
    async fn cached(&self, key: &StoreKey, at: &Path, name: &str) -> Option<Bytes> {
        let (version, bytes) = self.cache.as_ref()?.read(name)?;
        let known = match self.known(key) {
            Some(known) => known,
            None => {
                // Where this fails, the request that follows says why.
                let (known, _) = self.request(at, None, true).await.ok()?;
                self.learn(key, &known, false).ok()?;
                known
            }
        };
        (known.version? == version).then(|| bytes.into())
    }

    async fn read(&self, key: &StoreKey, range: ByteRange) -> Result<Bytes, Failure> {
        let at = self.location(key)?;
        let wanted = match range {
            ByteRange::FromStart(0, None) => None,
            ByteRange::FromStart(start, None) => Some(GetRange::Offset(start)),
            ByteRange::FromStart(start, Some(length)) => {
                let end = start.checked_add(length);
                Some(GetRange::Bounded(start..end.ok_or_else(|| past(range, u64::MAX))?))
            }
            ByteRange::Suffix(length) => Some(GetRange::Suffix(length)),
        };
        if wanted.is_some() && self.whole_only.load(Ordering::Relaxed) {
            return self.part_of_whole(key, range).await;
        }
        let name = format!("{}\n{key}\n{range:?}", self.name);
        if let Some(bytes) = self.cached(key, &at, &name).await {
            return Ok(bytes);
        }
        let partial = wanted.is_some();
        match self.request(&at, wanted, false).await {
            Ok((known, bytes)) => {
                self.learn(key, &known, partial)?;
                let expected = match range {
                    ByteRange::FromStart(_, Some(n)) | ByteRange::Suffix(n) => Some(n),
                    ByteRange::FromStart(_, None) => None,
                };
                if expected.is_some_and(|n| n != bytes.len() as u64) {
                    return Err(past(range, known.size));
                }
                if let (Some(cache), Some(version)) = (&self.cache, &known.version) {
                    cache.write(&name, version, &bytes);
                }
                Ok(bytes)
            }
            Err(Failure::WholeOnly) if partial => {
                self.whole_only.store(true, Ordering::Relaxed);
                self.part_of_whole(key, range).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// A part of an object of a server that gives no parts.
    async fn part_of_whole(&self, key: &StoreKey, range: ByteRange) -> Result<Bytes, Failure> {
        let whole = Box::pin(self.read(key, ByteRange::FromStart(0, None))).await?;
        let size = whole.len() as u64;
        let (start, end) = match range {
            ByteRange::FromStart(start, None) => (Some(start), Some(size)),
            ByteRange::FromStart(start, Some(length)) => (Some(start), start.checked_add(length)),
            ByteRange::Suffix(length) => (size.checked_sub(length), Some(size)),
        };
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= size => {
                Ok(whole.slice(start as usize..end as usize))
            }
            _ => Err(past(range, size)),
        }
    }
}

fn past(range: ByteRange, size: u64) -> Failure {
    Failure::Lasting(format!("{range} lies outside its {size} bytes"))
}

/// A missing object is none, everything else an error.
fn settle<T>(key: &StoreKey, answer: Result<T, Failure>) -> Result<Option<T>, StorageError> {
    let reason = match answer {
        Ok(value) => return Ok(Some(value)),
        Err(Failure::Missing) => return Ok(None),
        Err(Failure::WholeOnly) => "the store does not do what is asked of it".to_owned(),
        Err(Failure::Passing(reason) | Failure::Lasting(reason)) => reason,
    };
    Err(StorageError::Other(format!("{key}: {reason}")))
}

impl ReadableStorageTraits for Store {
    fn get(&self, key: &StoreKey) -> Result<MaybeBytes, StorageError> {
        settle(key, self.runtime.block_on(self.read(key, ByteRange::FromStart(0, None))))
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let ranges: Vec<ByteRange> = byte_ranges.collect();
        let parts = self.runtime.block_on(async {
            let reads = ranges.into_iter().map(|range| self.read(key, range));
            futures::stream::iter(reads).buffered(AT_ONCE).try_collect::<Vec<_>>().await
        });
        Ok(settle(key, parts)?.map(|parts| Box::new(parts.into_iter().map(Ok)) as _))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        if let Some(known) = self.known(key) {
            return Ok(Some(known.size));
        }
        let answer = self.runtime.block_on(async {
            let (known, _) = self.request(&self.location(key)?, None, true).await?;
            self.learn(key, &known, false)?;
            Ok(known.size)
        });
        settle(key, answer)
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}
