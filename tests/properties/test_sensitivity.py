"""Every planted bug is noticed by its machine. Slow (about ten seconds a bug): only under BALLAST_FUZZ=long."""

from __future__ import annotations

import pytest

from tests.fuzz import LONG
from tests.properties.sensitivity import BUGS, Bug, hunt


@pytest.mark.skipif(not LONG, reason="takes ten seconds a bug; set BALLAST_FUZZ=long")
@pytest.mark.parametrize("planted", BUGS, ids=lambda planted: planted.name)
def test_planted_bug_is_noticed(planted: Bug) -> None:
    assert hunt(planted).noticed_by, f"nobody noticed {planted.name}"
