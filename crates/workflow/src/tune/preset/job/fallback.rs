//! The member that is trained where none fits into the time, so that a preset has a model.

use cupola_spec::Model;

use super::{MemberSizing, PresetMemberState, PresetWork, UnfitMember};
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::tune::preset::pilot::limit_seconds;
use crate::tune::preset::units::{MemberUnit, cut};

/// Share of the whole time that the member may take if less is left.
const LEAST: f64 = 0.1;

impl PresetWork<'_> {
    /// Trains the cheapest of the members that did not fit, unless one is trained. The next one follows a member that fails.
    pub(super) fn fall_back(&mut self, count: usize) -> Result<(), Error> {
        while !self.configs.iter().any(Option::is_some) && !self.stop.is_requested() {
            let Some(next) = cheapest(self.unfit.iter().map(|(_, unfit)| unfit)) else { break };
            let (place, UnfitMember { mut config, times }) = self.unfit.remove(next);
            let left = self.budget.limit(1).max(LEAST * self.budget.seconds);
            let unit = match &config.model {
                Model::Inline(family) => MemberUnit::of(family),
                Model::File(_) | Model::Package(_) => MemberUnit::Epoch,
            };
            let fitting = match (times, unit) {
                (Some(times), _) => times.fitting(left).max(1),
                (None, MemberUnit::Epoch) => 1,
                (None, unit) => unit.fewest(),
            };
            let size = cut(&mut config, fitting).unwrap_or_else(|| "in its whole size".to_owned());
            if unit == MemberUnit::Epoch {
                limit_seconds(&mut config, left);
            }
            let mut row = self.members[place].clone();
            let note = format!("no member fits into the time, and this is the cheapest: {size}");
            let warning = format!("{note} (`{}`); raise --time for a better model", row.member);
            self.session.emit(&WorkflowEvent::Warning(&warning));
            (row.state, row.note) = (PresetMemberState::Running, None);
            self.emit(&row, (place + 1, count));
            let trained = self.run_member(config, &mut row, (place, left), MemberSizing::Forced)?;
            if trained.is_some() {
                row.note = Some(row.note.map_or_else(|| note.clone(), |own| format!("{note}; {own}")));
            }
            self.emit(&row, (place + 1, count));
            (self.members[place], self.configs[place]) = (row, trained);
            if self.unfit.last().is_some_and(|(again, _)| *again == place) {
                // It was stopped, and would be again.
                self.unfit.pop();
            }
        }
        Ok(())
    }
}

/// Place of the member whose fewest units take the fewest seconds; one without an estimate comes last.
fn cheapest<'a>(members: impl Iterator<Item = &'a UnfitMember>) -> Option<usize> {
    let seconds = |unfit: &UnfitMember| unfit.times.map_or(f64::INFINITY, |times| times.least());
    let each = members.map(seconds).enumerate();
    each.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::preset::units::UnitTimes;

    #[test]
    fn the_cheapest_member_is_that_with_the_shortest_least_training() {
        let text = "name = 'm'\n[data]\nsource = 'a.csv'\n[[targets]]\nname = 'y'\nkind = 'number'\n\
                    [model]\nfamily = 'gbdt'\n";
        let config = cupola_spec::parse("m", text, &[], &|_| Err(String::new())).unwrap().sealed;
        let unfit = |times: Option<(MemberUnit, f64, f64)>| UnfitMember {
            config: config.clone(),
            times: times.map(|(unit, beginning, each)| UnitTimes { unit, beginning, each, wanted: 200 }),
        };
        let members = [
            unfit(None),
            unfit(Some((MemberUnit::Tree, 1.0, 2.0))),
            unfit(Some((MemberUnit::Round, 6.0, 0.002))),
            unfit(Some((MemberUnit::Epoch, 0.0, 2.38))),
        ];
        assert_eq!(cheapest(members.iter()), Some(2));
        assert_eq!(cheapest(members[..1].iter()), Some(0));
        assert_eq!(cheapest([].iter()), None);
    }
}
