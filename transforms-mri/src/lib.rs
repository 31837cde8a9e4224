//! Transforms for magnetic resonance imaging: `mri.*`.
//!
//! Each transform is one file under `src/transforms`; adding one is adding that file.

/// The transforms, one file each.
pub mod transforms {
    automod::dir!(pub "src/transforms");
}
