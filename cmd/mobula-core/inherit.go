package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Config is the session as the driver described it, checked. Descriptors are open and close on exec.
type Config struct {
	SessionDir    string
	ArenaFD       int // -1: none
	ArenaBytes    uint64
	PageFD        int    // -1: none
	SpillFD       int    // -1: none; objects lie in memory only
	Token         string // hex
	LifelineFD    int    // -1: none
	DriverPID     int    // 0: none
	Resources     map[string]float64
	Python        string
	Address       string          // of the cluster to join; "": none
	WorkerOptions json.RawMessage // a JSON object; "{}" when the driver gave none
}

const tokenBytes = 32

// inherit takes the descriptors over. None may reach a child by accident, so all are closed on exec first.
func inherit(v flagValues) (Config, error) {
	cfg := Config{
		SessionDir: v.sessionDir, ArenaFD: v.arenaFD, ArenaBytes: v.arenaBytes, PageFD: v.pageFD, SpillFD: v.spillFD,
		LifelineFD: v.lifelineFD, DriverPID: v.driverPID, Python: v.python, Address: v.address,
	}
	for name, fd := range map[string]int{
		"arena-fd": v.arenaFD, "page-fd": v.pageFD, "spill-fd": v.spillFD, "token-fd": v.tokenFD, "lifeline-fd": v.lifelineFD,
	} {
		if fd < 0 {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return cfg, fmt.Errorf("--%s %d: %w", name, fd, err)
		}
	}
	if v.arenaFD >= 0 {
		var stat unix.Stat_t
		if err := unix.Fstat(v.arenaFD, &stat); err != nil {
			return cfg, fmt.Errorf("--arena-fd %d: %w", v.arenaFD, err)
		}
		if uint64(stat.Size) != v.arenaBytes {
			return cfg, fmt.Errorf("--arena-fd %d has %d bytes, --arena-bytes says %d", v.arenaFD, stat.Size, v.arenaBytes)
		}
	}
	var err error
	if cfg.Resources, err = parseResources(v.resources); err != nil {
		return cfg, err
	}
	if cfg.Token, err = readToken(v.tokenFD); err != nil {
		return cfg, err
	}
	cfg.WorkerOptions, err = readWorkerConfig(v.workerConfig)
	return cfg, err
}

// readToken reads to the end, so that a token which is too long is refused too, and closes the pipe.
func readToken(fd int) (string, error) {
	pipe := os.NewFile(uintptr(fd), "token")
	defer pipe.Close()
	token, err := io.ReadAll(io.LimitReader(pipe, tokenBytes+1))
	if err != nil {
		return "", fmt.Errorf("--token-fd %d: %w", fd, err)
	}
	if len(token) != tokenBytes {
		return "", fmt.Errorf("--token-fd %d gave %d bytes, a token has %d", fd, len(token), tokenBytes)
	}
	return hex.EncodeToString(token), nil
}

func readWorkerConfig(where string) (json.RawMessage, error) {
	if where == "" {
		return json.RawMessage("{}"), nil
	}
	raw, err := readAll(where)
	if err == nil {
		err = checkObject(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("--worker-config %s: %w", where, err)
	}
	return raw, nil
}

func checkObject(raw []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	if object == nil {
		return errors.New("it is no JSON object")
	}
	return nil
}

func readAll(where string) ([]byte, error) {
	number, isFD := strings.CutPrefix(where, "fd:")
	if !isFD {
		return os.ReadFile(where)
	}
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return nil, errors.New("fd: is not followed by a descriptor number")
	}
	file := os.NewFile(uintptr(fd), "worker-config")
	defer file.Close()
	// From the start, wherever the driver's writing left the offset the two share.
	return io.ReadAll(io.NewSectionReader(file, 0, 1<<30))
}
