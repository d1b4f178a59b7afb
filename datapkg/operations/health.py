"""The health of a database: a function, a WSGI application for probes, and a server that runs it."""

from __future__ import annotations

from datapkg.operations.health_app import HealthApp, make_wsgi_app, wsgi_app
from datapkg.operations.health_checks import Health, HealthState, health

__all__ = ["Health", "HealthApp", "HealthState", "health", "make_wsgi_app", "wsgi_app"]
