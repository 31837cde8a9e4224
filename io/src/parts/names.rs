//! The names of files in a header.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::text::shown;

/// The file that a header names: beside it, or in a folder below.
///
/// # Errors
/// [`Error::Unsupported`] where it is elsewhere: a header must not make a program read any file of
/// the system. [`Error::Input`] where there is no such file.
pub(crate) fn beside(header: &Path, name: &str) -> Result<PathBuf> {
    let folder = header.parent().unwrap_or(Path::new(""));
    let named = Path::new(name);
    // An absolute name is as good as a relative one where it leads to the same place.
    let absolute = std::path::absolute(header).ok();
    let place = absolute.as_deref().and_then(Path::parent);
    let relative = place.and_then(|place| named.strip_prefix(place).ok());
    let relative = relative.unwrap_or(named);
    let below = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    // Names come last in a message.
    let both = PathBuf::from(format!("{}: {}", shown(name), header.display()));
    if !relative.components().all(below) {
        let reason = "the voxels are in a file that is not beside the header or below it";
        return Err(Error::unsupported(&both, reason).remedy(
            "put both into one folder and name the file without its folder in the header",
        ));
    }
    let path = folder.join(relative);
    let wrong = match path.metadata() {
        Ok(metadata) if metadata.is_file() => return Ok(path),
        Ok(_) if !name.trim().is_empty() => "is no ordinary file",
        _ => "is missing",
    };
    let reason = format!("the voxels are in a file that {wrong}");
    Err(Error::input(&both, reason).remedy("put it beside the header"))
}

/// The name of a file as a header beside it states it; `None` where a reader would take it for
/// something else, a list or a pattern, or could not read it back.
pub(crate) fn stated(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let word = name.split_whitespace().next()?;
    let misread = name.contains(char::is_control)
        || name.trim() != name
        || ["LIST", "LOCAL"]
            .iter()
            .any(|w| word.eq_ignore_ascii_case(w))
        || name.contains('%') && name.contains(' ');
    (!misread).then_some(name)
}

/// The name that a pattern of C's `printf` makes of a number; `None` where it has not exactly one
/// place for a whole number.
pub(crate) fn numbered(pattern: &str, number: i64) -> Option<String> {
    let mut name = String::new();
    let mut found = false;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            name.push(c);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            name.push('%');
            continue;
        }
        let zeros = rest.next_if_eq(&'0').is_some();
        let digits = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut text = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                text.push(digit);
            }
            text
        };
        let width = digits(&mut rest);
        let precision = rest.next_if_eq(&'.').map(|_| digits(&mut rest));
        if !matches!(rest.next(), Some('d' | 'i' | 'u')) || found {
            return None;
        }
        found = true;
        // Wider than any name of a file.
        let parse = |text: &str| match text {
            "" => Some(0),
            _ => text.parse::<usize>().ok().filter(|&n| n <= 255),
        };
        let width = parse(&width)?;
        let written = match precision {
            Some(precision) => {
                let precision = parse(&precision)?;
                let sign = if number < 0 { "-" } else { "" };
                format!("{sign}{:0precision$}", number.unsigned_abs())
            }
            None if zeros => format!("{number:0width$}"),
            None => number.to_string(),
        };
        name.push_str(&format!("{written:>width$}"));
    }
    found.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_makes_the_names_that_printf_makes() {
        for (pattern, number, name) in [
            ("s%03d.raw", 7, Some("s007.raw")),
            ("s%d.raw", 17, Some("s17.raw")),
            ("%5.3i%%", 7, Some("  007%")),
            ("%4d", 7, Some("   7")),
            ("%03d", -7, Some("-07")),
            ("s.raw", 7, None),
            ("%s", 7, None),
            ("%d%d", 7, None),
            ("%", 7, None),
            ("%999999999999d", 7, None),
        ] {
            assert_eq!(numbered(pattern, number).as_deref(), name, "{pattern}");
        }
    }

    #[test]
    fn a_name_that_a_reader_would_misread_is_not_stated() {
        for (name, fits) in [
            ("a b.raw", true),
            ("50%.raw", true),
            ("LIST.raw", true),
            ("LIST 1.raw", false),
            ("local", false),
            ("50% 1 2 3.raw", false),
            (" a.raw", false),
            ("a\nb.raw", false),
        ] {
            assert_eq!(stated(Path::new(name)).is_some(), fits, "{name}");
        }
    }

    #[test]
    fn a_header_names_only_files_beside_or_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let header = folder.path().join("inner/a.mhd");
        std::fs::create_dir_all(folder.path().join("inner/deeper")).unwrap();
        for name in ["x.raw", "inner/x.raw", "inner/deeper/x.raw"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let absolute = folder.path().join("inner/x.raw");
        for name in [
            "x.raw",
            "./x.raw",
            "deeper/x.raw",
            absolute.to_str().unwrap(),
        ] {
            assert!(beside(&header, name).is_ok(), "{name}");
        }
        let outside = folder.path().join("x.raw");
        for name in [
            "../x.raw",
            "deeper/../../x.raw",
            "/etc/passwd",
            outside.to_str().unwrap(),
        ] {
            let message = beside(&header, name).unwrap_err().to_string();
            assert!(
                message.contains("not beside the header or below it; put both"),
                "{message}"
            );
            let end = format!(": {}: {}", shown(name), header.display());
            assert!(message.ends_with(&end), "{message}");
        }
        for (name, wrong) in [
            ("", "is missing"),
            ("y.raw", "is missing"),
            ("deeper", "is no ordinary file"),
        ] {
            let message = beside(&header, name).unwrap_err().to_string();
            assert!(
                message.contains(&format!("a file that {wrong}; put it beside the header")),
                "{message}"
            );
        }
    }
}
