//! The edge to the network: images in stores, `http://`, `https://` and `s3://` addresses as storage that `zarrs` reads,
//! and the job API of a pool of workers ([`pool`]).
//!
//! The one place outside the pool that has an async runtime. [`open`] is what a program installs as
//! the engine's opener of addresses. Requests are repeated with growing pauses for half a minute at
//! most; what was read is kept on disk ([`cache`]).

mod cache;
mod fetch;
pub mod pool;

use cache::Cache;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use object_store::{ClientOptions, RetryConfig};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;
use zarrs_storage::ReadableStorage;

/// Bytes that the cache may hold where `VOXELRY_CACHE_BUDGET` doesn't say.
const BUDGET: u64 = 2 << 30;

/// How a store is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where what was read is kept; nowhere if there is no such folder.
    pub cache: Option<PathBuf>,
    /// Bytes that the cache may hold.
    pub budget: u64,
    /// How long a request is tried before it has failed.
    pub retry_timeout: Duration,
    /// How long a server may be silent before it is asked again.
    pub idle_timeout: Duration,
}

impl Options {
    /// The platform's cache folder, and the budget of `VOXELRY_CACHE_BUDGET` (such as `500M`; `0` for none).
    ///
    /// # Errors
    /// If the budget cannot be read.
    pub fn from_env() -> Result<Self, String> {
        let budget = match std::env::var("VOXELRY_CACHE_BUDGET") {
            Ok(text) => size(&text).ok_or_else(|| {
                format!("VOXELRY_CACHE_BUDGET is \"{text}\", which is not a size like 500M or 2G")
            })?,
            Err(_) => BUDGET,
        };
        let cache = directories::ProjectDirs::from("", "", "voxelry").map(|d| d.cache_dir().join("stores"));
        Ok(Self {
            cache,
            budget,
            retry_timeout: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(8),
        })
    }
}

fn size(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Asks a store whether what was read of it is what it was; if not, the answer is a sentence.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Opens the store at an address, with the cache and budget of this machine. Nothing is asked of it yet.
///
/// # Errors
/// One sentence, if the address is of no kind that is known or lacks a part.
pub fn open(address: &str) -> Result<(ReadableStorage, Check), String> {
    open_with(address, &Options::from_env()?)
}

/// Opens the store at an address.
///
/// Must not be read from a thread that runs async tasks: reading waits.
///
/// # Errors
/// As [`open`].
pub fn open_with(address: &str, options: &Options) -> Result<(ReadableStorage, Check), String> {
    let url = Url::parse(address).map_err(|e| format!("is not an address: {e}"))?;
    let (store, prefix): (Arc<dyn ObjectStore>, String) = match url.scheme() {
        "http" | "https" => {
            if url.host_str().is_none() {
                return Err("this address names no host".to_owned());
            }
            let client = client(options).with_allow_http(url.scheme() == "http");
            let store = HttpBuilder::new()
                .with_url(url.as_str().trim_end_matches('/'))
                .with_client_options(client)
                .with_retry(once())
                .build()
                .map_err(|e| fetch::cause(&e))?;
            (Arc::new(store), String::new())
        }
        "s3" => {
            let bucket = url.host_str().ok_or("this address names no bucket (s3://bucket/image.zarr)")?;
            let plain = std::env::var("AWS_ENDPOINT_URL_S3").or_else(|_| std::env::var("AWS_ENDPOINT_URL"));
            let client = client(options).with_allow_http(plain.is_ok_and(|e| e.starts_with("http://")));
            let store = AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(client)
                .with_retry(once())
                .build()
                .map_err(|e| fetch::cause(&e))?;
            (Arc::new(store), url.path().trim_matches('/').to_owned())
        }
        other => return Err(format!("{other}:// is not a store that can be read; http, https and s3 are")),
    };
    let cache = options.cache.clone().map(|folder| Cache::new(folder, options.budget));
    // Two endpoints may have buckets of the same name.
    let endpoint = if url.scheme() == "s3" {
        std::env::var("AWS_ENDPOINT_URL").unwrap_or_default()
    } else {
        String::new()
    };
    let name = format!("{endpoint}\n{address}");
    let store = Arc::new(fetch::Store::new(store, prefix, name, cache, options, runtime()?));
    let checked = store.clone();
    Ok((store, Arc::new(move || checked.check())))
}

fn client(options: &Options) -> ClientOptions {
    // No limit on the whole of a request: a large chunk over a slow line takes its time.
    ClientOptions::new().with_timeout_disabled().with_connect_timeout(options.idle_timeout)
}

/// Requests are repeated in `fetch`, which also sees what goes wrong after the first byte.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn runtime() -> Result<tokio::runtime::Handle, String> {
    static RUNTIME: OnceLock<Result<tokio::runtime::Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("stores")
            .enable_all()
            .build()
            .map_err(|e| format!("no threads for the network: {e}"))
    });
    runtime.as_ref().map(|r| r.handle().clone()).map_err(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_are_refused_in_a_sentence() {
        let options = Options {
            cache: None,
            budget: 0,
            retry_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
        };
        for (address, says) in [
            ("ftp://host/a.zarr", "ftp:// is not a store"),
            ("s3:///a.zarr", "names no bucket"),
            ("http://", "is not an address"),
        ] {
            let reason = open_with(address, &options).err().expect(address);
            assert!(reason.contains(says), "{address}: {reason}");
        }
    }

    #[test]
    fn sizes_read_as_written() {
        for (text, is) in
            [("0", Some(0)), ("500M", Some(500 << 20)), ("2 GiB", Some(2 << 30)), ("much", None)]
        {
            assert_eq!(size(text), is, "{text}");
        }
    }
}
