package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/internal/marks"
)

// TestFunctions calls every function of the language.
func TestFunctions(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"page.txt": "hello\n", "page.tmpl": "%{ for n in names }${upper(n)} %{ endfor }", "outer.include": `(${templatefile("page.tmpl", { names = ["a", "b"] })})`} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := functions(dir)
	called := map[string]bool{}
	for expr, want := range map[string]string{
		`abs(-2)`:                                     `2`,
		`ceil(1.2)`:                                   `2`,
		`floor(-1.2)`:                                 `-2`,
		`log(8, 2)`:                                   `3`,
		`max(1, 3, 2)`:                                `3`,
		`min(3, 1, 2)`:                                `1`,
		`parseint("ff", 16)`:                          `255`,
		`pow(2, 10)`:                                  `1024`,
		`signum(-7)`:                                  `-1`,
		`sum([1, "2", 3.5])`:                          `6.5`,
		`sum([])`:                                     `0`,
		`chomp("a\n")`:                                `"a"`,
		`endswith("client1", "1")`:                    `true`,
		`format("%s-%03d", "n", 7)`:                   `"n-007"`,
		`formatlist("%s!", ["a", "b"])`:               `["a!","b!"]`,
		`indent(2, "a\nb")`:                           `"a\n  b"`,
		`join(",", ["a", "b"])`:                       `"a,b"`,
		`lower("ABC")`:                                `"abc"`,
		`regex("[0-9]+", "a12b")`:                     `"12"`,
		`regexall("[0-9]", "a12b")`:                   `["1","2"]`,
		`replace("a.b.c", ".", "-")`:                  `"a-b-c"`,
		`replace("a1b22", "/[0-9]+/", "#")`:           `"a#b#"`,
		`split(",", "a,b")`:                           `["a","b"]`,
		`startswith("client1", "cl")`:                 `true`,
		`strcontains("client1", "ent")`:               `true`,
		`strrev("abc")`:                               `"cba"`,
		`substr("hello", 1, 3)`:                       `"ell"`,
		`title("hello world")`:                        `"Hello World"`,
		`trim("--a--", "-")`:                          `"a"`,
		`trimprefix("abc", "a")`:                      `"bc"`,
		`trimspace(" a ")`:                            `"a"`,
		`trimsuffix("abc", "c")`:                      `"ab"`,
		`upper("abc")`:                                `"ABC"`,
		`alltrue([true, "true"])`:                     `true`,
		`alltrue([])`:                                 `true`,
		`anytrue([false, true])`:                      `true`,
		`anytrue([])`:                                 `false`,
		`chunklist([1, 2, 3], 2)`:                     `[[1,2],[3]]`,
		`coalesce(null, "a")`:                         `"a"`,
		`coalescelist([], [1])`:                       `[1]`,
		`compact(["a", "", "b"])`:                     `["a","b"]`,
		`concat([1], ["a"])`:                          `[1,"a"]`,
		`contains(["a", "b"], "b")`:                   `true`,
		`distinct([1, 1, 2])`:                         `[1,2]`,
		`element(["a", "b"], 3)`:                      `"b"`,
		`flatten([[1], [2, [3]]])`:                    `[1,2,3]`,
		`index(["a", "b"], "b")`:                      `1`,
		`keys({ b = 1, a = 2 })`:                      `["a","b"]`,
		`length([1, 2])`:                              `2`,
		`length("héé")`:                               `3`,
		`length({ a = 1 })`:                           `1`,
		`lookup({ a = 1 }, "a", 0)`:                   `1`,
		`lookup({ a = 1 }, "b", 0)`:                   `0`,
		`lookup(tomap({ a = 1 }), "b", "2")`:          `2`,
		`merge({ a = 1 }, { b = 2 })`:                 `{"a":1,"b":2}`,
		`one([])`:                                     `null`,
		`one(toset(["a"]))`:                           `"a"`,
		`range(3)`:                                    `[0,1,2]`,
		`range(3, 0)`:                                 `[3,2,1]`,
		`range(1, 8, 3)`:                              `[1,4,7]`,
		`range(2, 2)`:                                 `[]`,
		`length(range(10000))`:                        `10000`,
		`reverse([1, 2])`:                             `[2,1]`,
		`setintersection(["a", "b"], ["b"])`:          `["b"]`,
		`setproduct(["a"], [1, 2])`:                   `[["a",1],["a",2]]`,
		`setsubtract(["a", "b"], ["b"])`:              `["a"]`,
		`setunion(["a"], ["b"])`:                      `["a","b"]`,
		`slice([1, 2, 3], 1, 3)`:                      `[2,3]`,
		`sort(["b", "a"])`:                            `["a","b"]`,
		`values({ b = 1, a = 2 })`:                    `[2,1]`,
		`zipmap(["a"], [1])`:                          `{"a":1}`,
		`can(tonumber("x"))`:                          `false`,
		`issensitive(sensitive("x"))`:                 `true`,
		`issensitive(nonsensitive([sensitive("x")]))`: `false`,
		`tobool("true")`:                              `true`,
		`tolist(["a", 1])`:                            `["a","1"]`,
		`tomap({ a = 1, b = "x" })`:                   `{"a":"1","b":"x"}`,
		`tonumber("1.5")`:                             `1.5`,
		`toset(["b", "a", "b"])`:                      `["a","b"]`,
		`tostring(5)`:                                 `"5"`,
		`try(tonumber("x"), 7)`:                       `7`,
		`base64decode("aGk=")`:                        `"hi"`,
		`filebase64sha256("page.txt")`:                `"WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="`,
		`length(filebase64sha512("page.txt"))`:        `88`,
		`matchkeys(["i1", "i2", "i3"], ["a", "b", "a"], ["a", "c"])`: `["i1","i3"]`,
		`matchkeys(["i1"], ["a"], [])`:                               `[]`,
		`transpose({ a = ["1", "2"], b = ["2"] })`:                   `{"1":["a"],"2":["a","b"]}`,
		`transpose({})`:                                                                      `{}`,
		`textencodebase64("Hé", "UTF-16LE")`:                                                 `"SADpAA=="`,
		`textdecodebase64("SADpAA==", "UTF-16LE")`:                                           `"Hé"`,
		`textencodebase64("é", "utf-8")`:                                                     `"w6k="`,
		`uuidv5("dns", "www.example.com")`:                                                   `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`,
		`uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")`:                  `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`,
		`timecmp("2024-01-02T00:00:00Z", "2024-01-02T01:00:00+01:00")`:                       `0`,
		`timecmp("2024-01-02T00:00:00Z", "2024-01-02T01:00:00Z")`:                            `-1`,
		`templatestring("%%{ for n in names }$${upper(n)} %%{ endfor }", { names = ["a"] })`: `"A "`,
		`templatefile("outer.include", { name = "x" })`:                                      `"(A B )"`,
		`base64encode("hi")`:                                                                 `"aGk="`,
		`length(base64gzip("hi")) > 0`:                                                       `true`,
		`csvdecode("a,b\n1,2")`:                                                              `[{"a":"1","b":"2"}]`,
		`jsondecode("{\"a\": [1]}")`:                                                         `{"a":[1]}`,
		`jsonencode({ a = [1, null] })`:                                                      `"{\"a\":[1,null]}"`,
		`urlencode("a b&c")`:                                                                 `"a+b%26c"`,
		`yamldecode("a: [1, x]")`:                                                            `{"a":[1,"x"]}`,
		`yamlencode({ a = 1 })`:                                                              `"\"a\": 1\n"`,
		`base64sha256("")`:                                                                   `"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`,
		`length(base64sha512(""))`:                                                           `88`,
		`md5("")`:                                                                            `"d41d8cd98f00b204e9800998ecf8427e"`,
		`sha1("")`:                                                                           `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`,
		`length(sha256(""))`:                                                                 `64`,
		`length(sha512(""))`:                                                                 `128`,
		`formatdate("YYYY", "2024-01-02T00:00:00Z")`:                                         `"2024"`,
		`timeadd("2024-01-02T00:00:00Z", "1h")`:                                              `"2024-01-02T01:00:00Z"`,
		`cidrhost("10.1.2.3/16", 258)`:                                                       `"10.1.1.2"`,
		`cidrhost("10.0.0.0/24", -2)`:                                                        `"10.0.0.254"`,
		`cidrhost("fd00::/64", 4096)`:                                                        `"fd00::1000"`,
		`cidrnetmask("10.0.0.0/20")`:                                                         `"255.255.240.0"`,
		`cidrsubnet("10.0.0.0/8", 8, 5)`:                                                     `"10.5.0.0/16"`,
		`cidrsubnet("fd00::/48", 16, 65535)`:                                                 `"fd00:0:0:ffff::/64"`,
		`cidrsubnets("10.0.0.0/16", 8, 4, 8)`:                                                `["10.0.0.0/24","10.0.16.0/20","10.0.32.0/24"]`,
		`basename("a/b.nix")`:                                                                `"b.nix"`,
		`dirname("a/b.nix")`:                                                                 `"a"`,
		`file("page.txt")`:                                                                   `"hello\n"`,
		`file("./page.txt")`:                                                                 `"hello\n"`,
		`filebase64("page.txt")`:                                                             `"aGVsbG8K"`,
		`[fileexists("page.txt"), fileexists("no")]`:                                         `[true,false]`,
		`fileset(".", "*.t*")`:                                                               `["page.tmpl","page.txt"]`,
		`filemd5("page.txt")`:                                                                `"b1946ac92492d2347c6235b4d2611184"`,
		`length(filesha1("page.txt"))`:                                                       `40`,
		`length(filesha256("page.txt"))`:                                                     `64`,
		`length(filesha512("page.txt"))`:                                                     `128`,
		`templatefile("page.tmpl", { names = ["a", "b"] })`:                                  `"A B "`,
	} {
		e, diags := hclsyntax.ParseExpression([]byte(expr), "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(expr, diags)
		}
		for name := range all {
			if strings.Contains(expr, name+"(") {
				called[name] = true
			}
		}
		v, diags := e.Value(&hcl.EvalContext{Functions: all})
		if diags.HasErrors() {
			t.Errorf("%s: %v", expr, diags)
			continue
		}
		b, err := ctyjson.Marshal(v, v.Type())
		if err != nil || string(b) != want {
			t.Errorf("%s: got %s, error %v, want %s", expr, b, err, want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if _, err := all[name].Call([]cty.Value{}); !called[name] && (err == nil || !strings.Contains(err.Error(), "nxc does not have it")) {
			t.Errorf("%s is not called by this test", name)
		}
	}
}

func TestFunctionsRefuse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/itself.tmpl", []byte(`${templatefile("itself.tmpl", {})}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]string{
		`range(0, 5, -1)`:                            "never reach the end",
		`range(0, 5, 0)`:                             "never reach the end",
		`range()`:                                    "range takes an end",
		`one([1, 2])`:                                "it has 2 elements",
		`sum(["x"])`:                                 "list of numbers",
		`index(["a"], "b")`:                          "does not have the value",
		`lookup("x", "y")`:                           "must be a map or an object",
		`length(5)`:                                  "must be a collection",
		`base64decode("//8=")`:                       "no UTF-8 text",
		`file(".")`:                                  "is a folder",
		`cidrnetmask("fd00::/64")`:                   "only networks of IPv4",
		`cidrhost("10.0.0.0/30", 4)`:                 "has 4 addresses",
		`cidrhost("10.0.0.0/30", 1.5)`:               "whole number",
		`cidrsubnet("10.0.0.0/30", 4, 0)`:            "cannot be divided",
		`cidrsubnets("10.0.0.0/30", 1, 1, 1)`:        "has no room",
		`tonumber(sensitive("secretword"))`:          "the sensitive value cannot become a number",
		`templatefile("no", {})`:                     "there is no file",
		`templatefile("itself.tmpl", {})`:            "more than 10 deep",
		`templatestring("$${there}", { other = 1 })`: "wants \"there\"",
		`matchkeys(["a"], [], [])`:                   "0 keys for 1 values",
		`textencodebase64("é", "US-ASCII")`:          "does not have",
		`textencodebase64("é", "nonsense")`:          "no character encoding",
		`uuidv5("nowhere", "a")`:                     "a namespace is",
		`timecmp("today", "2024-01-02T00:00:00Z")`:   "must be a time",
		`rsadecrypt("a", "b")`:                       "nxc does not have it",
		`abspath(".")`:                               "nxc does not have it",
	} {
		e, diags := hclsyntax.ParseExpression([]byte(expr), "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(expr, diags)
		}
		_, diags = e.Value(&hcl.EvalContext{Functions: functions(dir)})
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) || strings.Contains(diags.Error(), "secretword") {
			t.Errorf("%s: got %v, want %q in it", expr, diags, want)
		}
	}
}

func TestFunctionsKeepUnknownAndSensitive(t *testing.T) {
	ctx := &hcl.EvalContext{Functions: functions(t.TempDir()), Variables: map[string]cty.Value{
		"unknown": cty.UnknownVal(cty.String),
		"any":     cty.DynamicVal,
		"secret":  cty.StringVal("x").Mark(marks.Sensitive),
	}}
	for _, expr := range []string{
		`length(unknown)`, `lookup({ a = 1 }, unknown, 2)`, `one([unknown])`, `sum([1, length(unknown)])`, `index([unknown], "a")`,
		`alltrue([true, unknown == "a"])`, `range(length(unknown))`, `file(unknown)`, `templatefile(unknown, {})`,
		`matchkeys(["a"], [unknown], ["b"])`, `matchkeys([unknown], ["b"], ["b"])`, `transpose({ a = [unknown] })`, `templatestring(unknown, {})`, `uuidv5("dns", unknown)`,
		`cidrhost(unknown, 1)`, `tonumber(unknown)`, `toset([for x in any : x])`, `upper(any)`, `length(any)`, `lookup(any, "a")`, `one(any)`, `index(any, 1)`,
		`cidrsubnets("10.0.0.0/8", length(unknown))`, `replace(unknown, "a", "b")`, `startswith(unknown, "a")`,
	} {
		if v := valueOf(t, expr, ctx); v.IsWhollyKnown() {
			t.Errorf("%s: got %#v, want it unknown", expr, v)
		}
	}
	for _, expr := range []string{`upper(secret)`, `length(secret)`, `lookup({ a = secret }, "a", "")`, `tostring(secret)`, `sha256(secret)`, `cidrhost("10.0.0.0/${length(secret)}", 0)`} {
		if v := valueOf(t, expr, ctx); !marks.IsSensitive(v) {
			t.Errorf("%s: got %#v, want it sensitive", expr, v)
		}
	}
}

func valueOf(t *testing.T, expr string, ctx *hcl.EvalContext) cty.Value {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(expr), "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(expr, diags)
	}
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		t.Errorf("%s: %v", expr, diags)
	}
	return v
}
