"""One module for each page: its address, what it looks up, and the template that draws it."""

from xenci.dashboard.pages import (
    api,
    build,
    builds,
    change,
    cost,
    events,
    health,
    log,
    metrics,
    nodes,
    queue,
    readiness,
    tests,
    theme,
    trends,
)

ROUTERS = (
    tests.router,
    build.router,
    builds.router,
    change.router,
    cost.router,
    events.router,
    health.router,
    log.router,
    metrics.router,
    nodes.router,
    queue.router,
    readiness.router,
    trends.router,
    api.router,
    theme.router,
)
