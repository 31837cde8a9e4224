//! Deflate in blocks that do not refer to each other and end on a byte.
//!
//! Level 1, the default, is `fast`, written here: scans are mostly noise above long runs of
//! nothing, and a greedy search with Huffman codes of its own is faster there than the general
//! encoders and nearly as small as they are. The other levels are zlib-rs.

mod blocks;
mod fast;
mod huffman;

pub(crate) use blocks::write_blocks;

use flate2::{Compress, Compression, FlushCompress};

/// An empty final block, which ends a deflate stream.
pub(crate) const END: [u8; 2] = [0x03, 0x00];

/// Compresses blocks; one per thread.
pub(crate) enum Deflater {
    Fast(Box<fast::Encoder>),
    Zlib(Compress),
}

impl Deflater {
    /// A deflater of the given effort, 0 to 9.
    pub(crate) fn new(level: u32) -> Self {
        match level {
            1 => Self::Fast(Box::default()),
            _ => Self::Zlib(Compress::new(Compression::new(level), false)),
        }
    }

    /// A deflate stream of `bytes` without an end, padded to a whole byte.
    pub(crate) fn block(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Fast(encoder) => encoder.block(bytes),
            Self::Zlib(zlib) => block(zlib, bytes),
        }
    }
}

fn block(zlib: &mut Compress, bytes: &[u8]) -> Vec<u8> {
    zlib.reset();
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 1024);
    loop {
        let done = zlib.total_in() as usize;
        // Its only error is a call after the end of the stream, which is never asked for.
        let _ = zlib.compress_vec(&bytes[done..], &mut out, FlushCompress::Full);
        if zlib.total_in() as usize == bytes.len() && out.len() < out.capacity() {
            return out;
        }
        out.reserve(bytes.len() / 8 + 1024);
    }
}
