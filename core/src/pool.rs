//! The pool of large memory blocks: page faults, not arithmetic, decide the speed of a first pass.
//!
//! Blocks of 4 MiB and more are anonymous mappings, 2 MiB-aligned, with huge-page advice. They
//! are never zero-filled here: the operating system hands them out as zeros once, and after that
//! they hold whatever was in them before. Dropping a block gives it back for reuse.

use std::sync::{Mutex, OnceLock};

use memmap2::{MmapMut, MmapOptions};

use crate::error::{Error, Result};

/// Blocks from this size on come from the pool.
pub const THRESHOLD: usize = 4 << 20;
const HUGE_PAGE: usize = 2 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    retained: 0,
    limit: 2 << 30,
});

struct Pool {
    free: Vec<Mapping>,
    retained: usize,
    limit: usize,
}

struct Mapping {
    map: MmapMut,
    start: usize,
    capacity: usize,
}

/// A block of bytes that returns to the pool when it is dropped.
pub(crate) struct Block {
    /// `None` only while being dropped.
    mapping: Option<Mapping>,
    len: usize,
}

impl Block {
    /// Takes a block of `len` bytes, contents unspecified.
    pub(crate) fn take(len: usize) -> Result<Self> {
        let capacity = len.next_multiple_of(HUGE_PAGE);
        let reused = POOL.lock().ok().and_then(|mut pool| pool.take(capacity));
        let mapping = match reused {
            Some(mapping) => mapping,
            None => Mapping::new(capacity)?,
        };
        Ok(Self {
            mapping: Some(mapping),
            len,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.mapping {
            Some(m) => &m.map[m.start..m.start + self.len],
            None => &[],
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.mapping {
            Some(m) => &mut m.map[m.start..m.start + self.len],
            None => &mut [],
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let (Some(mapping), Ok(mut pool)) = (self.mapping.take(), POOL.lock()) {
            pool.give(mapping);
        }
    }
}

/// The memory of this machine in bytes, where the system tells.
fn machine_memory() -> Option<usize> {
    static MEMORY: OnceLock<Option<usize>> = OnceLock::new();
    *MEMORY.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib << 10)
    })
}

impl Mapping {
    fn new(capacity: usize) -> Result<Self> {
        // The system grants more than it has and kills the process later; refuse before.
        if let Some(memory) = machine_memory().filter(|&memory| capacity > memory) {
            return Err(Error::limit(format!(
                "a volume of {:.0} GiB is more than this machine's memory of {:.0} GiB",
                capacity as f64 / 1_073_741_824.0,
                memory as f64 / 1_073_741_824.0
            ))
            .remedy("use larger voxels, or a smaller field of view"));
        }
        let map = MmapOptions::new()
            .len(capacity + HUGE_PAGE)
            .map_anon()
            .map_err(|source| {
                Error::limit(format!(
                    "no memory for a block of {} MiB ({source})",
                    capacity >> 20
                ))
                .remedy("close other programs, or process smaller volumes")
            })?;
        let start = map.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
        #[cfg(target_os = "linux")]
        if let Err(source) = map.advise(memmap2::Advice::HugePage) {
            tracing::debug!(%source, "the system gives no huge pages");
        }
        Ok(Self {
            map,
            start,
            capacity,
        })
    }
}

impl Pool {
    /// The smallest free mapping that fits and wastes at most half of itself.
    fn take(&mut self, capacity: usize) -> Option<Mapping> {
        let best = (0..self.free.len())
            .filter(|&i| (capacity..=2 * capacity).contains(&self.free[i].capacity))
            .min_by_key(|&i| self.free[i].capacity)?;
        let mapping = self.free.swap_remove(best);
        self.retained -= mapping.capacity;
        Some(mapping)
    }

    fn give(&mut self, mapping: Mapping) {
        if self.retained + mapping.capacity <= self.limit {
            self.retained += mapping.capacity;
            self.free.push(mapping);
        }
    }

    fn shrink(&mut self) {
        while self.retained > self.limit {
            match self.free.pop() {
                Some(mapping) => self.retained -= mapping.capacity,
                None => self.retained = 0,
            }
        }
    }
}

/// Sets how many bytes of free blocks are kept for reuse, 2 GiB at first; 0 keeps none.
pub fn retain_at_most(bytes: usize) {
    if let Ok(mut pool) = POOL.lock() {
        pool.limit = bytes;
        pool.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_starts_on_a_huge_page_and_has_the_length_asked_for() {
        let mut block = Block::take(5_000_001).unwrap();
        assert_eq!(block.bytes().as_ptr() as usize % HUGE_PAGE, 0);
        assert_eq!(block.bytes_mut().len(), 5_000_001);
        block.bytes_mut().fill(7);
        assert!(block.bytes().iter().all(|&b| b == 7));
    }
}
