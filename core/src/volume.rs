//! `Volume`: voxels, their geometry, and what they mean.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::voxels::{ElementType, Voxels, VoxelsViewMut};

/// Whether voxels are measured values or names of structures. It decides interpolation and which
/// transforms act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Measured values.
    Intensity,
    /// A label map: integers that name structures.
    Label,
}

/// What the values are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// Nothing says.
    Unknown,
    /// Hounsfield units.
    Hu,
    /// Stored values of a scanner or detector, before calibration.
    Raw,
    /// Mapped onto a range, or standardised: no longer physical.
    Normalised,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Hu => "HU",
            Self::Raw => "raw",
            Self::Normalised => "normalised",
        })
    }
}

/// The kind of scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Modality {
    /// Computed tomography.
    #[serde(rename = "CT", alias = "ct")]
    Ct,
    /// Magnetic resonance imaging.
    #[serde(rename = "MRI", alias = "mri", alias = "MR", alias = "mr")]
    Mri,
    /// Radiography: DICOM's CR, DX, DR, MG.
    #[serde(
        rename = "XRAY",
        alias = "xray",
        alias = "CR",
        alias = "DX",
        alias = "DR"
    )]
    Xray,
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ct => "CT",
            Self::Mri => "MRI",
            Self::Xray => "XRAY",
        })
    }
}

impl std::str::FromStr for Modality {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        serde_json::from_value(Value::String(name.to_owned())).map_err(|_| {
            Error::parameter(format!("'{name}' is no modality")).remedy("give CT, MRI or XRAY")
        })
    }
}

/// What an axis beyond x, y, z means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AxisKind {
    /// Points in time; the step is in seconds.
    Time,
    /// Components of a vector, a tensor or another measured tuple.
    Component,
    /// Real and imaginary part.
    Complex,
    /// Colours.
    Colour,
    /// Results of transforms, each with its name.
    Window,
}

/// An axis beyond x, y, z, folded into the channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelAxis {
    /// What it means.
    pub kind: AxisKind,
    /// How many positions it has.
    pub length: usize,
    /// The distance between positions, where one is known: seconds for time.
    pub step: Option<f64>,
}

/// The channels of a volume: a name each, and the axes that were folded into them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channels {
    /// One name per channel; a single channel may have the empty name.
    pub names: Vec<String>,
    /// The axes folded into the channels, fastest first; their lengths multiply to the number of
    /// channels. Empty for an ordinary single-channel volume.
    pub axes: Vec<ChannelAxis>,
}

impl Channels {
    /// One channel without a name.
    pub fn single() -> Self {
        Self {
            names: vec![String::new()],
            axes: Vec::new(),
        }
    }

    /// Named channels along one axis.
    pub fn named(kind: AxisKind, names: Vec<String>) -> Self {
        let axis = ChannelAxis {
            kind,
            length: names.len(),
            step: None,
        };
        Self {
            names,
            axes: vec![axis],
        }
    }

    /// Channels numbered from 0 along the given axes, fastest first.
    pub fn numbered(axes: Vec<ChannelAxis>) -> Self {
        let count = axes
            .iter()
            .fold(1, |n: usize, a| n.saturating_mul(a.length));
        Self {
            names: (0..count).map(|i| i.to_string()).collect(),
            axes,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none; a volume never has none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The fact that a volume is on another grid than its file.
pub const REGRIDDED: &str = "regridded";
/// The fact that a step has moved the contents of a volume in the world.
pub const MOVED: &str = "moved";
/// The fact that nothing says where in the world a volume is: a picture, a radiograph.
pub const PLACELESS: &str = "placeless";
/// The fact that the distance of voxels is an assumption, not a measurement.
pub const SPACING_ASSUMED: &str = "spacing_assumed";

/// What a file carries beside header and voxels, handed on from file to file and recorded nowhere.
///
/// Other programs put free text there, and people put names into it: the contents are in no
/// sidecar, no report and no message.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The family of formats that it belongs to: `nifti` for a header extension.
    pub kind: &'static str,
    /// What the format says that the contents are.
    pub code: i32,
    /// The contents, as they are in the file.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, code, bytes } = self;
        write!(f, "Attachment({kind} {code}, {} bytes)", bytes.len())
    }
}

/// All that is known of a volume without its voxels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Where the voxels are.
    pub geometry: Geometry,
    /// The type they have.
    #[serde(rename = "type")]
    pub element_type: ElementType,
    /// The channels.
    pub channels: Channels,
    /// Measured values or labels.
    pub role: Role,
    /// What the values are measured in.
    pub unit: Unit,
    /// The kind of scan, where known.
    pub modality: Option<Modality>,
    /// Facts of the file's header worth keeping; never identifiers of a patient.
    pub facts: Map<String, Value>,
    /// What the file carries beside, for the file that is written.
    #[serde(skip)]
    pub attachments: Vec<Attachment>,
}

impl Header {
    /// The header of a single-channel intensity volume of which nothing else is known.
    pub fn new(geometry: Geometry, element_type: ElementType) -> Self {
        Self {
            geometry,
            element_type,
            channels: Channels::single(),
            role: Role::Intensity,
            unit: Unit::Unknown,
            modality: None,
            facts: Map::new(),
            attachments: Vec::new(),
        }
    }

    /// Puts the volume on another grid, and notes that among its facts: `regridded` where the grid is
    /// no longer that of the file, `moved` where the contents are no longer where the scanner saw
    /// them. What a file says of its grid and its frame of reference then no longer holds.
    pub fn put_on(&mut self, grid: Geometry, moved: bool) {
        if grid != self.geometry {
            self.facts.insert(REGRIDDED.to_owned(), true.into());
            self.geometry = grid;
        }
        if moved {
            self.facts.insert(MOVED.to_owned(), true.into());
        }
    }

    /// Sets the modality; CT makes an unknown unit HU.
    pub fn set_modality(&mut self, modality: Modality) {
        self.modality = Some(modality);
        if modality == Modality::Ct && self.unit == Unit::Unknown && self.role == Role::Intensity {
            self.unit = Unit::Hu;
        }
    }
}

/// Voxels, where they are, and what they mean.
#[derive(Clone, Debug)]
pub struct Volume {
    header: Header,
    voxels: Voxels,
}

impl Volume {
    /// A volume of which only geometry and voxels are known.
    ///
    /// # Errors
    /// [`Error::Input`] where the sizes differ.
    pub fn new(geometry: Geometry, voxels: Voxels) -> Result<Self> {
        let mut header = Header::new(geometry, voxels.element_type());
        if voxels.channels() > 1 {
            header.channels = Channels::numbered(vec![ChannelAxis {
                kind: AxisKind::Component,
                length: voxels.channels(),
                step: None,
            }]);
        }
        Self::with_header(header, voxels)
    }

    /// A volume from its header and voxels.
    ///
    /// # Errors
    /// [`Error::Input`] where size, type or number of channels differ, or a label map is not of
    /// an integer type.
    pub fn with_header(header: Header, voxels: Voxels) -> Result<Self> {
        let stated = (
            header.geometry.size(),
            header.channels.len(),
            header.element_type,
        );
        let actual = (voxels.size(), voxels.channels(), voxels.element_type());
        if stated != actual {
            return Err(Error::input(format!(
                "the header states {stated:?} (size, channels, type), the voxels are {actual:?}"
            )));
        }
        if header.role == Role::Label && !header.element_type.is_integer() {
            return Err(
                Error::input(format!("a label map cannot be {}", header.element_type))
                    .remedy("store labels as integers"),
            );
        }
        Ok(Self { header, voxels })
    }

    /// All that is known without the voxels.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the voxels are.
    pub fn geometry(&self) -> &Geometry {
        &self.header.geometry
    }

    /// The voxels.
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// The voxels, for writing; their size and type stay.
    ///
    /// # Errors
    /// [`Error::Limit`] where shared voxels must be copied and there is no memory.
    pub fn voxels_mut(&mut self) -> Result<VoxelsViewMut<'_>> {
        self.voxels.view_mut()
    }

    /// Measured values or labels.
    pub fn role(&self) -> Role {
        self.header.role
    }

    /// Takes the voxels and leaves none: for the moment before the volume is replaced.
    pub(crate) fn take_voxels(&mut self) -> Voxels {
        std::mem::replace(&mut self.voxels, Voxels::none())
    }

    /// Header and voxels apart.
    pub fn into_parts(self) -> (Header, Voxels) {
        (self.header, self.voxels)
    }

    /// The same voxels as a label map.
    ///
    /// Floating-point voxels become the narrowest integer type that holds them all.
    ///
    /// # Errors
    /// [`Error::Input`] where a voxel is not an integer that i32 holds.
    pub fn into_labels(self) -> Result<Self> {
        let (mut header, voxels) = self.into_parts();
        header.role = Role::Label;
        header.unit = Unit::Unknown;
        let voxels = crate::labels::to_integers(voxels)?;
        header.element_type = voxels.element_type();
        Self::with_header(header, voxels)
    }

    /// The same volume with its modality set; CT makes an unknown unit HU.
    #[must_use]
    pub fn with_modality(mut self, modality: Modality) -> Self {
        self.header.set_modality(modality);
        self
    }

    /// The same volume with its unit set.
    #[must_use]
    pub fn with_unit(mut self, unit: Unit) -> Self {
        self.header.unit = unit;
        self
    }

    /// The same voxels at another place in the world.
    ///
    /// # Errors
    /// [`Error::Input`] where the size differs.
    pub fn with_geometry(mut self, geometry: Geometry) -> Result<Self> {
        self.header.geometry = geometry;
        Self::with_header(self.header, self.voxels)
    }
}
