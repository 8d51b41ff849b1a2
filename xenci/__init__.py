"""xenci: a third-party CI for OpenStack that tests Nova on Xen and libvirt.

What lives where is said in docs/design.md; each package's docstring is its door notice. Imports go one way:
cli > lab > services, dashboard > adapters > config > rules > model > errors, clock.
"""

__version__ = "0.1.0"
