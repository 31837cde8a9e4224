//! The error of this crate.

/// The largest picture, in pixels.
pub const MAX_PIXELS: u64 = 64 << 20;

/// What may go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A wrong option, or volumes that do not fit together.
    #[error(transparent)]
    Core(#[from] voxprep_core::error::Error),
    /// The picture would be beyond [`MAX_PIXELS`].
    #[error(
        "a picture of {width} x {height} pixels is beyond the limit of {MAX_PIXELS}; \
         give more mm per pixel, or show fewer slices"
    )]
    TooLarge {
        /// Its width in pixels.
        width: u64,
        /// Its height in pixels.
        height: u64,
    },
    /// The operating system refused to write.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// An embedded font cannot be read, or a picture not be encoded: a fault of this program.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The data do not fit the request.
    pub(crate) fn input(reason: impl Into<String>, remedy: &str) -> Self {
        Self::Core(voxprep_core::error::Error::input(reason.into()).remedy(remedy))
    }

    /// A parameter is out of its range.
    pub(crate) fn parameter(field: &str, reason: impl Into<String>, remedy: &str) -> Self {
        let error = voxprep_core::error::Error::parameter(reason.into());
        Self::Core(error.field(field).remedy(remedy))
    }
}

impl From<voxprep_kernels::Error> for Error {
    fn from(error: voxprep_kernels::Error) -> Self {
        Self::Core(error.into())
    }
}

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;
