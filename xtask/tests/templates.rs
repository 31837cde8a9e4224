//! The templates of `cargo x new` compile, and their tests pass.

#[path = "../templates/filter.rs"]
pub mod filter;
#[path = "../templates/joint.rs"]
pub mod joint;
#[path = "../templates/pointwise.rs"]
pub mod pointwise;
#[path = "../templates/spatial.rs"]
pub mod spatial;
