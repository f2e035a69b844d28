"""Who made which version the champion, when and why: an append-only list in tags of the model.

Each entry has the digest of the one before, and a signature where there is a key: an entry that was
altered, removed or put in between is noticed. Who can write these tags can remove the newest
entries, and all of them; only the verifier's own notes protect against that.
"""

import getpass
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from reprise import git, signatures, tracking
from reprise.backports import UTC
from reprise.errors import CodeError, PromotionError
from reprise.record.digest import canonical_json, sha256_text
from reprise.signatures import Signature, Signers
from reprise.trust.documents import parse_json
from reprise.verification.statements import Signing

_TAG = "reprise.promotion."  # then the number of the entry
_SIGNATURE = "reprise.promotion_signature."
_NUMBER = re.compile(r"[0-9]{4,6}")
_MOST = 10_000  # entries


class Entry(BaseModel):
    """One change of the champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    action: Literal["promoted", "rolled back"]
    model: str
    version: int  # the champion from then on
    before: int | None  # the champion until then
    who: str
    when: AwareDatetime
    why: str
    replays: tuple[str, ...] = ()  # that the promotion stands on
    files_sha256: str = ""  # of the list of the model's files, with their digests
    previous: str = ""  # digest of the entry before

    def to_json(self) -> str:
        """Return the entry as the text whose bytes are signed."""
        return canonical_json(self.model_dump(mode="json"))


@dataclass(frozen=True)
class Read:
    """An entry of the list, and what is known of it.

    Attributes
    ----------
    entry : Entry
    signature : Signature
    fault : str
        What is wrong with it; "": it follows upon the one before.
    """

    entry: Entry
    signature: Signature
    fault: str = ""


def read(name: str, signers: Signers) -> list[Read]:
    """Return the list of a registered model, the oldest entry first.

    Raises
    ------
    TrackingError, PromotionError
        If there is no such model, or a tag of its list is no entry.
    """
    tags = tracking.model_tags(name)
    numbers = sorted(int(t[len(_TAG) :]) for t in tags if _is_of_list(t))
    found: list[Read] = []
    text = ""
    for position, number in enumerate(numbers[:_MOST], 1):
        previous, text = text, tags[f"{_TAG}{number:04d}"]
        entry = _entry(name, number, text)
        fault = ""
        if number != position or entry.previous != (sha256_text(previous) if previous else ""):
            fault = "does not follow upon the one before: the list was altered"
        if (entry.number, entry.model) != (number, name):
            fault = f"is entry {entry.number} of {entry.model}, and was copied here"
        signature = tags.get(f"{_SIGNATURE}{number:04d}")
        content = None if signature is None else signature.encode("utf-8", "replace")
        signed = signatures.verify(text.encode(), content, signatures.PROMOTION, signers=signers)
        found.append(Read(entry, signed, fault))
    return found


def refuse_altered(entries: Sequence[Read], *, signed: bool) -> None:
    """Refuse a list that somebody has altered, or that nobody trusted has signed.

    Parameters
    ----------
    entries : sequence of Read
    signed : bool
        Whether each entry needs the signature of an allowed signer.

    Raises
    ------
    PromotionError
    """
    for each in entries:
        if each.fault:
            raise PromotionError(
                f"expected the list of promotions of {each.entry.model} as it was written, found "
                f"that entry {each.entry.number} {each.fault}. Name a version to promote."
            )
        if signed and not each.signature.is_trusted:
            raise PromotionError(
                f"expected signed entries in the list of promotions of {each.entry.model}, found "
                f"that entry {each.entry.number} is {each.signature}. Name a version to promote."
            )


def append(entries: Sequence[Read], entry: Entry, signing: Signing) -> Entry:
    """Add an entry to the list of a registered model; return it with its number.

    Raises
    ------
    PromotionError
        If somebody else has added one meanwhile.
    """
    last = entries[-1].entry if entries else None
    number = (last.number if last else 0) + 1
    previous = sha256_text(last.to_json()) if last else ""
    entry = entry.model_copy(update={"number": number, "previous": previous})
    name, tag = entry.model, f"{number:04d}"
    if f"{_TAG}{tag}" in tracking.model_tags(name):
        raise PromotionError(
            f"expected {number - 1} promotions of {name}, found that somebody has added one "
            "meanwhile. Run again."
        )
    text = entry.to_json()
    if signing.key:  # first, so that there is no entry without its signature
        signature = signatures.sign(text.encode(), signing.key, signatures.PROMOTION)
        tracking.set_model_tag(name, f"{_SIGNATURE}{tag}", signature.decode("ascii"))
    tracking.set_model_tag(name, f"{_TAG}{tag}", text)
    return entry


def person(folder: Path) -> str:
    """Return who acts here: as git names the author of a commit, else the name of the login."""
    try:
        return git.git(folder, "var", "GIT_AUTHOR_IDENT").rpartition(">")[0] + ">"
    except CodeError:
        pass
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container, by its number alone
        return "unknown"


def now() -> datetime:
    """Return the time of an entry."""
    return datetime.now(UTC).replace(microsecond=0)


def digest_of_files(files: Mapping[str, str]) -> str:
    """Return the digest of the list of a model's files."""
    return sha256_text(canonical_json(dict(files)))


def _is_of_list(tag: str) -> bool:
    number = tag[len(_TAG) :]
    is_number = tag.startswith(_TAG) and _NUMBER.fullmatch(number) is not None
    return is_number and f"{int(number):04d}" == number


def _entry(name: str, number: int, text: str) -> Entry:
    try:
        return Entry.model_validate(parse_json(text))
    except ValidationError as error:
        found = str(error.errors()[0]["msg"])
    except (ValueError, RecursionError) as error:
        found = str(error)
    raise PromotionError(
        f"expected an entry in the tag {_TAG}{number:04d} of the registered model {name}, found "
        f"another text ({found}). It was altered; remove the tag."
    )
