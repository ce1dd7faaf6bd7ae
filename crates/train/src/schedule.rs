//! The learning rate as a pure function of the step.

use cupola_spec::{Schedule, ScheduleKind};

/// Learning rate of `step` (from 0) of `total`: linear warm-up from 0 that reaches `peak` at step
/// `warmup_steps`, then constant or half a cosine down to `final_ratio * peak` at the last step
/// (Loshchilov and Hutter 2017, SGDR, one cycle).
#[allow(clippy::cast_precision_loss)]
pub fn learning_rate(schedule: &Schedule, peak: f64, step: u64, total: u64) -> f64 {
    let warmup = schedule.warmup_steps as u64;
    if step < warmup {
        return peak * (step + 1) as f64 / (warmup + 1) as f64;
    }
    match schedule.kind {
        ScheduleKind::Constant => peak,
        ScheduleKind::Cosine => {
            let span = total.saturating_sub(warmup + 1).max(1) as f64;
            let done = ((step - warmup) as f64 / span).min(1.0);
            let low = peak * schedule.final_ratio;
            low + (peak - low) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_with_warm_up_goes_up_then_down_to_its_floor() {
        let schedule = Schedule { kind: ScheduleKind::Cosine, warmup_steps: 4, final_ratio: 0.1 };
        let rate = |step| learning_rate(&schedule, 1.0, step, 105);
        assert!((rate(0) - 0.2).abs() < 1e-12);
        assert!((rate(4) - 1.0).abs() < 1e-12);
        assert!((rate(54) - 0.55).abs() < 1e-12, "halfway is the middle: {}", rate(54));
        assert!((rate(104) - 0.1).abs() < 1e-12);
        assert!((rate(500) - 0.1).abs() < 1e-12);
        assert!((1..105).all(|s| if s <= 4 { rate(s) > rate(s - 1) } else { rate(s) < rate(s - 1) }));
    }

    #[test]
    fn one_step_is_no_division_by_zero() {
        let schedule = Schedule { kind: ScheduleKind::Cosine, warmup_steps: 0, final_ratio: 0.0 };
        assert!((learning_rate(&schedule, 1.0, 0, 1) - 1.0).abs() < 1e-12);
    }
}
