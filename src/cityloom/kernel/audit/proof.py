"""Makes and verifies the small documents that prove one entry, or that one head continues another."""

from collections.abc import Mapping, Sequence

import msgspec

from cityloom.kernel.audit import files, keys, merkle
from cityloom.kernel.audit.entry import ConsistencyProof, InclusionProof, Report, SignedHead, leaf, prefix
from cityloom.kernel.audit.judge import Keys, signature_fault
from cityloom.kernel.audit.walk import Findings
from cityloom.kernel.errors import Invalid


class _Kind(msgspec.Struct):
    type: str


def inclusion(archive: files.Archive, head: SignedHead, position: int, body: str) -> InclusionProof:
    """Proof that the entry with this body stands at `position` of the log that `head` signs."""
    path = merkle.inclusion_proof(archive.leaves.node, position, head.size, head.hash)
    return InclusionProof(position=position, entry=body, proof=_hex(path), head=head, keys=_pems(archive, (head,)))


def consistency(archive: files.Archive, first: SignedHead, second: SignedHead) -> ConsistencyProof:
    """Proof that the log which `first` signs begins the one which `second` signs."""
    path = merkle.consistency_proof(archive.leaves.node, first.size, second.size, second.hash)
    return ConsistencyProof(first=first, second=second, proof=_hex(path), keys=_pems(archive, (first, second)))


def verify(data: bytes, name: str, trusted: Sequence[keys.PublicKey] = (), kept: Sequence[SignedHead] = ()) -> Report:
    """Verify one document; `trusted` and `kept` as in `verify.verify`. Raises Invalid `audit.export_unreadable`."""
    try:
        kind = msgspec.json.decode(data, type=_Kind).type
        if kind == "cityloom.audit.inclusion/1":
            return _inclusion(msgspec.json.decode(data, type=InclusionProof), trusted, kept)
        if kind == "cityloom.audit.consistency/1":
            return _consistency(msgspec.json.decode(data, type=ConsistencyProof), trusted, kept)
    except (msgspec.DecodeError, ValueError) as error:
        raise Invalid("audit.export_unreadable", path=name, reason=str(error)) from error
    raise Invalid("audit.export_unreadable", path=name, reason=kind)


def _inclusion(document: InclusionProof, trusted: Sequence[keys.PublicKey], kept: Sequence[SignedHead]) -> Report:
    findings = Findings()
    head, at = document.head, document.position
    shown = document.entry.encode().startswith(prefix(at)) and merkle.verify_inclusion(
        leaf(document.entry, head.hash), at, head.size, _bytes(document.proof), bytes.fromhex(head.root), head.hash
    )
    if not shown:
        findings.add("audit.entry_not_proved", at, at)
    return _report(findings, (head,), document.keys, trusted, kept, 1)


def _consistency(document: ConsistencyProof, trusted: Sequence[keys.PublicKey], kept: Sequence[SignedHead]) -> Report:
    findings = Findings()
    first, second = document.first, document.second
    roots = bytes.fromhex(first.root), bytes.fromhex(second.root)
    shown = first.log == second.log and merkle.verify_consistency(
        first.size, second.size, _bytes(document.proof), *roots, second.hash
    )
    if not shown:
        findings.add("audit.growth_not_proved", 0, first.size - 1)
    return _report(findings, (first, second), document.keys, trusted, kept, 0)


def _report(
    findings: Findings,
    heads: Sequence[SignedHead],
    inside: Mapping[str, str],
    trusted: Sequence[keys.PublicKey],
    kept: Sequence[SignedHead],
    entries: int,
) -> Report:
    last = heads[-1]
    known: Keys = {key.id: key for key in trusted or [keys.read_public(pem) for pem in inside.values()]}
    for head in heads:
        fault = signature_fault(head, last.log, last.hash, known)
        if fault:
            findings.add(fault, head.size - 1, head.size - 1, head.key)
        for own in kept:
            if own.size == head.size and (own.root, own.log) != (head.root, head.log):
                findings.add("audit.history_rewritten", 0, own.size - 1)
    return Report(
        log=last.log,
        entries=entries,
        signed=last.size,
        unsigned=0,
        heads=len(heads),
        root=last.root,
        keys=tuple(sorted({head.key for head in heads})),
        pinned=bool(trusted),
        findings=findings.all(),
    )


def _pems(archive: files.Archive, heads: Sequence[SignedHead]) -> dict[str, str]:
    known = archive.public_keys()
    return {head.key: known[head.key].pem() for head in heads if head.key in known}


def _hex(path: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(node.hex() for node in path)


def _bytes(path: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(node) for node in path]
