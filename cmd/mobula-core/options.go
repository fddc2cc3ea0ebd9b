package main

import (
	"encoding/json"
	"fmt"
)

// options is what of the driver's JSON object is the core's; the workers read the rest of it.
type options struct {
	Namespace   string            `json:"namespace"`
	LogToDriver *bool             `json:"log_to_driver"` // absent: yes
	Labels      map[string]string `json:"labels"`
	NodeName    string            `json:"node_name"`
	Language    string            `json:"language"` // version of Python: other drivers have to have the same
	// What all tasks have that say nothing else, as TaskSpec.runtime_env has it, and whether it is set up at once.
	SessionEnv string `json:"session_env"`
	Lazy       bool   `json:"lazy_install"`
	Cluster    struct {
		Token      string   `json:"token"`
		SysPath    []string `json:"sys_path"`
		Entrypoint string   `json:"entrypoint"`
	} `json:"cluster"`
}

func readOptions(raw json.RawMessage) (o options, err error) {
	if err := json.Unmarshal(raw, &o); err != nil {
		return options{}, fmt.Errorf("worker options: %w", err)
	}
	return o, nil
}

func (o *options) showsLogs() bool { return o.LogToDriver == nil || *o.LogToDriver }
