"""Slither on our contracts (the mocks are not), against the answers of docs/slither.md and the powers of powers.txt.

python3 run.py slither           fails on a finding without an answer, an answer without a finding, another power
python3 run.py slither --write   adds the new findings to docs/slither.md, to be answered, and writes powers.txt
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass

from tests.assurance.compiler import ROOT
from tests.assurance.environment import ensure

ANSWERS = ROOT / "docs" / "slither.md"
POWERS = ROOT / "tests" / "assurance" / "powers.txt"
ROW = re.compile(r"^\| `([0-9a-f]{8})` \| (.*) \| (.*) \|$", re.MULTILINE)
UNANSWERED = "UNANSWERED"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a detector says, under a number made of its words."""

    id: str
    check: str
    impact: str
    words: str

    @property
    def row(self) -> str:
        return f"| `{self.id}` | {self.words.replace('|', '/')} | {UNANSWERED} |"


def run() -> tuple[list[Finding], list[str]]:
    """What Slither finds now, and who may call what."""
    done = subprocess.run(
        [str(ensure()), "-m", "tests.assurance.slither_run"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    if done.returncode != 0:
        sys.exit(f"Slither did not run:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    return [Finding(**one) for one in result["findings"]], result["powers"]


def answers() -> dict[str, str]:
    """The answers of docs/slither.md by number."""
    return {number: answer for number, _, answer in ROW.findall(ANSWERS.read_text(encoding="utf-8"))}


def compare(findings: list[Finding], answered: dict[str, str], powers: list[str], approved: list[str]) -> list[str]:
    """What is wrong, one sentence each."""
    problems = [f"new: {one.impact} {one.check} `{one.id}` {one.words}" for one in findings if one.id not in answered]
    problems += [f"not answered: `{one.id}` {one.words}" for one in findings if answered.get(one.id) == UNANSWERED]
    found = {one.id for one in findings}
    problems += [
        f"gone: `{number}` ({answered[number][:60]}) can be removed" for number in answered if number not in found
    ]
    problems += [f"a power that nobody approved: {line}" for line in powers if line not in approved]
    problems += [f"a power that is gone: {line}" for line in approved if line not in powers]
    return problems


def write(findings: list[Finding], powers: list[str]) -> None:
    """Adds new findings below the heading of their detector, drops those that are gone."""
    text = ANSWERS.read_text(encoding="utf-8")
    known, found = answers(), {one.id for one in findings}
    for number in known:
        if number not in found:
            text = re.sub(rf"^\| `{number}` \|.*\n", "", text, flags=re.MULTILINE)
    for one in findings:
        if one.id in known:
            continue
        heading = f"### {one.check}\n"
        if heading not in text:
            text = f"{text.rstrip()}\n\n{heading}\n{one.impact}.\n\n| id | finding | answer |\n|---|---|---|\n"
        start = text.index(heading)
        end = text.find("\n### ", start + 1)
        section = text[start : end if end >= 0 else len(text)].rstrip()
        text = text[:start] + section + "\n" + one.row + "\n" + (text[end:] if end >= 0 else "")
    ANSWERS.write_text(text, encoding="utf-8")
    POWERS.write_text("\n".join(powers) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    findings, powers = run()
    if "--write" in arguments:
        write(findings, powers)
    problems = compare(findings, answers(), powers, POWERS.read_text(encoding="utf-8").splitlines())
    for problem in problems:
        print(problem)
    print(f"{len(findings)} findings, {len(powers)} functions that change state; {len(problems)} to look at")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
