//! TIFF: pages as slices; grey and colours; 1 to 64 bits, integers and floating point.
//!
//! `scan` looks whether tags can be true, `pages` finds what is read; `resolution`, beside this folder's formats, how far voxels are apart.

mod pages;
mod scan;
mod write;

use tiff::decoder::Decoder;
use voxprep_core::buf::Buf;
use voxprep_core::volume::{Header, Volume};

use super::{Picture, plain, unpacked};
use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::{ReadOptions, WriteOptions};

use pages::{Pages, Pixels};

struct Tiff;

impl Format for Tiff {
    fn key(&self) -> &'static str {
        "tiff"
    }

    fn name(&self) -> &'static str {
        "TIFF picture (.tif)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["tif", "tiff"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        // Classic and big, in either byte order.
        [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
            .iter()
            .any(|magic| start.starts_with(*magic))
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        plain(source)?;
        Pages::find(source, options)?.picture.header(source.path())
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        plain(source)?;
        let pages = Pages::find(source, options)?;
        let decoded = decoded(source, &pages)?;
        pages
            .picture
            .volume(source, decoded, cfg!(target_endian = "big"), pages.planes)
    }

    fn write(&self, path: &std::path::Path, volume: &Volume, options: &WriteOptions) -> Result<()> {
        write::write(path, volume, options.level)
    }
}

/// The numbers of all pages, one after the other, in the byte order of this machine.
fn decoded(source: &Source, pages: &Pages) -> Result<Buf<u8>> {
    let path = source.path();
    let failed = |error| pages::failed(path, error);
    let core = |e| Error::core(path, e);
    let Picture { size, .. } = &pages.picture;
    let [row, rows] = [size[0] as usize, size[1] as usize];
    let mut buf = pages.picture.buffer(source)?;
    let out = buf.as_mut_slice().map_err(core)?;
    let each = out.len() / pages.numbers.len().max(1);
    let mut packed = Buf::<u8>::for_overwrite(match pages.pixels {
        Pixels::Plain => 0,
        Pixels::Packed(bits) => (row * bits).div_ceil(8) * rows,
    })
    .map_err(core)?;
    let mut decoder = pages::limited(
        Decoder::new(source.reader()).map_err(failed)?,
        &pages.picture,
    );
    let mut number = 0;
    for (&wanted, out) in pages.numbers.iter().zip(out.chunks_exact_mut(each)) {
        while number < wanted {
            decoder.next_image().map_err(failed)?;
            number += 1;
        }
        let target = match pages.pixels {
            Pixels::Plain => &mut *out,
            Pixels::Packed(_) => packed.as_mut_slice().map_err(core)?,
        };
        let layout = decoder.image_buffer_layout().map_err(failed)?;
        if layout.complete_len != target.len() {
            return Err(Error::input(path, "a page contradicts its header")
                .field(format!("TIFF page {}", wanted + 1))
                .remedy(COPY_AGAIN));
        }
        // A decoder may leave out what it does not find.
        target.fill(0);
        decoder.read_image_bytes(target).map_err(failed)?;
        match pages.pixels {
            Pixels::Plain => {}
            Pixels::Packed(bits) => unpacked(packed.as_slice(), out, row, bits),
        }
    }
    Ok(buf)
}

register_format!(Tiff);
