# Types into a terminal and reads from it, as the lines of a file say:
#   python3 type.py LINES PROGRAM [ARGUMENT…]
# see TEXT waits a minute for a text, await TEXT for as long as a test takes.
import fcntl, os, pty, select, signal, struct, sys, termios, time

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
said = b""


def read(seconds):
    global said
    if select.select([terminal], [], [], seconds)[0]:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            return False
        sys.stdout.buffer.write(more)
        sys.stdout.flush()
        said += more
        return bool(more)
    return True


for line in open(sys.argv[1]):
    verb, _, text = line.rstrip("\n").partition(" ")
    if verb in ("see", "await"):
        end = time.time() + (60 if verb == "see" else 1200)
        while text.encode() not in said:
            if time.time() > end or not read(0.2) and text.encode() not in said:
                sys.exit(f"\nwaited for {text!r}")
        said = said.split(text.encode(), 1)[1]
    elif verb == "type":
        os.write(terminal, text.encode() + b"\n")
    elif verb == "keys":
        for key in text.encode():
            os.write(terminal, bytes([key]))
            time.sleep(0.05)
    elif verb == "press":
        os.write(terminal, bytes([int(text)]))
    elif verb == "wait":
        time.sleep(1)
    elif verb == "end":
        end = time.time() + 30
        while time.time() < end and read(0.2):
            pass
        if time.time() >= end:
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != int(text):
            sys.exit(f"\nended with {status}, not {text}")
