// Package stock starts stock Ray clusters for Go tests, by the same program as the Python tests do
// (tests/cluster/stock_cluster.py), from the environment that `make .venv-ray/.made` makes.
//
// It owns a cluster's start and its end, after which nothing of it is left: no process, no folder. It knows nothing of
// how a cluster is joined, and only tests import it. Where the environment is absent, a test that asks for a cluster is
// skipped and says what to run.
//
// A package whose tests share one cluster has
//
//	func TestMain(m *testing.M) { stock.Main(m) }
//
// and its tests call stock.Shared.
package stock

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Python names the environment variable with an interpreter that has ray==2.60.0, where it is not the one in .venv-ray.
const Python = "MOBULA_TEST_RAY_PYTHON"

// Servers under load have taken 20 s; a start that takes longer than this hangs.
const startPatience = 90 * time.Second

// Node is what a node is asked for; zero values are left to the program's defaults (one CPU, 150 MiB of store).
type Node struct {
	NumCPUs           float64            `json:"num_cpus,omitempty"`
	ObjectStoreMemory int64              `json:"object_store_memory,omitempty"`
	Resources         map[string]float64 `json:"resources,omitempty"`
	Labels            map[string]string  `json:"labels,omitempty"`
}

// Options are what a cluster is asked for.
type Options struct {
	Nodes        []Node            // none: one node
	NoToken      bool              // authentication switched off
	Env          map[string]string // for the servers
	SystemConfig map[string]any    // Ray's _system_config
	Dashboard    bool
}

// Running is one node of a running cluster.
type Running struct {
	NodeID          string           `json:"node_id"` // hex
	IP              string           `json:"ip"`
	RayletSocket    string           `json:"raylet_socket"`
	StoreSocket     string           `json:"store_socket"`
	NodeManagerPort int              `json:"node_manager_port"`
	Pids            map[string][]int `json:"pids"` // by Ray's name of the server: gcs_server, raylet
}

// Cluster is a running cluster.
type Cluster struct {
	Address    string    `json:"address"` // of the GCS, host:port
	Folder     string    `json:"folder"`
	SessionDir string    `json:"session_dir"`
	Token      string    `json:"token"` // empty: authentication is off
	Nodes      []Running `json:"nodes"`

	process *exec.Cmd
	stdin   interface{ Close() error }
}

// Start starts a cluster for one test, which ends it.
func Start(t testing.TB, wanted Options) *Cluster {
	t.Helper()
	c, err := start(wanted)
	skipOrFail(t, err)
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

var shared struct {
	sync.Mutex
	cluster *Cluster
	err     error
}

// Shared is one node with two CPUs that all tests of a package use, started by the first of them. Main ends it.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start(Options{Nodes: []Node{{NumCPUs: 2}}})
	}
	skipOrFail(t, shared.err)
	return shared.cluster
}

// Main runs the tests of a package, ends the cluster they shared, and exits.
func Main(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var errAbsent = errors.New("no stock Ray")

func skipOrFail(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func start(wanted Options) (*Cluster, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	python, err := interpreter(root)
	if err != nil {
		return nil, err
	}
	token := ""
	if !wanted.NoToken {
		random := make([]byte, 32)
		_, _ = rand.Read(random) // never fails: it ends the program instead
		token = hex.EncodeToString(random)
	}
	described, err := json.Marshal(struct {
		Nodes        []Node            `json:"nodes,omitempty"`
		Token        string            `json:"token,omitempty"`
		Env          map[string]string `json:"env,omitempty"`
		SystemConfig map[string]any    `json:"system_config,omitempty"`
		Dashboard    bool              `json:"dashboard,omitempty"`
	}{wanted.Nodes, token, wanted.Env, wanted.SystemConfig, wanted.Dashboard})
	if err != nil {
		return nil, err
	}
	c := &Cluster{process: exec.Command(python, filepath.Join(root, "tests", "cluster", "stock_cluster.py"), string(described))}
	c.process.Stderr = os.Stderr
	stdin, err := c.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = stdin
	stdout, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	watchdog := time.AfterFunc(startPatience, func() { _ = stdin.Close(); _ = c.process.Process.Kill() })
	defer watchdog.Stop()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, c)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the stock cluster did not start; its stderr says why: %w", err), c.stop())
	}
	return c, nil
}

func (c *Cluster) stop() error {
	if err := c.stdin.Close(); err != nil {
		return fmt.Errorf("the stock cluster's stdin: %w", err)
	}
	if err := c.process.Wait(); err != nil {
		return fmt.Errorf("the stock cluster did not end well; its stderr says why: %w", err)
	}
	if _, err := os.Stat(c.Folder); c.Folder != "" && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the stock cluster left its folder %s", c.Folder)
	}
	return nil
}

// Output is what a Python program prints on its stdout that runs where ray is installed, with no cluster. Its failure fails
// the test.
func Output(t testing.TB, program string) []byte {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	python, err := interpreter(root)
	skipOrFail(t, err)
	run := exec.CommandContext(t.Context(), python, "-c", program)
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("a program that runs where ray is installed: %v\n%s", err, stderr.Bytes())
	}
	return out
}

func interpreter(root string) (string, error) {
	path := os.Getenv(Python)
	if path == "" {
		path = filepath.Join(root, ".venv-ray", "bin", "python")
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: run `make .venv-ray/.made`, or name an interpreter that has it in %s (%v)", errAbsent, Python, err)
	}
	return path, nil
}

// repository is the root of this checkout: tests run in their package's folder, wherever that is.
func repository() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("stock: the place of this file is not known, so neither is that of tests/cluster")
	}
	for folder := filepath.Dir(file); ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("stock: no go.mod above %s", file)
		}
	}
}
