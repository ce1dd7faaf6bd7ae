//! Lines of a crontab.

use super::Exported;

/// One line that runs a whole pass. `%` is a line break in a crontab and is escaped.
pub(super) fn line(exported: &Exported<'_>) -> String {
    let command = exported.command(None).replace('%', r"\%");
    let name = exported.name;
    format!(
        "# Watch of {name}: one pass at a time, the journal in the home folder continues the last one.\n{} {command}\n",
        exported.schedule
    )
}
