//! One file per format; `automod` finds them.

automod::dir!("src/formats");
