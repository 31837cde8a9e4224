//! Embeds the presets: every `pipelines/*.toml` of the workspace, by its file name.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new("../pipelines");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(fs::canonicalize(path)?);
        }
    }
    files.sort();
    let mut code = "&[\n".to_owned();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let path = path.to_string_lossy();
        // Writing to a String does not fail.
        let _ = writeln!(
            code,
            "    Preset {{ name: {name:?}, text: include_str!({path:?}) }},"
        );
    }
    code.push_str("]\n");
    fs::write(
        Path::new(&env::var("OUT_DIR").unwrap_or_default()).join("presets.rs"),
        code,
    )
}
