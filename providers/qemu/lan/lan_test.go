package lan

import (
	"bytes"
	"context"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"
)

// frame is an Ethernet frame of a kind around a packet.
func frame(kind uint16, packet []byte) []byte {
	return append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(kind >> 8), byte(kind)}, packet...)
}

// tcpPacket is the beginning of a TCP packet.
func tcpPacket(from, to string, source, target uint16) []byte {
	p := make([]byte, 40)
	p[0], p[9] = 0x45, 6
	f, t := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	copy(p[12:], f[:])
	copy(p[16:], t[:])
	p[20], p[21], p[22], p[23] = byte(source>>8), byte(source), byte(target>>8), byte(target)
	return p
}

func arpPacket(from, to string) []byte {
	p := make([]byte, 28)
	f, t := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	copy(p[14:], f[:])
	copy(p[24:], t[:])
	return p
}

// TestIsManagement: a blocked machine still talks with nxc, and with nobody
// else.
func TestIsManagement(t *testing.T) {
	p := &port{gateway: netip.MustParseAddr("10.0.0.1")}
	for name, tt := range map[string]struct {
		frame []byte
		want  bool
	}{
		"nxc asks by ssh":           {frame(0x0800, tcpPacket("10.0.0.1", "10.0.0.2", 40000, 22)), true},
		"the machine answers":       {frame(0x0800, tcpPacket("10.0.0.2", "10.0.0.1", 22, 40000)), true},
		"a forwarded port":          {frame(0x0800, tcpPacket("10.0.0.1", "10.0.0.2", 40000, 80)), false},
		"ssh of another machine":    {frame(0x0800, tcpPacket("10.0.0.3", "10.0.0.2", 40000, 22)), false},
		"the world's ssh":           {frame(0x0800, tcpPacket("10.0.0.2", "192.0.2.1", 40000, 22)), false},
		"who has the gateway":       {frame(0x0806, arpPacket("10.0.0.2", "10.0.0.1")), true},
		"the gateway asks":          {frame(0x0806, arpPacket("10.0.0.1", "10.0.0.2")), true},
		"who has another machine":   {frame(0x0806, arpPacket("10.0.0.2", "10.0.0.3")), false},
		"a packet that is cut":      {frame(0x0800, tcpPacket("10.0.0.1", "10.0.0.2", 1, 22)[:20]), false},
		"an impossible header":      {frame(0x0800, make([]byte, 20)), false},
		"something else altogether": {frame(0x86dd, make([]byte, 40)), false},
	} {
		if got := p.isManagement(tt.frame); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// sink keeps when what arrived.
type sink struct {
	mu   sync.Mutex
	came []time.Duration
	from time.Time
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, time.Since(s.from))
	return len(b), nil
}

func (s *sink) arrived(t *testing.T, n int) []time.Duration {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		if len(s.came) >= n {
			defer s.mu.Unlock()
			return s.came
		}
		s.mu.Unlock()
	}
	t.Fatalf("waited for %d frames", n)
	return nil
}

func TestQueue(t *testing.T) {
	for name, tt := range map[string]struct {
		link  Link
		sent  int
		come  int
		least time.Duration // until the last one comes
	}{
		"perfect":  {Link{}, 3, 3, 0},
		"blocked":  {Link{Block: true}, 3, 0, 0},
		"all lost": {Link{Loss: 1}, 3, 0, 0},
		"delayed":  {Link{Delay: 30 * time.Millisecond}, 3, 3, 30 * time.Millisecond},
		"limited":  {Link{Rate: 100_000}, 5, 5, 40 * time.Millisecond}, // five frames of 100 bytes
		"both":     {Link{Rate: 100_000, Delay: 30 * time.Millisecond}, 5, 5, 70 * time.Millisecond},
		"too much": {Link{Rate: 400}, 3, 1, 0}, // a frame takes two seconds: the rest is lost
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &sink{from: time.Now()}
			q := newQueue(s)
			go q.run(ctx)
			for range tt.sent {
				q.put(make([]byte, 104), tt.link)
			}
			came := s.arrived(t, tt.come)
			if len(came) > 0 && came[len(came)-1] < tt.least {
				t.Errorf("all came after %s, want at least %s", came[len(came)-1], tt.least)
			}
			time.Sleep(5 * time.Millisecond)
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.came) != tt.come {
				t.Errorf("%d frames came, want %d", len(s.came), tt.come)
			}
		})
	}
}

func TestReadFrame(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes []byte
		fails bool
	}{
		"a frame":   {append([]byte{0, 0, 0, 14}, make([]byte, 14)...), false},
		"too short": {append([]byte{0, 0, 0, 13}, make([]byte, 13)...), true},
		"too long":  {[]byte{0xff, 0, 0, 0}, true},
		"cut":       {append([]byte{0, 0, 0, 14}, make([]byte, 3)...), true},
	} {
		if _, err := readFrame(bytes.NewReader(tt.bytes)); (err != nil) != tt.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFolder writes and reads what a switch goes on from.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	config := Config{ID: "x", Control: "/c", Subnet: netip.MustParsePrefix("10.0.0.0/24"), NAT: true}
	if err := Write(dir, config); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err != nil || got != config {
		t.Errorf("read %+v, %v; want %+v", got, err, config)
	}
	port := Port{
		ID: "m-0", Socket: "/s", MAC: "52:54:0a:00:00:02", Address: netip.MustParseAddr("10.0.0.2"), Names: []string{"one"},
		Forwards: []Forward{{netip.MustParseAddrPort("127.0.0.1:8080"), 80}}, Link: Link{Delay: time.Second},
	}
	if err := Plug(dir, port); err != nil {
		t.Fatal(err)
	}
	if got, err := Ports(dir); err != nil || !reflect.DeepEqual(got, []Port{port}) {
		t.Errorf("ports %+v, %v; want %+v", got, err, port)
	}
	for range 2 { // again is fine
		if err := Unplug(dir, port.ID); err != nil {
			t.Error(err)
		}
	}
	if got, err := Ports(dir); err != nil || len(got) != 0 {
		t.Errorf("ports %+v, %v; want none", got, err)
	}
}

// TestServe runs a switch without machines: it answers, obeys, and ends when
// its folder goes.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	config := Config{ID: "x", Control: t.TempDir() + "/c", Subnet: netip.MustParsePrefix("10.0.0.0/24"), NAT: true}
	if err := Write(dir, config); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Serve(dir) }()
	await(t, "the switch answers", func() bool {
		s, err := Ask(t.Context(), config.Control, false)
		return err == nil && s.ID == "x"
	})
	if err := Serve(dir); err != nil {
		t.Errorf("a second switch: %v; it should end without a word", err)
	}
	one := Port{ID: "m-0", Socket: dir + "/none", MAC: MAC(netip.MustParseAddr("10.0.0.2")), Address: netip.MustParseAddr("10.0.0.2")}
	if err := Plug(dir, one); err != nil {
		t.Fatal(err)
	}
	s, err := Ask(t.Context(), config.Control, true)
	if err != nil || len(s.Ports) != 1 || s.Ports[0].Connected {
		t.Errorf("status %+v, %v; want one port that is not connected", s, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, config.Control, netip.MustParseAddrPort("10.0.0.2:22")); err == nil {
		t.Error("dialling a machine that is not there succeeded")
	}
	if err := Stop(t.Context(), config.Control); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReloadsTogether: of two reloads at one time, the later one does not take
// away what the folder had got meanwhile.
func TestReloadsTogether(t *testing.T) {
	dir := t.TempDir()
	config := Config{ID: "x", Subnet: netip.MustParsePrefix("10.0.0.0/24")}
	if err := Write(dir, config); err != nil {
		t.Fatal(err)
	}
	n, err := newNetwork(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	n.mu.Lock() // of the other one
	reloaded := make(chan error, 1)
	go func() { reloaded <- n.reload(t.Context()) }()
	time.Sleep(20 * time.Millisecond) // in which it comes to where it waits
	a := netip.MustParseAddr("10.0.0.2")
	if err := Plug(dir, Port{ID: "m-0", Socket: dir + "/none", MAC: MAC(a), Address: a}); err != nil {
		t.Fatal(err)
	}
	n.mu.Unlock()
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
	if got := n.status().Ports; len(got) != 1 {
		t.Errorf("ports %+v, want the one that was plugged in", got)
	}
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("waited for: %s", what)
}
