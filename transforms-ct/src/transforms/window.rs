//! `ct.window`: map windows of Hounsfield units onto 0..1.

use voxprep_core::prelude::*;

/// Maps a window of Hounsfield units linearly onto a range, limited at both ends, as f32.
///
/// # Notes
/// `presets` gives a channel for each window, in the order listed. A narrow window shows contrast,
/// a wide one covers more tissue; `report` says how much each leaves out.
///
/// # Reference
/// DICOM PS3.3 C.11.2.1.2: `level` is the window centre, `width` the window width; `mode = "dicom"`
/// is the function LINEAR, `mode = "exact"` is LINEAR_EXACT.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// A named window; or give `presets`, or `level` and `width`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<WindowPreset>,
    /// Several named windows, each a channel of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presets: Option<Vec<WindowPreset>>,
    /// Centre of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "HU"))]
    pub level: Option<Param>,
    /// Full width of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unit" = "HU", "x-bounds" = "(0, inf)"))]
    pub width: Option<Param>,
    /// How the ends of the window are counted. Default "exact".
    #[serde(default)]
    pub mode: Mode,
    /// Output at the lower and upper end of the window, without unit. Default 0 and 1; with
    /// `mode = "center128"` always 0 and 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Whether the fractions below, inside and above each window go into the report. Reads the
    /// voxels first. Default false.
    #[serde(default)]
    pub report: bool,
}

/// How the ends of a window are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// From level - width/2 to level + width/2.
    #[default]
    Exact,
    /// DICOM's LINEAR: level - 0.5 and width - 1 take their place.
    Dicom,
    /// `(HU - level) / width 255 + 128`, limited to 0..255.
    Center128,
}

/// A named window: level and width in HU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowPreset {
    /// Level -600, width 1500 (-1350 to 150): lung markings, small nodules, pneumothorax.
    Lung,
    /// Level -650, width 1500 (-1400 to 100): lung at high resolution.
    LungHr,
    /// Level -600, width 1450 (-1325 to 125): lung, conservative.
    LungConservative,
    /// Level 50, width 350 (-125 to 225): heart, vessels, nodes.
    Mediastinum,
    /// Level 300, width 2000 (-700 to 1300): cortex, marrow, fractures.
    Bone,
    /// Level 40, width 80 (0 to 80): grey and white matter, cerebrospinal fluid.
    Brain,
    /// Level 50, width 400 (-150 to 250): liver, pancreas, kidneys.
    Abdomen,
    /// Level 100, width 254 (-27 to 227): blood beside the skull.
    Subdural,
    /// Level 40, width 40 (20 to 60): early ischaemia.
    Stroke,
    /// Level 32, width 8 (28 to 36): early ischaemia, narrow.
    StrokeNarrow,
    /// Level 600, width 2800 (-800 to 2000): skull and temporal bone.
    BrainBone,
    /// Level 40, width 375 (-147.5 to 227.5): soft tissue of the head.
    BrainSoft,
    /// Level 30, width 150 (-45 to 105): liver lesions.
    Liver,
    /// Level 50, width 250 (-75 to 175): soft tissue of the spine.
    SpineSoft,
    /// Level 400, width 1800 (-500 to 1300): vertebrae.
    SpineBone,
    /// Level 300, width 600 (0 to 600): contrast-filled vessels.
    Angio,
}

impl WindowPreset {
    /// Level and width in HU.
    pub fn level_and_width(self) -> (f64, f64) {
        match self {
            Self::Lung => (-600.0, 1500.0),
            Self::LungHr => (-650.0, 1500.0),
            Self::LungConservative => (-600.0, 1450.0),
            Self::Mediastinum => (50.0, 350.0),
            Self::Bone => (300.0, 2000.0),
            Self::Brain => (40.0, 80.0),
            Self::Abdomen => (50.0, 400.0),
            Self::Subdural => (100.0, 254.0),
            Self::Stroke => (40.0, 40.0),
            Self::StrokeNarrow => (32.0, 8.0),
            Self::BrainBone => (600.0, 2800.0),
            Self::BrainSoft => (40.0, 375.0),
            Self::Liver => (30.0, 150.0),
            Self::SpineSoft => (50.0, 250.0),
            Self::SpineBone => (400.0, 1800.0),
            Self::Angio => (300.0, 600.0),
        }
    }

    /// The name, as pipelines write it.
    fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

const WHICH: &str = "give exactly one of `preset`, `presets`, and `level` with `width`";

impl Params for Window {
    fn check(&self) -> Result<()> {
        let numbers = (self.level.is_some(), self.width.is_some());
        match (self.preset, &self.presets, numbers) {
            (Some(_), None, (false, false)) | (None, None, (true, true)) => {}
            (None, Some(presets), (false, false)) => {
                if presets.is_empty() {
                    return Err(Error::parameter("names no window").field("presets"));
                }
                let twice =
                    |(i, p): (usize, &WindowPreset)| presets.iter().skip(i + 1).any(|q| q == p);
                if presets.iter().enumerate().any(twice) {
                    return Err(Error::parameter("names a window twice").field("presets"));
                }
            }
            _ => return Err(Error::parameter(WHICH)),
        }
        if let Some([low, high]) = self.range {
            if self.mode == Mode::Center128 {
                return Err(
                    Error::parameter("mode \"center128\" is always 0 to 255").field("range")
                );
            }
            if low == high {
                return Err(Error::parameter(format!("both ends are {low}")).field("range"));
            }
        }
        if self.mode == Mode::Dicom && self.width.as_ref().is_some_and(|w| w.range().0 < 1.0) {
            return Err(Error::parameter("must be at least 1 with mode \"dicom\"").field("width"));
        }
        Ok(())
    }
}

impl Window {
    /// The curve of one window, and the values it maps onto the ends of the range.
    fn curve(&self, level: f64, width: f64) -> (Curve, [f64; 2]) {
        let range = self.range.unwrap_or([0.0, 1.0]);
        match self.mode {
            Mode::Exact => between(level - width / 2.0, level + width / 2.0, range),
            Mode::Dicom if width > 1.0 => {
                let (centre, width) = (level - 0.5, width - 1.0);
                between(centre - width / 2.0, centre + width / 2.0, range)
            }
            Mode::Dicom => {
                // a width of 1 is a step at the centre, which itself is still low
                let centre = level - 0.5;
                let [low, high] = range;
                let step = move |v: f64| {
                    if v > centre {
                        high
                    } else if v <= centre {
                        low
                    } else {
                        v
                    }
                };
                let curve = Curve::map(step).output(Output::As(ElementType::F32));
                (curve, [centre, centre])
            }
            Mode::Center128 => {
                let scale = 255.0 / width;
                let curve = Curve::linear(level, scale, 128.0).clamp_to([0.0, 255.0]);
                (curve, [level - 128.0 / scale, level + 127.0 / scale])
            }
        }
    }
}

fn between(low: f64, high: f64, range: [f64; 2]) -> (Curve, [f64; 2]) {
    (
        Curve::linear_between(low, high, range).clamp_to(range),
        [low, high],
    )
}

impl Pointwise for Window {
    fn reads(&self) -> Reads {
        if self.report {
            Reads::Voxels
        } else {
            Reads::Header
        }
    }

    fn needs(&self) -> Needs {
        Needs::Hu
    }

    fn unit(&self, _: Unit) -> Unit {
        Unit::Normalised
    }

    fn resolve(&self, input: &Input<'_>, rng: &mut Stream) -> Result<Curve> {
        let windows: Vec<(String, (f64, f64))> =
            match (self.preset, &self.presets, &self.level, &self.width) {
                (Some(preset), ..) => vec![(preset.name(), preset.level_and_width())],
                (_, Some(presets), ..) => presets
                    .iter()
                    .map(|p| (p.name(), p.level_and_width()))
                    .collect(),
                (_, _, Some(level), Some(width)) => {
                    vec![(String::new(), (level.draw(rng), width.draw(rng)))]
                }
                _ => return Err(Error::parameter(WHICH)),
            };
        let mut curves = Vec::with_capacity(windows.len());
        for (name, (level, width)) in windows {
            let (curve, [low, high]) = self.curve(level, width);
            if self.report {
                input.report_saturation("ct.saturated", low, high)?;
            }
            curves.push((name, curve));
        }
        match (&self.presets, curves.pop()) {
            (None, Some((_, curve))) => Ok(curve),
            (_, last) => {
                curves.extend(last);
                Ok(Curve::fan(curves))
            }
        }
    }
}

register!(Window: Pointwise, "ct.window", "preset = \"lung\"");

#[cfg(test)]
mod tests {
    use super::*;

    fn window(mode: Mode, range: Option<[f64; 2]>) -> Window {
        Window {
            preset: None,
            presets: None,
            level: Some(40.0.into()),
            width: Some(400.0.into()),
            mode,
            range,
            report: false,
        }
    }

    fn values<const N: usize>(curve: &Curve, at: [f64; N]) -> [f64; N] {
        at.map(|v| curve.form().value(v).unwrap())
    }

    /// The form is in double precision; that both ends are met exactly in f32 is core's promise.
    fn assert_close(got: [f64; 3], expected: [f64; 3]) {
        assert!(
            got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{got:?}"
        );
    }

    /// CT-03, exact
    #[test]
    fn a_window_of_400_at_40_maps_its_ends_onto_0_and_1() {
        let (curve, _) = window(Mode::Exact, None).curve(40.0, 400.0);
        assert_eq!(
            values(&curve, [-500.0, -160.0, 40.0, 240.0, 900.0]),
            [0.0, 0.0, 0.5, 1.0, 1.0]
        );
        let (curve, _) = window(Mode::Exact, Some([0.0, 255.0])).curve(40.0, 400.0);
        assert_close(values(&curve, [-160.0, 40.0, 240.0]), [0.0, 127.5, 255.0]);
    }

    /// CT-03, center128
    #[test]
    fn center128_puts_the_level_at_128() {
        let (curve, _) = window(Mode::Center128, None).curve(40.0, 400.0);
        assert_close(values(&curve, [-160.0, 40.0, 240.0]), [0.5, 128.0, 255.0]);
    }

    /// CT-03: DICOM PS3.3 C.11.2.1.2.1, its pseudo-code word for word
    #[test]
    fn the_dicom_mode_is_the_pseudo_code_of_the_standard() {
        let [ymin, ymax] = [0.0, 255.0];
        for (c, w) in [
            (40.0, 400.0),
            (2048.0, 4096.0),
            (2048.0, 1.0),
            (0.0, 100.0),
            (0.0, 1.0),
        ] {
            let (curve, _) = window(Mode::Dicom, Some([ymin, ymax])).curve(c, w);
            for x in (-3000..3000).map(|x| f64::from(x) / 2.0) {
                let expected = if x <= c - 0.5 - (w - 1.0) / 2.0 {
                    ymin
                } else if x > c - 0.5 + (w - 1.0) / 2.0 {
                    ymax
                } else {
                    ((x - (c - 0.5)) / (w - 1.0) + 0.5) * (ymax - ymin) + ymin
                };
                let got = curve.form().value(x).unwrap();
                assert!(
                    (got - expected).abs() < 1e-9,
                    "{x} in {c}, {w}: {got}, not {expected}"
                );
            }
        }
    }

    /// CT-04 to CT-09, B-17: the lung window ends at -1350 and 150.
    #[test]
    fn the_presets_have_their_published_bounds() {
        use WindowPreset::*;
        for (preset, low, high) in [
            (Lung, -1350.0, 150.0),
            (Mediastinum, -125.0, 225.0),
            (Bone, -700.0, 1300.0),
            (Brain, 0.0, 80.0),
            (Abdomen, -150.0, 250.0),
            (LungHr, -1400.0, 100.0),
            (LungConservative, -1325.0, 125.0),
        ] {
            let (level, width) = preset.level_and_width();
            let (curve, bounds) = window(Mode::Exact, None).curve(level, width);
            assert_eq!(bounds, [low, high], "{preset:?}");
            let [a, b, c] = values(&curve, [low, level, high]);
            assert!(
                a == 0.0 && (b - 0.5).abs() < 1e-12 && (c - 1.0).abs() < 1e-12,
                "{preset:?}"
            );
        }
    }

    #[test]
    fn exactly_one_way_to_say_the_window_is_taken() {
        let lung = || Some(WindowPreset::Lung);
        let both = Window {
            preset: lung(),
            ..window(Mode::Exact, None)
        };
        let none = Window {
            level: None,
            width: None,
            ..window(Mode::Exact, None)
        };
        let half = Window {
            width: None,
            ..window(Mode::Exact, None)
        };
        let empty = Window {
            level: None,
            width: None,
            presets: Some(vec![]),
            ..window(Mode::Exact, None)
        };
        for wrong in [
            both,
            none,
            half,
            empty,
            window(Mode::Center128, Some([0.0, 1.0])),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert!(window(Mode::Exact, None).check().is_ok());
    }
}
