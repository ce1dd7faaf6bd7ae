//! End-to-end tests through the built binary. This file is the table of contents.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what went wrong by failing"
)]

mod support;

/// Path from a raw file to a served prediction.
mod walk;

/// Rankings, from a config to a served score.
mod rank;

/// Runs that are killed at any moment and resumed.
mod resume;

/// Studies: trials, workers that are killed, the best model published.
mod tune;

/// A home in an object store, shared by several machines.
mod home;

/// Retraining: reasons, gates, promotion, the way back, and a kill at every transition.
mod watch;

/// Retraining beside a running server: metrics, the canary, alerts by webhook.
mod watch_live;

/// One spelling, one meaning, from every file and every body.
mod values;

/// HTTP contract: responses, errors, limits, metrics, shutdown.
mod server;

/// HTTP at its edges, and errors for programs.
mod protocol;

/// Several versions at once, moving aliases, other protocols, feedback, the request log.
mod serving;

/// Several servers of one home: shared limits, canaries, leaving.
mod replicas;

/// Alerts of a server, and files for the programs that watch it.
mod alerts;

/// Live monitoring: requests, drift, windows, the page.
mod monitoring;

/// Access control and trust: keys, tokens, signatures.
mod access;

/// Model families: texts, series, several inputs, trees.
mod families;

/// Metrics, splits by time, series and batch norm: what would make a model look better than it is.
mod learning;

/// Reports, intervals, subgroups and comparisons of models.
mod evaluate;

/// Conditions that a model has to meet: passed, broken, undefined, and what aliases do then.
mod gate;

/// Drift of data from that of the training: reports, checks, mistakes.
mod monitor;

/// Jobs on a cluster: scripts, manifests, runs that are found again.
mod submit;

/// Cross-validation: folds, scores, unseen rows, kills.
mod cv;

/// Several models as one package.
mod ensemble;

/// Portfolios of families within a time.
mod preset;

/// Requests as people write them: examples, forecasts, pictures, anomalies.
mod requests;

/// Explanations of predictions: shares of columns, tokens and pixels.
mod explain;
/// Calibration, thresholds, intervals and sets, from the config to the served answer.
mod uncertainty;

/// Imported models: encoders, classifiers and decoders.
mod imports;

/// `OpenAI`'s protocol: nulls, limits, token ids, scored prompts, tools.
mod openai;

/// Several targets, devices and kinds of inputs; streams, precision, training from a package.
mod engine;

/// Datasets, contracts, repairs, prepared examples, lineage.
mod data;

/// Hostile requests, files and processes.
mod fort;

/// Files as other programs write them.
mod spelling;

/// Configs that are drafted from the data.
mod draft;

/// Repositories for a model of one's own, whose steps run.
mod project;

/// Eight tasks from raw files to a served answer, without a config.
mod first_hour;

/// Folders as people have them, and addresses that hold secrets.
mod origins;

/// Invalid input: one clear message, no partial files.
mod bad_input;

/// Predictions of files: pieces, order, wrong rows.
mod predict;

/// Runs, packages and aliases on disk.
mod record;

/// The summary of a training, and the history of runs.
mod history;

/// Shipped configs, model files and the config schema.
mod configs;

/// Help pages, JSON results, the OpenAPI document and messages, as they were last reviewed.
mod snapshots;

/// The task pages, run as they are printed, and the commands of all pages.
mod docs;

/// Imports, layout, language and links of the project itself.
mod tidy;

/// Training and serving on Vulkan, with a driver that runs on the CPU.
mod vulkan;
