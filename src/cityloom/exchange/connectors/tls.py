"""Whose certificates a pull trusts."""

import ssl

from cityloom.kernel.errors import Invalid


def context(ca: str | None) -> ssl.SSLContext:
    """A client's context that trusts the public authorities, or only the one whose certificate is in the file `ca`.

    Raises Invalid `exchange.pull_ca_wrong`.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise Invalid("exchange.pull_ca_wrong", file=ca or "") from error
