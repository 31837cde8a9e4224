//! Which axes of a NRRD file are those of space, and what the others are.

use std::path::Path;

use voxprep_core::volume::{AxisKind, ChannelAxis, Channels};

use super::fields::{Fields, wrong};
use super::types::{Kind, Space, kind, seconds};
use crate::error::Result;
use crate::text::shown;

/// One axis of the file.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) length: usize,
    pub(super) kind: Kind,
    /// One step along it in the space, where the header gives one.
    pub(super) direction: Option<Vec<f64>>,
    /// The step along an axis of time, seconds.
    step: Option<f64>,
}

/// All axes, fastest first, each one of space or of channels.
#[derive(Debug)]
pub(super) struct Axes {
    pub(super) all: Vec<Axis>,
    /// The space that the directions are in, if there are any.
    pub(super) space: Option<Space>,
    /// Whether there are directions.
    pub(super) directed: bool,
    /// More than three axes may be those of space, and nothing says which.
    pub(super) doubtful: bool,
}

impl Axes {
    /// The axes of a header.
    pub(super) fn of(path: &Path, fields: &Fields) -> Result<Self> {
        let lengths = fields.lengths(path)?;
        let count = lengths.len();
        let space = space(path, fields)?;
        let directions = match space {
            Some(space) => fields.vectors(path, "space directions", space.dimension)?,
            None if fields.text("space directions").is_some() => {
                let reason = "there is neither space nor space dimension beside it";
                return Err(wrong(path, "space directions", reason));
            }
            None => None,
        };
        let directed = directions.is_some();
        let directions = directions.unwrap_or_else(|| vec![None; count]);
        if directions.len() != count {
            let reason = format!("{} vectors for {count} axes", directions.len());
            return Err(wrong(path, "space directions", reason));
        }
        let spacings = fields.numbers(path, "spacings", count)?;
        let units = fields.quoted("units");
        let space_units = fields.quoted("space units");
        let mut all = Vec::new();
        let names = fields.words(path, "kinds", count)?;
        for (i, (length, direction)) in lengths.into_iter().zip(directions).enumerate() {
            let name = names.get(i).map_or("", String::as_str);
            let stated = kind(name).ok_or_else(|| {
                let reason = format!("{} is no kind of axis", shown(name));
                wrong(path, "kinds", reason)
            })?;
            // The fourth dimension of a space is time.
            let along_time = direction.as_deref().and_then(|vector| match vector {
                [x, y, z, t] if [x, y, z].iter().all(|v| **v == 0.0) => Some(t.abs()),
                _ => None,
            });
            let kind = match stated {
                Kind::Domain if along_time.is_some() => Kind::Channel(AxisKind::Time),
                // Of what no direction is known where others have one is no axis of space.
                Kind::Domain if directed && direction.is_none() => {
                    Kind::Channel(AxisKind::Component)
                }
                stated => stated,
            };
            let spacing = spacings.get(i).copied().unwrap_or(f64::NAN).abs();
            let unit = match along_time {
                Some(_) => space_units.get(3),
                None => units.get(i),
            };
            let unit = unit.and_then(|unit| seconds(unit));
            let step = along_time.unwrap_or(spacing);
            // Programs fill in 1 where they know none.
            let known = step.is_finite() && step > 0.0 && (step != 1.0 || unit.is_some());
            all.push(Axis {
                length,
                kind,
                direction,
                step: known.then_some(step * unit.unwrap_or(1.0)),
            });
        }
        let mut axes = Self {
            all,
            space,
            directed,
            doubtful: false,
        };
        axes.limit(path)?;
        Ok(axes)
    }

    /// Sees to it that one to three axes are those of space.
    fn limit(&mut self, path: &Path) -> Result<()> {
        let domains = self.all.iter_mut().filter(|axis| axis.kind == Kind::Domain);
        let mut domains: Vec<&mut Axis> = domains.collect();
        if domains.is_empty() {
            let reason = "none of the axes is one of space";
            return Err(wrong(path, "kinds", reason));
        }
        if domains.len() > 3 && self.directed {
            let reason = format!("{} axes have directions in space", domains.len());
            return Err(wrong(path, "space directions", reason));
        }
        self.doubtful = domains.len() > 3;
        for axis in domains.iter_mut().skip(3) {
            axis.kind = Kind::Channel(AxisKind::Component);
        }
        Ok(())
    }

    /// The axes of space, in the order of the file: they become x, y, z.
    pub(super) fn spatial(&self) -> impl Iterator<Item = (usize, &Axis)> {
        let all = self.all.iter().enumerate();
        all.filter(|(_, axis)| axis.kind == Kind::Domain)
    }

    /// The size of the grid; axes that the file does not have are one voxel long.
    pub(super) fn size(&self) -> [usize; 3] {
        let mut size = [1; 3];
        let lengths = self.spatial().map(|(_, axis)| axis.length);
        size.iter_mut().zip(lengths).for_each(|(out, n)| *out = n);
        size
    }

    /// The axes of the channels, in the order of the file.
    pub(super) fn channel_axes(&self) -> Vec<ChannelAxis> {
        let all = self.all.iter().filter_map(|axis| match axis.kind {
            Kind::Domain => None,
            Kind::Channel(kind) => Some(ChannelAxis {
                // Colours and complex numbers have as many parts as they have names.
                kind: match (kind, axis.length) {
                    (AxisKind::Complex, 2) | (AxisKind::Colour, 3 | 4) | (AxisKind::Time, _) => {
                        kind
                    }
                    _ => AxisKind::Component,
                },
                length: axis.length,
                step: axis.step.filter(|_| kind == AxisKind::Time),
            }),
        });
        all.collect()
    }

    /// The channels, with the names of colours and complex numbers where there are no others.
    pub(super) fn channels(&self) -> Channels {
        let axes = self.channel_axes();
        let names: &[&str] = match axes.as_slice() {
            [] => return Channels::single(),
            [axis] => match (axis.kind, axis.length) {
                (AxisKind::Complex, _) => &["real", "imag"],
                (AxisKind::Colour, 3) => &["red", "green", "blue"],
                (AxisKind::Colour, _) => &["red", "green", "blue", "alpha"],
                _ => &[],
            },
            _ => &[],
        };
        if names.is_empty() {
            return Channels::numbered(axes);
        }
        Channels {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            axes,
        }
    }
}

/// The space of the directions and the origin.
fn space(path: &Path, fields: &Fields) -> Result<Option<Space>> {
    if let Some(name) = fields.text("space").filter(|name| !name.is_empty()) {
        let space = Space::named(name);
        let reason = || format!("{} is no space", shown(name));
        return space
            .ok_or_else(|| wrong(path, "space", reason()))
            .map(Some);
    }
    match fields.whole(path, "space dimension")? {
        None => Ok(None),
        Some(n @ 1..=4) => Ok(Some(Space::unknown(n as usize))),
        Some(n) => {
            let reason = format!("{n} dimensions, where 1 to 4 are read");
            Err(wrong(path, "space dimension", reason))
        }
    }
}
