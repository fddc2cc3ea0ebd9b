// Package embedded is the one-machine back end: who gets which worker when (Scheduler), where actors live (Actors) and
// the function table (KV). It stands where a cluster has its raylet and its GCS, behind the interfaces of package submit.
//
// Like the rooms it joins it is called under the core's state lock and never blocks; processes are made and ended
// through Host.
package embedded
