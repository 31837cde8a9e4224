//! `TABLE.csv`: one line per case, header `id,patient,split,image:NAME,label:NAME,points:NAME`.
//! Paths are relative to the folder of the table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Case, File, Part};
use crate::aside::write_text_aside;
use crate::error::{Error, Result};
use crate::points::{field, fields};
use crate::text::shown;

/// What a column holds.
enum Column {
    Id,
    Patient,
    Split,
    File(Part, String),
}

/// Reads a table; its columns may have any order, and an empty field means that there is none.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Input`] with the line where it is no such table,
/// names a case twice or a file that is not there.
pub fn read(path: &Path) -> Result<Vec<Case>> {
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::input(path, "the table is not UTF-8").remedy("save it as UTF-8 text")
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut lines = text
        .strip_prefix('\u{feff}')
        .unwrap_or(&text)
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim().is_empty());
    let (number, header) = lines.next().unwrap_or((1, ""));
    let columns = columns(header).map_err(|fault| wrong(path, number, fault))?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for (number, line) in lines {
        let case = case(line, &columns, folder).map_err(|fault| wrong(path, number, fault))?;
        if let Some(before) = seen.insert(case.id.clone(), number) {
            let reason = format!("case {} is there twice, first on line {before}", case.id);
            let fault = fault(reason, "give each case an id of its own");
            return Err(wrong(path, number, fault));
        }
        cases.push(case);
    }
    if cases.is_empty() {
        let fault = fault("the table has no cases", "add a line per case");
        return Err(wrong(path, number, fault));
    }
    Ok(cases)
}

/// Writes a table, aside and renamed, with the paths relative to its folder.
///
/// # Errors
/// [`Error::Parameter`] where a path or an id cannot stand in a table, [`Error::Io`] where the
/// system refuses.
pub fn write(path: &Path, cases: &[Case]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    write_text_aside(path, &text(folder, cases)?)
}

/// A table as text, with the paths relative to a folder.
///
/// # Errors
/// As [`write()`].
pub fn text(folder: &Path, cases: &[Case]) -> Result<String> {
    let mut names: Vec<(Part, &str)> = Vec::new();
    for file in cases.iter().flat_map(|case| &case.files) {
        if !names.contains(&(file.part, file.name.as_str())) {
            names.push((file.part, &file.name));
        }
    }
    // Images first; within them as they came.
    names.sort_by_key(|(part, _)| *part);
    let header = names
        .iter()
        .map(|(part, name)| field(&format!("{}:{name}", part.word())));
    let header: Vec<String> = ["id", "patient", "split"]
        .map(str::to_owned)
        .into_iter()
        .chain(header)
        .collect();
    let mut text = header.join(",") + "\n";
    let absolute = |path: &Path| fs::canonicalize(path).map_err(|e| Error::io("find", path, e));
    let base = absolute(folder)?;
    for case in cases {
        let given = [Some(&case.id), case.patient.as_ref(), case.split.as_ref()];
        let mut line: Vec<String> = given.map(|text| field(text.map_or("", |t| t))).to_vec();
        for (part, name) in &names {
            let file = case
                .files
                .iter()
                .find(|f| f.part == *part && f.name == *name);
            line.push(match file {
                Some(file) => field(&relative(&absolute(&file.path)?, &base)?),
                None => String::new(),
            });
        }
        let line = line.join(",");
        if line.contains(['\n', '\r']) {
            return Err(Error::parameter(
                folder,
                format!("a name of case {} has a line break", case.id),
            )
            .remedy("rename it"));
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// A path as seen from a folder; both are absolute.
fn relative(path: &Path, from: &Path) -> Result<String> {
    let [there, here]: [Vec<Component<'_>>; 2] = [path, from].map(|p| p.components().collect());
    let shared = there.iter().zip(&here).take_while(|(a, b)| a == b).count();
    let relative: PathBuf = here
        .iter()
        .skip(shared)
        .map(|_| Component::ParentDir)
        .chain(there.iter().skip(shared).copied())
        .collect();
    relative.to_str().map(str::to_owned).ok_or_else(|| {
        Error::parameter(path, "the path is not UTF-8 and cannot stand in a table")
            .remedy("rename it")
    })
}

/// Why, what to do, and the name of a file that comes last.
type Fault = (String, &'static str, String);

fn fault(reason: impl Into<String>, remedy: &'static str) -> Fault {
    (reason.into(), remedy, String::new())
}

fn columns(header: &str) -> Result<Vec<Column>, Fault> {
    const REMEDY: &str = "begin with id,patient,split,image:NAME,label:NAME,points:NAME";
    let names = fields(header).unwrap_or_default();
    let mut columns = Vec::new();
    for (i, name) in names.iter().enumerate() {
        if names.iter().skip(i + 1).any(|other| other == name) {
            return Err(fault(format!("the column '{name}' is there twice"), REMEDY));
        }
        columns.push(match (name.as_str(), name.split_once(':')) {
            ("id", _) => Column::Id,
            ("patient", _) => Column::Patient,
            ("split", _) => Column::Split,
            (_, Some(("image", name))) if !name.is_empty() => {
                Column::File(Part::Image, name.to_owned())
            }
            (_, Some(("label", name))) if !name.is_empty() => {
                Column::File(Part::Label, name.to_owned())
            }
            (_, Some(("points", name))) if !name.is_empty() => {
                Column::File(Part::Points, name.to_owned())
            }
            _ => return Err(fault(format!("the column '{name}' is not known"), REMEDY)),
        });
    }
    let has = |wanted: fn(&Column) -> bool| columns.iter().any(wanted);
    if !has(|c| matches!(c, Column::Id)) {
        return Err(fault("there is no column 'id'", REMEDY));
    }
    if !has(|c| matches!(c, Column::File(Part::Image, _))) {
        return Err(fault("there is no column 'image:NAME'", REMEDY));
    }
    Ok(columns)
}

fn case(line: &str, columns: &[Column], folder: &Path) -> Result<Case, Fault> {
    let fields = fields(line).ok_or_else(|| fault("a quotation mark is not closed", "close it"))?;
    if fields.len() != columns.len() {
        let reason = format!("{} fields where {} belong", fields.len(), columns.len());
        return Err(fault(reason, "give each column a field, if an empty one"));
    }
    let mut case = Case::default();
    for (column, text) in columns.iter().zip(fields) {
        let some = (!text.is_empty()).then(|| text.clone());
        match column {
            Column::Id => case.id = text,
            Column::Patient => case.patient = some,
            Column::Split => case.split = some,
            Column::File(part, name) => {
                let Some(relative) = some else {
                    continue;
                };
                let path = folder.join(&relative);
                if !path.exists() {
                    let reason = format!("the {} '{name}' is not there", part.word());
                    let remedy = "paths are relative to the folder of the table";
                    return Err((reason, remedy, relative));
                }
                case.files.push(File {
                    part: *part,
                    name: name.clone(),
                    path,
                });
            }
        }
    }
    if case.id.is_empty() {
        return Err(fault("the case has no id", "give it one"));
    }
    if !is_name(&case.id) {
        let remedy = "give it an id that can be the name of a file, without a folder";
        return Err(("the id is no name of a file".to_owned(), remedy, case.id));
    }
    if !case.files.iter().any(|file| file.part == Part::Image) {
        let reason = format!("case {} has no image", case.id);
        return Err(fault(reason, "give it one, or drop the line"));
    }
    Ok(case)
}

/// Whether files can be called by an id: it is no path, and leads nowhere else.
fn is_name(id: &str) -> bool {
    let mut parts = Path::new(id).components();
    let only = matches!(parts.next(), Some(Component::Normal(part)) if part == id);
    only && parts.next().is_none() && !id.contains(|c: char| c == '\\' || c.is_control())
}

/// Names come last in a message.
fn wrong(path: &Path, line: usize, (reason, remedy, name): Fault) -> Error {
    let both = if name.is_empty() {
        path.to_owned()
    } else {
        PathBuf::from(format!("{}: {}", shown(&name), path.display()))
    };
    Error::input(&both, reason)
        .field(format!("line {line}"))
        .remedy(remedy)
}
