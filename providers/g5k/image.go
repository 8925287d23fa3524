package g5k

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Image is an image of a system in the user's public folder at a site, and its
// description for Kadeploy beside it.
type Image struct {
	Site        string      `nxc:"site,required,replace" doc:"Site in whose public folder it lies."`
	File        string      `nxc:"file,required" doc:"The image on this machine: a tar archive, compressed."`
	Environment Environment `nxc:"environment,block,replace" doc:"How Kadeploy installs it. Without this block it is installed as an ext4 file system with /boot/bzImage and /boot/initrd."`
	SHA256      string      `nxc:"sha256,computed" doc:"What the file holds: its name in the folder. Another one makes another image."`
	Size        int64       `nxc:"size,computed" doc:"Size of the file, in bytes."`
	Path        string      `nxc:"path,computed" doc:"Where it lies, below the home at the site."`
	URL         string      `nxc:"url,computed" doc:"Where nodes find it."`

	EnvironmentURL string `nxc:"environment_url,computed" doc:"Where Kadeploy finds the description: the environment of a g5k_deployment."`
	Marker         string `nxc:"marker,computed" doc:"File that keeps the image in use, below the home at the site."`
}

// Environment is how Kadeploy installs an image.
type Environment struct {
	Name          string        `nxc:"name,optional" doc:"Name, for people; by default that of the file."`
	Kernel        string        `nxc:"kernel,optional,default=/boot/bzImage" doc:"Kernel, in the image."`
	Initrd        string        `nxc:"initrd,optional,default=/boot/initrd" doc:"Initrd, in the image."`
	KernelParams  string        `nxc:"kernel_params,optional" doc:"Parameters of the kernel."`
	Filesystem    string        `nxc:"filesystem,optional,default=ext4" doc:"File system that it is unpacked into."`
	PartitionType int64         `nxc:"partition_type,optional,default=131" doc:"Type of the partition."`
	Arch          string        `nxc:"arch,optional,default=x86_64" doc:"Architecture."`
	Postinstalls  []Postinstall `nxc:"postinstall,block" doc:"What is done once it is unpacked, before the machine boots it."`
}

// Postinstall is an archive with a script.
type Postinstall struct {
	Archive     string `nxc:"archive,required" doc:"Address of the archive: http://, or server:// for one of Kadeploy's."`
	Compression string `nxc:"compression,optional,default=gzip" doc:"Its compression."`
	Script      string `nxc:"script,required" doc:"Script in it, with arguments."`
}

// images handles g5k_image. The folder holds each image once, whoever uses it,
// under a name that its content decides. Who uses it leaves a marker beside it;
// the last one to go takes the image along.
type images struct{ *testbed }

var (
	_ sdk.Handler[Image] = images{}
	_ sdk.Updater[Image] = images{}
	_ sdk.Planner[Image] = images{}
)

// folder is the place below the home that nxc uses.
const folder = "public/nxc"

// marker is what a marker file says.
type marker struct {
	UUID    string
	Address string
	Attempt string
	Done    bool
	Image   Image
}

// Create uploads the image unless it is there, and describes it.
func (i images) Create(ctx context.Context, op sdk.Operation, want *Image) error {
	if err := i.identify(ctx, op, want); err != nil {
		return err
	}
	home, err := i.home(ctx, op, want.Site)
	if err != nil {
		return err
	}
	defer home.Close()
	if err := i.remember(want.Site); err != nil {
		return fmt.Errorf("remember that there is an image at %s: %w", want.Site, err)
	}
	want.place(i.client.User())
	mark := path.Join(want.users(), markerName(op))
	if err := home.MkdirAll(want.users()); err != nil {
		return fmt.Errorf("make %s at %s: %w", want.users(), want.Site, err)
	}
	m := marker{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Image: *want}
	m.Image.Marker = mark
	if err := writeMarker(home, mark, m); err != nil {
		return err
	}
	want.Marker = mark
	// Somebody who went at this moment may have taken the image along.
	for tries := 0; tries == 0 || tries < 3 && !i.whole(home, want); tries++ {
		if err := i.fill(ctx, op, home, want); err != nil {
			return err
		}
	}
	m.Done = true
	return writeMarker(home, mark, m)
}

// markerName says who uses the image, and since which attempt. A marker that
// was cut short while it was written has no more than its name; addresses that
// no name of a file can hold are left out of it.
func markerName(op sdk.Operation) string {
	name := head(op.UUID, 32) + "-" + op.Attempt
	address := base64.RawURLEncoding.EncodeToString([]byte(op.Address))
	if len(name)+1+len(address)+len(unfinishedFile) > longestFileName {
		return name
	}
	return name + "-" + address
}

// markerNamed reads what the name of a marker says after the deployment.
func markerNamed(rest string) marker {
	attempt, text, _ := strings.Cut(rest, "-")
	address, _ := base64.RawURLEncoding.DecodeString(text)
	return marker{Attempt: attempt, Address: string(address)}
}

// longestFileName is NAME_MAX of Linux's file systems, in bytes.
const longestFileName = 255

// whole reports whether the image and its description lie where they should.
func (i images) whole(home home, want *Image) bool {
	size, err := home.Size(want.Path)
	if err != nil || size != want.Size {
		return false
	}
	_, err = home.Size(want.descriptionPath())
	return err == nil
}

func writeMarker(home home, name string, m marker) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return home.Write(name, text)
}

// fill puts the image and its description into the folder.
func (i images) fill(ctx context.Context, op sdk.Operation, home home, want *Image) error {
	there, err := home.Size(want.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s at %s: %w", want.Path, want.Site, err)
	}
	if err != nil || there != want.Size {
		if err := upload(ctx, op, home, i.nixStore().Place(want.File), want.Path, op.Attempt); err != nil {
			return err
		}
	}
	description, err := want.describe()
	if err != nil {
		return err
	}
	if err := home.Write(want.descriptionPath(), description); err != nil {
		return fmt.Errorf("write the description to %s at %s: %w", want.descriptionPath(), want.Site, err)
	}
	return nil
}

// base is what all files of the image begin with.
func (w *Image) base() string { return path.Join(folder, head(w.SHA256, 32)) }

// users is the folder of the markers.
func (w *Image) users() string { return w.base() + ".users" }

// place names what the content decides.
func (w *Image) place(user string) {
	w.Path = w.base() + extension(w.File)
	w.URL = publicURL(w.Site, user, w.Path) // which the description holds
	w.EnvironmentURL = publicURL(w.Site, user, w.descriptionPath())
}

// publicURL is where a file of the public folder is served.
func publicURL(site, user, name string) string {
	return fmt.Sprintf("http://public.%s.grid5000.fr/~%s/%s", site, user, strings.TrimPrefix(name, "public/"))
}

// Read looks whether the image, its description and our marker are there.
func (i images) Read(ctx context.Context, op sdk.Operation, have *Image) (bool, error) {
	if have.Marker == "" {
		return false, nil
	}
	home, err := i.home(ctx, op, have.Site)
	if err != nil {
		return false, err
	}
	defer home.Close()
	for _, file := range []struct{ name, gone string }{
		{have.Marker, "it was removed"}, {have.Path, "its file was removed"}, {have.descriptionPath(), "its description was removed"},
	} {
		size, err := home.Size(file.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return false, sdk.Gone(file.gone)
		case err != nil:
			return false, fmt.Errorf("look for %s at %s: %w", file.name, have.Site, err)
		case file.name == have.Path && size != have.Size:
			return false, sdk.Gone("its file is not whole")
		}
	}
	return true, nil
}

// Update takes another file with the same content.
func (i images) Update(ctx context.Context, op sdk.Operation, have Image, want *Image) error {
	if err := i.identify(ctx, op, want); err != nil {
		return err
	}
	if want.SHA256 != have.SHA256 {
		return sdk.AttributeError("file", "The file holds something else than when it was planned", "Run nxc apply again.")
	}
	return nil
}

// Delete takes our marker away, and the image when nobody else uses it.
func (i images) Delete(ctx context.Context, op sdk.Operation, have *Image) error {
	if have.Marker == "" {
		return nil
	}
	home, err := i.home(ctx, op, have.Site)
	if err != nil {
		return err
	}
	defer home.Close()
	op.Phase("removing the image")
	names, err := home.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s at %s: %w", folder, have.Site, err)
	}
	// What an upload that was cut short left carries its attempt.
	for _, name := range names {
		if strings.HasSuffix(name, ".part-"+op.Attempt) && op.Attempt != "" {
			if err := gone(home.Remove(path.Join(folder, name))); err != nil {
				return err
			}
		}
	}
	// The marker goes last: as long as it is there, a removal that was cut short
	// is found and done again.
	marks, err := home.List(have.users())
	if gone(err) != nil {
		return fmt.Errorf("list %s at %s: %w", have.users(), have.Site, err)
	}
	ours := path.Base(have.Marker)
	if !slices.ContainsFunc(marks, func(m string) bool { return strings.TrimSuffix(m, unfinishedFile) != ours }) {
		for _, name := range names {
			file := path.Join(folder, name)
			if !strings.HasPrefix(file, have.base()) || file == have.users() {
				continue
			}
			if err := gone(home.Remove(file)); err != nil {
				return fmt.Errorf("remove %s at %s: %w", file, have.Site, err)
			}
		}
	}
	for _, name := range []string{have.Marker + unfinishedFile, have.Marker} {
		if err := gone(home.Remove(name)); err != nil {
			return fmt.Errorf("remove %s at %s: %w", name, have.Site, err)
		}
	}
	_ = home.Rmdir(have.users()) // which others may use
	_ = home.Rmdir(folder)
	return nil
}

// gone forgives what is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Find lists the deployment's images by their markers, at the sites that it
// uses.
func (i images) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Image], error) {
	var found []sdk.Found[Image]
	for _, site := range i.usedSites() {
		list, err := i.findAt(ctx, op, site)
		if err != nil {
			return nil, err
		}
		found = append(found, list...)
	}
	return found, nil
}

func (i images) findAt(ctx context.Context, op sdk.Operation, site string) ([]sdk.Found[Image], error) {
	home, err := i.home(ctx, op, site)
	if err != nil {
		return nil, err
	}
	defer home.Close()
	names, err := home.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s at %s: %w", folder, site, err)
	}
	var found []sdk.Found[Image]
	for _, name := range names {
		if !strings.HasSuffix(name, ".users") {
			continue
		}
		marks, err := home.List(path.Join(folder, name))
		if gone(err) != nil {
			return nil, err
		}
		for n := range marks { // one that was cut short while it was written counts as well
			marks[n] = strings.TrimSuffix(marks[n], unfinishedFile)
		}
		for _, mark := range slices.Compact(marks) {
			rest, ours := strings.CutPrefix(mark, head(op.UUID, 32)+"-")
			if !ours {
				continue
			}
			text, err := home.Read(path.Join(folder, name, mark))
			var m marker
			if err == nil {
				err = json.Unmarshal(text, &m)
			}
			if err != nil {
				// It was cut short while it was written: the name says enough.
				m = markerNamed(rest)
				m.Image = Image{Site: site, SHA256: strings.TrimSuffix(name, ".users")}
			}
			m.Image.Marker = path.Join(folder, name, mark)
			found = append(found, sdk.Found[Image]{Address: m.Address, Attempt: m.Attempt, Complete: m.Done, Object: m.Image})
		}
	}
	slices.SortFunc(found, func(a, b sdk.Found[Image]) int { return strings.Compare(a.Attempt, b.Attempt) })
	return found, nil
}
