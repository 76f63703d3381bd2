"""What each process of ours sets of Python itself: its event loop, its collection of garbage."""

import gc
import sys

import mode.loop

# Python looks for garbage every 700 new objects, and after about 70,000 among all there are. Here
# a record makes a dozen, tens of thousands are under way, and none of it is garbage: to search
# so much so often was a third of a sink's time, and a fifth still at 20,000. Garbage of
# so many objects is some 20 MB.
NEW_OBJECTS = 200_000


def use_fast_loop() -> None:
    """To be called before there is any event loop: all that come, of every thread, are uvloop's."""
    if sys.platform != "win32":
        mode.loop.use("uvloop")


def collect_seldom() -> None:
    """To be called once all is imported, which stays."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
