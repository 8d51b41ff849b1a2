"""spare.py TEST.. : `python -m subunit.run TEST..`, spared what an emulated Python pays most for; the others import the same for theirs.

Python 3.11 keeps its frames in chunks of 16 KB and gives a chunk back as soon as no frame is on it. So a call across a chunk's end, a hundred
calls deep, costs a mmap, five page faults and a munmap each time: 13 us instead of 0.05, and a millisecond in an emulated dom0.  In one class
of Tempest's they were a tenth of all system calls of Nova and half of its page faults.  A frame that asks for more than a chunk gets a larger one,
and whatever it calls finds room in the rest of that: `roomy`.

Each search for garbage walks over what it looks at, and a forked process copies each page that is walked over.  So it is looked for seldom, and
never in what is there when `settle` is called.
"""
import gc


def roomy(run, *args, **kwargs):
    return run(*args, **kwargs)


# words of 8 bytes: a little more than half of a chunk of 128 KB, the other half is for the frames of whoever is called; untouched pages cost nothing
roomy.__code__ = roomy.__code__.replace(co_stacksize=8192 + 64)


def settle():
    gc.collect()
    gc.freeze()


gc.set_threshold(20000, 20, 100)
if __name__ == '__main__':
    import subunit.run
    roomy(subunit.run.main)
