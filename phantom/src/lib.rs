//! Seeded scans with known truth: chest and abdomen CT, MR images of the head, chest radiographs.
//!
//! The anatomy is written in millimetres of the patient (x to the left, y to the back, z to the head)
//! and sampled on any grid: edges take partial volume, label maps say where the centre of a voxel
//! lies. The same options give the same bytes, on any machine and with any number of threads.
//!
//! ```
//! use voxprep_phantom::{ChestCt, chest_ct};
//!
//! let options = ChestCt { size: [32, 32, 20], spacing_mm: [11.0, 11.0, 16.0], ..ChestCt::default() };
//! let phantom = chest_ct(&options)?;
//! assert_eq!(phantom.subject.names().collect::<Vec<_>>(), ["image", "anatomy", "lungs", "nodules"]);
//! assert!(phantom.truth.structures.iter().any(|s| s.map == "lungs" && s.name == "right lung"));
//! # Ok::<(), voxprep_phantom::Error>(())
//! ```

mod abdomen_ct;
mod bones;
mod brain_mri;
mod chest_ct;
mod chest_xray;
mod grid;
mod head;
mod maths;
mod scene;
mod texture;
mod thorax;
mod tree;
mod truth;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use voxprep_core::subject::Subject;

pub use abdomen_ct::{AbdomenCt, abdomen_ct};
pub use brain_mri::{BrainMri, Sequence, brain_mri};
pub use chest_ct::{ChestCt, NODULE_KINDS, chest_ct};
pub use chest_xray::{ChestXray, chest_xray};
pub use truth::{Sheet, Structure, Target, Tissue, Truth};
pub use voxprep_core::error::{Error, Result};

/// A scan that was made up, and all that is known of it.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// The images and their exact label maps.
    pub subject: Subject,
    /// What a measurement should find.
    pub truth: Truth,
}

/// Which scan to make up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// CT of the chest.
    ChestCt,
    /// CT of the abdomen.
    AbdomenCt,
    /// MR images of the head.
    BrainMri,
    /// A radiograph of the chest.
    ChestXray,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::ChestCt,
        Self::AbdomenCt,
        Self::BrainMri,
        Self::ChestXray,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChestCt => "chest-ct",
            Self::AbdomenCt => "abdomen-ct",
            Self::BrainMri => "brain-mri",
            Self::ChestXray => "chest-xray",
        }
    }

    /// The phantom with all options at their defaults but the seed.
    ///
    /// # Errors
    /// [`Error::Limit`] where there is no memory for it.
    pub fn make(self, seed: u64) -> Result<Phantom> {
        match self {
            Self::ChestCt => chest_ct(&ChestCt {
                seed,
                ..ChestCt::default()
            }),
            Self::AbdomenCt => abdomen_ct(&AbdomenCt {
                seed,
                ..AbdomenCt::default()
            }),
            Self::BrainMri => brain_mri(&BrainMri {
                seed,
                ..BrainMri::default()
            }),
            Self::ChestXray => chest_xray(&ChestXray {
                seed,
                ..ChestXray::default()
            }),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                Error::parameter(format!("there is no phantom '{name}'"))
                    .remedy(format!("give {}", Self::ALL.map(Self::name).join(", ")))
            })
    }
}
