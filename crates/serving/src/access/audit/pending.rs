//! Administrative calls that are still running.

use super::{AuditLog, AuditedCall};

/// Status of a call whose client went away before the response, as nginx logs it.
const CLIENT_GONE: u16 = 499;

/// Administrative call that is recorded when it ends: with its status, or as abandoned if it is dropped before.
#[derive(Debug)]
pub struct PendingCall<'a> {
    log: Option<&'a AuditLog>,
    call: AuditedCall<'a>,
}

impl<'a> PendingCall<'a> {
    /// Call that begins now. The status is that of the end.
    pub fn new(log: Option<&'a AuditLog>, call: AuditedCall<'a>) -> Self {
        Self { log, call: AuditedCall { status: CLIENT_GONE, ..call } }
    }

    /// Records the call with the status of its response.
    pub fn finish(mut self, status: u16) {
        self.call.status = status;
    }
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        if let Some(log) = self.log {
            log.record(&self.call);
        }
    }
}
