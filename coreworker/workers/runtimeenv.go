package workers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Who does what a key of a runtime_env asks for. The package refuses other keys before they get here.
const (
	byWorker = "worker" // the new process itself: mobula/_env/apply.py
	byHelper = "helper" // a helper process, before any worker starts: mobula/_env/setup.py
)

var doneBy = map[string]string{
	"working_dir": byWorker, "py_modules": byWorker, "worker_process_setup_hook": byWorker,
	"pip": byHelper, "uv": byHelper, "py_executable": byHelper,
}

// defaultSetupTimeout is Ray's.
const defaultSetupTimeout = 600 * time.Second

// maxSetupTimeout is for ever, yet a time from now on is still one that can be told.
const maxSetupTimeout = 100 * 365 * 24 * time.Hour

// setup is what must be done before a worker with an environment can be started.
type setup struct {
	timeout time.Duration // 0: none
}

// ParseRuntimeEnv reads what a task or actor asks of its process: Ray's runtime_env as JSON, "" for nothing. A key that is
// not known here is an error: the package refuses those before, and one that came through would be ignored.
func ParseRuntimeEnv(text string) (SpawnOptions, error) {
	if text == "" {
		return SpawnOptions{}, nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		return SpawnOptions{}, fmt.Errorf("runtime_env: %w", err)
	}
	var opts SpawnOptions
	var variables map[string]string
	timeout := defaultSetupTimeout
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		var err error
		switch {
		case key == "env_vars":
			err = json.Unmarshal(keys[key], &variables)
		case key == "config":
			timeout, err = setupTimeout(keys[key])
		case doneBy[key] == byWorker:
			opts.RuntimeEnv = text
		case doneBy[key] == byHelper:
			opts.RuntimeEnv, opts.setup = text, &setup{}
		default:
			return SpawnOptions{}, fmt.Errorf("runtime_env: a worker cannot be given %q", key)
		}
		if err != nil {
			return SpawnOptions{}, fmt.Errorf("runtime_env: %s: %w", key, err)
		}
	}
	if opts.setup != nil {
		opts.setup.timeout = timeout
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		opts.Env = append(opts.Env, name+"="+variables[name])
	}
	return opts, nil
}

// setupTimeout reads runtime_env["config"]: -1 stands for no limit.
func setupTimeout(raw json.RawMessage) (time.Duration, error) {
	var config struct {
		Seconds *float64 `json:"setup_timeout_seconds"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return 0, err
	}
	switch {
	case config.Seconds == nil:
		return defaultSetupTimeout, nil
	case *config.Seconds < 0:
		return 0, nil
	case *config.Seconds > maxSetupTimeout.Seconds():
		return maxSetupTimeout, nil // a Duration of more seconds than it can hold would be negative
	}
	return time.Duration(*config.Seconds * float64(time.Second)), nil
}
