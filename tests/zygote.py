"""Our programs as processes that need not start: forked from one that has imported everything.

To start Python and to import Faust and all of ours takes most of a second of CPU, and the tests
start some hundreds of workers and receivers. The zygote does it once for a run of pytest, whose own
processes are forked from it as well: they, too, import all of ours, and may ask the zygote that
they come from. Asked to, it forks, and the child becomes `python -m MODULE ...` as if it had been
started just so:
the caller's files for input and output, its environment, directory and process group, the words.
Only then does anything of ours run, so that settings, logging, event loop, random numbers and
metrics are the child's own. Signals, SIGKILL and SIGSTOP among them, and exit codes are those of
any process. It still can be told from one that was started: by the name that the kernel shows, by
its parent, which is the zygote, by the memory of modules that it does not need, and by its end,
where it leaves what they hold to the kernel.

The zygote itself has no threads, no event loop and no files but its socket. It ends with the last
process of pytest that can ask it. Where it does not do, an ordinary process is started: on systems
other than Linux, for what is no module or must not find everything imported, and in other
directories, where Python may find other code.
"""

import array
import atexit
import gc
import importlib
import inspect
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn, Self

PACKAGES: Final = ("models", "streams", "agents", "sandbox", "cli")
"""Whose modules the zygote imports."""

# These do something when they are imported: a worker's app reads its settings.
_AT_WORK = {"app", "__main__"}

_NOT_AFTERWARDS = {"faust", "tests.kafka.leaks.stock"}
"""What reads its arguments when it is imported, and what shows what Faust is without us."""
_HERE = Path(__file__).parent.parent
_NUMBER = struct.Struct("=i")
_MOST_BYTES = 1 << 20
"""Of a request; an environment has some kilobytes."""
_STANDARD = 3
"""Input, output and errors."""

_ASK = "MPARTICLE_STREAMS_TESTS_ZYGOTE"
"""Tells a process of pytest by which of its files it asks the zygote that it comes from."""
_ASKING = _STANDARD
"""That file, the first that is not a standard one."""
_MOST_FILES = _STANDARD + 2
"""Of a request: also where the zygote is asked, and where it tells its child."""


class Popen(subprocess.Popen[bytes]):
    """As `subprocess.Popen`, which it is for everything that the zygote cannot become."""

    _told: socket.socket | None = None
    """Where the zygote tells its child's process id and exit code; None for an ordinary process."""

    def _execute_child(self, *given: Any) -> None:  # its arguments are those of no two Pythons
        method = subprocess.Popen._execute_child  # type: ignore[attr-defined] # typeshed leaves it out
        asked = inspect.signature(method).bind(self, *given).arguments
        words = asked["args"]
        if not _is_for_the_zygote(words, asked["cwd"]):
            method(self, *given)
            return
        self._reading = threading.Lock()
        self._told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            files = [asked[name] for name in ("p2cread", "c2pwrite", "errwrite")]
            files = [own if file == -1 else file for own, file in enumerate(files)]
            group = asked["process_group"]
            request = {
                "words": [os.fspath(word) for word in words[1:]],
                "environment": dict(os.environ if asked["env"] is None else asked["env"]),
                "directory": str(Path.cwd()),
                "group": os.getpgrp() if group == -1 else group,
            }
            _zygote().fork(request, files, theirs)
        self.pid = self._number(self._told)
        self._child_created = True
        self._close_pipe_fds(  # type: ignore[attr-defined] # as above
            *(asked[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite")),
            *(asked[name] for name in ("errread", "errwrite")),
        )

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._told is None:
            code: int | None = super()._internal_poll(*given, **named)  # type: ignore[misc] # as above
            return code
        self._hear(self._told, 0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if self._told is None:
            code: int = super()._wait(timeout)  # type: ignore[misc] # as above
            return code
        self._hear(self._told, timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def _hear(self, told: socket.socket, timeout: float | None) -> None:
        """Waits for the exit code. Once it is there, the zygote closes its end: all hear that."""
        if self.returncode is not None or not select.select([told], [], [], timeout)[0]:
            return
        with self._reading:
            if self.returncode is None:
                self.returncode = self._number(told)

    @staticmethod
    def _number(told: socket.socket) -> int:
        said = told.recv(_NUMBER.size)
        if not said:
            raise ChildProcessError("The zygote has ended; its last words are on standard error.")
        number: int = _NUMBER.unpack(said)[0]
        return number

    def __del__(self) -> None:
        super().__del__()
        if self._told is not None and self.returncode is not None:
            self._told.close()


def _is_for_the_zygote(words: object, directory: object) -> bool:
    if sys.platform != "linux" or not isinstance(words, Sequence) or directory is not None:
        return False
    match words:
        case [sys.executable, "-m", module, *_]:
            return module not in _NOT_AFTERWARDS
        case [sys.executable, "-u", "-c", _]:  # a process of pytest, as execnet starts it
            return True
    return False


class _Zygote:
    """The process, as whoever asks it sees it."""

    def __init__(
        self, requests: socket.socket, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        """The process is waited for in the end, by whoever started it."""
        self._requests = requests
        weakref.finalize(self, self._end, requests, process)

    @classmethod
    def start(cls) -> Self:
        requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own words, and no shell
                [sys.executable, "-m", "tests.zygote", str(theirs.fileno())],
                cwd=_HERE,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # a Ctrl-C in the terminal is for pytest
            )
        return cls(requests, process)

    def fork(self, request: object, files: Sequence[int], tell: socket.socket) -> None:
        """One message, so that threads and processes may ask at the same time."""
        sent = array.array("i", [*files, self._requests.fileno(), tell.fileno()])
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)
        self._requests.sendmsg([json.dumps(request).encode()], [rights])

    @staticmethod
    def _end(requests: socket.socket, process: subprocess.Popen[bytes] | None) -> None:
        requests.close()
        if process is not None:
            process.wait()


@cache
def _zygote() -> _Zygote:
    """That which this process comes from, or one of its own."""
    asking = os.environ.pop(_ASK, None)  # for no child
    return _Zygote.start() if asking is None else _Zygote(socket.socket(fileno=int(asking)))


def begin() -> None:
    """Starts the zygote, so that it is there when the first test asks; it would start then."""
    if sys.platform == "linux":
        _zygote()


# -- in the zygote


@dataclass(frozen=True)
class _Child:
    """What a child is to become, and the files that were sent for it: the last is of the zygote."""

    words: Sequence[str]
    environment: dict[str, str]
    directory: str
    group: int
    files: Sequence[int]

    def become(self) -> None:
        """Runs the module or code, whose end is that of the process."""
        for number, file in enumerate(self.files[:_STANDARD]):
            os.dup2(file, number)
        option, name, *arguments = [word for word in self.words if word != "-u"]
        os.environ.clear()
        os.environ.update(self.environment)
        if option == "-c":
            os.dup2(self.files[_STANDARD], _ASKING, inheritable=False)
            os.environ[_ASK] = str(_ASKING)
        os.closerange(_ASKING + (option == "-c"), os.sysconf("SC_OPEN_MAX"))
        os.chdir(self.directory)
        sys.path[0] = self.directory
        sys.argv[1:] = arguments
        gc.enable()
        if option == "-c":
            sys.argv[0] = option
            exec(name, {"__name__": "__main__"})  # noqa: S102 - as Python does with what follows -c
            return
        code: object = None
        try:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        if not isinstance(code, int | None):
            print(code, file=sys.stderr)  # noqa: T201 - as Python does
            code = 1
        _end(code or 0)


def _end(code: int) -> NoReturn:
    """Ends as Python does, and as multiprocessing ends what it forked.

    To free all that the zygote had imported, the kernel would have to copy it first: 0.06 s of CPU.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for them
    atexit._run_exitfuncs()
    gc.collect()  # tells of what was forgotten
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # Python's own end tells of it
        sys.exit(code)
    os._exit(code)


def modules() -> Iterator[str]:
    """The names of all that may be imported without anything being done."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield name
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if found.name.rpartition(".")[2] not in _AT_WORK:
                yield found.name


def _serve(requests: socket.socket) -> _Child | None:
    """Returns in each child what it is to become, and None in the zygote once nobody can ask."""
    ends: dict[int, tuple[int, int]] = {}
    """Of each child by the file that tells its end: its process id, and where that is told."""
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    while True:
        for file, _ in poll.poll():
            if file != requests.fileno():
                poll.unregister(file)
                pid, tell = ends.pop(file)
                _, status = os.waitpid(pid, 0)
                _tell(tell, os.waitstatus_to_exitcode(status))
                os.close(tell)
                os.close(file)
                continue
            message, files, _, _ = socket.recv_fds(requests, _MOST_BYTES, _MOST_FILES)
            if not message:
                return None
            child = _Child(**json.loads(message), files=files)
            pid = os.fork()
            if pid == 0:
                requests.detach()
                return child
            # Here and not in the child: who asked may kill the group as soon as it knows the child.
            try:
                os.setpgid(pid, child.group)
            except OSError:  # the group was killed before
                os.kill(pid, signal.SIGKILL)
            *given, tell = files
            _tell(tell, pid)
            for each in given:
                os.close(each)
            ended = os.pidfd_open(pid)
            ends[ended] = pid, tell
            poll.register(ended, select.POLLIN)


def _tell(file: int, number: int) -> None:
    """Nobody may listen any more."""
    with suppress(BrokenPipeError):
        os.write(file, _NUMBER.pack(number))


def _main() -> None:
    gc.disable()
    requests = socket.socket(fileno=int(sys.argv.pop()))
    for name in modules():
        importlib.import_module(name)
    gc.freeze()  # so that no child copies all memory when it first collects
    assert threading.active_count() == 1, "A fork takes one thread along, and locks as they are."
    child = _serve(requests)
    if child is not None:
        child.become()


if __name__ == "__main__":
    _main()
