//! Keys, tokens, signatures and the audit log under attack.
