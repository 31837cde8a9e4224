//! Mosaics: all slices of one or several volumes, row by row.

use ndarray::Array2;
use rayon::prelude::*;
use serde::Serialize;
use voxprep_core::error::Error;

use crate::error::Result;
use crate::image::{Image, Kind};
use crate::look::{Limits, Look};
use crate::pane::{LETTER_MARGIN, Painter, Pane, Plane, Slice, blank, draw_letters};
use crate::picture::{Picture, check_size};
use crate::slices::{MARGIN, notes, sides};
use crate::text::{Anchor, Style};

/// The black between tiles, in pixels.
const GAP: usize = 2;
/// How wide mosaics are that nobody gave a scale, in pixels.
const WIDTH: f64 = 2400.0;
/// Tiles of fewer pixels have no number.
const NUMBERED: usize = 56;

/// Which slices, in how many columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The plane of the slices.
    pub plane: Plane,
    /// The number of slices in a row; `None` chooses one that makes the mosaic about as high as
    /// wide.
    pub per_row: Option<usize>,
    /// Every how manieth slice, from the first; 1 takes all.
    pub every: usize,
}

impl Grid {
    /// All slices of a plane.
    pub fn new(plane: Plane) -> Self {
        Self {
            plane,
            per_row: None,
            every: 1,
        }
    }

    /// The same with so many slices in a row.
    #[must_use]
    pub fn with_per_row(mut self, per_row: usize) -> Self {
        self.per_row = Some(per_row);
        self
    }

    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("per_row", self.per_row.unwrap_or(1)),
            ("every", self.every),
        ] {
            if value == 0 {
                return Err(Error::parameter("must be at least 1").field(field).into());
            }
        }
        Ok(())
    }

    /// Image and slice of every tile: right to left, front to back, feet to head.
    fn tiles(&self, images: &[Image<'_>]) -> Vec<(usize, usize)> {
        let of = |(number, image): (usize, &Image<'_>)| {
            let order = self.plane.order(image.volume.geometry());
            let order = order.into_iter().step_by(self.every.max(1));
            order.map(move |index| (number, index)).collect::<Vec<_>>()
        };
        images.iter().enumerate().flat_map(of).collect()
    }
}

/// A mosaic, and where what is.
#[derive(Clone, Debug)]
pub struct Mosaic {
    /// The picture.
    pub picture: Picture,
    /// The number of rows.
    pub rows: usize,
    /// The number of tiles in a full row.
    pub per_row: usize,
    /// The tiles, row by row.
    pub tiles: Vec<Tile>,
    /// The values that are black and white, for each image.
    pub limits: Vec<Option<Limits>>,
    /// One sentence: slices, window, convention, scale.
    pub caption: String,
}

/// A tile of a mosaic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tile {
    /// Which of the images, from 0.
    pub image: usize,
    /// The slice, and where it is in the picture.
    pub pane: Pane,
}

/// All slices of the images, `per_row` in a row, the images one after the other.
///
/// Axial slices run from feet to head, coronal ones from front to back, sagittal ones from right to
/// left. All have one scale; without one given, the mosaic is about 2400 pixels wide.
///
/// # Errors
/// [`crate::error::Error::TooLarge`] before anything is drawn, where the picture would be beyond the
/// limit; and where an option is wrong.
pub fn mosaic(images: &[Image<'_>], grid: Grid, look: &Look) -> Result<Mosaic> {
    grid.check()?;
    let places = grid.tiles(images);
    let Some(first) = images.first() else {
        return Err(Error::parameter("there is no image to show").into());
    };
    let (mut side, mut voxel) = (0.0_f64, f64::INFINITY);
    for image in images {
        let (s, v) = sides(image.volume, &[grid.plane]);
        (side, voxel) = (side.max(s), voxel.min(v));
    }
    let painters: Vec<Painter<'_>> = images
        .iter()
        .map(|image| Painter::new(image, look))
        .collect::<Result<_>>()?;
    let tile_of = |mm: f64| {
        painters.iter().fold([1, 1], |[width, height], painter| {
            let [across, down] = painter.axes(grid.plane, mm);
            [width.max(across.pixels), height.max(down.pixels)]
        })
    };
    let per_row = grid.per_row.unwrap_or_else(|| {
        let [width, height] = tile_of(voxel);
        square(places.len(), width, height)
    });
    let per_row = per_row.min(places.len()).max(1);
    let mm = look
        .scale
        .mm_per_pixel(side, voxel, (WIDTH / per_row as f64).max(16.0))?;
    let [width, height] = tile_of(mm);
    let rows = places.len().div_ceil(per_row);
    let around = match look.letters && grid.plane != Plane::Stored {
        true => LETTER_MARGIN,
        false => 0,
    };
    // Tiles go on from one image to the next, in this order.
    let titles: Vec<&str> = images.iter().map(|image| image.title.as_str()).collect();
    let names = titles.join(", then ");
    let has_title = look.captions && titles.iter().any(|title| !title.is_empty());
    let title = if has_title {
        Style::TITLE.line() + 6
    } else {
        0
    };
    let note = if look.captions {
        Style::NOTE.line() + 6
    } else {
        0
    };
    let [across, down] = [(width, per_row), (height, rows)]
        .map(|(side, count)| (side + GAP).saturating_mul(count) - GAP);
    let (left, top) = (MARGIN + around, MARGIN + title + around);
    let whole = (
        across.saturating_add(2 * left),
        down.saturating_add(top + around + note + MARGIN),
    );
    check_size(whole.0, whole.1)?;
    let mut picture = blank(whole.0, whole.1)?;
    let mut tiles = Vec::with_capacity(places.len());
    for (row, places) in places.chunks(per_row).enumerate() {
        let drawn: Vec<(Tile, Picture)> = places
            .par_iter()
            .enumerate()
            .filter_map(|(column, &(image, index))| {
                let painter = painters.get(image)?;
                let slice = Slice {
                    plane: grid.plane,
                    index,
                };
                let mut pane = painter.pane(slice, [0, 0], mm);
                pane.x = left + column * (width + GAP) + (width - pane.width) / 2;
                pane.y = top + row * (height + GAP) + (height - pane.height) / 2;
                if !look.letters {
                    pane.letters = None;
                }
                let drawn = painter.draw(slice, mm);
                Some(drawn.map(|picture| (Tile { image, pane }, picture)))
            })
            .collect::<Result<_>>()?;
        for (tile, drawn) in drawn {
            picture.paste(&drawn, tile.pane.x, tile.pane.y);
            if look.captions && width.min(height) >= NUMBERED {
                write_number(&mut picture, &tile.pane)?;
            }
            tiles.push(tile);
        }
    }
    let limits: Vec<Option<Limits>> = painters.iter().map(Painter::limits).collect();
    let pane = tiles.first().map(|tile| &tile.pane);
    let one = (images.len() == 1).then(|| limits.first().copied().flatten());
    let notes = notes(first, look, one.flatten(), pane, mm);
    if let Some(pane) = pane {
        let whole = Pane {
            x: left,
            y: top,
            width: across,
            height: down,
            ..pane.clone()
        };
        draw_letters(&mut picture, &whole)?;
    }
    let count = format!("{} {} slices", tiles.len(), grid.plane);
    if look.captions {
        let room = whole.0 - 2 * MARGIN;
        let edge = MARGIN as i64;
        if has_title {
            let text = Style::TITLE.fitted(&names, room)?;
            Style::TITLE.draw(&mut picture, [edge, edge], Anchor::Left, &text)?;
        }
        let text = format!("{count} · {}", notes.join(" · "));
        let text = Style::NOTE.fitted(&text, room)?;
        let y = whole.1 - MARGIN - Style::NOTE.line() + 2;
        Style::NOTE.draw(&mut picture, [edge, y as i64], Anchor::Left, &text)?;
    }
    Ok(Mosaic {
        picture,
        rows,
        per_row,
        tiles,
        limits,
        caption: format!(
            "{}{count} in {rows} row{}, {}",
            if has_several(&titles) {
                format!("{names}: ")
            } else {
                String::new()
            },
            if rows == 1 { "" } else { "s" },
            notes.join(", ")
        ),
    })
}

/// The values of the voxels of a mosaic, unscaled: rows and columns of tiles as [`mosaic`] has them,
/// the right way up, a voxel for each entry and nothing between tiles. Where the last row has no
/// tile, and around smaller images, NaN.
///
/// # Errors
/// [`crate::error::Error::TooLarge`] beyond 64 Mi entries; [`Error::Unsupported`] for colours.
pub fn mosaic_values(images: &[Image<'_>], grid: Grid) -> Result<Array2<f64>> {
    grid.check()?;
    let places = grid.tiles(images);
    let [width, height] = images.iter().fold([0, 0], |[width, height], image| {
        let geometry = image.volume.geometry();
        let course = grid.plane.course(geometry);
        let [w, h] = [course.across.0, course.down.0].map(|axis| geometry.size()[axis]);
        [width.max(w), height.max(h)]
    });
    let per_row = grid
        .per_row
        .unwrap_or_else(|| square(places.len(), width, height));
    let per_row = per_row.min(places.len()).max(1);
    let rows = places.len().div_ceil(per_row);
    let (across, down) = (width.saturating_mul(per_row), height.saturating_mul(rows));
    check_size(across, down)?;
    let mut values = Array2::from_elem((down, across), f64::NAN);
    for (place, (image, index)) in places.into_iter().enumerate() {
        let Some(image) = images.get(image) else {
            continue;
        };
        let channel = match image.kind() {
            Kind::Values(channel) | Kind::Labels(channel) => channel,
            Kind::Colour => {
                return Err(Error::unsupported("colours have no single value")
                    .remedy("choose a channel")
                    .into());
            }
        };
        let geometry = image.volume.geometry();
        let course = grid.plane.course(geometry);
        let columns = geometry.size()[course.across.0].max(1);
        let slice = course.slice(image.volume, channel, index, |v| v);
        let (y, x) = (place / per_row * height, place % per_row * width);
        for (row, line) in slice.chunks(columns).enumerate() {
            let target = ndarray::s![y + row, x..x + columns];
            values
                .slice_mut(target)
                .assign(&ndarray::ArrayView1::from(line));
        }
    }
    Ok(values)
}

/// The number of columns that makes a mosaic about as high as wide.
fn square(tiles: usize, width: usize, height: usize) -> usize {
    let area = tiles as f64 * height.max(1) as f64 / width.max(1) as f64;
    (area.sqrt().ceil() as usize).max(1)
}

/// The index of a slice in the corner of its tile.
fn has_several(titles: &[&str]) -> bool {
    titles.len() > 1 && titles.iter().any(|title| !title.is_empty())
}

fn write_number(picture: &mut Picture, pane: &Pane) -> Result<()> {
    let style = Style {
        colour: [190; 3],
        ..Style::NOTE
    };
    let text = pane.slice.index.to_string();
    let (x, y) = (pane.x as i64, pane.y as i64);
    picture.fill(x, y, style.width(&text)? + 8, style.line(), [0; 3], 128);
    style.draw(picture, [x + 4, y], Anchor::Left, &text)
}
