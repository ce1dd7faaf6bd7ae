//! Decisions of people about a challenger that passed.

use cupola_registry::Home;

use super::cycle::{WatchCycle, WatchStep};
use super::error::WatchError;
use super::journal::WatchJournal;
use super::record::WatchState;

/// Decision about a challenger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchDecision {
    /// Promote it.
    Approve,
    /// Keep the champion; the reason.
    Decline(String),
}

/// Retraining of an id such as `flights-3`, or of a model's name alone, for the open one or else the last.
///
/// # Errors
/// An unknown id; a journal that is damaged.
pub fn find_cycle(home: &Home, id: &str) -> Result<(WatchJournal, String, WatchCycle), WatchError> {
    let names = WatchJournal::names(home);
    let known = |name: &str| names.iter().any(|one| one == name);
    let numbered = id.rsplit_once('-').and_then(|(name, number)| Some((name, number.parse::<u64>().ok()?)));
    let (name, number) = match numbered.filter(|(name, _)| known(name)) {
        Some((name, number)) => (name, Some(number)),
        None => (id, None),
    };
    let unknown = || WatchError::request(format!("unknown retraining `{id}`"), "see `cupola watch list`");
    if !known(name) {
        return Err(unknown());
    }
    let journal = WatchJournal::open(home, name)?;
    let mut cycles = journal.cycles();
    let at = match number {
        Some(number) => cycles.iter().position(|cycle| cycle.number == number),
        None => cycles.iter().rposition(WatchCycle::is_open).or(cycles.len().checked_sub(1)),
    };
    let cycle = at.map(|at| cycles.swap_remove(at)).ok_or_else(unknown)?;
    Ok((journal, name.to_owned(), cycle))
}

/// Writes a decision about a retraining that waits for one. The next pass of the watch carries it out.
///
/// # Errors
/// An unknown id; a retraining that waits for no decision.
pub fn decide(home: &Home, id: &str, decision: WatchDecision) -> Result<WatchCycle, WatchError> {
    let (mut journal, name, cycle) = find_cycle(home, id)?;
    if !matches!(cycle.next(), WatchStep::Wait) {
        return Err(WatchError::request(
            format!(
                "retraining {name}-{} is `{}` and waits for no decision",
                cycle.number,
                cycle.state().name()
            ),
            "see `cupola watch list`",
        ));
    }
    let by = user();
    let state = match decision {
        WatchDecision::Approve => WatchState::Approved { by },
        WatchDecision::Decline(why) => WatchState::Declined { by, why },
    };
    journal.append(Some(cycle.number), state)?;
    Ok(find_cycle(home, &format!("{name}-{}", cycle.number))?.2)
}

/// Name of the user in the environment, or else that of the process's user id; a container has neither.
fn user() -> String {
    let named = std::env::var("USER").ok().filter(|user| !user.is_empty());
    named.unwrap_or_else(|| {
        let id = rustix::process::getuid().as_raw();
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        account(&accounts, id).map_or_else(|| format!("uid {id}"), |name| format!("{name} (uid {id})"))
    })
}

/// Name of a user id in the lines of `/etc/passwd`.
fn account(lines: &str, id: u32) -> Option<&str> {
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found = fields.nth(1)?.parse::<u32>().ok()?;
        (found == id && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn an_account_has_the_name_of_its_line() {
        let lines =
            "# users\nroot:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\nbroken:x\n";
        assert_eq!(account(lines, 0), Some("root"));
        assert_eq!(account(lines, 1000), Some("ann"));
        assert_eq!(account(lines, 65534), None);
    }
}
