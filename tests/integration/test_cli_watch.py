"""`webhooksub status --watch`: looks again and again."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from acme import PATH
from commands import webhooksub

from webhooksub import Dispatcher, allow_all


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Dispatcher]:
    made = Dispatcher(f"sqlite:///{tmp_path / 'hooks.db'}", authorizer=allow_all)
    yield made
    made.close()


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_it_prints_a_line_for_each_look_and_ends_by_the_last(
    hooks: Dispatcher, tmp_path: Path
) -> None:
    command = ("status", "--watch", "--every", "0.1", "--json")
    with webhooksub(*command, folder=tmp_path) as process:
        process.wait_to_say(r'"outbox": 0,.*"healthy": true')
        hooks.publish(PATH, "update")
        process.wait_to_say(r'"outbox": 1,.*"healthy": false')
        process.tell(signal.SIGINT)
        assert process.wait() == 1
    looks = [json.loads(line) for line in process.said.splitlines() if line.startswith("{")]
    assert len(looks) > 1
    assert all(set(look) == set(looks[0]) for look in looks)


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_people_see_what_changed_since_the_look_before(hooks: Dispatcher, tmp_path: Path) -> None:
    with webhooksub("status", "--watch", "--every", "0.2", folder=tmp_path) as process:
        process.wait_to_say(r"events in the outbox +0\n")
        hooks.publish_many([(PATH, "update")] * 3)
        process.wait_to_say(r"events in the outbox +3 +\+3\n")
        process.wait_to_say(r"unhealthy: work waits")
        process.tell(signal.SIGINT)
        assert process.wait() == 1
    assert "Traceback" not in process.said


def test_how_often_is_bounded(hooks: Dispatcher, tmp_path: Path) -> None:
    with webhooksub("status", "--watch", "--every", "0", folder=tmp_path) as process:
        assert process.wait() == 2
    assert "--every" in process.said
