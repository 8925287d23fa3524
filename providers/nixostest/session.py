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
    machine.wait_for_unit("sshd.service")
    for file in wanted["files"]:
        machine.copy_from_host_via_shell(file["source"], file["target"])
        machine.succeed("chmod " + file["mode"] + " " + file["target"])
    # The host key is the one that nxc pins.
    machine.succeed(
        "mkdir -p /etc/ssh && cp -f /etc/nxc/private/ssh_host_ed25519_key /etc/nxc/private/ssh_host_ed25519_key.pub /etc/ssh/"
        " && chmod 600 /etc/ssh/ssh_host_ed25519_key"
        " && mkdir -p /root/.ssh && chmod 700 /root/.ssh"
        " && cat /etc/nxc/authorized_keys >>/root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys"
        " && systemctl restart sshd.service"
    )
    machine.forward_port(wanted["port"], 22)

with open(plan["ready"] + ".new", "w") as ready_file:
    ready_file.write("ready\n")
os.rename(plan["ready"] + ".new", plan["ready"])
while True:
    time.sleep(3600)
