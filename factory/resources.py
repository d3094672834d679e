"""Templates and samples: from the wheel (factory/_data) or from the checkout, where they lie at the top level."""

from __future__ import annotations

from pathlib import Path

from factory.errors import UsageError


def folder(kind: str) -> Path:
    """Return the folder of shipped `templates` or `samples`. Raises UsageError when the installation lacks it."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "_data" / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    raise UsageError(
        f"this installation of factory has no {kind}",
        hint="Install the oem-factory wheel again, or run from a checkout.",
        code="resources",
    )


def template_set(name: str) -> Path:
    """Return the folder of the shipped template set `name`. Raises UsageError naming the sets there are."""
    return _member("templates", name)


def sample(name: str) -> Path:
    """Return the folder of the shipped sample `name`. Raises UsageError naming the samples there are."""
    return _member("samples", name)


def _member(kind: str, name: str) -> Path:
    root = folder(kind)
    path = root / name
    if not path.is_dir():
        known = ", ".join(sorted(entry.name for entry in root.iterdir() if entry.is_dir()))
        raise UsageError(f"there is no {name!r} among the shipped {kind}", hint=f"There are: {known}.")
    return path
