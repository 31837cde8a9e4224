//! Seeded scans with known truth.
