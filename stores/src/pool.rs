//! The job API of a pool of workers, and who speaks to it.
//!
//! Everything is JSON over HTTP(S) with `Authorization: Bearer TOKEN`:
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /jobs` | [`Submission`] | [`JobInfo`] |
//! | `GET /jobs` | | a list of [`JobInfo`], the newest first |
//! | `GET /jobs/ID` | | [`JobInfo`] |
//! | `DELETE /jobs/ID` | | [`JobInfo`]: a job that is not over is cancelled, one that is over is forgotten |
//! | `GET /workers` | | a list of [`Worker`] |
//! | `POST /workers` | [`Worker`] | [`Join`] |
//!
//! An error is `{"error": "a sentence"}`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A job that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// What is to be done: an order as TOML.
    pub order: String,
    /// The folder of results to make, as the pool sees it.
    pub out: PathBuf,
    /// Whether results that are there are replaced.
    pub overwrite: bool,
    /// Shape of the blocks; the pool's choice if none.
    pub block: Option<[usize; 3]>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for others.
    Queued,
    /// It runs.
    Running,
    /// Its results are there.
    Done,
    /// It could not be done.
    Failed,
    /// It was called off.
    Cancelled,
}

impl State {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will come of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Its name.
    pub id: String,
    /// The sample that it is about.
    pub sample: String,
    /// The folder of its results.
    pub out: PathBuf,
    /// The folder that the pool's machines share, of what lies between its steps.
    #[serde(default)]
    pub folder: PathBuf,
    /// How far it is.
    pub state: State,
    /// Seconds since 1970 when it was submitted.
    pub submitted: u64,
    /// Seconds since 1970 when it was over.
    pub finished: Option<u64>,
    /// What is being done, of how many voxels how many are done, and how many a second.
    #[serde(default)]
    pub stage: String,
    /// See `stage`.
    #[serde(default)]
    pub done: u64,
    /// See `stage`.
    #[serde(default)]
    pub total: u64,
    /// See `stage`.
    #[serde(default)]
    pub rate: f64,
    /// Blocks of the stage, done and all.
    #[serde(default)]
    pub blocks: [u64; 2],
    /// Workers that are there.
    #[serde(default)]
    pub workers: usize,
    /// What the user should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
}

impl JobInfo {
    /// Seconds that are left of the stage at the speed so far.
    pub fn left(&self) -> Option<f64> {
        (self.state == State::Running && self.rate > 0.0 && self.total > 0)
            .then(|| self.total.saturating_sub(self.done) as f64 / self.rate)
    }
}

/// A process that makes blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// A name that nobody else has.
    pub id: String,
    /// Where it runs.
    pub host: String,
    /// Of which version it is.
    pub version: String,
    /// Blocks that it makes at once.
    pub cores: usize,
}

/// What a worker is told when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Where tasks come from.
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// The folder that all must see.
    pub shared: PathBuf,
    /// A file in it with this text in it, to tell that it is the same.
    pub mark: String,
}

/// Where a pool on this machine leaves how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Its URL.
    pub url: String,
    /// The token that its job API asks for.
    pub token: String,
    /// A certificate that is trusted for it.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
}

impl Address {
    /// The file of the pool that the user runs on this machine.
    pub fn local() -> Option<PathBuf> {
        let folders = directories::ProjectDirs::from("", "", "voxelry")?;
        Some(folders.data_local_dir().join("pool.json"))
    }

    /// The pool with this name: `local` is the one that runs on this machine; with a URL the token is that of
    /// `VOXELRY_POOL_TOKEN` and the certificate that of `VOXELRY_POOL_CERTIFICATE`.
    ///
    /// # Errors
    /// In a sentence, if there is none, or it has no token.
    pub fn of(name: &str) -> Result<Self, String> {
        if name == "local" {
            let path = Self::local().ok_or("this machine has no folder for a user's data")?;
            let none = "no pool runs on this machine; start one with \"voxelry-pool local\"";
            let text = std::fs::read_to_string(&path).map_err(|_| none.to_owned())?;
            return serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()));
        }
        let token = std::env::var("VOXELRY_POOL_TOKEN").map_err(|_| {
            format!("{name}: the environment variable VOXELRY_POOL_TOKEN must hold its token")
        })?;
        let certificate = std::env::var_os("VOXELRY_POOL_CERTIFICATE").filter(|c| !c.is_empty());
        let certificate = certificate.map(PathBuf::from);
        Ok(Self { url: name.trim_end_matches('/').to_owned(), token, certificate })
    }
}

/// Speaks to a pool.
#[derive(Debug, Clone)]
pub struct Pool {
    address: Address,
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

/// How long an answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize)]
struct Failure {
    error: String,
}

impl Pool {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// In a sentence, if the certificate can't be read.
    pub fn new(address: Address) -> Result<Self, String> {
        let mut client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).connect_timeout(REQUEST_TIMEOUT);
        if let Some(path) = &address.certificate {
            let wrong = |e: String| format!("{}: {e}", path.display());
            let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
            let certificate =
                reqwest::Certificate::from_pem(&bytes).map_err(|e| wrong(crate::fetch::cause(&e)))?;
            client = client.add_root_certificate(certificate);
        }
        let client = client.build().map_err(|e| crate::fetch::cause(&e))?;
        Ok(Self { address, client, runtime: crate::runtime()? })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.address.url
    }

    /// Submits a job.
    ///
    /// # Errors
    /// In a sentence: what the pool says, or that it is not there.
    pub fn submit(&self, submission: &Submission) -> Result<JobInfo, String> {
        self.ask(reqwest::Method::POST, "/jobs", Some(submission))
    }

    /// All jobs, the newest first.
    ///
    /// # Errors
    /// As [`Pool::submit`].
    pub fn jobs(&self) -> Result<Vec<JobInfo>, String> {
        self.ask(reqwest::Method::GET, "/jobs", None::<&()>)
    }

    /// A job.
    ///
    /// # Errors
    /// As [`Pool::submit`].
    pub fn job(&self, id: &str) -> Result<JobInfo, String> {
        self.ask(reqwest::Method::GET, &format!("/jobs/{id}"), None::<&()>)
    }

    /// Calls a job off, or forgets one that is over.
    ///
    /// # Errors
    /// As [`Pool::submit`].
    pub fn cancel(&self, id: &str) -> Result<JobInfo, String> {
        self.ask(reqwest::Method::DELETE, &format!("/jobs/{id}"), None::<&()>)
    }

    /// The workers that are there.
    ///
    /// # Errors
    /// As [`Pool::submit`].
    pub fn workers(&self) -> Result<Vec<Worker>, String> {
        self.ask(reqwest::Method::GET, "/workers", None::<&()>)
    }

    /// Says that a worker is there.
    ///
    /// # Errors
    /// As [`Pool::submit`]; a worker of another version is refused.
    pub fn join(&self, worker: &Worker) -> Result<Join, String> {
        self.ask(reqwest::Method::POST, "/workers", Some(worker))
    }

    fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, String> {
        let url = format!("{}{path}", self.address.url);
        let mut request = self.client.request(method, &url).bearer_auth(&self.address.token);
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|e| e.to_string())?;
            request = request.header("content-type", "application/json").body(body);
        }
        let wrong = |e: reqwest::Error| format!("{}: {}", self.address.url, crate::fetch::cause(&e));
        let (status, bytes) = self.runtime.block_on(async {
            let answer = request.send().await.map_err(wrong)?;
            let status = answer.status();
            Ok::<_, String>((status, answer.bytes().await.map_err(wrong)?))
        })?;
        if !status.is_success() {
            let reason = serde_json::from_slice::<Failure>(&bytes)
                .map_or_else(|_| format!("{} answers {status}", self.address.url), |f| f.error);
            return Err(reason);
        }
        serde_json::from_slice(&bytes)
            .map_err(|e| format!("{} is not a pool of this version: {e}", self.address.url))
    }
}

/// An error as the API gives it.
pub fn failure(error: &str) -> String {
    serde_json::to_string(&Failure { error: error.to_owned() }).expect("plain data always encodes")
}
