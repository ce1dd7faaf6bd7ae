//! Attacks on the server, the registry and the data, one file per surface.

/// Keys, tokens, signatures and the audit log under attack.
mod access;

/// Small requests that would cost much.
mod budget;

/// Hostile sources, remotes, datasets and pushed rows.
mod data;

/// Hostile models, schemas and prompts.
mod models;

/// Killed processes and damaged homes.
mod store;

/// Connections, gRPC, the administrative listener and browsers.
mod wire;
