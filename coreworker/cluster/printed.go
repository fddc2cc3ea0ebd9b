package cluster

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/proto/ray"
)

// What workers of any node print comes the way that it comes to Ray's own drivers: a log monitor on their node reads their files and
// publishes lines through the GCS, some tenths of a second later. Errors that raylets report come beside them.

// Marks that Ray's servers put before lines which are for drivers (python/ray/_private/ray_constants.py).
const (
	eventMark = ":event_summary:"
	infoMark  = ":info_message:"
)

// reporter is how drivers name who reports errors.
const reporter = "raylet"

// nilJob is the job of an error that concerns all.
const nilJob = "\xff\xff\xff\xff"

// Listen implements backend.Cluster.
func (d *Driver) Listen(workers bool, show func(backend.Printed)) {
	began := time.Now()
	subscriber := gcs.NewSubscriber(ray.NewObservabilityPubSubServiceClient(d.gcs.Conn()), d.worker)
	subscribe := func() {
		channels := []ray.ChannelType{ray.ChannelType_RAY_ERROR_INFO_CHANNEL}
		if workers {
			channels = append(channels, ray.ChannelType_RAY_LOG_CHANNEL)
		}
		if err := subscriber.Subscribe(d.ctx, nil, channels...); err != nil {
			d.report(fmt.Errorf("hear what workers print: %w", err))
		}
	}
	hear := func(m *ray.PubMessage) {
		if e := m.GetErrorInfoMessage(); e != nil && (string(e.JobId) == string(d.job[:]) || string(e.JobId) == nilJob || len(e.JobId) == 0) {
			show(backend.Printed{Name: reporter, Lines: strings.Split(strings.TrimRight(e.ErrorMessage, "\n"), "\n")})
		}
		if b := m.GetLogBatchMessage(); b != nil && (b.JobId == "" || b.JobId == d.job.String()) {
			if p := d.printed(b, time.Since(began)); len(p.Lines) > 0 {
				show(p)
			}
		}
	}
	d.core.Do(func() {
		d.background(func() {
			subscribe()
			subscriber.Hear(d.ctx, hear, subscribe, func(err error) { d.report(fmt.Errorf("hear what workers print: %w", err)) })
		})
	})
}

// printed is a batch as a driver shows it.
func (d *Driver) printed(b *ray.LogBatch, age time.Duration) backend.Printed {
	p := backend.Printed{Node: b.Ip, IsError: b.IsError, Name: b.ActorName}
	if p.Node == d.self.IP {
		p.Node = ""
	}
	if p.Name == "" {
		p.Name = b.TaskName
	}
	pid, err := strconv.Atoi(b.Pid)
	if err != nil || pid <= 0 { // one of Ray's own processes, by name
		pid, p.Name = 0, b.Pid
	}
	p.PID = pid
	scaler := p.Name == "autoscaler" && pid == 0
	if scaler {
		p.Name = fmt.Sprintf("autoscaler +%s", age.Round(time.Second))
	}
	for _, line := range b.Lines {
		if scaler {
			var is bool
			if line, is = scaling(line); !is {
				continue
			}
		}
		if _, after, marked := strings.Cut(line, infoMark); marked {
			line = after
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

// scaling is what an autoscaler says to drivers; of its other lines there are many. The first version of it marks them, the second
// writes each as JSON.
func scaling(line string) (text string, is bool) {
	if _, after, marked := strings.Cut(line, eventMark); marked {
		return after, true
	}
	var event struct{ Message, Severity string }
	if json.Unmarshal([]byte(line), &event) != nil || event.Severity == "DEBUG" || event.Severity == "TRACE" {
		return "", false
	}
	return event.Message, event.Message != ""
}
