//! `Image`: a volume as it is to be shown: a channel of it, and the label maps over it.

use voxprep_core::dispatch;
use voxprep_core::error::Error;
use voxprep_core::kernels::Element;
use voxprep_core::volume::{AxisKind, Role, Volume};

use crate::error::Result;
use crate::look::check_channel;

/// Two grids are the same where no corner is further apart, in mm.
const CLOSE_MM: f64 = 1e-3;

/// A volume to be shown: the first channel, or all of a colour volume, unless one is chosen.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    pub(crate) volume: &'a Volume,
    pub(crate) channel: Option<usize>,
    pub(crate) labels: Vec<&'a Volume>,
    pub(crate) title: String,
}

/// What the voxels of an image are drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One channel through a colour map.
    Values(usize),
    /// Three channels as red, green and blue.
    Colour,
    /// Names of structures.
    Labels(usize),
}

impl<'a> Image<'a> {
    /// The first channel of a volume; of a volume of colours, the colours.
    pub fn new(volume: &'a Volume) -> Self {
        Self {
            volume,
            channel: None,
            labels: Vec::new(),
            title: String::new(),
        }
    }

    /// The same volume with a title in its pictures.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The same volume, another channel.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no such channel.
    pub fn with_channel(mut self, channel: usize) -> Result<Self> {
        check_channel(self.volume, channel)?;
        self.channel = Some(channel);
        Ok(self)
    }

    /// The same volume with a label map over it, and over those that are there already.
    ///
    /// # Errors
    /// [`Error::Input`] where it is not a label map or not on the grid of the image.
    pub fn with_labels(mut self, labels: &'a Volume) -> Result<Self> {
        if labels.role() != Role::Label {
            return Err(
                Error::input("what is laid over an image must be a label map")
                    .remedy("read it as a label map")
                    .into(),
            );
        }
        if !labels.geometry().is_close(self.volume.geometry(), CLOSE_MM) {
            let [a, b] = [labels, self.volume].map(|v| v.geometry().size());
            return Err(Error::input(format!(
                "the label map ({a:?} voxels) is not on the grid of the image ({b:?} voxels)"
            ))
            .remedy("bring it there first, with spatial.like")
            .into());
        }
        self.labels.push(labels);
        Ok(self)
    }

    /// The volume.
    pub fn volume(&self) -> &'a Volume {
        self.volume
    }

    /// The title; empty where none was given.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The number of the channel that was chosen, else of the first.
    pub fn channel(&self) -> usize {
        self.channel.unwrap_or(0)
    }

    /// The channel chosen, with its name where it has one; `None` for colours and single channels.
    pub fn channel_name(&self) -> Option<String> {
        let names = &self.volume.header().channels.names;
        let channel = match self.kind() {
            Kind::Values(channel) | Kind::Labels(channel) if names.len() > 1 => channel,
            _ => return None,
        };
        let name = names.get(channel).filter(|name| !name.is_empty());
        let number = channel.to_string();
        match name.filter(|name| **name != number) {
            Some(name) => Some(format!("{number} ({name})")),
            None => Some(number),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        let header = self.volume.header();
        let channel = self.channel.unwrap_or(0);
        let is_colour = matches!(
            header.channels.axes.as_slice(),
            [axis] if axis.kind == AxisKind::Colour && matches!(axis.length, 3 | 4)
        );
        match header.role {
            Role::Label => Kind::Labels(channel),
            Role::Intensity if is_colour && self.channel.is_none() => Kind::Colour,
            Role::Intensity => Kind::Values(channel),
        }
    }
}

/// The way through a volume along the rows and columns of a pane: index axes, and whether they run
/// forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) across: (usize, bool),
    pub(crate) down: (usize, bool),
    pub(crate) normal: usize,
}

impl Course {
    /// The voxels of a slice of one channel, row by row.
    pub(crate) fn slice<T>(
        &self,
        volume: &Volume,
        channel: usize,
        index: usize,
        of: impl Fn(f64) -> T,
    ) -> Vec<T> {
        let size = volume.geometry().size();
        let stride = [1, size[0], size[0] * size[1]];
        let first = channel * volume.geometry().voxels() + index * stride[self.normal];
        let places = |(axis, forward): (usize, bool)| -> Vec<usize> {
            let n = size[axis];
            let along = (0..n).map(|i| if forward { i } else { n - 1 - i });
            along.map(|i| i * stride[axis]).collect()
        };
        let [columns, rows] = [self.across, self.down].map(places);
        dispatch!(VoxelsView, volume.voxels().view(), view => {
            let values = view.as_slice().unwrap_or_default();
            let value = |place: usize| of(values.get(place).map_or(f64::NAN, |v| v.to_f64()));
            let mut slice = Vec::with_capacity(rows.len() * columns.len());
            for row in &rows {
                slice.extend(columns.iter().map(|column| value(first + row + column)));
            }
            slice
        })
    }
}
