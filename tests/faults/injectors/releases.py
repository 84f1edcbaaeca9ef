"""A later release of Yaoki: these sources, and one migration more."""

import re
import shutil
from pathlib import Path

import yaoki

LATER = "9999"
_MIGRATION = f'''"""What a later release needs."""

import sqlalchemy as sa
from alembic import op

revision = "{LATER}"
down_revision = "{{earlier}}"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute("{{step}}")
'''


def later_release(folder: Path, step: str = "UPDATE sessions SET pinned = 1") -> dict[str, str]:
    """Make one in `folder`; returns the environment that runs it.

    Args:
        step: SQL that its migration runs in the end.
    """
    package = folder / "yaoki"
    shutil.copytree(Path(yaoki.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "web"))
    schema = package / "store" / "schema.py"
    text = schema.read_text()
    [earlier] = re.findall(r'^HEAD = "(\d+)"$', text, re.MULTILINE)
    assert earlier < LATER
    schema.write_text(text.replace(f'HEAD = "{earlier}"', f'HEAD = "{LATER}"'))
    versions = package / "store" / "migrations" / "versions"
    (versions / f"{LATER}_later.py").write_text(_MIGRATION.format(earlier=earlier, step=step))
    return {"PYTHONPATH": str(folder)}
