package stock

import (
	"fmt"
	"net"
	"os"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestTheSocketsAreThereAndTheServersEnd(t *testing.T) {
	var pids []int
	t.Run("cluster", func(t *testing.T) {
		c := Start(t, Options{Nodes: []Node{{Resources: map[string]float64{"other": 1}}}})
		if len(c.Nodes) != 1 || c.Token == "" {
			t.Fatalf("asked for a node and a token, got %+v", c)
		}
		for _, node := range c.Nodes {
			for _, path := range []string{node.RayletSocket, node.StoreSocket} {
				conn, err := net.Dial("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.Close()
			}
			pids = append(pids, node.Pids["raylet"]...)
		}
	})
	for _, pid := range pids {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			t.Errorf("raylet %d is still there", pid)
		}
	}
}
