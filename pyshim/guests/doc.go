// Package guests lets further drivers join a session: it owns the second socket of the session's folder, what is said there, and how
// the end of such a driver is learned. What a job is and what ends with it is the core's, see Host.
//
//	driver                                            core
//	connects                                          its uid, pid namespace: door and kernel say them; a pidfd of it
//	request, one packet; a memfd with its workers' configuration
//	                                                  answer, one packet: job, token, sizes; arena and spill file
//	attaches its lanes, like the first driver
//	"bye", when it has closed them                    its job ends: workers killed, and so on
//	                                                  closes the connection when they are gone
//
// A driver that dies says nothing: its pidfd does. The connection's end is the second line, for what it forked may keep that open.
package guests
