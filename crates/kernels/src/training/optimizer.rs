//! Optimiser steps and the norm that clips them.

pub mod adamw;
pub mod gradient_norm;
