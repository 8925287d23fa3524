# Calls everything that a script can say, on a web server and its client, and
# compares what worked with the table of methods on the website. nxc runs it on
# every flavour: the table's columns are what it saw.
import functools
import json
import os
import shutil
import socket
import threading
import urllib.request

from nxc_driver import Driver, MachineError

# A session's test_script(), which is called below, runs this once more.
if getattr(driver, "told", False):
    raise SystemExit(0)
driver.told = True

# Inside a Nix build there is no other file: the script itself begins with both.
flavour = globals().get("flavour") or driver.backend.flavour.split("::")[-1]
methods = globals().get("methods")
if methods is None:
    with open(os.path.join(os.environ["REPO"], "website", "content", "language", "testscript", "methods.json")) as file:
        methods = file.read()
table = {row["name"]: row["flavours"][flavour] for row in json.loads(methods)["methods"]}

worked, refused = set(), {}
inside = threading.local()


def watch(kind, name):
    """Notes what becomes of the calls that this script makes."""
    real = getattr(kind, name)

    @functools.wraps(real)
    def call(self, *args, **kwargs):
        if getattr(inside, "depth", 0) > 0:
            return real(self, *args, **kwargs)
        inside.depth = 1
        try:
            result = real(self, *args, **kwargs)
        except MachineError as e:
            refused[name] = str(e)
            raise
        finally:
            inside.depth = 0
        worked.add(name)
        return result

    setattr(kind, name, call)


for kind in (Machine, Driver):
    for name in dir(kind):
        if not name.startswith("_") and callable(getattr(kind, name)) and name != "parallel":
            watch(kind, name)

start_all = driver.start_all
subtest, retry = driver.subtest, driver.retry


def attempt(fn, *args, **kwargs):
    """For what some flavours cannot do."""
    try:
        return fn(*args, **kwargs)
    except MachineError as e:
        client1.log(f"not possible here: {e}")


start_all()
with subtest("commands"):
    assert client1.execute("echo out; echo err >&2; exit 3") == (3, "out\n")
    assert client1.execute("true", check_return=False)[0] == -1
    assert client1.execute("sleep 1000", check_output=False) == (-2, "")
    # Four seconds are enough, unless the host is busy.
    early = (client1.execute("echo early; sleep 600", timeout=seconds) for seconds in (4, 60))
    assert any(ended == (124, "early\n") for ended in early)
    assert client1.execute("false | true")[0] == 1  # pipefail
    assert client1.execute("echo $nothing")[0] != 0  # nounset
    assert client1.succeed("echo one", "echo two") == "one\ntwo\n"
    assert client1.fail("echo no; false") == "no\n"
    assert client1.succeed("pwd; whoami; echo $HOME") == "/tmp\nroot\n/root\n"
    assert client1.wait_until_succeeds("echo yes", timeout=60) == "yes\n"
    assert client1.wait_until_fails("echo no; false", timeout=60) == "no\n"
    client1.sleep(0.1)

with subtest("output"):
    status, much = client1.execute("head -c 3000000 /dev/zero | tr '\\0' x")
    assert status == 0 and much == "x" * 3000000
    t.assertEqual(client1.succeed("printf 'a\\xff\\xfeb'"), "a\ufffd\ufffdb")
    assert client1.succeed("printf 'ä\\0€'") == "ä\0€"
    long = "x" * 200_000
    assert client1.succeed(f"echo {long}").strip() == long

with subtest("units"):
    server.wait_for_unit("nginx.service")
    server.require_unit_state("nginx.service")
    assert server.get_unit_info("nginx.service")["ActiveState"] == "active"
    assert server.get_unit_property("nginx.service", "LoadState") == "loaded"
    assert server.systemctl("is-active nginx.service") == (0, "active\n")
    assert server.stop_job("nginx.service")[0] == 0
    server.wait_until_unit_stops("nginx.service")
    server.wait_for_closed_port(80)
    try:
        server.wait_for_unit("nginx.service")
        raise AssertionError("a stopped unit was waited for")
    except Exception as e:
        assert "no pending jobs" in str(e), e
    assert server.start_job("nginx.service")[0] == 0
    server.wait_for_unit("nginx.service")

with subtest("files, ports and sockets"):
    server.wait_for_open_port(80)
    client1.wait_for_open_port(80, addr="server")
    server.wait_for_file("/etc/hosts")
    server.wait_for_open_unix_socket("/run/systemd/private")
    server.wait_for_open_unix_socket("/run/systemd/journal/socket", is_datagram=True)
    out = os.environ["out"]
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "given"), "w") as file:
        file.write("given\n")
    client1.copy_from_host(os.path.join(out, "given"), "/srv/deep/down/copy")
    client1.copy_from_host_via_shell(os.path.join(out, "given"), "/srv/other/copy")
    assert client1.succeed("cat /srv/deep/down/copy /srv/other/copy") == "given\ngiven\n"
    client1.copy_from_machine("/srv/deep", "kept")
    client1.copy_from_vm("/srv/other/copy")
    for path in ("kept/deep/down/copy", "copy"):
        with open(os.path.join(out, path)) as file:
            assert file.read() == "given\n"

with subtest("network"):
    page = client1.succeed("curl -sSf http://server/")
    assert "hello" in page
    client1.block()
    client1.fail("curl -sSf -m 2 http://server/")
    client1.succeed("true")
    client1.unblock()
    client1.wait_until_succeeds("curl -sSf -m 5 http://server/", timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    attempt(server.forward_port, port, 80)
    if "forward_port" in worked:
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").read().decode() == page

with subtest("consoles"):
    server.serial_text = None  # a machine may carry what a script likes
    driver.serial_stdout_on()
    server.wait_for_console_text("systemd", timeout=60)
    assert "systemd" in server.get_console_log()
    driver.serial_stdout_off()
    attempt(server.send_console, "\n")
    attempt(server.get_tty_text, "1")
    attempt(server.wait_until_tty_matches, "1", ".", timeout=5)
    attempt(server.dump_tty_contents, "1")
    attempt(server.shell_interact)  # a test has no terminal; sessions are tried elsewhere
    attempt(server.console_interact)

with subtest("screens"):
    attempt(client1.send_monitor_command, "info status")
    if "send_monitor_command" in worked:
        # A text on the screen, and a line from the keyboard.
        client1.succeed(r"printf '\033[2J\033[HThe quick brown fox\n' >/dev/tty1")
        client1.succeed("(timeout 600 head -n 1 </dev/tty1 >/tmp/typed) >/dev/null 2>&1 &")
    attempt(client1.send_chars, "Typed: a_b-c")
    attempt(client1.send_key, "ret")
    if "send_key" in worked:
        client1.wait_until_succeeds("grep -x 'Typed: a_b-c' /tmp/typed", timeout=60)
    attempt(client1.screenshot, "screen")
    if "screenshot" in worked:
        with open(os.path.join(out, "screen.png"), "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    attempt(client1.wait_for_text, "quick brown", timeout=60)
    attempt(client1.get_screen_text)
    attempt(client1.get_screen_text_variants)
    if shutil.which("tesseract") is None and table["wait_for_text"] == "yes":
        assert "tesseract" in refused["wait_for_text"], refused
        worked |= {"wait_for_text", "get_screen_text", "get_screen_text_variants"}

with subtest("all machines"):
    names = driver.parallel(lambda machine: machine.succeed("cat /proc/sys/kernel/hostname").strip())
    worked.add("parallel")
    assert names == [machine.name for machine in machines], names
    assert machines[server.name] is server
    tries = []
    retry(lambda last: tries.append(last) or len(tries) > 1, timeout_seconds=5)
    assert tries == [False, False]

    @driver.polling_condition(seconds_interval=0)
    def healthy():
        "the server answers"
        return server.execute("true")[0] == 0

    with healthy:
        client1.succeed("true")
    attempt(driver.create_machine, "run-vm")
    with log.nested("a step of one's own"), client1.nested("and of a machine's"):
        log.info("said")
        log.warning("said")
    assert set(driver.test_symbols()) >= {"server", "client1", "machines", "log", "t"}
    driver.check_polling_conditions()
    driver.test_script()
    driver.run_tests()

with subtest("power"):
    client1.succeed("touch /run/boot")
    client1.crash()
    client1.wait_for_shutdown()
    assert not client1.is_up()
    client1.start()
    client1.connect()
    assert client1.is_up()
    client1.fail("test -e /run/boot")
    client1.reboot()
    client1.wait_for_connection()
    server.execute("systemctl poweroff", check_return=False)
    client1.shutdown()
    assert not client1.is_up()
    if flavour not in ("nixos-test", "nixos-test-driver"):  # where a command starts the machine, as NixOS has it
        try:
            client1.succeed("true")
            raise AssertionError("a machine that is down took a command")
        except MachineError as e:
            assert client1.name in str(e), e
    driver.join_all()

problems = []
for name, cell in sorted(table.items()):
    if cell == "yes" and name not in worked:
        problems.append(f"{name} is in the table for {flavour}, and did not work: {refused.get(name, 'not called')}")
    if cell.startswith("no:") and name not in refused:
        problems.append(f"{name} is not in the table for {flavour}, and was not refused")
for name in worked:
    if table.get(name, "yes") != "yes" and not table[name].startswith("session: "):
        problems.append(f"{name} worked on {flavour}, and the table says {table[name]!r}")
assert not problems, "\n".join(problems)
print(f"{len(worked)} methods worked, {len(refused)} were refused")
