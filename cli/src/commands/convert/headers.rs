//! `voxprep convert` of DICOM to DICOM: attributes set and deleted, identifiers taken out, the
//! pixels kept.

use std::fs;
use std::path::Path;

use anyhow::Result;
use voxprep_io::dicom::{DeidentifyOptions, HeaderEdits, UidKey};
use voxprep_io::{Error, ReadOptions};

use super::Convert;
use crate::failure::{say, usage};
use crate::output::Output;

/// What deidentifying does not do, in words that go with every run.
const LEFT_TO_DO: [&str; 4] = [
    "faces and other visible features in the voxels, and text in the pixels, are not looked for",
    "texts that the profile keeps are searched for the patient's name and identifier only; dates are emptied or set to 1900, not shifted",
    "the pixels are copied byte by byte: comments of a JPEG stream and padding behind it are not looked at",
    "docs/deidentify.md says which attributes go, and what is left to check",
];

/// Bytes of a key file, at most: a key is no image.
const KEY: u64 = 1 << 20;

impl Convert {
    /// Sets and deletes attributes.
    pub(super) fn edit(&self, out: &mut Output, reading: &ReadOptions) -> Result<()> {
        self.check_whole("--set-tag and --delete-tag", reading)?;
        if voxprep_io::writable_extension(&self.output).is_some() {
            return Err(usage(format_args!(
                "--set-tag and --delete-tag write DICOM; give the output another name, as .dcm: {}",
                self.output.display()
            )));
        }
        let edits = HeaderEdits::new(&self.set_tag, &self.delete_tag)
            .map_err(|error| usage(format_args!("--set-tag, --delete-tag: {error}")))?;
        let edited = voxprep_io::dicom::edit(&self.input, &self.output, &edits)?;
        if !edited.absent.is_empty() {
            let path = self.input.display();
            say(
                "note",
                format_args!("nothing to delete: {}: {path}", edited.absent.join(", ")),
            );
        }
        self.say_others(edited.others);
        for file in edited.files {
            out.line(file.display())?;
        }
        Ok(())
    }

    /// Refuses what is said about the reading of voxels, which are not read: all files of a folder
    /// are written as they are.
    fn check_whole(&self, what: &str, reading: &ReadOptions) -> Result<()> {
        let plain = ReadOptions::default();
        let asked = [
            ("--series", reading.series.is_some()),
            ("--slices", reading.slices != plain.slices),
            ("--padding", reading.padding != plain.padding),
            ("--philips-precise", reading.philips_precise),
            ("--voi", reading.voi),
            ("--type", self.element_type.is_some()),
            ("--format", self.format.is_some()),
        ];
        match asked.iter().find(|(_, is_asked)| *is_asked) {
            None => Ok(()),
            Some((option, _)) => Err(usage(format_args!(
                "{what} of DICOM to DICOM take whole files and folders as they are; leave out {option}, and give the files that are meant: {}",
                self.input.display()
            ))),
        }
    }

    /// Refuses images with text in their pixels, whatever the format they are to be written in.
    pub(super) fn check_burned_in(&self) -> Result<()> {
        let found = voxprep_io::dicom::check_burned_in(&self.input, self.keep_burned_in)?;
        self.say_burned_in(found);
        Ok(())
    }

    fn say_burned_in(&self, [stated, unstated]: [usize; 2]) {
        let path = self.input.display();
        if stated > 0 {
            let images = count(stated);
            say(
                "warning",
                format_args!("kept as asked: text in the pixels of {images}: {path}"),
            );
        }
        if unstated > 0 {
            let images = count(unstated);
            let message = format_args!(
                "nothing says whether text is burned into the pixels of {images}; look at them: {path}"
            );
            say("warning", message);
        }
    }

    fn say_others(&self, others: usize) {
        if others > 0 {
            let (files, are) = if others == 1 {
                ("file", "is")
            } else {
                ("files", "are")
            };
            let path = self.input.display();
            say(
                "note",
                format_args!("{others} {files} {are} not DICOM, and left out: {path}"),
            );
        }
    }

    /// Takes out what identifies somebody.
    pub(super) fn deidentify_dicom(&self, out: &mut Output, reading: &ReadOptions) -> Result<()> {
        self.check_whole("--deidentify", reading)?;
        let key = match &self.uid_key {
            Some(path) => key(path)?,
            None => UidKey::random()?,
        };
        let options = DeidentifyOptions {
            key,
            keep_burned_in: self.keep_burned_in,
        };
        let done = voxprep_io::dicom::deidentify(&self.input, &self.output, &options)?;
        let path = self.input.display();
        for (file, why) in &done.left_out {
            say(
                "warning",
                format_args!("left out: {why}: {}", file.display()),
            );
        }
        self.say_others(done.others);
        self.say_burned_in([done.burned_in, done.burned_in_unstated]);
        if done.mosaics > 0 {
            let images = count(done.mosaics);
            let message = format_args!(
                "private attributes are gone without which a mosaic is one picture ({images}); convert it to NIfTI instead: {path}"
            );
            say("warning", message);
        }
        for line in LEFT_TO_DO {
            say("note", line);
        }
        for file in done.files {
            out.line(file.display())?;
        }
        Ok(())
    }
}

fn count(count: usize) -> String {
    if count == 1 {
        "image".to_owned()
    } else {
        format!("{count} images")
    }
}

/// The key in a file.
fn key(path: &Path) -> Result<UidKey> {
    let length = fs::metadata(path)
        .map_err(|e| Error::io("open", path, e))?
        .len();
    if length > KEY {
        return Err(usage(format_args!(
            "--uid-key: the file is too large to be a key; give a file with a secret: {}",
            path.display()
        )));
    }
    let secret = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    // An editor's last line break is no part of a secret.
    let secret = secret.trim_ascii_end();
    if secret.len() < 16 {
        return Err(usage(format_args!(
            "--uid-key: a key of {} bytes could be guessed; give at least 16: {}",
            secret.len(),
            path.display()
        )));
    }
    Ok(UidKey::from_secret(secret))
}
