//! Makes Cargo notice a new file in `src/formats`, where `automod` looks.
fn main() {
    println!("cargo:rerun-if-changed=src/formats");
}
