//! Text in pictures: Inter, embedded, so that every machine draws the same pixels.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use crate::colour::Rgb;
use crate::error::{Error, Result};
use crate::picture::Picture;

const REGULAR: &[u8] = include_bytes!("../fonts/Inter-Regular.subset.otf");
const SEMI_BOLD: &[u8] = include_bytes!("../fonts/Inter-SemiBold.subset.otf");

/// How heavy the strokes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// For captions.
    Regular,
    /// For titles and letters.
    SemiBold,
}

/// Which end of the text is at the place given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins there.
    Left,
    /// Its middle is there.
    Middle,
    /// It ends there.
    Right,
}

/// What text looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// The size of the type in pixels.
    pub size: f32,
    /// How heavy the strokes are.
    pub weight: Weight,
    /// The colour.
    pub colour: Rgb,
}

impl Style {
    /// Over a picture.
    pub const TITLE: Self = Self {
        size: 16.0,
        weight: Weight::SemiBold,
        colour: [236; 3],
    };
    /// Below a picture.
    pub const CAPTION: Self = Self {
        size: 13.0,
        weight: Weight::Regular,
        colour: [168; 3],
    };
    /// Numbers at an axis, and what is told at the edge.
    pub const NOTE: Self = Self {
        size: 12.0,
        weight: Weight::Regular,
        colour: [128; 3],
    };
    /// R, L, A, P, S, I around a pane.
    pub const LETTER: Self = Self {
        size: 13.0,
        weight: Weight::SemiBold,
        colour: [200; 3],
    };

    /// The height of a line in pixels.
    pub fn line(&self) -> usize {
        (self.size * 1.4).round() as usize
    }

    /// The width of a text in pixels, rounded up.
    ///
    /// # Errors
    /// [`Error::Internal`] where the embedded font is damaged.
    pub fn width(&self, text: &str) -> Result<usize> {
        let font = self.font()?;
        let font = font.as_scaled(self.scale(&font));
        let width: f32 = glyphs(text).map(|c| font.h_advance(font.glyph_id(c))).sum();
        Ok(width.ceil() as usize)
    }

    /// The text, cut off with '…' where it is wider than so many pixels.
    ///
    /// # Errors
    /// As [`Style::width`].
    pub fn fitted(&self, text: &str, width: usize) -> Result<String> {
        if self.width(text)? <= width {
            return Ok(text.to_owned());
        }
        let mut kept: Vec<char> = text.chars().collect();
        while kept.pop().is_some() {
            let shorter: String = kept.iter().collect();
            let shorter = format!("{}…", shorter.trim_end());
            if self.width(&shorter)? <= width {
                return Ok(shorter);
            }
        }
        Ok(String::new())
    }

    /// Draws a line of text whose box begins at the row `y`.
    ///
    /// # Errors
    /// As [`Style::width`].
    pub fn draw(
        &self,
        picture: &mut Picture,
        [x, y]: [i64; 2],
        anchor: Anchor,
        text: &str,
    ) -> Result<()> {
        let font = self.font()?;
        let scale = self.scale(&font);
        let scaled = font.as_scaled(scale);
        let before = match anchor {
            Anchor::Left => 0,
            Anchor::Middle => self.width(text)? / 2,
            Anchor::Right => self.width(text)?,
        };
        let (x, mut pen) = (x - before as i64, 0.0);
        // The height of capitals is 0.727 of the size: they are in the middle of the line.
        let baseline = ((self.line() as f32 + self.size * 0.727) * 0.5).round();
        for c in glyphs(text) {
            let id = scaled.glyph_id(c);
            let glyph = id.with_scale_and_position(scale, point(pen, baseline));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                let (left, top) = (x + corner.x as i64, y + corner.y as i64);
                outline.draw(|column, row, coverage| {
                    let alpha = (coverage.clamp(0.0, 1.0) * 256.0 + 0.5) as u32;
                    let (column, row) = (i64::from(column), i64::from(row));
                    picture.blend(left + column, top + row, self.colour, alpha);
                });
            }
            pen += scaled.h_advance(id);
        }
        Ok(())
    }

    fn font(&self) -> Result<FontRef<'static>> {
        let bytes = match self.weight {
            Weight::Regular => REGULAR,
            Weight::SemiBold => SEMI_BOLD,
        };
        FontRef::try_from_slice(bytes)
            .map_err(|error| Error::Internal(format!("the embedded font: {error}")))
    }

    /// `size` is that of the em square, as everywhere but in ab_glyph.
    fn scale(&self, font: &FontRef<'_>) -> PxScale {
        let em = font.units_per_em().unwrap_or(2048.0);
        PxScale::from(self.size * font.height_unscaled() / em)
    }
}

/// The characters that are drawn: what controls the layout is a space.
fn glyphs(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| if c.is_control() { ' ' } else { c })
}

/// A number with at most four digits that count, without zeros at the end; − before it.
pub fn number(v: f64) -> String {
    let size = v.abs();
    let text = if !size.is_finite() {
        return v.to_string().replace('-', "\u{2212}");
    } else if size >= 1e7 || (size < 1e-3 && size > 0.0) {
        format!("{v:.2e}")
    } else if size >= 1000.0 {
        format!("{v:.0}")
    } else if size >= 100.0 {
        format!("{v:.1}")
    } else if size >= 10.0 {
        format!("{v:.2}")
    } else if size >= 0.1 {
        format!("{v:.3}")
    } else {
        format!("{v:.5}")
    };
    let text = match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    match text {
        "-0" => "0".to_owned(),
        text => text.replace('-', "\u{2212}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, style: Style) -> Picture {
        let mut picture = Picture::new(60, style.line(), [0; 3]).unwrap();
        style
            .draw(&mut picture, [4, 0], Anchor::Left, text)
            .unwrap();
        picture
    }

    #[test]
    fn a_letter_is_smooth_upright_and_where_it_should_be() {
        let picture = drawn("L", Style::TITLE);
        let ink = |x: std::ops::Range<usize>, y: std::ops::Range<usize>| -> u32 {
            y.flat_map(|y| x.clone().map(move |x| (x, y)))
                .map(|(x, y)| u32::from(picture.get(x, y).unwrap()[0]))
                .sum()
        };
        let height = Style::TITLE.line();
        // Nothing before the place given; the stem on the left, the foot below on the right.
        assert_eq!(ink(0..4, 0..height), 0);
        assert!(ink(4..8, 5..16) > 10 * 236);
        assert_eq!(ink(9..20, 0..11), 0);
        assert!(ink(8..13, 13..18) > 2 * 236);
        let between = |pixel: &&Rgb| pixel[0] > 0 && pixel[0] < 236;
        assert!(picture.pixels().iter().filter(between).count() > 5);
    }

    #[test]
    fn anchors_shift_by_the_width() {
        let style = Style::CAPTION;
        let width = style.width("RAS").unwrap();
        assert_eq!(width, 26);
        let mut right = Picture::new(60, style.line(), [0; 3]).unwrap();
        let end = [4 + width as i64, 0];
        style.draw(&mut right, end, Anchor::Right, "RAS").unwrap();
        assert_eq!(right, drawn("RAS", style));
    }

    #[test]
    fn a_long_text_is_cut_to_its_place() {
        let style = Style::CAPTION;
        let text = "a caption that is too long";
        let cut = style.fitted(text, 80).unwrap();
        assert!(
            cut.ends_with('…') && style.width(&cut).unwrap() <= 80,
            "{cut}"
        );
        assert_eq!(style.fitted(text, 1000).unwrap(), text);
        assert_eq!(style.fitted(text, 2).unwrap(), "");
    }

    #[test]
    fn every_character_that_captions_use_is_in_the_fonts() {
        for style in [Style::TITLE, Style::NOTE] {
            let font = style.font().unwrap();
            for c in (' '..='~').chain("°±²³µ·×–—…←↑→↓−≤≥".chars()) {
                assert_ne!(font.glyph_id(c).0, 0, "{c}");
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [
                -160.0, 0.781_25, 1234.5, -147.5, 2e-7, 0.0, -0.000_01, 35.204, 0.0125
            ]
            .map(number),
            [
                "−160",
                "0.781",
                "1234",
                "−147.5",
                "2.00e−7",
                "0",
                "−1.00e−5",
                "35.2",
                "0.0125"
            ]
        );
    }
}
