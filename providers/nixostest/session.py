# Run by a test's driver: it starts the machines, makes them reachable by ssh on
# loopback, and keeps them until the driver is ended.
import json, os, time

with open(@PLAN@) as plan_file:
    plan = json.load(plan_file)

start_all()
for machine in machines:
    wanted = plan["machines"].get(machine.name)
    if wanted is None:
        continue
    machine.forward_port(wanted["port"], 22)
    # A machine that was told everything before it started has its keys. They are
    # not said aloud: what succeed() runs would stand in the log.
    status, _ = machine.execute("test -s /etc/nxc/private/ssh_host_ed25519_key")
    if status != 0:
        machine.wait_for_unit("sshd.service")
        status, _ = machine.execute("echo " + wanted["setup"] + " | base64 -d | sh -eu")
    if status != 0:
        raise Exception("the keys cannot be brought to " + machine.name + ": status " + str(status))

with open(plan["ready"] + ".new", "w") as ready_file:
    ready_file.write("ready\n")
os.rename(plan["ready"] + ".new", plan["ready"])
while True:
    time.sleep(3600)
