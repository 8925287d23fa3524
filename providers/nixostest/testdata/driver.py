# Stands for NixOS's own test driver: machines with the methods and the habits
# that its versions have, whose QEMU is a sleep. Run as: driver.py SCRIPT, or as
# newer ones driver.py --config FILE, where the last one counts.
import argparse
import json
import subprocess


class Machine:
    def __init__(self, name):
        self.name = name
        self.process = None
        self.booted = False
        self.linked = True

    def start(self):
        if self.booted:
            return
        self.process = subprocess.Popen(["sleep", "1000"])
        self.booted = True
        for line in ("booting", "a login prompt"):
            print(f"\x1b[2m{self.name} # {line}\x1b[0m", flush=True)

    def wait_for_shutdown(self):
        if self.booted:
            self.process.wait()
            self.booted = False

    def shutdown(self):
        assert self.booted
        self.process.terminate()
        self.wait_for_shutdown()

    def crash(self):
        self.send_monitor_command("quit")
        self.wait_for_shutdown()

    def send_monitor_command(self, command):
        assert self.booted and self.process.poll() is None, "Broken pipe"
        if command == "quit":
            self.process.kill()
        said = "VM status: running\r\n" if command == "info status" else ""
        print(f"{self.name}: monitor {command}", flush=True)
        return f"{command[0]}\x1b[K{command}\r\n{said}(qemu) "

    def execute(self, command):
        assert self.booted
        return (0, "")

    def forward_port(self, host_port, guest_port):
        self.send_monitor_command(f"hostfwd_add tcp::{host_port}-:{guest_port}")

    def block(self):
        self.send_monitor_command("set_link virtio-net-pci.1 off")

    def unblock(self):
        self.send_monitor_command("set_link virtio-net-pci.1 on")

    def send_console(self, chars):
        print(f"{self.name} # {chars}", flush=True)


machines = [Machine("server"), Machine("client")]


def start_all():
    for machine in machines:
        machine.start()


class Timer:
    def cancel(self):
        print("the test may take its time", flush=True)


class Driver:
    race_timer = Timer()


arguments = argparse.ArgumentParser()
arguments.add_argument("--config")
arguments.add_argument("script", nargs="?")
arguments = arguments.parse_args()
path = arguments.script
if arguments.config:
    assert path is None, "unrecognized arguments"
    with open(arguments.config) as configuration:
        path = json.load(configuration)["test_script"]
with open(path) as script:
    exec(script.read(), {"machines": machines, "start_all": start_all, "driver": Driver()}, None)
