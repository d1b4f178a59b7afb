"""Social engagement: authors, posts, decisions, replies that people approve, experiments and learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapkg.engagement.experiment_models import *  # noqa: F403  # the domain's tables
from datapkg.engagement.experiment_models import __all__ as _experiment_models
from datapkg.engagement.models import *  # noqa: F403  # the domain's tables
from datapkg.engagement.models import __all__ as _models
from datapkg.engagement.oversight_models import *  # noqa: F403  # the domain's tables
from datapkg.engagement.oversight_models import __all__ as _oversight_models
from datapkg.kit.deferring import deferred

if TYPE_CHECKING:
    from datapkg.engagement.queries import *  # noqa: F403  # the domain's functions, by their __all__
else:
    __getattr__, __dir__ = deferred(__name__, [*_models, *_oversight_models, *_experiment_models])
