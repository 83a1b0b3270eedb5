"""What every unit test needs."""

import hypothesis

# How long an example takes is the machine's affair: it is busy at times.
hypothesis.settings.register_profile("packshot", deadline=None)
hypothesis.settings.load_profile("packshot")
