"""Keys and passwords of one city, each in a file that only its owner may read."""

import os
import secrets
from pathlib import Path


def load_or_make(folder: Path, name: str, size: int = 32) -> str:
    """The secret `name` as hexadecimal text of `size` random bytes; made at first use, never replaced.

    Two processes that ask at once get the same: the file appears whole, by a link that only one can make.
    """
    path = folder / name
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(size))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
