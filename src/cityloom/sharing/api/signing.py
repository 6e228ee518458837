"""What is answered is signed, so that whoever has it can show later what was said."""

import base64

from cityloom.kernel.audit.keys import Signer
from cityloom.sharing.contracts import Answer, Signature


def signed(signer: Signer, statement: bytes) -> Answer:
    """The statement as the answer that goes out, with the city's signature over its bytes."""
    made = signer.sign(statement)
    value = base64.b64encode(made.value).decode()
    return Answer(statement.decode(), Signature(made.algorithm, made.key_id, value))
