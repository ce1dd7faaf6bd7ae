//! Hostile sources, remotes, datasets and pushed rows.
