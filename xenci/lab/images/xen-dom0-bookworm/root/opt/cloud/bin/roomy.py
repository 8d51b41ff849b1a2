"""roomy.py TEST.. : `python -m subunit.run TEST..` with a stack that has room; the others import `roomy` for theirs.

Python 3.11 keeps its frames in chunks of 16 KB and gives a chunk back as soon as no frame is on it. So a call across a chunk's end, a hundred
calls deep, costs a mmap, five page faults and a munmap each time: 13 us instead of 0.05, and a millisecond in an emulated dom0.  In one class
of Tempest's they were a tenth of all system calls of Nova and half of its page faults.  A frame that asks for more than a chunk gets a larger one,
and whatever it calls finds room in the rest of that.
"""
import sys


def roomy(run, *args, **kwargs):
    return run(*args, **kwargs)


# words of 8 bytes: a little more than half of a chunk of 128 KB, the other half is for the frames of whoever is called; untouched pages cost nothing
roomy.__code__ = roomy.__code__.replace(co_stacksize=8192 + 64)

if __name__ == '__main__':
    import subunit.run
    roomy(subunit.run.main)
