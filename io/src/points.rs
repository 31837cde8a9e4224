//! `points.csv`: named points, header `name,x,y,z`, LPS+ millimetres.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use voxprep_core::subject::Point;

use crate::aside::write_text_aside;
use crate::error::{Error, Result};

const HEADER: [&str; 4] = ["name", "x", "y", "z"];

/// Reads points: one per line after the header `name,x,y,z`, LPS+ mm.
///
/// A name may be quoted (`"a, b"`, with `""` for a quotation mark) and may be empty; empty lines
/// do not count.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Input`] with the line where it is no
/// such table.
pub fn read(path: &Path) -> Result<Vec<Point>> {
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::input(path, "the table is not UTF-8").remedy("save it as UTF-8 text")
    })?;
    let mut lines = text
        .strip_prefix('\u{feff}')
        .unwrap_or(&text)
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map(|(n, line)| (n, fields(line)));
    match header {
        Some((_, Some(fields))) if fields == HEADER => {}
        other => {
            let line = other.map_or(1, |(n, _)| n);
            return Err(wrong(
                path,
                line,
                "the header is not 'name,x,y,z'",
                "begin the table with that line",
            ));
        }
    }
    lines
        .map(|(n, line)| {
            point(line)
                .map_err(|reason| wrong(path, n, &reason, "give name,x,y,z in LPS millimetres"))
        })
        .collect()
}

/// Writes points, aside and renamed; numbers have as many digits as they need to be read back.
///
/// # Errors
/// [`Error::Parameter`] where a name has a line break or a coordinate is not finite,
/// [`Error::Io`] where the system refuses.
pub fn write(path: &Path, points: &[Point]) -> Result<()> {
    let mut text = HEADER.join(",");
    text.push('\n');
    for Point { name, position } in points {
        if name.contains(['\n', '\r']) {
            return Err(
                Error::parameter(path, "the name of a point has a line break")
                    .remedy("rename the point"),
            );
        }
        if !position.iter().all(|v| v.is_finite()) {
            return Err(Error::parameter(
                path,
                format!("a point is at {position:?}, which is nowhere"),
            ));
        }
        let [x, y, z] = position;
        let name = field(name);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name},{x},{y},{z}");
    }
    write_text_aside(path, &text)
}

fn wrong(path: &Path, line: usize, reason: &str, remedy: &str) -> Error {
    Error::input(path, reason)
        .field(format!("line {line}"))
        .remedy(remedy)
}

fn point(line: &str) -> Result<Point, String> {
    let fields = fields(line).ok_or("a quotation mark is not closed")?;
    let [name, x, y, z] = fields.as_slice() else {
        return Err(format!("{} fields where 4 belong", fields.len()));
    };
    let number = |text: &String| match text.parse::<f64>() {
        Ok(v) if v.is_finite() => Ok(v),
        _ => Err(format!("'{text}' is not a number")),
    };
    Ok(Point {
        name: name.clone(),
        position: [number(x)?, number(y)?, number(z)?],
    })
}

/// A text as a field of a line, quoted where it would be taken for something else.
pub(crate) fn field(text: &str) -> String {
    if !text.contains([',', '"']) && text.trim() == text {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

/// The fields of a line, trimmed unless quoted; `None` where a quotation is not closed.
pub(crate) fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let trimmed = rest.trim_start();
        let after = if let Some(mut quoted) = trimmed.strip_prefix('"') {
            let mut field = String::new();
            loop {
                let end = quoted.find('"')?;
                field.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            fields.push(field);
            let end = quoted.find(',').unwrap_or(quoted.len());
            // Text after the closing mark belongs to no field.
            quoted[..end].trim().is_empty().then_some(&quoted[end..])?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            fields.push(rest[..end].trim().to_owned());
            &rest[end..]
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Point>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn points_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        let points: Vec<_> = [
            ("apex", 0.1),
            ("a, \"b\"", -1e-300),
            ("", 1e17),
            (" padded ", 3.0),
        ]
        .map(|(name, x)| Point {
            name: name.to_owned(),
            position: [x, -2.5, std::f64::consts::PI],
        })
        .into();
        write(&path, &points).unwrap();
        assert_eq!(read(&path).unwrap(), points);
    }

    #[test]
    fn spreadsheets_may_add_a_mark_carriage_returns_and_empty_lines() {
        let points = parse("\u{feff}name,x,y,z\r\n\r\ntip, 1 ,2,3\r\n").unwrap();
        assert_eq!(
            points,
            [Point {
                name: "tip".into(),
                position: [1.0, 2.0, 3.0]
            }]
        );
    }

    #[test]
    fn an_error_names_the_line() {
        for (text, expected) in [
            ("", "line 1: the header is not 'name,x,y,z'"),
            ("x,y,z\n1,2,3", "line 1: the header is not"),
            (
                "name,x,y,z\na,1,2,3\nb,1,two,3",
                "line 3: 'two' is not a number",
            ),
            ("name,x,y,z\n\na,1,2", "line 3: 3 fields where 4 belong"),
            ("name,x,y,z\na,1,2,inf", "line 2: 'inf' is not a number"),
            (
                "name,x,y,z\n\"a,1,2,3",
                "line 2: a quotation mark is not closed",
            ),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert!(
                message.ends_with("points.csv") && !message.contains('\n'),
                "{message}"
            );
        }
    }
}
