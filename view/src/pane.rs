//! Panes: one slice of a volume, the right way up, with mm that are as long across as down.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use voxprep_core::error::Error;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{Modality, PLACELESS};

use crate::colour::{BACKGROUND, NAN, Rgb, blend, label_colour};
use crate::error::Result;
use crate::image::{Course, Image, Kind};
use crate::look::{Convention, Limits, Look, Origin, OverlayMode, Window};
use crate::picture::{Picture, check_size};
use crate::resample::{Axis, resample};
use crate::text::{Anchor, Style, number};

/// Along which axes a pane lies: the index axes nearest to the anatomical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plane {
    /// Anterior and posterior across, superior up; one slice per step from right to left.
    Sagittal,
    /// Right and left across, superior up; one slice per step from front to back.
    Coronal,
    /// Right and left across, anterior up; one slice per step from feet to head.
    Axial,
    /// The index axes as they are: x to the right, y down. For projections.
    Stored,
}

impl Plane {
    /// The three anatomical planes, in the order in which panes stand in a row.
    pub const ANATOMICAL: [Self; 3] = [Self::Sagittal, Self::Coronal, Self::Axial];

    /// The plane in which a volume of one slice lies; `None` for a volume of several slices.
    ///
    /// A radiograph is drawn as stored: its axes are those of the detector. So is what has no place.
    pub fn of_single_slice(image: &Image<'_>) -> Option<Self> {
        let header = image.volume.header();
        let size = header.geometry.size();
        let placeless =
            header.modality == Some(Modality::Xray) || header.facts.contains_key(PLACELESS);
        if placeless && size[2] == 1 {
            return Some(Self::Stored);
        }
        [Self::Axial, Self::Coronal, Self::Sagittal]
            .into_iter()
            .find(|plane| plane.slices(&header.geometry) == 1)
    }

    /// The number of slices.
    pub fn slices(self, geometry: &Geometry) -> usize {
        geometry.size()[self.course(geometry).normal]
    }

    /// World axes (0 LR, 1 AP, 2 SI) across, down and through.
    fn world_axes(self) -> [usize; 3] {
        match self {
            Self::Sagittal => [1, 2, 0],
            Self::Coronal => [0, 2, 1],
            Self::Axial | Self::Stored => [0, 1, 2],
        }
    }

    /// The way along rows and columns: across to left or posterior, down to inferior or posterior.
    pub(crate) fn course(self, geometry: &Geometry) -> Course {
        if self == Self::Stored {
            return Course {
                across: (0, true),
                down: (1, true),
                normal: 2,
            };
        }
        let axes = geometry.orientation().axes();
        let along = |world: usize| {
            let index = axes.iter().position(|(axis, _)| *axis == world);
            let index = index.unwrap_or(world);
            (index, axes[index].1)
        };
        let [across, down, normal] = self.world_axes().map(along);
        Course {
            across,
            // Down is posterior (LPS+) or inferior, which is away from LPS+.
            down: (down.0, down.1 == (self == Self::Axial)),
            normal: normal.0,
        }
    }

    /// The indices of all slices, towards left, posterior or superior; as stored, forwards.
    pub fn order(self, geometry: &Geometry) -> Vec<usize> {
        let Course { normal, .. } = self.course(geometry);
        let forward = self == Self::Stored || geometry.orientation().axes()[normal].1;
        let slices = geometry.size()[normal];
        (0..slices)
            .map(|i| if forward { i } else { slices - 1 - i })
            .collect()
    }

    /// What stands around a pane.
    pub fn letters(self, convention: Convention, origin: Origin) -> Option<Letters> {
        let [mut left, mut right, mut top, mut bottom] = match self {
            Self::Sagittal => ['A', 'P', 'S', 'I'],
            Self::Coronal => ['R', 'L', 'S', 'I'],
            Self::Axial => ['R', 'L', 'A', 'P'],
            Self::Stored => return None,
        };
        if convention == Convention::Neurological {
            (left, right) = (right, left);
        }
        if origin == Origin::Lower {
            (top, bottom) = (bottom, top);
        }
        Some(Letters {
            left,
            right,
            top,
            bottom,
        })
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sagittal => "sagittal",
            Self::Coronal => "coronal",
            Self::Axial => "axial",
            Self::Stored => "stored",
        })
    }
}

impl FromStr for Plane {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "sagittal" => Ok(Self::Sagittal),
            "coronal" => Ok(Self::Coronal),
            "axial" => Ok(Self::Axial),
            "stored" => Ok(Self::Stored),
            _ => Err(Error::parameter(format!("there is no plane '{name}'"))
                .remedy("give sagittal, coronal, axial or stored")),
        }
    }
}

/// The anatomical directions towards the sides of a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Letters {
    /// Towards the left side of the picture.
    pub left: char,
    /// Towards its right side.
    pub right: char,
    /// Upwards.
    pub top: char,
    /// Downwards.
    pub bottom: char,
}

/// A slice of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Slice {
    /// The plane in which it lies.
    pub plane: Plane,
    /// Which one: the index along the axis of the volume that runs through the plane, from 0.
    pub index: usize,
}

impl Slice {
    /// The slice in the middle: index `(n - 1) / 2`, rounded down.
    pub fn middle(plane: Plane, geometry: &Geometry) -> Self {
        Self {
            plane,
            index: (plane.slices(geometry).saturating_sub(1)) / 2,
        }
    }

    /// The slice of a plane nearest to a place in the world, LPS+ mm.
    pub fn through(plane: Plane, geometry: &Geometry, place: [f64; 3]) -> Self {
        let last = plane.slices(geometry).saturating_sub(1);
        let at = geometry.index_from_world().apply(place)[plane.course(geometry).normal];
        let index = at.round_ties_even().clamp(0.0, last as f64) as usize;
        Self { plane, index }
    }

    /// The middle of the slice in the world, LPS+ mm.
    pub fn centre(self, geometry: &Geometry) -> [f64; 3] {
        let mut index = geometry.size().map(|n| (n as f64 - 1.0) / 2.0);
        index[self.plane.course(geometry).normal] = self.index as f64;
        geometry.world_from_index().apply(index)
    }

    fn check(self, geometry: &Geometry) -> Result<()> {
        let slices = self.plane.slices(geometry);
        if self.index < slices {
            return Ok(());
        }
        let reason = format!("there is no {} slice {}", self.plane, self.index);
        Err(Error::parameter(reason)
            .field("slice")
            .remedy(format!("give 0 to {}", slices - 1))
            .into())
    }
}

/// Where in a picture a slice is drawn, and which one it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pane {
    /// The slice.
    pub slice: Slice,
    /// The index axis that runs through the slice: 0 x, 1 y, 2 z.
    pub axis: usize,
    /// Where the middle of the slice is on the world axis nearest to that index axis, LPS+ mm.
    pub world_mm: f64,
    /// The first column of the picture that belongs to the slice.
    pub x: usize,
    /// The first row.
    pub y: usize,
    /// The number of columns.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// How long a pixel is, across and down.
    pub mm_per_pixel: f64,
    /// The directions, unless the axes are not anatomical.
    pub letters: Option<Letters>,
}

impl Pane {
    /// `axial z 42 (S 12.5 mm)`: plane, index axis and index, place in the world.
    pub fn describe(&self) -> String {
        let Slice { plane, index } = self.slice;
        let axis = ["x", "y", "z"].get(self.axis).copied().unwrap_or_default();
        if plane == Plane::Stored {
            return format!("as stored, {axis} {index}");
        }
        format!("{plane} {axis} {index} ({})", self.place())
    }

    /// As a caption: `Axial  z 42 · S 12.5 mm`.
    pub fn caption(&self) -> String {
        let Slice { plane, index } = self.slice;
        let axis = ["x", "y", "z"].get(self.axis).copied().unwrap_or_default();
        match plane {
            Plane::Stored => format!("as stored · {axis} {index}"),
            Plane::Sagittal => format!("Sagittal · {axis} {index} · {}", self.place()),
            Plane::Coronal => format!("Coronal · {axis} {index} · {}", self.place()),
            Plane::Axial => format!("Axial · {axis} {index} · {}", self.place()),
        }
    }

    /// Where the slice is: a letter and mm from the origin of the world.
    fn place(&self) -> String {
        let letters = match self.slice.plane {
            Plane::Sagittal => ["R", "L"],
            Plane::Coronal => ["A", "P"],
            Plane::Axial | Plane::Stored => ["I", "S"],
        };
        let mm = (self.world_mm * 10.0).round() / 10.0;
        format!(
            "{} {} mm",
            letters[usize::from(mm >= 0.0)],
            number(mm.abs())
        )
    }
}

/// An image ready to be drawn: its window is known, and how large a pixel is.
pub(crate) struct Painter<'a> {
    image: &'a Image<'a>,
    look: &'a Look,
    limits: Option<Limits>,
    table: [Rgb; 256],
    opacity: u32,
}

impl<'a> Painter<'a> {
    pub(crate) fn new(image: &'a Image<'a>, look: &'a Look) -> Result<Self> {
        let limits = match image.kind() {
            Kind::Values(channel) => Some(look.window.limits(image.volume, channel)?),
            Kind::Colour if look.window == Window::Automatic => Some(Limits {
                low: 0.0,
                high: 255.0,
            }),
            Kind::Colour => Some(look.window.limits(image.volume, 0)?),
            Kind::Labels(_) => None,
        };
        Ok(Self {
            image,
            look,
            limits,
            table: look.colour_map.table(),
            opacity: look.overlay.opacity()?,
        })
    }

    /// The values that are black and white; `None` for a label map.
    pub(crate) fn limits(&self) -> Option<Limits> {
        self.limits
    }

    /// The axes of a pane in pixels of so many mm: across, and down.
    pub(crate) fn axes(&self, plane: Plane, mm: f64) -> [Axis; 2] {
        let geometry = self.image.volume.geometry();
        let course = plane.course(geometry);
        [course.across.0, course.down.0]
            .map(|axis| Axis::new(geometry.size()[axis], geometry.spacing()[axis], mm))
    }

    /// The slice as it is drawn at a place of a picture.
    pub(crate) fn pane(&self, slice: Slice, [x, y]: [usize; 2], mm: f64) -> Pane {
        let geometry = self.image.volume.geometry();
        let Course { normal, .. } = slice.plane.course(geometry);
        let [across, down] = self.axes(slice.plane, mm);
        let mut middle = geometry.size().map(|n| (n as f64 - 1.0) / 2.0);
        middle[normal] = slice.index as f64;
        let world = slice.plane.world_axes()[2];
        let letters = slice.plane.letters(self.look.convention, self.look.origin);
        Pane {
            slice,
            axis: normal,
            world_mm: geometry.world_from_index().apply(middle)[world],
            x,
            y,
            width: across.pixels,
            height: down.pixels,
            mm_per_pixel: mm,
            letters,
        }
    }

    /// The pixels of a slice.
    pub(crate) fn draw(&self, slice: Slice, mm: f64) -> Result<Picture> {
        let Image { volume, labels, .. } = self.image;
        slice.check(volume.geometry())?;
        let course = slice.plane.course(volume.geometry());
        let axes = self.axes(slice.plane, mm);
        let [width, height] = axes.map(|axis| axis.pixels);
        check_size(width, height)?;
        let limits = self.limits.unwrap_or(Limits {
            low: 0.0,
            high: 1.0,
        });
        let values = |channel: usize| {
            let voxels = course.slice(volume, channel, slice.index, |v| limits.place(v));
            resample(&voxels, axes[0], axes[1], self.look.interpolation)
        };
        let pixels: Vec<Rgb> = match self.image.kind() {
            Kind::Labels(channel) => label_pixels(volume, channel, course, slice.index, axes)
                .into_iter()
                .map(label_colour)
                .collect(),
            Kind::Values(channel) => {
                let colour = |v: f32| match v.is_nan() {
                    true => NAN,
                    false => self.table[level(v)],
                };
                values(channel).into_iter().map(colour).collect()
            }
            Kind::Colour => {
                let [red, green, blue] = [0, 1, 2].map(values);
                let colours = red.into_iter().zip(green).zip(blue);
                colours
                    .map(|((r, g), b)| match r.is_nan() || g.is_nan() || b.is_nan() {
                        true => NAN,
                        false => [r, g, b].map(|v| level(v) as u8),
                    })
                    .collect()
            }
        };
        let mut picture = Picture::from_pixels(width, height, pixels)?;
        for labels in labels.iter().filter(|_| self.opacity > 0) {
            let names = label_pixels(labels, 0, course, slice.index, axes);
            self.lay_over(&names, &mut picture);
        }
        if slice.plane != Plane::Stored && self.look.convention == Convention::Neurological {
            picture = picture.with_columns_reversed();
        }
        if self.look.origin == Origin::Lower {
            picture = picture.with_rows_reversed();
        }
        Ok(picture)
    }

    fn lay_over(&self, names: &[i64], picture: &mut Picture) {
        let width = picture.width();
        let is_edge = |place: usize, name: i64| {
            let column = place % width;
            let beside = [
                (column > 0).then(|| place - 1),
                (column + 1 < width).then_some(place + 1),
                place.checked_sub(width),
                Some(place + width),
            ];
            let mut beside = beside.into_iter().flatten();
            beside.any(|place| names.get(place).is_some_and(|other| *other != name))
        };
        let pixels = picture.pixels_mut().iter_mut().zip(names).enumerate();
        for (place, (pixel, name)) in pixels.filter(|(_, (_, name))| **name != 0) {
            let drawn = match self.look.overlay.mode {
                OverlayMode::Fill => true,
                OverlayMode::Contour => is_edge(place, *name),
            };
            if drawn {
                *pixel = blend(*pixel, label_colour(*name), self.opacity);
            }
        }
    }
}

/// The entry of a table of 256 for a place between black and white.
fn level(place: f32) -> usize {
    (place.clamp(0.0, 1.0) * 255.0 + 0.5) as usize
}

fn label_pixels(
    labels: &voxprep_core::volume::Volume,
    channel: usize,
    course: Course,
    index: usize,
    [across, down]: [Axis; 2],
) -> Vec<i64> {
    let names = course.slice(labels, channel, index, |v| v as i64);
    let (columns, rows) = (across.nearest(), down.nearest());
    let place = |row: &usize| row * across.voxels;
    let places = rows.iter().map(place);
    let places = places.flat_map(|first| columns.iter().map(move |column| first + column));
    places
        .map(|place| names.get(place).copied().unwrap_or(0))
        .collect()
}

/// How far letters stand from the pane, in pixels.
pub(crate) const LETTER_MARGIN: usize = 20;

/// Draws the letters around a rectangle of a picture.
pub(crate) fn draw_letters(picture: &mut Picture, pane: &Pane) -> Result<()> {
    let Some(letters) = pane.letters else {
        return Ok(());
    };
    let style = Style::LETTER;
    let [x, y, width, height] = [pane.x, pane.y, pane.width, pane.height].map(|v| v as i64);
    let (line, margin) = (style.line() as i64, LETTER_MARGIN as i64);
    let middle = y + (height - line) / 2;
    let places = [
        (letters.left, x - margin / 2, middle),
        (letters.right, x + width + margin / 2, middle),
        (letters.top, x + width / 2, y - line - 1),
        (letters.bottom, x + width / 2, y + height + 1),
    ];
    for (letter, x, y) in places {
        style.draw(picture, [x, y], Anchor::Middle, &letter.to_string())?;
    }
    Ok(())
}

/// A picture of the background colour.
pub(crate) fn blank(width: usize, height: usize) -> Result<Picture> {
    Picture::new(width, height, BACKGROUND)
}
