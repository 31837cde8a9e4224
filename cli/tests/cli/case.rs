//! A folder with small images, and voxprep run in it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use tempfile::TempDir;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::{ReadOptions, WriteOptions};

/// Three different sizes, three different spacings, an origin off every axis.
pub(crate) const SIZE: [usize; 3] = [5, 4, 3];

/// What a command answered.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The one line of an error, without `error: `.
    pub(crate) fn error(&self) -> &str {
        let lines: Vec<&str> = self.stderr.lines().collect();
        match lines.as_slice() {
            [line] if line.starts_with("error: ") => &line["error: ".len()..],
            _ => panic!("not one line of error: {:?}", self.stderr),
        }
    }

    /// The same answer, of a command that must have done its work and said nothing.
    pub(crate) fn quiet(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self
    }
}

/// A folder with `scan.nii.gz`, whose values are 0, 10, 20, ... less 1000 and look like HU, and
/// `mask.nii.gz`, whose voxel [1, 2, 1] is 7.
pub(crate) struct Case(TempDir);

impl Case {
    pub(crate) fn new() -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        let values: Vec<i16> = (0..60).map(|i| i * 60 - 1000).collect();
        case.image("scan.nii.gz", values);
        let mut labels = vec![0_u8; 60];
        labels[1 + 5 * (2 + 4)] = 7;
        case.image("mask.nii.gz", labels);
        case
    }

    pub(crate) fn image<T: voxprep_core::voxels::Voxel>(&self, name: &str, values: Vec<T>)
    where
        voxprep_core::buf::Buf<T>: From<Vec<T>>,
    {
        self.image_of(SIZE, name, values);
    }

    pub(crate) fn image_of<T: voxprep_core::voxels::Voxel>(
        &self,
        size: [usize; 3],
        name: &str,
        values: Vec<T>,
    ) where
        voxprep_core::buf::Buf<T>: From<Vec<T>>,
    {
        let linear = [[0.5, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 2.0]];
        let grid = Geometry::new(size, Affine::from_parts(linear, [-10.0, 20.0, 30.0])).unwrap();
        let volume = Volume::new(grid, Voxels::new(1, size, values.into()).unwrap()).unwrap();
        voxprep_io::write(&self.path(name), &volume, &WriteOptions::default()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes `name` as a pipeline of these steps.
    pub(crate) fn pipeline(&self, name: &str, steps: &[&str]) {
        let steps: Vec<String> = steps
            .iter()
            .map(|step| format!("[[step]]\nuse = {step}\n"))
            .collect();
        self.write(name, &format!("version = 1\n{}", steps.concat()));
    }

    pub(crate) fn read(&self, name: &str) -> Volume {
        voxprep_io::read(&self.path(name), &ReadOptions::default()).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = cargo_bin_cmd!("voxprep");
        command.current_dir(self.0.path()).env_remove("RUST_LOG");
        command
    }

    /// Runs voxprep in the folder, with arguments that have no spaces.
    pub(crate) fn voxprep(&self, arguments: &str) -> Answer {
        let output = self
            .command()
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The names of the files in a folder, sorted.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        list(&self.path(folder))
    }
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
