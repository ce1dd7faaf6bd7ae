//! A look at data and champion: reasons to train, and rules against it.

pub(super) mod alerts;
pub(super) mod clock;
pub(super) mod guard;
pub(super) mod inbox;
pub(super) mod observe;
pub(super) mod scratch;
