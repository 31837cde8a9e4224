//! `Subject`: the volumes, points, boxes and findings of one case, which travel together.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::provenance::pseudonym;
use crate::record::Record;
use crate::volume::{Role, Volume};
use crate::voxels::Voxels;
use crate::world_map::WorldMap;

/// A named point, LPS+ mm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What it marks; may be empty.
    pub name: String,
    /// Where it is, LPS+ mm.
    pub position: [f64; 3],
}

/// A box with faces parallel to the axes of the world, LPS+ mm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorldBox {
    /// What it encloses; may be empty.
    pub name: String,
    /// The corner with the smallest coordinates.
    pub low: [f64; 3],
    /// The corner with the largest coordinates.
    pub high: [f64; 3],
}

impl WorldBox {
    /// The smallest box that encloses this one after the map; `None` where the map fails.
    fn pushed(&self, map: &WorldMap) -> Option<Self> {
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for bits in 0..8_u8 {
            let corner = [0, 1, 2].map(|i| {
                if bits >> i & 1 == 1 {
                    self.high[i]
                } else {
                    self.low[i]
                }
            });
            let image = map.push(corner)?;
            for i in 0..3 {
                low[i] = low[i].min(image[i]);
                high[i] = high[i].max(image[i]);
            }
        }
        Some(Self {
            name: self.name.clone(),
            low,
            high,
        })
    }
}

/// Whether a volume may have this name: it must also do as the name of a file.
pub(crate) fn can_name_a_volume(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// The volumes, points, boxes and findings of one case, which travel together.
///
/// Names are unique; the reference volume is the first image given, unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    id: String,
    key: String,
    volumes: Vec<(String, Volume)>,
    reference: Option<String>,
    /// Points, LPS+ mm.
    pub points: Vec<Point>,
    /// Boxes, LPS+ mm.
    pub boxes: Vec<WorldBox>,
    /// What steps noticed.
    pub findings: Vec<Finding>,
    /// What was done, step by step.
    pub history: Vec<Record>,
}

impl Subject {
    /// A subject without volumes. The id keys its random draws: it must be stable.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            key: pseudonym(&id),
            id,
            ..Self::default()
        }
    }

    /// A subject without volumes and id, whose draws are keyed as a sidecar's `subject` says.
    pub fn from_key(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ..Self::default()
        }
    }

    /// The stable name; empty for a subject made of its key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What keys the random draws and stands for the id in a sidecar.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Adds a volume.
    ///
    /// # Errors
    /// [`Error::Input`] where the name is taken or empty.
    pub fn add(&mut self, name: impl Into<String>, volume: Volume) -> Result<()> {
        let name = name.into();
        self.check_new(&name)?;
        self.volumes.push((name, volume));
        Ok(())
    }

    /// The same subject with one more volume.
    ///
    /// # Errors
    /// As [`Subject::add`].
    pub fn with(mut self, name: impl Into<String>, volume: Volume) -> Result<Self> {
        self.add(name, volume)?;
        Ok(self)
    }

    /// Puts a volume in the place of the one with that name, or adds it.
    pub(crate) fn put(&mut self, name: &str, volume: Volume) {
        match self.volumes.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => *old = volume,
            None => self.volumes.push((name.to_owned(), volume)),
        }
    }

    /// Takes the voxels out of a volume that is about to be replaced, so that nobody shares them.
    pub(crate) fn take_voxels(&mut self, name: &str) -> Option<Voxels> {
        let (_, volume) = self.volumes.iter_mut().find(|(n, _)| n == name)?;
        Some(volume.take_voxels())
    }

    /// Removes a volume.
    pub fn remove(&mut self, name: &str) -> Option<Volume> {
        let position = self.volumes.iter().position(|(n, _)| n == name)?;
        Some(self.volumes.remove(position).1)
    }

    /// Gives a volume another name; the reference keeps being the reference.
    ///
    /// # Errors
    /// [`Error::Input`] where the new name is taken or cannot name a volume.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        if from == to {
            return Ok(());
        }
        self.check_new(to)?;
        if let Some((name, _)) = self.volumes.iter_mut().find(|(n, _)| n == from) {
            *name = to.to_owned();
        }
        if self.reference.as_deref() == Some(from) {
            self.reference = Some(to.to_owned());
        }
        Ok(())
    }

    fn check_new(&self, name: &str) -> Result<()> {
        if !can_name_a_volume(name) {
            return Err(Error::input(format!("'{name}' cannot name a volume"))
                .remedy("use letters, digits, '-' and '_'"));
        }
        if self.volume(name).is_some() {
            return Err(Error::input(format!("the name '{name}' is used twice"))
                .remedy("give every volume its own name"));
        }
        Ok(())
    }

    /// The volume of that name.
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// All volumes with their names, in the order in which they were added.
    pub fn volumes(&self) -> impl Iterator<Item = (&str, &Volume)> {
        self.volumes.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// The names of all volumes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().map(|(n, _)| n.as_str())
    }

    /// Names the reference volume.
    ///
    /// # Errors
    /// [`Error::Parameter`] where no volume has that name.
    pub fn set_reference(&mut self, name: &str) -> Result<()> {
        if self.volume(name).is_none() {
            return Err(Error::parameter(format!("there is no volume '{name}'")).field("reference"));
        }
        self.reference = Some(name.to_owned());
        Ok(())
    }

    /// The name the reference was given, if it was given one.
    pub(crate) fn named_reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// The reference volume and its name: the one named, else the first image, else the first.
    pub fn reference(&self) -> Option<(&str, &Volume)> {
        let named = |name: &String| self.volumes.iter().find(|(n, _)| n == name);
        let image = || {
            self.volumes
                .iter()
                .find(|(_, v)| v.role() == Role::Intensity)
        };
        let found = self.reference.as_ref().and_then(named);
        let (name, volume) = found.or_else(image).or_else(|| self.volumes.first())?;
        Some((name, volume))
    }

    /// Moves points and boxes by a map of the world; what cannot be followed is dropped, with a
    /// finding.
    pub(crate) fn push_points(&mut self, map: &WorldMap, step: &str) {
        if map.is_identity() {
            return;
        }
        let lost = |what: &str, name: &str| Finding {
            step: Some(step.to_owned()),
            ..Finding::warning(
                "points.lost",
                format!("the {what} '{name}' could not be followed and was dropped"),
            )
        };
        for point in std::mem::take(&mut self.points) {
            match map.push(point.position) {
                Some(position) => self.points.push(Point { position, ..point }),
                None => self.findings.push(lost("point", &point.name)),
            }
        }
        for old in std::mem::take(&mut self.boxes) {
            match old.pushed(map) {
                Some(new) => self.boxes.push(new),
                None => self.findings.push(lost("box", &old.name)),
            }
        }
    }
}
