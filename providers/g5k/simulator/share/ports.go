package share

import (
	"bufio"
	"net"
)

// PortOfPorts is where clients ask on which port a service is.
const PortOfPorts = 111

// The protocol of ports, as RFC 1833 has it.
const ports, portsVersion, getPort = 100000, 2, 3

// ServePorts tells clients that everything is on one port, until the listener
// is closed.
func (s *Server) ServePorts(l net.Listener) error {
	for w := (&watched{l, s}); ; {
		c, err := w.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			for in := bufio.NewReader(c); ; {
				question, err := readCall(in)
				if err != nil {
					return
				}
				if _, err := c.Write(encode(question, answerPorts(question))); err != nil {
					return
				}
			}
		}()
	}
}

func answerPorts(c call) []uint32 {
	switch {
	case c.program() != ports:
		return []uint32{programUnknown}
	case c.version() != portsVersion:
		return []uint32{versionUnknown, portsVersion, portsVersion}
	case c.procedure() == getPort:
		return []uint32{0, Port}
	}
	return []uint32{0} // that it is there
}
