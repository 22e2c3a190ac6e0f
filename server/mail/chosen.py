"""The mail server that the settings name, and who writes the letters."""

from __future__ import annotations

from resolvers.outbox.sending import Desk
from server.addresses import public_address
from server.mail.addresses import sender, smtp_server
from server.mail.wording import Wording
from server.settings import Settings, SettingsError, variable


def chosen_desk(settings: Settings) -> Desk | None:
    """None where there is no mail server: then messages wait."""
    if settings.smtp_url is None:
        return None
    if settings.mail_from is None:
        raise SettingsError(f"{variable('smtp_url')} is set: {variable('mail_from')} must say whom mail comes from")
    # It takes a while to load, and few commands send anything.
    from server.mail.smtp import SmtpMailer  # noqa: PLC0415

    mailer = SmtpMailer(smtp_server(settings.smtp_url), sender(settings.mail_from))
    return Desk(Wording(public_address(settings)), mailer)
