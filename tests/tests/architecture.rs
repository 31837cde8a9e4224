//! The house is built as DESIGN says: who imports whom, and one name everywhere.

#![allow(clippy::unwrap_used, reason = "a failure is the answer of the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};
use voxprep_tests::{registry, root};

/// Every transform there is, on purpose a second list: a crate that nothing links registers
/// nothing, and no other test would notice.
const NAMES: [&str; 33] = [
    "augment.affine",
    "augment.crop",
    "augment.elastic",
    "augment.flip",
    "augment.gamma",
    "augment.noise",
    "augment.rotate",
    "augment.shift",
    "augment.zoom",
    "ct.clip",
    "ct.window",
    "filter.clahe",
    "filter.gaussian",
    "intensity.clip",
    "intensity.percentile_clip",
    "intensity.rescale",
    "intensity.zscore",
    "label.remap",
    "mri.white_stripe",
    "spatial.affine",
    "spatial.crop",
    "spatial.crop_or_pad",
    "spatial.flip",
    "spatial.like",
    "spatial.pad",
    "spatial.reorient",
    "spatial.resize",
    "spatial.spacing",
    "spatial.straighten",
    "subject.drop",
    "subject.keep",
    "subject.rename",
    "xray.clahe",
];

/// DESIGN 2: the folder of each crate, its package, and the packages of ours it may name. What
/// takes nothing but core and kernels never imports its neighbours.
const CRATES: [(&str, &str, May); 16] = [
    ("kernels", "voxprep-kernels", May::Name(&[])),
    ("core", "voxprep-core", May::Name(&["voxprep-kernels"])),
    ("io", "voxprep-io", CORE),
    ("transforms", "voxprep-transforms", CORE),
    ("transforms-ct", "voxprep-transforms-ct", CORE),
    ("transforms-mri", "voxprep-transforms-mri", CORE),
    ("transforms-xray", "voxprep-transforms-xray", CORE),
    ("augment", "voxprep-augment", CORE),
    ("view", "voxprep-view", CORE),
    ("phantom", "voxprep-phantom", CORE),
    ("plugins/abi", "voxprep-plugin-abi", May::Name(&[])),
    (
        "plugins/sdk",
        "voxprep-plugin-sdk",
        May::Name(&["voxprep-plugin-abi", "voxprep-core"]),
    ),
    (
        "plugins/host",
        "voxprep-plugin-host",
        May::Name(&["voxprep-kernels", "voxprep-core", "voxprep-plugin-abi"]),
    ),
    ("cli", "voxprep", May::NameAll),
    ("tests", "voxprep-tests", May::NameAll),
    ("xtask", "xtask", May::Name(&[])),
];

/// Which packages of ours a package may name.
#[derive(Clone, Copy)]
enum May {
    Name(&'static [&'static str]),
    NameAll,
}

const CORE: May = May::Name(&["voxprep-kernels", "voxprep-core"]);

fn metadata() -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures);
    command
}

/// The platform that this runs on: crates of others need not have been downloaded.
fn host() -> String {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(rustc.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The prefix of a transform's name and the folder of its files, from the one place that says so.
fn folders() -> BTreeMap<String, PathBuf> {
    let source = text("xtask/src/places.rs");
    let (_, after) = source.split_once("const TRANSFORMS").unwrap();
    let (list, _) = after.split_once("];").unwrap();
    let quoted: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    quoted
        .chunks_exact(2)
        .map(|pair| (pair[0].to_owned(), PathBuf::from(pair[1])))
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    rust_files(&root(), &mut found);
    assert!(found.len() > 50, "{} files", found.len());
    found
}

fn camel_case(noun: &str) -> String {
    noun.split('_')
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect()
}

/// DESIGN 2: kernels know nothing of ours, core knows kernels, the rest know core but not one
/// another, and only the command line names them all.
#[test]
fn crates_import_what_they_may_and_nothing_else() {
    let metadata = metadata().no_deps().exec().unwrap();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let known = CRATES.iter().find(|(_, package, _)| *package == name);
        let Some(&(folder, _, may)) = known else {
            // a plugin knows the kit it is written with, under whatever name
            assert_eq!(
                name, "voxprep-plugin-example",
                "say in this test what '{name}' may import"
            );
            continue;
        };
        let manifest = root()
            .join(folder)
            .join("Cargo.toml")
            .canonicalize()
            .unwrap();
        assert_eq!(package.manifest_path.as_std_path(), manifest);
        let May::Name(allowed) = may else { continue };
        for dependency in &package.dependencies {
            let theirs = dependency.path.is_none();
            // a phantom is made for tests
            let for_tests = dependency.kind == DependencyKind::Development
                && (dependency.name == "voxprep-phantom" || name == "xtask");
            let fine = theirs || for_tests || allowed.contains(&dependency.name.as_str());
            assert!(fine, "{name} imports {}", dependency.name);
        }
    }
}

/// DESIGN 1: a developer who needs one modality gets no file format, no other modality, no
/// command line, no plugin.
#[test]
fn a_modality_draws_in_nothing_of_dicom_of_another_or_of_the_command_line() {
    let options = [
        "--offline".to_owned(),
        "--filter-platform".to_owned(),
        host(),
    ];
    let metadata = metadata().other_options(options).exec().unwrap();
    for modality in ["ct", "mri", "xray"] {
        let package = format!("voxprep-transforms-{modality}");
        let names = drawn_in(&metadata, &package);
        assert!(
            names.contains(&"voxprep-kernels") && names.contains(&"serde"),
            "{names:?}"
        );
        const NEVER: [&str; 13] = [
            "dicom",
            "nifti",
            "clap",
            "image",
            "png",
            "tiff",
            "flate2",
            "libdeflater",
            "abi_stable",
            "libloading",
            "voxprep-plugin",
            "voxprep-view",
            "voxprep-phantom",
        ];
        for name in names {
            let hit = NEVER
                .iter()
                .find(|never| name == **never || name.starts_with(&format!("{never}-")));
            assert_eq!(hit, None, "{package}: {name}");
            let ours = ["voxprep-kernels", "voxprep-core", &package].contains(&name);
            assert!(
                ours || !name.starts_with("voxprep"),
                "{package} draws in {name}"
            );
        }
    }
}

/// A package and all that it is built from.
fn drawn_in<'a>(metadata: &'a Metadata, package: &str) -> Vec<&'a str> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let start = metadata.packages.iter().find(|p| *p.name == package);
    let start = &start.unwrap().id;
    let (mut open, mut seen) = (vec![start], BTreeSet::from([start]));
    while let Some(id) = open.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id).unwrap();
        for dependency in &node.deps {
            let used = dependency
                .dep_kinds
                .iter()
                .any(|k| k.kind != DependencyKind::Development);
            if used && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.iter().map(|id| metadata[*id].name.as_str()).collect()
}

/// DESIGN 9: views of one crate fit the functions of all others.
#[test]
fn there_is_one_ndarray() {
    let lock = text("Cargo.lock");
    assert_eq!(
        lock.lines()
            .filter(|line| *line == "name = \"ndarray\"")
            .count(),
        1
    );
}

/// DESIGN 2: each transform crate is linked, and nothing else is registered.
#[test]
fn the_registry_holds_exactly_these_transforms() {
    let names: Vec<String> = registry().iter().map(|entry| entry.name.clone()).collect();
    assert_eq!(names, NAMES);
}

/// DESIGN 2: `ct.window` = `transforms-ct/src/transforms/window.rs` = `struct Window`.
#[test]
fn one_name_is_used_everywhere() {
    let folders = folders();
    for entry in registry().iter() {
        let name = &entry.name;
        let (prefix, noun) = name.split_once('.').unwrap();
        let file = folders[prefix].join(noun).with_extension("rs");
        let source = text(&file);
        let (file, type_name) = (file.display(), camel_case(noun));
        assert!(
            source.starts_with(&format!("//! `{name}`: ")),
            "{file}: the header names {name}"
        );
        assert!(
            source.contains(&format!("\npub struct {type_name} ")),
            "{file}: struct {type_name}"
        );
        let call: String = source
            .lines()
            .skip_while(|l| !l.starts_with("register!("))
            .collect();
        assert!(
            call.starts_with(&format!("register!({type_name}: ")),
            "{file}: {call}"
        );
        assert!(call.contains(&format!(" \"{name}\", ")), "{file}: {call}");
    }
}

/// DESIGN 2: adding a transform is adding one file.
#[test]
fn every_file_of_a_transform_folder_registers_one_transform() {
    let mut files = 0;
    for (prefix, folder) in folders() {
        let folder = root().join(folder);
        if !folder.is_dir() {
            continue;
        }
        let mut found = Vec::new();
        rust_files(&folder, &mut found);
        for file in found {
            files += 1;
            let calls = text(&file)
                .lines()
                .filter(|l| l.starts_with("register!("))
                .count();
            assert_eq!(calls, 1, "{}", file.display());
            assert_eq!(file.parent(), Some(folder.as_path()), "{}", file.display());
            let noun = file.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(
                registry().get(&format!("{prefix}.{noun}")).is_ok(),
                "{}",
                file.display()
            );
        }
    }
    assert_eq!(files, NAMES.len());
}

/// DESIGN 2: a page for each transform, and none for one that is gone.
#[test]
fn every_transform_has_its_generated_page() {
    let folder = root().join("docs/transforms");
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{e}; run `cargo x docs`"));
    let mut pages: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md" && name != "pictures")
        .collect();
    pages.sort();
    assert_eq!(pages, NAMES.map(|name| format!("{name}.md")));
    // VIS-03: and its picture.
    let pictures = fs::read_dir(folder.join("pictures")).unwrap();
    let mut pictures: Vec<String> = pictures
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pictures.sort();
    assert_eq!(pictures, NAMES.map(|name| format!("{name}.png")));
    for entry in registry().iter() {
        let page = text(format!("docs/transforms/{}.md", entry.name));
        assert!(
            page.contains(&entry.summary()),
            "{}; run `cargo x docs`",
            entry.name
        );
    }
}

#[test]
fn there_is_no_crate_that_the_design_does_not_name() {
    let mut folders = Vec::new();
    for parent in [root(), root().join("plugins")] {
        let Ok(entries) = fs::read_dir(&parent) else {
            continue;
        };
        folders.extend(entries.map(|entry| entry.unwrap().path()));
    }
    for folder in folders
        .iter()
        .filter(|folder| folder.join("Cargo.toml").is_file())
    {
        let place = folder
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let known = CRATES.iter().any(|(folder, ..)| *folder == place);
        assert!(
            known || ["plugins/example", "fuzz"].contains(&place.as_str()),
            "{place}"
        );
    }
}

/// CODE_STYLE: a module's header says what is here.
#[test]
fn every_file_begins_with_its_header() {
    for file in all_rust_files() {
        let source = text(&file);
        let first = source
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        assert!(
            first.starts_with("//! ") && first.len() > 12,
            "{}: '{first}'",
            file.display()
        );
    }
}

/// CODE_STYLE: what is there is finished, and every test runs.
#[test]
fn nothing_is_left_to_do_and_no_test_is_skipped() {
    let marks =
        ["to~do!(", "unimple~mented!(", "db~g!(", "#[ign~ore"].map(|mark| mark.replace('~', ""));
    for file in all_rust_files() {
        let source = text(&file);
        // a test that another one runs, in a process of its own, is not skipped
        let run_by = |line: &str| {
            let runner = line
                .split_once(" = \"run by ")
                .map(|(_, rest)| rest.trim_end_matches("\"]"));
            runner.is_some_and(|runner| source.contains(&format!("fn {runner}()")))
        };
        for (number, line) in source.lines().enumerate() {
            let found = marks
                .iter()
                .find(|mark| line.contains(mark.as_str()) && !run_by(line));
            assert_eq!(found, None, "{}, line {}", file.display(), number + 1);
        }
    }
}
