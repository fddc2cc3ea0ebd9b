// Package actors is what a driver knows of the actors of a cluster: it is the cluster's submit.Directory. Actors are made and
// made anew by the GCS, which tells how each one stands; what is told may come late, twice, and after what is newer.
//
// Pure: called under the core's state lock, it tells its Host what to send and is told what came back.
package actors
