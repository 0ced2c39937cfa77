"""Infer: let a model look at images. No model is registered yet, so that each such job ends at once, dead.

Payload: level and row of what is to be looked at, model, and the rules that want it.
"""

from node.core.errors import UserError
from node.jobs.task import Hopeless, Task
from node.services import models


def run(task: Task) -> None:
    """Say that the model is not there."""
    try:
        models.find(str(task.job.payload["model"]))
    except UserError as error:
        raise Hopeless(str(error)) from None
