//! Values as an element spells them: what each VR allows (PS3.5 table 6.2-1), as bytes.

use dicom_core::VR;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec as _};

use super::elements::Coding;

/// The bytes of a value, of even length. Several values are separated by `\`, except in long texts.
///
/// # Errors
/// What is wrong with it.
pub(super) fn spell_value(
    vr: VR,
    text: &str,
    charset: Option<&SpecificCharacterSet>,
    coding: Coding,
) -> Result<Vec<u8>, String> {
    if matches!(vr, VR::LT | VR::ST | VR::UT | VR::UR) {
        return string(vr, text, charset);
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let values = text.split('\\');
    macro_rules! numbers {
        ($type:ty, $what:literal) => {{
            let mut bytes = Vec::new();
            for value in values {
                let number: $type = value
                    .trim()
                    .parse()
                    .map_err(|_| format!(concat!("'{}' is not ", $what), value))?;
                let number = if coding.big_endian {
                    number.to_be_bytes()
                } else {
                    number.to_le_bytes()
                };
                bytes.extend_from_slice(&number);
            }
            Ok(bytes)
        }};
    }
    match vr {
        VR::US => numbers!(u16, "a whole number from 0 to 65535"),
        VR::SS => numbers!(i16, "a whole number from -32768 to 32767"),
        VR::UL => numbers!(u32, "a whole number from 0 to 4294967295"),
        VR::SL => numbers!(i32, "a whole number of 32 bits with a sign"),
        VR::UV => numbers!(u64, "a whole number of 64 bits"),
        VR::SV => numbers!(i64, "a whole number of 64 bits with a sign"),
        VR::FL => numbers!(f32, "a number"),
        VR::FD => numbers!(f64, "a number"),
        VR::SQ => Err("sequences are not set".into()),
        VR::AT | VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN => {
            Err(format!("values of VR {} are not set", vr.to_string()))
        }
        _ => string(vr, text, charset),
    }
}

fn string(vr: VR, text: &str, charset: Option<&SpecificCharacterSet>) -> Result<Vec<u8>, String> {
    let is_long = matches!(vr, VR::LT | VR::ST | VR::UT | VR::UR);
    let values: Vec<&str> = if is_long {
        vec![text]
    } else {
        text.split('\\').collect()
    };
    for value in values {
        check(vr, value)?;
    }
    let mut bytes = if text.is_ascii() {
        text.as_bytes().to_vec()
    } else {
        encoded(vr, text, charset)?
    };
    if bytes.len() % 2 == 1 {
        bytes.push(if vr == VR::UI { 0 } else { b' ' });
    }
    Ok(bytes)
}

/// Text beyond ASCII, in the characters that the file has.
fn encoded(vr: VR, text: &str, charset: Option<&SpecificCharacterSet>) -> Result<Vec<u8>, String> {
    let is_text = matches!(
        vr,
        VR::LO | VR::SH | VR::PN | VR::LT | VR::ST | VR::UT | VR::UC
    );
    if !is_text {
        return Err(format!(
            "values of VR {} have no such letters",
            vr.to_string()
        ));
    }
    let Some(charset) = charset else {
        return Err("the file has no letters but those of ASCII, or several sets of them".into());
    };
    let bytes = charset.encode(text).ok();
    // A codec may put something else in the place of what it lacks.
    let fits = |bytes: &Vec<u8>| charset.decode(bytes).is_ok_and(|again| again == text);
    bytes.filter(fits).ok_or_else(|| {
        format!(
            "the characters of the file ({}) do not have these letters",
            charset.name()
        )
    })
}

/// Checks one value.
fn check(vr: VR, value: &str) -> Result<(), String> {
    let most = match vr {
        VR::AE | VR::CS | VR::DS | VR::SH => 16,
        VR::IS => 12,
        VR::DT => 26,
        VR::TM => 14,
        VR::LO | VR::UI => 64,
        VR::LT => 10_240,
        VR::ST => 1024,
        // Three groups of 64.
        VR::PN => 194,
        _ => usize::MAX,
    };
    let count = value.chars().count();
    if count > most {
        let vr = vr.to_string();
        return Err(format!(
            "the value has {count} characters, and VR {vr} has at most {most}"
        ));
    }
    let is_text = matches!(vr, VR::LT | VR::ST | VR::UT);
    let is_control =
        |c: char| c.is_control() && !(is_text && matches!(c, '\n' | '\r' | '\t' | '\x0c'));
    if value.chars().any(is_control) {
        return Err("the value has control characters".into());
    }
    let all = |allowed: &dyn Fn(u8) -> bool| value.bytes().all(allowed);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let wrong = |what: &str| Err(format!("'{value}' is not {what}"));
    let fine = value.is_empty();
    match vr {
        _ if fine => Ok(()),
        VR::AE if value.trim().is_empty() || value.contains('\\') => wrong("a title"),
        VR::AS => {
            let (number, unit) = value.split_at_checked(3).unwrap_or(("x", ""));
            match digits(number) && ["D", "W", "M", "Y"].contains(&unit) {
                true => Ok(()),
                false => wrong("an age as 045Y, 006M, 002W or 010D"),
            }
        }
        VR::CS
            if !all(&|b| {
                b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_'
            }) =>
        {
            wrong("made of capital letters, digits, blanks and _")
        }
        VR::DA if !is_date(value) => wrong("a date as 20240131"),
        VR::TM if !is_time(value) => wrong("a time as 235959 or 235959.123456"),
        VR::DT if !is_datetime(value) => wrong("a date and time as 20240131235959.123456+0100"),
        VR::DS => {
            let number = value.trim().parse::<f64>();
            let spelt = all(&|b| b.is_ascii_digit() || b"+-.eE ".contains(&b));
            match spelt && number.is_ok_and(f64::is_finite) {
                true => Ok(()),
                false => wrong("a decimal number"),
            }
        }
        VR::IS if value.trim().parse::<i32>().is_err() => wrong("a whole number of 32 bits"),
        VR::UI if !is_uid(value) => {
            wrong("a UID: numbers without leading zeroes, separated by dots")
        }
        VR::UR if !all(&|b| b.is_ascii_graphic()) => wrong("an address"),
        VR::PN => {
            let groups: Vec<&str> = value.split('=').collect();
            let fits = |group: &&str| group.chars().count() <= 64 && group.split('^').count() <= 5;
            match groups.len() <= 3 && groups.iter().all(fits) {
                true => Ok(()),
                false => wrong("a name: up to five parts separated by ^, 64 characters"),
            }
        }
        _ => Ok(()),
    }
}

/// Whether a text is a UID.
pub(super) fn is_uid(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    text.len() <= 64 && text.split('.').all(part)
}

/// The number at a place of a text, where it is made of digits and within bounds.
fn part(text: &str, range: std::ops::Range<usize>, bounds: std::ops::RangeInclusive<u32>) -> bool {
    let digits = text
        .get(range)
        .filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|t| t.parse().ok());
    number.is_some_and(|n: u32| bounds.contains(&n))
}

fn is_date(text: &str) -> bool {
    let days = match text.get(4..6) {
        Some("02") => 29,
        Some("04" | "06" | "09" | "11") => 30,
        _ => 31,
    };
    text.len() == 8
        && part(text, 0..4, 0..=9999)
        && part(text, 4..6, 1..=12)
        && part(text, 6..8, 1..=days)
}

fn is_time(text: &str) -> bool {
    let text = text.trim_end();
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(w, f)| (w, Some(f)));
    let fraction_fits = fraction.is_none_or(|f| {
        whole.len() == 6 && (1..=6).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit())
    });
    let bounds = [23, 59, 60];
    let parts = whole.len() / 2;
    let fits = |at: usize| {
        part(
            whole,
            2 * at..2 * at + 2,
            0..=bounds.get(at).copied().unwrap_or(0),
        )
    };
    matches!(whole.len(), 2 | 4 | 6) && (0..parts).all(fits) && fraction_fits
}

fn is_datetime(text: &str) -> bool {
    let text = text.trim_end();
    let (moment, zone) = match text.rfind(['+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let zone_fits =
        zone.is_empty() || zone.len() == 5 && part(zone, 1..3, 0..=14) && part(zone, 3..5, 0..=59);
    let date = match moment.len() {
        4 => part(moment, 0..4, 0..=9999),
        6 => part(moment, 0..4, 0..=9999) && part(moment, 4..6, 1..=12),
        _ => moment.get(..8).is_some_and(is_date),
    };
    let time = moment.get(8..).unwrap_or("");
    zone_fits && date && (time.is_empty() || is_time(time))
}

/// A number in at most 16 characters, as exactly as they allow.
pub(super) fn decimal(number: f64) -> String {
    // A negative zero says nothing more.
    let number = if number == 0.0 { 0.0 } else { number };
    let shortest = format!("{number}");
    if shortest.len() <= 16 {
        return shortest;
    }
    let spelt = (0..=15)
        .rev()
        .flat_map(|digits| [format!("{number:.digits$}"), format!("{number:.digits$e}")]);
    let short = spelt.filter(|text| text.len() <= 16);
    let error = |text: &String| {
        text.parse()
            .map_or(f64::INFINITY, |n: f64| (n - number).abs())
    };
    short
        .min_by(|a, b| error(a).total_cmp(&error(b)))
        .unwrap_or_else(|| "0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(vr: VR, text: &str) -> Result<Vec<u8>, String> {
        spell_value(
            vr,
            text,
            Some(&SpecificCharacterSet::ISO_IR_100),
            Coding::EXPLICIT,
        )
    }

    #[test]
    fn a_value_is_what_its_vr_allows() {
        for (vr, text, bytes) in [
            (VR::LO, "abc", &b"abc "[..]),
            (VR::UI, "1.2.0", b"1.2.0\0"),
            (VR::US, "1\\258", &[1, 0, 2, 1]),
            (VR::PN, "M\u{fc}ller^A", b"M\xfcller^A"),
            (VR::DA, "20240229", b"20240229"),
            (VR::TM, "1203", b"1203"),
            (VR::DT, "20240131235959.5-0130", b"20240131235959.5-0130 "),
            (VR::DS, "-1.5e-3\\2", b"-1.5e-3\\2 "),
            (VR::LT, "a\\b\n", b"a\\b\n"),
            (VR::CS, "", b""),
        ] {
            assert_eq!(spelt(vr, text).as_deref(), Ok(bytes), "{text}");
        }
        for (vr, text) in [
            (VR::DA, "2024-01-31"),
            (VR::DA, "20240431"),
            (VR::TM, "2460"),
            (VR::TM, "12.5"),
            (VR::DT, "2024013"),
            (VR::DT, "20240131+9900"),
            (VR::AS, "45Y"),
            (VR::CS, "Head"),
            (VR::IS, "1.5"),
            (VR::DS, "12345678901234567"),
            (VR::DS, "inf"),
            (VR::UI, "1.02.3"),
            (VR::UI, "1..3"),
            (VR::US, "-1"),
            (VR::LO, "a\nb"),
            (VR::SH, "seventeen letters"),
            (VR::PN, "\u{4e2d}"),
            (VR::SQ, "x"),
            (VR::OW, "x"),
            (VR::AE, "\u{fc}"),
        ] {
            assert!(spelt(vr, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_has_at_most_sixteen_characters() {
        for (number, text) in [
            (0.7, "0.7"),
            (-0.0, "0"),
            (1.0 / 3.0, "0.33333333333333"),
            (-1.0 / 3.0, "-0.3333333333333"),
            (-123.456_789_012_345_67, "-123.45678901235"),
            (1.234_567_890_123_456e-7, "1.2345678901e-7"),
        ] {
            let spelt = decimal(number);
            assert!(spelt.len() <= 16, "{spelt}");
            let back: f64 = spelt.parse().unwrap();
            let wanted: f64 = text.parse().unwrap();
            assert!(
                (back - number).abs() <= (wanted - number).abs(),
                "{spelt} for {text}"
            );
        }
    }
}
