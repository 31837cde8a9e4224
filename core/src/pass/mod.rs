//! Passes: how the curves of neighbouring pointwise steps run over voxels as one.
//!
//! [`program`] turns curves into a list of operations per output channel, folded where that is
//! exact; [`execute`] runs it over voxels, in place where it can; the resampling stage runs it
//! row by row as its epilogue.

pub(crate) mod execute;
pub(crate) mod program;
