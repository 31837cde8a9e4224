//! One file per format; `automod` finds them.

automod::dir!(pub(crate) "src/formats");
