//! WF-08: what the values are measured in, and who refuses what.

use voxprep_core::volume::{Modality, Unit};
use voxprep_tests::{awkward, ct_subject, image, row, run, step, subject};

use crate::{codes, error};

pub(crate) const WINDOW: &str = "[[step]]\nuse = \"ct.window\"\npreset = \"lung\"\n";
pub(crate) const CLIP: &str = "[[step]]\nuse = \"ct.clip\"\npreset = \"full\"\n";

/// WF-08: what needs HU names the unit it found, and what to do.
#[test]
fn a_window_after_normalising_is_an_error_that_names_the_unit() {
    let input = || ct_subject::<i16>(awkward([4, 4, 4]));
    for first in [
        step("intensity.zscore", ""),
        step("intensity.rescale", ""),
        WINDOW.to_owned(),
    ] {
        for (then, name) in [(WINDOW, "ct.window"), (CLIP, "ct.clip")] {
            let text = error(&(first.clone() + then), input());
            assert!(
                text.contains(name) && text.contains("already normalised"),
                "{text}"
            );
            assert!(text.contains("before the one that normalises"), "{text}");
        }
    }
    // an own volume for the normalised values leaves the HU where they were
    assert!(
        run(
            &(step("intensity.zscore", "as = \"z\"")
                + "[[step]]\nuse = \"ct.window\"\npreset = \"lung\"\non = [\"image\"]\n"),
            input()
        )
        .is_ok()
    );
}

/// WF-08: raw values are refused whatever they look like.
#[test]
fn raw_values_are_refused() {
    let raw = row::<i16>(&[-1000.0, 0.0, 1000.0]).with_unit(Unit::Raw);
    for steps in [WINDOW, CLIP] {
        let text = error(steps, subject(raw.clone()));
        assert!(
            text.contains("raw") && text.contains("convert to HU"),
            "{text}"
        );
    }
}

/// WF-08: an unknown unit is taken for HU only when the values look like it, and it is said.
#[test]
fn an_unknown_unit_is_taken_for_hu_only_when_plausible() {
    let plausible: [&[f64]; 3] = [
        &[-1000.0, 0.0, 1500.0],
        &[-3100.0, 200.0],
        &[-500.0, 32_767.0],
    ];
    for data in plausible {
        let result = run(CLIP, subject(row::<i16>(data))).unwrap();
        assert_eq!(codes(&result), ["hu.assumed"]);
        assert_eq!(result.findings[0].values["min"], data[0]);
        assert_eq!(image(&result).header().unit, Unit::Hu);
    }
    let implausible: [&[f64]; 4] = [
        &[0.0, 255.0],
        &[-3101.0, 1000.0],
        &[-499.0, 1000.0],
        &[-1000.0, 199.0],
    ];
    for data in implausible {
        let text = error(CLIP, subject(row::<i16>(data)));
        assert!(
            text.contains("unknown unit") && text.contains("[input] modality = \"CT\""),
            "{text}"
        );
        let said = format!("[input]\nmodality = \"CT\"\n{CLIP}");
        let result = run(&said, subject(row::<i16>(data))).unwrap();
        assert!(codes(&result).is_empty());
        assert_eq!(image(&result).header().modality, Some(Modality::Ct));
    }
    let mri = row::<i16>(&[-1000.0, 1500.0]).with_modality(Modality::Mri);
    assert!(error(CLIP, subject(mri)).contains("said to be MRI"));
    // nobody asks, nothing is assumed
    let result = run(
        &step("intensity.clip", "low = 0\nhigh = 1"),
        subject(row::<i16>(&[-1000.0, 1500.0])),
    )
    .unwrap();
    assert!(codes(&result).is_empty() && image(&result).header().unit == Unit::Unknown);
}
