//! The pool, with real processes on this machine: whatever happens to them, a job ends with the bytes of a run in memory,
//! or with a clear error.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use voxelry_stores::pool::{Address, JobInfo, Pool, State, Worker};
use voxelry_tests::program::{assert_same_files, program, succeeds, text, voxelry};
use voxelry_tests::server::Server;

const TOKEN: &str = "a token that nobody guesses";

/// The program that `cargo build --workspace` made beside this test.
fn pool_program() -> PathBuf {
    let path = program().with_file_name("voxelry-pool");
    assert!(path.is_file(), "{} is not there: cargo build --workspace", path.display());
    path
}

/// Signals a process by its name for it: STOP, CONT, TERM.
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.expect("kill is everywhere").success());
}

/// A coordinator and its workers, which go when it is dropped.
struct Site {
    folder: TempDir,
    ports: [u16; 2],
    /// What jobs may name besides the folder.
    root: Option<String>,
    coordinator: Option<Child>,
    workers: Vec<Child>,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in self.coordinator.iter_mut().chain(&mut self.workers) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Site {
    fn new(workers: usize) -> Self {
        Self::with_root(workers, None)
    }

    fn with_root(workers: usize, root: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = [free_port(), free_port()];
        let mut site = Self { folder, ports, root, coordinator: None, workers: Vec::new() };
        site.start();
        for _ in 0..workers {
            site.join();
        }
        site
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    fn command(&self) -> Command {
        let mut command = Command::new(pool_program());
        let log = std::fs::File::options().append(true).create(true).open(self.path().join("log")).unwrap();
        command.current_dir(self.path()).env("VOXELRY_POOL_TOKEN", TOKEN).env("VOXELRY_LOG", "warn");
        // What is read from a store is read from there every time.
        command.env("VOXELRY_CACHE_BUDGET", "0");
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    /// Starts the coordinator, and waits until it answers.
    fn start(&mut self) {
        let mut command = self.command();
        command.args(["coordinator", "--shared", "shared", "--root", "."]);
        command.args(self.root.iter().flat_map(|root| ["--root", root]));
        command.args(["--port", &self.ports[0].to_string(), "--task-port", &self.ports[1].to_string()]);
        self.coordinator = Some(command.spawn().unwrap());
        self.until("the coordinator", Duration::from_secs(20), |site| {
            site.pool().jobs().is_ok().then_some(())
        });
    }

    /// Adds a worker, and waits until it is known.
    fn join(&mut self) {
        let before = self.pool().workers().unwrap().len();
        let mut command = self.command();
        command.args(["worker", "--join", &self.url(), "--cores", "1"]);
        self.workers.push(command.spawn().unwrap());
        self.until("a worker", Duration::from_secs(20), |site| {
            (site.pool().workers().unwrap().len() > before).then_some(())
        });
    }

    fn pool(&self) -> Pool {
        Pool::new(Address { url: self.url(), token: TOKEN.into(), certificate: None }).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    #[track_caller]
    fn until<T>(&self, what: &str, patience: Duration, found: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let late = begun.elapsed() > patience;
            assert!(!late, "{what} does not come\n{}\n{:?}", self.log(), self.pool().jobs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The command line's program, which knows the pool.
    fn voxelry(&self, arguments: &str) -> Command {
        let mut command = voxelry(self.path(), arguments);
        command.env("VOXELRY_POOL_TOKEN", TOKEN);
        command
    }

    /// Runs a recipe on the pool, in the background.
    fn submit(&self, recipe: &str, out: &str, block: usize) -> Child {
        self.submit_on("image.nii.gz", recipe, out, block)
    }

    fn submit_on(&self, image: &str, recipe: &str, out: &str, block: usize) -> Child {
        let url = self.url();
        let mut run =
            self.voxelry(&format!("run -q -r {recipe} {image} --pool {url} --block {block} --out {out}"));
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The job that runs, once it has come to a stage whose name has this in it.
    #[track_caller]
    fn at(&self, stage: &str) -> JobInfo {
        self.until(stage, Duration::from_mins(2), |site| {
            let jobs = site.pool().jobs().ok()?;
            assert!(jobs.iter().all(|j| j.state != State::Failed), "{jobs:?}");
            jobs.into_iter().find(|job| job.state == State::Running && job.stage.contains(stage))
        })
    }
}

#[track_caller]
fn ends_well(child: Child, site: &Site) {
    let output: Output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), site.log());
}

/// A foam, and the results of a run in memory. Paths are as the pool writes them.
fn sample(site: &Site, recipe: &str) -> PathBuf {
    succeeds(site.path(), "sample foam --size 64 --out image.nii.gz");
    let image = std::fs::canonicalize(site.path()).unwrap().join("image.nii.gz");
    succeeds(site.path(), &format!("run -q -r {recipe} {} --out memory", image.display()));
    site.path().join("memory")
}

#[test]
fn the_pool_makes_the_bytes_of_memory_whatever_happens_to_its_workers() {
    let mut site = Site::new(3);
    let memory = sample(&site, "foam");
    // Nothing happens.
    ends_well(site.submit("foam", "quiet", 32), &site);
    assert_same_files(&memory, &site.path().join("quiet"));
    // One is killed, one is away for a while, one leaves politely, and one comes.
    let run = site.submit("foam", "faults", 16);
    site.at("split: flooding");
    site.workers[0].kill().unwrap();
    let begun = Instant::now();
    signal(&site.workers[1], "STOP");
    std::thread::sleep(Duration::from_secs(2));
    signal(&site.workers[1], "CONT");
    site.join();
    // One ends as a program does whose kernel aborts.
    signal(&site.workers[3], "ABRT");
    site.join();
    site.at("measure");
    let recovered = begun.elapsed();
    signal(&site.workers[2], "TERM");
    ends_well(run, &site);
    assert_same_files(&memory, &site.path().join("faults"));
    assert!(recovered < Duration::from_mins(1), "{recovered:?}");
    // What lay between the steps is gone, or goes now.
    site.until("the end of tiles", Duration::from_secs(10), |site| {
        let jobs = std::fs::read_dir(site.path().join("shared/jobs")).unwrap();
        let files = |job: PathBuf| std::fs::read_dir(job).unwrap().flatten().all(|e| !e.path().is_dir());
        jobs.flatten().all(|job| files(job.path())).then_some(())
    });
}

#[test]
fn a_coordinator_that_is_killed_goes_on_with_its_jobs() {
    let mut site = Site::new(2);
    let memory = sample(&site, "foam");
    let run = site.submit("foam", "out", 16);
    let id = site.at("split: flooding").id;
    site.coordinator.as_mut().unwrap().kill().unwrap();
    site.coordinator.as_mut().unwrap().wait().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    site.start();
    // Who followed the job goes on, too.
    ends_well(run, &site);
    assert_same_files(&memory, &site.path().join("out"));
    assert_eq!(site.pool().job(&id).unwrap().state, State::Done);
    let names = voxelry_tests::program::names(site.path());
    assert!(names.iter().all(|n| !n.starts_with('.')), "{names:?}");
}

/// Files of one worker may not grow beyond a few blocks, which is what a full disk looks like to it.
#[test]
fn a_worker_with_a_full_disk_does_no_harm() {
    let mut site = Site::new(1);
    let memory = sample(&site, "foam");
    let join = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' worker --join {} --cores 1",
        pool_program().display(),
        site.url()
    );
    let mut limited = Command::new("sh");
    limited.args(["-c", &join]).current_dir(site.path()).env("VOXELRY_POOL_TOKEN", TOKEN);
    site.workers.push(limited.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    site.until("both workers", Duration::from_secs(20), |site| {
        (site.pool().workers().unwrap().len() == 2).then_some(())
    });
    ends_well(site.submit("foam", "out", 32), &site);
    assert_same_files(&memory, &site.path().join("out"));
}

/// An image at an address that is away for a while, and a worker that is ten times slower than the other.
#[test]
fn a_store_that_is_away_and_a_slow_worker_hold_a_job_up_and_no_more() {
    let images = tempfile::tempdir().unwrap();
    let server = Server::new(images.path());
    let mut site = Site::with_root(2, Some(server.url.clone()));
    succeeds(images.path(), "sample foam --size 64 --out image.nii.gz");
    succeeds(images.path(), "convert image.nii.gz image.ome.zarr --chunk 16");
    let image = format!("{}image.ome.zarr", server.url);
    succeeds(site.path(), &format!("run -q -r foam {image} --out memory"));
    // The workers wait until there is something to be read that is not there.
    site.workers.iter().for_each(|worker| signal(worker, "STOP"));
    let run = site.submit_on(&image, "foam", "out", 16);
    site.at("median");
    server.away.store(true, SeqCst);
    site.workers.iter().for_each(|worker| signal(worker, "CONT"));
    let away = if std::env::var_os("VOXELRY_LONG").is_some() { 20 } else { 8 };
    std::thread::sleep(Duration::from_secs(away));
    server.away.store(false, SeqCst);
    assert!(server.refused.load(SeqCst) > 0, "it was asked for what it has");
    site.at("split");
    let slow = site.workers.swap_remove(0);
    while !site.pool().jobs().unwrap().iter().all(|job| job.state.is_over()) {
        signal(&slow, "STOP");
        std::thread::sleep(Duration::from_millis(180));
        signal(&slow, "CONT");
        std::thread::sleep(Duration::from_millis(20));
    }
    site.workers.push(slow);
    ends_well(run, &site);
    assert_same_files(&site.path().join("memory"), &site.path().join("out"));
}

/// Workers that come and go all the time, and a coordinator that is killed again and again: `cargo xtask test --long`.
#[test]
fn a_job_ends_well_whoever_comes_and_goes() {
    if std::env::var_os("VOXELRY_LONG").is_none() {
        println!("skipped: only in the long form of the tests");
        return;
    }
    for (recipe, block) in [("foam", 16), ("granules", 24), ("bone", 32), ("cells", 20)] {
        let mut site = Site::new(3);
        let memory = sample(&site, recipe);
        let run = site.submit(recipe, "out", block);
        let mut random = block as u64;
        let over = |site: &Site| site.pool().jobs().is_ok_and(|j| j.iter().any(|j| j.state.is_over()));
        while !over(&site) {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            std::thread::sleep(Duration::from_millis(500 + (random >> 52)));
            let which = (random >> 33) as usize % site.workers.len();
            match (random >> 20) % 4 {
                0 => {
                    let _ = site.workers[which].kill();
                    site.join();
                }
                1 => {
                    signal(&site.workers[which], "STOP");
                    std::thread::sleep(Duration::from_secs(3));
                    signal(&site.workers[which], "CONT");
                }
                2 => site.join(),
                _ => {
                    site.coordinator.as_mut().unwrap().kill().unwrap();
                    site.coordinator.as_mut().unwrap().wait().unwrap();
                    site.start();
                }
            }
        }
        ends_well(run, &site);
        assert_same_files(&memory, &site.path().join("out"));
    }
}

#[test]
fn jobs_are_cancelled_soon_and_wrong_ones_are_refused() {
    let site = Site::new(1);
    succeeds(site.path(), "sample foam --size 96 --out image.nii.gz");
    let run = site.submit("foam", "out", 96);
    let job = site.at("split");
    let begun = Instant::now();
    site.pool().cancel(&job.id).unwrap();
    site.until("the end", Duration::from_secs(10), |site| {
        site.pool().job(&job.id).unwrap().state.is_over().then_some(())
    });
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(site.pool().job(&job.id).unwrap().state, State::Cancelled);
    ends_well(run, &site);
    assert!(!site.path().join("out").exists());
    let listed = site.voxelry(&format!("jobs --pool {}", site.url())).output().unwrap();
    assert!(text(&listed.stdout).contains("cancelled"), "{}", text(&listed.stdout));

    // Another token, another version, another place.
    let stranger = Address { url: site.url(), token: "another token".into(), certificate: None };
    let reason = Pool::new(stranger).unwrap().jobs().unwrap_err();
    assert!(reason.contains("token"), "{reason}");
    let old = Worker { id: "w".into(), host: "h".into(), version: "0.0.1".into(), cores: 1 };
    let reason = site.pool().join(&old).unwrap_err();
    assert!(reason.contains("of version") && reason.contains("0.0.1"), "{reason}");
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = |arguments: String| {
        let output = site.voxelry(&arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments}");
        text(&output.stderr)
    };
    let url = site.url();
    let out = elsewhere.path().display();
    let said = refused(format!("run -q -r foam image.nii.gz --pool {url} --out {out}/out"));
    assert!(said.contains("--root"), "{said}");
    let said = refused(format!("run -q -r foam http://127.0.0.1:1/a.zarr --pool {url} --out o"));
    assert!(said.contains("--root"), "{said}");
    // A damaged image ends a job with the reason.
    let bytes = std::fs::read(site.path().join("image.nii.gz")).unwrap();
    std::fs::write(site.path().join("image.nii.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let said = refused(format!("run -q -r foam image.nii.gz --pool {url} --out o"));
    assert!(said.contains("image.nii.gz") && said.contains("compressed data end"), "{said}");
    assert!(!site.path().join("o").exists());
}
