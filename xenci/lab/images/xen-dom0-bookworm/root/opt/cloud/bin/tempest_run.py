"""tempest_run.py TEST.. : `python -m subunit.run TEST..` by a copy of a process that has imported all that is not Tempest.

That process is `tempest_run.py --serve`, a unit of systemd.  It is given arguments, environment, folder and open files of whoever asks, and forks.  The
copy moves into the asker's control group, so that systemd ends and counts it as the asker's own; then it imports Tempest, from /opt/stack/tempest.
An emulated dom0 is spared a minute of importing for each run; `python -IS` is enough to ask.  Where nothing serves, or PYTHONPATH asks for other
libraries than the installed ones, the tests run in a process of their own.  `--list` writes down what is to be imported.
"""
import json
import os
import signal
import socket
import sys

SOCKET, PRELOAD = '/run/tempest.sock', '/opt/cloud/tempest-preload.txt'
TYPICAL = ('subunit.run', 'tempest.api.compute.servers.test_create_server', 'tempest.api.compute.admin.test_hypervisor')
LOST = 137                                              # the exit code where the copy was killed


def ask(tests):
    """Have the tests run, and wait for their end.  The exit code; None where nothing serves, which a socket left by a killed server is too."""
    with open('/proc/self/cgroup') as f:
        group = f.read().rpartition('::')[2].strip()
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(SOCKET)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        socket.send_fds(server, [b'x'], [0, 1, 2])
        server.sendall(json.dumps({'tests': tests, 'env': dict(os.environ), 'folder': os.getcwd(), 'group': group}).encode() + b'\n')
        answer = server.recv(1)
    return answer[0] if answer else LOST


def serve():
    """Import, and have a copy answer each asker."""
    from spare import imported, settle
    imported(PRELOAD)
    settle()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)       # each copy tells its exit code itself
    if os.path.exists(SOCKET):
        os.remove(SOCKET)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o600)
    listener.listen()
    while True:
        asker, _ = listener.accept()
        if not os.fork():
            listener.close()
            answer(asker)
        asker.close()


def answer(asker):
    """Become what was asked for, in a copy of the serving process, and end."""
    code = 70
    try:
        _, files, _, _ = socket.recv_fds(asker, 1, 3)
        with asker.makefile('rb') as f:
            asked = json.loads(f.readline())
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        with open('/sys/fs/cgroup%s/cgroup.procs' % asked['group'], 'w') as f:
            f.write(str(os.getpid()))
        os.setsid()
        os.chdir(asked['folder'])
        os.environ.clear()
        os.environ.update(asked['env'])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = run(asked['tests'])
    except BaseException:
        import traceback
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    asker.sendall(bytes([code]))
    os._exit(code)


def run(tests):
    import importlib

    import subunit.run
    from spare import roomy
    importlib.invalidate_caches()                       # files have come since this process looked
    sys.argv = ['subunit.run', *tests]
    try:
        roomy(subunit.run.main)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def list_modules():
    import importlib

    from spare import listed
    for name in TYPICAL:
        importlib.import_module(name)
    listed(PRELOAD, but=('tempest',))


if sys.argv[1:] == ['--serve']:
    serve()
elif sys.argv[1:] == ['--list']:
    list_modules()
else:
    if not os.environ.get('PYTHONPATH') and (code := ask(sys.argv[1:])) is not None:
        sys.exit(code)
    print('no copy of a process that serves: the tests run in one of their own', file=sys.stderr)
    os.execv(sys.executable, [sys.executable, os.path.join(os.path.dirname(__file__), 'spare.py'), *sys.argv[1:]])
