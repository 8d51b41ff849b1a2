"""One module for each page: its address, what it looks up, and the template that draws it."""

from xenci.dashboard.pages import build, builds, change, health, theme

ROUTERS = (build.router, builds.router, change.router, health.router, theme.router)
