"""How hard Hypothesis tries."""

import os

from hypothesis import HealthCheck, Phase, settings

# The usual run is the same every time.
settings.register_profile(
    "usual",
    derandomize=True,
    max_examples=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=2000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# Thousands of runs, each of which must find only one fault, and need not find its smallest example.
settings.register_profile(
    "quick",
    derandomize=True,
    max_examples=10,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))
