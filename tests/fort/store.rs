//! Killed processes and damaged homes.
