//! Writing a folder of files aside and renaming it, so that all of them are there or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Unfinished, plain, prefix};
use crate::error::{Error, Result};

/// A folder that is being filled. Dropped, it is removed with all that is in it.
///
/// It lies beside the one that it will be, as `.NAME.voxprep-tmp-XXXXXX`: a killed process leaves
/// it behind under that name, and nothing under the other.
pub(crate) struct FolderAside<'a> {
    path: &'a Path,
    target: PathBuf,
    folder: TempDir,
    _unfinished: Unfinished,
}

impl<'a> FolderAside<'a> {
    /// Makes the folder, and those above it that are missing.
    ///
    /// # Errors
    /// [`Error::Parameter`] where something is there already and is not an empty folder,
    /// [`Error::Io`] where the system refuses.
    pub(crate) fn new(path: &'a Path) -> Result<Self> {
        let target = match fs::canonicalize(path) {
            Ok(there) => there,
            // A name that ends in '/' names the same folder.
            Err(_) => path.components().collect(),
        };
        check_free(path, &target)?;
        let name = target
            .file_name()
            .ok_or_else(|| Error::parameter(path, "the path names no folder"))?;
        let above = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(above).map_err(|e| Error::io("make the folder", above, e))?;
        let mut builder = tempfile::Builder::new();
        let prefix = prefix(name);
        builder.prefix(&prefix);
        // Without this only the owner could look into it; the umask still applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder
            .tempdir_in(above)
            .map_err(|e| Error::io("write into the folder", above, plain(e)))?;
        let unfinished = Unfinished::new(folder.path());
        Ok(Self {
            path,
            target,
            folder,
            _unfinished: unfinished,
        })
    }

    /// Where the files go until the folder is finished.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the folder where it should be.
    ///
    /// # Errors
    /// [`Error::Parameter`] where something has come there in the meantime, [`Error::Io`] where the
    /// system refuses; nothing is there then.
    pub(crate) fn finish(self) -> Result<()> {
        check_free(self.path, &self.target)?;
        let failed = |e| Error::io("put the finished folder in its place", self.path, e);
        // Not every system renames over an empty folder.
        match fs::remove_dir(&self.target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::rename(self.folder.path(), &self.target).map_err(failed)?;
        // What is left of it has another name now.
        let _ = self.folder.keep();
        Ok(())
    }
}

/// Refuses a place where something is, unless that is an empty folder.
fn check_free(path: &Path, target: &Path) -> Result<()> {
    let refused = |reason: &str| {
        Err(Error::parameter(path, reason).remedy("give a new folder, or an empty one"))
    };
    match fs::read_dir(target) {
        Ok(mut entries) => match entries.next() {
            Some(_) => {
                refused("the folder is not empty, and its files could not be told from new ones")
            }
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) if target.exists() => refused("the target is no folder that can be written to"),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_there_with_all_its_files_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new/series/");
        let aside = FolderAside::new(&path).unwrap();
        fs::write(aside.folder().join("a"), "1").unwrap();
        drop(aside);
        assert_eq!(names(&place.path().join("new")), Vec::<String>::new());
        let aside = FolderAside::new(&path).unwrap();
        fs::write(aside.folder().join("a"), "1").unwrap();
        assert!(!path.exists());
        assert!(names(&place.path().join("new"))[0].starts_with(".series.voxprep-tmp-"));
        aside.finish().unwrap();
        assert_eq!(names(&place.path().join("new")), ["series"]);
        assert_eq!(names(&path), ["a"]);
    }

    #[test]
    fn an_empty_folder_is_taken_and_a_full_one_or_a_file_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let [empty, file] = ["empty", "file"].map(|name| place.path().join(name));
        fs::create_dir(&empty).unwrap();
        fs::write(&file, "").unwrap();
        FolderAside::new(&empty).unwrap().finish().unwrap();
        for path in [place.path(), &file] {
            let refused = FolderAside::new(path).err().unwrap().to_string();
            assert!(
                refused.contains("give a new folder, or an empty one"),
                "{refused}"
            );
        }
        assert_eq!(names(place.path()), ["empty", "file"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_look_into_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let [ours, plain] = ["ours", "plain"].map(|name| place.path().join(name));
        fs::create_dir(&plain).unwrap();
        FolderAside::new(&ours).unwrap().finish().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
