package docker

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// network makes a network of the deployment, at addresses that its uuid draws.
func (d *deployment) network(want Network) *Network {
	d.t.Helper()
	d.must(networks{d.engine}.Create(d.t.Context(), d.op("docker_network."+want.Name), &want))
	return &want
}

// tell runs a program in a container and returns what it printed.
func (d *deployment) tell(c Container, command ...string) string {
	d.t.Helper()
	out, _, err := d.run(d.t.Context(), c.ID, command...)
	d.must(err)
	return strings.TrimSpace(out)
}

// Further networks come and go while a container runs, at the addresses and
// under the names that are asked for, in both families.
func TestConnectionsInPlace(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	image := d.busybox()
	both := d.network(Network{Name: "both", Driver: "bridge", IPv6: true})
	if !strings.HasPrefix(both.Subnet6, "fd") || both.Gateway6 == "" || both.Subnet == "" {
		t.Fatalf("a network of both families: %+v", both)
	}
	inner := d.network(Network{Name: "inner", Driver: "bridge", Internal: true})

	op := d.op("docker_container.one")
	have := d.sleeper(image)
	have.Network, have.IP6 = both.ID, strings.TrimSuffix(both.Gateway6, "1")+"77"
	have.Connections = []Connection{{Network: inner.ID, Aliases: []string{"deep"}}}
	d.must(c.Create(ctx, op, &have))
	id := have.ID
	if have.Address6 != have.IP6 || !strings.HasPrefix(have.Address, strings.Split(both.Subnet, ".0/")[0][:4]) {
		t.Errorf("addresses: %s and %s", have.Address, have.Address6)
	}
	other := d.sleeper(image)
	other.Name, other.Network, other.Connections = "other", both.ID, []Connection{{Network: inner.NetworkName}}
	d.must(c.Create(ctx, d.op("docker_container.other"), &other))
	for _, name := range []string{"deep", "sleeper"} {
		if out := d.tell(other, "ping", "-c", "1", "-W", "2", name); !strings.Contains(out, "1 packets received") {
			t.Errorf("%s is not reached: %s", name, out)
		}
	}
	if out := d.tell(other, "ping", "-6", "-c", "1", "-W", "2", have.IP6); !strings.Contains(out, "1 packets received") {
		t.Errorf("no way by IPv6: %s", out)
	}

	change := func(to ...Connection) {
		t.Helper()
		want := have
		want.Connections = to
		d.must(c.Update(ctx, op, have, &want))
		read := want
		if exists, err := c.Read(ctx, op, &read); !exists || err != nil || read.ID != id || cmp.Diff(want.Connections, read.Connections) != "" {
			t.Errorf("read: %+v, error %v, want %+v", read.Connections, err, to)
		}
		have = want
	}
	change()
	if out := d.tell(other, "ping", "-c", "1", "-W", "1", "deep"); strings.Contains(out, "1 packets received") {
		t.Error("a name of a network that was left still leads there")
	}
	change(Connection{Network: inner.ID, Aliases: []string{"again"}})
	if out := d.tell(other, "ping", "-c", "1", "-W", "2", "again"); !strings.Contains(out, "1 packets received") {
		t.Errorf("not joined again: %s", out)
	}

	// What somebody undoes by hand is seen, and a network that is replaced takes
	// the deployment's own containers off, and a stranger's not.
	_, err := d.client.NetworkDisconnect(ctx, inner.ID, client.NetworkDisconnectOptions{Container: id})
	d.must(err)
	read := have
	if _, err := c.Read(ctx, op, &read); err != nil || len(read.Connections) != 0 {
		t.Errorf("disconnected by hand: %+v, error %v", read.Connections, err)
	}
	d.must(c.Update(ctx, op, read, &have))
	stranger := newDeployment(t)
	guest := stranger.sleeper(image)
	guest.Name, guest.Connections = "guest", []Connection{{Network: inner.ID}}
	guest.Network = "bridge"
	d.must(containers{d.engine}.Create(ctx, stranger.op("docker_container.guest"), &guest))
	err = networks{d.engine}.Delete(ctx, d.op("docker_network.inner"), &Network{ID: inner.ID, Name: "inner"})
	if err == nil || !strings.Contains(err.Error(), "is not of this deployment") {
		t.Errorf("another attempt's network: %v", err)
	}
	err = networks{d.engine}.Delete(ctx, d.anyAttempt(), &Network{ID: inner.ID, Name: "inner"})
	if err == nil || !strings.Contains(err.Error(), guest.ContainerName) || strings.Contains(err.Error(), other.ContainerName) {
		t.Errorf("a network that a stranger uses: %v", err)
	}
	d.must(containers{d.engine}.Delete(ctx, stranger.anyAttempt(), &guest))
	d.must(networks{d.engine}.Delete(ctx, d.anyAttempt(), &Network{ID: inner.ID, Name: "inner"}))
}

// Wrong connections are refused with the attribute that is wrong.
func TestConnectionMistakes(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, image := containers{d.engine}, d.busybox()
	lan := d.network(Network{Name: "mistakes", Driver: "bridge"})
	for want, one := range map[string]Connection{
		"The engine does not have this network": {Network: "nowhere-" + d.uuid},
		`"here" is not an IPv4 address`:         {Network: lan.ID, IP: "here"},
		`"10.0.0.1" is not an IPv6 address`:     {Network: lan.ID, IP6: "10.0.0.1"},
	} {
		bad := d.sleeper(image)
		bad.Name, bad.Network, bad.Connections = "bad", "bridge", []Connection{one}
		op := d.op("docker_container.bad")
		if err := c.Create(t.Context(), op, &bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		d.must(c.Delete(t.Context(), op, &bad))
	}
}

// A macvlan puts containers onto a wire of the host, where they have addresses
// and a hardware address of their own.
func TestMacvlan(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	if os.Geteuid() != 0 || !d.sameHost() {
		t.Skip("needs root on the engine's host, to lay a wire")
	}
	wire := "nx" + d.uuid[:8]
	if out, err := exec.Command("ip", "link", "add", wire, "type", "veth", "peer", "name", wire+"p").CombinedOutput(); err != nil {
		t.Skipf("no wire can be laid here: %s", out)
	}
	t.Cleanup(func() { exec.Command("ip", "link", "del", wire).Run() })
	for _, end := range []string{wire, wire + "p"} {
		if out, err := exec.Command("ip", "link", "set", end, "up").CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", err, out)
		}
	}
	lan := d.network(Network{Name: "wire", Driver: "macvlan", Options: map[string]string{"parent": wire}, Subnet: "10.213.77.0/24", IPRange: "10.213.77.128/25"})
	image := d.busybox()
	var nodes []Container
	for _, name := range []string{"one", "two"} {
		n := d.sleeper(image)
		n.Name, n.Network = name, lan.ID
		d.must(containers{d.engine}.Create(t.Context(), d.op("docker_container."+name), &n))
		nodes = append(nodes, n)
		if ip := net.ParseIP(n.Address).To4(); ip == nil || ip[3] < 128 {
			t.Errorf("%s is at %q, which is not in the range", name, n.Address)
		}
	}
	if out := d.tell(nodes[0], "ping", "-c", "1", "-W", "2", "two"); !strings.Contains(out, "1 packets received") {
		t.Errorf("a node on the same wire is not reached: %s", out)
	}
	bad := Network{Name: "bad", Driver: "macvlan", Options: map[string]string{"parent": wire}, Subnet: "10.213.78.0/24"}
	op := d.op("docker_network.bad")
	err := networks{d.engine}.Create(t.Context(), op, &bad)
	if err == nil { // newer engines put several on one wire
		d.must(networks{d.engine}.Delete(t.Context(), op, &bad))
	} else if !strings.Contains(err.Error(), "that no other macvlan uses") {
		t.Errorf("a second macvlan on the wire: %v", err)
	}
	bad = Network{Name: "bad", Driver: "nothing-such", Subnet: "10.213.78.0/24"}
	err = networks{d.engine}.Create(t.Context(), d.op("docker_network.bad"), &bad)
	if err == nil || !strings.Contains(err.Error(), "no such driver of networks") {
		t.Errorf("an unknown driver: %v", err)
	}
}

// What is certain to fail is said by the plan.
func TestPlanSeesOthers(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	ctx := t.Context()
	mine := d.network(Network{Name: "mine", Driver: "bridge"})
	name := "stranger" + d.uuid[:8]
	made, err := d.client.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge"})
	d.must(err)
	t.Cleanup(func() { d.client.NetworkRemove(t.Context(), made.ID, client.NetworkRemoveOptions{}) })
	defer d.client.NetworkRemove(ctx, made.ID, client.NetworkRemoveOptions{})
	seen, err := d.client.NetworkInspect(ctx, made.ID, client.NetworkInspectOptions{})
	d.must(err)
	taken := seen.Network.IPAM.Config[0].Subnet.String()

	plan := func(op sdk.Operation, subnet string) error {
		return networks{d.engine}.Plan(ctx, op, nil, &sdk.Planned[Network]{Value: Network{Name: "new", Driver: "bridge", Subnet: subnet}})
	}
	if err := plan(d.op("x"), taken); err == nil || !strings.Contains(err.Error(), "overlaps network "+name) || !strings.Contains(err.Error(), "not nxc's") {
		t.Errorf("a stranger's subnet: %v", err)
	}
	if err := plan(d.op("x"), mine.Subnet); err != nil {
		t.Errorf("the deployment's own, which the apply replaces: %v", err)
	}
	var warning plugins.Diagnostics
	if err := plan(newDeployment(t).op("x"), mine.Subnet); !errors.As(err, &warning) || warning.HasErrors() || !strings.Contains(warning[0].Summary, "is in use now") {
		t.Errorf("another deployment's: %v", warning)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	d.must(err)
	defer l.Close()
	port := Port{Container: 80, Host: int64(l.Addr().(*net.TCPAddr).Port), Address: "0.0.0.0", Protocol: "tcp"}
	publish := func(p Port) error {
		return containers{d.engine}.Plan(ctx, d.op("c"), nil, &sdk.Planned[Container]{Value: Container{Name: "c", Image: "i", Ports: []Port{p}}})
	}
	if d.sameHost() {
		if err := publish(port); err == nil || !strings.Contains(err.Error(), "The program ") {
			t.Errorf("a port that this test has: %v", err)
		}
	}
	port.Address = "127.0.0.2"
	if err := publish(port); err != nil {
		t.Errorf("the port of another address: %v", err)
	}
}
