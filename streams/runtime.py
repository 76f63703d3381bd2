"""Sets up Python for each process of ours: its event loop, its collection of garbage."""

import gc
import sys

import mode.loop

# Python looks for garbage every 700 new objects, and after about 70,000 among all there are. Here
# a record makes a dozen, tens of thousands are under way, and none of it is garbage: to search
# so much so often was a third of a sink's time, and a fifth still at 20,000. Garbage of
# so many objects is some 20 MB.
NEW_OBJECTS = 200_000


def use_fast_loop() -> None:
    """Makes every event loop that is made after this uvloop's, in every thread."""
    if sys.platform != "win32":
        mode.loop.use("uvloop")


def collect_seldom() -> None:
    """Has garbage collected seldom. Call it once all is imported, which stays."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
