"""Hypothesis without a clock: a busy machine makes no test fail."""

from hypothesis import HealthCheck, settings

settings.register_profile("xenci", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("xenci")
