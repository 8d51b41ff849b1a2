"""Make, look at and try an image by hand: `python -m xenci.lab.images ensure|check|restore|end ...`.

ensure NAME                        make it if it is not usable
check NAME                         read every byte of it
restore NAME FOLDER PORT KEY.pub   a machine of its own in FOLDER, SSH at 127.0.0.1:PORT
end FOLDER                         end that machine and remove its folder
"""

import sys
from pathlib import Path

from xenci.errors import XenciError
from xenci.lab import images
from xenci.lab.images import machine
from xenci.lab.paths import LabPaths
from xenci.lab.progress import say


def main(arguments: list[str]) -> int:
    """Do what the words say; return the exit code."""
    paths = LabPaths.of_environment()
    match arguments:
        case ["ensure", name]:
            say(f"image {name}: {images.ensure(paths, name)}")
        case ["check", name]:
            faults = images.check(paths, name, thorough=True)
            say(f"image {name}: {'; '.join(faults) or 'good'}")
            return 1 if faults else 0
        case ["restore", name, folder, port, key]:
            golden = images.ensure(paths, name)
            machine.restore(golden, Path(folder).resolve(), ssh_port=int(port), public_key=Path(key).read_text())
        case ["end", folder]:
            machine.remove(Path(folder).resolve())
        case _:
            say((__doc__ or "").strip())
            return 2
    return 0


try:
    sys.exit(main(sys.argv[1:]))
except XenciError as error:
    say(error.sentence)
    sys.exit(1)
except KeyboardInterrupt:
    say("interrupted; run again, it goes on with the step that it was in")
    sys.exit(130)
