//! What is refused before anything is allocated for it, in every format alike.

use std::path::Path;

use crate::ReadOptions;
use crate::error::{Error, Result};
use crate::source::COPY_AGAIN;

/// More voxels than this per byte of the file are refused, unless the caller trusts the file.
const VOXELS_PER_BYTE: u64 = 2_000;
/// More channels than this are no channels of an image: each has a name.
const MOST_CHANNELS: usize = 1 << 16;
/// More bytes than this before the voxels, beyond all that is known to be there, are not inflated
/// unless the caller trusts the file.
pub(crate) const MOST_SKIPPED: u64 = 16 << 20;

/// Refuses more voxels than a file of so many bytes has, compressed or not.
pub(crate) fn check_voxels(
    path: &Path,
    values: u64,
    bytes: u64,
    packed: bool,
    options: &ReadOptions,
) -> Result<()> {
    if options.no_limits || values <= bytes.saturating_mul(VOXELS_PER_BYTE) {
        return Ok(());
    }
    let reason = format!(
        "the header declares {values} voxels, more than {VOXELS_PER_BYTE} for each of the file's {bytes} bytes"
    );
    Err(Error::limit(path, reason).remedy(if packed {
        "if the file is right, allow it with --no-limits"
    } else {
        COPY_AGAIN
    }))
}

/// Refuses more channels than an image has.
pub(crate) fn check_channels(path: &Path, channels: usize) -> Result<()> {
    if channels <= MOST_CHANNELS {
        return Ok(());
    }
    let reason =
        format!("the header declares {channels} channels, at most {MOST_CHANNELS} are read");
    Err(Error::unsupported(path, reason)
        .remedy("split the file along its fourth or a later dimension"))
}
