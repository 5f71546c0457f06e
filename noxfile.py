"""Every check by name: ``nox -s lint types contracts tests docs``; ``nox -l`` lists them all."""

from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "contracts", "tests", "docs"]

PYTHONS = ["3.11", "3.12", "3.13"]
PEERS = ["advanced-alchemy", "asgi-correlation-id", "fastapi-pagination", "sqlakeyset"]
PEERS += ["aiobreaker", "circuitbreaker", "hyx", "purgatory", "pyresilience", "stamina"]
PEERS += ["aiolimiter", "pyrate-limiter", "throttled-py"]
PEERS += ["bleach", "justhtml", "lxml-html-clean", "turbohtml"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Both checkers: mypy on the library and the typing tests, pyright on what users write."""
    session.install("-e", ".[test]", "mypy", "pyright")
    session.run("mypy")
    session.run("pyright")


@nox.session
def contracts(session: nox.Session) -> None:
    """The floors, the sizes, the public surface."""
    session.install("-e", ".[test]")
    session.run("lint-imports")
    session.run("pytest", "-q", "tests/test_house.py", "tests/test_api.py", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The ordinary run; real servers are used where they answer."""
    session.install("-e", ".[test]")
    session.run("pytest", "-q", *session.posargs)


@nox.session
def services(session: nox.Session) -> None:
    """What needs real servers; a missing server is a failure."""
    session.install("-e", ".[test]")
    session.run(
        "pytest", "-q", "-m", "service and not chaos", *session.posargs, env={"TRADECORE_REQUIRE_SERVICES": "1"}
    )


@nox.session
def chaos(session: nox.Session) -> None:
    """Long random runs: other seeds every time, printed with a failure."""
    session.install("-e", ".[test]")
    session.run(
        "pytest", "-q", "-m", "chaos", *session.posargs, env={"HYPOTHESIS_PROFILE": "search"}, success_codes=[0, 5]
    )


@nox.session
def interop(session: nox.Session) -> None:
    """Other people's clients against our simulators."""
    session.install("-e", ".[test,interop]")
    session.run("pytest", "-q", "tests/interop", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The site; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure beside peers; ratios within one run, nothing fails by a number. Name some to run only those."""
    session.install("-e", ".[test]", *PEERS)
    ours = [path.stem for path in Path("benchmarks").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")]
    for name in session.posargs or sorted(ours):
        session.run("python", f"benchmarks/{name}.py")
