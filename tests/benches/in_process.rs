//! voxprep's side of `cargo x bench-peers`: times a pipeline on arrays in memory, or the reading of
//! a file, inside one process. The peers' side and the tables are in `xtask/bench_peers/`.
//!
//! The first call finds no memory ready and is the *cold* time; the calls after it reuse what the
//! pool of `voxprep_core` kept and are the *warm* ones. Nothing else is inside the measured span.

#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::Array3;
use ndarray_npy::{ReadableElement, read_npy, write_npy};
use serde_json::{Value, json};
use voxprep_core::buf::Buf;
use voxprep_core::dispatch;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Element;
use voxprep_core::naive;
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::{Plan, RunOptions};
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Role, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_io::ReadOptions;
use voxprep_tests::registry;

const USAGE: &str = "\
Times voxprep inside one process; `cargo x bench-peers` starts it beside its peers.

in_process list
in_process read FILE [OPTION]...
in_process run PIPELINE.toml [--image FILE.npy] [--label FILE.npy] [OPTION]...
  --spacing X,Y,Z   mm [default: 1,1,1]
  --modality CT
  --naive           compare the first result with the naive interpreter's

OPTION:
  --threads N       [default: one for each processor]
  --calls N         calls after the first [default: 10]
  --budget S        no further call after so many seconds [default: 5]
  --result FILE     the first result's image as .npy, [z, y, x]";

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["list"] => {
            let names: Vec<String> = registry().iter().map(|entry| entry.name.clone()).collect();
            println!("{}", json!(names));
        }
        ["read", file, ref options @ ..] => {
            let options = Options::new(options)?;
            let read = || Ok(voxprep_io::read(Path::new(file), &ReadOptions::default())?);
            let (measured, volume) = options.measure(|_| read())?;
            options.write(&volume)?;
            println!("{measured}");
        }
        ["run", pipeline, ref options @ ..] => {
            let options = Options::new(options)?;
            let plan = Plan::new(
                Pipeline::from_toml(&fs::read_to_string(pipeline)?)?,
                &registry(),
            )?;
            let subject = options.subject()?;
            let (mut measured, first) = options.measure(|epoch| {
                let epoch = RunOptions {
                    epoch,
                    ..RunOptions::default()
                };
                Ok(plan.run(subject.clone(), &epoch)?)
            })?;
            if options.naive {
                let definition = naive::run(&plan, subject, &RunOptions::default())?;
                measured["naive"] = compare(&first, &definition)?;
            }
            options.write(
                first
                    .volume("image")
                    .ok_or("the pipeline leaves no image")?,
            )?;
            println!("{measured}");
        }
        // `cargo bench` and `cargo test --all-targets` start this with arguments of their own
        _ => println!("{USAGE}"),
    }
    Ok(())
}

/// What the arguments after the first say.
struct Options {
    image: Option<PathBuf>,
    label: Option<PathBuf>,
    spacing: [f64; 3],
    modality: Option<Modality>,
    naive: bool,
    calls: u64,
    budget: Duration,
    result: Option<PathBuf>,
}

impl Options {
    fn new(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            image: None,
            label: None,
            spacing: [1.0; 3],
            modality: None,
            naive: false,
            calls: 10,
            budget: Duration::from_secs(5),
            result: None,
        };
        let mut rest = arguments.iter();
        while let Some(&name) = rest.next() {
            if name == "--naive" {
                options.naive = true;
                continue;
            }
            let missing = || format!("{name} needs a value");
            let &value = rest.next().ok_or_else(missing)?;
            match name {
                "--image" => options.image = Some(value.into()),
                "--label" => options.label = Some(value.into()),
                "--modality" => options.modality = Some(value.parse()?),
                "--calls" => options.calls = value.parse()?,
                "--budget" => options.budget = Duration::try_from_secs_f64(value.parse()?)?,
                "--result" => options.result = Some(value.into()),
                "--threads" => {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(value.parse()?);
                    pool.build_global()?;
                }
                "--spacing" => {
                    let numbers: Vec<f64> =
                        value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                    options.spacing = numbers
                        .try_into()
                        .map_err(|_| "--spacing needs three numbers")?;
                }
                _ => return Err(format!("there is no option {name}").into()),
            }
        }
        Ok(options)
    }

    /// The subject whose voxels the arrays are.
    fn subject(&self) -> Result<Subject> {
        let mut subject = Subject::new("benchmark");
        if let Some(path) = &self.image {
            let volume = self.volume(path)?;
            let volume = match self.modality {
                Some(modality) => volume.with_modality(modality),
                None => volume,
            };
            subject.add("image", volume)?;
        }
        if let Some(path) = &self.label {
            subject.add("label", self.volume(path)?.into_labels()?)?;
        }
        Ok(subject)
    }

    fn volume(&self, path: &Path) -> Result<Volume> {
        self.array::<i16>(path)
            .or_else(|_| self.array::<f32>(path))
            .or_else(|_| self.array::<u8>(path))
            .or_else(|_| self.array::<u16>(path))
            .map_err(|error| format!("{error}: {}", path.display()).into())
    }

    /// An array `[z, y, x]` in a buffer of the pool, as the readers of files give it.
    fn array<T: Voxel + ReadableElement>(&self, path: &Path) -> Result<Volume> {
        let array: Array3<T> = read_npy(path)?;
        let (z, y, x) = array.dim();
        let values = array.as_slice().ok_or("is not in C order")?;
        let mut buf = Buf::<T>::for_overwrite(values.len())?;
        buf.as_mut_slice()?.copy_from_slice(values);
        let grid = Geometry::aligned([x, y, z], self.spacing, [0.0; 3])?;
        let voxels = Voxels::new(1, grid.size(), buf)?;
        Ok(Volume::new(grid, voxels)?)
    }

    /// Calls a function with 0, 1, 2, ...; returns the times of each call, and the first result.
    ///
    /// A result is dropped before the next call, so that its memory is there to be used again, but
    /// for the first, which is computed once more in the end.
    fn measure<T>(&self, call: impl Fn(u64) -> Result<T>) -> Result<(Value, T)> {
        let before = Memory::now();
        // the kernel then forgets the peak of what was done so far; without, it is only higher
        let forgotten = fs::write("/proc/self/clear_refs", "5").is_ok();
        let busy = busy_seconds();
        let cpu_at_start = cpu_seconds();
        let start = Instant::now();
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        for number in 0..=self.calls {
            if number > 1 && start.elapsed() > self.budget {
                break;
            }
            let (cpu_before, before) = (cpu_seconds(), Instant::now());
            let result = call(number)?;
            wall.push(before.elapsed().as_secs_f64());
            cpu.push(difference(cpu_before, cpu_seconds()));
            drop(result);
        }
        let span = start.elapsed().as_secs_f64();
        let own = difference(cpu_at_start, cpu_seconds());
        let others = match (difference(busy, busy_seconds()), own) {
            (Some(all), Some(own)) => Some(((all - own) / span).max(0.0)),
            _ => None,
        };
        let peak = Memory::now().peak.filter(|_| forgotten);
        let measured = json!({
            "wall": wall,
            "cpu": cpu,
            "others": others,
            "peak_mib": peak,
            "base_mib": before.resident,
        });
        Ok((measured, call(0)?))
    }

    fn write(&self, volume: &Volume) -> Result<()> {
        let Some(path) = &self.result else {
            return Ok(());
        };
        dispatch!(VoxelsView, volume.voxels().view(), view => {
            write_npy(path, &view.index_axis(ndarray::Axis(0), 0))?;
        });
        Ok(())
    }
}

/// The largest difference of each volume's values from those of the definition, and their range.
fn compare(subject: &Subject, definition: &Subject) -> Result<Value> {
    let mut volumes = serde_json::Map::new();
    for (name, volume) in subject.volumes() {
        let expected = definition.volume(name).ok_or("a volume is missing")?;
        let (values, expected) = (doubles(volume), doubles(expected));
        if values.len() != expected.len() {
            return Err(format!("'{name}' has another size than by definition").into());
        }
        let (mut low, mut high, mut largest) = (f64::INFINITY, f64::NEG_INFINITY, 0.0_f64);
        let mut different = 0_usize;
        for (value, expected) in values.iter().zip(&expected) {
            (low, high) = (low.min(*expected), high.max(*expected));
            different += usize::from(value != expected);
            let apart = (value - expected).abs();
            // what is not a number does not agree
            largest = largest.max(if apart.is_nan() { f64::INFINITY } else { apart });
        }
        let label = volume.role() == Role::Label;
        volumes.insert(
            name.to_owned(),
            json!({ "label": label, "range": high - low, "largest": largest,
                    "different": different as f64 / values.len() as f64 }),
        );
    }
    Ok(Value::Object(volumes))
}

fn doubles(volume: &Volume) -> Vec<f64> {
    dispatch!(VoxelsView, volume.voxels().view(), view => view.iter().map(|v| v.to_f64()).collect())
}

fn difference(from: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(to? - from?)
}

/// Seconds that the threads of this process have worked; `None` where the system does not tell.
fn cpu_seconds() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        let worked: f64 = text.split_whitespace().next()?.parse().ok()?;
        nanoseconds += worked;
    }
    Some(nanoseconds * 1e-9)
}

/// Seconds that all processors have worked since the machine started.
fn busy_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<f64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen
    let working: f64 = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|&i| fields.get(i))
        .sum();
    // in the ticks of the interface, of which Linux has 100 a second everywhere
    Some(working / 100.0)
}

/// Resident memory in MiB, now and at its peak; `None` where the system does not tell.
struct Memory {
    resident: Option<f64>,
    peak: Option<f64>,
}

impl Memory {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
            Some(kib / 1024.0)
        };
        Self {
            resident: field("VmRSS:"),
            peak: field("VmHWM:"),
        }
    }
}
