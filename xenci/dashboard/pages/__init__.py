"""One module for each page: its address, what it looks up, and the template that draws it."""

from xenci.dashboard.pages import (
    api,
    build,
    builds,
    change,
    events,
    health,
    log,
    login,
    metrics,
    nodes,
    operate,
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
    events.router,
    health.router,
    log.router,
    login.router,
    metrics.router,
    nodes.router,
    operate.router,
    queue.router,
    readiness.router,
    trends.router,
    api.router,
    theme.router,
)
