//! Small requests that would cost much.
