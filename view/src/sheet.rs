//! Pictures arranged: strips, contact sheets, tables.

use voxprep_core::error::Error;

use crate::error::Result;
use crate::pane::blank;
use crate::picture::Picture;
use crate::slices::{GAP, MARGIN};
use crate::text::{Anchor, Style};

/// A picture and what is written below it.
#[derive(Clone, Debug)]
pub struct Captioned {
    /// The picture.
    pub picture: Picture,
    /// What is written below it; may be empty.
    pub caption: String,
}

impl Captioned {
    /// A picture with a caption.
    pub fn new(picture: Picture, caption: impl Into<String>) -> Self {
        Self {
            picture,
            caption: caption.into(),
        }
    }
}

/// Pictures side by side: before and after a step, for example.
///
/// # Errors
/// As [`contact_sheet`].
pub fn strip(items: &[Captioned], title: &str) -> Result<Picture> {
    contact_sheet(items, items.len(), title)
}

/// Pictures in rows of so many columns, each in the middle of its cell, captions below.
///
/// # Errors
/// [`Error::Parameter`] where there is no picture or no column,
/// [`crate::error::Error::TooLarge`] where they are too large together.
pub fn contact_sheet(items: &[Captioned], columns: usize, title: &str) -> Result<Picture> {
    if items.is_empty() || columns == 0 {
        let reason = format!("{} pictures in {columns} columns", items.len());
        return Err(Error::parameter(reason)
            .remedy("give at least one of both")
            .into());
    }
    let rows = items.len().div_ceil(columns);
    let width = items.iter().map(|item| item.picture.width()).max();
    let width = width.unwrap_or(0);
    let has_captions = items.iter().any(|item| !item.caption.is_empty());
    let caption = if has_captions {
        Style::CAPTION.line() + 6
    } else {
        0
    };
    let heights: Vec<usize> = items
        .chunks(columns)
        .map(|row| row.iter().map(|item| item.picture.height()).max())
        .map(|height| height.unwrap_or(0) + caption)
        .collect();
    let top = MARGIN
        + if title.is_empty() {
            0
        } else {
            Style::TITLE.line() + 8
        };
    let whole = 2 * MARGIN + columns * (width + GAP) - GAP;
    let height = top + heights.iter().sum::<usize>() + GAP * (rows - 1) + MARGIN;
    let mut sheet = blank(whole, height)?;
    let edge = MARGIN as i64;
    let text = Style::TITLE.fitted(title, whole - 2 * MARGIN)?;
    Style::TITLE.draw(&mut sheet, [edge, edge], Anchor::Left, &text)?;
    let mut y = top;
    for (row, height) in items.chunks(columns).zip(heights) {
        for (column, item) in row.iter().enumerate() {
            let x = MARGIN + column * (width + GAP);
            let room = height - caption - item.picture.height();
            let inside = x + (width - item.picture.width()) / 2;
            sheet.paste(&item.picture, inside, y + room / 2);
            let text = Style::CAPTION.fitted(&item.caption, width)?;
            let place = [(x + width / 2) as i64, (y + height - caption + 4) as i64];
            Style::CAPTION.draw(&mut sheet, place, Anchor::Middle, &text)?;
        }
        y += height + GAP;
    }
    Ok(sheet)
}

/// Names and values in two columns.
///
/// # Errors
/// [`crate::error::Error::TooLarge`] for very many.
pub fn table(rows: &[(String, String)], title: &str) -> Result<Picture> {
    let (name, value) = (
        Style::CAPTION,
        Style {
            colour: [220; 3],
            ..Style::CAPTION
        },
    );
    let mut widths = [0, 0];
    for (left, right) in rows {
        widths[0] = widths[0].max(name.width(left)?);
        widths[1] = widths[1].max(value.width(right)?);
    }
    let line = name.line() + 6;
    let top = MARGIN
        + if title.is_empty() {
            0
        } else {
            Style::TITLE.line() + 8
        };
    let inside = (widths[0] + 2 * GAP + widths[1]).max(Style::TITLE.width(title)?);
    let mut picture = blank(inside + 2 * MARGIN, top + rows.len() * line + MARGIN)?;
    let edge = MARGIN as i64;
    Style::TITLE.draw(&mut picture, [edge, edge], Anchor::Left, title)?;
    for (row, (left, right)) in rows.iter().enumerate() {
        let y = (top + row * line) as i64;
        if row > 0 {
            picture.fill(edge, y, inside, 1, [40; 3], 256);
        }
        name.draw(&mut picture, [edge, y + 3], Anchor::Left, left)?;
        let x = edge + (widths[0] + 2 * GAP) as i64;
        value.draw(&mut picture, [x, y + 3], Anchor::Left, right)?;
    }
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: usize, height: usize, grey: u8) -> Captioned {
        Captioned::new(Picture::new(width, height, [grey; 3]).unwrap(), "")
    }

    /// VIS-02: n pictures make n panels.
    #[test]
    fn a_strip_has_its_pictures_side_by_side() {
        let items: Vec<Captioned> = (1..=4).map(|i| plain(10, 6, 50 * i)).collect();
        let strip = strip(&items, "").unwrap();
        // 16 + 4 of 10 + 3 gaps of 12 + 16; 16 + 6 + 16
        assert_eq!((strip.width(), strip.height()), (108, 38));
        for i in 0..4 {
            let x = 16 + 22 * i;
            assert_eq!(strip.get(x, 16), Some([50 * (i as u8 + 1); 3]));
            assert_eq!(strip.get(x + 9, 21), Some([50 * (i as u8 + 1); 3]));
            assert_eq!(strip.get(x + 10, 21), Some([0; 3]));
        }
    }

    /// VIS-17
    #[test]
    fn a_contact_sheet_has_cells_of_one_width_and_captions_below() {
        let mut items = vec![plain(10, 6, 90), plain(40, 20, 120), plain(40, 8, 200)];
        items[0].caption = "a".to_owned();
        let sheet = contact_sheet(&items, 2, "").unwrap();
        let line = Style::CAPTION.line() + 6;
        assert_eq!(sheet.width(), 2 * 16 + 2 * 40 + 12);
        assert_eq!(sheet.height(), 2 * 16 + 20 + 8 + 2 * line + 12);
        // in the middle of its cell
        assert_eq!(sheet.get(16 + 15, 16 + 7), Some([90; 3]));
        assert_eq!(sheet.get(16 + 14, 16 + 7), Some([0; 3]));
        assert_eq!(sheet.get(68, 16), Some([120; 3]));
        assert_eq!(sheet.get(16, 16 + 20 + line + 12), Some([200; 3]));
        let caption = sheet.part(16, 36, 40, line);
        assert!(caption.pixels().iter().any(|pixel| pixel[0] > 100));
        let none = sheet.part(68, 36, 40, line);
        assert!(none.pixels().iter().all(|pixel| *pixel == [0; 3]));
        assert_eq!(sheet, contact_sheet(&items, 2, "").unwrap());
        assert!(contact_sheet(&[], 2, "").is_err());
        assert!(contact_sheet(&items, 0, "").is_err());
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let one = table(&[row("size", "5 × 6 × 7")], "scan").unwrap();
        let two = table(&[row("size", "5 × 6 × 7"), row("unit", "HU")], "scan").unwrap();
        assert_eq!(two.height() - one.height(), Style::CAPTION.line() + 6);
        assert_eq!(one.width(), two.width());
    }
}
