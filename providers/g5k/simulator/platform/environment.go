package platform

import "fmt"

// Standard is the environment that nodes have when nothing was deployed.
const Standard = "debian11-x64-std"

// Environment is what kadeploy deploys.
type Environment struct {
	Name, Alias, Arch, Description, User string
	Version                              int
}

// Environments are those that everybody may use.
func Environments() []Environment {
	var all []Environment
	for _, e := range []struct{ distribution, alias, description string }{
		{"debian11", "debian11-x64", "debian 11 (bullseye)"}, {"debian12", "debian12-x64", "debian 12 (bookworm)"},
	} {
		for _, variant := range []string{"min", "base", "nfs", "big", "std"} {
			all = append(all, Environment{
				Name: e.distribution + "-" + variant, Alias: e.alias + "-" + variant, Arch: "x86_64",
				Description: e.description + " for x64 - " + variant, User: "deploy", Version: 2025061012,
			})
		}
	}
	return all
}

// UID names one version of an environment of one user.
func (e Environment) UID() string {
	return fmt.Sprintf("%s_%s_%d_%s", e.Name, e.Arch, e.Version, e.User)
}

// Describe tells the environment as the API does.
func (e Environment) Describe() Object {
	return Object{
		"uid": e.UID(), "name": e.Name, "alias": e.Alias, "arch": e.Arch, "version": e.Version, "description": e.Description,
		"author": "support-staff@lists.grid5000.fr", "visibility": "public", "destructive": false, "os": "linux",
		"image": Object{"file": fmt.Sprintf("server:///grid5000/images/%s-%d.tar.zst", e.Alias, e.Version), "kind": "tar", "compression": "zstd"},
		"postinstalls": []any{Object{
			"archive": "server:///grid5000/postinstalls/g5k-postinstall.tgz", "compression": "gzip", "script": "g5k-postinstall --net debian",
		}},
		"boot":       Object{"kernel": "/vmlinuz", "initrd": "/initrd.img", "kernel_params": ""},
		"filesystem": "ext4", "partition_type": 131, "multipart": false, "user": e.User,
	}
}
