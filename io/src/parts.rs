//! The voxels that a text header describes: after it in the same file, or in files beside it; as
//! they are, packed, or written out as text. What a header states is held against what the files
//! hold before anything is allocated.

mod decode;
mod names;

use std::path::PathBuf;

use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::volume::{Header, Volume};
use voxprep_core::voxels::Voxels;

use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::gzip;
use crate::limits::{self, MOST_SKIPPED};
use crate::source::{Bytes, COPY_AGAIN, Contents, Files, Source};
use crate::stored::Layout;

pub(crate) use names::{beside, numbered, stated};

/// More files than this are no volume.
pub(crate) const MOST_FILES: usize = 1 << 16;

/// How numbers are laid down in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Raw,
    /// zlib, or gzip in its place.
    Zlib,
    Gzip,
    Bzip2,
    /// Decimal numbers, between blanks or commas.
    Text,
    /// Two hexadecimal digits for every byte.
    Hex,
}

/// Where the encoded bytes begin in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At this byte, and then so many lines and bytes further. Where the bytes are packed, what is
    /// skipped last is skipped in what they unpack to.
    At { byte: u64, lines: u64, skip: u64 },
    /// Such that they end with the file.
    AtEnd,
}

/// The voxels of a header, found and not yet read.
pub(crate) struct Parts {
    pub(crate) layout: Layout,
    pub(crate) encoding: Encoding,
    /// The files that hold the same number of bytes each; empty where the voxels follow the header.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) begin: Begin,
    /// Bytes of what is packed, where the header says.
    pub(crate) packed: Option<u64>,
    /// Where the voxels begin in each file: found by [`Parts::check`], and empty before.
    pub(crate) starts: Vec<Start>,
}

/// The byte of a file at which the encoded bytes begin, and how many are to be skipped of what they
/// unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    byte: u64,
    skip: u64,
}

impl Encoding {
    fn is_packed(self) -> bool {
        matches!(self, Self::Zlib | Self::Gzip | Self::Bzip2)
    }

    /// No file of this encoding unpacks to more than so many times its length.
    fn most(self) -> u64 {
        match self {
            Self::Raw | Self::Text | Self::Hex => 1,
            Self::Zlib | Self::Gzip => 1032,
            // 46 MB of zeros are one block of 37 bytes.
            Self::Bzip2 => 1 << 21,
        }
    }
}

impl Parts {
    /// Refuses what the files cannot hold, or what no image has.
    pub(crate) fn check(&mut self, header: &Source, options: &ReadOptions) -> Result<()> {
        limits::check_channels(header.path(), self.layout.channels)?;
        let beyond = || {
            let reason = "the product of the dimensions is beyond counting";
            Error::input(header.path(), reason).remedy(COPY_AGAIN)
        };
        let values = self.layout.values().ok_or_else(beyond)?;
        self.layout.bytes().ok_or_else(beyond)?;
        self.each(header)?;
        let mut held = 0_u64;
        let mut starts = Vec::with_capacity(self.files.len().max(1));
        if self.files.is_empty() {
            starts.push(self.check_file(header, header, options)?);
            held = header.len();
        }
        for file in &self.files {
            let source = Source::open_as_it_is(file)?;
            starts.push(self.check_file(header, &source, options)?);
            held = held.saturating_add(source.len());
        }
        self.starts = starts;
        let packed = self.encoding.is_packed() || self.files.is_empty() && header.is_gzip();
        limits::check_voxels(header.path(), values, held, packed, options)
    }

    /// Refuses what one file cannot hold; returns where its voxels begin.
    fn check_file(&self, header: &Source, source: &Source, options: &ReadOptions) -> Result<Start> {
        let path = source.path();
        let each = self.each(header)?;
        if source.is_gzip() && matches!(self.encoding, Encoding::Zlib | Encoding::Gzip) {
            let reason = "the file is gzip, and the voxels in it are packed once more";
            return Err(Error::unsupported(path, reason).remedy("unpack the file itself first"));
        }
        let found = self.find_start(source, each, options)?;
        let Start { byte: start, skip } = found;
        if !options.no_limits && skip > MOST_SKIPPED {
            let reason = format!("{skip} bytes are to be skipped before the voxels");
            return Err(Error::limit(path, reason)
                .remedy("if the file is right, allow it with --no-limits"));
        }
        if source.is_gzip() {
            if !options.no_limits && start > 2 * MOST_SKIPPED {
                let reason = format!("the voxels start at byte {start} of what is packed");
                return Err(Error::limit(path, reason)
                    .remedy("if the file is right, allow it with --no-limits"));
            }
            source.check_holds(start.saturating_add(match self.encoding {
                Encoding::Raw => each,
                Encoding::Hex => each.saturating_mul(2),
                Encoding::Text => each / self.layout.number.bytes(),
                _ => 0,
            }))?;
            return Ok(found);
        }
        let rest = source.len().saturating_sub(start);
        let (needed, most) = match self.encoding {
            Encoding::Text => {
                let values = each / self.layout.number.bytes();
                (values.saturating_mul(2).saturating_sub(1), rest)
            }
            Encoding::Hex => (each.saturating_mul(2), rest),
            Encoding::Raw => (each, rest),
            _ => {
                let packed = self.packed.map_or(rest, |n| n.min(rest));
                let most = packed.saturating_mul(self.encoding.most());
                (skip.saturating_add(each), most)
            }
        };
        if needed <= most {
            return Ok(found);
        }
        Err(Error::input(
            path,
            format!(
                "the header declares voxels of {needed} bytes, the file holds at most {most}: voxels are missing"
            ),
        )
        .remedy(COPY_AGAIN))
    }

    /// The bytes of voxels in each file.
    fn each(&self, header: &Source) -> Result<u64> {
        let total = self.layout.bytes().unwrap_or(u64::MAX);
        let files = self.files.len().max(1) as u64;
        let number = self.layout.number.bytes();
        if !(total / number).is_multiple_of(files) {
            let reason = format!(
                "{} voxels cannot be divided among {files} files",
                total / number
            );
            return Err(Error::input(header.path(), reason)
                .remedy("list as many files as there are slices"));
        }
        Ok(total / files)
    }

    /// Where the voxels begin in the file of this number.
    fn start(&self, header: &Source, file: usize) -> Result<Start> {
        let reason = "where its voxels begin was not found";
        let start = self.starts.get(file).copied();
        start.ok_or_else(|| Error::input(header.path(), reason).remedy(COPY_AGAIN))
    }

    /// Finds where the voxels begin in a file, by passing the lines before them if need be.
    fn find_start(&self, source: &Source, each: u64, options: &ReadOptions) -> Result<Start> {
        let at = |byte, skip| Ok(Start { byte, skip });
        match self.begin {
            Begin::AtEnd => match source.len().checked_sub(each) {
                _ if source.is_gzip() || self.encoding != Encoding::Raw => {
                    let reason =
                        "the voxels are said to be the last bytes of a file that is packed";
                    Err(Error::unsupported(source.path(), reason)
                        .remedy("state where they begin instead"))
                }
                Some(start) => at(start, 0),
                None => {
                    source.check_holds(each)?;
                    at(0, 0)
                }
            },
            Begin::At { byte, lines, skip } => {
                let start = if lines > 0 {
                    let most = if options.no_limits {
                        u64::MAX
                    } else {
                        MOST_SKIPPED
                    };
                    decode::after_lines(source, byte, lines, most)?
                } else {
                    byte
                };
                if self.encoding.is_packed() {
                    at(start, skip)
                } else {
                    at(start.saturating_add(skip), 0)
                }
            }
        }
    }

    /// The type that the voxels usually have; the values may call for a wider one.
    pub(crate) fn usual_type(&self) -> voxprep_core::voxels::ElementType {
        self.layout.usual_type()
    }

    /// Reads the voxels; `header` is the file of the header.
    pub(crate) fn read(&self, header: &Source) -> Result<Voxels> {
        let opened = match self.files.first() {
            Some(file) => Some(Source::open_as_it_is(file)?),
            None => None,
        };
        let source = opened.as_ref().unwrap_or(header);
        let each = self.each(header)?;
        let Start { byte: start, skip } = self.start(header, 0)?;
        let single = self.files.len() <= 1;
        match self.encoding {
            Encoding::Raw if single => {
                let contents = source.contents(start, start.saturating_add(each))?;
                self.layout.read(contents, start)
            }
            Encoding::Raw => {
                let starts = self.starts.iter().map(|start| start.byte);
                let files = self.files.iter().cloned().zip(starts).collect();
                let bytes = Bytes::Files(Files { files, each });
                self.layout.read(Contents::new(header, bytes), 0)
            }
            Encoding::Gzip if single => {
                let packed = source.raw_from(start, source.len())?;
                let end = skip.saturating_add(each);
                let bytes = gzip::open(&packed, skip, end, source.path())?;
                self.layout.read(Contents::new(source, bytes), skip)
            }
            _ => {
                let buf = self.decode(header, each)?;
                let contents = Contents::new(source, Bytes::Memory(buf, 0));
                let text = self.encoding == Encoding::Text;
                let layout = Layout {
                    big_endian: self.layout.big_endian && !text,
                    ..self.layout.clone()
                };
                layout.read(contents, 0)
            }
        }
    }

    /// All files, decoded one beside the other.
    fn decode(&self, header: &Source, each: u64) -> Result<Buf<u8>> {
        let core = |e| Error::core(header.path(), e);
        let len = each.saturating_mul(self.files.len().max(1) as u64);
        let len = usize::try_from(len)
            .map_err(|_| Error::limit(header.path(), "the voxels are more than memory can hold"))?;
        let mut buf = Buf::for_overwrite(len).map_err(core)?;
        let out = buf.as_mut_slice().map_err(core)?;
        if self.files.is_empty() {
            self.decode_file(header, self.start(header, 0)?, out)?;
        } else {
            out.par_chunks_mut((each as usize).max(1))
                .zip(&self.files)
                .zip(&self.starts)
                .try_for_each(|((out, file), start)| {
                    self.decode_file(&Source::open_as_it_is(file)?, *start, out)
                })?;
        }
        Ok(buf)
    }

    /// Decodes the part that one file holds.
    fn decode_file(&self, source: &Source, start: Start, out: &mut [u8]) -> Result<()> {
        let each = out.len() as u64;
        let Start { byte: start, skip } = start;
        let end = match self.packed {
            Some(packed) => source.len().min(start.saturating_add(packed)),
            None => source.len(),
        };
        match self.encoding {
            Encoding::Zlib => {
                let packed = source.raw_from(start, end)?;
                decode::zlib(&packed, out, source.path())
            }
            Encoding::Gzip => {
                let packed = source.raw_from(start, end)?;
                let bytes = gzip::open(&packed, skip, skip.saturating_add(each), source.path())?;
                Contents::new(source, bytes).copy(skip..skip.saturating_add(each), out)
            }
            Encoding::Bzip2 => decode::bzip2(source, start, skip, out),
            Encoding::Text => decode::text(source, start, self.layout.number, out),
            Encoding::Hex => decode::hex(source, start, out),
            Encoding::Raw => source
                .contents(start, start + each)?
                .copy(start..start + each, out),
        }
    }

    /// The volume of this header and these voxels.
    pub(crate) fn volume(&self, source: &Source, mut header: Header) -> Result<Volume> {
        let voxels = self.read(source)?;
        header.element_type = voxels.element_type();
        Volume::with_header(header, voxels).map_err(|e| Error::core(source.path(), e))
    }
}
