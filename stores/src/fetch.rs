//! Reading objects of a store: with repeats, in parallel, by way of the cache.

use crate::Options;
use crate::cache::Cache;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;
use zarrs_storage::byte_range::{ByteRange, ByteRangeIterator};
use zarrs_storage::{Bytes, MaybeBytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

/// Ranges of one object that are asked for at once.
const AT_ONCE: usize = 16;
/// Objects that are looked at again to see whether a store has changed.
const LOOKED_AT: usize = 512;
/// Objects whose versions are remembered.
const MAX_KNOWN: usize = 1 << 20;
/// The first pause before a request is repeated; every further one is twice as long, up to the last.
const PAUSE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(4)];

/// What the server said of an object.
#[derive(Debug, Clone, PartialEq)]
struct ObjectVersion {
    tag: Option<String>,
    /// Seconds since 1970 when it was written; none if the server doesn't say.
    modified: Option<i64>,
    size: u64,
    /// Whether its bytes came with this, rather than the answer alone.
    read: bool,
}

impl ObjectVersion {
    fn of(meta: &ObjectMeta) -> Self {
        // The epoch stands for a server that gives no time.
        let modified = Some(meta.last_modified.timestamp()).filter(|seconds| *seconds != 0);
        Self { tag: meta.e_tag.clone(), modified, size: meta.size, read: false }
    }

    /// What changes when the object does; none if the server doesn't say.
    fn version(&self) -> Option<String> {
        let modified = || self.modified.map(|seconds| seconds.to_string());
        self.tag.clone().or_else(modified).map(|version| format!("{version} {}", self.size))
    }

    /// Whether another answer is about the same bytes. Servers behind one address may tag them differently.
    fn is_same(&self, other: &Self) -> bool {
        let tagged = self.tag.is_some() && self.tag == other.tag;
        let untagged = self.tag.is_none() || other.tag.is_none();
        let dated = self.modified == other.modified && (self.modified.is_some() || untagged);
        self.size == other.size && (tagged || dated)
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
    retry_timeout: Duration,
    idle_timeout: Duration,
    runtime: Handle,
    whole_only: AtomicBool,
    known: Mutex<HashMap<String, ObjectVersion>>,
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
        let (retry_timeout, idle_timeout) = (options.retry_timeout, options.idle_timeout);
        let (whole_only, known) = (AtomicBool::new(false), Mutex::default());
        Self { store, prefix, name, cache, retry_timeout, idle_timeout, runtime, whole_only, known }
    }

    fn location(&self, key: &StoreKey) -> Result<Path, Failure> {
        let text = if self.prefix.is_empty() { key.to_string() } else { format!("{}/{key}", self.prefix) };
        Path::parse(&text).map_err(|e| Failure::Lasting(e.to_string()))
    }

    fn known(&self, key: &StoreKey) -> Option<ObjectVersion> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key.as_str()).cloned()
    }

    /// Remembers what an object is; an error if it is not what it was: parts of two versions make no whole.
    fn learn(&self, key: &StoreKey, new: &ObjectVersion) -> Result<(), Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        match known.entry(key.as_str().to_owned()) {
            Entry::Occupied(old) if old.get().read && !old.get().is_same(new) => Err(changed()),
            // Nothing of what was said before was read.
            Entry::Occupied(mut old) => {
                if !old.get().read {
                    old.insert(new.clone());
                }
                Ok(())
            }
            Entry::Vacant(place) => {
                place.insert(new.clone());
                Ok(())
            }
        }
    }

    /// Asks whether objects that were read are what they were: all, or as many as are looked at, spread over all.
    ///
    /// # Errors
    /// In a sentence, if one isn't. A store that can't be asked has not changed.
    pub(crate) fn check(&self) -> Result<(), String> {
        let known: Vec<(String, ObjectVersion)> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let step = known.len().div_ceil(LOOKED_AT).max(1);
            // Of what only a size was asked, nothing was taken.
            let all = known.iter().filter(|(_, known)| known.read).enumerate();
            let chosen =
                all.filter(|(i, (key, _))| i % step == 0 || is_document(key)).map(|(_, known)| known);
            chosen.map(|(key, known)| (key.clone(), known.clone())).collect()
        };
        let same = |(key, known): (String, ObjectVersion)| async move {
            let key = StoreKey::new(&key).map_err(|e| e.to_string())?;
            let Ok(at) = self.location(&key) else { return Ok(()) };
            // An image that is written again has the same documents, but later.
            let is_other = |now: &ObjectVersion| {
                !known.is_same(now) || is_document(key.as_str()) && known.modified != now.modified
            };
            // Somebody in between may answer in the store's place: not thrice, and not with the version of an object.
            let mut others = 0;
            while others < 3 {
                match self.once(&at, None, true, None).await {
                    Ok((now, _)) if !is_other(&now) => return Ok(()),
                    Ok((now, _)) if known.version().is_some() && now.version().is_none() => {}
                    Ok(_) | Err(Failure::Missing) => others += 1,
                    Err(_) => return Ok(()),
                }
                tokio::time::sleep(PAUSE[0]).await;
            }
            Err(format!("{key}: {CHANGED}"))
        };
        self.runtime.block_on(async {
            let asked = futures::stream::iter(known.into_iter().map(same));
            let all = asked.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
            timeout(self.retry_timeout, all).await.map_or(Ok(()), |all| all.map(drop))
        })
    }

    /// One request, to the last byte; of a part that is asked for, so many as `expected` if the object has them.
    async fn once(
        &self,
        at: &Path,
        range: Option<GetRange>,
        head: bool,
        expected: Option<u64>,
    ) -> Result<(ObjectVersion, Bytes), Failure> {
        let silent = || Failure::Passing(format!("no answer for {} s", self.idle_timeout.as_secs_f32()));
        let options = GetOptions { range, head, ..GetOptions::default() };
        let answer =
            timeout(self.idle_timeout, self.store.get_opts(at, options)).await.map_err(|_| silent())??;
        let known = ObjectVersion::of(&answer.meta);
        if head {
            return Ok((known, Bytes::new()));
        }
        let length = answer.range.end - answer.range.start;
        // One that asks for more than there is is told so elsewhere.
        let end = expected.map(|length| answer.range.start.saturating_add(length));
        let length = expected.filter(|_| end.is_some_and(|end| end <= known.size)).unwrap_or(length);
        let mut bytes = Vec::new();
        let mut stream = answer.into_stream();
        while let Some(part) = timeout(self.idle_timeout, stream.next()).await.map_err(|_| silent())? {
            bytes.extend_from_slice(&part?);
        }
        if bytes.len() as u64 != length {
            return Err(Failure::Passing(format!("{} bytes came instead of {length}", bytes.len())));
        }
        let known = ObjectVersion { read: true, ..known };
        if is_html(&bytes) {
            return Err(Failure::Passing("a web page came in place of data".to_owned()));
        }
        Ok((known, bytes.into()))
    }

    /// A request, repeated as long as patience lasts.
    async fn request(
        &self,
        at: &Path,
        range: Option<GetRange>,
        head: bool,
        expected: Option<u64>,
    ) -> Result<(ObjectVersion, Bytes), Failure> {
        let end = Instant::now() + self.retry_timeout;
        let mut pause = PAUSE[0];
        loop {
            match self.once(at, range.clone(), head, expected).await {
                Err(Failure::Passing(reason)) if Instant::now() + pause >= end => {
                    let tried = self.retry_timeout.as_secs();
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
        if !is_believable(key, &bytes) {
            return None;
        }
        let known = match self.known(key) {
            Some(known) => known,
            None => {
                // Where this fails, the request that follows says why.
                let (known, _) = self.request(at, None, true, None).await.ok()?;
                self.learn(key, &known).ok()?;
                known
            }
        };
        (known.version()? == version).then(|| bytes.into())
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
        let expected = match range {
            ByteRange::FromStart(_, Some(n)) | ByteRange::Suffix(n) => Some(n),
            ByteRange::FromStart(_, None) => None,
        };
        match self.believed(key, &at, wanted, expected).await {
            Ok((known, bytes)) => {
                self.learn(key, &known)?;
                if expected.is_some_and(|n| n != bytes.len() as u64) {
                    return Err(past(range, known.size));
                }
                if let (Some(cache), Some(version)) = (&self.cache, known.version())
                    && is_believable(key, &bytes)
                {
                    cache.write(&name, &version, &bytes);
                }
                Ok(bytes)
            }
            Err(Failure::WholeOnly) if partial => {
                self.whole_only.store(true, Ordering::Relaxed);
                self.part_of_whole(key, range).await
            }
            Err(Failure::Missing) if self.known(key).is_some() => Err(changed()),
            Err(failure) => Err(failure),
        }
    }

    /// A request for bytes. A document that is none is asked for again, until it comes the same way twice: then that is
    /// what the store holds.
    async fn believed(
        &self,
        key: &StoreKey,
        at: &Path,
        range: Option<GetRange>,
        expected: Option<u64>,
    ) -> Result<(ObjectVersion, Bytes), Failure> {
        let mut answer = self.request(at, range.clone(), false, expected).await?;
        for _ in 0..3 {
            if is_believable(key, &answer.1) || range.is_some() {
                break;
            }
            tokio::time::sleep(PAUSE[0]).await;
            let again = self.request(at, None, false, None).await?;
            let twice = again.1 == answer.1;
            answer = again;
            if twice {
                break;
            }
        }
        Ok(answer)
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

const CHANGED: &str = "changed while it was read; open the image again";

fn changed() -> Failure {
    Failure::Lasting(CHANGED.to_owned())
}

/// Whether an object is a metadata document, which is JSON.
fn is_document(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    ["zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"].contains(&name)
}

/// Whether bytes can be what an object holds, as far as that shows.
fn is_believable(key: &StoreKey, bytes: &[u8]) -> bool {
    !is_document(key.as_str()) || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Whether bytes are a web page, such as a proxy puts in the place of what it can't get.
fn is_html(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    let begins = |tag: &[u8]| start.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    begins(b"<!doctype html") || begins(b"<html")
}

fn past(range: ByteRange, size: u64) -> Failure {
    Failure::Lasting(format!("{range} lies outside its {size} bytes"))
}

/// A missing object is none, everything else an error.
fn found_or_error<T>(key: &StoreKey, answer: Result<T, Failure>) -> Result<Option<T>, StorageError> {
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
        found_or_error(key, self.runtime.block_on(self.read(key, ByteRange::FromStart(0, None))))
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
        Ok(found_or_error(key, parts)?.map(|parts| Box::new(parts.into_iter().map(Ok)) as _))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        if let Some(known) = self.known(key) {
            return Ok(Some(known.size));
        }
        let answer = self.runtime.block_on(async {
            let (known, _) = self.request(&self.location(key)?, None, true, None).await?;
            self.learn(key, &known)?;
            Ok(known.size)
        });
        found_or_error(key, answer)
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}
