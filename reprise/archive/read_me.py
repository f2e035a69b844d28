"""The page of an archive that people read first: what it holds, and how to check it without us."""

from reprise.archive import bag
from reprise.archive.contents import CODE, Contents
from reprise.signatures import EXPORT

READ_ME = "data/README.txt"


def read_me(contents: Contents, *, is_signed: bool) -> str:
    """Return the page.

    Parameters
    ----------
    contents : Contents
    is_signed : bool
        Whether the manifest has a signature.
    """
    parts = ["Runs of machine learning, as they were recorded by MLflow and Reprise.\n"]
    parts.append(f"It holds {len(contents.runs)} runs: data/runs/<run id>/run.json has parameters,")
    parts.append("tags and the history of every metric; artifacts/ has their files, among which")
    parts.append("provenance.json says what a run depended on and what it gave.\n")
    parts.append("Check that no file was changed or lost:\n")
    parts.append(f"  sha256sum --check --quiet {bag.SEAL} {bag.MANIFEST}\n")
    if is_signed:
        parts.append("Check who signed it, with a file that lists whom you trust (ssh-keygen(1),")
        parts.append("ALLOWED SIGNERS) and the name that the signer has there:\n")
        parts.append("  ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME \\")
        parts.append(f"    -n {EXPORT} -s {bag.SIGNATURE} < {bag.SEAL}\n")
    else:
        parts.append("Nobody signed it: the check shows damage, not who wrote it.\n")
    if contents.commits:
        parts.append("The code of the runs, with its history, a branch runs/<commit> for each:\n")
        parts.append(f"  git clone {CODE} code\n")
    parts.append("To have the runs on a tracking server or in a folder of your own, and to run")
    parts.append("them again, with Reprise, in the clone:\n")
    parts.append("  reprise import <this archive>.zip")
    parts.append("  reprise reproduce <run id>\n")
    return "\n".join(parts)
