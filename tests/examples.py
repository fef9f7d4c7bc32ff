"""How many examples a property is tried on: enough for a test run to tell what broke, ten times that to explore."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

_USUAL = 100


def examples(number: int, **more: Any) -> settings:
    """Settings for a property that gets so many examples, not the profile's, for what they cost or how rare a find is.

    A profile of more examples than usual, such as that of `make explore`, gives as many times more here as well.
    """
    profile = settings.get_profile(settings.get_current_profile_name())
    return settings(max_examples=number * max(1, profile.max_examples // _USUAL), **more)
