//! What a file that defines a transform needs.

pub use std::collections::BTreeMap;

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use voxprep_kernels::affine::Affine;

pub use crate::curve::{Curve, FieldOp, MapValue, MapVoxel, Mask, Output, PieceLinear, Table};
pub use crate::error::{Error, Result};
pub use crate::extent::Extent;
pub use crate::finding::Finding;
pub use crate::geometry::Geometry;
pub use crate::orientation::Orientation;
pub use crate::param::{Param, PerAxis};
pub use crate::register;
pub use crate::stream::{Field, Stream};
pub use crate::transform::{
    Filter, Halo, Input, Joint, Motion, Needs, Out, Over, Params, Pointwise, Reads, Spatial,
    SubjectEdit,
};
pub use crate::volume::{Header, Modality, Role, Unit, Volume};
pub use crate::voxels::{ElementType, VoxelsView, VoxelsViewMut};
pub use crate::world_map::WorldMap;
