"""`viseme-eval weights`: every network a measure may use, and what of it is here."""

from dataclasses import dataclass

from viseme_eval.networks.registry import ENVIRONMENT, WeightRow, weights_table
from viseme_eval.run.tables import markdown_table
from viseme_eval.syncnet.config import NAME as OWN_SYNC
from viseme_eval.syncnet.network import SHIPPED, load_sync_network


@dataclass(frozen=True, kw_only=True)
class WeightsConfig:
    """Where to look, and how closely."""

    folder: str = ""
    """Folder with weight files; by default the folders that $VISEME_WEIGHTS names."""
    check: bool = True
    """Load the files that are here, which takes some seconds each."""


def weights(config: WeightsConfig) -> str:
    """List every network: file, where it is published, size, what it enables, present, loads."""
    rows = weights_table(path=config.folder or None, check=config.check)
    lines = [*(_line(row) for row in rows), _own_line()]
    heads = ["network", "file", "published at", "terms (ask there)", "MB", "enables"]
    heads += ["present", "loads"]
    here = sum(line[-2] != "no" for line in lines)
    problems = [f"{row.weights.name}: {row.message}" for row in rows if row.present and row.message]
    return "\n".join(
        [
            markdown_table(heads, lines),
            "",
            f"{here} of {len(lines)} are here. Put files into a folder and name it by "
            f"${ENVIRONMENT} (several folders as in PATH), or give --folder.",
            "Terms are what was known of each source when this was written, and grant nothing: ask "
            "the source.",
            *problems,
        ]
    )


def _line(row: WeightRow) -> list[str]:
    weights = row.weights
    loads = {None: "not tried" if row.present else "-", True: "yes", False: "no"}[row.loads]
    return [
        weights.name + (" (stand-in)" if weights.is_standin else ""),
        weights.files[0],
        weights.source,
        weights.terms,
        str(weights.size_mb),
        weights.enables,
        f"yes, {row.fingerprint}" if row.present else "no",
        loads,
    ]


def _own_line() -> list[str]:
    is_here = SHIPPED.is_file()
    return [
        OWN_SYNC,
        SHIPPED.name,
        "ships with viseme-eval, or `make train-syncnet`",
        "assets/LMSYNC.md",
        str(round(SHIPPED.stat().st_size / 1e6)) if is_here else "-",
        "landmark sync, in no paper",
        f"yes, {load_sync_network().fingerprint}" if is_here else "no",
        "yes" if is_here else "-",
    ]
