# Run by a test's driver: it starts the machines, makes them reachable by ssh on
# loopback, and keeps them until the driver is ended. Meanwhile it does what nxc
# asks for at a socket, in the words of NixOS's driver, whichever that is: a JSON
# object a connection, and one back.
import json, os, re, socket, threading, time

with open(@PLAN@) as plan_file:
    plan = json.load(plan_file)

by_name = {machine.name: machine for machine in machines}
locks = {name: threading.RLock() for name in by_name}
# A system that was asked to power down gets this many seconds.
patience = 120


def reach(machine):
    """Let nxc in by ssh, after a start."""
    wanted = plan["machines"].get(machine.name)
    if wanted is None:
        return
    machine.forward_port(wanted["port"], 22)
    # A machine that was told everything before it started has its keys. They are
    # not said aloud: what succeed() runs would stand in the log.
    status, _ = machine.execute("test -s /etc/nxc/private/ssh_host_ed25519_key")
    if status != 0:
        machine.wait_for_unit("sshd.service")
        status, _ = machine.execute("echo " + wanted["setup"] + " | base64 -d | sh -eu")
    if status != 0:
        raise Exception("the keys cannot be brought to " + machine.name + ": status " + str(status))


def runs(machine):
    """Whether its QEMU runs, also after the system itself powered down."""
    process = getattr(machine, "process", None)  # of NixOS's driver
    if process is not None:
        if process.poll() is not None:
            machine.wait_for_shutdown()  # which notes it
        return process.poll() is None
    return not machine.backend.wait_down(machine.name)  # of nxc's own


def stop(machine):
    failed = []

    def shut_down():
        try:
            machine.shutdown()
        except Exception as e:
            failed.append(e)

    waiting = threading.Thread(target=shut_down, daemon=True)
    waiting.start()
    waiting.join(patience)
    if waiting.is_alive() or failed:
        machine.crash()


def power(machine, action):
    up = runs(machine)
    if action in ("pause", "unpause"):
        if not up:
            raise Exception("it does not run")
        machine.send_monitor_command("stop" if action == "pause" else "cont")
        return
    if up and action == "stop":
        stop(machine)
    if up and action in ("crash", "reset"):
        machine.crash()
    if action == "reset" or action == "start" and not up:
        machine.start()
        reach(machine)


def console(machine):
    """All that the console said."""
    if hasattr(machine, "get_console_log"):
        return machine.get_console_log()
    # Older drivers show it, behind the machine's name, and keep nothing.
    line = re.compile(r"^(?:\x1b\[[0-9;]*m)*" + re.escape(machine.name) + r" # (.*?)(?:\x1b\[[0-9;]*m)*$")
    with open(plan["terminal"], errors="replace") as said:
        found = (line.match(text.rstrip("\r\n")) for text in said)
        return "".join(match.group(1) + "\n" for match in found if match)


def monitor(machine, command):
    said = machine.send_monitor_command(command) or ""
    prompt = "(qemu) "
    if said.endswith(prompt):  # NixOS's driver: its own words, the answer, the prompt
        said = said[: -len(prompt)].partition("\n")[2].replace("\r", "")
    return said


def answer(asked):
    machine = by_name.get(asked["machine"])
    if machine is None:
        raise Exception("the driver has no such machine")
    if asked["do"] == "console":
        text = console(machine).encode("utf-8", "replace")
        return {"size": len(text), "text": text[asked["offset"] :].decode("utf-8", "replace")}
    with locks[machine.name]:
        if asked["do"] == "runs":
            return {"runs": runs(machine)}
        if asked["do"] == "power":
            power(machine, asked["action"])
        elif asked["do"] == "link":
            machine.block() if asked["block"] else machine.unblock()
        elif asked["do"] == "monitor":
            return {"said": monitor(machine, asked["command"])}
        elif asked["do"] == "type":
            if not hasattr(machine, "send_console"):
                raise Exception("this NixOS's test driver types on no console")
            machine.send_console(asked["keys"])
        else:
            raise Exception("the session knows no " + repr(asked["do"]))
    return {}


def serve(connection):
    with connection, connection.makefile("rwb") as stream:
        try:
            reply = answer(json.loads(stream.readline().decode()))
        except Exception as e:
            reply = {"error": str(e) or repr(e)}
        try:
            stream.write(json.dumps(reply).encode() + b"\n")
        except OSError:
            pass  # nobody waits for it any more


def listen(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


# Drivers since 23.11 end a test that takes too long. A session is none.
race_timer = getattr(globals().get("driver"), "race_timer", None)
if race_timer is not None:
    race_timer.cancel()

start_all()
for machine in machines:
    reach(machine)

hands = socket.socket(socket.AF_UNIX)
hands.bind(plan["hands"])
hands.listen(64)
threading.Thread(target=listen, args=(hands,), daemon=True).start()

with open(plan["ready"] + ".new", "w") as ready_file:
    ready_file.write("ready\n")
os.rename(plan["ready"] + ".new", plan["ready"])
while True:
    time.sleep(3600)
