//! Thousands of mutated streams per codec, and the corpus of the fuzzer: no panic, no hang, no
//! memory beyond a few times the frame, and no sample where there was none.
//!
//! `VOXPREP_MUTATIONS=200000 cargo test -p voxprep-io --lib codec` makes more of them.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::super::case::{Case, run};
use super::super::{Coding, Frame, coding};
use super::counting;
use super::encoders::rle;
use super::table::{rows, stream};

/// A case that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(2);
const TICKS: u32 = 20;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to vary tests.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`, or 0 where there is none.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// A stream with a few bytes, or a part, that are not what they were. Most changes are in the
/// header, where they do most.
fn mutated(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + random.below(3) {
        let reach = if random.below(3) == 0 {
            bytes.len()
        } else {
            bytes.len().min(700)
        };
        let at = random.below(reach);
        let length = random.below(40).min(bytes.len() - at);
        match random.below(10) {
            0..=2 if at < bytes.len() => bytes[at] = random.next() as u8,
            3..=4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            5 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random.below(6)],
            6 => bytes.truncate(random.below(bytes.len())),
            7 => drop(bytes.drain(at..at + length)),
            8 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again);
            }
            9 => {
                let from = random.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => bytes.push(random.next() as u8),
        }
    }
    bytes
}

/// Ends the process when a case hangs: nothing else can stop it.
struct Watch(Arc<AtomicU64>);

impl Watch {
    fn start(name: &'static str) -> Self {
        let running = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&running);
        std::thread::spawn(move || {
            let (mut last, mut ticks) = (0, 0);
            while Arc::strong_count(&watched) > 1 {
                // Ticks, not a clock: a machine that sleeps is no case that hangs.
                std::thread::sleep(PATIENCE / TICKS);
                let running = watched.load(Relaxed);
                ticks = if running == last { ticks + 1 } else { 0 };
                last = running;
                if running != 0 && ticks > TICKS {
                    eprintln!("{name} {} takes longer than {PATIENCE:?}", running - 1);
                    std::process::abort();
                }
            }
        });
        Self(running)
    }

    fn during<T>(&self, number: u64, task: impl FnOnce() -> T) -> T {
        self.0.store(number + 1, Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(task));
        self.0.store(0, Relaxed);
        outcome.unwrap_or_else(|panic| {
            eprintln!("this was mutation {number}");
            resume_unwind(panic)
        })
    }
}

/// Memory that a decoder may take: ours a few times the frame and the stream, the others some
/// more, and JPEG XL what it is told.
fn allowed(coding: Coding, frame: &Frame, stream: &[u8]) -> usize {
    let samples = frame.len();
    match coding {
        Coding::Rle => 2 * 4 * samples + (64 << 10),
        Coding::Jpeg | Coding::JpegLs => 12 * samples + 4 * stream.len() + (512 << 10),
        Coding::Jpeg2000 => 200 * samples + 16 * stream.len() + (2 << 20),
        Coding::JpegXl => 96 * samples + 16 * stream.len() + (24 << 20),
    }
}

fn hold(coding: Coding, syntax: &str, frame: &Frame, stream: &[u8]) -> bool {
    let before = counting::reset_peak();
    let decoded = run(syntax, frame, stream).is_ok();
    let used = (counting::peak() - before) as usize;
    let allowed = allowed(coding, frame, stream);
    assert!(
        used <= allowed,
        "{used} bytes of {allowed} for {frame:?}, {} bytes",
        stream.len()
    );
    decoded
}

fn mutations(coding_of: Coding, name: &'static str) {
    let count: u64 = std::env::var("VOXPREP_MUTATIONS").map_or(10_000, |n| n.parse().unwrap());
    let mut seeds: Vec<_> = rows()
        .into_iter()
        .filter(|row| coding(&row.syntax) == Some(coding_of) && row.supported())
        .filter_map(|row| Some((stream(&row)?, row.syntax.clone(), row.frame())))
        // The large ones would take all the time.
        .filter(|(stream, ..)| stream.len() < 10_000)
        .collect();
    if coding_of == Coding::Rle {
        let plane = |step: u32| (0..29 * 37_u32).map(|i| (i / step) as u8).collect();
        let frame = Frame {
            rows: 29,
            columns: 37,
            samples: 1,
            bits_allocated: 16,
            bits_stored: 16,
            signed: false,
        };
        let stream = rle(&[plane(50), plane(3)]);
        seeds.push((stream, "1.2.840.10008.1.2.5".to_owned(), frame));
    }
    let watch = Watch::start(name);
    let mut decoded = 0;
    for number in 0..count {
        let mut random = Random(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let (seed, syntax, frame) = &seeds[random.below(seeds.len())];
        let (other, ..) = &seeds[random.below(seeds.len())];
        let stream = mutated(seed, other, &mut random);
        let held = watch.during(number, || hold(coding_of, syntax, frame, &stream));
        decoded += u64::from(held);
    }
    println!("{decoded} of {count} mutated streams were decoded");
    // Mutations that nothing survives, or that change nothing, test nothing.
    assert!(
        decoded > count / 100 && decoded < count * 19 / 20,
        "{decoded} of {count}"
    );
}

/// IO-05: No panic, no hang, no allocation beyond the limit, whatever an RLE stream says.
#[test]
fn mutated_rle_streams_do_no_harm() {
    mutations(Coding::Rle, "RLE");
}

/// IO-05: The same of JPEG.
#[test]
fn mutated_jpeg_streams_do_no_harm() {
    mutations(Coding::Jpeg, "JPEG");
}

// There is no such test of JPEG-LS: CharLS 2.4.5 does not come to an end on some damaged streams, and
// nothing can stop it (decision 010).

/// IO-05: The same of JPEG 2000 and HTJ2K.
#[test]
fn mutated_jpeg_2000_streams_do_no_harm() {
    mutations(Coding::Jpeg2000, "JPEG 2000");
}

/// IO-05: The same of JPEG XL.
#[test]
fn mutated_jpeg_xl_streams_do_no_harm() {
    mutations(Coding::JpegXl, "JPEG XL");
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/codec")
}

/// What the fuzzer starts from, and once found.
#[test]
fn the_corpus_of_the_codec_fuzzer_holds() {
    let watch = Watch::start("corpus");
    let mut names: Vec<_> = fs::read_dir(corpus())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 10, "{}", names.len());
    for (number, path) in names.iter().enumerate() {
        let bytes = fs::read(path).unwrap();
        let case = Case::parse(&bytes).unwrap();
        let outcome = watch.during(number as u64, || case.run());
        let seed = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("seed-");
        let expected = super::super::supports(case.syntax).is_ok();
        assert!(
            outcome.is_ok() == expected || !seed,
            "{}: {outcome:?}",
            path.display()
        );
    }
}
