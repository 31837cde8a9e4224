//! Tells Cargo that a new file under `src/transforms` is a new module (`automod` finds it).
fn main() {
    println!("cargo::rerun-if-changed=src/transforms");
}
