// Package lease gets workers from raylets for the normal tasks of one driver: it is the cluster's submit.Leaser.
//
// A wish is asked at this node's raylet first, which grants a worker, names another raylet to ask, or refuses. A worker that is
// given back stays for a moment, as long as nobody wishes for another kind, so that a program that waits for each of its tasks
// does not pay for a lease each time.
//
// It is pure: called under the core's state lock, it tells its Host what to send and is told what came back. What was sent
// and has no answer yet is known by its id, also when nobody wants it any more: a worker that is granted to nobody would be
// lost to the cluster for as long as the driver lives.
package lease
