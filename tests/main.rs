//! End to end, through the built binary. This file is the table of contents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what went wrong by failing"
)]

mod support;

/// A raw file becomes a served prediction.
mod walk;

/// Killed at any moment, a run ends as if nothing had happened.
mod resume;

/// The HTTP contract: answers, refusals, limits, metrics, drain.
mod server;

/// Several versions at once, aliases that move, other protocols, feedback, the log.
mod serving;

/// Who may ask, and which packages are taken: keys, tokens, signatures.
mod access;

/// Texts, series, several inputs, trees.
mod families;

/// Models of others: encoders, classifiers and decoders out of their files.
mod imports;

/// Several targets, devices and kinds of inputs; streams, precision, training from a package.
mod engine;

/// Datasets, contracts, repairs, prepared examples, lineage.
mod data;

/// Every mistake gets one clear message, and nothing half-written.
mod bad_input;

/// Runs, packages and aliases on disk.
mod record;

/// Shipped configs and architectures hold what they promise.
mod configs;

/// Help pages, JSON results, the OpenAPI document and messages, as they were last reviewed.
mod snapshots;

/// Imports, layout, language and links of the project itself.
mod tidy;

/// The GPU's path, on a driver that runs on the CPU.
mod vulkan;
