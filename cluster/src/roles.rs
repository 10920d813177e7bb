//! The roles of the program.

use crate::VERSION;
use crate::api::{self, Api};
use crate::jobs::Jobs;
use crate::kernel::use_device;
use crate::query::{LogicalCodec, PhysicalCodec};
use crate::roots::Roots;
use crate::tls::{self, TlsListener};
use anyhow::{Context, Result, anyhow, bail};
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::extension::SessionConfigExt;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::start_server;
use clap::ArgMatches;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use voxelry_stores::pool::{Address, Join, Pool, Worker};

/// How often a worker says that it is there.
const BEAT: Duration = Duration::from_secs(4);
/// A worker of which nothing is heard for so long is taken for dead, in seconds.
const DEAD: u64 = 16;
/// How often that is looked for, in seconds.
const LOOK: u64 = 2;
/// How long a phase waits for the first worker, in seconds.
const NOBODY: u64 = 24 * 3600;
/// How long a worker tries to reach its coordinator.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(10);

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")
}

/// A name that nobody else has, and nobody can guess.
fn secret() -> Result<String> {
    let mut bytes = [0u8; 24];
    getrandom::fill(&mut bytes).map_err(|e| anyhow!("the system has no random numbers: {e}"))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// A folder of this user for the pool of this machine.
fn own_folder() -> Result<PathBuf> {
    let path = Address::local().ok_or_else(|| anyhow!("this machine has no folder for a user's data"))?;
    Ok(path.parent().expect("it is in a folder").to_owned())
}

/// What a coordinator serves, as it was asked for.
struct Serving {
    host: String,
    port: u16,
    tasks: u16,
    shared: PathBuf,
    roots: Roots,
    at_once: usize,
    token: String,
    tls: Option<(PathBuf, PathBuf)>,
}

impl Serving {
    fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    fn of(m: &ArgMatches, host: String, tasks: u16, shared: PathBuf, token: String) -> Result<Self> {
        let given: Vec<&str> =
            m.get_many::<String>("root").into_iter().flatten().map(String::as_str).collect();
        let given = if given.is_empty() { vec!["."] } else { given };
        let path = |name: &str| m.get_one::<PathBuf>(name).cloned();
        Ok(Self {
            host,
            port: *m.get_one("port").expect("default"),
            tasks,
            shared,
            roots: Roots::new(given).map_err(|e| anyhow!(e))?,
            at_once: *m.get_one("jobs").expect("default"),
            token,
            tls: path("tls-certificate").zip(path("tls-key")),
        })
    }
}

/// A coordinator for many machines.
pub fn coordinator(m: &ArgMatches) -> Result<()> {
    let token = std::env::var("VOXELRY_POOL_TOKEN").ok().filter(|t| t.len() >= 16).ok_or_else(|| {
        anyhow!("the environment variable VOXELRY_POOL_TOKEN must hold a token of at least 16 characters")
    })?;
    let host = m.get_one::<String>("host").expect("default").clone();
    let shared = m.get_one::<PathBuf>("shared").expect("required").clone();
    let serving = Serving::of(m, host, *m.get_one("task-port").expect("default"), shared, token)?;
    let runtime = runtime()?;
    runtime.block_on(serve(serving, None))
}

/// Coordinator and worker in one.
pub fn local(m: &ArgMatches) -> Result<()> {
    use_device(m.get_one::<String>("device").expect("default"))?;
    let folder = own_folder()?;
    let shared = m.get_one::<PathBuf>("shared").cloned().unwrap_or_else(|| folder.join("pool"));
    let tasks = free_port("127.0.0.1")?;
    let serving = Serving::of(m, "127.0.0.1".into(), tasks, shared, secret()?)?;
    let address = Address {
        url: serving.url(),
        token: serving.token.clone(),
        certificate: serving.tls.as_ref().map(|(certificate, _)| certificate.clone()),
    };
    let runtime = runtime()?;
    runtime.block_on(serve(serving, Some((address, cores(m)))))
}

fn cores(m: &ArgMatches) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, |n| n.get());
    m.get_one("cores").copied().unwrap_or_else(all).max(1)
}

fn free_port(host: &str) -> Result<u16> {
    let listener =
        std::net::TcpListener::bind((host, 0)).with_context(|| format!("{host}: nothing can listen"))?;
    Ok(listener.local_addr()?.port())
}

/// A coordinator; with a worker in it and an address to leave for this user's programs if it is a local one.
async fn serve(serving: Serving, own: Option<(Address, usize)>) -> Result<()> {
    std::fs::create_dir_all(&serving.shared).with_context(|| serving.shared.display().to_string())?;
    let shared = std::fs::canonicalize(&serving.shared)?;
    let _alone = alone(&shared)?;
    let mark = secret()?;
    std::fs::write(shared.join("mark"), &mark).with_context(|| shared.display().to_string())?;
    let tls = serving.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key));
    let tls = tls.transpose().map_err(|e| anyhow!(e))?;
    let at: SocketAddr = format!("{}:{}", serving.host, serving.port)
        .parse()
        .with_context(|| format!("{} is not an address such as 192.168.1.4", serving.host))?;
    let listener =
        TcpListener::bind(at).await.with_context(|| format!("port {} can't be had", serving.port))?;
    let scheduler = tokio::spawn(schedule(serving.host.clone(), serving.tasks));
    let jobs = Jobs::open(
        &shared.join("jobs"),
        serving.roots.clone(),
        tokio::runtime::Handle::current(),
        (serving.host.clone(), serving.tasks),
        serving.at_once,
    )?;
    let join = Join { host: serving.host.clone(), port: serving.tasks, shared: shared.clone(), mark };
    let url = serving.url();
    let mut written = None;
    if let Some((address, cores)) = own {
        let worker = Worker { id: secret()?, host: "this machine".into(), version: VERSION.into(), cores };
        let (jobs, join) = (jobs.clone(), join.clone());
        let same = worker.clone();
        tokio::spawn(async move {
            loop {
                jobs.beat(same.clone());
                tokio::time::sleep(BEAT).await;
            }
        });
        tokio::spawn(async move {
            if let Err(error) = execute(&worker, "127.0.0.1", &join, None).await {
                eprintln!("voxelry-pool: {error:#}");
                std::process::exit(1);
            }
        });
        written = Some(Left::new(&address)?);
    }
    let api = Api { jobs, token: serving.token, join };
    println!("voxelry-pool {VERSION} at {url}; jobs are in {}", shared.display());
    if written.is_some() {
        println!(
            "voxelry run --pool local … gives it jobs; Ctrl+C ends it, and jobs go on when it is started again"
        );
    }
    tokio::select! {
        served = api::serve(api, TlsListener::new(listener, at, tls)) => served.context("the job API"),
        ended = scheduler => ended.context("the scheduler")?,
        stopped = stopped() => stopped,
    }
}

/// Ends when the program is asked to.
async fn stopped() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done?,
            _ = term.recv() => {}
        }
        Ok(())
    }
    #[cfg(not(unix))]
    Ok(tokio::signal::ctrl_c().await?)
}

/// Makes sure that no other coordinator has the folder.
fn alone(shared: &Path) -> Result<std::fs::File> {
    let path = shared.join("lock");
    let file = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        bail!("{}: another coordinator runs with this folder", shared.display());
    }
    Ok(file)
}

/// The file that says how the pool of this machine is reached; it goes with the pool.
struct Left(PathBuf);

impl Left {
    fn new(address: &Address) -> Result<Self> {
        let folder = own_folder()?;
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let path = Address::local().expect("its folder is known");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).with_context(|| path.display().to_string())?;
        serde_json::to_writer(file, address)?;
        Ok(Self(path))
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the engine's sessions know: nothing but its own functions.
fn session(config: SessionConfig) -> datafusion::error::Result<SessionState> {
    Ok(SessionStateBuilder::new().with_default_features().with_config(config).build())
}

async fn schedule(host: String, port: u16) -> Result<()> {
    let config = SchedulerConfig {
        bind_host: host.clone(),
        external_host: host.clone(),
        bind_port: port,
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: DEAD,
        expire_dead_executor_interval_seconds: LOOK,
        no_executors_grace_period_seconds: NOBODY,
        override_physical_codec: Some(Arc::new(PhysicalCodec::default())),
        override_logical_codec: Some(Arc::new(LogicalCodec::default())),
        override_session_builder: Some(Arc::new(session)),
        ..Default::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let at = format!("{host}:{port}").parse()?;
    start_server(cluster, at, Arc::new(config)).await?;
    bail!("the scheduler ended")
}

/// Makes tasks until the program ends.
async fn execute(worker: &Worker, host: &str, join: &Join, temporary: Option<PathBuf>) -> Result<()> {
    let temporary = temporary.unwrap_or_else(std::env::temp_dir).join(format!("voxelry-pool-{}", worker.id));
    std::fs::create_dir_all(&temporary).with_context(|| temporary.display().to_string())?;
    let config = ExecutorProcessConfig {
        executor_id: worker.id.clone(),
        bind_host: host.to_owned(),
        external_host: Some(host.to_owned()),
        port: free_port(host)?,
        grpc_port: free_port(host)?,
        scheduler_host: join.host.clone(),
        scheduler_port: join.port,
        scheduler_connect_timeout_seconds: CONNECT_TIMEOUT.as_secs() as u16,
        vcores: worker.cores,
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        executor_heartbeat_interval_seconds: BEAT.as_secs(),
        work_dir: Some(temporary.to_string_lossy().into_owned()),
        override_physical_codec: Some(Arc::new(PhysicalCodec::default())),
        override_logical_codec: Some(Arc::new(LogicalCodec::default())),
        override_config_producer: Some(Arc::new(SessionConfig::new_with_ballista)),
        ..Default::default()
    };
    let ended = start_executor_process(Arc::new(config)).await;
    let _ = std::fs::remove_dir_all(&temporary);
    ended.map_err(Into::into)
}

/// A worker of a coordinator elsewhere.
pub fn worker(m: &ArgMatches) -> Result<()> {
    use_device(m.get_one::<String>("device").expect("default"))?;
    let url = m.get_one::<String>("join").expect("required");
    let host = m.get_one::<String>("host").expect("default").clone();
    let pool = Pool::new(Address::of(url).map_err(|e| anyhow!(e))?).map_err(|e| anyhow!(e))?;
    let worker = Worker { id: secret()?, host: host.clone(), version: VERSION.into(), cores: cores(m) };
    let join = pool.join(&worker).map_err(|e| anyhow!(e))?;
    let mark = std::fs::read_to_string(join.shared.join("mark")).unwrap_or_default();
    if mark != join.mark {
        bail!(
            "{}: this machine doesn't see the folder that the pool's machines share",
            join.shared.display()
        );
    }
    let beating = worker.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(BEAT);
            // A coordinator that is away for a while comes back.
            let _ = pool.join(&beating);
        }
    });
    println!("voxelry-pool {VERSION} worker: {} blocks at once for {url}", worker.cores);
    let temporary = m.get_one::<PathBuf>("temporary").cloned();
    runtime()?.block_on(execute(&worker, &host, &join, temporary))
}
