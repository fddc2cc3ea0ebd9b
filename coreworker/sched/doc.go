// Package sched owns the resources of one machine: what a task asks for, what there is, what is held.
//
// Amounts are counted in ten-thousandths, as Ray counts them: 0.1 + 0.2 is 0.3 here, and ten tasks of 0.1 CPU fill
// one.
//
// It refuses to choose: which task comes next, and in which process, is decided by those who call it. It knows no
// tasks, keeps no queue and holds no lock.
package sched
