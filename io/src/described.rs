//! What a file says of an array beside its voxels, as npz and safetensors hold it: where it is, and
//! what its values mean. LPS+ mm; matrices by rows, their columns belong to the axes x, y, z.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::{ChannelAxis, Header, Modality, Role, SPACING_ASSUMED, Unit, Volume};

use crate::array::{Image, nowhere};
use crate::error::{Error, Result};

/// The frame of world coordinates that is written.
pub(crate) const FRAME: &str = "LPS";

/// Numbers and names beside an array; whatever a file does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Described {
    /// World from index, four rows.
    pub(crate) affine: Option<[f64; 16]>,
    pub(crate) spacing: Option<[f64; 3]>,
    pub(crate) origin: Option<[f64; 3]>,
    /// The unit vectors of the axes, as columns.
    pub(crate) direction: Option<[f64; 9]>,
    pub(crate) frame: Option<String>,
    pub(crate) channels: Option<Vec<String>>,
    /// The axes that were folded into the channels, as JSON.
    pub(crate) axes: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) modality: Option<String>,
    pub(crate) role: Option<String>,
    /// What is there and could not be used.
    pub(crate) warnings: Vec<String>,
}

impl Described {
    /// All that is said of a volume.
    pub(crate) fn of(volume: &Volume) -> Self {
        let (header, geometry) = (volume.header(), volume.geometry());
        let mut affine = [0.0; 16];
        affine[15] = 1.0;
        for (to, from) in affine
            .iter_mut()
            .zip(geometry.world_from_index().rows().iter().flatten())
        {
            *to = *from;
        }
        let [x, y, z] = geometry.direction();
        let name = |value: Value| value.as_str().map(str::to_owned);
        let names = &header.channels.names;
        Self {
            affine: Some(affine),
            spacing: Some(geometry.spacing()),
            origin: Some(geometry.origin()),
            direction: Some([x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]]),
            frame: Some(FRAME.to_owned()),
            channels: names.iter().any(|n| !n.is_empty()).then(|| names.clone()),
            axes: (!header.channels.axes.is_empty())
                .then(|| json!(header.channels.axes).to_string()),
            unit: name(json!(header.unit)),
            modality: header.modality.and_then(|m| name(json!(m))),
            role: name(json!(header.role)),
            warnings: Vec::new(),
        }
    }

    /// The header of the image that this is said of; `format` begins the names of its facts.
    ///
    /// # Errors
    /// [`Error::Input`] where the place is impossible.
    pub(crate) fn header(&self, format: &str, image: &Image, path: &Path) -> Result<Header> {
        let mut warnings = self.warnings.clone();
        let geometry = self.geometry(image.size(), path, &mut warnings)?;
        let mut header = image.header(geometry);
        if !self.is_placed() {
            header.facts.insert(SPACING_ASSUMED.to_owned(), json!(true));
        }
        match &self.channels {
            Some(names) if names.len() == header.channels.len() => {
                header.channels.names.clone_from(names);
            }
            Some(names) => warnings.push(format!(
                "there are {} names for {} channels; they are not used",
                names.len(),
                header.channels.len()
            )),
            None => {}
        }
        let axes = self.axes.as_deref();
        let axes: Option<Vec<ChannelAxis>> = axes.and_then(|text| serde_json::from_str(text).ok());
        if let Some(axes) = axes {
            let length = axes
                .iter()
                .try_fold(1_usize, |n, a| n.checked_mul(a.length));
            if length == Some(header.channels.len()) {
                header.channels.axes = axes;
            }
        }
        let mut strange = |what: &str| warnings.push(format!("the {what} is none that is known"));
        match self.role.as_deref().map(parse::<Role>) {
            Some(Some(role)) => header.role = role,
            Some(None) => strange("role"),
            None => {}
        }
        if header.role == Role::Label && !header.element_type.is_integer() {
            return Err(Error::input(path, "labels that are no integers")
                .field("role")
                .remedy("save the labels as integers"));
        }
        match self.modality.as_deref().map(parse::<Modality>) {
            Some(Some(modality)) => header.modality = Some(modality),
            Some(None) => strange("modality"),
            None => {}
        }
        match self.unit.as_deref().map(parse::<Unit>) {
            Some(Some(unit)) => header.unit = unit,
            Some(None) => strange("unit"),
            None => {}
        }
        if !warnings.is_empty() {
            let key = format!("{format}.header_warning");
            header.facts.insert(key, json!(warnings.join("; ")));
        }
        Ok(header)
    }

    /// Whether anything says how far voxels are apart.
    fn is_placed(&self) -> bool {
        self.affine.is_some() || self.spacing.is_some()
    }

    fn geometry(
        &self,
        size: [usize; 3],
        path: &Path,
        warnings: &mut Vec<String>,
    ) -> Result<Geometry> {
        if !self.is_placed() {
            warnings.push(UNPLACED.to_owned());
            return nowhere(path, size);
        }
        match self.frame.as_deref() {
            Some(FRAME) => {}
            Some(_) => {
                return Err(Error::unsupported(
                    path,
                    "the place is not in LPS coordinates, the only ones that are read",
                )
                .field("frame")
                .remedy("change the sign of the first two rows of a RAS affine, and say LPS"));
            }
            None => warnings.push(
                "nothing says in which frame the place is; it is taken as LPS+ millimetres"
                    .to_owned(),
            ),
        }
        let (field, world_from_index) = match self.affine {
            Some(a) => {
                if a[12..] != [0.0, 0.0, 0.0, 1.0] {
                    return Err(Error::input(path, "the last row is not 0, 0, 0, 1")
                        .field("affine")
                        .remedy("save a matrix of four rows that maps index to mm"));
                }
                let row = |i: usize| [a[i], a[i + 1], a[i + 2], a[i + 3]];
                ("affine", Affine::from_rows([row(0), row(4), row(8)]))
            }
            None => {
                let [sx, sy, sz] = self.spacing.unwrap_or([1.0; 3]);
                let d = self
                    .direction
                    .unwrap_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
                let row = |i: usize| [d[i] * sx, d[i + 1] * sy, d[i + 2] * sz];
                let origin = self.origin.unwrap_or([0.0; 3]);
                (
                    "spacing",
                    Affine::from_parts([row(0), row(3), row(6)], origin),
                )
            }
        };
        Geometry::new(size, world_from_index).map_err(|e| {
            let error = Error::core(path, e);
            match error.fault() {
                Some(fault) if fault.field.is_none() => error.field(field),
                _ => error,
            }
        })
    }
}

/// What is said of an array of which nothing says where it is.
pub(crate) const UNPLACED: &str = "the file does not say where the array is: its axes are taken as \
     [y, x], [z, y, x] or [channel, z, y, x], its spacing as 1 mm and its origin as 0";

fn parse<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}
