"""The card of a learned face model: from whom, how, how well, and what it cannot do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from viseme_data.face_model.learn import Learned
from viseme_data.face_model.measure import Measures
from viseme_data.face_model.people import Person

_ROWS = (
    ("clips measured", "clips", "{:d}"),
    ("portraits measured", "portraits", "{:d}"),
    ("error on clips, median (share of the distance of the outer eye corners)", "clip_error", "%"),
    ("error on portraits, median", "portrait_error", "%"),
    ("largest error of a clip or portrait", "worst_error", "%"),
    ("opening of the lips, fitted with given: correlation", "lip_correlation", "{:.4f}"),
    ("opening of the eyes: correlation", "lid_correlation", "{:.4f}"),
    ("faces of a clip's two halves, distance over that of two people", "identity_drift", "{:.2f}"),
    ("identity coefficients, rms in deviations", "identity_rms", "{:.2f}"),
    ("expression coefficients, rms in deviations", "expression_rms", "{:.2f}"),
    ("largest expression coefficient of a clip, median", "expression_peak", "{:.1f}"),
)


@dataclass(frozen=True)
class Report:
    """What a build found; as a string, a few lines to print."""

    name: str
    """Name of the model, with its hash."""
    learned: Learned
    people: int
    frames: int
    identity_share: float
    """Part of the variance of all identity directions that the kept ones hold."""
    expression_share: float
    prior: Measures | None
    """Of the model without people, on the people held out; None if nobody was."""
    model: Measures | None

    def __str__(self) -> str:
        lines = [
            f"{self.name}: learned from {self.people} people, {self.frames} frames; "
            f"{self.learned.num_moving} of them move",
            f"variance kept: identity {self.identity_share:.1%}, "
            f"expression {self.expression_share:.1%}; the prior's part of people's covariance: "
            "{:.0%} symmetric, {:.0%} asymmetric".format(*self.learned.prior_share),
            f"misfit of the people it was learned from: {self.learned.misfit:.2%}",
        ]
        return "\n".join([*lines, "", *table(self)])


def table(report: Report) -> list[str]:
    """Return the lines of a Markdown table of both models' measures."""
    if report.prior is None or report.model is None:
        return ["nobody was held out to measure on"]
    lines = ["| on people held out | without people | learned |", "|---|---|---|"]
    for title, name, form in _ROWS:
        values = [
            f"{value:.2%}" if form == "%" else form.format(value)
            for value in (getattr(report.prior, name), getattr(report.model, name))
        ]
        lines.append(f"| {title} | {values[0]} | {values[1]} |")
    return lines


def card(report: Report, people: Sequence[Person], command: str) -> str:
    """Return the card as Markdown."""
    return "\n".join(
        [
            f"# Face model `{report.name}`",
            "",
            "A linear model of faces on MediaPipe's mesh of 478 points: a mean, 80 directions in",
            "which people differ and 64 in which a face moves. Every direction is scaled to one",
            "standard deviation; directions are orthogonal and stand by size. Decimetres, y up,",
            "z towards the viewer. Licence: Apache-2.0.",
            "",
            "## Made from",
            "",
            "- the canonical face mesh of MediaPipe (Apache-2.0), smooth deformations of it and",
            "  hand-made gestures: the prior, and what covers expressions that nobody showed;",
            f"- landmarks that MediaPipe's FaceMesh found of {report.people} people, "
            f"{report.frames} frames.",
            "  The file keeps means and covariances over all of them, drawn to the prior, and no",
            "  picture, clip or face.",
            "",
            *_origins(people, "learn"),
            "",
            "Licences are those of the repositories that publish the files; they do not speak for",
            "the people shown.",
            "",
            "## Made by",
            "",
            f"    {command}",
            "",
            *(f"- {line}" for line in str(report).partition("\n\n")[0].splitlines()),
            "",
            "## Measured",
            "",
            "Everything was fitted as preparation fits it, on people whom it was not learned from:",
            "",
            *_origins(people, "measure"),
            "",
            *table(report),
            "",
            "## Limits",
            "",
            "- Depth is a tracker's guess, drawn to the prior.",
            "- Deviations are about a closed mouth and open eyes: half of all random draws would",
            "  close what is closed already. Draw from recorded motion instead.",
            "- Few people: rare faces, children and strong asymmetry are fitted less well.",
            "- Who the people are by age, sex or origin is not known and was not balanced.",
            "",
        ]
    )


def _origins(people: Sequence[Person], use: str) -> list[str]:
    files: Counter[tuple[str, str]] = Counter()
    faces: Counter[tuple[str, str]] = Counter()
    for person in people:
        if person.use == use:
            files += person.origins
            faces.update(person.origins.keys())
    lines = ["| source | licence | files | people |", "|---|---|---|---|"]
    for origin in sorted(files):
        lines.append(f"| {origin[0]} | {origin[1]} | {files[origin]} | {faces[origin]} |")
    return lines
