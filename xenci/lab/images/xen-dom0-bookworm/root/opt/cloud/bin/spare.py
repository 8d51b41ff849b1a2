"""spare.py TEST.. : `python -m subunit.run TEST..`, spared what an emulated Python pays most for; the others import the same for theirs.

Python 3.11 keeps its frames in chunks of 16 KB and gives a chunk back as soon as no frame is on it. So a call across a chunk's end, a hundred
calls deep, costs a mmap, five page faults and a munmap each time: 13 us instead of 0.05, and a millisecond in an emulated dom0.  In one class
of Tempest's they were a tenth of all system calls of Nova and half of its page faults.  A frame that asks for more than a chunk gets a larger one,
and whatever it calls finds room in the rest of that: `roomy`.

Each search for garbage walks over what it looks at, and a forked process copies each page that is walked over.  So it is looked for seldom, and
never in what is there when `settle` is called.

What never changes from run to run is imported once, in a process that is copied for each: `imported` and its list, that `listed` has written.
"""
import gc
import importlib
import os
import sys


def roomy(run, *args, **kwargs):
    return run(*args, **kwargs)


# words of 8 bytes: a little more than half of a chunk of 128 KB, the other half is for the frames of whoever is called; untouched pages cost nothing
roomy.__code__ = roomy.__code__.replace(co_stacksize=8192 + 64)


def settle():
    gc.collect()
    gc.freeze()


def listed(path, but):
    """Write down what this process has imported, but for packages of these names, which are what is under test."""
    names = [name for name, module in list(sys.modules.items()) if getattr(module, '__file__', None)]
    with open(path + '.new', 'w') as f:
        f.writelines('%s\n' % n for n in sorted(names) if n.split('.')[0] not in but and not n.startswith(('__', 'os_vif.internal')))
    os.rename(path + '.new', path)


def imported(path):
    """Import what is written there.  What cannot be is printed: then it costs time, and nothing else."""
    if not os.path.exists(path):
        return
    with open(path) as f:
        for name in f.read().split():
            try:
                importlib.import_module(name)
            except Exception as error:
                print('not imported:', name, repr(error)[:100], flush=True)


gc.set_threshold(20000, 20, 100)
if __name__ == '__main__':
    import subunit.run
    roomy(subunit.run.main)
