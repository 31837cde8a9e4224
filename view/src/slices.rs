//! Slices side by side: the three in the middle, any others, and several volumes one below another.

use voxprep_core::volume::Volume;

use crate::error::Result;
use crate::image::Image;
use crate::look::{Limits, Look, Origin, Scale, Window};
use crate::pane::{LETTER_MARGIN, Painter, Pane, Plane, Slice, blank, draw_letters};
use crate::picture::Picture;
use crate::text::{Anchor, Style, number};

/// The black around pictures, in pixels.
pub(crate) const MARGIN: usize = 16;
/// The black between panes, in pixels.
pub(crate) const GAP: usize = 12;

/// A picture of slices, and what it shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The picture.
    pub picture: Picture,
    /// Its panes, from left to right and from top to bottom.
    pub panes: Vec<Pane>,
    /// The values that are black and white, for each image; `None` for label maps and colours
    /// without a window.
    pub limits: Vec<Option<Limits>>,
    /// One sentence: slices, window, convention, scale.
    pub caption: String,
}

/// The slices in the middle of a volume: sagittal, coronal, axial, from left to right; of a volume
/// of one slice, that.
///
/// # Errors
/// [`crate::error::Error`] where an option of the look is wrong or the picture too large.
pub fn mid_slices(image: &Image<'_>, look: &Look) -> Result<Shown> {
    slices_in_row(image, &middle(image), look)
}

/// Any slices of a volume, from left to right.
///
/// # Errors
/// As [`mid_slices`], and where there is no such slice, or none at all.
pub fn slices_in_row(image: &Image<'_>, slices: &[Slice], look: &Look) -> Result<Shown> {
    let look = Look {
        scale: Scale::MmPerPixel(mm_per_pixel(image, slices, look.scale)?),
        ..*look
    };
    row(image, slices, &look)
}

/// One row of a picture: slices of a volume.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// What is shown.
    pub image: Image<'a>,
    /// Its slices, from left to right.
    pub slices: Vec<Slice>,
    /// What is black and white in this row, instead of what the look says.
    pub window: Option<Window>,
}

/// The slices in the middle of several volumes, one volume below another, all in one scale: several
/// sequences.
///
/// # Errors
/// As [`mid_slices`].
pub fn mid_rows(images: &[Image<'_>], look: &Look) -> Result<Shown> {
    let rows: Vec<Row<'_>> = images
        .iter()
        .map(|image| Row {
            image: image.clone(),
            slices: middle(image),
            window: None,
        })
        .collect();
    rows_of(&rows, look)
}

/// Any slices of several volumes, one volume below another, all in one scale.
///
/// # Errors
/// As [`slices_in_row`].
pub fn rows_of(rows: &[Row<'_>], look: &Look) -> Result<Shown> {
    let mut mm = 0.0_f64;
    for row in rows {
        mm = mm.max(mm_per_pixel(&row.image, &row.slices, look.scale)?);
    }
    let mut shown = Vec::with_capacity(rows.len());
    for Row {
        image,
        slices,
        window,
    } in rows
    {
        let look = Look {
            scale: Scale::MmPerPixel(mm),
            window: window.unwrap_or(look.window),
            ..*look
        };
        shown.push(row(image, slices, &look)?);
    }
    below_each_other(shown)
}

/// Pictures of slices, one below another.
///
/// # Errors
/// [`crate::error::Error::TooLarge`] where they are too large together.
pub fn below_each_other(rows: Vec<Shown>) -> Result<Shown> {
    let width = rows.iter().map(|row| row.picture.width()).max();
    let height = rows.iter().map(|row| row.picture.height()).sum();
    let mut shown = Shown {
        picture: blank(width.unwrap_or(0), height)?,
        panes: Vec::new(),
        limits: Vec::new(),
        caption: String::new(),
    };
    let mut y = 0;
    for row in rows {
        shown.picture.paste(&row.picture, 0, y);
        shown.panes.extend(row.panes.into_iter().map(|pane| Pane {
            y: pane.y + y,
            ..pane
        }));
        shown.limits.extend(row.limits);
        if !shown.caption.is_empty() {
            shown.caption += "; ";
        }
        shown.caption += &row.caption;
        y += row.picture.height();
    }
    Ok(shown)
}

/// The slices that [`mid_slices`] draws.
pub fn middle(image: &Image<'_>) -> Vec<Slice> {
    let of = |plane| Slice::middle(plane, image.volume.geometry());
    match Plane::of_single_slice(image) {
        Some(plane) => vec![of(plane)],
        None => Plane::ANATOMICAL.map(of).to_vec(),
    }
}

/// The mm per pixel of panes that a look asks for.
fn mm_per_pixel(image: &Image<'_>, slices: &[Slice], scale: Scale) -> Result<f64> {
    let planes: Vec<Plane> = slices.iter().map(|slice| slice.plane).collect();
    let (side, voxel) = sides(image.volume, &planes);
    scale.mm_per_pixel(side, voxel, f64::INFINITY)
}

/// The longest side of the slices of these planes, and the shortest side of a voxel in them, in mm.
pub(crate) fn sides(volume: &Volume, planes: &[Plane]) -> (f64, f64) {
    let geometry = volume.geometry();
    let (size, spacing) = (geometry.size(), geometry.spacing());
    let (mut side, mut voxel) = (0.0_f64, f64::INFINITY);
    for plane in planes {
        let course = plane.course(geometry);
        for (axis, _) in [course.across, course.down] {
            side = side.max(size[axis] as f64 * spacing[axis]);
            voxel = voxel.min(spacing[axis]);
        }
    }
    (side, voxel)
}

fn row(image: &Image<'_>, slices: &[Slice], look: &Look) -> Result<Shown> {
    if slices.is_empty() {
        let reason = "no slice is asked for";
        return Err(voxprep_core::error::Error::parameter(reason)
            .field("slices")
            .into());
    }
    let Scale::MmPerPixel(mm) = look.scale else {
        return Err(crate::error::Error::Internal(
            "the scale is decided before slices are drawn".to_owned(),
        ));
    };
    let painter = Painter::new(image, look)?;
    let mut panes: Vec<Pane> = slices
        .iter()
        .map(|slice| painter.pane(*slice, [0, 0], mm))
        .collect();
    for pane in panes.iter_mut().filter(|_| !look.letters) {
        pane.letters = None;
    }
    // Every pane has a cell as wide as itself, its letters and its caption.
    let around = |pane: &Pane| {
        if pane.letters.is_some() {
            LETTER_MARGIN
        } else {
            0
        }
    };
    let mut cells = Vec::with_capacity(panes.len());
    for pane in &panes {
        let caption = match look.captions {
            true => Style::CAPTION.width(&pane.caption())?,
            false => 0,
        };
        cells.push(caption.max(pane.width + 2 * around(pane)));
    }
    let rows = panes.iter().map(|pane| pane.height).max().unwrap_or(0);
    let letters = panes.iter().map(around).max().unwrap_or(0);
    let has_title = look.captions && !image.title.is_empty();
    let title = if has_title {
        Style::TITLE.line() + 6
    } else {
        0
    };
    let (caption, note) = match look.captions {
        true => (Style::CAPTION.line() + 4, Style::NOTE.line() + 4),
        false => (0, 0),
    };
    let width = 2 * MARGIN + cells.iter().sum::<usize>() + GAP * (cells.len() - 1);
    let top = MARGIN + title + letters;
    let height = top + rows + letters + caption + note + MARGIN;
    let mut picture = blank(width, height)?;
    let left = MARGIN as i64;
    if has_title {
        let text = Style::TITLE.fitted(&image.title, width - 2 * MARGIN)?;
        Style::TITLE.draw(&mut picture, [left, left], Anchor::Left, &text)?;
    }
    let mut x = MARGIN;
    for (pane, cell) in panes.iter_mut().zip(&cells) {
        pane.x = x + (cell - pane.width) / 2;
        pane.y = top + (rows - pane.height) / 2;
        picture.paste(&painter.draw(pane.slice, mm)?, pane.x, pane.y);
        draw_letters(&mut picture, pane)?;
        if look.captions {
            let place = [(x + cell / 2) as i64, (top + rows + letters + 4) as i64];
            Style::CAPTION.draw(&mut picture, place, Anchor::Middle, &pane.caption())?;
        }
        x += cell + GAP;
    }
    let notes = notes(image, look, painter.limits(), panes.first(), mm);
    if look.captions {
        let text = Style::NOTE.fitted(&notes.join(" · "), width - 2 * MARGIN)?;
        let place = [left, (height - MARGIN - Style::NOTE.line() + 2) as i64];
        Style::NOTE.draw(&mut picture, place, Anchor::Left, &text)?;
    }
    let name = match image.title.as_str() {
        "" => String::new(),
        title => format!("{title}: "),
    };
    let described: Vec<String> = panes.iter().map(Pane::describe).collect();
    Ok(Shown {
        picture,
        caption: format!("{name}{}, {}", described.join(", "), notes.join(", ")),
        panes,
        limits: vec![painter.limits()],
    })
}

/// What holds for all panes.
pub(crate) fn notes(
    image: &Image<'_>,
    look: &Look,
    limits: Option<Limits>,
    pane: Option<&Pane>,
    mm: f64,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(channel) = image.channel_name() {
        notes.push(format!("channel {channel}"));
    }
    if let Some(limits) = limits {
        let unit = image.volume.header().unit;
        notes.push(format!("window {}", limits.describe(unit)));
    }
    let is_anatomical = pane.is_some_and(|pane| pane.slice.plane != Plane::Stored);
    if is_anatomical {
        notes.push(look.convention.to_string());
        if is_oblique(image.volume) {
            notes.push("oblique".to_owned());
        }
    }
    if is_anatomical || look.origin == Origin::Lower {
        notes.push(format!("origin {}", look.origin));
    }
    notes.push(format!("{} mm per pixel", number(mm)));
    notes
}

/// Whether an index axis is more than about one degree off its anatomical axis.
fn is_oblique(volume: &Volume) -> bool {
    let geometry = volume.geometry();
    let axes = geometry.orientation().axes();
    let mut directions = geometry.direction().into_iter().zip(axes);
    directions.any(|(direction, (axis, _))| direction[axis].abs() < 0.999_85)
}
