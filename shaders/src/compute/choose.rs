//! Which device runs what, as `--device` says.

use super::kernels::Bound;
use super::{Computer, find_kernel};
use crate::gpu::{BACKENDS, Gpu, NO_ADAPTER};
use crate::{Error, Result};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use voxelry_core::blocks::{Accelerator, Chain, Step};
use voxelry_core::program::DeviceSums;
use voxelry_core::{Job, Region, Volume};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Whatever is faster.
    Auto,
    /// The processor.
    Cpu,
    /// A device, by its number in [`adapters`], or the best.
    Gpu(Option<usize>),
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(None)),
            _ => {
                let number = text.strip_prefix("gpu:").and_then(|n| n.parse().ok());
                number.map(|n| Self::Gpu(Some(n))).ok_or_else(|| {
                    format!("\"{text}\" is not auto, cpu, gpu, or gpu: with a number, such as gpu:1")
                })
            }
        }
    }
}

/// All adapters there are, in the order of their numbers.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = BACKENDS;
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(BACKENDS))
}

/// A device that runs the steps it was chosen for: those whose GPU kernels are proven equal to their operators, so that
/// a result never depends on what a machine has.
pub struct Chosen {
    choice: Choice,
    total: u64,
    computer: OnceLock<Option<Computer>>,
    said: Mutex<Vec<String>>,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// Voxels below which it is not worth looking for a device.
const SMALL: usize = 1 << 20;

impl Chosen {
    /// The device for a choice; `None` for the processor. Its buffers take at most `total` bytes. `tell` hears why
    /// a step runs where it does.
    ///
    /// # Errors
    /// If a device was asked for and there is none.
    pub fn new(
        choice: Choice,
        total: u64,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Option<Arc<Self>>> {
        let computer = OnceLock::new();
        let gpu = match choice {
            Choice::Cpu => return Ok(None),
            // Looked for when there is something to do.
            Choice::Auto => None,
            Choice::Gpu(None) => Some(Gpu::headless()?),
            Choice::Gpu(Some(number)) => Some(numbered(number)?),
        };
        if let Some(gpu) = gpu {
            let _ = computer.set(Some(Computer::new(gpu).within(total)));
        }
        Ok(Some(Arc::new(Self { choice, total, computer, said: Mutex::default(), tell: Box::new(tell) })))
    }

    /// The computer, if there is one to use.
    pub fn computer(&self) -> Option<&Computer> {
        self.computer.get_or_init(|| self.found()).as_ref()
    }

    /// A device that is worth trying.
    fn found(&self) -> Option<Computer> {
        let gpu = match Gpu::headless() {
            Ok(gpu) => gpu,
            Err(error) => {
                self.say(format!("device: the processor ({error})"));
                return None;
            }
        };
        let computer = Computer::new(gpu).within(self.total);
        if computer.info().device_type == wgpu::DeviceType::Cpu {
            // Software has to show once that it is faster.
            let times = computer.try_out();
            let slower = times.is_none_or(|t| t.device >= t.processor);
            if slower {
                let figures = times.map_or(String::new(), |t| {
                    format!(
                        ": smoothing takes {} there, {} without it",
                        milliseconds(t.device),
                        milliseconds(t.processor)
                    )
                });
                self.say(format!("device: the processor ({} is software{figures})", computer.info().name));
                return None;
            }
        }
        Some(computer)
    }

    /// Says something once.
    fn say(&self, text: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains(&text) {
            (self.tell)(&text);
            said.push(text);
        }
    }
}

fn numbered(number: usize) -> Result<Gpu> {
    let all = adapters();
    let count = all.len();
    let Some(adapter) = all.into_iter().nth(number) else {
        return Err(Error::NoAdapter(match count {
            0 => NO_ADAPTER.to_owned(),
            1 => format!("there is no device {number}; the only one is gpu:0"),
            _ => format!("there is no device {number}; there are gpu:0 to gpu:{}", count - 1),
        }));
    };
    Gpu::of(&adapter)
}

impl Accelerator for Chosen {
    fn takes(&self, steps: &[&Step], out: Region) -> usize {
        let auto = self.choice == Choice::Auto;
        if auto && out.len() < SMALL {
            return 0;
        }
        let Some(computer) = self.computer() else { return 0 };
        let name = &computer.info().name;
        let equal = |step: &&&Step| {
            find_kernel(step.op).is_some_and(|t| t.bound == Bound::Exact) && computer.is_proven(step)
        };
        let count = computer.takes(steps, out);
        let count = steps[..count].iter().take_while(equal).count();
        let names = |n: usize| steps[..n].iter().map(|s| s.op).collect::<Vec<_>>().join(" + ");
        if count == 0 {
            if let Some(step) = steps.first() {
                self.say(format!(
                    "{}: on the processor (no equal GPU kernel for these arguments or this size)",
                    step.op
                ));
            }
            return 0;
        }
        if !auto {
            self.say(format!("{}: on {name}", names(count)));
            return count;
        }
        // The longest chain that the device does faster.
        for n in (1..=count).rev() {
            let Some(times) = computer.estimate(&steps[..n], out) else { continue };
            let figures = format!(
                "about {} there, {} on the processor",
                milliseconds(times.device),
                milliseconds(times.processor)
            );
            if times.device < times.processor {
                self.say(format!("{}: on {name} ({figures})", names(n)));
                return n;
            }
            self.say(format!("{}: not on {name} ({figures})", names(n)));
        }
        0
    }

    fn run(&self, chain: &Chain, job: &Job) -> Option<voxelry_core::Result<Volume>> {
        let computer = self.computer()?;
        let made = computer.run_chain(chain, job);
        if made.is_none() {
            let ops: Vec<_> = chain.steps.iter().map(|s| s.op).collect();
            let why = if computer.is_lost() { "the device is lost" } else { "the device could not" };
            self.say(format!("{}: on the processor after all ({why})", ops.join(" + ")));
        }
        made
    }

    fn sums(
        &self,
        labels: &Volume,
        channels: &[&Volume],
        moments: bool,
        job: &Job,
    ) -> Option<voxelry_core::Result<DeviceSums>> {
        let auto = self.choice == Choice::Auto;
        if auto && labels.len() < SMALL {
            return None;
        }
        let computer = self.computer()?;
        let (name, times) = (&computer.info().name, computer.estimate_sums(labels, channels, moments)?);
        let pays = !auto || times.device < times.processor;
        let (there, here) = (milliseconds(times.device), milliseconds(times.processor));
        let place = if pays { "on" } else { "not on" };
        self.say(format!("sums of objects: {place} {name} (about {there} there, {here} on the processor)"));
        if pays {
            computer
                .sums(labels, channels, moments, job)
                .map(|sums| sums.map(|sums| Box::new(sums) as DeviceSums))
        } else {
            None
        }
    }
}

fn milliseconds(seconds: f64) -> String {
    let ms = 1e3 * seconds;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    #[test]
    fn devices_read_as_written() {
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        assert_eq!("gpu".parse(), Ok(Choice::Gpu(None)));
        assert_eq!("gpu:2".parse(), Ok(Choice::Gpu(Some(2))));
        assert!("gpu:".parse::<Choice>().is_err());
        assert!("tpu".parse::<Choice>().is_err());
    }
}
