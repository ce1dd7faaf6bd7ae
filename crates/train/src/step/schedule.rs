//! Learning rate as a function of the step.

mod run_rate;

use cupola_spec::{Schedule, ScheduleKind};

pub(crate) use self::run_rate::RunRate;

/// Start of a one-cycle schedule as a share of the peak, and its rise as a share of the steps: the defaults
/// of `torch.optim.lr_scheduler.OneCycleLR`.
const ONE_CYCLE_START: f64 = 1.0 / 25.0;
const ONE_CYCLE_RISE: f64 = 0.3;

/// Length of a run in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Number of steps of one epoch.
    pub steps_per_epoch: u64,
    /// Number of steps of all epochs.
    pub total: u64,
}

impl Clock {
    /// Part of all steps that is done before `step`, counted from 0.
    #[allow(clippy::cast_precision_loss)]
    pub fn done(self, step: u64) -> f64 {
        (step as f64 / self.total.max(1) as f64).min(1.0)
    }
}

/// Learning rate of `step`, counted from 0: linear warm-up from 0 that reaches `peak` at step `warmup_steps`,
/// then the schedule's shape, which ends with the last step. `reductions` is the number of reductions by the
/// plateau schedule.
#[allow(clippy::cast_precision_loss)]
pub fn learning_rate(schedule: &Schedule, peak: f64, step: u64, clock: Clock, reductions: u64) -> f64 {
    let warmup = schedule.warmup_steps as u64;
    let low = peak * schedule.final_ratio;
    if schedule.kind == ScheduleKind::OneCycle {
        return one_cycle(peak, low, step, clock.total);
    }
    if step < warmup && schedule.kind != ScheduleKind::Coslog4 {
        return peak * (step + 1) as f64 / (warmup + 1) as f64;
    }
    let span = clock.total.saturating_sub(warmup + 1).max(1) as f64;
    let done = (step.saturating_sub(warmup) as f64 / span).min(1.0);
    let times = |n: u64| peak * schedule.factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
    match schedule.kind {
        ScheduleKind::Constant | ScheduleKind::OneCycle => peak,
        // Loshchilov and Hutter 2017, one cycle.
        ScheduleKind::Cosine => half_cosine(peak, low, done),
        ScheduleKind::Linear => peak + (low - peak) * done,
        ScheduleKind::Step => times(step / clock.steps_per_epoch.max(1) / schedule.step_epochs.max(1) as u64),
        ScheduleKind::Plateau => times(reductions),
        ScheduleKind::Coslog4 => peak * coslog(4, clock.done(step)),
    }
}

/// Cosine waves between 0 and 1, each twice as long as the one before (Holzmüller et al. 2024, C.1).
fn coslog(waves: i32, done: f64) -> f64 {
    let phase = (1.0 + (2.0_f64.powi(waves) - 1.0) * done).log2();
    0.5 * (1.0 - (std::f64::consts::TAU * phase).cos())
}

/// One-cycle schedule (Smith and Topin 2018).
#[allow(clippy::cast_precision_loss)]
fn one_cycle(peak: f64, low: f64, step: u64, total: u64) -> f64 {
    let top = (ONE_CYCLE_RISE * total as f64 - 1.0).max(0.0);
    let last = total.saturating_sub(1).max(1) as f64;
    let at = (step as f64).min(last);
    if at <= top && top > 0.0 {
        half_cosine(peak * ONE_CYCLE_START, peak, at / top)
    } else {
        half_cosine(peak, low, (at - top) / (last - top).max(1.0))
    }
}

/// Half a cosine from `a` at 0 to `b` at 1.
fn half_cosine(a: f64, b: f64, done: f64) -> f64 {
    b + (a - b) * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind) -> Schedule {
        Schedule { kind, warmup_steps: 0, final_ratio: 0.1, factor: 0.5, step_epochs: 2, patience: 3 }
    }

    fn clock(total: u64) -> Clock {
        Clock { steps_per_epoch: 10, total }
    }

    #[test]
    fn a_cosine_with_warm_up_goes_up_then_down_to_its_floor() {
        let schedule = Schedule { warmup_steps: 4, ..schedule(ScheduleKind::Cosine) };
        let rate = |step| learning_rate(&schedule, 1.0, step, clock(105), 0);
        assert!((rate(0) - 0.2).abs() < 1e-12);
        assert!((rate(4) - 1.0).abs() < 1e-12);
        assert!((rate(54) - 0.55).abs() < 1e-12, "halfway is the middle: {}", rate(54));
        assert!((rate(104) - 0.1).abs() < 1e-12);
        assert!((rate(500) - 0.1).abs() < 1e-12);
        assert!((1..105).all(|s| if s <= 4 { rate(s) > rate(s - 1) } else { rate(s) < rate(s - 1) }));
    }

    #[test]
    fn coslog4_is_pytabkits() {
        // get_schedule('coslog4') of pytabkit 1.7.3.
        let expected = [
            (0, 0.0),
            (1, 0.323_689_0),
            (2, 0.718_354_7),
            (5, 0.493_489_3),
            (10, 0.073_618_9),
            (15, 0.875_657_7),
        ];
        for (step, share) in expected {
            let found = learning_rate(&schedule(ScheduleKind::Coslog4), 2.0, step, clock(20), 0);
            assert!((found - 2.0 * share).abs() < 1e-6, "step {step}: {found}, pytabkit {share}");
        }
    }

    #[test]
    fn one_step_is_no_division_by_zero() {
        for kind in [ScheduleKind::Cosine, ScheduleKind::Linear, ScheduleKind::OneCycle, ScheduleKind::Step] {
            let rate = learning_rate(&schedule(kind), 1.0, 0, clock(1), 0);
            assert!((rate - 1.0).abs() < 1e-12, "{kind:?} {rate}");
        }
    }

    #[test]
    fn one_cycle_is_torchs() {
        // OneCycleLR(max_lr=1, total_steps=20, final_div_factor=0.4): from 0.04 over 1 to 0.1.
        let expected =
            [(0, 0.04), (2, 0.371_671_8), (5, 1.0), (10, 0.745_247_7), (15, 0.269_429_6), (19, 0.1)];
        for (step, rate) in expected {
            let found = learning_rate(&schedule(ScheduleKind::OneCycle), 1.0, step, clock(20), 0);
            assert!((found - rate).abs() < 1e-6, "step {step}: {found}, torch {rate}");
        }
    }

    #[test]
    fn steps_lines_and_plateaus() {
        let at = |kind, step, reductions| learning_rate(&schedule(kind), 1.0, step, clock(41), reductions);
        let steps = [0, 19, 20, 40].map(|step| at(ScheduleKind::Step, step, 0));
        assert!(
            steps.iter().zip([1.0, 1.0, 0.5, 0.25]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12),
            "{steps:?}"
        );
        assert!((at(ScheduleKind::Linear, 20, 0) - 0.55).abs() < 1e-12);
        let plateaus = [0, 1, 2].map(|n| at(ScheduleKind::Plateau, 7, n));
        assert!(plateaus.iter().zip([1.0, 0.5, 0.25]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12));
    }
}
