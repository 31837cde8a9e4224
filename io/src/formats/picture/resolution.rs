//! The spacing that TIFF files state: in tags, and in the descriptions that ImageJ and OME write.

/// Millimetres per unit of ImageJ or OME; `None` where it is no length.
fn millimetres(unit: &str) -> Option<f64> {
    // ImageJ escapes what is not ASCII.
    Some(match unit.trim().trim_matches('"') {
        "nm" => 1e-6,
        "um" | "micron" | "microns" | "\u{b5}m" | "\u{3bc}m" | "\\u00B5m" => 1e-3,
        "mm" => 1.0,
        "cm" => 10.0,
        "m" => 1000.0,
        "inch" | "in" => 25.4,
        _ => return None,
    })
}

/// What a description says of the pages.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Described {
    /// Along x and y, mm, where the description itself says so.
    pub(super) xy: [Option<f64>; 2],
    /// Millimetres per unit of the resolution tags, where the description says so.
    pub(super) unit: Option<f64>,
    /// Between pages, mm.
    pub(super) z: Option<f64>,
    /// How many pages there should be.
    pub(super) images: Option<u64>,
    /// Whether pages are channels or points in time.
    pub(super) mixed: bool,
}

/// Reads the description of a TIFF file, as far as ImageJ or OME wrote it.
pub(super) fn described(text: &str) -> Described {
    if text.starts_with("ImageJ=") {
        imagej(text)
    } else if text.contains("<OME") {
        ome(text)
    } else {
        Described::default()
    }
}

fn imagej(text: &str) -> Described {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(str::trim)
    };
    let count = |key: &str| value(key).and_then(|v| v.parse::<u64>().ok());
    let unit = value("unit").and_then(millimetres);
    let spacing = value("spacing").and_then(|v| v.parse::<f64>().ok());
    Described {
        xy: [None; 2],
        unit,
        // ImageJ gives slices a sign that says how they are looked at.
        z: spacing.zip(unit).map(|(s, unit)| s.abs() * unit),
        images: count("images"),
        mixed: count("channels").is_some_and(|n| n > 1) || count("frames").is_some_and(|n| n > 1),
    }
}

fn ome(text: &str) -> Described {
    let pixels = text
        .split_once("<Pixels")
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or("", |(pixels, _)| pixels);
    let value = |key: &str| {
        let start = pixels.find(&format!(" {key}=\""))? + key.len() + 3;
        pixels.get(start..)?.split_once('"').map(|(value, _)| value)
    };
    let length = |axis: &str| {
        let size: f64 = value(&format!("PhysicalSize{axis}"))?.parse().ok()?;
        // OME's default unit.
        let unit = value(&format!("PhysicalSize{axis}Unit")).unwrap_or("\u{b5}m");
        Some(size * millimetres(unit)?)
    };
    let many = |key: &str| {
        value(key)
            .and_then(|v| v.parse::<u64>().ok())
            .is_some_and(|n| n > 1)
    };
    // Several colours of one page are no pages.
    let samples = pixels_have_samples(text);
    Described {
        xy: [length("X"), length("Y")],
        unit: None,
        z: length("Z"),
        images: None,
        mixed: many("SizeT") || many("SizeC") && !samples,
    }
}

fn pixels_have_samples(text: &str) -> bool {
    text.split_once("SamplesPerPixel=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .and_then(|(value, _)| value.parse::<u64>().ok())
        .is_some_and(|n| n > 1)
}

/// What ImageJ reads of a stack: how many slices, and how far they are apart, in the unit of the
/// resolution tags, cm.
pub(super) fn written(slices: usize, spacing_mm: f64) -> String {
    format!(
        "ImageJ=1.54\nimages={slices}\nslices={slices}\nunit=cm\nspacing={}\n",
        spacing_mm / 10.0
    )
}

/// A positive number as a fraction of 32-bit integers, as close as there is one.
pub(super) fn fraction(value: f64) -> (u32, u32) {
    const MOST: f64 = u32::MAX as f64;
    // The convergents of its continued fraction.
    let (mut last, mut this) = ((0.0, 1.0), (1.0, 0.0));
    let mut rest = value.clamp(1.0 / MOST, MOST);
    for _ in 0..64 {
        let whole = rest.floor();
        let next = (whole * this.0 + last.0, whole * this.1 + last.1);
        if next.0 > MOST || next.1 > MOST {
            break;
        }
        (last, this) = (this, next);
        let left = rest - whole;
        if left < 1e-12 {
            break;
        }
        rest = 1.0 / left;
    }
    (this.0 as u32, this.1 as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagej_says_what_the_unit_is_and_how_far_slices_are_apart() {
        let text = "ImageJ=1.53t\nimages=7\nslices=7\nunit=\\u00B5m\nspacing=2500.0\nloop=false";
        let found = described(text);
        assert_eq!(found.unit, Some(1e-3));
        assert_eq!(
            (found.z, found.images, found.mixed),
            (Some(2.5), Some(7), false)
        );
        assert!(described("ImageJ=1\nimages=4\nchannels=2\nslices=2").mixed);
        let ours = described(&written(3, 1.25));
        assert_eq!(
            (ours.unit, ours.z, ours.images),
            (Some(10.0), Some(1.25), Some(3))
        );
    }

    #[test]
    fn ome_says_how_large_a_voxel_is() {
        let text = "<?xml?><OME><Image><Pixels SizeC=\"1\" SizeT=\"1\" PhysicalSizeX=\"0.5\" \
                    PhysicalSizeXUnit=\"mm\" PhysicalSizeY=\"250\" PhysicalSizeZ=\"1.5\" \
                    PhysicalSizeZUnit=\"mm\"><Channel/></Pixels></Image></OME>";
        let found = described(text);
        assert_eq!(found.xy, [Some(0.5), Some(0.25)]);
        assert_eq!((found.z, found.mixed), (Some(1.5), false));
        assert!(described("<OME><Pixels SizeC=\"3\" SizeT=\"1\"></OME>").mixed);
        assert_eq!(described("a patient's name"), Described::default());
    }

    #[test]
    fn a_fraction_is_as_close_as_there_is_one() {
        assert_eq!(fraction(72.0), (72, 1));
        assert_eq!(fraction(0.125), (1, 8));
        let (n, d) = fraction(10.0 / 0.143);
        assert!((f64::from(n) / f64::from(d) - 10.0 / 0.143).abs() < 1e-9);
        assert_eq!(fraction(1e30), (u32::MAX, 1));
    }
}
