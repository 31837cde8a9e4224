//! Modality-neutral transforms: `spatial.*`, `intensity.*`, `label.*`, `filter.*`, `subject.*`.
//!
//! Each transform is one file under `src/transforms`; adding one is adding that file.

mod foreground;

/// The transforms, one file each.
pub mod transforms {
    /// Where voxels are: `spatial.*`.
    pub mod spatial {
        automod::dir!(pub "src/transforms/spatial");
    }
    /// What the values of images are: `intensity.*`.
    pub mod intensity {
        automod::dir!(pub "src/transforms/intensity");
    }
    /// What the values of label maps are: `label.*`.
    pub mod label {
        automod::dir!(pub "src/transforms/label");
    }
    /// What depends on neighbours: `filter.*`.
    pub mod filter {
        automod::dir!(pub "src/transforms/filter");
    }
    /// Which volumes a subject has: `subject.*`.
    pub mod subject {
        automod::dir!(pub "src/transforms/subject");
    }
}
