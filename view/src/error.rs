//! The errors of this crate.

/// What may go wrong when something is made to be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is out of its range.
    #[error("{field}: {reason}; {remedy}")]
    Parameter {
        /// The parameter.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
        /// What the caller can do.
        remedy: &'static str,
    },
    /// The data do not fit the request.
    #[error("{reason}; {remedy}")]
    Input {
        /// What is wrong with them.
        reason: String,
        /// What the caller can do.
        remedy: &'static str,
    },
    /// A kernel refused its arguments.
    #[error("{action}: {source}")]
    Kernel {
        /// What was being done.
        action: &'static str,
        /// What the kernel said.
        source: voxprep_kernels::Error,
    },
    /// The operating system refused to write.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;
