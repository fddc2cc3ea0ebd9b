package cluster

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/proto/ray"
)

// enroll puts the driver into the GCS's table of workers. Whose owner is not there is taken for an orphan by some of what stock workers
// do: one that runs a generator with a limit gives it up after an item.
func (d *Driver) enroll() {
	defer close(d.enrolled)
	r, err := ray.NewWorkerInfoGcsServiceClient(d.gcs.Conn()).AddWorkerInfo(d.ctx, &ray.AddWorkerInfoRequest{WorkerData: &ray.WorkerTableData{
		IsAlive: true, WorkerAddress: d.address, WorkerType: ray.WorkerType_DRIVER, Pid: uint32(d.cfg.PID), JobId: d.job.Bytes()}}, grpc.WaitForReady(true))
	if err == nil {
		err = gcs.Check(r.Status)
	}
	if err != nil {
		d.report(fmt.Errorf("enter the driver into the cluster's table of workers: %w", err))
	}
}
