// Package version is the one place on the Go side that names the release.
package version

// Version is that of the core and of the Python package it ships in; the handshake compares the two, and
// tests/processes/test_version.py holds them together.
const Version = "0.1.0"

// Handshake is the number of the start-up protocol: the line on stdout and the flags of mobula-core.
const Handshake = 1
