//! Values of interest: what a header says that a display shows, as a window or a look-up table
//! (PS3.3 C.11.2), and with it the polarity of the image.

use std::path::Path;
use std::sync::Arc;

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::attributes::Attributes;
use super::instance::{Instance, Photometric};
use super::lut::Lut;
use crate::error::{Error, Result};

/// A window's function of level and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Linear,
    Exact,
    Sigmoid,
}

/// What is shown of the values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Voi {
    Window {
        level: f64,
        width: f64,
        function: Function,
    },
    Table(Lut),
}

impl Voi {
    /// That of a frame: a table before a window, and of several windows the first.
    ///
    /// # Errors
    /// [`Error::Input`] where the header has none, or one that contradicts itself.
    pub(super) fn of(
        path: &Path,
        object: &InMemDicomObject,
        frame: usize,
        is_signed: bool,
    ) -> Result<Self> {
        let groups = [
            object
                .items_of(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
                .get(frame),
            object.item_of(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE),
        ];
        let grouped = groups
            .into_iter()
            .flatten()
            .find_map(|groups| groups.item_of(tags::FRAME_VOILUT_SEQUENCE));
        let item = grouped.unwrap_or(object);
        if let Some(table) = item.item_of(tags::VOILUT_SEQUENCE) {
            return Ok(Self::Table(Lut::of(path, table, is_signed)?));
        }
        let (Some(level), Some(width)) = (
            item.number(tags::WINDOW_CENTER),
            item.number(tags::WINDOW_WIDTH),
        ) else {
            return Err(
                Error::input(path, "the header has no window and no VOI look-up table")
                    .remedy("choose a window in the pipeline, or intensity.percentile_clip"),
            );
        };
        let function = match item.text(tags::VOILUT_FUNCTION).as_deref() {
            None | Some("LINEAR") => Function::Linear,
            Some("LINEAR_EXACT") => Function::Exact,
            Some("SIGMOID") => Function::Sigmoid,
            Some(_) => {
                return Err(
                    Error::unsupported(path, "the function of the window is not known")
                        .field("(0028,1056) VOILUTFunction")
                        .remedy("choose a window in the pipeline"),
                );
            }
        };
        // LINEAR counts from pixel centre to pixel centre: its width is at least 1.
        let least = if function == Function::Linear {
            1.0
        } else {
            f64::MIN_POSITIVE
        };
        if width < least {
            return Err(Error::input(path, format!("a window of width {width}"))
                .field("(0028,1051) WindowWidth")
                .remedy("choose a window in the pipeline"));
        }
        Ok(Self::Window {
            level,
            width,
            function,
        })
    }

    /// What a value is shown as, 0 to 1.
    pub(super) fn of_value(&self, x: f64) -> f64 {
        match self {
            Self::Table(lut) => {
                let most = (1_u32 << lut.bits) - 1;
                f64::from(lut.get(x.round_ties_even() as i64)) / f64::from(most)
            }
            Self::Window {
                level,
                width,
                function,
            } => match function {
                Function::Linear => {
                    let (centre, span) = (level - 0.5, width - 1.0);
                    if x <= centre - span / 2.0 {
                        0.0
                    } else if x > centre + span / 2.0 {
                        1.0
                    } else {
                        (x - centre) / span + 0.5
                    }
                }
                Function::Exact => ((x - level) / width + 0.5).clamp(0.0, 1.0),
                Function::Sigmoid => 1.0 / (1.0 + (-4.0 * (x - level) / width).exp()),
            },
        }
    }

    /// What every stored number is shown as, bright and dark as the header says, given what value
    /// each number stands for: from the least stored number on.
    pub(super) fn table(
        &self,
        instance: &Instance,
        value: impl Fn(i64) -> f64,
    ) -> (i64, Arc<[f32]>) {
        let [low, high] = instance.shape.range();
        let dark = instance.shape.photometric == Photometric::Inverted;
        let shown = (low as i64..=high as i64).map(|stored| {
            let y = self.of_value(value(stored));
            (if dark { 1.0 - y } else { y }) as f32
        });
        (low as i64, shown.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(level: f64, width: f64, function: Function) -> Voi {
        Voi::Window {
            level,
            width,
            function,
        }
    }

    /// The notes of PS3.3 C.11.2.1.2: a window of 2048 and 4096 shows 0 as 0 and 4095 as 1; one of
    /// 2048 and 1 is a threshold.
    #[test]
    fn the_functions_are_those_of_the_standard() {
        let all = window(2048.0, 4096.0, Function::Linear);
        assert_eq!([0.0, 4095.0].map(|x| all.of_value(x)), [0.0, 1.0]);
        assert!((all.of_value(2047.5) - 0.5).abs() < 1e-15);
        let threshold = window(2048.0, 1.0, Function::Linear);
        assert_eq!(
            [2047.0, 2047.5, 2048.0].map(|x| threshold.of_value(x)),
            [0.0, 0.0, 1.0]
        );
        let exact = window(2048.0, 4096.0, Function::Exact);
        assert_eq!(
            [0.0, 2048.0, 4096.0, 9000.0].map(|x| exact.of_value(x)),
            [0.0, 0.5, 1.0, 1.0]
        );
        let sigmoid = window(50.0, 100.0, Function::Sigmoid);
        assert_eq!(sigmoid.of_value(50.0), 0.5);
        assert!((sigmoid.of_value(100.0) - 0.880_797_077_977_882_3).abs() < 1e-15);
    }
}
