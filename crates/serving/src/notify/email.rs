//! E-mail by SMTP.

use std::time::Duration;

use cupola_monitor::alert::AlertNotification;
use cupola_spec::MailEncryption;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::channel::DeliveryError;
use super::payload;

/// Longest time for an answer of the mail server.
const MAIL_TIMEOUT: Duration = Duration::from_secs(10);

/// Mail server with sender and receivers.
pub(super) struct MailChannel {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl MailChannel {
    /// Channel to `HOST` or `HOST:PORT`. It connects with the first message.
    ///
    /// # Errors
    /// The reason, for an invalid address or port.
    pub fn open(
        server: &str,
        encryption: MailEncryption,
        account: Option<(String, String)>,
        from: &str,
        to: &[String],
    ) -> Result<Self, String> {
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().map_err(|_| format!("`{server}` must be HOST or HOST:PORT"))?;
                (host, Some(port))
            }
            None => (server, None),
        };
        let parameters = || TlsParameters::new(host.to_owned()).map_err(|error| error.to_string());
        let (tls, usual) = match encryption {
            MailEncryption::Starttls => (Tls::Required(parameters()?), 587),
            MailEncryption::Tls => (Tls::Wrapper(parameters()?), 465),
            MailEncryption::None => (Tls::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port.unwrap_or(usual))
            .tls(tls)
            .timeout(Some(MAIL_TIMEOUT));
        if let Some((name, password)) = account {
            builder = builder.credentials(Credentials::new(name, password));
        }
        let mailbox = |address: &str| {
            address.parse::<Mailbox>().map_err(|_| format!("`{address}` is not an address of e-mail"))
        };
        let to = to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        Ok(Self { transport: builder.build(), from: mailbox(from)?, to })
    }

    /// Sends a notification to all receivers.
    pub async fn send(&self, notification: &AlertNotification) -> Result<(), DeliveryError> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .message_id(Some(format!("<{}@cupola>", notification.id)))
            .subject(payload::title(notification))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message.body(payload::text(notification));
        let message = message.map_err(|error| DeliveryError::Refused(error.to_string()))?;
        let sent = self.transport.send(message).await;
        sent.map(|_| ()).map_err(|error| match error.is_permanent() {
            true => DeliveryError::Refused(error.to_string()),
            false => DeliveryError::Retry(error.to_string()),
        })
    }
}
