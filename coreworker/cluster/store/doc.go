// Package store does what a core worker does with large values in a Ray cluster: it puts them into this node's store, gets them
// from there after they were pulled, frees them on every node, and waits for those who borrow them.
//
// It joins the parts that know one peer each: package plasma the store, package raylet the raylet, package objects the owner's
// state. It refuses to know what a value means and who uses it.
package store
