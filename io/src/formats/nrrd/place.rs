//! Where the voxels of a NRRD file are, in LPS+ millimetres.

use std::path::Path;

use voxprep_core::kernels::affine::{Affine, cross, norm};

use super::axes::{Axes, Axis};
use super::fields::{Fields, wrong};
use super::types::{Space, millimetres};
use crate::error::Result;

/// The map, and what the user should know of it.
pub(super) struct Placed {
    pub(super) world_from_index: Affine,
    pub(super) warnings: Vec<String>,
}

/// The map from index to LPS+ mm that the header states.
pub(super) fn world_from_index(path: &Path, fields: &Fields, axes: &Axes) -> Result<Placed> {
    let mut warnings = Vec::new();
    let space = axes.space.unwrap_or(Space::unknown(3));
    let scales = scales(fields, axes, &mut warnings);
    let (columns, origin) = if axes.directed {
        let columns = axes.spatial().map(|(_, axis)| directed(path, axis));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        (columns, stated_origin(path, fields, space)?)
    } else {
        if axes.space.is_some() {
            warnings.push(
                "there is a space but no space directions: the axes of the file are taken for those \
                 of the space"
                    .to_owned(),
            );
        }
        let (columns, origin) = legacy(path, fields, axes)?;
        (
            columns,
            Some(stated_origin(path, fields, space)?.unwrap_or(origin)),
        )
    };
    if origin.is_none() {
        warnings.push("there is no space origin: the first voxel is put at 0".to_owned());
    }
    if !space.anatomical {
        warnings.push(
            "the header does not say where left is: that its axes are those of LPS is an assumption"
                .to_owned(),
        );
    }
    // World axes are scaled and turned where there are directions, index axes else; those of the
    // file then are those of the world.
    let turned = |vector: [f64; 3]| [0, 1, 2].map(|i| space.signs[i] * scales[i] * vector[i]);
    let mut columns: Vec<_> = columns.into_iter().map(turned).collect();
    complete(&mut columns, space);
    let origin = turned(origin.unwrap_or_default());
    let [x, y, z] = *columns.as_slice() else {
        return Err(wrong(path, "sizes", "the axes of space are not three"));
    };
    Ok(Placed {
        world_from_index: Affine::from_columns([x, y, z], origin),
        warnings,
    })
}

/// How many millimetres the units of the three axes of the world have.
fn scales(fields: &Fields, axes: &Axes, warnings: &mut Vec<String>) -> [f64; 3] {
    let units: Vec<String> = if axes.directed {
        fields.quoted("space units")
    } else {
        let units = fields.quoted("units");
        let of = |(i, _)| units.get(i).cloned().unwrap_or_default();
        axes.spatial().map(of).collect()
    };
    let scale = |i: usize| millimetres(units.get(i).map_or("mm", String::as_str)).unwrap_or(1.0);
    let scales = [0, 1, 2].map(scale);
    if scales.iter().any(|&scale| scale != 1.0) {
        warnings.push("the unit of the space is not mm; lengths became mm".to_owned());
    }
    scales
}

/// The direction of an axis of space, which has no part in time.
fn directed(path: &Path, axis: &Axis) -> Result<[f64; 3]> {
    let vector = axis.direction.as_deref().unwrap_or_default();
    if vector.get(3).is_some_and(|&time| time != 0.0) {
        let reason = "an axis of space runs along time";
        return Err(wrong(path, "space directions", reason));
    }
    Ok(three(vector))
}

fn three(vector: &[f64]) -> [f64; 3] {
    let mut out = [0.0; 3];
    out.iter_mut().zip(vector).for_each(|(out, v)| *out = *v);
    out
}

fn stated_origin(path: &Path, fields: &Fields, space: Space) -> Result<Option<[f64; 3]>> {
    if fields
        .text("space origin")
        .is_some_and(|text| text.trim() == "none")
    {
        return Ok(None);
    }
    let vectors = fields.vectors(path, "space origin", space.dimension)?;
    match vectors.as_deref() {
        None | Some([None]) => Ok(None),
        Some([Some(vector)]) => Ok(Some(three(vector))),
        Some(_) => Err(wrong(path, "space origin", "it is not one vector")),
    }
}

/// Axes that are those of the world, as files without a space have them: spacings, or the ends of
/// the axes, and where the first sample lies between them.
fn legacy(path: &Path, fields: &Fields, axes: &Axes) -> Result<(Vec<[f64; 3]>, [f64; 3])> {
    let count = axes.all.len();
    let spacings = fields.numbers(path, "spacings", count)?;
    let mins = fields.numbers(path, "axis mins", count)?;
    let maxs = fields.numbers(path, "axis maxs", count)?;
    let centers = fields.words(path, "centers", count)?;
    let mut columns = Vec::new();
    let mut origin = [0.0; 3];
    for (world, (i, axis)) in axes.spatial().enumerate() {
        let at = |numbers: &[f64]| numbers.get(i).copied().filter(|v| v.is_finite());
        // Without a word the samples are in the middle of cells, as teem and ITK take it.
        let node = centers.get(i).is_some_and(|center| center == "node");
        let (min, max) = (at(&mins), at(&maxs));
        let steps = if node {
            axis.length.saturating_sub(1)
        } else {
            axis.length
        };
        let from_ends = min.zip(max).filter(|_| steps > 0);
        let from_ends = from_ends.map(|(min, max)| (max - min) / steps as f64);
        let spacing = at(&spacings).or(from_ends).unwrap_or(1.0);
        if spacing == 0.0 && axis.length > 1 {
            return Err(wrong(path, "spacings", "a spacing of 0"));
        }
        let spacing = if spacing == 0.0 { 1.0 } else { spacing };
        let mut column = [0.0; 3];
        if let (Some(place), Some(first)) = (column.get_mut(world), origin.get_mut(world)) {
            *place = spacing;
            *first = min.map_or(0.0, |min| if node { min } else { min + spacing / 2.0 });
        }
        columns.push(column);
    }
    Ok((columns, origin))
}

/// Adds what is missing of three axes: 1 mm at right angles to those that are there.
fn complete(columns: &mut Vec<[f64; 3]>, space: Space) {
    let unit = |i: usize| {
        let mut vector = [0.0; 3];
        if let Some(place) = vector.get_mut(i) {
            *place = 1.0;
        }
        vector
    };
    if space.dimension < 3 {
        // A plane is that of x and y.
        (columns.len()..3).for_each(|i| columns.push(unit(i)));
        return;
    }
    if let [only] = *columns.as_slice() {
        // The axis of the world that is furthest from it.
        let size = only.map(f64::abs);
        let least = (0..3).fold(0, |a, b| if size[b] < size[a] { b } else { a });
        let second = cross(only, unit(least));
        columns.push(second.map(|v| v / norm(second)));
    }
    if let [a, b] = *columns.as_slice() {
        let third = cross(a, b);
        columns.push(third.map(|v| v / norm(third)));
    }
}
