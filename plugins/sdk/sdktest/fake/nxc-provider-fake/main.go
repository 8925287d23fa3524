// nxc-provider-fake is the fake provider as a third party's plugin would be
// installed, to try nxc with.
package main

import (
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
)

func main() { sdk.Serve(fake.Provider()) }
