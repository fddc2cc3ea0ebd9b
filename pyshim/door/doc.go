// Package door decides who may come in: it owns the session folder's check, the listening socket with the check of
// the peer's uid at accept, and the token check of every call. It knows nothing of what the service does.
//
// Three locks, each enough against another user: the folder's mode, the uid, the token. There is no TCP listener.
package door
