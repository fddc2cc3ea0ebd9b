package workers

import (
	"encoding/json"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

// Job is what the workers of a driver that has joined the session have in common, in place of what the session's own have.
type Job struct {
	Python  string          // interpreter, a path
	Options json.RawMessage // that driver's worker configuration, a JSON object
}

// jobConfig is the pool's configuration for the workers of one job.
type jobConfig struct {
	Config
	// executed says that no fork of the zygote can become such a worker: it is another interpreter, or has variables or modules of
	// the session's that a process cannot be cleaned of, or the configuration does not fit a request.
	executed bool
}

// AddJob makes it possible to start workers for a job. ForgetJob follows.
func (p *Pool) AddJob(id ids.JobID, job Job) error {
	own := jobConfig{Config: p.cfg}
	own.Python, own.Options = job.Python, job.Options
	if _, err := own.environment(nil); err != nil {
		return err
	}
	theirs, err := readProcessOptions(p.cfg.Options)
	if err != nil {
		return err
	}
	ours, err := readProcessOptions(job.Options)
	if err != nil {
		return err
	}
	own.executed = job.Python != p.cfg.Python || len(theirs.Env)+len(ours.Env) > 0 || theirs.AsRay && !ours.AsRay ||
		len(job.Options) > maxRequestEnv
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs[id] = own
	return nil
}

// ForgetJob is called when no worker is started for the job any more.
func (p *Pool) ForgetJob(id ids.JobID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.jobs, id)
	for env, made := range p.prepared {
		if env.job == id {
			closeAll(made.lock)
			delete(p.prepared, env)
		}
	}
}

// of is the configuration for the workers of a job: the zero job is the session's own.
func (p *Pool) of(id ids.JobID) (jobConfig, error) {
	if id == (ids.JobID{}) {
		return jobConfig{Config: p.cfg}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	own, ok := p.jobs[id]
	if !ok {
		return own, fmt.Errorf("workers: job %s is over, or never began", id)
	}
	return own, nil
}

// processOptions is what of the workers' configuration stays in a process once it was given it.
type processOptions struct {
	Env   map[string]string `json:"env"`
	AsRay bool              `json:"as_ray"`
}

func readProcessOptions(raw json.RawMessage) (o processOptions, err error) {
	if len(raw) > 0 {
		if err = json.Unmarshal(raw, &o); err != nil {
			err = fmt.Errorf("workers: worker configuration: %w", err)
		}
	}
	return o, err
}
