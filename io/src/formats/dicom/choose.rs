//! Which of several volumes is meant: by number, UID or description of its series and by its part,
//! and never by a guess.

use std::path::Path;

use super::folder::{self, Found};
use super::instance::Instance;
use super::seg::Segments;
use super::series::{self, Series, Stack};
use super::volume::{self, Reader};
use crate::error::{Error, Result};
use crate::{ReadOptions, SeriesInfo};

/// So many volumes are named in a message.
const NAMED: usize = 8;

/// All images of a path, sorted into volumes.
pub(super) struct Content {
    pub(super) found: Found,
    pub(super) series: Vec<Series>,
    segments: Vec<Segments>,
}

/// The volume that is meant.
pub(super) enum Choice<'a> {
    Stack(&'a Stack),
    Segments(&'a Segments),
}

/// A volume that could be meant.
struct Candidate<'a> {
    choice: Choice<'a>,
    instance: &'a Instance,
    /// `SERIES` or `SERIES.PART`.
    id: String,
    part: String,
    /// Whether it is what people mean when they say nothing: no planning image, no segmentation.
    usual: bool,
}

impl Content {
    /// Reads all headers.
    ///
    /// # Errors
    /// Where the path cannot be read, or holds no DICOM image.
    pub(super) fn of(path: &Path, options: &ReadOptions) -> Result<Self> {
        let mut found = folder::find(path)?;
        if found.instances.is_empty() {
            if let Some((error, _)) = found.damaged.pop() {
                return Err(error);
            }
            const REMEDY: &str = "give the folder of a DICOM series, or the path of one file";
            return Err(match (found.without_pixels, found.others) {
                (0, 0) => Error::parameter(path, "the folder is empty").remedy(REMEDY),
                (0, _) if !path.is_dir() => Error::unsupported(path, "the file is not DICOM")
                    .remedy("give a DICOM file, or the folder of a series"),
                (0, others) => {
                    let reason =
                        format!("the path is a folder, and none of its {others} files is DICOM");
                    Error::parameter(path, reason).remedy(REMEDY)
                }
                (1, 0) => Error::input(path, "the DICOM file has no pixels")
                    .remedy("give a file or a folder with images"),
                (some, _) => {
                    let reason = format!("none of the {some} DICOM files has pixels");
                    Error::input(path, reason).remedy("give a file or a folder with images")
                }
            });
        }
        let segments = Segments::all(&found.instances);
        let mut series = series::series(&found.instances, options);
        for one in &mut series {
            one.stacks.retain(|stack| stack.slices() > 0);
        }
        series.retain(|series| !series.stacks.is_empty());
        Ok(Self {
            found,
            series,
            segments,
        })
    }

    /// How many volumes there are.
    pub(super) fn volumes(&self) -> usize {
        let stacks = self.series.iter().map(|series| series.stacks.len());
        stacks.sum::<usize>() + self.segments.len()
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        let instances = &self.found.instances;
        // Series that share a number are told apart by letters.
        let keys = self.series.iter().map(|series| series.first);
        let keys: Vec<usize> = keys
            .chain(self.segments.iter().map(|s| s.instance))
            .collect();
        let number = |at: usize| instances.get(at).and_then(|i| i.series_number);
        let id = |at: usize| {
            let own = number(at);
            let text = own.map_or_else(|| "0".to_owned(), |n| n.to_string());
            let same: Vec<usize> = keys.iter().copied().filter(|k| number(*k) == own).collect();
            let place = same.iter().position(|k| *k == at).unwrap_or(0);
            match same.len() {
                0 | 1 => text,
                _ => format!("{text}{}", letters(place)),
            }
        };
        let mut all = Vec::new();
        for series in &self.series {
            let series_id = id(series.first);
            let several = series.stacks.len() > 1;
            for (part, stack) in series.stacks.iter().enumerate() {
                let Some((instance, _)) = stack.first(instances) else {
                    continue;
                };
                all.push(Candidate {
                    choice: Choice::Stack(stack),
                    instance,
                    id: if several {
                        format!("{series_id}.{}", part + 1)
                    } else {
                        series_id.clone()
                    },
                    part: stack.name.clone(),
                    usual: !instance.is_localizer() && instance.modality != "RTDOSE",
                });
            }
        }
        for segments in &self.segments {
            let Some(instance) = instances.get(segments.instance) else {
                continue;
            };
            all.push(Candidate {
                choice: Choice::Segments(segments),
                instance,
                id: id(segments.instance),
                part: String::new(),
                usual: false,
            });
        }
        all
    }

    /// The volume that the options name, or the only one there is, and what chooses it.
    ///
    /// # Errors
    /// [`Error::Parameter`] where several could be meant, or none is, and [`Error::Input`] where a
    /// file that may belong to it is damaged.
    pub(super) fn choose(
        &self,
        path: &Path,
        options: &ReadOptions,
    ) -> Result<(Choice<'_>, String)> {
        let mut all = self.candidates();
        let wanted = options.series.as_deref().map(str::trim);
        let fits = |candidate: &Candidate<'_>| match wanted {
            None => true,
            Some(wanted) => candidate.is_called(wanted),
        };
        // An exact name beats a part of one.
        if let Some(wanted) = wanted
            && all.iter().any(|c| c.is_exactly(wanted))
        {
            all.retain(|c| c.is_exactly(wanted));
        } else {
            let any = all.iter().any(fits);
            if !any {
                let wanted = wanted.unwrap_or("");
                let reason = format!("no series is called '{wanted}'");
                return Err(Error::parameter(path, reason)
                    .field("series")
                    .remedy(format!("there are: {}", names(&all))));
            }
            all.retain(fits);
        }
        // For a label map, a segmentation object is what is meant.
        let is_segmentation = |c: &Candidate<'_>| matches!(c.choice, Choice::Segments(_));
        if wanted.is_none() && options.grid.is_some() && all.iter().any(is_segmentation) {
            all.retain(is_segmentation);
        } else if wanted.is_none() && all.iter().any(|c| c.usual) {
            all.retain(|c| c.usual);
        }
        // A secondary capture is a picture of something; images come before it.
        if wanted.is_none() && all.len() > 1 && all.iter().any(|c| !c.is_capture()) {
            all.retain(|c| !c.is_capture());
        }
        if all.len() > 1 {
            let parts = all
                .iter()
                .map(|c| c.id.split('.').next())
                .collect::<Vec<_>>();
            let one = parts.windows(2).all(|pair| pair[0] == pair[1]);
            let what = if one {
                "volumes in one series"
            } else {
                "volumes"
            };
            let reason = format!("{} {what}, and nothing says which is meant", all.len());
            return Err(Error::parameter(path, reason)
                .field("series")
                .remedy(format!("choose with --series: {}", names(&all))));
        }
        match all.pop() {
            Some(candidate) => {
                self.check_damaged(path, candidate.instance)?;
                Ok((candidate.choice, candidate.id))
            }
            None => Err(Error::input(path, "there is no image")),
        }
    }

    /// Refuses a series of which a file cannot be read, or may be such a file.
    fn check_damaged(&self, path: &Path, chosen: &Instance) -> Result<()> {
        let of_series = |(_, series): &&(Error, Option<String>)| {
            series
                .as_ref()
                .is_none_or(|series| *series == chosen.series)
        };
        let damaged: Vec<_> = self.found.damaged.iter().filter(of_series).collect();
        let Some((error, _)) = damaged.first() else {
            return Ok(());
        };
        let fault = error.fault();
        let reason = fault.map_or_else(|| error.to_string(), |fault| fault.reason.clone());
        let file = fault.map_or(path, |fault| fault.path.as_path());
        let count = damaged.len();
        let files = if count == 1 { "file" } else { "files" };
        let reason = format!(
            "{count} DICOM {files} of the folder cannot be read, the first because {reason}"
        );
        Err(Error::input(file, reason)
            .remedy("mend or remove it, so that no slice is missing unnoticed"))
    }

    /// All volumes, as a table.
    pub(super) fn list(&self, path: &Path, options: &ReadOptions) -> Result<Vec<SeriesInfo>> {
        let instances = &self.found.instances;
        let rows = self.candidates().into_iter().map(|candidate| {
            let instance = candidate.instance;
            let (header, files) = match &candidate.choice {
                Choice::Stack(stack) => {
                    let header = Reader::new(instances, stack, path, options)
                        .and_then(|reader| reader.header());
                    (header, stack.frames.iter().map(Vec::len).sum())
                }
                Choice::Segments(segments) => (
                    segments.header(instances, path, options),
                    segments.frames(instances),
                ),
            };
            let problem = header
                .as_ref()
                .err()
                .and_then(|e| e.fault())
                .map(|f| f.reason.clone());
            let header = header.ok();
            let kind = volume::modality(instance);
            SeriesInfo {
                id: candidate.id.clone(),
                description: instance.description.clone(),
                part: candidate.part.clone(),
                modality: match instance.modality.as_str() {
                    "" => kind.map_or_else(String::new, |kind| kind.to_string()),
                    code => code.to_owned(),
                },
                uid: instance.series.clone(),
                frames: files,
                header,
                problem,
                is_usual: candidate.usual,
            }
        });
        Ok(rows.collect())
    }
}

impl Candidate<'_> {
    fn is_exactly(&self, wanted: &str) -> bool {
        let instance = self.instance;
        self.id == wanted
            || instance.series == wanted
            || !instance.description.is_empty() && instance.description.eq_ignore_ascii_case(wanted)
            || !self.part.is_empty() && self.part.eq_ignore_ascii_case(wanted)
    }

    /// Whether the words name it: also a series of which it is a part, or a part of its description.
    fn is_called(&self, wanted: &str) -> bool {
        let wanted = wanted.to_ascii_lowercase();
        let series = self.id.split('.').next().unwrap_or("");
        let number = self.instance.series_number.map(|n| n.to_string());
        let description = self.instance.description.to_ascii_lowercase();
        series == wanted
            || number.as_deref() == Some(wanted.as_str())
            || wanted.len() > 2 && description.contains(&wanted)
            || wanted.len() > 2 && self.part.to_ascii_lowercase().contains(&wanted)
    }

    fn is_capture(&self) -> bool {
        self.instance.class.starts_with("1.2.840.10008.5.1.4.1.1.7")
    }
}

/// a, b, ... z, aa, ab, ...
fn letters(place: usize) -> String {
    let last = char::from(b'a' + (place % 26) as u8);
    match place / 26 {
        0 => last.to_string(),
        rest => format!("{}{last}", letters(rest - 1)),
    }
}

/// The volumes that could be meant, in one line.
fn names(all: &[Candidate<'_>]) -> String {
    let one = |c: &Candidate<'_>| {
        let words = [
            c.instance.modality.as_str(),
            &c.instance.description,
            &c.part,
        ];
        let words: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
        // What stands in a header may break lines.
        let words: String = words
            .join(", ")
            .chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect();
        format!("{} ({words})", c.id)
    };
    let mut names: Vec<String> = all.iter().take(NAMED).map(one).collect();
    if all.len() > NAMED {
        names.push(format!("{} more", all.len() - NAMED));
    }
    names.join(", ")
}
