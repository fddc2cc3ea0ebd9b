//go:build faults

package faults

import (
	"fmt"
	"os"
	"sync"
)

// Enabled says whether this core was built with faults.
const Enabled = true

const (
	// variable holds the specification; logVariable the path of a file that is told of each fault, a line for each.
	variable    = "MOBULA_FAULTS"
	logVariable = "MOBULA_FAULTS_LOG"
)

var session = sync.OnceValue(func() *plan {
	p, err := parse(os.Getenv(variable))
	if err != nil {
		fmt.Fprintf(os.Stderr, "mobula-core: %s: %v\n", variable, err)
		os.Exit(2)
	}
	return p
})

// At says what is to be done at a point, this time.
func At(point string, known Action) Action {
	action := session().hit(point, known)
	if action != None {
		tell(point, action)
	}
	return action
}

// Err is the error that a system call is to return instead of being made, nil to make it.
func Err(point string, failure error) error {
	if At(point, Fail) == None {
		return nil
	}
	return failure
}

func tell(point string, action Action) {
	path := os.Getenv(logVariable)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(file, "%s:%s\n", point, action)
		file.Close()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mobula-core: %s: %v\n", logVariable, err)
	}
}
