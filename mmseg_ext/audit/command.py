"""What tools/audit_labels.py does: audit, list, page, and corrected copies."""

from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from mmseg_ext.audit.audit_page import to_page
from mmseg_ext.audit.auditing import Audit, audit_config
from mmseg_ext.audit.candidate_list import ListedCandidate, format_csv, list_candidates
from mmseg_ext.audit.corrections import Corrected, Correction, read_answers, write_corrected
from mmseg_ext.audit.image_list import format_images
from mmseg_ext.audit.summary import AuditSummary, summarize
from mmseg_ext.files import replace_file
from mmseg_ext.scores.image_groups import Groups

PAGE, LIST, IMAGES, ANSWERS = "index.html", "labels.csv", "images.csv", "answers.json"


class AuditResult(NamedTuple):
    """A finished audit and what was written of it.

    Attributes:
        audit: The audit.
        candidates: All, the worst first.
        summary: Of all.
        page: The page that was written.
    """

    audit: Audit
    candidates: list[ListedCandidate]
    summary: AuditSummary
    page: Path


def run_audit(
    config: Config,
    out: str | Path,
    groups: Groups = "image",
    num_folds: int = 5,
    runs: str | Path | None = None,
    num_shown: int = 300,
) -> AuditResult:
    """Audit the labels of a config; write ``labels.csv``, ``images.csv`` and the page, ``index.html``.

    Args:
        config: See :func:`~mmseg_ext.audit.auditing.audit_config`.
        out: The folder to write.
        groups: Likewise.
        num_folds: Likewise.
        runs: Likewise.
        num_shown: Candidates that the page shows, the worst.

    Raises:
        UserError: Likewise.
    """
    audit = audit_config(config, out, groups, num_folds, runs)
    candidates = list_candidates(audit.records())
    summary = summarize(audit, candidates, groups)
    out = Path(out)
    replace_file(out / LIST, format_csv(candidates, audit.images.classes))
    replace_file(out / IMAGES, format_images(summary.losses, candidates))
    lines = [describe(audit, len(candidates)), f"The {min(num_shown, len(candidates))} worst places are shown."]
    replace_file(out / PAGE, to_page(audit, candidates[:num_shown], summary, lines))
    return AuditResult(audit, candidates, summary, out / PAGE)


def describe(audit: Audit, num_candidates: int) -> str:
    """Say in one line what was audited."""
    return (
        f"{len(audit.images)} images judged in {len(set(audit.folds_N.tolist()))} folds, {audit.num_made} of them now; "
        f"{num_candidates} places where labels and predictions disagree; expected calibration error on labels that the "
        f"models have not seen {100 * audit.calibration_error:.1f} %"
    )


def apply_answers(
    result: AuditResult, target: str | Path, how: Correction = "ignore", answers: str | Path | None = None
) -> Corrected:
    """Write copies of the labels, corrected where the answers say that they are wrong.

    Args:
        result: The audit.
        target: See :func:`~mmseg_ext.audit.corrections.write_corrected`.
        how: Likewise.
        answers: The file that the page has saved; by default ``answers.json`` beside the page.

    Raises:
        UserError: Likewise.
    """
    path = result.page.with_name(ANSWERS) if answers is None else answers
    return write_corrected(result.audit, read_answers(path, result.audit), target, how)
