package main

import (
	"context"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/rogpeppe/go-internal/testscript"
)

// composeValid is the scripts' composevalid FILE…: each is a Compose file by the
// specification, as Compose v2 reads it.
func composeValid(ts *testscript.TestScript, neg bool, files []string) {
	if neg || len(files) == 0 {
		ts.Fatalf("usage: composevalid FILE...")
	}
	for _, file := range files {
		details := types.ConfigDetails{
			WorkingDir:  ts.Getenv("WORK"),
			ConfigFiles: []types.ConfigFile{{Filename: file, Content: []byte(ts.ReadFile(file))}},
		}
		_, err := loader.LoadWithContext(context.Background(), details, func(o *loader.Options) { o.SetProjectName("script", true) })
		ts.Check(err)
	}
}
