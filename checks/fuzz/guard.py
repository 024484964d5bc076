"""What may a reader not do, whatever a file says? Run code, reach the network, write outside, read private files."""

import os
import sys
import tempfile
import warnings

RUNS_CODE = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn", "subprocess.Popen", "pty.spawn",
             "socket.connect", "socket.getaddrinfo", "pickle.find_class", "webbrowser.open")
WRITES = ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.rmdir", "os.truncate", "os.chmod",
          "os.chown", "shutil.rmtree", "shutil.copyfile", "shutil.move")
# torch.export makes an empty folder of its own whatever it loads.
OF_LIBRARIES = (os.path.join(tempfile.gettempdir(), "torchinductor_"),)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Guard:
    """Notes forbidden events of the interpreter while it is armed; one for the process, for hooks cannot be removed."""

    def __init__(self):
        self.root, self.seen, self.installed = None, [], False
        self.private = None  # folder of which nothing may be opened

    def __call__(self, event, arguments):
        if self.root is None:
            return
        if event in RUNS_CODE:
            self.seen.append(f"{event}{arguments!r}"[:300])
        elif event == "open" and self._is_private(arguments[0]):
            self.seen.append(f"read {arguments[0]!r}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._check(event, arguments[:1])
        elif event in WRITES:
            self._check(event, arguments[:2])

    def _is_private(self, path):
        return self.private is not None and isinstance(path, str | bytes) and os.path.realpath(
            os.fsdecode(path)).startswith(self.private)

    def _check(self, event, paths):
        for path in paths:
            if isinstance(path, (str, bytes)) and event != "os.symlink":
                place = os.path.realpath(os.fsdecode(path))
                if not place.startswith((self.root, "/dev/null", "/proc/self/", *OF_LIBRARIES)):
                    self.seen.append(f"{event} {place}")

    def __enter__(self):
        if not self.installed:
            sys.addaudithook(self)
            self.installed = True
        self.seen, self.warned = [], warnings.catch_warnings(record=True)
        self.heard = self.warned.__enter__()
        warnings.simplefilter("always")
        self.root = self.folder
        return self

    def __exit__(self, *error):
        self.root = None
        self.warned.__exit__(*error)

    def over(self, folder):
        """Return the guard, to be entered with a `with`: only below `folder` may be written."""
        self.folder = os.path.realpath(folder) + os.sep
        return self


GUARD = Guard()


def peak_megabytes(reset=False):
    """Return the largest resident memory since the last reset."""
    if reset:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
