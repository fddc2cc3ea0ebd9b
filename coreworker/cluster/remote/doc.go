// Package remote carries what the core's submitters decide to raylets and stock workers by gRPC, and brings back what they
// answer: it is the Host of package lease, and the peer.Executor of each leased worker.
//
// What it is asked for it does in goroutines of its own, each of which ends with Close, and answers under the state lock. It
// decides nothing: who is asked is lease's business, what an answer means is wire's.
package remote
