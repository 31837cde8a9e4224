//! The errors of this crate, divided by whose fault it is.

use std::fmt;
use std::path::PathBuf;

/// What may go wrong, divided by whose fault it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pipeline or a parameter is wrong: the author of the pipeline mends it.
    #[error("{0}")]
    Parameter(Box<Fault>),
    /// The data do not fit the request: another file, or a step before this one, mends it.
    #[error("{0}")]
    Input(Box<Fault>),
    /// The request is legal, but nothing here can do it.
    #[error("{0}")]
    Unsupported(Box<Fault>),
    /// The request is beyond a size limit.
    #[error("{0}")]
    Limit(Box<Fault>),
    /// A plugin broke its promises.
    #[error("{0}")]
    Plugin(Box<Fault>),
    /// The operating system refused to read or write.
    #[error("{path}: {action}: {source}", path = path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A result whose error is this crate's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where something went wrong, why, and what would mend it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Id of the step.
    pub step: Option<String>,
    /// Name of the transform.
    pub transform: Option<String>,
    /// Path of the field inside the step or the file.
    pub field: Option<String>,
    /// Why.
    pub reason: String,
    /// What the reader can do about it.
    pub remedy: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.step, &self.transform) {
            (Some(step), Some(transform)) if step == transform => write!(f, "step '{step}'")?,
            (Some(step), Some(transform)) => write!(f, "step '{step}' ({transform})")?,
            (Some(step), None) => write!(f, "step '{step}'")?,
            (None, Some(transform)) => write!(f, "{transform}")?,
            (None, None) => {}
        }
        let placed = self.step.is_some() || self.transform.is_some();
        match &self.field {
            Some(field) if placed => write!(f, ", {field}: ")?,
            Some(field) => write!(f, "{field}: ")?,
            None if placed => write!(f, ": ")?,
            None => {}
        }
        write!(f, "{}", self.reason)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(reason: impl Into<String>) -> Self {
            Self::$variant(Box::new(Fault { reason: reason.into(), ..Fault::default() }))
        }
    )*};
}

impl Error {
    constructors! {
        /// A wrong pipeline or parameter.
        parameter => Parameter,
        /// Data that do not fit.
        input => Input,
        /// Something that nothing here can do.
        unsupported => Unsupported,
        /// A request beyond a limit.
        limit => Limit,
        /// A plugin that broke a promise.
        plugin => Plugin,
    }

    /// An input or output error of the operating system.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        Self::Io {
            action,
            path,
            source,
        }
    }

    /// The place and reason, where the error is one of ours.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Parameter(fault)
            | Self::Input(fault)
            | Self::Unsupported(fault)
            | Self::Limit(fault)
            | Self::Plugin(fault) => Some(fault),
            Self::Io { .. } => None,
        }
    }

    fn fault_mut(&mut self) -> Option<&mut Fault> {
        match self {
            Self::Parameter(fault)
            | Self::Input(fault)
            | Self::Unsupported(fault)
            | Self::Limit(fault)
            | Self::Plugin(fault) => Some(fault),
            Self::Io { .. } => None,
        }
    }

    /// Names the field at fault; an inner path already there is kept behind it.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        if let Some(fault) = self.fault_mut() {
            let outer = field.into();
            fault.field = Some(match fault.field.take() {
                Some(inner) => format!("{outer}.{inner}"),
                None => outer,
            });
        }
        self
    }

    /// Says what the reader can do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if let Some(fault) = self.fault_mut() {
            fault.remedy = Some(remedy.into());
        }
        self
    }

    /// Names the transform, unless one is named already.
    #[must_use]
    pub fn in_transform(mut self, transform: &str) -> Self {
        if let Some(fault) = self.fault_mut() {
            fault.transform.get_or_insert_with(|| transform.to_owned());
        }
        self
    }

    /// Names the step and its transform, unless named already.
    #[must_use]
    pub fn in_step(mut self, step: &str, transform: &str) -> Self {
        if let Some(fault) = self.fault_mut() {
            fault.step.get_or_insert_with(|| step.to_owned());
            fault.transform.get_or_insert_with(|| transform.to_owned());
        }
        self
    }
}

impl From<voxprep_kernels::Error> for Error {
    fn from(error: voxprep_kernels::Error) -> Self {
        Self::input(error.to_string())
    }
}

impl From<voxprep_kernels::resample::FieldError> for Error {
    fn from(error: voxprep_kernels::resample::FieldError) -> Self {
        Self::parameter(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_step_transform_field_reason_and_remedy() {
        let error = Error::parameter("must be above 0, got -5")
            .field("width")
            .remedy("give a positive width")
            .in_step("lung", "ct.window");
        assert_eq!(
            error.to_string(),
            "step 'lung' (ct.window), width: must be above 0, got -5; give a positive width"
        );
    }

    #[test]
    fn the_innermost_place_is_kept() {
        let error = Error::input("no voxels")
            .in_step("a", "x.y")
            .in_step("b", "x.z");
        assert_eq!(error.to_string(), "step 'a' (x.y): no voxels");
    }
}
