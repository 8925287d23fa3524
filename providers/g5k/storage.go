package g5k

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// StorageAccess lets an address mount a person's home.
type StorageAccess struct {
	Site    string `nxc:"site,required,replace" doc:"Site whose home is mounted."`
	Address string `nxc:"address,required,replace,exclusive" doc:"IPv4 address or subnet that may mount it, such as one of a KaVLAN network's."`
	Job     int64  `nxc:"job,required,replace" doc:"Number of the job with which it ends: g5k_job.X.uid."`
	JobSite string `nxc:"job_site,optional,computed,replace" doc:"Site of the job; by default the same."`
	UID     string `nxc:"uid,computed" doc:"Identifier of the access."`
}

// storageAccesses handles g5k_storage_access. An access ends with its job; one
// that an attempt left which was cut short is taken over.
type storageAccesses struct{ *testbed }

var (
	_ sdk.Handler[StorageAccess]   = storageAccesses{}
	_ sdk.Planner[StorageAccess]   = storageAccesses{}
	_ sdk.Validator[StorageAccess] = storageAccesses{}
)

func (a *StorageAccess) termination() api.Termination {
	return api.Termination{Job: a.Job, Site: a.JobSite}
}

// Create grants the access.
func (s storageAccesses) Create(ctx context.Context, op sdk.Operation, want *StorageAccess) error {
	if want.JobSite == "" {
		want.JobSite = want.Site
	}
	if _, err := s.runningJob(ctx, op, want.JobSite, want.Job); err != nil {
		return err
	}
	seen, err := s.seek(ctx, want)
	if err != nil {
		return err
	}
	if seen != nil {
		want.UID = seen.UID
		return nil
	}
	op.Phase("granting access to the home")
	through, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	defer cancel()
	made, err := s.client.Waiting(op.Phase).GrantAccess(through, want.Site, api.Access{Address: want.Address, Termination: want.termination()})
	if message, ok := api.Refusal(err); ok && !api.Is(err, http.StatusUnauthorized) {
		return sdk.AttributeError("address", "The storage refuses the access", fmt.Sprintf("It says: %s.", strings.TrimSuffix(message, ".")))
	}
	if err != nil {
		return explain(err, "grant access to the home at "+want.Site)
	}
	want.UID = made.UID
	return nil
}

// seek finds the access by what it is.
func (s storageAccesses) seek(ctx context.Context, have *StorageAccess) (*api.Access, error) {
	list, err := s.client.Accesses(ctx, have.Site)
	if err != nil {
		return nil, explain(err, "list who may mount the home at "+have.Site)
	}
	for i := range list {
		if have.UID != "" && list[i].UID == have.UID || have.UID == "" && list[i].Address == have.Address && list[i].Termination == have.termination() {
			return &list[i], nil
		}
	}
	return nil, nil
}

// Read looks whether it is still granted.
func (s storageAccesses) Read(ctx context.Context, _ sdk.Operation, have *StorageAccess) (bool, error) {
	seen, err := s.seek(ctx, have)
	if err != nil || seen != nil {
		return seen != nil, err
	}
	reason, err := s.goneWith(ctx, have.JobSite, have.Job)
	if err == nil && reason != "" {
		return false, sdk.Gone(reason)
	}
	return false, err
}

// Delete revokes it.
func (s storageAccesses) Delete(ctx context.Context, op sdk.Operation, have *StorageAccess) error {
	seen, err := s.seek(ctx, have)
	if err != nil || seen == nil {
		return err
	}
	op.Phase("revoking access to the home")
	if err := s.client.Waiting(op.Phase).RevokeAccess(ctx, have.Site, seen.UID); err != nil {
		return explain(err, "revoke access to the home at "+have.Site)
	}
	return nil
}

// Find finds nothing: an access carries no mark, and ends with its job.
func (s storageAccesses) Find(context.Context, sdk.Operation) ([]sdk.Found[StorageAccess], error) {
	return nil, nil
}

// Plan says early where the job is.
func (s storageAccesses) Plan(_ context.Context, _ sdk.Operation, _ *StorageAccess, p *sdk.Planned[StorageAccess]) error {
	if p.Value.JobSite == "" && !p.Unknown("site") {
		p.Value.JobSite = p.Value.Site
		p.SetKnown("job_site")
	}
	return nil
}

// Validate checks the address.
func (s storageAccesses) Validate(_ context.Context, config StorageAccess) plugins.Diagnostics {
	if config.Address == "" {
		return nil
	}
	if a, err := netip.ParseAddr(config.Address); err == nil && a.Is4() {
		return nil
	}
	if p, err := netip.ParsePrefix(config.Address); err == nil && p.Addr().Is4() {
		return nil
	}
	var d plugins.Diagnostics
	errors.As(sdk.AttributeError("address", fmt.Sprintf("%q is not an IPv4 address", config.Address), "Write it as 10.4.1.1, or 10.4.0.0/18."), &d)
	return d
}
