//! The members of an archive: found by the crate `zip`, and read in one piece each, because their
//! checksum is over all of them.

use std::io::{BufReader, Read};
use std::path::Path;

use voxprep_core::buf::Buf;
use zip::{CompressionMethod, ZipArchive};

use super::header_length;
use crate::error::{Error, Result};
use crate::formats::npy::header::{Refusal, parse};
use crate::formats::npy::refused;
use crate::formats::safetensors::clean;
use crate::source::{COPY_AGAIN, Reader, Source};
use crate::stored::Layout;

/// No deflate stream grows by more than this factor.
const INFLATION: u64 = 1032;
/// The longest member that says something beside the image.
const MOST: u64 = 1 << 20;
/// The ending of every member that is an array.
const NPY: &str = ".npy";

/// An archive that is open for reading.
pub(super) struct Members<'a> {
    source: &'a Source,
    archive: ZipArchive<BufReader<Reader<'a>>>,
    /// The arrays, without their ending: name and number in the archive.
    arrays: Vec<(String, usize)>,
}

/// Refuses a table of contents that declares more members than the file has room for: the crate
/// makes room for all of them before it reads one.
fn check_count(source: &Source) -> Result<()> {
    // The end of the table has 22 bytes and a comment of at most 65,535.
    const END: &[u8] = b"PK\x05\x06";
    const ENTRY: u64 = 46;
    let len = source.len();
    let tail = source.raw_from(len.saturating_sub(22 + 65_535), len)?;
    // How many members this part has, and how many all parts have.
    let declared = tail.as_slice().windows(12).filter_map(|end| {
        let [.., a, b, c, d] = *end else {
            return None;
        };
        let counts = [[a, b], [c, d]].map(u16::from_le_bytes).map(u64::from);
        end.starts_with(END).then_some(counts)
    });
    let declared = declared.flatten();
    // All ones means: see the 64-bit table, which the crate checks against the file.
    let most = declared.filter(|count| *count != 0xFFFF).max();
    if most.is_some_and(|count| count * ENTRY > len) {
        return Err(damaged(
            source.path(),
            "its table of contents is longer than the file",
        ));
    }
    Ok(())
}

/// Where a member is in the file.
struct Member {
    number: usize,
    start: u64,
    packed: u64,
    size: u64,
    crc: u32,
    deflated: bool,
}

impl<'a> Members<'a> {
    pub(super) fn open(source: &'a Source) -> Result<Self> {
        if source.is_gzip() {
            return Err(Error::unsupported(
                source.path(),
                "the archive is packed with gzip once more",
            )
            .remedy("unpack it first"));
        }
        check_count(source)?;
        let archive = ZipArchive::new(source.reader())
            .map_err(|_| damaged(source.path(), "it has no table of contents"))?;
        let mut arrays: Vec<(String, usize)> = (0..archive.len())
            .filter_map(|i| {
                let name = archive.name_for_index(i)?.strip_suffix(NPY)?;
                Some((name.to_owned(), i))
            })
            .collect();
        arrays.sort();
        Ok(Self {
            source,
            archive,
            arrays,
        })
    }

    /// The names of the arrays, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|(name, _)| name.as_str())
    }

    /// The number of bytes of a member after inflating.
    pub(super) fn size(&mut self, name: &str) -> Result<u64> {
        Ok(self.member(name)?.size)
    }

    /// The header of an array, and nothing else of it.
    pub(super) fn header(&mut self, name: &str) -> Result<Vec<u8>> {
        let member = self.member(name)?;
        let path = self.source.path();
        let field = field(name);
        let broken = |_| damaged(path, "its header cannot be inflated").field(field.clone());
        let mut contents = self
            .archive
            .by_index(member.number)
            .map_err(|_| damaged(path, "its header cannot be inflated").field(field.clone()))?;
        let mut bytes = Vec::new();
        (&mut contents)
            .take(12)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        let needed = header_length(&bytes, path, &field)?;
        let rest = needed.saturating_sub(bytes.len()) as u64;
        contents
            .take(rest)
            .read_to_end(&mut bytes)
            .map_err(broken)?;
        Ok(bytes)
    }

    /// All bytes of a member.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Buf<u8>> {
        let member = self.member(name)?;
        let path = self.source.path();
        let bytes = self
            .source
            .raw_from(member.start, member.start + member.packed)?;
        let bytes = if member.deflated {
            let size = usize::try_from(member.size)
                .map_err(|_| Error::limit(path, "the array is larger than memory can be"))?;
            let mut out = Buf::for_overwrite(size).map_err(|e| Error::core(path, e))?;
            let target = out.as_mut_slice().map_err(|e| Error::core(path, e))?;
            match libdeflater::Decompressor::new().deflate_decompress(bytes.as_slice(), target) {
                Ok(count) if count == size => out,
                _ => return Err(damaged(path, "it cannot be inflated").field(field(name))),
            }
        } else {
            bytes
        };
        if libdeflater::crc32(bytes.as_slice()) != member.crc {
            return Err(damaged(path, "its checksum does not hold").field(field(name)));
        }
        Ok(bytes)
    }

    /// The numbers of a small array, by rows; `None` where there is no such member, or it is something
    /// else, which goes to the warnings: programs have arrays of their own by such names.
    pub(super) fn numbers<const N: usize>(
        &mut self,
        name: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<[f64; N]>> {
        let Some(bytes) = self.small(name, warnings)? else {
            return Ok(None);
        };
        let path = self.source.path();
        let field = field(name);
        let mut strange = || {
            warnings.push(format!(
                "the member {name} is not {N} numbers; it is not used"
            ));
            Ok(None)
        };
        let npy = match parse(bytes.as_slice()) {
            Ok(npy) => npy,
            Err(Refusal::Unsupported(..)) => return strange(),
            Err(refusal) => return Err(refused(path, &field, refusal)),
        };
        let Ok(array) = npy.array() else {
            return strange();
        };
        let count = array.shape.iter().try_fold(1_u64, |n, &l| n.checked_mul(l));
        if count != Some(N as u64) || array.complex {
            return strange();
        }
        let short = || damaged(path, "it ends within its numbers").field(field.clone());
        let layout = Layout {
            number: array.number,
            big_endian: array.big_endian,
            interleaved: 1,
            channels: 1,
            size: [N, 1, 1],
            scale: None,
        };
        let contents = self.source.in_memory(bytes.clone());
        let voxels = layout.read(contents, npy.start)?;
        let mut numbers = [0.0; N];
        let square = array.first_fastest.then(|| N.isqrt());
        for (i, to) in numbers.iter_mut().enumerate() {
            // A square matrix by columns is the same by rows, the indices exchanged.
            let at = match square {
                Some(n) if array.shape.len() == 2 && n * n == N => i % n * n + i / n,
                _ => i,
            };
            *to = voxels.get(0, [at, 0, 0]).ok_or_else(short)?;
        }
        Ok(Some(numbers))
    }

    /// The texts of a small array; `None` where there is no such member, or it is something else, which
    /// goes to the warnings.
    pub(super) fn texts(
        &mut self,
        name: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Vec<String>>> {
        let Some(bytes) = self.small(name, warnings)? else {
            return Ok(None);
        };
        let path = self.source.path();
        let bytes = bytes.as_slice();
        let mut strange = || {
            warnings.push(format!(
                "the member {name} is not an array of texts; it is not used"
            ));
            Ok(None)
        };
        let npy = match parse(bytes) {
            Ok(npy) => npy,
            Err(Refusal::Unsupported(..)) => return strange(),
            Err(refusal) => return Err(refused(path, &field(name), refusal)),
        };
        let texts = npy.text().and_then(|(characters, big_endian)| {
            let each = characters.checked_mul(4)?;
            let data = bytes.get(usize::try_from(npy.start).ok()?..)?;
            let count = npy.shape.iter().try_fold(1_u64, |n, &l| n.checked_mul(l))?;
            let count = usize::try_from(count).ok()?;
            // Empty texts take no bytes, of which there could be any number.
            if each == 0 || count.checked_mul(each)? > data.len() {
                return None;
            }
            let text = |data: &[u8]| -> Option<String> {
                let characters = data.as_chunks::<4>().0.iter().map(|&c| {
                    if big_endian {
                        u32::from_be_bytes(c)
                    } else {
                        u32::from_le_bytes(c)
                    }
                });
                let text: Option<String> = characters.map(char::from_u32).collect();
                Some(text?.trim_end_matches('\0').to_owned())
            };
            data.chunks_exact(each)
                .take(count)
                .map(text)
                .collect::<Option<Vec<_>>>()
        });
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => strange(),
        }
    }

    /// All bytes of a member that may only be small; a larger one is something else.
    fn small(&mut self, name: &str, warnings: &mut Vec<String>) -> Result<Option<Buf<u8>>> {
        if !self.names().any(|n| n == name) {
            return Ok(None);
        }
        let size = self.size(name)?;
        if size > MOST {
            warnings.push(format!(
                "the member {name} has {size} bytes, at most {MOST} are read beside an image; it is not used"
            ));
            return Ok(None);
        }
        self.bytes(name).map(Some)
    }

    fn member(&mut self, name: &str) -> Result<Member> {
        let path = self.source.path();
        let wrong = |reason: &str| damaged(path, reason).field(field(name));
        let number = self.arrays.iter().find(|(n, _)| n == name);
        let &(_, number) = number.ok_or_else(|| wrong("there is no such member"))?;
        let entry = self
            .archive
            .by_index_raw(number)
            .map_err(|_| wrong("its header in the archive is damaged"))?;
        if entry.encrypted() {
            return Err(Error::unsupported(path, "it is encrypted")
                .field(field(name))
                .remedy("save it without a password"));
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => {
                return Err(
                    Error::unsupported(path, "its compression is not that of numpy")
                        .field(field(name))
                        .remedy("save it with numpy.savez or numpy.savez_compressed"),
                );
            }
        };
        let start = entry.data_start();
        let member = Member {
            number,
            start,
            packed: entry.compressed_size(),
            size: entry.size(),
            crc: entry.crc32(),
            deflated,
        };
        let most = if deflated {
            member.packed.saturating_mul(INFLATION)
        } else {
            member.packed
        };
        let end = member.start.checked_add(member.packed);
        let inside = end.is_some_and(|end| end <= self.source.len());
        if !inside || member.size > most || !deflated && member.size != member.packed {
            return Err(wrong("the archive declares more bytes than it holds"));
        }
        Ok(member)
    }
}

fn field(name: &str) -> String {
    format!("npz member {}", clean(name))
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::input(path, reason).field("npz").remedy(COPY_AGAIN)
}
