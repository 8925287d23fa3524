package config

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions lists the functions of the language. They are pure, but for those
// that read files of the folder dir.
func functions(dir string) map[string]function.Function {
	all := map[string]function.Function{
		// Numbers.
		"abs":      stdlib.AbsoluteFunc,
		"ceil":     stdlib.CeilFunc,
		"floor":    stdlib.FloorFunc,
		"log":      stdlib.LogFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc,
		"pow":      stdlib.PowFunc,
		"signum":   stdlib.SignumFunc,
		"sum":      sumFunc(),

		// Strings.
		"chomp":       stdlib.ChompFunc,
		"endswith":    stringTest(hasSuffix),
		"format":      stdlib.FormatFunc,
		"formatlist":  stdlib.FormatListFunc,
		"indent":      stdlib.IndentFunc,
		"join":        stdlib.JoinFunc,
		"lower":       stdlib.LowerFunc,
		"regex":       stdlib.RegexFunc,
		"regexall":    stdlib.RegexAllFunc,
		"replace":     replaceFunc(),
		"split":       stdlib.SplitFunc,
		"startswith":  stringTest(hasPrefix),
		"strcontains": stringTest(contains),
		"strrev":      stdlib.ReverseFunc,
		"substr":      stdlib.SubstrFunc,
		"title":       stdlib.TitleFunc,
		"trim":        stdlib.TrimFunc,
		"trimprefix":  stdlib.TrimPrefixFunc,
		"trimspace":   stdlib.TrimSpaceFunc,
		"trimsuffix":  stdlib.TrimSuffixFunc,
		"upper":       stdlib.UpperFunc,

		// Collections.
		"alltrue":         boolFold(true),
		"anytrue":         boolFold(false),
		"chunklist":       stdlib.ChunklistFunc,
		"coalesce":        stdlib.CoalesceFunc,
		"coalescelist":    stdlib.CoalesceListFunc,
		"compact":         stdlib.CompactFunc,
		"concat":          stdlib.ConcatFunc,
		"contains":        stdlib.ContainsFunc,
		"distinct":        stdlib.DistinctFunc,
		"element":         stdlib.ElementFunc,
		"flatten":         stdlib.FlattenFunc,
		"index":           indexFunc(),
		"keys":            stdlib.KeysFunc,
		"length":          lengthFunc(),
		"lookup":          lookupFunc(),
		"matchkeys":       matchKeysFunc(),
		"merge":           stdlib.MergeFunc,
		"one":             oneFunc(),
		"range":           rangeFunc(),
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc,
		"setproduct":      stdlib.SetProductFunc,
		"setsubtract":     stdlib.SetSubtractFunc,
		"setunion":        stdlib.SetUnionFunc,
		"slice":           stdlib.SliceFunc,
		"sort":            stdlib.SortFunc,
		"transpose":       transposeFunc(),
		"values":          stdlib.ValuesFunc,
		"zipmap":          stdlib.ZipmapFunc,

		// Types, and what may fail.
		"can":          tryfunc.CanFunc,
		"issensitive":  isSensitiveFunc(),
		"nonsensitive": nonsensitiveFunc(),
		"sensitive":    sensitiveFunc(),
		"tobool":       conversion(cty.Bool),
		"tolist":       conversion(cty.List(cty.DynamicPseudoType)),
		"tomap":        conversion(cty.Map(cty.DynamicPseudoType)),
		"tonumber":     conversion(cty.Number),
		"toset":        conversion(cty.Set(cty.DynamicPseudoType)),
		"tostring":     conversion(cty.String),
		"try":          tryfunc.TryFunc,

		// Encodings.
		"base64decode":     base64DecodeFunc(),
		"base64encode":     stringFunc(base64Encode),
		"base64gzip":       stringFunc(base64Gzip),
		"csvdecode":        stdlib.CSVDecodeFunc,
		"jsondecode":       stdlib.JSONDecodeFunc,
		"jsonencode":       stdlib.JSONEncodeFunc,
		"textdecodebase64": encodingFunc(textDecode),
		"textencodebase64": encodingFunc(textEncode),
		"urlencode":        stringFunc(urlEncode),
		"yamldecode":       yaml.YAMLDecodeFunc,
		"yamlencode":       yaml.YAMLEncodeFunc,

		// Digests.
		"base64sha256": stringFunc(base64Digest(sha256Digest)),
		"base64sha512": stringFunc(base64Digest(sha512Digest)),
		"md5":          stringFunc(hexDigest(md5Digest)),
		"sha1":         stringFunc(hexDigest(sha1Digest)),
		"sha256":       stringFunc(hexDigest(sha256Digest)),
		"sha512":       stringFunc(hexDigest(sha512Digest)),
		"uuidv5":       uuidFunc(),

		// Dates, which are given and never today's.
		"formatdate": stdlib.FormatDateFunc,
		"timeadd":    stdlib.TimeAddFunc,
		"timecmp":    timeCompareFunc(),

		// Networks.
		"cidrhost":    cidrHostFunc(),
		"cidrnetmask": cidrNetmaskFunc(),
		"cidrsubnet":  cidrSubnetFunc(),
		"cidrsubnets": cidrSubnetsFunc(),

		// Files, by paths that begin at the folder of the configuration.
		"basename":         stringFunc(baseName),
		"dirname":          stringFunc(dirName),
		"file":             fileFunc(dir, fileText),
		"filebase64":       fileFunc(dir, fileBase64),
		"filebase64sha256": fileFunc(dir, ofBytes(base64Digest(sha256Digest))),
		"filebase64sha512": fileFunc(dir, ofBytes(base64Digest(sha512Digest))),
		"fileexists":       fileExistsFunc(dir),
		"fileset":          fileSetFunc(dir),
		"filemd5":          fileFunc(dir, ofBytes(hexDigest(md5Digest))),
		"filesha1":         fileFunc(dir, ofBytes(hexDigest(sha1Digest))),
		"filesha256":       fileFunc(dir, ofBytes(hexDigest(sha256Digest))),
		"filesha512":       fileFunc(dir, ofBytes(hexDigest(sha512Digest))),
	}
	for name, why := range refusals() {
		all[name] = refused(why)
	}
	return withTemplates(dir, all, 1)
}

// refusals lists functions of Terraform that nxc does not have, and why.
func refusals() map[string]string {
	return map[string]string{
		"abspath":         "an absolute path is another one on another machine; paths begin at the folder of the configuration",
		"bcrypt":          "it gives another hash in every plan; give the hash as a variable with sensitive = true",
		"ephemeralasnull": "nothing is ephemeral; use the value itself, which sensitive = true keeps out of the state",
		"pathexpand":      "an absolute path is another one on another machine; paths begin at the folder of the configuration",
		"plantimestamp":   "it gives another value in every plan; give the time as a variable",
		"rsadecrypt":      "it needs a private key, which would have to stand in the configuration; give what it decrypts as a variable with sensitive = true",
		"timestamp":       "it gives another value in every plan; give the time as a variable",
		"uuid":            "it gives another value in every plan; give the name as a variable, use the id of a resource, or uuidv5",
	}
}

// CheckFunctions reports calls of functions that are refused wherever they are
// written, also where nothing is evaluated without a plan.
func (c *Config) CheckFunctions() hcl.Diagnostics {
	var diags hcl.Diagnostics
	why := refusals()
	for _, path := range slices.Sorted(maps.Keys(c.Files)) {
		body, ok := c.Files[path].Body.(*hclsyntax.Body)
		if !ok {
			continue
		}
		_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
			if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && why[call.Name] != "" {
				diags = append(diags, errorAt(call.Range(), "Function not available", "nxc does not have %s: %s.", call.Name, why[call.Name]))
			}
			return nil
		})
	}
	return diags
}
