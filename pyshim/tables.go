package pyshim

import (
	"github.com/mobula/mobula/coreworker/backend"
	pb "github.com/mobula/mobula/proto/boundary"
)

// mostRows bounds an answer about a cluster: its GCS keeps 100,000 attempts of tasks.
const mostRows = 100_000

func (l *lane) decodeClusterRows(id uint64, q *pb.ClusterRows) (func(), error) {
	conditions := make([]backend.Condition, len(q.Conditions))
	for i, c := range q.Conditions {
		conditions[i] = backend.Condition{Field: c.Field, Differs: c.Differs, Value: c.Value}
	}
	return func() {
		l.later(id, func(answer func(*pb.Reply)) {
			l.server.core.Rows(backend.Table(q.Table), int(min(q.Most, mostRows)), conditions, func(rows []byte, err error) {
				if err != nil {
					answer(refused(pb.ErrorKind_ERROR_INTERNAL, err))
					return
				}
				answer(&pb.Reply{Kind: &pb.Reply_ClusterRows{ClusterRows: &pb.ClusterRowsReply{Rows: rows}}})
			})
		})
	}, nil
}
