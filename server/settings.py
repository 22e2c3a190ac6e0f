"""Every setting, read from the environment: COUNTERSIGN_PORT is `port`. `python3 -m server settings` lists them all."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from server.mail.addresses import sender, smtp_server

PREFIX = "COUNTERSIGN_"
ROOT = Path(__file__).resolve().parent.parent
# What running Countersign leaves behind on this machine: the demo's database, a local PostgreSQL. Ignored by git.
LOCAL_FOLDER = ROOT / ".countersign"
SECRET = {
    "database_url",
    "signing_passphrase",
    "stripe_secret_key",
    "stripe_webhook_secret",
    "payflow_password",
    "smtp_url",
}
WITH_PASSWORD = {"database_url", "smtp_url"}
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}

LogLevel = Literal["debug", "info", "warning", "error"]
Documents = Literal["any", "trusted"]


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names the variable, the value and what is accepted."""


def database_url(value: str) -> str:
    """The URL with the driver that Countersign uses: `postgresql://…` becomes `postgresql+asyncpg://…`."""
    accepted = "sqlite:///path/to/file.db or postgresql://user:password@host:port/name"
    try:
        url = make_url(value)
        url = url.set(drivername=DRIVERS[url.get_backend_name()])
    except (ArgumentError, KeyError, ValueError) as problem:
        raise ValueError(f"a database URL like {accepted}") from problem
    if not url.database or url.database == ":memory:":
        raise ValueError(f"a database URL that names a database, like {accepted}")
    return url.render_as_string(hide_password=False)


def smtp_url(value: str) -> str:
    smtp_server(value)
    return value


def mail_from(value: str) -> str:
    sender(value)
    return value


def existing_file(value: Path) -> Path:
    if not value.is_file():
        raise ValueError("the path of an existing file")
    return value


DatabaseUrl = Annotated[str, AfterValidator(database_url)]
SmtpUrl = Annotated[str, AfterValidator(smtp_url)]
MailFrom = Annotated[str, AfterValidator(mail_from)]
ExistingFile = Annotated[Path, AfterValidator(existing_file)]


def names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def switches(value: object) -> object:
    """`stripe=false,payflow=true` by name."""
    if not isinstance(value, str):
        return value
    parts = [part.partition("=") for part in value.split(",") if part.strip()]
    wrong = [name for name, _, switch in parts if switch.strip().lower() not in SWITCHES]
    if wrong:
        raise ValueError(f"names of gateways with true or false, as stripe=false, unlike {wrong[0].strip()!r}")
    return {name.strip(): SWITCHES[switch.strip().lower()] for name, _, switch in parts}


SWITCHES = {"true": True, "false": False}
# Read as text, not as JSON.
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(names)]
Switches = Annotated[dict[str, bool], NoDecode, BeforeValidator(switches)]


class Settings(BaseSettings):
    """What an installation can choose. Each description is shown by the `settings` command."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    database_url: DatabaseUrl = Field(
        default=f"sqlite+aiosqlite:///{LOCAL_FOLDER / 'countersign.db'}",
        description="Where the data is: sqlite:///path/to/file.db or postgresql://user:password@host:port/name.",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on; 0.0.0.0 listens on every network.")
    port: int = Field(default=8000, ge=1, le=65535, description="The port to listen on, 1 to 65535.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="The address that people use, as https://host, where it differs from host and port.",
    )
    secure_cookies: bool = Field(
        default=False, description="Send cookies over https only: true wherever people use https."
    )
    log_level: LogLevel = Field(default="info", description="The least that is logged: debug, info, warning or error.")
    max_body_bytes: int = Field(
        default=262_144, ge=1_024, description="The largest request that is read, in bytes, from 1024."
    )
    statement_timeout_seconds: float = Field(
        default=10.0, gt=0, le=3_600, description="The longest a database statement may take, in seconds, up to 3600."
    )
    operation_timeout_seconds: float = Field(
        default=30.0, gt=0, le=3_600, description="The longest a GraphQL operation may take, in seconds, up to 3600."
    )
    request_timeout_seconds: float = Field(
        default=30.0, gt=0, le=3_600, description="The longest a request may take to arrive, in seconds, up to 3600."
    )
    max_query_tokens: int = Field(
        default=1_000, ge=100, description="The longest GraphQL document that is read, in tokens, from 100."
    )
    max_query_characters: int = Field(
        default=32_768, ge=1_024, description="The longest GraphQL document that is read, in characters, from 1024."
    )
    max_query_definitions: int = Field(
        default=40, ge=1, description="How many operations and fragments a GraphQL document may have, from 1."
    )
    max_query_depth: int = Field(
        default=20, ge=5, description="How many levels of fields an operation may have, fragments included, from 5."
    )
    max_query_fields: int = Field(
        default=500, ge=10, description="How many fields an operation may have, fragments wherever spread, from 10."
    )
    max_query_aliases: int = Field(default=50, ge=0, description="How many of those fields may have an alias.")
    max_query_directives: int = Field(default=50, ge=0, description="How many directives an operation may have.")
    max_root_fields: int = Field(default=40, ge=1, description="How many fields an operation may start with, from 1.")
    max_list_items: int = Field(
        default=250, ge=100, description="How many items a list in arguments or variables may have, from 100."
    )
    max_value_depth: int = Field(
        default=20, ge=5, description="How deep lists and objects in arguments or variables may be nested, from 5."
    )
    max_query_cost: int = Field(
        default=200_000, ge=1_000, description="What an operation may cost, in points: about one for an object."
    )
    cost_available: int = Field(
        default=2_000_000, ge=1_000, description="How many points somebody may spend at once, at least max_query_cost."
    )
    cost_restored_per_second: int = Field(
        default=100_000, ge=1, description="How many of those points come back each second, per server process."
    )
    documents: Documents = Field(
        default="any",
        description="What portals may ask: any document, or trusted ones alone. Staff and partners may always ask any.",
    )
    trusted_documents: Path | None = Field(
        default=None,
        description="A folder of .graphql files, or a JSON file {SHA-256: document}, to trust beside our own; none if "
        "unset. `documents` lists them all.",
    )
    connections_per_request: int = Field(
        default=4, ge=1, le=32, description="How many database connections one request may read with at once, 1 to 32."
    )
    compiled: bool = Field(
        default=True,
        description="Answer queries by compiled plans; false leaves all to graphql-core: the same, slower.",
    )
    worker: bool = Field(
        default=True,
        description="Do what is due (the month, the nightly check) inside the server; false leaves it to `work`.",
    )
    signing_keys: Path = Field(
        default=LOCAL_FOLDER / "keys",
        description="The folder of the keys that sign evidence; `keys new` makes one. Keep a copy in a safe place.",
    )
    signing_passphrase: SecretStr | None = Field(
        default=None,
        description="The passphrase by which the private keys in that folder are encrypted; none if unset.",
    )
    code_keys: Path = Field(
        default=LOCAL_FOLDER / "code-keys",
        description="The folder of the keys of voucher codes; `keys codes` makes one. Keep a copy in a safe place.",
    )
    stripe_secret_key: SecretStr | None = Field(
        default=None, description="The secret key of the Stripe account that charges cards; no cards if unset."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="The secret by which Stripe signs what it tells; nothing is believed if unset."
    )
    stripe_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="The address of a local Stripe server, as http://host:port, for tests; Stripe itself if unset.",
    )
    smtp_url: SmtpUrl | None = Field(
        default=None,
        description="The mail server: smtp://user:password@host:587 (STARTTLS) or smtps://…; messages wait if unset.",
    )
    mail_from: MailFrom | None = Field(
        default=None,
        description="Whom mail comes from, as Board <vouchers@example.org>; bounces go to vouchers+…@example.org.",
    )
    payflow_vendor: str | None = Field(
        default=None, description="The merchant's login at a Payflow Pro gateway with hosted pages; none if unset."
    )
    payflow_password: SecretStr | None = Field(default=None, description="The password of that login.")
    payflow_partner: str = Field(default="PayPal", description="Who sold the Payflow account.")
    payflow_user: str | None = Field(
        default=None, description="The user of the Payflow account, where it is not the merchant's login."
    )
    payflow_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+$",
        description="The address of a local Payflow server, for tests; Payflow itself if unset.",
    )
    gateways: Names = Field(
        default=(),
        description="Further gateways, separated by commas: moolah, usaepay, alabama-interactive (known by name, not "
        "connected), and manual (the program records by hand that it was paid).",
    )
    voucher_enabled: Switches = Field(
        default={},
        description="Whether a gateway takes vouchers, as stripe=false,payflow=true. It can only switch off.",
    )
    roster: ExistingFile | None = Field(
        default=None, description="The path of a real roster file, for the tests and benchmarks that import one."
    )
    browser: ExistingFile | None = Field(
        default=None, description="The path of a Chromium for the browser tests, where it is not on the PATH."
    )

    @classmethod
    def read(cls) -> Self:
        """The settings of this process's environment, or a SettingsError that says what to change."""
        try:
            return cls()
        except ValidationError as problem:
            sentences = [_sentence(cls, error) for error in problem.errors()]
            raise SettingsError("\n".join(sentences)) from problem


def variable(name: str) -> str:
    """The environment variable of a setting: `port` is COUNTERSIGN_PORT."""
    return PREFIX + name.upper()


def shown(name: str, value: object) -> str:
    """A value as it may be shown to a person: passwords are masked, and nothing is an empty text."""
    if name in WITH_PASSWORD and value:
        return make_url(str(value)).render_as_string(hide_password=True)
    return "" if value is None else str(value)


def _sentence(settings: type[Settings], error: ErrorDetails) -> str:
    """One refusal in a person's words; our own validators say what is accepted, else the description does."""
    name = str(error["loc"][0])
    reason = error.get("ctx", {}).get("error")
    accepted = f"it must be {reason}" if reason else settings.model_fields[name].description
    given = "a value" if name in SECRET else repr(error["input"])
    return f"{variable(name)} has {given} that cannot be used: {accepted}"
