"""Started by nxc as `python3 FOLDER DESCRIPTOR`."""

import os
import sys

if sys.version_info < (3, 8):
    # Nothing else here can be read by what is older.
    os.write(int(sys.argv[1]), b'{"done": {"too_old": "%d.%d"}}\n' % sys.version_info[:2])
    sys.exit(0)

from nxc_driver.wire import main  # noqa: E402

status = main(int(sys.argv[1]))
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)  # threads of the script's own are not waited for
