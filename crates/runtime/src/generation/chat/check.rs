//! Check of a chat template before it is published.

use cupola_prep::{FittedTarget, Plan};

use super::ChatRenderer;
use crate::error::Error;

/// Compiles the chat template of a plan, if it has one.
///
/// # Errors
/// [`Error::Chat`] for an invalid template.
pub fn check_chat_template(plan: &Plan) -> Result<(), Error> {
    match plan.targets.first() {
        FittedTarget::NextToken { chat: Some(chat), .. } => ChatRenderer::new(chat).map(drop),
        _ => Ok(()),
    }
}
