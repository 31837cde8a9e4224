//! Writing aside and renaming, so that a file is there whole or as it was before.

#[cfg(feature = "dicom")]
mod folder;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::{NamedTempFile, TempPath};

use crate::error::{Error, Result};

#[cfg(feature = "dicom")]
pub(crate) use folder::FolderAside;

/// The longest part of the target's name that the temporary file's name repeats, in bytes: file
/// systems stop at 255.
const NAME_KEPT: usize = 128;

/// Writes a file aside and renames it over the target, so that readers see all of it or none.
///
/// The temporary file `.NAME.voxprep-tmp-XXXXXX` is in the target's folder. On an error it is
/// removed and the target stays as it was; a killed process may leave it behind, and one that is
/// interrupted calls [`remove_unfinished`]. A symbolic link
/// is followed, not replaced. Nothing is flushed to the disk itself: after a power failure the
/// file may be the old one, as with any ordinary write.
///
/// # Errors
/// [`Error::Io`] where the folder is missing or cannot be written to, or the disk is full;
/// [`Error::Parameter`] where the target is a folder or a device.
pub fn write_aside(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    Aside::write(path, write)?.rename("put the finished file in its place")
}

/// Writes the voxels and the header of a pair aside and puts them in place of the old ones.
///
/// Three renames are not one. The old header goes first, then the voxels are put in place, then
/// the new header: whoever comes between, by whatever interruption, finds voxels without a header,
/// which is an error that says so, and never voxels beside the header of others. An error before
/// the voxels are in place leaves the old pair.
///
/// # Errors
/// As [`write_aside`].
pub(crate) fn write_pair_aside(
    [voxels, header]: [&Path; 2],
    write_voxels: impl FnOnce(&mut File) -> io::Result<()>,
    write_header: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let voxels = Aside::write(voxels, write_voxels)?;
    let header = Aside::write(header, write_header)?;
    rename_pair(voxels, header, || {})
}

/// Renames the finished files of a pair; `between` runs when the voxels are there and no header.
fn rename_pair(voxels: Aside<'_>, header: Aside<'_>, between: impl FnOnce()) -> Result<()> {
    let old = header.set_old_aside()?;
    let target = header.target.clone();
    if let Err(error) = voxels.rename("put the finished file in its place") {
        if let Some(old) = old {
            // The first error is the one to tell; where the old header cannot come back, it is
            // missing, and that is an error for whoever reads.
            let _ = fs::rename(&old, target);
        }
        return Err(error);
    }
    between();
    header.rename("put the header beside its voxels (they are new, and without one now)")
}

/// A file that is finished, but not yet where it should be. Dropped, it is removed.
struct Aside<'a> {
    path: &'a Path,
    target: PathBuf,
    file: NamedTempFile,
    _unfinished: Unfinished,
}

impl<'a> Aside<'a> {
    fn write(path: &'a Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<Self> {
        let target = target(path)?;
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let name = target
            .file_name()
            .ok_or_else(|| Error::parameter(path, "the path names no file"))?;
        let mut builder = tempfile::Builder::new();
        let prefix = prefix(name);
        builder.prefix(&prefix);
        // Without this the file would be readable by its owner only; the umask still applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder).map_err(|source| {
            // tempfile's own message repeats the path.
            Error::io("write into the folder", folder, plain(source))
        })?;
        let unfinished = Unfinished::new(file.path());
        write(file.as_file_mut()).map_err(|source| Error::io("write", path, source))?;
        Ok(Self {
            path,
            target,
            file,
            _unfinished: unfinished,
        })
    }

    /// Puts the file where it should be; `action` completes "cannot ..." where that fails.
    fn rename(self, action: &'static str) -> Result<()> {
        self.file
            .persist(&self.target)
            .map_err(|error| Error::io(action, self.path, error.error))?;
        Ok(())
    }

    /// Renames the file that is there now, if there is one. Dropped, it is removed.
    fn set_old_aside(&self) -> Result<Option<TempPath>> {
        let failed = |source| Error::io("take the old header away", self.path, plain(source));
        let folder = self.file.path().parent().unwrap_or(Path::new("."));
        let name = self.target.file_name().unwrap_or_default();
        let aside = tempfile::Builder::new()
            .prefix(&prefix(name))
            .tempfile_in(folder)
            .map_err(failed)?
            .into_temp_path();
        match fs::rename(&self.target, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The files being written now.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Remembers a temporary file for as long as it lives.
struct Unfinished(PathBuf);

impl Unfinished {
    fn new(path: &Path) -> Self {
        if let Ok(mut files) = UNFINISHED.lock() {
            files.insert(path.to_owned());
        }
        Self(path.to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Ok(mut files) = UNFINISHED.lock() {
            files.remove(&self.0);
        }
    }
}

/// Removes the temporary files of all writes that are under way: for a program that is about to
/// end before they are done.
pub fn remove_unfinished() {
    for path in UNFINISHED
        .lock()
        .into_iter()
        .flat_map(|mut files| std::mem::take(&mut *files))
    {
        // Whoever ends the program has no use for an error here.
        let _ = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
    }
}

/// Writes a text as [`write_aside`] does.
///
/// # Errors
/// As [`write_aside`].
pub fn write_text_aside(path: &Path, text: &str) -> Result<()> {
    write_aside(path, |file| file.write_all(text.as_bytes()))
}

/// Lets a write beyond the limit on file sizes (`ulimit -f`) fail with an error instead of
/// killing the process. A program calls it once, at its start; a library never does.
pub fn survive_file_size_limit() {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        const SIGXFSZ: i32 = 25;
        const SIG_IGN: usize = 1;
        unsafe extern "C" {
            fn signal(number: i32, handler: usize) -> usize;
        }
        // SAFETY: `signal` is in the C library that std links; the disposition "ignore" runs no
        // code of ours, and write(2) then returns EFBIG.
        unsafe {
            signal(SIGXFSZ, SIG_IGN);
        }
    }
}

/// Where the renamed file will be: the end of a symbolic link, else the path itself.
fn target(path: &Path) -> Result<PathBuf> {
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(path.to_owned());
    };
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "a device"
        };
        return Err(
            Error::parameter(path, format!("the target is {what}, not a file"))
                .remedy("give the path of a file"),
        );
    }
    if path.is_symlink() {
        return fs::canonicalize(path).map_err(|source| Error::io("follow the link", path, source));
    }
    Ok(path.to_owned())
}

fn prefix(name: &std::ffi::OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    if name.len() <= NAME_KEPT {
        prefix.push(name);
    } else {
        prefix.extend(
            name.to_string_lossy()
                .chars()
                .take(NAME_KEPT / 4)
                .map(|c| OsString::from(c.to_string())),
        );
    }
    prefix.push(".voxprep-tmp-");
    prefix
}

/// The system's own error, without the path that tempfile wraps around it.
fn plain(error: io::Error) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(|e| e.source())
        .and_then(|e| e.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_text_aside(&path, "old").unwrap();
        let error = write_aside(&path, |file| {
            file.write_all(b"half of the n")?;
            assert!(names(folder.path())[0].starts_with(".a.json.voxprep-tmp-"));
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(error.to_string().contains("free some space"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    /// What is in a file, if there is one.
    fn held(path: &Path) -> Option<String> {
        path.is_file().then(|| fs::read_to_string(path).unwrap())
    }

    fn write_pair(folder: &Path, text: &'static str) -> Result<()> {
        let [img, hdr] = ["a.img", "a.hdr"].map(|name| folder.join(name));
        let put = |file: &mut File| file.write_all(text.as_bytes());
        write_pair_aside([&img, &hdr], put, put)
    }

    #[test]
    fn of_a_pair_the_header_goes_first_and_comes_last() {
        for old in [None, Some("old")] {
            let folder = tempfile::tempdir().unwrap();
            if let Some(old) = old {
                write_pair(folder.path(), old).unwrap();
            }
            let [img, hdr] = ["a.img", "a.hdr"].map(|name| folder.path().join(name));
            let put = |file: &mut File| file.write_all(b"new");
            let voxels = Aside::write(&img, put).unwrap();
            let header = Aside::write(&hdr, put).unwrap();
            assert_eq!(held(&hdr).as_deref(), old);
            assert_eq!(held(&img).as_deref(), old);
            let mut seen = None;
            rename_pair(voxels, header, || seen = Some((held(&hdr), held(&img)))).unwrap();
            assert_eq!(seen, Some((None, Some("new".to_owned()))));
            assert_eq!(held(&hdr).as_deref(), Some("new"));
            assert_eq!(names(folder.path()), ["a.hdr", "a.img"]);
        }
    }

    #[test]
    fn a_header_that_cannot_be_put_in_place_leaves_voxels_without_one() {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "old").unwrap();
        let [img, hdr] = ["a.img", "a.hdr"].map(|name| folder.path().join(name));
        let put = |file: &mut File| file.write_all(b"new");
        let voxels = Aside::write(&img, put).unwrap();
        let header = Aside::write(&hdr, put).unwrap();
        // A folder where the header should be: no file is renamed over it.
        let error = rename_pair(voxels, header, || fs::create_dir(&hdr).unwrap());
        let message = error.unwrap_err().to_string();
        assert!(
            message.starts_with(
                "cannot put the header beside its voxels (they are new, and without one now): "
            ),
            "{message}"
        );
        assert_eq!((held(&hdr), held(&img).as_deref()), (None, Some("new")));
        assert_eq!(names(folder.path()), ["a.hdr", "a.img"]);
    }

    #[test]
    fn a_pair_whose_voxels_cannot_be_put_in_place_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let [img, hdr] = ["a.img", "a.hdr"].map(|name| folder.path().join(name));
        fs::write(&hdr, "old").unwrap();
        let error = write_pair_aside(
            [&img, &hdr],
            |file| {
                fs::create_dir(&img)?;
                file.write_all(b"new")
            },
            |file| file.write_all(b"new"),
        );
        let message = error.unwrap_err().to_string();
        assert!(
            message.starts_with("cannot put the finished file in its place: ")
                && message.ends_with("a.img"),
            "{message}"
        );
        assert_eq!(held(&hdr).as_deref(), Some("old"));
        assert_eq!(names(folder.path()), ["a.hdr", "a.img"]);
    }

    #[test]
    fn an_old_header_that_cannot_go_costs_neither_it_nor_the_voxels() {
        let folder = tempfile::tempdir().unwrap();
        let [img, hdr] = ["a.img", "a.hdr"].map(|name| folder.path().join(name));
        fs::write(&img, "old").unwrap();
        let error = write_pair_aside(
            [&img, &hdr],
            |file| file.write_all(b"new"),
            |file| {
                fs::create_dir(&hdr)?;
                file.write_all(b"new")
            },
        );
        let message = error.unwrap_err().to_string();
        assert!(
            message.starts_with("cannot take the old header away: "),
            "{message}"
        );
        assert_eq!(held(&img).as_deref(), Some("old"));
        assert_eq!(names(folder.path()), ["a.hdr", "a.img"]);
    }

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_allows() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ä".repeat(127), "x".repeat(255)] {
            write_text_aside(&folder.path().join(&name), "x").unwrap();
        }
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/a.json");
        let message = write_text_aside(&path, "x").unwrap_err().to_string();
        assert!(
            message.starts_with("cannot write into the folder: No such file"),
            "{message}"
        );
        assert!(
            message.ends_with("absent") && message.contains("check the path"),
            "{message}"
        );
    }

    #[test]
    fn a_folder_or_a_device_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let message = write_text_aside(folder.path(), "x")
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("the target is a folder"), "{message}");
        #[cfg(unix)]
        assert!(
            write_text_aside(Path::new("/dev/null"), "x")
                .unwrap_err()
                .to_string()
                .contains("device")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_others_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [real, link] = ["real", "link"].map(|name| folder.path().join(name));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_text_aside(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain));
    }
}
