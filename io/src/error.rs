//! The errors of this crate, divided by whose fault it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What may go wrong with a file, divided by whose fault it is. One line each; the path is last.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for something that does not exist: another name or option mends it.
    #[error("{0}")]
    Parameter(Box<Fault>),
    /// The file is damaged, or contradicts itself.
    #[error("{0}")]
    Input(Box<Fault>),
    /// The file or the request is legal, but nothing here can do it.
    #[error("{0}")]
    Unsupported(Box<Fault>),
    /// The file or the request is beyond a size limit, or memory is.
    #[error("{0}")]
    Limit(Box<Fault>),
    /// The operating system refused.
    #[error("cannot {action}: {source}{}: {}", remedy(.source), .path.display())]
    Io {
        /// What was being done: "open", "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a file, where in it, and what would mend it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field of the header, the line, or the option.
    pub field: Option<String>,
    /// Why.
    pub reason: String,
    /// What the reader can do about it.
    pub remedy: Option<String>,
    /// The file.
    pub path: PathBuf,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}", self.reason)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        // What is wrong on the command line is in no file.
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.path.display())
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(path: &Path, reason: impl Into<String>) -> Self {
            Self::$variant(Box::new(Fault {
                reason: reason.into(),
                path: path.to_owned(),
                ..Fault::default()
            }))
        }
    )*};
}

impl Error {
    constructors! {
        /// A wrong name or option.
        parameter => Parameter,
        /// A damaged file.
        input => Input,
        /// A file or request that nothing here can serve.
        unsupported => Unsupported,
        /// A file or request beyond a limit.
        limit => Limit,
    }

    /// An error of the operating system; `action` completes "cannot ...".
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// An error of core, whose fault stays what it was, with the file it concerns.
    pub fn core(path: &Path, error: voxprep_core::error::Error) -> Self {
        use voxprep_core::error::Error as Core;
        let fault = error.fault().map(|fault| {
            Box::new(Fault {
                field: fault.field.clone(),
                reason: fault.reason.clone(),
                remedy: fault.remedy.clone(),
                path: path.to_owned(),
            })
        });
        match (error, fault) {
            (Core::Limit(_), Some(fault)) => Self::Limit(fault),
            (Core::Unsupported(_), Some(fault)) => Self::Unsupported(fault),
            (_, Some(fault)) => Self::Input(fault),
            (error, None) => Self::input(path, error.to_string()),
        }
    }

    /// What is wrong, unless it is the system that refused.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Parameter(fault)
            | Self::Input(fault)
            | Self::Unsupported(fault)
            | Self::Limit(fault) => Some(fault),
            Self::Io { .. } => None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Fault)) -> Self {
        match &mut self {
            Self::Parameter(fault)
            | Self::Input(fault)
            | Self::Unsupported(fault)
            | Self::Limit(fault) => change(fault),
            Self::Io { .. } => {}
        }
        self
    }

    /// Names the field, line or option at fault.
    #[must_use]
    pub fn field(self, field: impl Into<String>) -> Self {
        self.with(|fault| fault.field = Some(field.into()))
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        self.with(|fault| fault.remedy = Some(remedy.into()))
    }
}

/// What mends the refusals that people meet.
fn remedy(source: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match source.kind() {
        Kind::NotFound => "; check the path",
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "; check the permissions",
        Kind::StorageFull | Kind::QuotaExceeded => "; free some space, or write elsewhere",
        Kind::FileTooLarge => "; raise the limit on file sizes, or write elsewhere",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_from_field_to_reason_to_remedy_to_path() {
        let error = Error::input(Path::new("/x/a.nii"), "-3 voxels")
            .field("dim[2]")
            .remedy("mend the header");
        assert_eq!(
            error.to_string(),
            "dim[2]: -3 voxels; mend the header: /x/a.nii"
        );
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = Error::io("write", Path::new("a"), io::ErrorKind::StorageFull.into());
        assert_eq!(
            error.to_string(),
            "cannot write: no storage space; free some space, or write elsewhere: a"
        );
    }
}
