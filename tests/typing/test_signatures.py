"""A strict type checker keeps every signature through the decorator and the guard."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).with_name("signatures.py")


def test_a_strict_checker_sees_through_decorator_and_guard(tmp_path: Path) -> None:
    settings = {
        "include": [str(SAMPLE)],
        "extraPaths": [str(ROOT / "src")],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    checker = Path(sys.executable).with_name("basedpyright")
    done = subprocess.run(
        [checker, "--outputjson", "--project", project, "--pythonpath", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    found = [f"{note['range']['start']['line'] + 1}: {note['message']}" for note in report["generalDiagnostics"]]
    assert found == []
    assert report["summary"]["filesAnalyzed"] == 1
