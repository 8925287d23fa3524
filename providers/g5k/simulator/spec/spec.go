// Package spec checks answers against the description of the Grid'5000 API:
// the OpenAPI document that the API publishes, with the corrections that
// measuring and reading it brought (see errata).
//
// It reads the document from a file, because the document is not ours, and
// checks answers only: their status, their media type, and their body by its
// schema.
package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Spec is the corrected description.
type Spec struct {
	document map[string]any
	paths    []string // those with fewer placeholders first
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

// location is the document's name inside the compiler.
const location = "openapi.json"

// Find returns the path of the document: NXC_G5K_OPENAPI, or the file beside
// the repository that holds a folder. The error says where it was looked for.
func Find(from string) (string, error) {
	if path := os.Getenv("NXC_G5K_OPENAPI"); path != "" {
		return path, nil
	}
	dir, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is in no repository, and NXC_G5K_OPENAPI is not set", from)
		}
		dir = filepath.Dir(dir)
	}
	for _, path := range []string{
		filepath.Join(dir, "..", "shared", "g5k", "openapi.json"), // beside a checkout
		filepath.Join(dir, "..", "..", "shared", "g5k", "openapi.json"),
	} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", errors.New("the API's description is not at ../shared/g5k/openapi.json, and NXC_G5K_OPENAPI is not set")
}

// Load reads the document and corrects it.
func Load(path string) (*Spec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, e := range errata() {
		if err := e.apply(document); err != nil {
			return nil, fmt.Errorf("%s: correct %s (%s): %w", path, strings.Join(e.at, "/"), e.reason, err)
		}
	}
	s := &Spec{document: document.(map[string]any), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	s.compiler.DefaultDraft(jsonschema.Draft4) // what OpenAPI 3.0's schemas are nearest to
	s.compiler.AssertFormat()
	if err := s.compiler.AddResource(location, document); err != nil {
		return nil, err
	}
	for p := range member(s.document, "paths") {
		s.paths = append(s.paths, p)
	}
	slices.SortFunc(s.paths, func(a, b string) int {
		if d := strings.Count(a, "{") - strings.Count(b, "{"); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return s, nil
}

// Answer is what is checked.
type Answer struct {
	Method string
	Path   string // with the version, without the query
	Status int
	Header http.Header
	Body   []byte
}

// proxied are the statuses that what stands before the API, or its login, may
// give to any request.
var proxied = []int{401, 403, 429, 502, 503, 504}

// Check returns what is wrong with an answer.
func (s *Spec) Check(a Answer) error {
	if err := s.check(a); err != nil {
		return fmt.Errorf("%s %s answered %d: %w", a.Method, a.Path, a.Status, err)
	}
	return nil
}

func (s *Spec) check(a Answer) error {
	_, path, _ := strings.Cut(strings.TrimPrefix(a.Path, "/"), "/") // the version
	template, ok := s.find("/" + path)
	if !ok {
		if a.Status == http.StatusNotFound {
			return plain(a)
		}
		return errors.New("the description has no such path")
	}
	operation := member(member(member(s.document, "paths"), template), strings.ToLower(a.Method))
	if operation == nil {
		return errors.New("the description has no such method")
	}
	code := fmt.Sprint(a.Status)
	response := member(member(operation, "responses"), code)
	switch {
	case response == nil && slices.Contains(proxied, a.Status):
		return nil
	case response == nil:
		return errors.New("the description has no such status")
	case member(response, "content") == nil:
		return nil
	}
	return s.content(a, template, code, member(response, "content"))
}

// content checks the body: text for a failure, JSON of the schema otherwise.
func (s *Spec) content(a Answer, template, code string, content map[string]any) error {
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("media type: %w", err)
	}
	described, ok := content[kind]
	as := kind
	if kind == "application/json" && !ok { // what who asks for JSON gets
		for _, one := range []string{"application/vnd.grid5000.item+json", "application/vnd.grid5000.collection+json"} {
			if described, ok = content[one]; ok {
				as = one
				break
			}
		}
	}
	if !ok {
		return fmt.Errorf("the description has no media type %s here", kind)
	}
	if kind == "text/plain" {
		return plain(a)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.Body))
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if o, ok := described.(map[string]any); !ok || o["schema"] == nil {
		return nil
	}
	schema, err := s.schema("paths", template, strings.ToLower(a.Method), "responses", code, "content", as, "schema")
	if err != nil {
		return err
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("body: %w\n%s", err, indented(a.Body))
	}
	return nil
}

func plain(a Answer) error {
	if kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); kind != "text/plain" {
		return fmt.Errorf("a failure is told as text/plain, not %s", kind)
	}
	return nil
}

func indented(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil {
		return string(body)
	}
	return b.String()
}

// schema compiles what is at a place of the document.
func (s *Spec) schema(at ...string) (*jsonschema.Schema, error) {
	var pointer strings.Builder
	for _, step := range at {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(step))
	}
	if known := s.schemas[pointer.String()]; known != nil {
		return known, nil
	}
	compiled, err := s.compiler.Compile(location + "#" + pointer.String())
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	s.schemas[pointer.String()] = compiled
	return compiled, nil
}

// find returns the path of the description that a request's path is one of.
func (s *Spec) find(path string) (string, bool) {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for _, template := range s.paths {
		steps := strings.Split(strings.TrimSuffix(template, "/"), "/")
		if slices.EqualFunc(steps, parts, func(step, part string) bool { return step == part || strings.HasPrefix(step, "{") }) {
			return template, true
		}
	}
	return "", false
}

// member is an object's member that is an object, nil when there is none.
func member(o map[string]any, name string) map[string]any {
	m, _ := o[name].(map[string]any)
	return m
}
