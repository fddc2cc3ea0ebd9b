package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/plasma"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/store"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// openPatience is how long a GCS is waited for: it may be starting, and mostly it is the address that is wrong.
const openPatience = 10 * time.Second

// Config is how a driver joins.
type Config struct {
	Address    string // of the GCS, host:port
	Token      string // empty: authentication is off
	Namespace  string
	RuntimeEnv string   // Ray's runtime_env as JSON, of all tasks that say nothing else; "" is none
	SysPath    []string // where workers look for the driver's modules
	Entrypoint string   // the command line that jobs are listed with
	PID        int      // of the driver's process
	Arena      *os.File // the core's own object store
	Report     func(error)
}

// Join makes the driver known to the cluster. When it returns, peers may call already, and the driver waits for Bind. An error is
// one sentence for the user. ctx bounds the joining alone.
func Join(ctx context.Context, cfg Config) (*Driver, error) {
	d := &Driver{cfg: cfg, dialer: gcs.NewDialer(cfg.Token), functions: map[ids.FunctionID]*export{}, classes: map[ids.ActorID]wire.Function{},
		foreign: map[ids.ObjectID]*ray.Address{}, streams: map[ids.TaskID]*stream{},
		bound: make(chan struct{}), gone: map[ids.ObjectID]struct{}{}, dead: map[ids.NodeID]string{}, enrolled: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if err := d.join(ctx); err != nil {
		return nil, errors.Join(err, d.drop())
	}
	return d, nil
}

func (d *Driver) join(ctx context.Context) (err error) {
	opening, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	if d.gcs, err = gcs.Open(opening, d.dialer, d.cfg.Address); err != nil {
		return err
	}
	node, err := d.here(ctx)
	if err != nil {
		return err
	}
	if d.job, err = d.gcs.NextJob(ctx); err != nil {
		return err
	}
	d.worker = ids.DriverWorker(d.job)
	env := d.cfg.RuntimeEnv
	if env == "" {
		env = "{}"
	}
	d.job1 = &ray.JobConfig{RayNamespace: d.cfg.Namespace, DefaultActorLifetime: ray.JobConfig_NON_DETACHED, PyDriverSysPath: d.cfg.SysPath,
		RuntimeEnvInfo: &ray.RuntimeEnvInfo{SerializedRuntimeEnv: env, RuntimeEnvConfig: &ray.RuntimeEnvConfig{SetupTimeoutSeconds: 600, EagerInstall: true}}}
	if d.raylet, err = raylet.Dial(ctx, node.RayletSocketName); err != nil {
		return fmt.Errorf("the raylet of this machine's node does not let this driver in: %w", err)
	}
	nodeID, port, err := d.raylet.Register(ctx, raylet.Driver{Worker: d.worker, Job: d.job, PID: d.cfg.PID, IP: node.NodeManagerAddress, Config: d.job1})
	if err != nil {
		return err
	}
	if port, err = d.listen(node.NodeManagerAddress, port); err != nil {
		return err
	}
	d.local = raylet.Address{Node: nodeID, IP: node.NodeManagerAddress, Port: uint16(node.NodeManagerPort)}
	d.self = raylet.Address{Node: nodeID, IP: node.NodeManagerAddress, Port: port, Worker: d.worker}
	d.address = &ray.Address{NodeId: nodeID.Bytes(), IpAddress: d.self.IP, Port: int32(port), WorkerId: d.worker.Bytes()}
	d.serve()
	if err := d.raylet.AnnouncePort(ctx, port, d.cfg.Entrypoint); err != nil {
		return err
	}
	if d.plasma, err = plasma.Dial(ctx, node.ObjectStoreSocketName); err != nil {
		return fmt.Errorf("the object store of this machine's node does not let this driver in: %w", err)
	}
	manager, err := d.dial(d.local)
	if err != nil {
		return err
	}
	d.store = store.New(d.plasma, d.raylet, ray.NewNodeManagerServiceClient(manager))
	return nil
}

// here is the node whose raylet is on this machine: a driver shares memory with it.
func (d *Driver) here(ctx context.Context) (*ray.GcsNodeInfo, error) {
	nodes, err := d.gcs.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var found *ray.GcsNodeInfo
	alive := 0
	for _, n := range nodes {
		if n.State != ray.GcsNodeInfo_ALIVE {
			continue
		}
		alive++
		// The socket of another machine's raylet may have the same path: its address has to be one of this machine too.
		if _, err := os.Stat(n.RayletSocketName); err == nil && local(n.NodeManagerAddress) && (found == nil || n.IsHeadNode) {
			found = n
		}
	}
	if found == nil {
		return nil, fmt.Errorf("none of the %d nodes of the cluster at %s is this machine: a driver needs a raylet beside it; run "+
			"`ray start --address=%s` here, or run the program on one of the cluster's machines", alive, d.cfg.Address, d.cfg.Address)
	}
	return found, nil
}

// local says whether one can listen on the address.
func local(ip string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// listen takes the port that the raylet assigned, or where it assigned none any.
func (d *Driver) listen(ip string, port uint16) (uint16, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(int(port))))
	if err != nil {
		return 0, fmt.Errorf("the raylet assigned port %d of %s to this driver, and it cannot listen there: %w", port, ip, err)
	}
	d.listener = l
	return uint16(l.Addr().(*net.TCPAddr).Port), nil
}

func (d *Driver) serve() {
	d.freer = store.NewFreer(d.ctx, d.manager, d.report)
	d.owner = objects.NewService(d.worker, d.freer.Free)
	d.watcher = store.NewWatcher(d.ctx, d.address, d.peer, store.Events{LetGo: d.letGo, Died: d.borrowerDied})
	d.server = grpc.NewServer(grpc.UnaryInterceptor(d.dialer.Admit), grpc.MaxRecvMsgSize(gcs.MaxMessage), grpc.MaxSendMsgSize(gcs.MaxMessage),
		grpc.InitialWindowSize(gcs.Window), grpc.InitialConnWindowSize(gcs.Window))
	ray.RegisterCoreWorkerServiceServer(d.server, &service{o: d.owner, d: d})
	d.serving.Go(func() {
		if err := d.server.Serve(d.listener); err != nil {
			d.report(fmt.Errorf("serve the cluster: %w", err))
		}
	})
}
