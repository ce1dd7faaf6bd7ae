//! Burn rates of an error budget over several windows.
//!
//! Source: Beyer et al., "The Site Reliability Workbook", O'Reilly 2018, chapter 5, table 5-8: an alert needs a long
//! window, which makes it significant, and a short one of a twelfth, which ends it soon after the cause has ended.

/// Pair of windows with the burn rate from which an alert fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnWindow {
    /// Name of the long window.
    pub name: &'static str,
    /// Name of the short window.
    pub short_name: &'static str,
    /// Long window in seconds.
    pub long: f64,
    /// Short window in seconds.
    pub short: f64,
    /// Burn rate: 1 uses up the budget of 30 days in 30 days.
    pub rate: f64,
    /// Severity: `page` wakes somebody, `ticket` does not.
    pub severity: &'static str,
}

/// Windows for an objective over 30 days: 2 % of the budget within an hour, 5 % within six hours, 10 % within three days.
pub const BURN_WINDOWS: [BurnWindow; 3] = [
    BurnWindow { name: "1h", short_name: "5m", long: 3_600.0, short: 300.0, rate: 14.4, severity: "page" },
    BurnWindow { name: "6h", short_name: "30m", long: 21_600.0, short: 1_800.0, rate: 6.0, severity: "page" },
    BurnWindow {
        name: "3d",
        short_name: "6h",
        long: 259_200.0,
        short: 21_600.0,
        rate: 1.0,
        severity: "ticket",
    },
];

/// Burn rate of `bad` of `total` requests for an objective; `None` without requests.
pub(super) fn burn_rate(bad: f64, total: f64, objective: f64) -> Option<f64> {
    (total > 0.0).then(|| bad / total / (1.0 - objective))
}
