"""A Celery application: its worker makes the dispatcher, its prefork children publish."""

import os
from pathlib import Path

import host
from celery import Celery

_FOLDER = Path(os.environ["FORK_FOLDER"])
for _name in ("in", "control", "results"):
    (_FOLDER / _name).mkdir(exist_ok=True)

app = Celery("tasks", broker="filesystem://", backend=f"file://{_FOLDER}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{_FOLDER}/in",
        "data_folder_out": f"{_FOLDER}/in",
        "control_folder": f"{_FOLDER}/control",
    },
    worker_prefetch_multiplier=1,
)
hooks = host.open_dispatcher()


@app.task
def publish() -> host.Facts:
    return host.work_as_child(hooks)
