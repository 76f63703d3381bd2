"""Keeps child processes from outliving whoever started them."""

import subprocess


def new_guard() -> subprocess.Popen[bytes]:
    """Starts what kills its own process group, and so all who join it, once we are gone.

    It waits for the end of its standard input, which also comes when we are killed with SIGKILL.
    Unlike Linux's parent-death signal this works on macOS too, and does not take the end of the
    thread that started a child for ours. Being a group of its own also keeps a Ctrl-C in the
    terminal from the children, until we decide.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", "read -r _; kill -s KILL 0"], stdin=subprocess.PIPE, process_group=0
    )
