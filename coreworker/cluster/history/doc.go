// Package history keeps how the tasks of a driver fare until the GCS was told, from which `ray list tasks`, the dashboard and timelines
// have it.
//
// It owns the form of what is told and how much is kept: what does not fit is dropped, the oldest first, and that is told, too. It
// refuses to send, and to know when.
package history
