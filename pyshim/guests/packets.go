package guests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// Protocol is the number of what is said on the socket.
	Protocol  = 1
	maxPacket = 16 << 10
	// maxOptions is how long a workers' configuration may be.
	maxOptions = 64 << 20
	bye        = "bye"
)

// request is the driver's packet. With it comes a descriptor of its workers' configuration, a JSON object.
type request struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"` // of the package
	Python   string `json:"python"`  // its interpreter, a path
	Language string `json:"language"`
	Shows    bool   `json:"shows"` // what its workers print
}

// answer is the core's packet: why not, or the rest. With the rest come the descriptors of arena and spill file, as far as there are
// such.
type answer struct {
	Refused    string `json:"refused,omitempty"`
	Job        string `json:"job,omitempty"`   // hex
	Token      string `json:"token,omitempty"` // hex
	CorePID    int    `json:"core_pid,omitempty"`
	DriverPID  int    `json:"driver_pid,omitempty"` // of the driver that the session began with
	Arena      bool   `json:"arena,omitempty"`
	ArenaBytes uint64 `json:"arena_bytes,omitempty"`
	Spill      bool   `json:"spill,omitempty"`
}

// decode reads a request and takes the descriptors over that came with it.
func decode(packet, rights []byte) (r request, options *os.File, err error) {
	fds := received(rights)
	defer func() {
		if err != nil {
			closeAll(fds)
		}
	}()
	if err := json.Unmarshal(packet, &r); err != nil {
		return r, nil, fmt.Errorf("the request cannot be read: %w", err)
	}
	if r.Protocol != Protocol {
		return r, nil, fmt.Errorf("this session is joined by protocol %d, and the driver speaks %d: install mobula from one release", Protocol, r.Protocol)
	}
	if len(fds) != 1 {
		return r, nil, fmt.Errorf("with the request came %d descriptors, not one", len(fds))
	}
	return r, os.NewFile(uintptr(fds[0]), "options"), nil
}

// readOptions reads a file of a driver's from its start.
func readOptions(file *os.File) (json.RawMessage, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxOptions: // another kind might never end
		return nil, fmt.Errorf("the workers' configuration is no file of at most %d bytes", maxOptions)
	}
	raw, err := io.ReadAll(io.NewSectionReader(file, 0, maxOptions))
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, errors.Join(errors.New("the workers' configuration is no JSON object"), err)
	}
	return raw, nil
}

func received(rights []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for i := range messages {
		some, err := unix.ParseUnixRights(&messages[i])
		if err == nil {
			fds = append(fds, some...)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
