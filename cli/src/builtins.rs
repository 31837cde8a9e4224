//! The transforms in this binary. A crate that nothing names is not linked and registers nothing.

#[cfg(feature = "augment")]
use voxprep_augment as _;
use voxprep_transforms as _;
#[cfg(feature = "ct")]
use voxprep_transforms_ct as _;
#[cfg(feature = "mri")]
use voxprep_transforms_mri as _;
#[cfg(feature = "xray")]
use voxprep_transforms_xray as _;
