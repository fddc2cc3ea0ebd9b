package workers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

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
	var variables map[string]string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if key != "env_vars" {
			return SpawnOptions{}, fmt.Errorf("runtime_env: a worker cannot be given %q", key)
		}
		if err := json.Unmarshal(keys[key], &variables); err != nil {
			return SpawnOptions{}, fmt.Errorf("runtime_env: env_vars: %w", err)
		}
	}
	var opts SpawnOptions
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		opts.Env = append(opts.Env, name+"="+variables[name])
	}
	return opts, nil
}
