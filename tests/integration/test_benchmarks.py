"""Every benchmark starts and ends, at its smallest size: what nobody runs between two releases rots unseen."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.services import service

FOLDER = Path(__file__).parents[2] / "benchmarks"
# The smallest size of each; what is not named here takes --quick.
SIZES = {
    "audit.py": ["--databases", "sqlite", "--only", "verify", "--events", "20"],
    "crypto.py": ["--rotate", "sqlite"],
    "export.py": ["--rows", "300", "--databases", "sqlite"],
    "import_trades.py": ["--rows", "300", "--rounds", "1", "--kinds", "SQLite"],
    "journey.py": ["--signals", "2"],
    "limiters.py": ["1"],
    "pages.py": ["--rows", "600", "--walk", "300", "--databases", "sqlite"],
    "partitions.py": ["--rows", "2000"],
    "pipeline.py": ["1"],
    "repository.py": ["--rows", "300", "--rounds", "1", "--databases", "sqlite"],
    "soft_delete.py": ["--quick", "--database", "sqlite"],
}
ON_POSTGRES = {"partitions.py"}
# What these say is beside others; `nox -s bench` installs them.
PEERS = {"breaker_timing.py": "purgatory", "pipeline.py": "hyx", "resilience_probes.py": "purgatory"}
PROGRAMS = sorted(path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text())


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.service) if name in ON_POSTGRES else name for name in PROGRAMS],
)
def test_a_benchmark_runs(name):
    if name in ON_POSTGRES:
        service("postgres")
    if name in PEERS:
        pytest.importorskip(PEERS[name], reason="the peers of benchmarks are not installed")
    words = [sys.executable, "-W", "error::SyntaxWarning", str(FOLDER / name), *SIZES.get(name, ["--quick"])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr[-3000:]
    assert done.stdout.strip(), "it says nothing"
    assert "Error" not in done.stdout


def test_the_list_names_benchmarks_that_are_there():
    assert set(SIZES) <= set(PROGRAMS)
