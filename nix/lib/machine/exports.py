# Serves folders by the kernel's NFS server, on machines of the embedded
# stand-in, and answers what the kernel asks about them, as rpc.mountd does: who
# a client is, and what is exported where. Run as: exports.py ROOT FOLDER…
#
# The folders are mounted below ROOT, which is what clients see as "/".
import os
import select
import subprocess
import sys

root, folders = sys.argv[1], sys.argv[2:]
NEVER = 0x7FFFFFFF  # what is told holds until then
NOBODY = 65534
# Flags of the kernel's: any port, no subtree check, a number of its own, and on
# into what is mounted below; the root is read-only.
SHARED = 0x2 | 0x400 | 0x2000 | 0x4000
exports = {root: (0, SHARED | 0x1)}

for number, folder in enumerate(folders, 1):
    place = root + "/" + folder.strip("/")
    os.makedirs(folder, exist_ok=True)
    # Folders between are the root's own, and so belong to it.
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "--bind", folder, place], check=True)
    exports[place] = (number, SHARED)


def quoted(text):
    return "".join("\\%03o" % byte if byte <= 0x20 or byte in b"\\\x7f" else chr(byte) for byte in text.encode())


def plain(word):
    """What the kernel quoted."""
    out, at = bytearray(), 0
    if word.startswith("\\x"):
        return bytes.fromhex(word[2:])
    while at < len(word):
        if word[at] == "\\":
            out.append(int(word[at + 1 : at + 4], 8))
            at += 4
        else:
            out += word[at].encode()
            at += 1
    return bytes(out)


def client(words):
    return f"{words[0]} {words[1]} {NEVER} nodes\n"


def export(words):
    path = plain(words[1]).decode()
    if path not in exports:
        return f"{words[0]} {words[1]} {NEVER}\n"
    number, flags = exports[path]
    return f"{words[0]} {words[1]} {NEVER} {flags} {NOBODY} {NOBODY} {number}\n"


def handle(words):
    if words[1] == "1":  # a number, in the machine's own order
        number = int.from_bytes(plain(words[2]), sys.byteorder)
        for path, (known, _) in exports.items():
            if known == number:
                return f"{words[0]} {words[1]} {words[2]} {NEVER} {quoted(path)}\n"
    return f"{words[0]} {words[1]} {words[2]} {NEVER}\n"


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if not os.path.exists("/proc/fs/nfsd/threads"):
    subprocess.run(["mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd"], check=True)
asked = {}
for name, answer in (("auth.unix.ip", client), ("nfsd.export", export), ("nfsd.fh", handle)):
    write(f"/proc/net/rpc/{name}/flush", str(NEVER))
    asked[os.open(f"/proc/net/rpc/{name}/channel", os.O_RDWR)] = answer
waiting = select.poll()
for channel in asked:
    waiting.register(channel, select.POLLIN)

# Version 4 alone: it needs one port and no other program.
write("/proc/fs/nfsd/versions", "-3 +4 +4.1 +4.2\n")
# Nobody was here before, who could want to go on. Where the kernel does not
# let the wait for them be ended, it is as short as can be.
os.makedirs("/var/lib/nfs/v4recovery", exist_ok=True)
write("/proc/fs/nfsd/nfsv4gracetime", "10\n")
write("/proc/fs/nfsd/threads", "4\n")
try:
    write("/proc/fs/nfsd/v4_end_grace", "Y\n")
except OSError:
    pass
print("serving", *folders, flush=True)
while True:
    for channel, _ in waiting.poll():
        for line in os.read(channel, 1 << 16).decode().splitlines():
            os.write(channel, asked[channel](line.split(" ")).encode())
