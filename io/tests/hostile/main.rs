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
mod repair;
mod seeds;
mod text;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use case::{Case, NIFTI, READERS, Reader};
use mutation::Random;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// The tests of this file take turns: they count the memory of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// A case that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(2);
const TICKS: u32 = 20;
/// Memory beyond the voxels: blocks of 1 MiB per thread, and what one gzip stream may have more.
const SLACK: u64 = 8 << 20;
/// Resident memory comes in huge pages and is kept by the allocator.
const RESIDENT_SLACK: u64 = 24 << 20;
/// Header extensions are carried up to this.
const EXTENSIONS: u64 = 16 << 20;

fn corpus(reader: &Reader) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(reader.name)
}

/// A folder in memory where the system has such a place: thousands of files would wait for a disk.
fn folder() -> tempfile::TempDir {
    // What a case leaves behind would hide what the next one takes.
    voxprep_core::pool::retain_at_most(0);
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Runs a case, and returns whether there was a volume.
///
/// DESIGN 7: at most the declared voxels, 8 bytes each where they are widest. That is allowed
/// three times, as the case holds them: the numbers of the file or of its copy beside the voxels,
/// and the voxels read again. Of the file itself, and of its extensions, there are some copies.
fn run(case: &Case, folder: &std::path::Path) -> bool {
    let before = counting::reset_peak() as u64;
    let resident = counting::reset_resident();
    let outcome = case.run(folder);
    let files = case.len() as u64;
    // Where there was no volume nothing says how many there were: what the files can hold.
    let extensions = outcome.extensions.unwrap_or(EXTENSIONS.min(1032 * files));
    let allowed = 3 * 8 * outcome.values + 4 * extensions + 4 * files + SLACK;
    let used = (counting::peak() as u64).saturating_sub(before);
    assert!(
        used <= allowed,
        "{used} bytes for {files} of files, {outcome:?}"
    );
    // The pool's blocks are not counted by the allocator, but by the system.
    let used = counting::resident_peak().saturating_sub(resident);
    assert!(
        used <= allowed + RESIDENT_SLACK,
        "{used} bytes resident for {files} of files, {outcome:?}"
    );
    outcome.extensions.is_some()
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

/// No panic, no abort, no hang, no allocation beyond the limit, whatever a header says.
#[test]
fn mutated_files_end_in_a_volume_or_one_line() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let count: u64 = std::env::var("VOXPREP_MUTATIONS").map_or(20_000, |n| n.parse().unwrap());
    let watch = Watch::start();
    for reader in READERS {
        let folder = folder();
        let seeds = seeds::of(reader);
        let mut volumes = 0;
        for number in 0..count {
            let mut random = Random::new(number);
            let seed = &seeds[random.below(seeds.len())];
            let case = mutation::mutated(seed, &mut random);
            volumes += u64::from(watch.during(number, || run(&case, folder.path())));
        }
        let name = reader.name;
        println!("{name}: {volumes} of {count} mutated files were read as volumes");
        // Mutations that nothing survives, or that change nothing, test nothing.
        assert!(
            volumes > count / 20 && volumes < count * 19 / 20,
            "{name}: {volumes} of {count}"
        );
    }
}

/// What the fuzzer once found, and what it starts from.
#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let watch = Watch::start();
    for reader in READERS {
        let folder = folder();
        let mut names: Vec<_> = fs::read_dir(corpus(reader))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        assert!(names.len() >= seeds::of(reader).len());
        for (number, path) in names.iter().enumerate() {
            let case = Case::parse(reader, &fs::read(path).unwrap()).unwrap();
            let read = watch.during(number as u64, || run(&case, folder.path()));
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(read || !name.starts_with("seed-"), "{}", path.display());
        }
    }
}

/// The two that took hundreds of times their size, made here and kept in the corpus: extensions
/// without end, and voxels behind an offset that is inflated.
fn found() -> [(&'static str, Case); 2] {
    let (mut many, mut far) = (header(), header());
    many[348] = 1;
    many[108..112].copy_from_slice(&(352.0_f32 + 8.0 * 1e6).to_le_bytes());
    many.extend([8, 0, 0, 0, 6, 0, 0, 0].repeat(1_000_000));
    many.push(7);
    far[108..112].copy_from_slice(&(48.0 * 1024.0 * 1024.0_f32).to_le_bytes());
    far.resize((48 << 20) + 1, 0);
    [
        ("found-extensions", many, false),
        ("found-offset", far, true),
    ]
    .map(|(name, bytes, no_limits)| {
        let case = Case {
            reader: &NIFTI,
            named: case::Named::Single,
            no_limits,
            first: mutation::packed(&bytes, 9),
            second: Vec::new(),
        };
        (name, case)
    })
}

/// A NIfTI-1 header of one u8 voxel.
fn header() -> Vec<u8> {
    let mut header = vec![0; 352];
    header[..4].copy_from_slice(&348_i32.to_le_bytes());
    (40..56).step_by(2).for_each(|at| header[at] = 1);
    (header[70], header[72]) = (2, 8);
    (76..108)
        .step_by(4)
        .for_each(|at| header[at..at + 4].copy_from_slice(&1_f32.to_le_bytes()));
    header[344..348].copy_from_slice(b"n+1\0");
    header
}

#[test]
fn what_was_found_is_in_the_corpus() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let write = std::env::var_os("VOXPREP_WRITE_CORPUS").is_some();
    let folder = folder();
    for (name, case) in found() {
        let path = corpus(&NIFTI).join(name);
        if write {
            fs::write(&path, case.bytes()).unwrap();
        }
        assert!(fs::read(&path).unwrap() == case.bytes(), "{name}");
        // Both are sound enough to be read.
        assert!(run(&case, folder.path()), "{name}");
    }
}

/// `VOXPREP_WRITE_CORPUS=1` writes them anew.
#[test]
fn the_seeds_of_the_corpus_are_those_of_the_tests() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let write = std::env::var_os("VOXPREP_WRITE_CORPUS").is_some();
    for reader in READERS {
        for (number, seed) in seeds::of(reader).iter().enumerate() {
            let path = corpus(reader).join(format!("seed-{number:02}"));
            if write {
                fs::create_dir_all(corpus(reader)).unwrap();
                fs::write(&path, seed.bytes()).unwrap();
            }
            let kept = fs::read(&path).unwrap();
            assert!(kept == seed.bytes(), "{}", path.display());
        }
    }
}
