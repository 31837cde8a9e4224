//! All attributes of all slices, as a table (IO-03).
