package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/mobula/mobula/coreworker/version"
)

// flagValues is the command line, read but not yet looked into.
type flagValues struct {
	sessionDir, resources, python, workerConfig string
	arenaFD, pageFD, tokenFD, lifelineFD        int
	spillFD                                     int
	driverPID                                   int
	address                                     string
	arenaBytes                                  uint64
}

// parseFlags says done when --help or --version was all that was asked.
func parseFlags(args []string, stdout io.Writer) (v flagValues, done bool, err error) {
	set := pflag.NewFlagSet("mobula-core", pflag.ContinueOnError)
	set.SetOutput(stdout)
	set.SortFlags = false
	set.StringVar(&v.sessionDir, "session-dir", "", "private folder (mode 0700) for the socket; removed at the end")
	set.IntVar(&v.arenaFD, "arena-fd", -1, "descriptor of the memfd for large objects")
	set.Uint64Var(&v.arenaBytes, "arena-bytes", 0, "size of the arena in bytes")
	set.IntVar(&v.pageFD, "page-fd", -1, "descriptor of the memfd with the cancel page")
	set.IntVar(&v.spillFD, "spill-fd", -1, "descriptor of the file that large objects are spilled to")
	set.IntVar(&v.tokenFD, "token-fd", -1, "descriptor of a pipe with the session's token, 32 bytes")
	set.IntVar(&v.lifelineFD, "lifeline-fd", -1, "descriptor of a pipe whose end means that the driver is gone")
	set.IntVar(&v.driverPID, "driver-pid", 0, "process id of the driver, which must be the parent")
	set.StringVar(&v.resources, "resources", "{}", `what may be used, as JSON: {"CPU": 2}`)
	set.StringVar(&v.address, "address", "", "GCS of the Ray cluster to join, host:port; empty: a session on this machine")
	set.StringVar(&v.python, "python", "python3", "interpreter for workers")
	set.StringVar(&v.workerConfig, "worker-config", "", "JSON for workers: a file, or fd:N for an inherited descriptor")
	showVersion := set.Bool("version", false, "print the version and exit")
	set.Usage = func() {
		fmt.Fprintf(stdout, "mobula-core is started by `import mobula`; it is of little use by hand.\n\nFlags:\n%s", set.FlagUsages())
	}
	if err := set.Parse(args); err != nil {
		return v, false, err
	}
	if *showVersion {
		fmt.Fprintf(stdout, "mobula-core %s\n", version.Version)
		return v, true, nil
	}
	return v, false, v.check(set.Args())
}

func (v *flagValues) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case v.sessionDir == "":
		return fmt.Errorf("--session-dir is needed")
	case !filepath.IsAbs(v.sessionDir):
		return fmt.Errorf("--session-dir must be an absolute path, not %q", v.sessionDir)
	case v.tokenFD < 0:
		return fmt.Errorf("--token-fd is needed")
	case v.arenaFD >= 0 && v.arenaBytes == 0:
		return fmt.Errorf("--arena-fd needs --arena-bytes")
	}
	return nil
}

func parseResources(text string) (map[string]float64, error) {
	var resources map[string]float64
	if err := json.Unmarshal([]byte(text), &resources); err != nil {
		return nil, fmt.Errorf("--resources: %w", err)
	}
	for name, amount := range resources {
		if amount < 0 {
			return nil, fmt.Errorf("--resources: %s is negative", name)
		}
	}
	return resources, nil
}
