# A session with one machine, which is this one: what its commands do happens
# here. Run as: python3 session.py FOLDER-OF-THE-DRIVER HISTORY
import subprocess
import sys

sys.path.insert(0, sys.argv[1])
from nxc_driver import Backend, Completed, interact


class Here(Backend):
    flavour = "here"

    def names(self):
        return ["here"]

    def execute(self, node, argv, timeout=None, stdin=b""):
        done = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        return Completed(done.returncode, done.stdout, done.stderr)


sys.exit(interact(Here(), 'print("it ran", here.name)\n', "script.py", history=sys.argv[2]))
