//! `Picture`: pixels, what is drawn on them, and their PNG.

use crate::colour::{Rgb, blend};
use crate::error::{Error, MAX_PIXELS, Result};

/// Pixels in rows from the top, red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

impl Picture {
    /// A picture of one colour.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_PIXELS`].
    pub fn new(width: usize, height: usize, colour: Rgb) -> Result<Self> {
        check_size(width, height)?;
        Ok(Self {
            width,
            height,
            pixels: vec![colour; width * height],
        })
    }

    /// A picture from its pixels, row by row from the top.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MAX_PIXELS`], [`Error::Core`] where the number of pixels differs.
    pub fn from_pixels(width: usize, height: usize, pixels: Vec<Rgb>) -> Result<Self> {
        check_size(width, height)?;
        if pixels.len() != width * height {
            let reason = format!("{} pixels do not make {width} x {height}", pixels.len());
            return Err(voxprep_core::error::Error::input(reason).into());
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row by row from the top.
    pub fn pixels(&self) -> &[Rgb] {
        &self.pixels
    }

    /// All pixels for writing, row by row from the top.
    pub fn pixels_mut(&mut self) -> &mut [Rgb] {
        &mut self.pixels
    }

    /// The rows from the top.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &[Rgb]> + ExactSizeIterator {
        self.pixels.chunks_exact(self.width.max(1))
    }

    /// The pixel of a column and a row, both counted from 0 at the top left; `None` outside.
    pub fn get(&self, x: usize, y: usize) -> Option<Rgb> {
        (x < self.width)
            .then(|| self.pixels.get(y * self.width + x).copied())
            .flatten()
    }

    /// The part of the picture that begins at a column and a row; what lies outside is left out.
    pub fn part(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let x = x.min(self.width);
        let (columns, rows) = (width.min(self.width - x), self.rows().skip(y).take(height));
        let height = rows.len();
        let pixels = rows.flat_map(|row| row[x..x + columns].iter().copied());
        Self {
            width: columns,
            height,
            pixels: pixels.collect(),
        }
    }

    /// Lays a colour over a pixel; `alpha` 256 covers it. Outside nothing happens.
    pub fn blend(&mut self, x: i64, y: i64, colour: Rgb, alpha: u32) {
        let place = usize::try_from(x).ok().zip(usize::try_from(y).ok());
        if let Some((x, y)) = place.filter(|(x, _)| *x < self.width)
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = blend(*pixel, colour, alpha);
        }
    }

    /// Lays a colour over a rectangle; `alpha` 256 covers it. What lies outside is left out.
    pub fn fill(&mut self, x: i64, y: i64, width: usize, height: usize, colour: Rgb, alpha: u32) {
        let clip = |from: i64, length: usize, end: usize| {
            let last = from.saturating_add(length as i64).clamp(0, end as i64);
            from.clamp(0, last) as usize..last as usize
        };
        let columns = clip(x, width, self.width);
        for row in clip(y, height, self.height) {
            let first = row * self.width;
            for pixel in &mut self.pixels[first + columns.start..first + columns.end] {
                *pixel = blend(*pixel, colour, alpha);
            }
        }
    }

    /// Lays another picture over this one; what lies outside is left out.
    pub fn paste(&mut self, other: &Self, x: usize, y: usize) {
        let columns = other.width.min(self.width.saturating_sub(x));
        for (row, pixels) in other.rows().enumerate() {
            let first = (y + row) * self.width + x;
            if let Some(own) = self.pixels.get_mut(first..first + columns) {
                own.copy_from_slice(&pixels[..columns]);
            }
        }
    }

    /// The picture with its rows in reverse order.
    #[must_use]
    pub fn with_rows_reversed(&self) -> Self {
        Self {
            pixels: self.rows().rev().flatten().copied().collect(),
            ..*self
        }
    }

    /// The picture with its columns in reverse order.
    #[must_use]
    pub fn with_columns_reversed(&self) -> Self {
        let pixels = self.rows().flat_map(|row| row.iter().rev().copied());
        Self {
            pixels: pixels.collect(),
            ..*self
        }
    }

    /// The picture as a PNG file in memory: grey where every pixel is grey, otherwise RGB, 8 bits.
    ///
    /// The same pixels give the same bytes on every machine: the filter of a row and the codes do
    /// not depend on the processor.
    ///
    /// # Errors
    /// [`Error::Internal`] where a side has no pixel.
    pub fn png(&self) -> Result<Vec<u8>> {
        let failed = |error: png::EncodingError| Error::Internal(format!("no PNG: {error}"));
        let grey = self.pixels.iter().all(|[r, g, b]| r == g && g == b);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_color(match grey {
            true => png::ColorType::Grayscale,
            false => png::ColorType::Rgb,
        });
        // The codes of fdeflate; flate2 would choose matches by what the processor can do.
        encoder.set_deflate_compression(png::DeflateCompression::FdeflateUltraFast);
        encoder.set_filter(png::Filter::Adaptive);
        let mut writer = encoder.write_header().map_err(failed)?;
        if grey {
            let bytes: Vec<u8> = self.pixels.iter().map(|[grey, ..]| *grey).collect();
            writer.write_image_data(&bytes).map_err(failed)?;
        } else {
            let bytes = self.pixels.as_flattened();
            writer.write_image_data(bytes).map_err(failed)?;
        }
        writer.finish().map_err(failed)?;
        Ok(file)
    }
}

/// Refuses what is beyond [`MAX_PIXELS`].
pub(crate) fn check_size(width: usize, height: usize) -> Result<()> {
    let [width, height] = [width, height].map(|n| n as u64);
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MAX_PIXELS => Ok(()),
        _ => Err(Error::TooLarge { width, height }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(file: &[u8]) -> (png::ColorType, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        bytes.truncate(info.buffer_size());
        (info.color_type, bytes)
    }

    #[test]
    fn a_png_holds_the_pixels_grey_where_they_are_grey() {
        let mut picture = Picture::new(3, 2, [7; 3]).unwrap();
        picture.fill(1, 1, 9, 9, [9; 3], 256);
        let (kind, bytes) = decoded(&picture.png().unwrap());
        assert_eq!(
            (kind, bytes),
            (png::ColorType::Grayscale, vec![7, 7, 7, 7, 9, 9])
        );
        picture.blend(2, 0, [1, 2, 3], 256);
        let (kind, bytes) = decoded(&picture.png().unwrap());
        assert_eq!(kind, png::ColorType::Rgb);
        assert_eq!(bytes[6..9], [1, 2, 3]);
        assert_eq!(picture.png().unwrap(), picture.png().unwrap());
    }

    #[test]
    fn drawing_outside_changes_nothing() {
        let mut picture = Picture::new(2, 2, [0; 3]).unwrap();
        for (x, y) in [(-1, 0), (2, 0), (0, 2), (0, -1), (i64::MAX, i64::MIN)] {
            picture.blend(x, y, [9; 3], 256);
            picture.fill(x.max(-5) - 3, y, 2, 0, [9; 3], 256);
        }
        picture.paste(&Picture::new(3, 3, [9; 3]).unwrap(), 2, 0);
        assert_eq!(picture.pixels(), [[0; 3]; 4]);
        picture.paste(&Picture::new(3, 3, [9; 3]).unwrap(), 1, 1);
        assert_eq!(picture.pixels(), [[0; 3], [0; 3], [0; 3], [9; 3]]);
        assert_eq!(picture.get(1, 1), Some([9; 3]));
        assert_eq!(picture.get(2, 0), None);
        assert_eq!(picture.with_rows_reversed().get(1, 0), Some([9; 3]));
        assert_eq!(picture.with_columns_reversed().get(0, 1), Some([9; 3]));
        assert_eq!(picture.part(1, 1, 5, 5).pixels(), [[9; 3]]);
    }

    #[test]
    fn a_picture_beyond_the_limit_is_refused() {
        let error = Picture::new(1 << 20, 65, [0; 3]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooLarge {
                    width: 1_048_576,
                    height: 65
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("more mm per pixel"));
        assert!(Picture::new(usize::MAX, usize::MAX, [0; 3]).is_err());
        assert!(Picture::from_pixels(2, 2, vec![[0; 3]; 3]).is_err());
    }
}
