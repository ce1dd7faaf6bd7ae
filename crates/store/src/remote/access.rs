//! Checks that a store can be used, made before anything that takes long.

use std::time::{Duration, Instant};

use super::{Fetched, ObjectClient, PutCondition, Remote};
use crate::error::Error;

/// Object of every store of a home.
pub(super) const MARKER: &str = "store.json";
const MARKER_TEXT: &[u8] = b"{\"format\":1}\n";
const MARKER_LIMIT: u64 = 4096;
/// Time for which a successful check holds.
const CHECK_AGE: Duration = Duration::from_mins(1);

impl Remote {
    /// Checks on the first use of an address that a store of objects answers there, and that it is no other kind of server.
    /// It gets the object `store.json`, unless its credentials allow reading only.
    ///
    /// # Errors
    /// [`Error::Remote`]: an empty cache cannot stand for a store.
    pub fn enrol(client: &dyn ObjectClient, url: &str) -> Result<(), Error> {
        let foreign = || Error::Remote {
            location: url.to_owned(),
            why: format!("the object `{MARKER}` is not one of a home; check --home and the endpoint"),
            transient: false,
        };
        let read = || match client.get(MARKER, MARKER_LIMIT, None) {
            Ok(Fetched::Object { bytes, .. }) if bytes == MARKER_TEXT => Ok(true),
            Ok(Fetched::Object { .. }) | Err(Error::Damaged { .. }) => Err(foreign()),
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        if read()? {
            return Ok(());
        }
        match client.put(MARKER, MARKER_TEXT, PutCondition::Absent) {
            Ok(true) => Ok(()),
            // Another writer was faster.
            Ok(false) if read()? => Ok(()),
            Ok(false) => Err(foreign()),
            // Readers may list and nothing else.
            Err(error) => client.list("models").map(drop).map_err(|_| error),
        }
    }

    /// Checks that the store answers, that its bucket exists, that the credentials may write, and that conditional writes
    /// hold. Takes one request, and none within a minute of a successful check.
    ///
    /// The write is that of `store.json`, which every home has, on the condition that it does not exist. A store that
    /// writes it all the same has replaced it by the same bytes.
    ///
    /// # Errors
    /// [`Error::Remote`] with the remedy.
    pub fn check_writable(&self) -> Result<(), Error> {
        if self.state().checked.is_some_and(|checked| checked.elapsed() < CHECK_AGE) {
            return Ok(());
        }
        self.client.check_place()?;
        let put = || self.client.put(MARKER, MARKER_TEXT, PutCondition::Absent);
        match put() {
            Ok(false) => {}
            // It was missing, or the condition does not count.
            Ok(true) => {
                if put()? {
                    let why = "it ignores the conditions of writes, so writers would overwrite each other; use a store with conditional writes (`If-None-Match`), or a home in a folder";
                    return Err(self.refused(why.to_owned()));
                }
            }
            Err(Error::Remote { why, transient: false, .. }) => {
                let readable = self.client.get(MARKER, MARKER_LIMIT, None).is_ok();
                let prefix = if readable { "it can be read but not written: " } else { "" };
                return Err(self.refused(format!("{prefix}{why}")));
            }
            Err(error) => return Err(error),
        }
        self.state().checked = Some(Instant::now());
        Ok(())
    }

    fn refused(&self, why: String) -> Error {
        Error::Remote { location: self.url.clone(), why, transient: false }
    }
}
