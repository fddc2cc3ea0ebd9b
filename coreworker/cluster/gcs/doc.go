// Package gcs is the first thing that a driver speaks to in a Ray cluster: it opens connections with the cluster's token, asks the
// GCS which cluster and which version it is, for a job's number and for the nodes, and writes the function table.
//
// Actors are watched by package remote, through a connection of this package. It refuses to speak to a cluster of another version
// than the one whose messages it has: they change with every release, and a raylet ends its process on one that it does not know.
package gcs
