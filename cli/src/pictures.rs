//! What commands that draw have in common: rows that can be compared, and whose fault an error is.

use anyhow::Result;
use voxprep_core::volume::Role;
use voxprep_view::error::Error;
use voxprep_view::image::Image;
use voxprep_view::look::{Look, Window};
use voxprep_view::pane::{Plane, Slice};
use voxprep_view::slices::{Row, middle};

use crate::failure::usage;

/// Rows that can be compared: the same places of the world, and the same window for what is measured
/// in the same unit.
pub(crate) fn alike<'a>(
    images: Vec<Image<'a>>,
    axis: Option<Plane>,
    look: &Look,
) -> Result<Vec<Row<'a>>> {
    let Some(first) = images.first() else {
        return Ok(Vec::new());
    };
    let geometry = first.volume().geometry().clone();
    let (unit, role) = (first.volume().header().unit, first.volume().role());
    let limits = look
        .window
        .limits(first.volume(), first.channel())
        .map_err(refused)?;
    let window = Window::Range {
        low: limits.low,
        high: limits.high,
    };
    let slices: Vec<Slice> = match (Plane::of_single_slice(first), axis) {
        (None, Some(plane)) => vec![Slice::middle(plane, &geometry)],
        _ => middle(first),
    };
    let rows = images.into_iter().map(|image| {
        let volume = image.volume();
        let through =
            |slice: &Slice| Slice::through(slice.plane, volume.geometry(), slice.centre(&geometry));
        let same = volume.header().unit == unit && volume.role() == role;
        let is_image = role == Role::Intensity;
        Row {
            slices: slices.iter().map(through).collect(),
            window: (same && is_image).then_some(window),
            image,
        }
    });
    Ok(rows.collect())
}

/// An error of the picture, with the exit code of whose fault it is.
pub(crate) fn refused(error: Error) -> anyhow::Error {
    match error {
        Error::Core(error) => error.into(),
        Error::TooLarge { .. } => usage(error),
        error => error.into(),
    }
}
