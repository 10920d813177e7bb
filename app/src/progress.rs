//! Progress on a terminal: one line that is rewritten; plain lines when piped.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use voxelry_core::Job;
use voxelry_core::jobs::Event;

/// True if the cursor stands on a line of progress that is to be rewritten.
static REWRITING: AtomicBool = AtomicBool::new(false);

/// A line on standard error, in the place of a line of progress. Nobody may be listening any more; that is no reason
/// to stop the work.
pub fn tell(line: &str) {
    clear();
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Puts a line of progress in the place of the one before.
fn rewrite(line: &str) {
    REWRITING.store(true, Ordering::Relaxed);
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "\r\x1b[2K{line}").and_then(|()| terminal.flush());
}

/// Removes the line of progress, if there is one.
fn clear() {
    if REWRITING.swap(false, Ordering::Relaxed) {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}

/// Messages of a run, for its provenance.
#[derive(Default, Clone)]
pub struct Heard {
    /// Values found on the way.
    pub facts: BTreeMap<String, f64>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// Shows a job's events and collects its facts and warnings.
#[derive(Clone)]
pub struct Progress {
    state: Arc<Mutex<State>>,
}

struct State {
    heard: Heard,
    stage: String,
    since: Instant,
    shown: Instant,
    /// Voxels of the stage that are done, and all of them.
    done: u64,
    total: u64,
    terminal: bool,
    quiet: bool,
    verbose: bool,
}

impl Progress {
    /// `quiet` shows only warnings; `verbose` also notes.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        let state = State {
            heard: Heard::default(),
            stage: String::new(),
            since: Instant::now(),
            shown: Instant::now(),
            done: 0,
            total: 0,
            terminal: std::io::stderr().is_terminal(),
            quiet,
            verbose,
        };
        let state = Arc::new(Mutex::new(state));
        if !quiet && !std::io::stderr().is_terminal() {
            beat(&state);
        }
        Self { state }
    }

    /// A job whose events are shown here.
    pub fn job(&self) -> Job {
        let state = self.state.clone();
        Job::new(move |event| {
            state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(event);
        })
    }

    /// Ends the line that is being rewritten, and hands over what was heard since the last time.
    pub fn finish(&self) -> Heard {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        clear();
        state.stage.clear();
        (state.done, state.total) = (0, 0);
        std::mem::take(&mut state.heard)
    }

    /// A line for the user, kept apart from the one that is being rewritten.
    pub fn say(&self, line: &str) {
        let state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !state.quiet {
            tell(line);
        }
    }
}

/// Pause between lines of progress where there is no terminal.
const BEAT: Duration = Duration::from_secs(10);

/// Tells at a fixed rhythm where the work is, for as long as somebody holds the state.
fn beat(state: &Arc<Mutex<State>>) {
    let state = Arc::downgrade(state);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(BEAT);
            let Some(state) = state.upgrade() else { return };
            let line = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).line();
            if let Some(line) = line {
                tell(&line);
            }
        }
    });
}

impl State {
    fn take(&mut self, event: Event) {
        match event {
            Event::Stage { name, .. } => {
                if name != self.stage && !self.quiet && !self.terminal {
                    tell(&name);
                }
                if name != self.stage {
                    self.since = Instant::now();
                    self.shown = self.since;
                    self.stage = name;
                }
                (self.done, self.total) = (0, 0);
                self.show();
            }
            Event::Progress { done, total } => {
                (self.done, self.total) = (done, total);
                if self.shown.elapsed() >= Duration::from_millis(100) {
                    self.shown = Instant::now();
                    self.show();
                }
            }
            Event::Warning(message) => {
                tell(&format!("warning: {message}"));
                self.heard.warnings.push(message);
            }
            Event::Caution(message) => tell(&format!("warning: {message}")),
            Event::Note(message) => {
                if self.verbose {
                    tell(&message);
                }
            }
            Event::Fact { name, value } => {
                if self.verbose {
                    tell(&format!("{name} = {value}"));
                }
                self.heard.facts.insert(name, value);
            }
        }
    }

    /// On a terminal, where the work is.
    fn show(&self) {
        if self.terminal && !self.quiet {
            rewrite(&describe(&self.stage, self.done, self.total, self.since.elapsed()));
        }
    }

    /// The line of a stage that has begun to count.
    fn line(&self) -> Option<String> {
        let counts = self.done > 0 && self.total > 0;
        counts.then(|| describe(&self.stage, self.done, self.total, self.since.elapsed()))
    }
}

fn describe(stage: &str, done: u64, total: u64, elapsed: Duration) -> String {
    if done == 0 || total == 0 || elapsed < Duration::from_millis(50) {
        return stage.to_owned();
    }
    let fraction = done as f64 / total as f64;
    let seconds = elapsed.as_secs_f64();
    let left = seconds / fraction - seconds;
    let unit = if stage == "drawing" { "pixels" } else { "voxels" };
    format!(
        "{stage}  {:.0} %  {}{unit}/s  {} left",
        fraction * 100.0,
        rate(done as f64 / seconds),
        time(left)
    )
}

fn rate(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.1} G", v / 1e9),
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v if v >= 1e3 => format!("{:.1} k", v / 1e3),
        v => format!("{v:.0} "),
    }
}

fn time(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_of_once_it_counts() {
        let progress = Progress::new(true, false);
        let job = progress.job();
        let line = || progress.state.lock().unwrap().line();
        job.stage("local thickness", 1000);
        assert_eq!(line(), None);
        job.advance(250);
        std::thread::sleep(Duration::from_millis(60));
        assert!(line().unwrap().starts_with("local thickness  25 %"));
        job.stage("montage", 10);
        assert_eq!(line(), None);
        job.advance(10);
        progress.finish();
        assert_eq!(line(), None);
    }

    #[test]
    fn a_line_gives_percentage_rate_and_time_left() {
        let line = describe("median", 25_000_000, 100_000_000, Duration::from_secs(10));
        assert_eq!(line, "median  25 %  2.5 Mvoxels/s  30 s left");
        assert_eq!(describe("median", 0, 100, Duration::from_secs(1)), "median");
        assert_eq!(time(3725.0), "1 h 2 min");
    }
}
