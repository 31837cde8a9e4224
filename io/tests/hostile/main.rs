//! Files that were made to do harm: the corpus of the fuzzer, and thousands of mutated headers.
//!
//! `VOXPREP_MUTATIONS=200000 cargo test -p voxprep-io --test hostile` makes more of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

#[path = "../../../fuzz/case.rs"]
mod case;
mod counting;
mod mutation;
mod seeds;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use case::Case;
use mutation::Random;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// The tests of this file take turns: they count the memory of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// A case that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(2);
const TICKS: u32 = 20;
/// Memory beyond the voxels: blocks of 1 MiB per thread, and what one gzip stream may have more.
const SLACK: usize = 8 << 20;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/read")
}

/// A folder in memory where the system has such a place: thousands of files would wait for a disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Runs a case. DESIGN 7: at most the declared voxels, 8 bytes each where they are widest, and
/// those at most 2,000 times the file.
fn run(case: &Case, folder: &std::path::Path) -> bool {
    let before = counting::reset_peak();
    let read = case.run(folder);
    let used = counting::peak().saturating_sub(before);
    let allowed = 8 * 2_000 * case.len() + SLACK;
    assert!(used <= allowed, "{used} bytes for {} of files", case.len());
    read
}

/// Ends the process when a case hangs: nothing else can stop it.
struct Watch;

/// The number of the running case, plus one; 0 between cases.
static RUNNING: AtomicU64 = AtomicU64::new(0);

impl Watch {
    fn start() -> Self {
        std::thread::spawn(|| {
            let (mut last, mut ticks) = (0, 0);
            loop {
                // Ticks, not a clock: a machine that sleeps is no case that hangs.
                std::thread::sleep(PATIENCE / TICKS);
                let running = RUNNING.load(Relaxed);
                ticks = if running == last { ticks + 1 } else { 0 };
                last = running;
                if running != 0 && ticks > TICKS {
                    eprintln!("mutation {} takes longer than {PATIENCE:?}", running - 1);
                    std::process::abort();
                }
            }
        });
        Self
    }

    fn during<T>(&self, number: u64, task: impl FnOnce() -> T) -> T {
        RUNNING.store(number + 1, Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(task));
        RUNNING.store(0, Relaxed);
        outcome.unwrap_or_else(|panic| {
            eprintln!("this was mutation {number}");
            resume_unwind(panic)
        })
    }
}

/// How much address space this process has had at most, bytes: the pool's blocks are not counted
/// by the allocator.
fn address_space() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmPeak:"));
    let digits: String = line
        .unwrap_or("0")
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse::<u64>().unwrap_or(0) << 10
}

/// No panic, no abort, no hang, no allocation beyond the limit, whatever a header says.
#[test]
fn mutated_headers_end_in_a_volume_or_one_line() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let count: u64 = std::env::var("VOXPREP_MUTATIONS").map_or(20_000, |n| n.parse().unwrap());
    let folder = folder();
    let seeds = seeds::all();
    let watch = Watch::start();
    let space = address_space();
    let mut volumes = 0;
    for number in 0..count {
        let mut random = Random::new(number);
        let seed = &seeds[random.below(seeds.len())];
        let case = mutation::mutated(seed, &mut random);
        volumes += u64::from(watch.during(number, || run(&case, folder.path())));
    }
    // The largest file of the seeds is 40 kB: no block of the pool is larger than 700 MB.
    assert!(address_space() - space < 1 << 30);
    println!("{volumes} of {count} mutated files were read as volumes");
    // Mutations that nothing survives, or that change nothing, test nothing.
    assert!(
        volumes > count / 20 && volumes < count * 19 / 20,
        "{volumes} of {count}"
    );
}

/// What the fuzzer once found, and what it starts from.
#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let folder = folder();
    let watch = Watch::start();
    let mut names: Vec<_> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= seeds::all().len());
    for (number, path) in names.iter().enumerate() {
        let case = Case::parse(&fs::read(path).unwrap()).unwrap();
        let read = watch.during(number as u64, || run(&case, folder.path()));
        let seed = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("seed-");
        assert!(read || !seed, "{}", path.display());
    }
}

/// `VOXPREP_WRITE_CORPUS=1` writes them anew.
#[test]
fn the_seeds_of_the_corpus_are_those_of_the_tests() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let write = std::env::var_os("VOXPREP_WRITE_CORPUS").is_some();
    for (number, seed) in seeds::all().iter().enumerate() {
        let path = corpus().join(format!("seed-{number:02}"));
        if write {
            fs::create_dir_all(corpus()).unwrap();
            fs::write(&path, seed.bytes()).unwrap();
        }
        assert!(
            fs::read(&path).unwrap() == seed.bytes(),
            "{}",
            path.display()
        );
    }
}
