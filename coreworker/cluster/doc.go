// Package cluster joins a core to an unmodified Ray cluster, as a driver: stock workers on the cluster's nodes run its functions
// and actors.
//
// Join does what a driver does before its first task; Driver is the back end that the core uses then, made of the packages below,
// which know one peer each: gcs, raylet, plasma and store, lease and remote, actors, objects.
package cluster
