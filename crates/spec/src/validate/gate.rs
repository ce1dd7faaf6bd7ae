//! Rules of `[gate]`.

use crate::config::Config;
use crate::validate::Findings;

/// Conditions that do not parse, or that name a metric that the targets do not have.
pub(super) fn check(config: &Config, found: &mut Findings) {
    // Without a target no metric is known, and the missing target is reported already.
    if config.targets.is_empty() {
        return;
    }
    for invalid in config.gate.parse(&config.targets).err().unwrap_or_default() {
        found.add(invalid.pointer(), invalid.message);
    }
}
