package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/state"
)

// SSHAccess is what programs other than nxc need to reach a deployment's nodes
// by ssh. Its files lie beside the deployment's key and go when it goes.
type SSHAccess struct {
	Deployment addr.Deployment
	Identity   string // file of the deployment's private key
	KnownHosts string // file of the nodes' host keys, by their aliases
	Config     string // where a client's configuration belongs
	Nodes      []state.Node
}

// Alias is a name of a node that no other deployment's node has.
func (a *SSHAccess) Alias(node string) string {
	return node + "." + a.Deployment.Composition + "." + a.Deployment.Flavour
}

// SSHAccess gathers what ssh needs to know of the only deployment that runs,
// or of the selected one, and writes its known_hosts file.
func (p *Project) SSHAccess() (*SSHAccess, hcl.Diagnostics) {
	deployment, _, diags := p.targetOf("")
	if diags.HasErrors() {
		return nil, diags
	}
	if _, diags := p.checkOwner(); diags.HasErrors() {
		return nil, diags
	}
	record := p.recorded.Deployment(deployment)
	folder := p.keyFolder(record.UUID)
	a := &SSHAccess{
		Deployment: deployment, Nodes: record.Nodes,
		Identity:   filepath.Join(folder, "id_ed25519"),
		KnownHosts: filepath.Join(folder, "known_hosts"),
		Config:     filepath.Join(folder, "ssh_config"),
	}
	if _, err := os.Stat(a.Identity); err != nil {
		return nil, hcl.Diagnostics{errorf("The deployment's key is not there",
			"%v. nxc made it with the deployment, on the machine that applied it: bring the folder back, or run nxc apply.", err)}
	}
	var lines strings.Builder
	for _, n := range a.Nodes {
		key, err := publicHostKey(folder, n.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "The host key of " + n.Name + " is not known",
				Detail: "nxc made none for it, so ssh will refuse to connect.",
			})
		case err != nil:
			return nil, hcl.Diagnostics{errorf("A host key cannot be read", "%v.", err)}
		default:
			lines.WriteString(a.Alias(n.Name) + " " + key)
		}
	}
	if err := atomicfile.Write(a.KnownHosts, []byte(lines.String()), 0o600); err != nil {
		return nil, hcl.Diagnostics{errorf("The nodes' host keys cannot be written", "%v.", err)}
	}
	return a, diags
}

// publicHostKey returns the public half of a node's host key, as a line.
func publicHostKey(folder, node string) (string, error) {
	file := hostKeyFile(folder, node)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return "", fmt.Errorf("read key %s: %w", file, err)
	}
	return string(ssh.MarshalAuthorizedKey(signer.PublicKey())), nil
}
