"""What protects a session that a browser holds: cookies, the token against forged requests, origins."""

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

import msgspec

from cityloom.identity.contracts import Credentials
from cityloom.kernel.errors import Refused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-csrf-token"


class CookieNames(msgspec.Struct, frozen=True):
    """`__Host-` binds a cookie to this very host and to TLS (RFC 6265bis 4.1.3.2)."""

    session: str
    csrf: str
    device: str


def cookie_names(secure: bool) -> CookieNames:
    """The names in use; without TLS the prefix would make browsers drop the cookies."""
    prefix = "__Host-" if secure else ""
    return CookieNames(f"{prefix}cityloom_session", f"{prefix}cityloom_csrf", f"{prefix}cityloom_device")


def csrf_token(session: str) -> str:
    """Worked out from the session's secret: only who holds the session can say it, and it does not give the session."""
    mac = hmac.new(session.encode(), b"cityloom csrf", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def check_origin(shown: Credentials, public_url: str) -> None:
    """That a browser sent this from our own pages, as far as it tells. Raises Refused `identity.origin_refused`."""
    if shown.method in SAFE_METHODS:
        return
    if shown.fetch_site and shown.fetch_site not in ("same-origin", "none"):
        raise Refused("identity.origin_refused")
    own = {shown.host.lower(), urlsplit(public_url).netloc.lower()} - {""}
    if shown.origin and urlsplit(shown.origin).netloc.lower() not in own:
        raise Refused("identity.origin_refused")


def check_csrf(shown: Credentials) -> None:
    """That whoever sends the session's cookie could also read its token. Raises Refused `identity.csrf_refused`."""
    if shown.method in SAFE_METHODS:
        return
    if not hmac.compare_digest(shown.csrf.encode(), csrf_token(shown.session).encode()):
        raise Refused("identity.csrf_refused")


def device_value(key: bytes, account: str, nonce: str) -> str:
    """The cookie of a browser that this account signed in from."""
    mac = hmac.new(key, f"{account}\x1f{nonce}".encode(), hashlib.sha256).hexdigest()
    return f"{nonce}.{mac}"


def known_device(key: bytes, account: str, value: str) -> str:
    """What names the browser if the cookie was made for this account; else empty."""
    nonce = value.partition(".")[0]
    return nonce if nonce and hmac.compare_digest(device_value(key, account, nonce).encode(), value.encode()) else ""
